// How many messages of this room wait for their time.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: line

    readonly property var waiting: covey.conversation.scheduled

    objectName: "waitingLine"
    implicitHeight: waiting.count > 0 ? Theme.px(36) : 0
    visible: waiting.count > 0
    hoverEnabled: true
    focusPolicy: Qt.TabFocus
    text: qsTr("%n message(s) waiting to be sent", "", waiting.count)
    Accessible.role: Accessible.Button
    Accessible.name: text
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    background: Rectangle {
        color: line.hovered ? Theme.hover : "transparent"
        FocusRing { shown: line.visualFocus; gap: -3; corner: 4 }
    }
    contentItem: Item {
        Icon {
            id: sign
            x: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            name: "calendar-clock"
            size: 16
            color: Theme.accentText
        }
        Words {
            anchors.left: sign.right
            anchors.leftMargin: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            text: line.text
            color: Theme.accentText
            font.pixelSize: Theme.small
            Accessible.ignored: true
        }
    }
}
