// One line on the connection that is true; opens what stands behind it.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: chip

    readonly property var network: covey.network

    objectName: "connectionChip"
    height: Math.max(52, lines.implicitHeight + Theme.l)
    hoverEnabled: true
    focusPolicy: Qt.TabFocus
    Accessible.role: Accessible.Button
    Accessible.name: qsTr("Connection: %1").arg(network.title)
    Accessible.description: network.detail
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onEnterPressed: clicked()
    onClicked: popover.opened ? popover.close() : popover.open()

    background: Rectangle {
        color: chip.down ? Theme.pressed : chip.hovered || popover.visible ? Theme.hover
                                                                            : "transparent"
        Rectangle {
            width: parent.width
            height: 1
            color: Theme.line
        }
        FocusRing { shown: chip.visualFocus; gap: -4 }
    }
    contentItem: Item {
        Item {
            id: light
            x: Theme.l + Theme.xs
            anchors.verticalCenter: parent.verticalCenter
            width: 18
            height: 18
            Rectangle {
                anchors.centerIn: parent
                width: 10
                height: 10
                radius: 5
                visible: chip.network.tone !== "busy"
                color: Theme.tone(chip.network.tone)
            }
            Spinner {
                anchors.fill: parent
                size: 18
                visible: chip.network.tone === "busy"
                running: visible
                color: Theme.tone("busy")
            }
        }
        Column {
            id: lines
            anchors.left: light.right
            anchors.leftMargin: Theme.m
            anchors.right: more.left
            anchors.rightMargin: Theme.s
            anchors.verticalCenter: parent.verticalCenter
            spacing: 1
            Words {
                objectName: "connectionTitle"
                width: parent.width
                text: chip.network.title
                font.pixelSize: Theme.small
                font.weight: Font.Medium
                elide: Text.ElideRight
                Accessible.ignored: true
            }
            Words {
                width: parent.width
                visible: chip.network.path && text
                text: chip.network.detail
                color: Theme.muted
                font.pixelSize: Theme.caption
                elide: Text.ElideRight
                Accessible.ignored: true
            }
        }
        Icon {
            id: more
            anchors.right: parent.right
            anchors.rightMargin: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            name: "chevron-down"
            rotation: popover.visible ? 0 : 180
            size: 16
            color: Theme.muted
        }
    }

    ConnectionPopover {
        id: popover
        y: -height - Theme.xs
        x: Theme.s
        width: Math.min(360, chip.width - 2 * Theme.s)
    }
}
