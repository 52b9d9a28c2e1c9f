// The name of the day that begins here.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: separator

    property string text

    implicitHeight: 48

    Rectangle {
        anchors.centerIn: parent
        width: label.implicitWidth + 24
        height: 26
        radius: 13
        color: Theme.dark ? "#1c2624" : "#e4ebe9"
        Words {
            id: label
            anchors.centerIn: parent
            text: separator.text
            color: Theme.muted
            font.pixelSize: Theme.caption
            font.weight: Font.Medium
        }
    }
}
