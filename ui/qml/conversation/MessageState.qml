// Time and truth of a message: being stored, here only, on so many devices, not sent.
import QtQuick
import "../theme"
import "../controls"

Row {
    id: mark

    property string time
    property string sendState: "none"
    property string stateText
    property color ink: Theme.faint

    spacing: 5

    Words {
        anchors.verticalCenter: parent.verticalCenter
        text: mark.time
        color: mark.ink
        font.pixelSize: 11
        Accessible.ignored: true
    }
    Icon {
        anchors.verticalCenter: parent.verticalCenter
        visible: mark.sendState !== "none"
        name: mark.sendState === "sending" ? "clock"
            : mark.sendState === "here" ? "smartphone"
            : mark.sendState === "failed" ? "circle-alert"
            : mark.sendState === "delivered" ? "check" : ""
        size: 13
        color: mark.sendState === "failed" ? Theme.bad : mark.ink
    }
    Words {
        objectName: "messageState"
        anchors.verticalCenter: parent.verticalCenter
        visible: mark.sendState === "here" || mark.sendState === "delivered"
        text: mark.stateText
        color: mark.ink
        font.pixelSize: 11
        Accessible.ignored: true
    }
}
