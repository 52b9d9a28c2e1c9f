// A profile behind a passphrase.
import QtQuick
import "../theme"
import "../controls"

Stage {
    title: qsTr("Welcome back")
    text: qsTr("This profile is locked with a passphrase.")

    Column {
        width: parent.width
        spacing: Theme.l
        Field {
            id: passphrase
            objectName: "passphraseField"
            width: parent.width
            focus: true
            label: qsTr("Passphrase")
            failure: covey.failure
            echoMode: TextInput.Password
            onAccepted: covey.unlock(text)
            Component.onCompleted: input.forceActiveFocus()
        }
        ActionButton {
            objectName: "unlockButton"
            width: parent.width
            height: 44
            text: qsTr("Unlock")
            busy: covey.busy
            enabled: passphrase.text && !covey.busy
            onClicked: covey.unlock(passphrase.text)
        }
    }
}
