// What is pinned: a click leads there and turns to the next one.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: bar

    readonly property var pins: covey.conversation.pins
    property int at: 0

    objectName: "pinsBar"
    implicitHeight: Theme.px(48)
    visible: pins.count > 0
    hoverEnabled: true
    focusPolicy: Qt.TabFocus
    Accessible.role: Accessible.Button
    Accessible.name: list.currentItem ? qsTr("Pinned: %1").arg(list.currentItem.text) : ""
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    onClicked: {
        if (!list.currentItem)
            return
        covey.conversation.jump(list.currentItem.messageId)
        at = (at + 1) % pins.count
    }

    background: Rectangle {
        color: bar.down ? Theme.pressed : bar.hovered ? Theme.hover : Theme.surface
        Rectangle {
            anchors.bottom: parent.bottom
            width: parent.width
            height: 1
            color: Theme.line
        }
        FocusRing { shown: bar.visualFocus; gap: -3; corner: 4 }
    }
    contentItem: Item {
        Icon {
            id: sign
            x: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            name: "pin"
            size: 18
            color: Theme.accentText
        }
        ListView {
            id: list
            anchors.left: sign.right
            anchors.leftMargin: Theme.m
            anchors.right: count.left
            anchors.rightMargin: Theme.s
            height: parent.height
            model: bar.pins
            interactive: false
            clip: true
            snapMode: ListView.SnapOneItem
            highlightRangeMode: ListView.StrictlyEnforceRange
            highlightMoveDuration: Theme.calmly
            currentIndex: Math.min(bar.at, Math.max(0, bar.pins.count - 1))
            Accessible.ignored: true
            delegate: Item {
                required property string messageId
                required property string author
                required property string text
                width: list.width
                height: list.height
                Words {
                    y: 6
                    width: parent.width
                    text: qsTr("Pinned \u00b7 %1").arg(parent.author)
                    color: Theme.accentText
                    font.pixelSize: Theme.caption
                    font.weight: Font.DemiBold
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
                Words {
                    objectName: "pinText"
                    y: Theme.px(24)
                    width: parent.width
                    text: parent.text
                    color: Theme.muted
                    font.pixelSize: Theme.small
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
            }
        }
        Words {
            id: count
            anchors.right: parent.right
            anchors.rightMargin: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            visible: bar.pins.count > 1
            width: visible ? implicitWidth : 0
            text: qsTr("%1 of %2").arg(list.currentIndex + 1).arg(bar.pins.count)
            color: Theme.faint
            font.pixelSize: Theme.caption
            Accessible.ignored: true
        }
    }
    Connections {
        target: covey.conversation
        function onOpened() { bar.at = 0 }
    }
}
