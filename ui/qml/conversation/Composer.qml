// Where one writes: Enter sends, Shift+Enter makes a line, drafts stay with the room.
// Attachments and voice messages get their place in the menu left of the text.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Rectangle {
    id: composer

    readonly property var room: covey.conversation
    readonly property var composing: room.composing
    readonly property bool ready: input.text.trim().length > 0
    readonly property bool editing: composing.mode === "edit"
    readonly property int tallest: 168
    signal sheetWanted(string name, var properties)
    signal pickerWanted(var item)

    function focusText() {
        if (room.canWrite)
            input.forceActiveFocus()
    }
    function insertText(text) {
        input.remove(input.selectionStart, input.selectionEnd)
        input.insert(input.cursorPosition, text)
        input.forceActiveFocus()
    }
    function clearText() {
        input.clear()
        composing.cancel()
    }

    implicitHeight: room.canWrite ? above.height + box.height + 2 * Theme.m : 56
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
    Column {
        id: above
        visible: composer.room.canWrite
        width: parent.width
        y: 1
        ReplyStrip { width: parent.width }
        WaitingLine {
            width: parent.width
            onClicked: composer.sheetWanted("ScheduledSheet", {})
        }
    }
    IconButton {
        id: plus
        objectName: "composerMenuButton"
        visible: composer.room.canWrite
        anchors.left: parent.left
        anchors.leftMargin: Theme.s
        anchors.bottom: box.bottom
        anchors.bottomMargin: 2
        symbol: "circle-plus"
        symbolSize: 22
        label: qsTr("Poll, timer and more")
        onClicked: more.open()
        ComposerMenu {
            id: more
            ready: composer.ready && !composer.editing
            onSheetWanted: name => composer.wantSheet(name)
        }
    }
    Rectangle {
        id: box
        visible: composer.room.canWrite
        anchors.left: plus.right
        anchors.leftMargin: Theme.xs
        anchors.right: sendButton.left
        anchors.rightMargin: Theme.s
        y: above.height + Theme.m
        height: Math.max(44, Math.min(composer.tallest, input.implicitHeight + 4))
        radius: 22
        color: Theme.field
        border.width: input.activeFocus ? 2 : 1
        border.color: input.activeFocus ? Theme.accent : Theme.fieldLine

        ScrollView {
            id: scroll
            anchors.fill: parent
            anchors.margins: 1
            anchors.rightMargin: 42
            ScrollBar.horizontal.policy: ScrollBar.AlwaysOff
            ScrollBar.vertical: SlimScrollBar {
                parent: scroll
                anchors.right: parent.right
                anchors.top: parent.top
                anchors.topMargin: 10
                anchors.bottom: parent.bottom
                anchors.bottomMargin: 10
            }

            TextArea {
                id: input
                objectName: "composer"
                leftPadding: Theme.l
                rightPadding: Theme.s
                topPadding: 11
                bottomPadding: 11
                wrapMode: TextArea.Wrap
                textFormat: TextArea.PlainText
                placeholderText: composer.composing.lifetime > 0
                    ? qsTr("Disappearing message") : composer.room.threadRoot
                    ? qsTr("Reply in the thread") : qsTr("Message")
                placeholderTextColor: Theme.faint
                color: Theme.text
                selectionColor: Theme.accent
                selectedTextColor: Theme.accentInk
                selectByMouse: true
                font.family: Theme.family
                font.pixelSize: Theme.px(15)
                background: null
                KeyNavigation.priority: KeyNavigation.BeforeItem
                KeyNavigation.tab: completions.shown ? null : emojiButton
                Accessible.name: qsTr("Message to %1").arg(composer.room.name)
                Accessible.description: qsTr("Enter sends, Shift and Enter make a new line")
                onTextChanged: {
                    composer.room.setDraft(input.text)
                    completions.dismissed = false
                }
                onCursorPositionChanged: Qt.callLater(composer.complete)
                Keys.onShortcutOverride: event => event.accepted = composer.wants(event)
                Keys.onPressed: event => event.accepted = composer.typed(event)
            }
        }
        IconButton {
            id: emojiButton
            objectName: "emojiButton"
            anchors.right: parent.right
            anchors.rightMargin: 3
            anchors.bottom: parent.bottom
            anchors.bottomMargin: 3
            implicitWidth: 38
            implicitHeight: 38
            symbol: "smile"
            label: qsTr("Emoji")
            KeyNavigation.tab: sendButton
            onClicked: composer.pickerWanted(emojiButton)
        }
    }
    CompletionList {
        id: completions
        anchors.left: box.left
        anchors.bottom: box.top
        anchors.bottomMargin: 6
        width: Math.min(box.width, 320)
        height: implicitHeight
        z: 5
        onChosen: text => composer.takeCompletion(text)
    }
    SendButton {
        id: sendButton
        visible: composer.room.canWrite
        ready: composer.ready
        editing: composer.editing
        anchors.right: parent.right
        anchors.rightMargin: Theme.m
        anchors.bottom: box.bottom
        onClicked: composer.send()
        onLaterWanted: composer.wantSheet("ScheduleSheet")
    }

    function wantSheet(name) {
        sheetWanted(name, name === "ScheduleSheet" ? { words: input.text } : {})
    }
    function send() {
        const wasEditing = editing
        if (room.send(input.text) && !wasEditing)
            input.clear()
        input.forceActiveFocus()
    }
    function complete() {
        composing.completions.look(input.text, input.cursorPosition)
    }
    function takeCompletion(text) {
        const start = composing.completions.start
        input.remove(start, input.cursorPosition)
        input.insert(start, text)
        input.forceActiveFocus()
    }
    // Keys that are the composer's while it has the keyboard, and a shortcut elsewhere.
    function wants(event): bool {
        if (event.key === Qt.Key_Escape)
            return completions.shown || composing.mode
        return event.modifiers === Qt.ControlModifier
            && [Qt.Key_B, Qt.Key_I, Qt.Key_E].includes(event.key)
    }
    function typed(event): bool {
        const enter = event.key === Qt.Key_Return || event.key === Qt.Key_Enter
        const control = event.modifiers & Qt.ControlModifier
        const shift = event.modifiers & Qt.ShiftModifier
        if (completions.shown) {
            if (event.key === Qt.Key_Up || event.key === Qt.Key_Down) {
                completions.step(event.key === Qt.Key_Up ? -1 : 1)
                return true
            }
            if ((enter && !shift) || event.key === Qt.Key_Tab) {
                completions.choose()
                return true
            }
            if (event.key === Qt.Key_Escape) {
                completions.dismissed = true
                return true
            }
        }
        if (enter && !shift && !control) {
            send()
            return true
        }
        if (event.key === Qt.Key_Escape && composing.mode) {
            composing.cancel()
            return true
        }
        if (event.key === Qt.Key_Up && !input.text)
            return composing.editLast()
        const marks = { [Qt.Key_B]: "**", [Qt.Key_I]: "*", [Qt.Key_E]: "`" }
        if (control && !shift && event.key in marks) {
            mark(marks[event.key])
            return true
        }
        if (control && shift && event.key === Qt.Key_X) {
            mark("~~")
            return true
        }
        return false
    }
    // Puts marks around what is chosen, or takes them away again.
    function mark(sign) {
        const from = input.selectionStart
        const to = input.selectionEnd
        const size = sign.length
        const marked = input.getText(from - size, from) === sign
            && input.getText(to, to + size) === sign
        if (marked) {
            input.remove(to, to + size)
            input.remove(from - size, from)
            input.select(from - size, to - size)
        } else {
            input.insert(to, sign)
            input.insert(from, sign)
            input.select(from + size, to + size)
        }
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
    Connections {
        target: composer.composing
        function onModeChanged() {
            if (composer.composing.mode)
                composer.focusText()
        }
    }
    Component.onCompleted: {
        input.text = room.draft
        input.cursorPosition = input.length
    }
}
