// Everything below this line came since the room was last read.
import QtQuick
import "../theme"
import "../controls"

Item {
    implicitHeight: 36

    Rectangle {
        anchors.left: parent.left
        anchors.right: label.left
        anchors.rightMargin: Theme.m
        anchors.verticalCenter: parent.verticalCenter
        height: 1
        color: Theme.accent
        opacity: 0.55
    }
    Words {
        id: label
        objectName: "newLine"
        anchors.centerIn: parent
        text: qsTr("New")
        color: Theme.accentText
        font.pixelSize: Theme.caption
        font.weight: Font.DemiBold
    }
    Rectangle {
        anchors.left: label.right
        anchors.leftMargin: Theme.m
        anchors.right: parent.right
        anchors.verticalCenter: parent.verticalCenter
        height: 1
        color: Theme.accent
        opacity: 0.55
    }
}
