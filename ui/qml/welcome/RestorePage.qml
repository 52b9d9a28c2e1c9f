// The same person again, from the 24 words.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Item {
    id: page

    signal back()

    readonly property int wordCount: {
        const words = phrase.text.trim()
        return words ? words.split(/\s+/).length : 0
    }
    readonly property bool complete: wordCount === 24

    Stage {
        anchors.fill: parent
        showBirds: page.height > 640
        widest: 460
        title: qsTr("Restore your identity")
        text: qsTr("Type the 24 words in their order. They bring back who you are; "
                   + "to your rooms you need a new invite.")

        Column {
            width: parent.width
            spacing: Theme.l

            Column {
                width: parent.width
                spacing: 6
                Words {
                    text: qsTr("Your 24 words")
                    font.pixelSize: Theme.small
                    font.weight: Font.Medium
                    Accessible.ignored: true
                }
                TextArea {
                    id: phrase
                    objectName: "phraseField"
                    width: parent.width
                    height: 120
                    padding: Theme.m
                    wrapMode: TextArea.Wrap
                    color: Theme.text
                    placeholderText: qsTr("first second third \u2026")
                    placeholderTextColor: Theme.faint
                    selectionColor: Theme.accent
                    selectedTextColor: Theme.accentInk
                    font.family: Theme.family
                    font.pixelSize: Theme.px(15)
                    inputMethodHints: Qt.ImhNoPredictiveText | Qt.ImhNoAutoUppercase
                                      | Qt.ImhSensitiveData
                    KeyNavigation.priority: KeyNavigation.BeforeItem
                    KeyNavigation.tab: nameField.input
                    Accessible.name: qsTr("Your 24 words")
                    Component.onCompleted: forceActiveFocus()
                    background: Rectangle {
                        radius: Theme.radius
                        color: Theme.field
                        border.width: phrase.activeFocus ? 2 : 1
                        border.color: covey.failure ? Theme.bad
                                    : phrase.activeFocus ? Theme.accent : Theme.fieldLine
                    }
                }
                Words {
                    objectName: "phraseHint"
                    width: parent.width
                    text: covey.failure ? covey.failure
                        : page.complete ? qsTr("All 24 words are there.")
                        : qsTr("%1 of 24 words").arg(page.wordCount)
                    color: covey.failure ? Theme.bad : page.complete ? Theme.good : Theme.muted
                    font.pixelSize: Theme.small
                    wrapMode: Text.Wrap
                }
            }
            Field {
                id: nameField
                objectName: "restoreNameField"
                width: parent.width
                label: qsTr("Your name")
                placeholder: qsTr("Ada")
                maximumLength: covey.maxNameChars
                onAccepted: confirm.clicked()
            }
            ActionButton {
                id: confirm
                objectName: "confirmRestoreButton"
                width: parent.width
                height: 44
                text: qsTr("Restore")
                busy: covey.busy
                enabled: page.complete && nameField.text.trim() && !covey.busy
                onClicked: if (enabled) covey.restoreProfile(nameField.text, phrase.text)
            }
            ActionButton {
                anchors.horizontalCenter: parent.horizontalCenter
                kind: "quiet"
                text: qsTr("Back")
                enabled: !covey.busy
                onClicked: page.back()
            }
        }
    }
    Shortcut {
        sequences: [StandardKey.Cancel]
        onActivated: page.back()
    }
}
