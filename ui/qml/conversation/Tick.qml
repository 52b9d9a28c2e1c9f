// A box to tick, with words beside it.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: tick

    checkable: true
    hoverEnabled: true
    focusPolicy: Qt.StrongFocus
    implicitHeight: Math.max(Theme.control, words.implicitHeight + Theme.s)
    implicitWidth: words.implicitWidth + 34
    Accessible.role: Accessible.CheckBox
    Accessible.name: text
    Accessible.checked: checked
    Accessible.onPressAction: toggle()
    Keys.onReturnPressed: toggle()

    contentItem: Item {
        Rectangle {
            id: box
            anchors.verticalCenter: parent.verticalCenter
            width: 20
            height: 20
            radius: 6
            color: tick.checked ? Theme.accent : "transparent"
            border.width: tick.checked ? 0 : 2
            border.color: Theme.fieldLine
            Icon {
                anchors.centerIn: parent
                visible: tick.checked
                name: "check"
                size: 14
                color: Theme.accentInk
            }
            FocusRing { shown: tick.visualFocus; corner: 6 }
        }
        Words {
            id: words
            anchors.left: box.right
            anchors.leftMargin: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            width: Math.min(implicitWidth, parent.width - 34)
            text: tick.text
            wrapMode: Text.Wrap
            Accessible.ignored: true
        }
    }
}
