// Who writes just now.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: line

    readonly property string text: covey.conversation.typists.text

    implicitHeight: Theme.px(22)
    visible: text

    Row {
        id: dots
        x: Theme.xl
        anchors.verticalCenter: parent.verticalCenter
        spacing: 3
        Repeater {
            model: 3
            Rectangle {
                id: dot
                required property int index
                width: 5
                height: 5
                radius: 2.5
                color: Theme.accentText
                SequentialAnimation on opacity {
                    running: line.visible && Theme.motion
                    loops: Animation.Infinite
                    PauseAnimation { duration: dot.index * 160 }
                    NumberAnimation { from: 0.3; to: 1; duration: 260 }
                    NumberAnimation { from: 1; to: 0.3; duration: 260 }
                    PauseAnimation { duration: (2 - dot.index) * 160 + 200 }
                }
            }
        }
    }
    Words {
        objectName: "typingLine"
        anchors.left: dots.right
        anchors.leftMargin: Theme.s
        anchors.right: parent.right
        anchors.rightMargin: Theme.l
        anchors.verticalCenter: parent.verticalCenter
        text: line.text
        color: Theme.muted
        font.pixelSize: Theme.caption
        elide: Text.ElideRight
    }
}
