// The open room, or a word on how to open one.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"
import "../details"

Rectangle {
    id: pane
    objectName: "conversationPane"

    property bool narrow: false
    property bool membersShown: false
    // Whether the details show one of their pages, so that Escape leads back first.
    property bool detailsDeep: false
    signal back()
    signal wanted(string dialog)
    signal linkActivated(string link)

    readonly property bool roomOpen: covey.conversation.room
    readonly property bool beside: width >= 760

    function focusText() {
        if (content.item)
            content.item.focusText()
    }

    // Reactions and emoji for the text share one picker.
    property string reactsTo
    readonly property bool covered: picker.opened || (sheet.item && sheet.item.opened)

    function pick(item, messageId) {
        reactsTo = messageId
        picker.openAt(item)
    }
    function showSheet(name, properties) {
        sheet.setSource(name + ".qml", properties)
        sheet.item.open()
    }
    // Steps back from whatever is going on; false when nothing is.
    function stepBack(): bool {
        const room = covey.conversation
        if (room.selectedCount > 0)
            room.selectNone()
        else if (room.composing.mode)
            room.composing.cancel()
        else if (room.threadRoot)
            room.openThread("")
        else
            return false
        return true
    }

    color: Theme.window

    EmojiPicker {
        id: picker
        onChosen: sign => {
            if (pane.reactsTo)
                covey.conversation.actions.react(pane.reactsTo, sign)
            else
                content.item.insertText(sign)
        }
        onClosed: pane.focusText()
    }
    Loader { id: sheet }
    Connections {
        target: sheet.item
        function onClosed() { pane.focusText() }
        ignoreUnknownSignals: true
    }
    Connections {
        target: sheet.item
        function onDone() { content.item.clearText() }
        ignoreUnknownSignals: true
    }

    EmptyState {
        visible: !pane.roomOpen && covey.rooms.count > 0
        anchors.centerIn: parent
        width: Math.min(320, parent.width - 2 * Theme.xl)
        symbol: "messages-square"
        title: qsTr("Choose a room")
        text: qsTr("Everything that was said there is on this machine, also offline.")
    }
    EmptyState {
        visible: !pane.roomOpen && covey.rooms.count === 0
        anchors.centerIn: parent
        width: Math.min(360, parent.width - 2 * Theme.xl)
        symbol: "shield-check"
        title: qsTr("Hello, %1").arg(covey.name)
        text: qsTr("Rooms live on the machines of their members, encrypted from end to end. No server holds them.")
    }
    Loader {
        id: content
        anchors.fill: parent
        active: pane.roomOpen
        sourceComponent: Item {
            function focusText() { composer.focusText() }
            function insertText(text) { composer.insertText(text) }
            function clearText() { composer.clearText() }

            ConversationHeader {
                id: header
                width: parent.width
                narrow: pane.narrow
                membersShown: pane.membersShown
                onBack: pane.back()
                onWanted: dialog => pane.wanted(dialog)
                onMembersToggled: pane.membersShown = !pane.membersShown
            }
            Column {
                id: bars
                anchors.top: header.bottom
                width: composer.width
                ThreadBar { width: parent.width }
                PinsBar {
                    width: parent.width
                    visible: pins.count > 0 && !covey.conversation.threadRoot
                }
            }
            MessageList {
                anchors.top: bars.bottom
                anchors.bottom: typing.visible ? typing.top : composer.top
                width: composer.width
                onLinkActivated: link => pane.linkActivated(link)
                onInviteWanted: pane.wanted("Invite")
                onSheetWanted: (name, properties) => pane.showSheet(name, properties)
                onPickerWanted: (id, item) => pane.pick(item, id)
                onWritingWanted: composer.focusText()
            }
            TypingLine {
                id: typing
                anchors.bottom: composer.top
                width: composer.width
            }
            Composer {
                id: composer
                anchors.bottom: parent.bottom
                width: side.active && pane.beside ? parent.width - side.width : parent.width
                onSheetWanted: (name, properties) => pane.showSheet(name, properties)
                onPickerWanted: item => pane.pick(item, "")
            }
            SelectionBar {
                anchors.bottom: parent.bottom
                width: composer.width
                height: Math.max(implicitHeight, composer.height)
                visible: covey.conversation.selectedCount > 0
                onSheetWanted: (name, properties) => pane.showSheet(name, properties)
            }
            Rectangle {
                anchors.fill: parent
                anchors.topMargin: header.height
                visible: side.active && !pane.beside
                color: Theme.scrim
                TapHandler { onTapped: pane.membersShown = false }
            }
            Loader {
                id: side
                active: pane.membersShown
                anchors.right: parent.right
                anchors.top: pane.beside ? header.bottom : parent.top
                anchors.bottom: parent.bottom
                width: pane.beside ? 320 : Math.min(360, parent.width)
                sourceComponent: DetailsPanel {
                    onClosed: pane.membersShown = false
                    onWanted: dialog => pane.wanted(dialog)
                    onDeepChanged: pane.detailsDeep = deep
                    Component.onDestruction: pane.detailsDeep = false
                }
            }
        }
    }
}
