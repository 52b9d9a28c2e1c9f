// For how long a member may not speak.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property var details: covey.details
    readonly property var spans: [
        [1, qsTr("For an hour")], [8, qsTr("For eight hours")], [24, qsTr("For a day")],
        [168, qsTr("For a week")], [-1, qsTr("Until somebody lets them speak again")]
    ]
    property int hours: 1

    objectName: "muteDialog"
    title: qsTr("Mute %1?").arg(details.chosenName)
    subtitle: qsTr("They read along and neither write nor react. All members see that they are muted.")

    Column {
        width: parent.width
        spacing: Theme.s
        Repeater {
            model: dialog.spans
            delegate: Choice {
                required property var modelData
                objectName: "mute:" + modelData[0]
                width: parent.width
                checked: modelData[0] === dialog.hours
                symbol: modelData[0] < 0 ? "mic-off" : "timer"
                text: modelData[1]
                onClicked: dialog.hours = modelData[0]
            }
        }
        Words {
            width: parent.width
            visible: text
            text: dialog.details.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }
    actions: [
        ActionButton {
            objectName: "confirmMuteButton"
            text: qsTr("Mute")
            busy: dialog.details.busy === "mute"
            enabled: !busy
            onClicked: dialog.details.mute(dialog.hours)
        },
        ActionButton {
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: dialog.close()
        }
    ]
    Connections {
        target: dialog.details
        function onDone(name) { if (name === "mute") dialog.close() }
    }
}
