// Below a bubble: who reacted how, and the way into its thread.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Item {
    id: foot

    property var message
    signal reactionWanted(var item)

    readonly property var people: covey.conversation.responses

    implicitHeight: chips.implicitHeight + Theme.xs

    Flow {
        id: chips
        y: Theme.xs
        width: parent.width
        spacing: 6
        layoutDirection: foot.message.mine ? Qt.RightToLeft : Qt.LeftToRight

        Repeater {
            model: foot.message.reactions
            Chip {
                required property var modelData
                objectName: "reaction:" + modelData.emoji
                sign: modelData.sign
                text: modelData.count
                checked: modelData.mine
                enabled: covey.conversation.canReact
                hint: foot.people.messageId === foot.message.messageId
                      && foot.people.namesBySign[modelData.emoji] || modelData.who
                onHoveredChanged: {
                    if (hovered && foot.people.messageId !== foot.message.messageId)
                        foot.people.look(foot.message.messageId)
                }
                Accessible.name: qsTr("%1, %2").arg(modelData.sign).arg(modelData.who)
                onClicked: covey.conversation.actions.react(foot.message.messageId,
                                                           modelData.emoji)
            }
        }
        Chip {
            id: adder
            objectName: "addReactionButton"
            visible: foot.message.reactions.length > 0 && covey.conversation.canReact
            symbol: "smile-plus"
            hint: qsTr("React")
            Accessible.name: qsTr("React")
            onClicked: foot.reactionWanted(adder)
        }
        Chip {
            objectName: "threadButton"
            visible: foot.message.threadText || foot.message.thread
            symbol: "message-square-reply"
            text: foot.message.threadText || qsTr("In a thread")
            quiet: !foot.message.threadText
            hint: qsTr("Open the thread")
            Accessible.name: text
            onClicked: covey.conversation.openThread(foot.message.threadText
                                                     ? foot.message.messageId : foot.message.thread)
        }
    }
}
