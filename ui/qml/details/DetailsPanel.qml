// What stands around a room's talk: first who is in it, then a page for each of the
// rest. Files and diagnostics of the room get their lines among those of the first.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Rectangle {
    id: panel

    property string page: "Overview"
    readonly property bool deep: page !== "Overview"
    readonly property var titles: ({
        Overview: qsTr("Details"),
        Invites: qsTr("Invites"),
        Requests: qsTr("Requests to join"),
        Banned: qsTr("Banned"),
        RoomSettings: qsTr("Room settings")
    })
    signal closed()
    signal wanted(string dialog)

    function go(name) {
        page = name
        content.forceActiveFocus()
    }

    color: Theme.surface
    Accessible.role: Accessible.Pane
    Accessible.name: titles[page]
    Component.onCompleted: covey.details.show(covey.conversation.room)
    Component.onDestruction: covey.details.show("")
    Shortcut {
        sequence: "Escape"
        enabled: panel.deep
        onActivated: panel.go("Overview")
    }

    Rectangle {
        width: 1
        height: parent.height
        color: Theme.line
        z: 1
    }
    Item {
        id: head
        width: parent.width
        height: Theme.bar
        IconButton {
            id: backButton
            objectName: "detailsBackButton"
            visible: panel.deep
            x: Theme.s
            anchors.verticalCenter: parent.verticalCenter
            symbol: "chevron-left"
            symbolSize: 22
            label: qsTr("Back to the details")
            onClicked: panel.go("Overview")
        }
        Words {
            objectName: "detailsTitle"
            anchors.left: backButton.visible ? backButton.right : parent.left
            anchors.leftMargin: backButton.visible ? Theme.xs : Theme.l + Theme.s
            anchors.right: closeButton.left
            anchors.verticalCenter: parent.verticalCenter
            text: panel.titles[panel.page]
            font.pixelSize: Theme.title
            font.weight: Font.DemiBold
            elide: Text.ElideRight
            Accessible.role: Accessible.Heading
        }
        IconButton {
            id: closeButton
            objectName: "membersCloseButton"
            anchors.right: parent.right
            anchors.rightMargin: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            symbol: "x"
            label: qsTr("Close details")
            onClicked: panel.closed()
        }
        Rectangle {
            anchors.bottom: parent.bottom
            width: parent.width
            height: 1
            color: Theme.line
        }
    }
    Loader {
        id: content
        anchors.top: head.bottom
        anchors.bottom: parent.bottom
        x: 1
        width: parent.width - 1
        focus: true
        source: panel.page + "Page.qml"
    }
    Connections {
        target: content.item
        ignoreUnknownSignals: true
        function onWanted(dialog) { panel.wanted(dialog) }
        function onPageWanted(page) { panel.go(page) }
    }
    Connections {
        target: covey.conversation
        function onOpened() {
            panel.page = "Overview"
            covey.details.show(covey.conversation.room)
        }
    }
}
