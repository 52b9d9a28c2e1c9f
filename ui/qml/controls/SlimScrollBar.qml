// Thin, and only there while it is of use.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

ScrollBar {
    id: bar

    padding: 2
    minimumSize: 0.06
    Accessible.ignored: true

    contentItem: Rectangle {
        implicitWidth: bar.hovered || bar.pressed ? 8 : 5
        implicitHeight: implicitWidth
        radius: width / 2
        color: bar.pressed ? Theme.muted : Theme.fieldLine
        opacity: bar.size < 1 && (bar.active || bar.hovered) ? 0.7 : 0
        Behavior on opacity { NumberAnimation { duration: Theme.calmly } }
    }
    background: Item {}
}
