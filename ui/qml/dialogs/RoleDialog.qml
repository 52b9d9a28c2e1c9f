// Another rank for a member: what each means, in a sentence.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property var details: covey.details
    readonly property var facts: ({
        owner: ["crown", qsTr("Does everything, also to admins. Cannot be taken back by you alone.")],
        admin: ["shield", qsTr("Changes settings and ranks, invites moderators.")],
        moderator: ["shield-check", qsTr("Removes and mutes people, deletes messages, lets people in.")],
        member: ["user", qsTr("Reads and writes, invites others.")],
        reader: ["book-open", qsTr("Reads only.")]
    })
    property string wantedRole: details.chosenRank

    objectName: "roleDialog"
    title: qsTr("Role of %1").arg(details.chosenName)

    Column {
        width: parent.width
        spacing: Theme.s
        Repeater {
            model: dialog.details.chosenRoles
            delegate: Choice {
                required property string modelData
                objectName: "role:" + modelData
                width: parent.width
                checked: modelData === dialog.details.chosenRank
                symbol: dialog.facts[modelData] ? dialog.facts[modelData][0] : "user"
                text: dialog.details.roleName(modelData)
                detail: dialog.facts[modelData] ? dialog.facts[modelData][1] : ""
                onClicked: dialog.wantedRole = modelData
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
            objectName: "saveRoleButton"
            text: qsTr("Change role")
            busy: dialog.details.busy === "role"
            enabled: !busy && dialog.wantedRole !== dialog.details.chosenRank
            onClicked: dialog.details.setRole(dialog.wantedRole)
        },
        ActionButton {
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: dialog.close()
        }
    ]
    Connections {
        target: dialog.details
        function onDone(name) { if (name === "role") dialog.close() }
    }
}
