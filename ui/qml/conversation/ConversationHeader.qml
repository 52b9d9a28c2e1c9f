// Which room this is, who is there, and what can be done with it.
// Search and calls get their places between the name and the invite button.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Rectangle {
    id: header

    property bool narrow: false
    property bool membersShown: false
    signal back()
    signal wanted(string dialog)
    signal membersToggled()

    readonly property var room: covey.conversation

    implicitHeight: Theme.bar
    color: Theme.surface

    Rectangle {
        anchors.bottom: parent.bottom
        width: parent.width
        height: 1
        color: Theme.line
    }
    IconButton {
        id: backButton
        objectName: "backButton"
        visible: header.narrow
        x: Theme.xs
        anchors.verticalCenter: parent.verticalCenter
        symbol: "chevron-left"
        symbolSize: 24
        label: qsTr("Back to the rooms")
        onClicked: header.back()
    }
    AbstractButton {
        objectName: "titleButton"
        anchors.left: face.left
        anchors.leftMargin: -Theme.s
        anchors.right: actions.left
        anchors.verticalCenter: parent.verticalCenter
        height: parent.height - Theme.m
        hoverEnabled: true
        focusPolicy: Qt.NoFocus
        Accessible.ignored: true
        onClicked: header.membersToggled()
        background: Rectangle {
            radius: Theme.radius
            color: parent.down ? Theme.pressed : parent.hovered ? Theme.hover : "transparent"
        }
    }
    Avatar {
        id: face
        anchors.left: header.narrow ? backButton.right : parent.left
        anchors.leftMargin: header.narrow ? Theme.xs : Theme.l
        anchors.verticalCenter: parent.verticalCenter
        size: 40
        initials: header.room.initials
        colour: header.room.colour
    }
    Column {
        anchors.left: face.right
        anchors.leftMargin: Theme.m
        anchors.right: actions.left
        anchors.rightMargin: Theme.s
        anchors.verticalCenter: parent.verticalCenter
        spacing: 2
        Row {
            width: parent.width
            spacing: 6
            Icon {
                visible: header.room.kind === "broadcast"
                anchors.verticalCenter: parent.verticalCenter
                name: "megaphone"
                size: 16
                color: Theme.muted
            }
            Words {
                objectName: "roomTitle"
                width: Math.min(implicitWidth, parent.width
                                - (header.room.kind === "broadcast" ? 22 : 0))
                text: header.room.name
                font.pixelSize: Theme.title
                font.weight: Font.DemiBold
                elide: Text.ElideRight
                Accessible.role: Accessible.Heading
            }
        }
        Words {
            objectName: "roomSubtitle"
            width: parent.width
            text: header.room.subtitle
            color: Theme.muted
            font.pixelSize: Theme.small
            elide: Text.ElideRight
        }
    }
    Row {
        id: actions
        anchors.right: parent.right
        anchors.rightMargin: Theme.m
        anchors.verticalCenter: parent.verticalCenter
        IconButton {
            objectName: "findButton"
            visible: !header.narrow || Theme.scale < 1.3
            symbol: "search"
            label: qsTr("Search in this room")
            keys: "Ctrl+F"
            onClicked: covey.finder.begin(header.room.room)
        }
        IconButton {
            objectName: "inviteButton"
            visible: !header.narrow
            symbol: "user-plus"
            label: qsTr("Invite")
            keys: "Ctrl+Shift+I"
            onClicked: header.wanted("Invite")
        }
        IconButton {
            objectName: "membersButton"
            symbol: "info"
            label: qsTr("Details")
            checked: header.membersShown
            onClicked: header.membersToggled()
        }
        IconButton {
            objectName: "roomMenuButton"
            symbol: "ellipsis-vertical"
            label: qsTr("More")
            onClicked: menu.open()
            ThemedMenu {
                id: menu
                y: parent.height + Theme.xs
                x: parent.width - width
                ThemedMenuItem {
                    objectName: "inviteItem"
                    symbol: "user-plus"
                    text: qsTr("Invite")
                    onTriggered: header.wanted("Invite")
                }
                ThemedMenuItem {
                    objectName: "leaveItem"
                    symbol: "log-out"
                    danger: true
                    text: qsTr("Leave this room")
                    onTriggered: header.wanted("Leave")
                }
            }
        }
    }
}
