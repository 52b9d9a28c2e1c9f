// The messages, growing from the bottom, with history fetched while scrolling up.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Item {
    id: area

    signal linkActivated(string link)
    signal inviteWanted()
    signal writingWanted()
    signal sheetWanted(string name, var properties)
    signal pickerWanted(string messageId, var item)

    readonly property var room: covey.conversation
    // How far the view is from the newest row that is loaded, in pixels.
    readonly property real fromBottom: -list.height - list.contentY + list.bottomSpace

    // The height for which the view was last put right: while the composer grows, a
    // reader at the newest message stays there.
    property real settledHeight: 0

    function toNewest() {
        settledHeight = list.height
        list.positionViewAtBeginning()
        list.contentY = -list.height + list.bottomSpace
    }

    ListView {
        id: list
        objectName: "messageList"

        readonly property int bottomSpace: Theme.m

        anchors.fill: parent
        verticalLayoutDirection: ListView.BottomToTop
        model: area.room.messages
        clip: true
        reuseItems: true
        cacheBuffer: 600
        boundsBehavior: Flickable.StopAtBounds
        bottomMargin: bottomSpace
        topMargin: Theme.m
        activeFocusOnTab: true
        currentIndex: -1
        highlightFollowsCurrentItem: false
        keyNavigationEnabled: false
        flickDeceleration: 6000
        maximumFlickVelocity: 6000
        ScrollBar.vertical: SlimScrollBar { id: bar }
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Messages")

        delegate: MessageRow {
            onMenuWanted: (row, item, x, y) => menu.show(row, item, x, y)
            onReactionWanted: (row, item) => area.pickerWanted(row.messageId, item)
            onLedgerWanted: id => area.sheetWanted("DeliverySheet", { messageId: id })
            onLinkActivated: link => area.linkActivated(link)
        }
        header: Item { width: 1; height: 1 }
        footer: Item {
            width: list.width
            height: area.room.loading && list.count > 0 ? 48 : 0
            Spinner {
                anchors.centerIn: parent
                visible: parent.height > 0
                running: visible
            }
        }

        Keys.onPressed: event => {
            const page = height * 0.9
            const pages = { [Qt.Key_PageUp]: -page, [Qt.Key_PageDown]: page }
            if (event.key === Qt.Key_End) {
                area.room.jumpToNewest()
                currentIndex = 0
            } else if (event.key in pages) {
                const top = originY
                const bottom = Math.max(top, originY + contentHeight - height + bottomSpace)
                contentY = Math.max(top, Math.min(bottom, contentY + pages[event.key]))
            } else if (event.key === Qt.Key_Up || event.key === Qt.Key_Down) {
                area.step(event.key === Qt.Key_Up ? 1 : -1)
            } else if (currentItem) {
                event.accepted = area.act(event, currentItem)
                return
            } else {
                return
            }
            event.accepted = true
        }
        onContentYChanged: area.look()
        onContentHeightChanged: lookSoon.restart()
        onHeightChanged: {
            if (area.room.atNewest)
                settle.restart()
            else
                area.settledHeight = height
        }
    }

    // Row 0 is the newest, at the bottom.
    function step(by) {
        const from = list.currentIndex < 0 ? -1 : list.currentIndex
        list.currentIndex = Math.max(0, Math.min(list.count - 1, from + by))
        list.positionViewAtIndex(list.currentIndex, ListView.Contain)
    }
    function act(event, row): bool {
        const control = event.modifiers & Qt.ControlModifier
        switch (event.key) {
        case Qt.Key_Return:
        case Qt.Key_Enter:
        case Qt.Key_Menu:
            menu.show(row, row, Theme.xl, Math.min(row.height, list.height / 2))
            return true
        case Qt.Key_Space:
            area.room.toggleSelected(row.messageId)
            return true
        case Qt.Key_C:
            if (control && row.plain)
                covey.copy(row.plain)
            return control
        case Qt.Key_Delete:
            if (row.settled && !row.deleted && (row.mine || area.room.canModerate))
                area.sheetWanted("DeleteSheet", { ids: [row.messageId] })
            return true
        }
        return false
    }
    function showRow(at) {
        list.positionViewAtIndex(at, ListView.Center)
        list.currentIndex = at
        const found = list.itemAtIndex(at)
        if (found)
            found.flash()
    }

    function look() {
        if (!area.room.loaded || list.count === 0)
            return
        if (list.height !== settledHeight && area.room.atNewest) {
            settle.restart()
            return
        }
        area.room.setFollowing(area.fromBottom < 48)
        if (list.contentY - list.originY < list.height * 1.5)
            area.room.loadOlder()
        if (area.fromBottom < list.height * 1.5)
            area.room.loadNewer()
    }

    Timer { id: lookSoon; interval: 1; onTriggered: area.look() }
    Timer { id: settle; interval: 1; onTriggered: area.toNewest() }

    Connections {
        target: area.room
        function onScrollToNewest() { settle.restart() }
        function onJumped(at) {
            settle.stop()
            area.showRow(at)
        }
        function onOpened() { list.currentIndex = -1 }
        function onArrived(author, text) {
            list.Accessible.announce(qsTr("%1: %2").arg(author).arg(text))
        }
    }

    EmptyState {
        visible: area.room.loaded && list.count === 0
        anchors.centerIn: parent
        width: Math.min(320, parent.width - 2 * Theme.xl)
        symbol: area.room.memberCount > 1 ? "messages-square" : "user-plus"
        title: area.room.memberCount > 1 ? qsTr("Nothing said yet") : qsTr("Your room is ready")
        text: area.room.memberCount > 1
            ? qsTr("The first message is yours.")
            : qsTr("Invite somebody with a link or a QR code. What you write now is there when they come.")
        ActionButton {
            objectName: "emptyInviteButton"
            visible: area.room.memberCount <= 1
            text: qsTr("Invite")
            symbol: "user-plus"
            onClicked: area.inviteWanted()
        }
    }

    JumpButton {
        anchors.right: parent.right
        anchors.bottom: parent.bottom
        anchors.rightMargin: Theme.l
        anchors.bottomMargin: Theme.m
        shown: list.count > 0 && !area.room.atNewest
        missed: area.room.missed
        onClicked: area.room.jumpToNewest()
    }

    MessageMenu {
        id: menu
        onSheetWanted: (name, properties) => area.sheetWanted(name, properties)
        onPickerWanted: (id, item) => area.pickerWanted(id, item)
        onClosed: {
            if (covey.conversation.composing.mode)
                area.writingWanted()
        }
    }
}
