// A link opens a room as soon as one of its members is online.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    property string offered
    readonly property var joiner: covey.joiner
    readonly property string complaint: joiner.complaint(linkField.text)

    objectName: "joinDialog"
    title: qsTr("Join by link")
    subtitle: joiner.busy ? "" : qsTr("Paste the invite link that you were given.")

    function join() {
        if (linkField.text.trim() && !complaint && !joiner.busy)
            joiner.join(linkField.text)
    }

    Column {
        width: parent.width
        spacing: Theme.l

        Item {
            width: parent.width
            height: linkField.implicitHeight
            visible: !dialog.joiner.busy
            Field {
                id: linkField
                objectName: "linkField"
                anchors.left: parent.left
                anchors.right: paste.left
                anchors.rightMargin: Theme.s
                focus: true
                placeholder: "covey://\u2026"
                failure: dialog.joiner.failure || dialog.complaint
                onAccepted: dialog.join()
                onTextChanged: if (dialog.joiner.failure) dialog.joiner.reset()
                input.Accessible.name: qsTr("Invite link")
            }
            ActionButton {
                id: paste
                objectName: "pasteButton"
                anchors.right: parent.right
                height: 44
                kind: "secondary"
                symbol: "clipboard-paste"
                text: qsTr("Paste")
                onClicked: {
                    linkField.text = covey.pasted().trim()
                    linkField.input.forceActiveFocus()
                }
            }
        }
        Column {
            width: parent.width
            visible: dialog.joiner.busy
            spacing: Theme.m
            topPadding: Theme.m
            bottomPadding: Theme.s
            Spinner {
                anchors.horizontalCenter: parent.horizontalCenter
                size: 32
                running: dialog.joiner.busy
            }
            Words {
                objectName: "joinProgress"
                width: parent.width
                text: qsTr("Looking for a member who is online")
                font.weight: Font.Medium
                horizontalAlignment: Text.AlignHCenter
                wrapMode: Text.Wrap
            }
            Words {
                width: parent.width
                text: covey.network.state === "online" || covey.network.peers.count > 0
                    ? qsTr("Whoever gave you the link, or any other member, has to be online for this.")
                    : covey.network.detail
                color: Theme.muted
                horizontalAlignment: Text.AlignHCenter
                wrapMode: Text.Wrap
                lineHeight: 1.25
            }
        }
    }
    actions: [
        ActionButton {
            objectName: "confirmJoinButton"
            visible: !dialog.joiner.busy
            text: qsTr("Join")
            enabled: linkField.text.trim() && !dialog.complaint
            onClicked: dialog.join()
        },
        ActionButton {
            objectName: "cancelJoinButton"
            kind: "secondary"
            text: qsTr("Cancel")
            onClicked: dialog.joiner.busy ? dialog.joiner.reset() : dialog.close()
        }
    ]

    onAboutToShow: {
        joiner.reset()
        linkField.text = offered
    }
    onOpened: linkField.input.forceActiveFocus()
    onClosed: joiner.reset()
    Connections {
        target: dialog.joiner
        function onEntered() { dialog.close() }
    }
}
