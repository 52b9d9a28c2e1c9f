// Where to say messages again.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Sheet {
    id: sheet

    property var ids: []

    title: qsTr("Forward to")
    subtitle: qsTr("It is said again in your name, with a word on who wrote it first.")
    onOpened: search.input.forceActiveFocus()

    Column {
        width: parent.width
        spacing: Theme.m
        Field {
            id: search
            objectName: "forwardSearch"
            width: parent.width
            placeholder: qsTr("Search rooms")
            input.objectName: "forwardSearchField"
        }
        ListView {
            id: list
            objectName: "forwardList"
            width: parent.width
            height: 300
            clip: true
            model: covey.rooms
            boundsBehavior: Flickable.StopAtBounds
            Accessible.role: Accessible.List
            Accessible.name: qsTr("Rooms")
            ScrollBar.vertical: SlimScrollBar {}
            delegate: AbstractButton {
                id: line
                required property string room
                required property string name
                required property string initials
                required property int colour
                readonly property bool fits:
                    name.toLowerCase().includes(search.text.trim().toLowerCase())
                objectName: "forwardTo:" + name
                width: list.width
                height: fits ? 52 : 0
                visible: fits
                hoverEnabled: true
                focusPolicy: Qt.TabFocus
                Accessible.role: Accessible.Button
                Accessible.name: qsTr("Forward to %1").arg(name)
                Accessible.onPressAction: clicked()
                Keys.onReturnPressed: clicked()
                onClicked: {
                    covey.conversation.actions.forward(sheet.ids, line.room)
                    covey.conversation.selectNone()
                    sheet.close()
                }
                background: Rectangle {
                    radius: Theme.s
                    color: line.hovered ? Theme.hover : "transparent"
                    FocusRing { shown: line.visualFocus; gap: -2 }
                }
                contentItem: Item {
                    Avatar {
                        id: face
                        x: Theme.s
                        anchors.verticalCenter: parent.verticalCenter
                        size: 36
                        initials: line.initials
                        colour: line.colour
                    }
                    Words {
                        anchors.left: face.right
                        anchors.leftMargin: Theme.m
                        anchors.right: parent.right
                        anchors.verticalCenter: parent.verticalCenter
                        text: line.name
                        elide: Text.ElideRight
                        Accessible.ignored: true
                    }
                }
            }
        }
    }
}
