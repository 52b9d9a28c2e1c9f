// A button with words: "primary", "secondary", "danger" or "quiet".
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

AbstractButton {
    id: button

    property string kind: "primary"
    property string symbol
    property bool busy: false
    readonly property bool filled: kind === "primary" || kind === "danger"
    readonly property bool dull: !enabled && !busy
    readonly property color ink: dull ? Theme.faint : kind === "primary" ? Theme.accentInk
        : kind === "danger" ? Theme.badInk
        : kind === "quiet" ? Theme.accentText : Theme.text

    implicitHeight: Theme.control
    implicitWidth: row.implicitWidth + leftPadding + rightPadding
    leftPadding: kind === "quiet" ? Theme.m : Theme.l + 2
    rightPadding: leftPadding
    hoverEnabled: true
    focusPolicy: Qt.StrongFocus
    Accessible.role: Accessible.Button
    Accessible.name: text
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onEnterPressed: clicked()

    contentItem: Item {
        implicitWidth: row.implicitWidth
        Row {
            id: row
            anchors.centerIn: parent
            spacing: Theme.s
            Spinner {
                anchors.verticalCenter: parent.verticalCenter
                visible: button.busy
                running: visible
                size: 16
                color: button.ink
            }
            Icon {
                anchors.verticalCenter: parent.verticalCenter
                visible: button.symbol && !button.busy
                name: button.symbol
                size: 18
                color: button.ink
            }
            Words {
                anchors.verticalCenter: parent.verticalCenter
                text: button.text
                color: button.ink
                font.weight: Font.Medium
                Accessible.ignored: true
            }
        }
    }
    background: Rectangle {
        radius: Theme.radius
        border.width: button.kind === "secondary" ? 1 : 0
        border.color: Theme.fieldLine
        color: {
            if (button.dull)
                return button.filled ? Theme.pressed : "transparent"
            if (button.kind === "primary")
                return button.down ? Theme.accentPressed
                     : button.hovered ? Theme.accentHover : Theme.accent
            if (button.kind === "danger")
                return button.down || button.hovered ? Qt.darker(Theme.badFill, 1.12)
                                                     : Theme.badFill
            return button.down ? Theme.pressed
                 : button.hovered ? Theme.hover : "transparent"
        }
        Behavior on color { ColorAnimation { duration: Theme.quick } }
        FocusRing { shown: button.visualFocus }
    }
}
