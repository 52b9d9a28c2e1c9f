// Deleting loses something, so it is asked for.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: sheet

    property var ids: []

    title: ids.length === 1 ? qsTr("Delete this message?")
                            : qsTr("Delete %n message(s)?", "", ids.length)
    subtitle: qsTr("Gone from every device in the room; from those that are offline as soon as they are back.")

    actions: [
        ActionButton {
            objectName: "confirmDeleteButton"
            kind: "danger"
            text: qsTr("Delete")
            focus: true
            onClicked: {
                covey.conversation.actions.remove(sheet.ids)
                covey.conversation.selectNone()
                sheet.close()
            }
        },
        ActionButton {
            kind: "secondary"
            text: qsTr("Keep")
            onClicked: sheet.close()
        }
    ]
}
