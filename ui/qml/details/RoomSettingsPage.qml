// What holds for the whole room, and what is done to it as a whole.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Flickable {
    id: page

    readonly property var details: covey.details
    readonly property var ranks: ["reader", "member", "moderator", "admin", "owner"]
    property int retention: -1
    property int admits: 0
    readonly property bool changed: nameField.text.trim() !== covey.conversation.name
        || about.text !== details.description || retention !== details.retention
        || ranks[admits] !== details.admitsFrom

    signal wanted(string dialog)

    function fill() {
        nameField.text = covey.conversation.name
        about.text = details.description
        retention = details.retention
        admits = Math.max(0, ranks.indexOf(details.admitsFrom))
    }
    function save() {
        if (changed && nameField.text.trim())
            details.configure(nameField.text, about.text, retention, ranks[admits])
    }

    contentHeight: column.implicitHeight
    clip: true
    boundsBehavior: Flickable.StopAtBounds
    ScrollBar.vertical: SlimScrollBar {}
    Component.onCompleted: fill()
    Connections {
        target: page.details
        function onDone(name) {
            if (name === "configure")
                refill.restart()
        }
    }
    Timer { id: refill; interval: 300; onTriggered: if (!page.details.busy) saved.start() }
    Timer { id: saved; interval: 2500 }

    Column {
        id: column
        width: page.width
        topPadding: Theme.l
        bottomPadding: Theme.xl
        spacing: Theme.l

        Words {
            x: Theme.l
            width: parent.width - 2 * x
            visible: page.details.loaded && !page.details.canConfigure
            text: qsTr("Admins and owners change these.")
            color: Theme.muted
            wrapMode: Text.Wrap
        }
        Field {
            id: nameField
            objectName: "settingsNameField"
            x: Theme.l
            width: parent.width - 2 * x
            enabled: page.details.canConfigure
            label: qsTr("Name")
            maximumLength: covey.maxNameChars
            onAccepted: page.save()
        }
        TextBox {
            id: about
            objectName: "settingsAboutField"
            x: Theme.l
            width: parent.width - 2 * x
            enabled: page.details.canConfigure
            label: qsTr("Description")
            placeholder: qsTr("What this room is about")
        }
        Select {
            objectName: "retentionSelect"
            x: Theme.l
            width: parent.width - 2 * x
            editable: page.details.canConfigure
            label: qsTr("Messages vanish after")
            hint: qsTr("Also those that were written before.")
            options: page.details.retentions()
            index: page.retention
            onPicked: at => page.retention = at
        }
        Select {
            objectName: "admitsSelect"
            x: Theme.l
            width: parent.width - 2 * x
            editable: page.details.canConfigure
            label: qsTr("Who lets people in by an invite")
            hint: qsTr("Whoever of them is online, also for the one who made it.")
            options: [qsTr("Everybody"), qsTr("Members and above"),
                      qsTr("Moderators and above"), qsTr("Admins and owners"),
                      qsTr("Owners only")]
            index: page.admits
            onPicked: at => page.admits = at
        }
        Words {
            objectName: "settingsFailure"
            x: Theme.l
            width: parent.width - 2 * x
            visible: text
            text: page.details.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
        ActionButton {
            objectName: "saveRoomButton"
            x: Theme.l
            width: parent.width - 2 * x
            visible: page.details.canConfigure
            enabled: page.changed && nameField.text.trim() && !page.details.busy
            busy: page.details.busy === "configure"
            symbol: saved.running && !page.changed ? "check" : ""
            text: saved.running && !page.changed ? qsTr("Saved") : qsTr("Save")
            onClicked: page.save()
        }
        Rectangle {
            x: Theme.l
            width: parent.width - 2 * x
            height: 1
            color: Theme.line
        }
        Column {
            width: parent.width
            RowButton {
                objectName: "turnKeyRow"
                width: parent.width
                visible: page.details.canTurnKey
                enabled: !page.details.busy
                leads: false
                symbol: turned.running ? "check" : "refresh-cw"
                text: turned.running ? qsTr("The room has a new key") : qsTr("Turn the key now")
                detail: qsTr("Happens by itself every week of use and whenever somebody is removed.")
                onClicked: page.details.turnKey()
                Timer { id: turned; interval: 4000 }
                Connections {
                    target: page.details
                    function onDone(name) { if (name === "turnKey") turned.restart() }
                }
            }
            RowButton {
                objectName: "exportAuditRow"
                width: parent.width
                enabled: !page.details.busy
                leads: false
                symbol: "file-check"
                text: qsTr("Export proofs")
                detail: page.details.exported
                    ? qsTr("Written to %1").arg(page.details.exported)
                    : qsTr("Who let in, removed or changed whom, signed, in a file that anybody can check.")
                onClicked: page.details.export(covey.conversation.name)
            }
        }
    }
}
