// The left side: who I am, my rooms, and the state of the connection.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Rectangle {
    id: pane

    signal wanted(string dialog)

    color: Theme.surface
    Accessible.role: Accessible.Pane
    Accessible.name: qsTr("Rooms")

    Item {
        id: head
        width: parent.width
        height: Theme.bar

        AbstractButton {
            id: me
            objectName: "profileButton"
            x: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            width: Math.min(implicitContentWidth, actions.x - x - Theme.s)
            height: 44
            hoverEnabled: true
            focusPolicy: Qt.TabFocus
            Accessible.role: Accessible.ButtonMenu
            Accessible.name: qsTr("Your profile, %1").arg(covey.name)
            Accessible.onPressAction: clicked()
            Keys.onReturnPressed: clicked()
            onClicked: profileMenu.open()
            background: Rectangle {
                radius: 22
                color: me.down ? Theme.pressed : me.hovered || profileMenu.visible ? Theme.hover
                                                                                    : "transparent"
                FocusRing { shown: me.visualFocus; corner: parent.radius; gap: 0 }
            }
            contentItem: Item {
                implicitWidth: myFace.width + myName.implicitWidth + Theme.m * 2 + 6
                Avatar {
                    id: myFace
                    x: 4
                    anchors.verticalCenter: parent.verticalCenter
                    size: 36
                    initials: covey.initials
                    colour: covey.colour
                }
                Words {
                    id: myName
                    anchors.left: myFace.right
                    anchors.leftMargin: Theme.m
                    anchors.right: parent.right
                    anchors.rightMargin: Theme.m
                    anchors.verticalCenter: parent.verticalCenter
                    text: covey.name
                    font.pixelSize: Theme.title
                    font.weight: Font.DemiBold
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
            }
            ThemedMenu {
                id: profileMenu
                y: me.height + Theme.xs
                ThemedMenuItem {
                    objectName: "settingsItem"
                    symbol: "settings"
                    text: qsTr("Settings")
                    onTriggered: pane.wanted("Settings")
                }
                ThemedMenuItem {
                    objectName: "codeItem"
                    symbol: "qr-code"
                    text: qsTr("My contact code")
                    onTriggered: pane.wanted("Code")
                }
                ThemedMenuItem {
                    objectName: "joinItem"
                    symbol: "link"
                    text: qsTr("Join by link")
                    onTriggered: pane.wanted("Join")
                }
                ThemedMenuItem {
                    objectName: "copyKeyItem"
                    symbol: "copy"
                    text: qsTr("Copy my public key")
                    onTriggered: covey.copy(covey.identityKey)
                }
                ThemedMenuItem {
                    objectName: "showPhraseItem"
                    symbol: "key-round"
                    text: qsTr("Show my 24 words")
                    onTriggered: pane.wanted("Words")
                }
                ThemedMenuItem {
                    objectName: "shortcutsItem"
                    symbol: "keyboard"
                    text: qsTr("Keyboard shortcuts")
                    onTriggered: pane.wanted("Shortcuts")
                }
            }
        }
        Row {
            id: actions
            anchors.right: parent.right
            anchors.rightMargin: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            IconButton {
                objectName: "searchButton"
                symbol: "search"
                label: qsTr("Search")
                keys: "Ctrl+Shift+F"
                onClicked: covey.finder.begin("")
            }
            IconButton {
                objectName: "peopleButton"
                symbol: "contact"
                label: covey.people.asking.count > 0
                    ? qsTr("People, %n request(s)", "", covey.people.asking.count) : qsTr("People")
                onClicked: pane.wanted("People")
                Rectangle {
                    visible: covey.people.asking.count > 0
                    anchors.right: parent.right
                    anchors.top: parent.top
                    anchors.margins: 6
                    width: 10
                    height: 10
                    radius: 5
                    color: Theme.accent
                    border.width: 1
                    border.color: Theme.surface
                }
            }
            IconButton {
                objectName: "newRoomButton"
                symbol: "plus"
                symbolSize: 22
                label: qsTr("New room")
                keys: "Ctrl+N"
                onClicked: pane.wanted("NewRoom")
            }
        }
    }

    ListView {
        id: list
        objectName: "roomList"

        property bool keyboardUsed: false

        anchors.top: head.bottom
        anchors.bottom: chip.top
        width: parent.width
        topMargin: 2
        bottomMargin: Theme.s
        clip: true
        model: covey.rooms
        activeFocusOnTab: count > 0
        boundsBehavior: Flickable.StopAtBounds
        reuseItems: true
        currentIndex: -1
        highlightMoveDuration: 0
        ScrollBar.vertical: SlimScrollBar {}
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Rooms")
        onActiveFocusChanged: if (activeFocus && currentIndex < 0) currentIndex = 0
        Keys.onPressed: event => {
            keyboardUsed = true
            if (event.key === Qt.Key_Return || event.key === Qt.Key_Enter
                    || event.key === Qt.Key_Space) {
                covey.openRoom(covey.rooms.roomAt(currentIndex))
                event.accepted = true
            }
        }
        delegate: RoomRow {
            id: roomRow
            onMenuWanted: menu.offer(roomRow)
        }
        Keys.onMenuPressed: if (currentItem) menu.offer(currentItem)
        RoomMenu {
            id: menu
            objectName: "roomMenu"
            onWanted: dialog => pane.wanted(dialog)
        }
        footer: Item {
            width: list.width
            height: away.visible ? away.height + Theme.xs : 0
            RowButton {
                id: away
                objectName: "archiveRow"
                width: parent.width
                visible: covey.rooms.archivedCount > 0
                leads: !covey.rooms.archiveShown
                symbol: covey.rooms.archiveShown ? "chevron-left" : "archive"
                text: covey.rooms.archiveShown ? qsTr("Back to the rooms")
                                               : qsTr("Archive")
                detail: covey.rooms.archiveShown ? ""
                    : qsTr("%n room(s)", "", covey.rooms.archivedCount)
                badge: !covey.rooms.archiveShown && covey.rooms.archivedUnread > 0
                       ? covey.rooms.archivedUnread : ""
                onClicked: covey.rooms.showArchive(!covey.rooms.archiveShown)
            }
        }
        header: Item {
            width: list.width
            height: asking.visible ? asking.height + Theme.xs : 0
            RowButton {
                id: asking
                objectName: "askingRow"
                width: parent.width
                visible: covey.people.asking.count > 0
                symbol: "inbox"
                text: qsTr("Message requests")
                badge: covey.people.asking.count
                onClicked: pane.wanted("People")
            }
        }
        move: Transition {
            NumberAnimation { property: "y"; duration: Theme.calmly; easing.type: Easing.OutCubic }
        }
        displaced: Transition {
            NumberAnimation { property: "y"; duration: Theme.calmly; easing.type: Easing.OutCubic }
        }
    }
    EmptyState {
        visible: list.count === 0 && covey.rooms.archivedCount === 0
        anchors.centerIn: list
        width: Math.min(280, parent.width - 2 * Theme.xl)
        symbol: "messages-square"
        title: qsTr("No rooms yet")
        text: qsTr("Make one and invite somebody, or join with a link that you were given.")
        ActionButton {
            objectName: "emptyNewRoomButton"
            text: qsTr("New room")
            onClicked: pane.wanted("NewRoom")
        }
        ActionButton {
            objectName: "emptyJoinButton"
            kind: "secondary"
            text: qsTr("Join by link")
            onClicked: pane.wanted("Join")
        }
    }

    ConnectionChip {
        id: chip
        anchors.bottom: parent.bottom
        width: parent.width
    }
}
