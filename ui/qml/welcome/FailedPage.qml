// The core could not be started: why, in one sentence, and another try.
import QtQuick
import "../theme"
import "../controls"

Stage {
    title: qsTr("Covey could not start")
    text: covey.failure

    ActionButton {
        objectName: "retryButton"
        anchors.horizontalCenter: parent.horizontalCenter
        height: 44
        text: qsTr("Try again")
        busy: covey.busy
        onClicked: covey.retry()
        Component.onCompleted: forceActiveFocus()
    }
}
