// Above the composer: what is being answered, or edited.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: strip

    readonly property var composing: covey.conversation.composing
    readonly property bool editing: composing.mode === "edit"

    implicitHeight: composing.mode ? Theme.px(48) : 0
    visible: composing.mode
    clip: true

    Icon {
        id: sign
        x: Theme.l
        anchors.verticalCenter: parent.verticalCenter
        name: strip.editing ? "pencil" : "reply"
        color: Theme.accentText
    }
    Rectangle {
        id: bar
        anchors.left: sign.right
        anchors.leftMargin: Theme.m
        anchors.verticalCenter: parent.verticalCenter
        width: 3
        height: parent.height - 12
        radius: 1.5
        color: Theme.accent
    }
    Words {
        id: heading
        objectName: "replyHeading"
        anchors.left: bar.right
        anchors.leftMargin: 10
        anchors.right: closer.left
        y: 6
        text: strip.editing ? qsTr("Edit message")
                            : qsTr("Reply to %1").arg(strip.composing.targetAuthor)
        color: Theme.accentText
        font.pixelSize: Theme.small
        font.weight: Font.DemiBold
        elide: Text.ElideRight
    }
    Words {
        anchors.left: heading.left
        anchors.right: heading.right
        y: Theme.px(25)
        text: strip.composing.targetText
        color: Theme.muted
        font.pixelSize: Theme.small
        elide: Text.ElideRight
    }
    IconButton {
        id: closer
        objectName: "cancelReplyButton"
        anchors.right: parent.right
        anchors.rightMargin: Theme.m
        anchors.verticalCenter: parent.verticalCenter
        symbol: "x"
        label: strip.editing ? qsTr("Do not edit") : qsTr("Do not reply")
        onClicked: strip.composing.cancel()
    }
}
