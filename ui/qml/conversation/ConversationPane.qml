// The open room, or a word on how to open one.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"
import "../details"

Rectangle {
    id: pane

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

    color: Theme.window

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

            ConversationHeader {
                id: header
                width: parent.width
                narrow: pane.narrow
                membersShown: pane.membersShown
                onBack: pane.back()
                onWanted: dialog => pane.wanted(dialog)
                onMembersToggled: pane.membersShown = !pane.membersShown
            }
            MessageList {
                anchors.top: header.bottom
                anchors.bottom: composer.top
                width: side.active && pane.beside ? parent.width - side.width : parent.width
                onLinkActivated: link => pane.linkActivated(link)
                onInviteWanted: pane.wanted("Invite")
            }
            Composer {
                id: composer
                anchors.bottom: parent.bottom
                width: side.active && pane.beside ? parent.width - side.width : parent.width
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
