// Asks before the 24 words are shown.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    objectName: "wordsDialog"
    title: qsTr("Show your 24 words?")
    subtitle: qsTr("Whoever has these words can write as you. Make sure that nobody looks over your shoulder.")

    actions: [
        ActionButton {
            objectName: "showWordsButton"
            text: qsTr("Show them")
            onClicked: dialog.wanted("Phrase")
        },
        ActionButton {
            id: stay
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: dialog.close()
        }
    ]
    onOpened: stay.forceActiveFocus()
}
