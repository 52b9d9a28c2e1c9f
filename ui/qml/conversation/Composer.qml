// Where one writes: Enter sends, Shift+Enter makes a line, drafts stay with the room.
// Attachments and voice messages get their place left of the text.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Rectangle {
    id: composer

    readonly property var room: covey.conversation
    readonly property int tallest: 168

    function focusText() {
        if (room.canWrite)
            input.forceActiveFocus()
    }

    implicitHeight: room.canWrite ? box.height + 2 * Theme.m : 56
    color: Theme.surface

    Rectangle {
        width: parent.width
        height: 1
        color: Theme.line
    }
    Words {
        visible: !composer.room.canWrite
        anchors.centerIn: parent
        width: parent.width - 2 * Theme.l
        text: composer.room.farewell !== "" ? composer.room.farewell
            : composer.room.kind === "broadcast"
            ? qsTr("Only admins write here. You read along.")
            : qsTr("You cannot write in this room.")
        color: Theme.muted
        horizontalAlignment: Text.AlignHCenter
        wrapMode: Text.Wrap
    }
    Rectangle {
        id: box
        visible: composer.room.canWrite
        anchors.left: parent.left
        anchors.leftMargin: Theme.m
        anchors.right: sendButton.left
        anchors.rightMargin: Theme.s
        y: Theme.m
        height: Math.max(44, Math.min(composer.tallest, input.implicitHeight + 4))
        radius: 22
        color: Theme.field
        border.width: input.activeFocus ? 2 : 1
        border.color: input.activeFocus ? Theme.accent : Theme.fieldLine

        ScrollView {
            id: scroll
            anchors.fill: parent
            anchors.margins: 1
            ScrollBar.horizontal.policy: ScrollBar.AlwaysOff
            ScrollBar.vertical: SlimScrollBar {
                parent: scroll
                anchors.right: parent.right
                anchors.rightMargin: 4
                anchors.top: parent.top
                anchors.topMargin: 10
                anchors.bottom: parent.bottom
                anchors.bottomMargin: 10
            }

            TextArea {
                id: input
                objectName: "composer"
                leftPadding: Theme.l
                rightPadding: Theme.l
                topPadding: 11
                bottomPadding: 11
                wrapMode: TextArea.Wrap
                textFormat: TextArea.PlainText
                placeholderText: qsTr("Message")
                placeholderTextColor: Theme.faint
                color: Theme.text
                selectionColor: Theme.accent
                selectedTextColor: Theme.accentInk
                selectByMouse: true
                font.family: Theme.family
                font.pixelSize: 15
                background: null
                KeyNavigation.priority: KeyNavigation.BeforeItem
                KeyNavigation.tab: sendButton
                Accessible.name: qsTr("Message to %1").arg(composer.room.name)
                Accessible.description: qsTr("Enter sends, Shift and Enter make a new line")
                onTextChanged: composer.room.setDraft(input.text)
                Keys.onPressed: event => {
                    const enter = event.key === Qt.Key_Return || event.key === Qt.Key_Enter
                    if (enter && !(event.modifiers & (Qt.ShiftModifier | Qt.ControlModifier))) {
                        event.accepted = true
                        composer.send()
                    }
                }
            }
        }
    }
    AbstractButton {
        id: sendButton

        readonly property bool ready: input.text.trim().length > 0

        objectName: "sendButton"
        visible: composer.room.canWrite
        anchors.right: parent.right
        anchors.rightMargin: Theme.m
        anchors.bottom: box.bottom
        width: 44
        height: 44
        hoverEnabled: true
        focusPolicy: Qt.TabFocus
        Accessible.role: Accessible.Button
        Accessible.name: qsTr("Send")
        Accessible.onPressAction: clicked()
        Keys.onReturnPressed: clicked()
        onClicked: composer.send()
        background: Rectangle {
            radius: 22
            color: !sendButton.ready ? "transparent"
                 : sendButton.down ? Theme.accentPressed
                 : sendButton.hovered ? Theme.accentHover : Theme.accent
            Behavior on color { ColorAnimation { duration: Theme.quick } }
            FocusRing { shown: sendButton.visualFocus; corner: parent.radius }
        }
        contentItem: Item {
            Icon {
                anchors.centerIn: parent
                name: "send-horizontal"
                color: sendButton.ready ? Theme.accentInk : Theme.faint
            }
        }
    }

    function send() {
        const typed = input.text
        if (room.send(typed))
            input.clear()
        input.forceActiveFocus()
    }

    Connections {
        target: composer.room
        function onDraftChanged() {
            if (input.text !== composer.room.draft) {
                input.text = composer.room.draft
                input.cursorPosition = input.length
            }
        }
    }
    Component.onCompleted: {
        input.text = room.draft
        input.cursorPosition = input.length
    }
}
