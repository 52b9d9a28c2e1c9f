// A link and its QR code: whoever has it can ask to be let in.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property var inviter: covey.inviter
    readonly property var spans: [0, 1, 24, 168]
    readonly property var counts: [0, 1, 5, 25]
    readonly property var roles: covey.details.invitesAs.length > 0
        ? covey.details.invitesAs : ["member"]
    property bool choosing: false
    readonly property int codeSize: choosing ? 168 : 264
    property string role: "member"
    property int hours: 0
    property int uses: 0
    property bool approval: false

    function remake() {
        inviter.remake(covey.conversation.room, role, hours, uses, approval)
    }

    objectName: "inviteDialog"
    title: qsTr("Invite to %1").arg(covey.conversation.name)
    subtitle: qsTr("Send the link or show the code. It works while you or another member is online.")

    Column {
        width: parent.width
        spacing: Theme.l

        Item {
            width: parent.width
            height: dialog.codeSize
            visible: !dialog.inviter.failure
            Rectangle {
                anchors.centerIn: parent
                width: dialog.codeSize
                height: dialog.codeSize
                radius: Theme.l
                color: "#ffffff"
                border.width: 1
                border.color: Theme.line
                Spinner {
                    anchors.centerIn: parent
                    visible: dialog.inviter.busy
                    running: visible
                    color: "#0f766e"
                    size: 28
                }
                Image {
                    id: code
                    objectName: "qrCode"
                    anchors.centerIn: parent
                    visible: dialog.inviter.qr
                    source: dialog.inviter.qr
                    cache: true
                    smooth: false
                    // Whole pixels a module keep the code sharp.
                    width: implicitWidth > 0 ? implicitWidth * Math.max(1, Math.floor(dialog.codeSize / implicitWidth)) : 0
                    height: width
                    Accessible.role: Accessible.Graphic
                    Accessible.name: qsTr("QR code of the invite link")
                }
            }
        }
        Rectangle {
            width: parent.width
            height: 48
            radius: Theme.radius
            visible: !dialog.inviter.failure
            color: Theme.sunken
            border.width: 1
            border.color: Theme.line
            TextInput {
                id: link
                objectName: "inviteLink"
                anchors.left: parent.left
                anchors.leftMargin: Theme.m
                anchors.right: copyButton.left
                anchors.rightMargin: Theme.s
                anchors.verticalCenter: parent.verticalCenter
                clip: true
                readOnly: true
                selectByMouse: true
                text: dialog.inviter.link
                color: Theme.muted
                selectionColor: Theme.accent
                selectedTextColor: Theme.accentInk
                font.family: Theme.family
                font.pixelSize: Theme.small
                activeFocusOnTab: true
                onTextChanged: cursorPosition = 0
                Accessible.role: Accessible.EditableText
                Accessible.readOnly: true
                Accessible.name: qsTr("Invite link")
            }
            ActionButton {
                id: copyButton
                objectName: "copyLinkButton"

                property bool copied: false

                anchors.right: parent.right
                anchors.rightMargin: Theme.xs
                anchors.verticalCenter: parent.verticalCenter
                kind: copied ? "quiet" : "primary"
                enabled: dialog.inviter.link
                symbol: copied ? "check" : "copy"
                text: copied ? qsTr("Copied") : qsTr("Copy link")
                onClicked: {
                    covey.copy(dialog.inviter.link)
                    copied = true
                    back.restart()
                }
                Timer {
                    id: back
                    interval: 2500
                    onTriggered: copyButton.copied = false
                }
            }
        }
        Column {
            width: parent.width
            spacing: Theme.m

            ActionButton {
                objectName: "inviteOptionsButton"
                anchors.horizontalCenter: parent.horizontalCenter
                visible: !dialog.choosing
                kind: "quiet"
                symbol: "sliders-horizontal"
                text: qsTr("Role, time limit, approval")
                onClicked: {
                    dialog.choosing = true
                    roleSelect.forceActiveFocus()
                }
            }
            Select {
                id: roleSelect
                objectName: "inviteRoleSelect"
                width: parent.width
                visible: dialog.choosing
                label: qsTr("Whoever comes by it is")
                options: dialog.roles.map(it => covey.details.roleName(it))
                index: dialog.roles.indexOf(dialog.role)
                onPicked: at => {
                    dialog.role = dialog.roles[at]
                    dialog.remake()
                }
            }
            Select {
                objectName: "inviteHoursSelect"
                width: parent.width
                visible: dialog.choosing
                label: qsTr("It holds")
                options: [qsTr("Until somebody ends it"), qsTr("For an hour"),
                          qsTr("For a day"), qsTr("For a week")]
                index: dialog.spans.indexOf(dialog.hours)
                onPicked: at => {
                    dialog.hours = dialog.spans[at]
                    dialog.remake()
                }
            }
            Select {
                objectName: "inviteUsesSelect"
                width: parent.width
                visible: dialog.choosing
                label: qsTr("It lets in")
                options: [qsTr("Any number of people"), qsTr("One person"),
                          qsTr("Five people"), qsTr("25 people")]
                index: dialog.counts.indexOf(dialog.uses)
                onPicked: at => {
                    dialog.uses = dialog.counts[at]
                    dialog.remake()
                }
            }
            Toggle {
                objectName: "inviteApproval"
                width: parent.width
                visible: dialog.choosing
                text: qsTr("A person looks at each newcomer")
                detail: qsTr("You or a moderator lets them in or declines.")
                checked: dialog.approval
                onToggled: {
                    dialog.approval = checked
                    dialog.remake()
                }
            }
        }
        Words {
            objectName: "inviteFailure"
            width: parent.width
            visible: text
            text: dialog.inviter.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }

    onAboutToShow: {
        covey.details.show(covey.conversation.room)
        inviter.make(covey.conversation.room)
    }
    onOpened: copyButton.forceActiveFocus()
    onClosed: inviter.reset()
}
