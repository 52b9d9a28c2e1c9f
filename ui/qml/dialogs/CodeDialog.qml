// One's own contact code: whoever has it can ask to write.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    objectName: "codeDialog"
    title: qsTr("My contact code")
    subtitle: qsTr("Whoever scans it or has the link can ask to write to you. You decide each time.")

    Column {
        width: parent.width
        spacing: Theme.l
        QrCode {
            objectName: "myCode"
            anchors.horizontalCenter: parent.horizontalCenter
            source: covey.people.qr
            label: qsTr("QR code of your contact link")
        }
        Words {
            objectName: "myLink"
            width: parent.width
            text: covey.people.link
            color: Theme.muted
            font.pixelSize: Theme.small
            horizontalAlignment: Text.AlignHCenter
            wrapMode: Text.WrapAnywhere
        }
    }
    actions: ActionButton {
        id: copyButton
        objectName: "copyMyLinkButton"

        property bool copied: false

        symbol: copied ? "check" : "copy"
        text: copied ? qsTr("Copied") : qsTr("Copy link")
        onClicked: {
            covey.copy(covey.people.link)
            copied = true
            back.restart()
        }
        Timer {
            id: back
            interval: 2500
            onTriggered: copyButton.copied = false
        }
    }
    onOpened: copyButton.forceActiveFocus()
}
