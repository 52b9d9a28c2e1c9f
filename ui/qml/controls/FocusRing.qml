// Shows where the keyboard is.
import QtQuick
import "../theme"

Rectangle {
    property bool shown: false
    property int gap: 2
    property int corner: Theme.radius

    anchors.fill: parent
    anchors.margins: -gap - 1
    radius: corner + gap + 1
    color: "transparent"
    border.width: 2
    border.color: Theme.accent
    visible: shown
}
