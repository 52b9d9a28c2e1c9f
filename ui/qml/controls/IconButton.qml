// A round button with an icon; its label is for screen readers and the tool tip.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

AbstractButton {
    id: button

    property string symbol
    property string label
    property string keys
    property color tint: Theme.muted
    property int symbolSize: 20

    implicitWidth: Theme.control
    implicitHeight: Theme.control
    hoverEnabled: true
    focusPolicy: Qt.TabFocus
    Accessible.role: Accessible.Button
    Accessible.name: label
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onEnterPressed: clicked()

    contentItem: Item {
        Icon {
            anchors.centerIn: parent
            name: button.symbol
            size: button.symbolSize
            color: button.checked ? Theme.accentText
                 : button.hovered || button.visualFocus ? Theme.text : button.tint
            opacity: button.enabled ? 1 : 0.4
        }
    }
    background: Rectangle {
        radius: height / 2
        color: button.down ? Theme.pressed
             : button.checked ? Theme.accentSoft
             : button.hovered ? Theme.hover : "transparent"
        Behavior on color { ColorAnimation { duration: Theme.quick } }
        FocusRing { shown: button.visualFocus; corner: parent.radius; gap: 0 }
    }

    Loader {
        active: button.hovered && button.label
        sourceComponent: Hint {
            visible: button.hovered
            text: button.keys ? button.label + "  " + button.keys : button.label
        }
    }
}
