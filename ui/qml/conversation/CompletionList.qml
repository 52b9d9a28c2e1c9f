// Names and emoji that complete the word before the cursor.
import QtQuick
import "../theme"
import "../controls"

Rectangle {
    id: box

    readonly property var model: covey.conversation.composing.completions
    property alias at: list.currentIndex
    property bool dismissed: false
    readonly property bool shown: model.count > 0 && !dismissed
    signal chosen(string insert)

    function choose() {
        if (list.currentItem)
            chosen(list.currentItem.insert)
    }
    function step(by) {
        list.currentIndex = (list.currentIndex + by + list.count) % list.count
    }

    visible: shown
    implicitHeight: list.contentHeight + 12
    radius: Theme.m
    color: Theme.raised
    border.width: 1
    border.color: Theme.line

    ListView {
        id: list
        objectName: "completionList"
        anchors.fill: parent
        anchors.margins: 6
        model: box.model
        interactive: false
        onCountChanged: currentIndex = count > 0 ? 0 : -1
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Completions")
        delegate: Rectangle {
            id: line
            required property int index
            required property string sign
            required property string label
            required property string insert
            required property string initials
            required property int colour
            objectName: "completion:" + label
            width: list.width
            height: Theme.px(36)
            radius: Theme.s
            color: ListView.isCurrentItem ? Theme.selected
                 : hover.hovered ? Theme.hover : "transparent"
            Accessible.role: Accessible.ListItem
            Accessible.name: label
            Accessible.selected: ListView.isCurrentItem
            Words {
                visible: line.sign
                x: Theme.m
                anchors.verticalCenter: parent.verticalCenter
                text: line.sign
                font.pixelSize: Theme.px(20)
                Accessible.ignored: true
            }
            Avatar {
                visible: !line.sign
                x: Theme.s
                anchors.verticalCenter: parent.verticalCenter
                size: 26
                initials: line.initials
                colour: line.colour
            }
            Words {
                x: 38 + Theme.px(8)
                anchors.verticalCenter: parent.verticalCenter
                width: parent.width - 56
                text: line.label
                elide: Text.ElideRight
                Accessible.ignored: true
            }
            HoverHandler { id: hover }
            TapHandler { onTapped: box.chosen(line.insert) }
        }
    }
}
