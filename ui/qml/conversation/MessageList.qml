// The messages, growing from the bottom, with history fetched while scrolling up.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Item {
    id: area

    signal linkActivated(string link)
    signal inviteWanted()

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
        flickDeceleration: 6000
        maximumFlickVelocity: 6000
        ScrollBar.vertical: SlimScrollBar { id: bar }
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Messages")

        delegate: MessageRow {
            onMenuWanted: (row, item, x, y) => menu.show(row, item, x, y)
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
            const steps = { [Qt.Key_Up]: -80, [Qt.Key_Down]: 80,
                            [Qt.Key_PageUp]: -page, [Qt.Key_PageDown]: page }
            if (event.key === Qt.Key_End) {
                area.room.jumpToNewest()
            } else if (event.key in steps) {
                const top = originY
                const bottom = Math.max(top, originY + contentHeight - height + bottomSpace)
                contentY = Math.max(top, Math.min(bottom, contentY + steps[event.key]))
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

    ThemedMenu {
        id: menu

        property var row: null

        function show(row, item, x, y) {
            menu.row = row
            menu.popup(item, x, y)
        }

        ThemedMenuItem {
            objectName: "copyTextItem"
            symbol: "copy"
            text: qsTr("Copy text")
            enabled: menu.row && menu.row.plain
            onTriggered: covey.copy(menu.row.plain)
        }
    }
}
