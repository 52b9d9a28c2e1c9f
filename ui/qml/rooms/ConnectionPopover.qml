// Who is connected and how, and how this machine stands in the network.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Popup {
    id: popover

    readonly property var network: covey.network

    objectName: "connectionPopover"
    padding: Theme.l
    margins: Theme.s
    focus: true
    modal: false
    closePolicy: Popup.CloseOnEscape | Popup.CloseOnPressOutsideParent

    background: Rectangle {
        color: Theme.raised
        radius: Theme.l
        border.width: 1
        border.color: Theme.line
    }
    enter: Transition {
        NumberAnimation { property: "opacity"; from: 0; to: 1; duration: Theme.quick }
    }
    exit: Transition {
        NumberAnimation { property: "opacity"; to: 0; duration: Theme.quick }
    }
    contentItem: Column {
        spacing: Theme.m
        Accessible.role: Accessible.Pane
        Accessible.name: qsTr("Connection")

        Column {
            width: parent.width
            spacing: Theme.xs
            Row {
                spacing: Theme.s
                Rectangle {
                    anchors.verticalCenter: parent.verticalCenter
                    width: 10
                    height: 10
                    radius: 5
                    color: Theme.tone(popover.network.tone)
                }
                Words {
                    text: popover.network.title
                    font.pixelSize: Theme.title
                    font.weight: Font.DemiBold
                }
            }
            Words {
                width: parent.width
                visible: text
                text: popover.network.detail
                color: Theme.muted
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
                lineHeight: 1.2
            }
        }
        ListView {
            id: peers
            objectName: "peerList"
            width: parent.width
            height: Math.min(contentHeight, 240)
            visible: count > 0
            clip: true
            model: popover.network.peers
            boundsBehavior: Flickable.StopAtBounds
            ScrollBar.vertical: SlimScrollBar {}
            Accessible.role: Accessible.List
            Accessible.name: qsTr("Connected devices")
            delegate: PeerRow { width: peers.width }
        }
        Rectangle {
            width: parent.width
            height: 1
            color: Theme.line
        }
        Column {
            width: parent.width
            spacing: 6
            Fact {
                width: parent.width
                label: qsTr("Network nodes")
                value: popover.network.nodes
            }
            Fact {
                width: parent.width
                label: qsTr("From outside")
                value: popover.network.reach
            }
            Fact {
                width: parent.width
                label: qsTr("Public address")
                value: popover.network.address
            }
        }
        ActionButton {
            visible: popover.network.state === "stopped"
            text: qsTr("Start again")
            busy: covey.busy
            onClicked: covey.retry()
        }
    }
}
