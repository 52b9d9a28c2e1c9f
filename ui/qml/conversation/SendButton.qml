// Sends; its menu sends later.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: button

    property bool ready: false
    property bool editing: false
    signal laterWanted()

    objectName: "sendButton"
    width: 44
    height: 44
    hoverEnabled: true
    focusPolicy: Qt.TabFocus
    Accessible.role: Accessible.Button
    Accessible.name: editing ? qsTr("Save the edit") : qsTr("Send")
    Accessible.description: qsTr("The menu key sends later")
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onMenuPressed: menu.open()

    background: Rectangle {
        radius: 22
        color: !button.ready ? "transparent"
             : button.down ? Theme.accentPressed
             : button.hovered ? Theme.accentHover : Theme.accent
        Behavior on color { ColorAnimation { duration: Theme.quick } }
        FocusRing { shown: button.visualFocus; corner: parent.radius }
    }
    contentItem: Item {
        Icon {
            anchors.centerIn: parent
            name: button.editing ? "check" : "send-horizontal"
            color: button.ready ? Theme.accentInk : Theme.faint
        }
    }
    TapHandler {
        acceptedButtons: Qt.RightButton
        onTapped: menu.open()
    }
    onPressAndHold: menu.open()

    ThemedMenu {
        id: menu
        y: -height - 6
        x: button.width - width
        ThemedMenuItem {
            objectName: "sendLaterItem"
            symbol: "calendar-clock"
            text: qsTr("Send later\u2026")
            enabled: button.ready && !button.editing
            onTriggered: button.laterWanted()
        }
    }
}
