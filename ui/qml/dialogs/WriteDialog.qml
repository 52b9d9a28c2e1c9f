// Writing to one person by their contact link, with a word on who one is.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    property string offered
    readonly property var people: covey.people
    readonly property string wrong: people.complaint(keyField.text)
    readonly property bool complete: people.keyIn(keyField.text) && !wrong

    function go() {
        if (complete && !people.busy)
            people.write(keyField.text, greeting.text)
    }

    objectName: "writeDialog"
    title: qsTr("New message")
    subtitle: qsTr("They see your name and greeting, and decide. Until then what you write waits.")

    Column {
        width: parent.width
        spacing: Theme.l
        Field {
            id: keyField
            objectName: "contactField"
            width: parent.width
            focus: true
            label: qsTr("Their contact link or key")
            placeholder: "covey://contact/\u2026"
            failure: dialog.wrong || dialog.people.failure
            maximumLength: 500
            onAccepted: dialog.go()
        }
        Field {
            id: greeting
            objectName: "greetingField"
            width: parent.width
            label: qsTr("Greeting")
            placeholder: qsTr("It's me, from the choir")
            maximumLength: dialog.people.maxGreetingChars
            onAccepted: dialog.go()
        }
    }
    actions: [
        ActionButton {
            objectName: "confirmWriteButton"
            text: qsTr("Write")
            busy: dialog.people.busy === "write"
            enabled: dialog.complete && !busy
            onClicked: dialog.go()
        },
        ActionButton {
            objectName: "pasteContactButton"
            kind: "secondary"
            symbol: "clipboard-paste"
            text: qsTr("Paste")
            onClicked: keyField.text = covey.pasted().trim()
        }
    ]
    onAboutToShow: {
        people.reset()
        keyField.text = offered
    }
    onOpened: keyField.input.forceActiveFocus()
    Connections {
        target: dialog.people
        function onEntered() { dialog.close() }
    }
}
