// Leaving loses something, so it asks.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property string room: covey.conversation.room

    objectName: "leaveDialog"
    title: qsTr("Leave %1?").arg(covey.conversation.name)
    subtitle: qsTr("The room and its messages are removed from this machine. To come back you need a new invite.")

    actions: [
        ActionButton {
            objectName: "confirmLeaveButton"
            kind: "danger"
            text: qsTr("Leave room")
            onClicked: {
                covey.leaveRoom(dialog.room)
                dialog.close()
            }
        },
        ActionButton {
            id: stay
            kind: "secondary"
            text: qsTr("Stay")
            onClicked: dialog.close()
        }
    ]
    onOpened: stay.forceActiveFocus()
}
