// What can be done with a room from the list.
import QtQuick
import "../theme"
import "../controls"

ThemedMenu {
    id: menu

    property string room
    property bool pinned: false
    property bool archived: false
    property bool unread: false
    signal wanted(string dialog)

    function offer(row) {
        room = row.room
        pinned = row.pinned
        archived = row.archived
        unread = row.unread > 0 || row.marked
        popup(row, Math.max(0, row.width - width - Theme.l), row.height - Theme.s)
    }

    ThemedMenuItem {
        objectName: "pinRoomItem"
        visible: !menu.archived
        height: visible ? implicitHeight : 0
        symbol: menu.pinned ? "pin-off" : "pin"
        text: menu.pinned ? qsTr("Unpin") : qsTr("Pin on top")
        onTriggered: covey.shelf.setPinned(menu.room, !menu.pinned)
    }
    ThemedMenuItem {
        objectName: "markRoomItem"
        symbol: menu.unread ? "mail-check" : "mail"
        text: menu.unread ? qsTr("Mark as read") : qsTr("Mark as unread")
        onTriggered: covey.shelf.setUnread(menu.room, !menu.unread)
    }
    ThemedMenuItem {
        objectName: "archiveRoomItem"
        symbol: menu.archived ? "archive-restore" : "archive"
        text: menu.archived ? qsTr("Take out of the archive") : qsTr("Archive")
        onTriggered: covey.shelf.setArchived(menu.room, !menu.archived)
    }
    ThemedMenuItem {
        objectName: "leaveRoomItem"
        symbol: "log-out"
        danger: true
        text: qsTr("Leave this room")
        onTriggered: {
            covey.openRoom(menu.room)
            menu.wanted("Leave")
        }
    }
}
