// A tool tip.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

ToolTip {
    id: hint

    delay: 600
    timeout: 6000
    padding: Theme.s
    leftPadding: Theme.m
    rightPadding: Theme.m

    contentItem: Words {
        text: hint.text
        color: Theme.dark ? "#14211f" : "#ffffff"
        font.pixelSize: Theme.caption
    }
    background: Rectangle {
        color: Theme.dark ? "#dfe8e5" : "#22302e"
        radius: Theme.s
    }
    enter: Transition {
        NumberAnimation { property: "opacity"; from: 0; to: 1; duration: Theme.quick }
    }
    exit: Transition {
        NumberAnimation { property: "opacity"; to: 0; duration: Theme.quick }
    }
}
