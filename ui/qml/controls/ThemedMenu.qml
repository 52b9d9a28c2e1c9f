// A menu in the theme's clothes.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

Menu {
    id: menu

    padding: 6
    margins: Theme.s

    background: Rectangle {
        implicitWidth: 208
        color: Theme.raised
        radius: Theme.m
        border.width: 1
        border.color: Theme.line
    }
    enter: Transition {
        NumberAnimation { property: "opacity"; from: 0; to: 1; duration: Theme.quick }
    }
    exit: Transition {
        NumberAnimation { property: "opacity"; to: 0; duration: Theme.quick }
    }
}
