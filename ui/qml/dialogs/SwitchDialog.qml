// Going somewhere by a few letters: rooms and people.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Popup {
    id: dialog

    readonly property var switcher: covey.switcher
    signal wanted(string dialog)

    function go(at) {
        const kind = switcher.kindAt(at), key = switcher.keyAt(at)
        dialog.close()
        if (kind === "room")
            covey.openRoom(key)
        else if (kind === "person")
            covey.people.write(key, "")
    }

    objectName: "switchDialog"
    parent: Overlay.overlay
    modal: true
    focus: true
    width: parent ? Math.min(520, parent.width - 2 * Theme.s) : 520
    readonly property int wantedHeight: 44 + Theme.s + 2 * Theme.m
        + Math.max(72, Math.min(8, switcher.count) * 56)
    height: Math.min(wantedHeight, parent ? Math.round(parent.height * 0.86) : wantedHeight)
    x: parent ? Math.round((parent.width - width) / 2) : 0
    y: parent ? Math.round(Math.min(96, parent.height * 0.1)) : 0
    padding: Theme.m
    closePolicy: Popup.CloseOnEscape | Popup.CloseOnPressOutside

    Overlay.modal: Rectangle { color: Theme.scrim }
    background: Rectangle {
        color: Theme.raised
        radius: Theme.sheet
        border.width: Theme.dark ? 1 : 0
        border.color: Theme.line
    }
    enter: Transition {
        NumberAnimation { property: "opacity"; from: 0; to: 1; duration: Theme.quick }
    }
    exit: Transition {
        NumberAnimation { property: "opacity"; to: 0; duration: Theme.quick }
    }
    contentItem: FocusScope {
        focus: true
        Accessible.role: Accessible.Dialog
        Accessible.name: qsTr("Go to")

        Field {
            id: field
            objectName: "switchField"
            width: parent.width
            focus: true
            placeholder: qsTr("Go to a room or person")
            maximumLength: covey.maxNameChars
            onTextChanged: {
                dialog.switcher.ask(text)
                list.currentIndex = 0
            }
            onAccepted: dialog.go(list.currentIndex)
            input.Keys.onDownPressed: list.incrementCurrentIndex()
            input.Keys.onUpPressed: list.decrementCurrentIndex()
        }
        ListView {
            id: list
            objectName: "switchList"
            anchors.top: field.bottom
            anchors.topMargin: Theme.s
            anchors.bottom: parent.bottom
            width: parent.width
            clip: true
            model: dialog.switcher
            onCountChanged: if (currentIndex < 0) currentIndex = 0
            boundsBehavior: Flickable.StopAtBounds
            highlightMoveDuration: 0
            ScrollBar.vertical: SlimScrollBar {}
            Accessible.role: Accessible.List
            Accessible.name: qsTr("Rooms and people")
            delegate: AbstractButton {
                id: row

                required property int index
                required property string kind
                required property string name
                required property string initials
                required property int colour
                required property string detail
                required property int unread

                objectName: "switch:" + name
                width: list.width
                height: 56
                hoverEnabled: true
                focusPolicy: Qt.NoFocus
                Accessible.role: Accessible.ListItem
                Accessible.name: name + ", " + detail
                Accessible.selected: ListView.isCurrentItem
                Accessible.onPressAction: clicked()
                onClicked: dialog.go(index)
                background: Rectangle {
                    radius: Theme.radius
                    color: row.ListView.isCurrentItem ? Theme.selected
                         : row.hovered ? Theme.hover : "transparent"
                }
                contentItem: Item {
                    Avatar {
                        id: face
                        x: Theme.s
                        anchors.verticalCenter: parent.verticalCenter
                        size: 36
                        initials: row.initials
                        colour: row.colour
                    }
                    Column {
                        anchors.left: face.right
                        anchors.leftMargin: Theme.m
                        anchors.right: parent.right
                        anchors.rightMargin: Theme.m
                        anchors.verticalCenter: parent.verticalCenter
                        spacing: 2
                        Words {
                            width: parent.width
                            text: row.name
                            font.weight: row.unread > 0 ? Font.DemiBold : Font.Medium
                            elide: Text.ElideRight
                            Accessible.ignored: true
                        }
                        Words {
                            width: parent.width
                            text: row.detail
                            color: Theme.muted
                            font.pixelSize: Theme.small
                            elide: Text.ElideRight
                            Accessible.ignored: true
                        }
                    }
                }
            }
        }
        Words {
            id: none
            visible: list.count === 0
            anchors.centerIn: list
            text: qsTr("Nothing is called that")
            color: Theme.muted
        }
    }
    onAboutToShow: switcher.ask("")
    onOpened: {
        list.currentIndex = 0
        field.input.forceActiveFocus()
    }
}
