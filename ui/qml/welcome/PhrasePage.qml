// First run, second step: the only copy of the identity that is not on this machine.
import QtQuick
import "../theme"
import "../controls"

Stage {
    widest: 600
    showBirds: false
    title: qsTr("Your 24 words")
    text: qsTr("Write them on paper, in this order. They are your identity: with them you can "
               + "come back on a new machine. Nobody can send them to you again.")

    Column {
        width: parent.width
        spacing: Theme.xl

        WordGrid {
            width: parent.width
            words: covey.words
        }
        Rectangle {
            width: parent.width
            height: warning.implicitHeight + 2 * Theme.m
            radius: Theme.radius
            color: Theme.warnSoft
            Icon {
                id: sign
                x: Theme.l
                anchors.verticalCenter: parent.verticalCenter
                name: "shield-check"
                color: Theme.warn
            }
            Words {
                id: warning
                anchors.left: sign.right
                anchors.leftMargin: Theme.m
                anchors.right: parent.right
                anchors.rightMargin: Theme.l
                anchors.verticalCenter: parent.verticalCenter
                text: qsTr("Whoever has these words can write as you. Keep them off screens and out of photos.")
                wrapMode: Text.Wrap
                lineHeight: 1.2
            }
        }
        ActionButton {
            objectName: "phraseDoneButton"
            anchors.horizontalCenter: parent.horizontalCenter
            width: Math.min(parent.width, 320)
            height: 44
            text: qsTr("I have written them down")
            onClicked: covey.confirmPhrase()
        }
    }
}
