// A name and a kind make a room.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property bool complete: nameField.text.trim().length > 0

    objectName: "newRoomDialog"
    title: qsTr("New room")

    function create() {
        if (complete && !covey.maker.busy)
            covey.maker.create(nameField.text, broadcast.checked ? "broadcast" : "group")
    }

    Column {
        width: parent.width
        spacing: Theme.l

        Field {
            id: nameField
            objectName: "roomNameField"
            width: parent.width
            focus: true
            label: qsTr("Name")
            placeholder: qsTr("Garden, book club, family \u2026")
            failure: covey.maker.failure
            maximumLength: covey.maxNameChars
            onAccepted: dialog.create()
        }
        Column {
            width: parent.width
            spacing: Theme.s
            Choice {
                objectName: "groupChoice"
                width: parent.width
                checked: true
                symbol: "messages-square"
                text: qsTr("Group")
                detail: qsTr("Every member writes and reads.")
            }
            Choice {
                id: broadcast
                objectName: "broadcastChoice"
                width: parent.width
                symbol: "megaphone"
                text: qsTr("Broadcast")
                detail: qsTr("You write, members read along.")
            }
        }
    }
    actions: [
        ActionButton {
            objectName: "createRoomButton"
            text: qsTr("Create room")
            busy: covey.maker.busy
            enabled: dialog.complete && !covey.maker.busy
            onClicked: dialog.create()
        },
        ActionButton {
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: dialog.close()
        }
    ]

    onAboutToShow: covey.maker.reset()
    onOpened: nameField.input.forceActiveFocus()
    Connections {
        target: covey.maker
        function onEntered() { dialog.close() }
    }
}
