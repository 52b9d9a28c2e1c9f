// Makes a poll: a question and two to twenty answers.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Sheet {
    id: sheet

    readonly property int mostAnswers: 20
    property int edits: 0
    readonly property bool doubled: edits >= 0 && new Set(current()).size < current().length
    readonly property bool ready: question.text.trim() && current().length >= 2
                                  && !doubled && edits >= 0

    function current() {
        const found = []
        for (let at = 0; at < answers.count; ++at)
            found.push(answers.get(at).words.trim())
        return found.filter(it => it)
    }

    title: qsTr("New poll")
    onOpened: question.input.forceActiveFocus()

    ListModel {
        id: answers
        ListElement { words: "" }
        ListElement { words: "" }
    }

    Column {
        width: parent.width
        spacing: Theme.m
        Field {
            id: question
            width: parent.width
            label: qsTr("Question")
            placeholder: qsTr("What do you want to know?")
            maximumLength: 500
            input.objectName: "pollQuestion"
        }
        Words {
            text: qsTr("Answers")
            font.pixelSize: Theme.small
            font.weight: Font.Medium
        }
        Repeater {
            model: answers
            Field {
                required property int index
                width: parent.width
                placeholder: qsTr("Answer %1").arg(index + 1)
                maximumLength: 200
                input.objectName: "pollAnswer:" + index
                onTextChanged: {
                    answers.setProperty(index, "words", text)
                    sheet.edits += 1
                    if (text && index === answers.count - 1
                            && answers.count < sheet.mostAnswers)
                        answers.append({ words: "" })
                }
                onAccepted: nextItemInFocusChain().forceActiveFocus()
            }
        }
        Tick {
            id: several
            objectName: "pollMultiple"
            width: Math.min(implicitWidth, parent.width)
            text: qsTr("Several answers may be chosen")
        }
    }
    actions: [
        ActionButton {
            objectName: "makePollButton"
            text: qsTr("Ask")
            enabled: sheet.ready
            onClicked: covey.conversation.actions.makePoll(
                question.text, sheet.current(), several.checked, 0)
        },
        ActionButton {
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: sheet.close()
        }
    ]
    Connections {
        target: covey.conversation.actions
        function onPollMade() { sheet.close() }
    }
}
