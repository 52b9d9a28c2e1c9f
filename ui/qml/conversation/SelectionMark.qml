// Whether a message is chosen.
import QtQuick
import "../theme"
import "../controls"

Rectangle {
    id: mark

    property bool checked: false

    width: 22
    height: 22
    radius: 11
    color: checked ? Theme.accent : "transparent"
    border.width: checked ? 0 : 2
    border.color: Theme.fieldLine
    Accessible.ignored: true

    Icon {
        anchors.centerIn: parent
        visible: mark.checked
        name: "check"
        size: 15
        color: Theme.accentInk
    }
}
