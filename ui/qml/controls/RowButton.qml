// A line that leads on: an icon, words, and what there is behind it.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

AbstractButton {
    id: line

    property string symbol
    property string detail
    property string badge
    property bool danger: false
    property bool leads: true
    readonly property color ink: danger ? Theme.bad : Theme.text

    implicitHeight: Math.max(52, words.implicitHeight + 2 * Theme.m)
    hoverEnabled: true
    focusPolicy: Qt.TabFocus
    Accessible.role: Accessible.Button
    Accessible.name: [text, badge].filter(x => x).join(", ")
    Accessible.description: detail
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onEnterPressed: clicked()

    background: Rectangle {
        anchors.fill: parent
        anchors.leftMargin: Theme.s
        anchors.rightMargin: Theme.s
        radius: Theme.radius
        color: line.down ? Theme.pressed : line.hovered && line.enabled ? Theme.hover : "transparent"
        FocusRing { shown: line.visualFocus; gap: -3 }
    }
    contentItem: Item {
        opacity: line.enabled ? 1 : 0.5
        Icon {
            id: sign
            x: Theme.l + Theme.s
            anchors.verticalCenter: parent.verticalCenter
            name: line.symbol
            size: 20
            color: line.danger ? Theme.bad : Theme.muted
        }
        Column {
            id: words
            anchors.left: sign.right
            anchors.leftMargin: Theme.l
            anchors.right: end.left
            anchors.rightMargin: Theme.s
            anchors.verticalCenter: parent.verticalCenter
            spacing: 2
            Words {
                width: parent.width
                text: line.text
                color: line.ink
                font.weight: Font.Medium
                wrapMode: Text.Wrap
                Accessible.ignored: true
            }
            Words {
                width: parent.width
                visible: text
                text: line.detail
                color: Theme.muted
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
                Accessible.ignored: true
            }
        }
        Row {
            id: end
            anchors.right: parent.right
            anchors.rightMargin: Theme.l + Theme.xs
            anchors.verticalCenter: parent.verticalCenter
            spacing: Theme.xs
            Rectangle {
                anchors.verticalCenter: parent.verticalCenter
                visible: line.badge
                width: Math.max(height, number.implicitWidth + 12)
                height: 20
                radius: 10
                color: Theme.accent
                Words {
                    id: number
                    anchors.centerIn: parent
                    text: line.badge
                    color: Theme.accentInk
                    font.pixelSize: Theme.px(11)
                    font.weight: Font.DemiBold
                    Accessible.ignored: true
                }
            }
            Icon {
                anchors.verticalCenter: parent.verticalCenter
                visible: line.leads
                name: "chevron-right"
                size: 18
                color: Theme.faint
            }
        }
    }
}
