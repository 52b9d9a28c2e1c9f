// When to send what is written.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Sheet {
    id: sheet

    property string words
    readonly property var waiting: covey.conversation.scheduled
    readonly property real at: waiting.instant(day.text, time.text)
    signal done()

    function keep(at) {
        waiting.add(words, at, covey.conversation.composing.mode === "reply"
                               ? covey.conversation.composing.targetId : "")
    }

    title: qsTr("Send later")
    subtitle: qsTr("It is kept on this device and goes out at its time, or once Covey runs again.")

    Column {
        width: parent.width
        spacing: Theme.s
        Repeater {
            model: sheet.waiting.proposals()
            AbstractButton {
                id: line
                required property var modelData
                required property int index
                objectName: "proposal:" + index
                width: parent.width
                implicitHeight: 52
                hoverEnabled: true
                focusPolicy: Qt.TabFocus
                Accessible.role: Accessible.Button
                Accessible.name: qsTr("%1, %2").arg(modelData.label).arg(modelData.when)
                Keys.onReturnPressed: clicked()
                onClicked: sheet.keep(modelData.at)
                background: Rectangle {
                    radius: Theme.radius
                    color: line.hovered ? Theme.hover : "transparent"
                    border.width: 1
                    border.color: Theme.line
                    FocusRing { shown: line.visualFocus }
                }
                contentItem: Item {
                    Icon {
                        id: sign
                        x: Theme.m
                        anchors.verticalCenter: parent.verticalCenter
                        name: "calendar-clock"
                        color: Theme.accentText
                    }
                    Words {
                        anchors.left: sign.right
                        anchors.leftMargin: Theme.m
                        y: 7
                        text: line.modelData.label
                        font.weight: Font.Medium
                        Accessible.ignored: true
                    }
                    Words {
                        anchors.left: sign.right
                        anchors.leftMargin: Theme.m
                        y: 27
                        text: line.modelData.when
                        color: Theme.muted
                        font.pixelSize: Theme.small
                        Accessible.ignored: true
                    }
                }
            }
        }
        Row {
            width: parent.width
            spacing: Theme.m
            topPadding: Theme.s
            Field {
                id: day
                width: (parent.width - Theme.m) * 0.6
                label: qsTr("Day")
                placeholder: "2026-11-28"
                input.objectName: "scheduleDay"
            }
            Field {
                id: time
                width: (parent.width - Theme.m) * 0.4
                label: qsTr("Time")
                placeholder: "09:00"
                input.objectName: "scheduleTime"
                onAccepted: if (sheet.at > 0) sheet.keep(sheet.at)
            }
        }
        Words {
            width: parent.width
            text: sheet.at > 0 ? sheet.waiting.named(sheet.at)
                               : qsTr("A day and a time to come, such as 2026-11-28 and 09:00.")
            color: sheet.at > 0 ? Theme.accentText : Theme.muted
            font.pixelSize: Theme.small
            wrapMode: Text.Wrap
        }
    }
    actions: [
        ActionButton {
            objectName: "confirmScheduleButton"
            text: qsTr("Send then")
            enabled: sheet.at > 0
            onClicked: sheet.keep(sheet.at)
        },
        ActionButton {
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: sheet.close()
        }
    ]
    Connections {
        target: sheet.waiting
        function onKept() {
            sheet.done()
            sheet.close()
        }
    }
    Component.onCompleted: {
        const given = waiting.tomorrow()
        day.text = given[0]
        time.text = given[1]
    }
}
