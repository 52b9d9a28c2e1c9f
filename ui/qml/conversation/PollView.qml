// A poll in its bubble: answers with bars, chosen by a click.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Column {
    id: view

    property var poll
    property string messageId
    property bool mine: false

    spacing: 6

    Repeater {
        model: view.poll.options || []
        AbstractButton {
            id: answer

            required property var modelData
            required property int index

            objectName: "pollOption:" + modelData.text
            width: view.width
            implicitHeight: Math.max(42, words.implicitHeight + 22)
            hoverEnabled: true
            enabled: !view.poll.closed
            focusPolicy: Qt.TabFocus
            Accessible.role: view.poll.multiple ? Accessible.CheckBox : Accessible.RadioButton
            Accessible.name: qsTr("%1, %2").arg(modelData.text)
                .arg(qsTr("%n vote(s)", "", modelData.count))
            Accessible.checked: modelData.mine
            Accessible.onPressAction: clicked()
            Keys.onReturnPressed: clicked()
            onClicked: covey.conversation.actions.vote(view.messageId, index)

            background: Rectangle {
                radius: Theme.s
                color: view.mine ? Theme.mineSunken
                     : answer.hovered ? Theme.hover : Theme.sunken
                Rectangle {
                    width: Math.round(parent.width * answer.modelData.share)
                    height: parent.height
                    radius: parent.radius
                    color: view.mine ? Theme.mineBar : Theme.accentSoft
                    Behavior on width { NumberAnimation { duration: Theme.calmly } }
                }
                FocusRing { shown: answer.visualFocus; corner: parent.radius; gap: 0 }
            }
            contentItem: Item {
                Rectangle {
                    id: mark
                    x: Theme.m
                    anchors.verticalCenter: parent.verticalCenter
                    width: 18
                    height: 18
                    radius: view.poll.multiple ? 5 : 9
                    color: answer.modelData.mine ? Theme.accent : "transparent"
                    border.width: answer.modelData.mine ? 0 : 2
                    border.color: view.mine ? Theme.mineMuted : Theme.fieldLine
                    Icon {
                        anchors.centerIn: parent
                        visible: answer.modelData.mine
                        name: "check"
                        size: 13
                        color: Theme.accentInk
                    }
                }
                Words {
                    id: words
                    anchors.left: mark.right
                    anchors.leftMargin: 10
                    anchors.right: number.left
                    anchors.rightMargin: Theme.s
                    anchors.verticalCenter: parent.verticalCenter
                    text: answer.modelData.text
                    color: view.mine ? Theme.mineInk : Theme.text
                    font.weight: answer.modelData.leads ? Font.DemiBold : Font.Normal
                    wrapMode: Text.Wrap
                    Accessible.ignored: true
                }
                Words {
                    id: number
                    anchors.right: parent.right
                    anchors.rightMargin: Theme.m
                    anchors.verticalCenter: parent.verticalCenter
                    text: answer.modelData.count
                    color: view.mine ? Theme.mineMuted : Theme.muted
                    font.pixelSize: Theme.small
                    font.weight: Font.DemiBold
                    Accessible.ignored: true
                }
            }
        }
    }
    Words {
        objectName: "pollSummary"
        width: view.width
        text: view.poll.summary || ""
        color: view.mine ? Theme.mineMuted : Theme.muted
        font.pixelSize: Theme.caption
        elide: Text.ElideRight
    }
}
