// The invites by which people can still come in.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Item {
    id: page

    readonly property var details: covey.details
    signal wanted(string dialog)

    Component.onCompleted: details.refresh()
    Connections {
        target: covey.inviter
        function onMade() { if (covey.inviter.link) page.details.refresh() }
    }

    ListView {
        id: list
        objectName: "inviteList"
        anchors.fill: parent
        clip: true
        topMargin: Theme.m
        bottomMargin: Theme.m
        model: page.details.invites
        boundsBehavior: Flickable.StopAtBounds
        ScrollBar.vertical: SlimScrollBar {}
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Invites")
        header: Column {
            width: list.width
            bottomPadding: Theme.m
            ActionButton {
                objectName: "newInviteButton"
                x: Theme.l
                width: parent.width - 2 * Theme.l
                visible: page.details.invitesAs.length > 0
                symbol: "user-plus"
                text: qsTr("New invite")
                onClicked: page.wanted("Invite")
            }
        }
        delegate: Item {
            id: row

            required property string key
            required property string title
            required property string detail
            required property bool mayClose

            objectName: "invite:" + key
            width: list.width
            height: words.implicitHeight + 2 * Theme.m
            Accessible.role: Accessible.ListItem
            Accessible.name: title + ", " + detail

            Icon {
                id: sign
                x: Theme.l + Theme.s
                anchors.verticalCenter: parent.verticalCenter
                name: "link"
                size: 20
                color: Theme.muted
            }
            Column {
                id: words
                anchors.left: sign.right
                anchors.leftMargin: Theme.l
                anchors.right: ender.visible ? ender.left : parent.right
                anchors.rightMargin: ender.visible ? Theme.xs : Theme.l
                anchors.verticalCenter: parent.verticalCenter
                spacing: 2
                Words {
                    width: parent.width
                    text: row.title
                    font.weight: Font.Medium
                    wrapMode: Text.Wrap
                    Accessible.ignored: true
                }
                Words {
                    width: parent.width
                    text: row.detail
                    color: Theme.muted
                    font.pixelSize: Theme.small
                    wrapMode: Text.Wrap
                    Accessible.ignored: true
                }
            }
            IconButton {
                id: ender
                objectName: "closeInviteButton"
                visible: row.mayClose
                anchors.right: parent.right
                anchors.rightMargin: Theme.m
                anchors.verticalCenter: parent.verticalCenter
                symbol: "trash-2"
                label: qsTr("End this invite")
                onClicked: {
                    ask.key = row.key
                    ask.open()
                }
            }
        }
    }
    EmptyState {
        visible: page.details.invites.count === 0 && page.details.loaded
        anchors.centerIn: parent
        width: parent.width - 2 * Theme.xl
        symbol: "link"
        title: qsTr("No open invites")
        text: qsTr("The link of a new invite is shown to you only; send it to whom you want in the room.")
    }
    Ask {
        id: ask

        property string key

        title: qsTr("End this invite?")
        subtitle: qsTr("Its link and code let nobody in any more. Whoever came by it stays.")
        verb: qsTr("End invite")
        onAgreed: page.details.closeInvite(key)
    }
}
