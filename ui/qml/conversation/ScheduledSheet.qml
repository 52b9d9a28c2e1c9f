// What waits for its time, and can still be taken back.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Sheet {
    id: sheet

    readonly property var waiting: covey.conversation.scheduled

    title: qsTr("Waiting to be sent")
    subtitle: waiting.count === 0 ? qsTr("Nothing waits.") : ""

    ListView {
        id: list
        objectName: "scheduledList"
        width: parent.width
        height: Math.min(contentHeight, 360)
        model: sheet.waiting
        clip: true
        spacing: Theme.s
        boundsBehavior: Flickable.StopAtBounds
        Accessible.role: Accessible.List
        Accessible.name: sheet.title
        delegate: Rectangle {
            id: line
            required property string scheduledId
            required property string text
            required property string when
            required property string problem
            width: list.width
            height: words.height + 20
            radius: Theme.radius
            color: Theme.sunken
            Accessible.role: Accessible.ListItem
            Accessible.name: [text, when, problem].filter(it => it).join(", ")
            Column {
                id: words
                x: Theme.m
                y: 10
                width: parent.width - cancel.width - 2 * Theme.m
                spacing: 3
                Words {
                    width: parent.width
                    text: line.text
                    wrapMode: Text.Wrap
                    maximumLineCount: 3
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
                Words {
                    width: parent.width
                    text: line.problem || line.when
                    color: line.problem ? Theme.bad : Theme.muted
                    font.pixelSize: Theme.small
                    wrapMode: Text.Wrap
                    Accessible.ignored: true
                }
            }
            IconButton {
                id: cancel
                objectName: "cancelScheduledButton"
                anchors.right: parent.right
                anchors.rightMargin: Theme.xs
                anchors.verticalCenter: parent.verticalCenter
                symbol: "trash-2"
                label: qsTr("Do not send")
                onClicked: sheet.waiting.cancel(line.scheduledId)
            }
        }
    }
}
