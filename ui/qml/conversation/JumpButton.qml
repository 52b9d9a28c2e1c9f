// Back to the newest message, with the number of those that came meanwhile.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: jump

    property bool shown: false
    property int missed: 0

    objectName: "jumpButton"
    width: 44
    height: 44
    hoverEnabled: true
    focusPolicy: Qt.TabFocus
    visible: opacity > 0
    opacity: shown ? 1 : 0
    scale: shown ? 1 : 0.8
    enabled: shown
    Behavior on opacity { NumberAnimation { duration: Theme.quick } }
    Behavior on scale { NumberAnimation { duration: Theme.quick } }
    Accessible.role: Accessible.Button
    Accessible.name: missed > 0 ? qsTr("Jump to %n new message(s)", "", missed)
                                : qsTr("Jump to newest")
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()

    background: Rectangle {
        radius: width / 2
        color: jump.down ? Theme.pressed : jump.hovered ? Theme.hover : Theme.raised
        border.width: 1
        border.color: Theme.line
        FocusRing { shown: jump.visualFocus; corner: parent.radius; gap: 0 }
    }
    contentItem: Item {
        Icon {
            anchors.centerIn: parent
            name: "arrow-down"
            color: Theme.muted
        }
        Rectangle {
            visible: jump.missed > 0
            anchors.horizontalCenter: parent.horizontalCenter
            anchors.bottom: parent.top
            anchors.bottomMargin: -10
            width: Math.max(height, count.implicitWidth + 12)
            height: 20
            radius: 10
            color: Theme.accent
            Words {
                id: count
                anchors.centerIn: parent
                text: jump.missed > 999 ? "999+" : jump.missed
                color: Theme.accentInk
                font.pixelSize: Theme.px(11)
                font.weight: Font.DemiBold
                Accessible.ignored: true
            }
        }
    }
}
