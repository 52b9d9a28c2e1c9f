// Asks before something is lost: what will be, the way on, and the way back.
import QtQuick
import "../theme"

Sheet {
    id: ask

    property string verb
    property string stayText: qsTr("Cancel")
    signal agreed()

    actions: [
        ActionButton {
            objectName: "agreeButton"
            kind: "danger"
            text: ask.verb
            onClicked: {
                ask.agreed()
                ask.close()
            }
        },
        ActionButton {
            id: stay
            objectName: "stayButton"
            kind: "secondary"
            text: ask.stayText
            onClicked: ask.close()
        }
    ]
    onOpened: stay.forceActiveFocus()
}
