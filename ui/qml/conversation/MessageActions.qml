// What can be done with the message under the pointer; the keyboard has the menu.
import QtQuick
import "../theme"
import "../controls"

Rectangle {
    id: bar

    property bool canReact: true
    property bool canReply: true
    signal reactWanted(var item)
    signal replyWanted()
    signal moreWanted(var item)

    width: buttons.width + 6
    height: 38
    radius: height / 2
    color: Theme.raised
    border.width: 1
    border.color: Theme.line

    Row {
        id: buttons
        anchors.centerIn: parent
        IconButton {
            id: react
            objectName: "reactButton"
            visible: bar.canReact
            implicitWidth: 32
            implicitHeight: 32
            symbolSize: 18
            focusPolicy: Qt.NoFocus
            symbol: "smile-plus"
            label: qsTr("React")
            onClicked: bar.reactWanted(react)
        }
        IconButton {
            objectName: "replyButton"
            visible: bar.canReply
            implicitWidth: 32
            implicitHeight: 32
            symbolSize: 18
            focusPolicy: Qt.NoFocus
            symbol: "reply"
            label: qsTr("Reply")
            onClicked: bar.replyWanted()
        }
        IconButton {
            id: more
            objectName: "moreButton"
            implicitWidth: 32
            implicitHeight: 32
            symbolSize: 18
            focusPolicy: Qt.NoFocus
            symbol: "ellipsis"
            label: qsTr("More")
            onClicked: bar.moreWanted(more)
        }
    }
}
