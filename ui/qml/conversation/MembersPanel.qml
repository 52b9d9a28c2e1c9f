// Who belongs to the room, and who of them is connected now.
// Files, pins and diagnostics of the room get their sections below.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Rectangle {
    id: panel

    signal closed()
    signal inviteWanted()

    readonly property var room: covey.conversation

    color: Theme.surface
    Accessible.role: Accessible.Pane
    Accessible.name: qsTr("Members")

    Rectangle {
        width: 1
        height: parent.height
        color: Theme.line
    }
    Item {
        id: head
        width: parent.width
        height: Theme.bar
        Words {
            x: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            text: qsTr("Members")
            font.pixelSize: Theme.title
            font.weight: Font.DemiBold
            Accessible.role: Accessible.Heading
        }
        IconButton {
            objectName: "membersCloseButton"
            anchors.right: parent.right
            anchors.rightMargin: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            symbol: "x"
            label: qsTr("Close members")
            onClicked: panel.closed()
        }
        Rectangle {
            anchors.bottom: parent.bottom
            width: parent.width
            height: 1
            color: Theme.line
        }
    }
    ListView {
        id: list
        objectName: "memberList"
        anchors.top: head.bottom
        anchors.bottom: parent.bottom
        x: 1
        width: parent.width - 1
        clip: true
        topMargin: Theme.s
        bottomMargin: Theme.s
        model: panel.room.members
        boundsBehavior: Flickable.StopAtBounds
        activeFocusOnTab: true
        reuseItems: true
        ScrollBar.vertical: SlimScrollBar {}
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Members")
        delegate: MemberRow { width: list.width }
        footer: Item {
            width: list.width
            height: 64
            ActionButton {
                x: Theme.l
                y: Theme.m
                width: parent.width - 2 * Theme.l
                kind: "secondary"
                symbol: "user-plus"
                text: qsTr("Invite")
                onClicked: panel.inviteWanted()
            }
        }
    }
}
