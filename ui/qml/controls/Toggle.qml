// Something that is on or off, with a sentence on what that means.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

AbstractButton {
    id: toggle

    property string detail

    checkable: true
    hoverEnabled: true
    focusPolicy: Qt.StrongFocus
    implicitHeight: Math.max(48, words.implicitHeight + 2 * Theme.s)
    Accessible.role: Accessible.CheckBox
    Accessible.name: text
    Accessible.description: detail
    Accessible.checkable: true
    Accessible.checked: checked
    Keys.onReturnPressed: click()
    Keys.onEnterPressed: click()

    background: FocusRing { shown: toggle.visualFocus; gap: -1; corner: Theme.radius }
    contentItem: Item {
        opacity: toggle.enabled ? 1 : 0.6
        Column {
            id: words
            anchors.left: parent.left
            anchors.right: track.left
            anchors.rightMargin: Theme.l
            anchors.verticalCenter: parent.verticalCenter
            spacing: 2
            Words {
                width: parent.width
                text: toggle.text
                font.weight: Font.Medium
                wrapMode: Text.Wrap
                Accessible.ignored: true
            }
            Words {
                width: parent.width
                visible: text
                text: toggle.detail
                color: Theme.muted
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
                Accessible.ignored: true
            }
        }
        Rectangle {
            id: track
            anchors.right: parent.right
            anchors.verticalCenter: parent.verticalCenter
            width: 44
            height: 26
            radius: 13
            color: toggle.checked ? Theme.accent : "transparent"
            border.width: toggle.checked ? 0 : 2
            border.color: Theme.fieldLine
            Behavior on color { ColorAnimation { duration: Theme.quick } }
            Rectangle {
                x: toggle.checked ? parent.width - width - 4 : 5
                anchors.verticalCenter: parent.verticalCenter
                width: toggle.checked ? 18 : 16
                height: width
                radius: width / 2
                color: toggle.checked ? Theme.accentInk : Theme.fieldLine
                Behavior on x { NumberAnimation { duration: Theme.quick } }
            }
        }
    }
}
