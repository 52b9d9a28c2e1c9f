// Rooms on the left, the open one on the right; one of both where there is no room.
import QtQuick
import QtQuick.Controls.Basic
import "theme"
import "controls"
import "rooms"
import "conversation"

Item {
    id: page

    readonly property bool narrow: width < 720
    readonly property bool roomOpen: covey.conversation.room
    readonly property alias dialogName: dialog.name

    function show(name, properties) {
        if (dialog.item && dialog.item.opened)
            return
        dialog.name = ""
        dialog.setSource("dialogs/" + name + "Dialog.qml", properties || {})
        dialog.name = name
        dialog.item.open()
    }
    function follow(link) {
        if (link.startsWith("covey://contact/"))
            show("Write", { offered: link })
        else if (link.startsWith("covey://"))
            show("Join", { offered: link })
        else
            Qt.openUrlExternally(link)
    }

    Banner {
        id: banner
        objectName: "banner"
        width: parent.width
        height: covey.banner ? implicitHeight : 0
        visible: height > 0
        clip: true
        text: covey.banner
        tone: covey.bannerTone
        action: covey.bannerAction === "restart" ? qsTr("Start again") : ""
        busy: covey.busy
        onActed: covey.retry()
        onDismissed: covey.dismissBanner()
        Behavior on height { NumberAnimation { duration: Theme.calmly } }
    }
    Item {
        anchors.top: banner.bottom
        anchors.bottom: parent.bottom
        width: parent.width

        RoomPane {
            id: rooms
            visible: (!page.narrow || !page.roomOpen) && !search.visible
            width: page.narrow ? parent.width
                 : Math.round(Math.max(288, Math.min(Theme.grown(352), parent.width * 0.31)))
            height: parent.height
            onWanted: name => page.show(name)
        }
        Rectangle {
            id: divider
            visible: !page.narrow
            anchors.left: rooms.right
            width: 1
            height: parent.height
            color: Theme.line
        }
        SearchPane {
            id: search
            visible: covey.finder.open
            anchors.fill: rooms
            onChosen: (room, message) => {
                covey.openMessage(room, message)
                if (page.narrow)
                    covey.finder.end()
            }
        }
        ConversationPane {
            id: conversation
            visible: !page.narrow || (page.roomOpen && !search.visible)
            anchors.left: page.narrow ? parent.left : divider.right
            anchors.right: parent.right
            height: parent.height
            narrow: page.narrow
            onBack: covey.openRoom("")
            onWanted: name => page.show(name)
            onLinkActivated: link => page.follow(link)
        }
    }
    Loader {
        id: dialog

        property string name
        property string next
    }
    Connections {
        target: dialog.item
        function onWanted(name) {
            dialog.next = name
            dialog.item.close()
        }
        function onClosed() {
            const next = dialog.next
            dialog.name = dialog.next = ""
            if (next)
                Qt.callLater(page.show, next)
            else
                conversation.focusText()
        }
    }
    // Where there is but one room and space for it, nothing is left to choose.
    Component.onCompleted: {
        if (!narrow && covey.rooms.count === 1)
            covey.openRoom(covey.rooms.roomAt(0))
    }
    Connections {
        target: covey
        function onRoomOpened() { Qt.callLater(conversation.focusText) }
    }

    function find(room) {
        covey.finder.begin(room)
        search.focusField()
    }

    Shortcut { sequence: "Ctrl+,"; onActivated: page.show("Settings") }
    Shortcut { sequence: "Ctrl+/"; onActivated: page.show("Shortcuts") }
    Shortcut { sequence: "Ctrl+K"; onActivated: page.show("Switch") }
    Shortcut {
        sequence: "Ctrl+F"
        onActivated: page.find(covey.conversation.room)
    }
    Shortcut { sequence: "Ctrl+Shift+F"; onActivated: page.find("") }
    Shortcut {
        sequence: "Escape"
        enabled: !dialog.name && search.visible
        onActivated: {
            covey.finder.end()
            conversation.focusText()
        }
    }
    Shortcut { sequence: "Ctrl+N"; onActivated: page.show("NewRoom") }
    Shortcut { sequence: "Ctrl+J"; onActivated: page.show("Join") }
    Shortcut { sequence: "Ctrl+Shift+I"; enabled: page.roomOpen; onActivated: page.show("Invite") }
    Shortcut { sequence: "Alt+Up"; onActivated: covey.openNeighbour(-1) }
    Shortcut { sequence: "Alt+Down"; onActivated: covey.openNeighbour(1) }
    Shortcut {
        sequence: "Escape"
        enabled: !dialog.name && !search.visible && !conversation.detailsDeep && !conversation.covered
                 && (conversation.membersShown || page.roomOpen)
        onActivated: {
            if (conversation.stepBack())
                return
            if (conversation.membersShown)
                conversation.membersShown = false
            else if (page.narrow)
                covey.openRoom("")
            else
                conversation.focusText()
        }
    }
}
