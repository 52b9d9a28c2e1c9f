// Time and truth of a message: being stored, here only, on so many devices, not sent.
// A click opens the delivery ledger.
import QtQuick
import "../theme"
import "../controls"

Row {
    id: mark

    property var row
    property color ink: Theme.faint
    // Where it is narrower than all of it, the sign stands without its words.
    property real widest: 100000
    signal ledgerWanted()

    readonly property bool known: row.sendState === "here" || row.sendState === "delivered"

    spacing: 5

    Icon {
        objectName: "pinnedMark"
        anchors.verticalCenter: parent.verticalCenter
        visible: mark.row.pinned
        name: "pin"
        size: 13
        color: mark.ink
    }
    Icon {
        objectName: "expiryMark"
        anchors.verticalCenter: parent.verticalCenter
        visible: mark.row.expiry
        name: "timer"
        size: 13
        color: mark.ink
    }
    Words {
        id: time
        anchors.verticalCenter: parent.verticalCenter
        text: mark.row.time
        color: mark.ink
        font.pixelSize: Theme.px(11)
        Accessible.ignored: true
    }
    Icon {
        anchors.verticalCenter: parent.verticalCenter
        visible: mark.row.sendState !== "none"
        name: mark.row.sendState === "sending" ? "clock"
            : mark.row.sendState === "here" ? "smartphone"
            : mark.row.sendState === "failed" ? "circle-alert"
            : mark.row.sendState === "delivered" ? "check" : ""
        size: 13
        color: mark.row.sendState === "failed" ? Theme.bad : mark.ink
    }
    Words {
        id: state
        objectName: "messageState"
        anchors.verticalCenter: parent.verticalCenter
        visible: mark.known && all <= mark.widest
        readonly property real all: implicitWidth + time.implicitWidth + 2 * 13 + 20
        text: mark.row.stateText
        color: mark.ink
        font.pixelSize: Theme.px(11)
        font.underline: hover.hovered
        Accessible.ignored: true
        HoverHandler { id: hover; margin: 4; cursorShape: Qt.PointingHandCursor }
        TapHandler { margin: 4; onTapped: mark.ledgerWanted() }
        Loader {
            active: hover.hovered
            sourceComponent: Hint { visible: hover.hovered; text: qsTr("Who has it") }
        }
    }
}
