// What the keyboard does.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property var groups: [
        [qsTr("Go"), [
            ["Ctrl+K", qsTr("Go to a room or person")],
            ["Alt+Up, Alt+Down", qsTr("Room above, below")],
            ["Ctrl+F", qsTr("Search in this room")],
            ["Ctrl+Shift+F", qsTr("Search everywhere")],
            ["Esc", qsTr("Close, or back to writing")]]],
        [qsTr("Rooms"), [
            ["Ctrl+N", qsTr("New room")],
            ["Ctrl+J", qsTr("Join by link")],
            ["Ctrl+Shift+I", qsTr("Invite to this room")]]],
        [qsTr("Write"), [
            ["Enter", qsTr("Send")],
            ["Shift+Enter", qsTr("New line")],
            ["Up", qsTr("Edit the last message")],
            ["Ctrl+B, Ctrl+I, Ctrl+E", qsTr("Bold, italic, code")],
            [":", qsTr("Emoji")],
            ["@", qsTr("Call somebody")]]],
        [qsTr("Window"), [
            ["Ctrl+,", qsTr("Settings")],
            ["Ctrl++, Ctrl+-, Ctrl+0", qsTr("Larger, smaller, usual size")],
            ["Ctrl+/", qsTr("This sheet")],
            ["Ctrl+Q", qsTr("Quit")]]]
    ]

    objectName: "shortcutsDialog"
    widest: 520
    title: qsTr("Keyboard shortcuts")

    Column {
        width: parent.width
        spacing: Theme.xs
        Repeater {
            model: dialog.groups
            delegate: Column {
                required property var modelData
                width: parent.width
                spacing: Theme.xs
                bottomPadding: Theme.s
                Words {
                    text: modelData[0]
                    color: Theme.muted
                    font.pixelSize: Theme.small
                    font.weight: Font.DemiBold
                    Accessible.role: Accessible.Heading
                }
                Repeater {
                    model: modelData[1]
                    delegate: Item {
                        id: line
                        required property var modelData
                        width: parent.width
                        height: Math.max(what.implicitHeight, keys.implicitHeight) + Theme.s
                        Accessible.role: Accessible.StaticText
                        Accessible.name: line.modelData[1] + ": " + line.modelData[0]
                        Words {
                            id: what
                            anchors.left: parent.left
                            anchors.right: keys.left
                            anchors.rightMargin: Theme.m
                            anchors.verticalCenter: parent.verticalCenter
                            text: line.modelData[1]
                            wrapMode: Text.Wrap
                            Accessible.ignored: true
                        }
                        Row {
                            id: keys
                            anchors.right: parent.right
                            anchors.verticalCenter: parent.verticalCenter
                            spacing: Theme.xs
                            Repeater {
                                model: line.modelData[0].split(/, (?=.)/)
                                delegate: Rectangle {
                                    required property string modelData
                                    width: cap.implicitWidth + 14
                                    height: cap.implicitHeight + 6
                                    radius: 6
                                    color: Theme.sunken
                                    border.width: 1
                                    border.color: Theme.line
                                    Words {
                                        id: cap
                                        anchors.centerIn: parent
                                        text: parent.modelData
                                        font.pixelSize: Theme.caption
                                        font.weight: Font.Medium
                                        Accessible.ignored: true
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
