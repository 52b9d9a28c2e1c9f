// Putting a member out of the room, once or for good.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    property bool ban: false
    readonly property var details: covey.details

    objectName: "removeDialog"
    title: ban ? qsTr("Ban %1?").arg(details.chosenName)
               : qsTr("Remove %1?").arg(details.chosenName)
    subtitle: ban
        ? qsTr("They are put out of the room, the key turns, and no invite lets them in until somebody lifts the ban.")
        : qsTr("They are put out of the room and the key turns, so that they read nothing new. A new invite lets them in again.")

    Column {
        width: parent.width
        Words {
            width: parent.width
            visible: text
            text: dialog.details.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }
    actions: [
        ActionButton {
            objectName: "confirmRemoveButton"
            kind: "danger"
            text: dialog.ban ? qsTr("Ban") : qsTr("Remove")
            busy: dialog.details.busy === "remove"
            enabled: !busy
            onClicked: dialog.details.remove(dialog.ban)
        },
        ActionButton {
            id: stay
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: dialog.close()
        }
    ]
    onOpened: stay.forceActiveFocus()
    Connections {
        target: dialog.details
        function onDone(name) { if (name === "remove") dialog.close() }
    }
}
