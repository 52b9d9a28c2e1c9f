// In the composer's place while messages are chosen: what to do with them.
import QtQuick
import "../theme"
import "../controls"

Rectangle {
    id: bar

    readonly property var room: covey.conversation
    signal sheetWanted(string name, var properties)

    implicitHeight: 64
    color: Theme.surface
    Accessible.role: Accessible.ToolBar
    Accessible.name: qsTr("Chosen messages")

    Rectangle {
        width: parent.width
        height: 1
        color: Theme.line
    }
    IconButton {
        id: closer
        objectName: "selectNoneButton"
        x: Theme.m
        anchors.verticalCenter: parent.verticalCenter
        symbol: "x"
        label: qsTr("Choose none")
        onClicked: bar.room.selectNone()
    }
    Words {
        objectName: "selectedCount"
        anchors.left: closer.right
        anchors.leftMargin: Theme.s
        anchors.right: ways.left
        anchors.verticalCenter: parent.verticalCenter
        text: qsTr("%n chosen", "", bar.room.selectedCount)
        font.weight: Font.DemiBold
        elide: Text.ElideRight
    }
    Row {
        id: ways
        anchors.right: parent.right
        anchors.rightMargin: Theme.m
        anchors.verticalCenter: parent.verticalCenter
        spacing: Theme.xs
        IconButton {
            objectName: "copySelectedButton"
            symbol: "copy"
            label: qsTr("Copy")
            onClicked: {
                covey.copy(bar.room.selectedText())
                bar.room.selectNone()
            }
        }
        IconButton {
            objectName: "forwardSelectedButton"
            symbol: "forward"
            label: qsTr("Forward")
            onClicked: bar.sheetWanted("ForwardSheet", { ids: bar.room.selectedIds() })
        }
        IconButton {
            objectName: "deleteSelectedButton"
            symbol: "trash-2"
            tint: Theme.bad
            label: qsTr("Delete")
            enabled: bar.room.canDeleteSelected
            onClicked: bar.sheetWanted("DeleteSheet", { ids: bar.room.selectedIds() })
        }
    }
}
