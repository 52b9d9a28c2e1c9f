// First run: a name, or the way to restore.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: page

    property bool restoring: false

    Stage {
        anchors.fill: parent
        visible: !page.restoring
        title: qsTr("Welcome to Covey")
        text: qsTr("Messages between your own machine and theirs, with no server in between. "
                   + "How shall others see you?")

        Column {
            width: parent.width
            spacing: Theme.l

            Field {
                id: nameField
                objectName: "nameField"
                width: parent.width
                focus: true
                label: qsTr("Your name")
                placeholder: qsTr("Ada")
                hint: qsTr("Members of your rooms see this name.")
                failure: page.restoring ? "" : covey.failure
                maximumLength: covey.maxNameChars
                onAccepted: covey.createProfile(text)
                Component.onCompleted: input.forceActiveFocus()
            }
            ActionButton {
                objectName: "createProfileButton"
                width: parent.width
                height: 44
                text: qsTr("Get started")
                busy: covey.busy
                enabled: nameField.text.trim() && !covey.busy
                onClicked: covey.createProfile(nameField.text)
            }
            ActionButton {
                objectName: "restoreButton"
                anchors.horizontalCenter: parent.horizontalCenter
                kind: "quiet"
                text: qsTr("I have my 24 words")
                enabled: !covey.busy
                onClicked: page.restoring = true
            }
        }
    }
    Loader {
        anchors.fill: parent
        active: page.restoring
        sourceComponent: RestorePage {
            onBack: {
                page.restoring = false
                nameField.input.forceActiveFocus()
            }
        }
    }
}
