// One of a few, each with a title and a sentence.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

AbstractButton {
    id: choice

    property string symbol
    property string detail

    checkable: true
    autoExclusive: true
    hoverEnabled: true
    focusPolicy: Qt.StrongFocus
    implicitHeight: Math.max(choice.detail ? 64 : 48, words.implicitHeight + 2 * Theme.m)
    Accessible.role: Accessible.RadioButton
    Accessible.name: text
    Accessible.description: detail
    Accessible.checked: checked

    contentItem: Item {
        Icon {
            id: sign
            x: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            name: choice.symbol
            size: 22
            color: choice.checked ? Theme.accentText : Theme.muted
        }
        Column {
            id: words
            anchors.left: sign.right
            anchors.leftMargin: Theme.l
            anchors.right: mark.left
            anchors.rightMargin: Theme.s
            anchors.verticalCenter: parent.verticalCenter
            spacing: 2
            Words {
                width: parent.width
                text: choice.text
                wrapMode: Text.Wrap
                font.weight: Font.Medium
                Accessible.ignored: true
            }
            Words {
                width: parent.width
                visible: text
                text: choice.detail
                color: Theme.muted
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
                Accessible.ignored: true
            }
        }
        Rectangle {
            id: mark
            anchors.right: parent.right
            anchors.rightMargin: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            width: 20
            height: 20
            radius: 10
            color: choice.checked ? Theme.accent : "transparent"
            border.width: choice.checked ? 0 : 2
            border.color: Theme.fieldLine
            Icon {
                anchors.centerIn: parent
                visible: choice.checked
                name: "check"
                size: 14
                color: Theme.accentInk
            }
        }
    }
    background: Rectangle {
        radius: Theme.radius
        color: choice.checked ? Theme.accentSoft : choice.hovered ? Theme.hover : "transparent"
        border.width: 1
        border.color: choice.checked ? Theme.accent : Theme.line
        FocusRing { shown: choice.visualFocus }
    }
}
