// Initials on the colour that belongs to a key; the same on every device.
import QtQuick
import "../theme"

Item {
    id: avatar

    property string initials
    property int colour: 0
    property int size: 44
    property bool online: false
    property color ground: Theme.surface
    property string symbol

    width: size
    height: size
    Accessible.ignored: true

    Rectangle {
        anchors.fill: parent
        radius: width / 2
        color: Theme.avatar[avatar.colour % Theme.avatar.length]
    }
    Text {
        anchors.centerIn: parent
        visible: !avatar.symbol
        text: avatar.initials
        color: "#ffffff"
        font.family: Theme.family
        font.pixelSize: Math.round(avatar.size * (avatar.initials.length > 1 ? 0.36 : 0.42))
        font.weight: Font.DemiBold
        textFormat: Text.PlainText
        Accessible.ignored: true
    }
    Icon {
        anchors.centerIn: parent
        visible: avatar.symbol
        name: avatar.symbol
        color: "#ffffff"
        size: Math.round(avatar.size * 0.46)
    }
    Rectangle {
        visible: avatar.online
        anchors.right: parent.right
        anchors.bottom: parent.bottom
        width: Math.max(12, avatar.size * 0.3)
        height: width
        radius: width / 2
        color: avatar.ground
        Rectangle {
            anchors.fill: parent
            anchors.margins: 2.5
            radius: width / 2
            color: Theme.good
        }
    }
}
