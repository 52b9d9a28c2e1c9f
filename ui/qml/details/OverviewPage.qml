// The room itself, what it leads to, and who is in it.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

ListView {
    id: list

    readonly property var room: covey.conversation
    readonly property var details: covey.details
    // Until somebody scrolls, what arrives late does not push the room out of sight.
    property bool untouched: true
    signal wanted(string dialog)
    signal pageWanted(string page)

    function toTop() {
        if (untouched)
            positionViewAtBeginning()
    }

    objectName: "memberList"
    clip: true
    bottomMargin: Theme.s
    model: details.members
    boundsBehavior: Flickable.StopAtBounds
    activeFocusOnTab: true
    reuseItems: true
    currentIndex: -1
    ScrollBar.vertical: SlimScrollBar {}
    Accessible.role: Accessible.List
    Accessible.name: qsTr("Members")
    onActiveFocusChanged: if (activeFocus && currentIndex < 0 && count > 0) currentIndex = 0
    onMovementStarted: untouched = false
    Keys.onPressed: event => { untouched = false; event.accepted = false }
    Keys.onReturnPressed: if (currentItem) currentItem.clicked()
    Keys.onEnterPressed: if (currentItem) currentItem.clicked()
    Keys.onMenuPressed: if (currentItem) currentItem.clicked()

    delegate: MemberRow {
        id: row
        width: list.width
        onMenuWanted: menu.offer(row, row)
    }
    header: Column {
        width: list.width
        onHeightChanged: Qt.callLater(list.toTop)
        topPadding: Theme.xl
        bottomPadding: Theme.s

        Avatar {
            anchors.horizontalCenter: parent.horizontalCenter
            size: 84
            initials: list.room.initials
            colour: list.room.colour
        }
        Words {
            objectName: "detailsName"
            x: Theme.l
            width: parent.width - 2 * Theme.l
            topPadding: Theme.m
            text: list.room.name
            font.pixelSize: Theme.heading
            font.weight: Font.DemiBold
            horizontalAlignment: Text.AlignHCenter
            wrapMode: Text.Wrap
            Accessible.role: Accessible.Heading
        }
        Words {
            x: Theme.l
            width: parent.width - 2 * Theme.l
            topPadding: Theme.xs
            text: list.details.myRole
                  ? qsTr("%1 \u00b7 your role: %2").arg(list.room.subtitle).arg(list.details.myRole)
                  : list.room.subtitle
            color: Theme.muted
            font.pixelSize: Theme.small
            horizontalAlignment: Text.AlignHCenter
            wrapMode: Text.Wrap
        }
        Words {
            objectName: "detailsDescription"
            x: Theme.xl
            width: parent.width - 2 * Theme.xl
            visible: text
            topPadding: Theme.m
            text: list.details.description
            horizontalAlignment: Text.AlignHCenter
            wrapMode: Text.Wrap
            lineHeight: 1.25
        }
        Item { width: 1; height: Theme.l }
        RowButton {
            objectName: "requestsRow"
            width: parent.width
            visible: list.details.requests.count > 0
            symbol: "user-check"
            text: qsTr("Requests to join")
            badge: list.details.requests.count
            onClicked: list.pageWanted("Requests")
        }
        RowButton {
            objectName: "invitesRow"
            width: parent.width
            visible: list.details.invites.count > 0 || list.details.invitesAs.length > 0
            symbol: "link"
            text: qsTr("Invites")
            detail: list.details.invites.count > 0
                    ? qsTr("%n open", "", list.details.invites.count) : ""
            onClicked: list.pageWanted("Invites")
        }
        RowButton {
            objectName: "bannedRow"
            width: parent.width
            visible: list.details.banned.count > 0
            symbol: "ban"
            text: qsTr("Banned")
            detail: qsTr("%n person(s)", "", list.details.banned.count)
            onClicked: list.pageWanted("Banned")
        }
        RowButton {
            objectName: "roomSettingsRow"
            width: parent.width
            symbol: "settings"
            text: qsTr("Room settings")
            detail: qsTr("Name, vanishing messages, key, proofs")
            onClicked: list.pageWanted("RoomSettings")
        }
        Item { width: 1; height: Theme.s }
        Rectangle {
            x: Theme.l
            width: parent.width - 2 * Theme.l
            height: 1
            color: Theme.line
        }
        Item {
            width: parent.width
            height: Math.max(title.height, inviteButton.height) + Theme.s
            SectionTitle {
                id: title
                anchors.verticalCenter: parent.verticalCenter
                topPadding: 0
                bottomPadding: 0
                text: qsTr("%n member(s)", "", list.details.members.count)
            }
            ActionButton {
                id: inviteButton
                objectName: "detailsInviteButton"
                anchors.right: parent.right
                anchors.rightMargin: Theme.m
                anchors.verticalCenter: parent.verticalCenter
                visible: list.details.invitesAs.length > 0
                kind: "quiet"
                symbol: "user-plus"
                text: qsTr("Invite")
                onClicked: list.wanted("Invite")
            }
        }
    }
    footer: Column {
        width: list.width
        topPadding: Theme.s
        Words {
            x: Theme.l + Theme.s
            width: parent.width - 2 * x
            visible: text
            text: list.details.failure
            color: Theme.bad
            font.pixelSize: Theme.small
            wrapMode: Text.Wrap
        }
        Rectangle {
            x: Theme.l
            width: parent.width - 2 * Theme.l
            height: 1
            color: Theme.line
        }
        RowButton {
            objectName: "detailsLeaveRow"
            width: parent.width
            symbol: "log-out"
            danger: true
            leads: false
            text: qsTr("Leave this room")
            onClicked: list.wanted("Leave")
        }
    }
    Spinner {
        anchors.centerIn: parent
        visible: !list.details.loaded && !list.details.failure
        running: visible
        size: 24
    }
    MemberMenu {
        id: menu
        objectName: "memberMenu"
        onWanted: dialog => list.wanted(dialog)
    }
}
