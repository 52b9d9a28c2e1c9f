// Only a thread is shown: what it is about, and the way back.
import QtQuick
import "../theme"
import "../controls"

Rectangle {
    id: bar

    readonly property var room: covey.conversation

    implicitHeight: Theme.px(48)
    visible: room.threadRoot
    color: Theme.accentSoft

    IconButton {
        id: back
        objectName: "threadBackButton"
        x: Theme.s
        anchors.verticalCenter: parent.verticalCenter
        symbol: "chevron-left"
        label: qsTr("Back to the conversation")
        onClicked: bar.room.openThread("")
    }
    Words {
        id: heading
        objectName: "threadHeading"
        anchors.left: back.right
        anchors.leftMargin: Theme.s
        y: 6
        text: qsTr("Thread")
        color: Theme.accentText
        font.pixelSize: Theme.caption
        font.weight: Font.DemiBold
        Accessible.role: Accessible.Heading
    }
    Words {
        anchors.left: heading.left
        anchors.right: parent.right
        anchors.rightMargin: Theme.l
        y: Theme.px(24)
        text: bar.room.threadTitle
        color: Theme.text
        font.pixelSize: Theme.small
        elide: Text.ElideRight
    }
}
