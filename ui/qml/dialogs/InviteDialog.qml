// A link and its QR code: whoever has it can ask to be let in.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property var inviter: covey.inviter

    objectName: "inviteDialog"
    title: qsTr("Invite to %1").arg(covey.conversation.name)
    subtitle: qsTr("Send the link or show the code. It works while you or another member is online.")

    Column {
        width: parent.width
        spacing: Theme.l

        Item {
            width: parent.width
            height: 264
            visible: !dialog.inviter.failure
            Rectangle {
                anchors.centerIn: parent
                width: 264
                height: 264
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
                    width: implicitWidth > 0 ? implicitWidth * Math.max(1, Math.floor(264 / implicitWidth)) : 0
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
        Words {
            objectName: "inviteFailure"
            width: parent.width
            visible: text
            text: dialog.inviter.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }

    onAboutToShow: inviter.make(covey.conversation.room)
    onOpened: copyButton.forceActiveFocus()
    onClosed: inviter.reset()
}
