// Finding what was said, in one room or everywhere.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Rectangle {
    id: pane

    readonly property var finder: covey.finder
    signal chosen(string room, string message)

    function focusField() {
        field.input.forceActiveFocus()
        field.input.selectAll()
    }

    color: Theme.surface
    Accessible.role: Accessible.Pane
    Accessible.name: qsTr("Search")
    onVisibleChanged: if (visible) focusField()

    Item {
        id: head
        width: parent.width
        height: Theme.bar
        IconButton {
            id: back
            objectName: "searchCloseButton"
            x: Theme.s
            anchors.verticalCenter: parent.verticalCenter
            symbol: "chevron-left"
            symbolSize: 22
            label: qsTr("Close the search")
            keys: "Esc"
            onClicked: pane.finder.end()
        }
        Field {
            id: field
            objectName: "searchField"
            anchors.left: back.right
            anchors.leftMargin: Theme.xs
            anchors.right: parent.right
            anchors.rightMargin: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            placeholder: pane.finder.room ? qsTr("Search in %1").arg(pane.finder.roomName)
                                          : qsTr("Search in all rooms")
            maximumLength: pane.finder.maxQueryChars
            onTextChanged: pane.finder.ask(text)
            input.Keys.onDownPressed: list.forceActiveFocus()
            Connections {
                target: pane.finder
                function onChanged() { if (!pane.finder.open) field.text = "" }
            }
        }
    }
    Column {
        id: filters
        anchors.top: head.bottom
        x: Theme.m
        width: parent.width - 2 * Theme.m
        spacing: Theme.s
        bottomPadding: Theme.m
        Select {
            objectName: "searchRoomSelect"
            width: parent.width
            name: qsTr("Where")
            options: covey.conversation.room
                ? [qsTr("All rooms"), qsTr("In %1").arg(covey.conversation.name)]
                : [qsTr("All rooms")]
            visible: covey.conversation.room
            index: pane.finder.room && pane.finder.room === covey.conversation.room ? 1 : 0
            onPicked: at => pane.finder.begin(at === 1 ? covey.conversation.room : "")
        }
        Row {
            width: parent.width
            spacing: Theme.s
            Select {
                objectName: "searchAuthorSelect"
                width: (parent.width - Theme.s) / 2
                name: qsTr("From whom")
                options: pane.finder.authors
                index: pane.finder.author
                onPicked: at => pane.finder.setAuthor(at)
            }
            Select {
                objectName: "searchSpanSelect"
                width: (parent.width - Theme.s) / 2
                name: qsTr("When")
                options: [qsTr("Any time"), qsTr("Past day"), qsTr("Past week"),
                          qsTr("Past month"), qsTr("Past year")]
                index: pane.finder.span
                onPicked: at => pane.finder.setSpan(at)
            }
        }
        Row {
            width: parent.width
            visible: pane.finder.indexing
            spacing: Theme.s
            Spinner {
                anchors.verticalCenter: parent.verticalCenter
                running: parent.visible
                size: 16
            }
            Words {
                objectName: "indexingText"
                width: parent.width - 16 - Theme.s
                text: qsTr("Older messages are still being indexed: there may be more to find.")
                color: Theme.muted
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
            }
        }
    }
    Rectangle {
        id: rule
        anchors.top: filters.bottom
        width: parent.width
        height: 1
        color: Theme.line
    }
    ListView {
        id: list
        objectName: "hitList"
        anchors.top: rule.bottom
        anchors.bottom: parent.bottom
        width: parent.width
        clip: true
        topMargin: Theme.s
        bottomMargin: Theme.s
        model: pane.finder.hits
        activeFocusOnTab: count > 0
        boundsBehavior: Flickable.StopAtBounds
        reuseItems: true
        currentIndex: -1
        highlightMoveDuration: 0
        ScrollBar.vertical: SlimScrollBar {}
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Messages found")
        onActiveFocusChanged: if (activeFocus && currentIndex < 0) currentIndex = 0
        onAtYEndChanged: if (atYEnd && count > 0) pane.finder.more()
        Keys.onReturnPressed: if (currentItem) currentItem.clicked()
        Keys.onEnterPressed: if (currentItem) currentItem.clicked()
        delegate: HitRow {
            width: list.width
            withRoom: !pane.finder.room
            onClicked: {
                list.currentIndex = index
                pane.chosen(room, messageId)
            }
        }
    }
    EmptyState {
        visible: list.count === 0 && !pane.finder.asked
        anchors.centerIn: list
        width: Math.min(280, parent.width - 2 * Theme.xl)
        symbol: "search"
        title: qsTr("Find what was said")
        text: qsTr("Words, or a \u201cphrase\u201d. Everything that is on this machine is searched, also offline.")
    }
    EmptyState {
        objectName: "nothingFound"
        visible: list.count === 0 && pane.finder.asked && !pane.finder.busy
        anchors.centerIn: list
        width: Math.min(280, parent.width - 2 * Theme.xl)
        symbol: pane.finder.failure ? "circle-alert" : "search-x"
        title: pane.finder.failure ? qsTr("That did not work") : qsTr("Nothing found")
        text: pane.finder.failure
              || (pane.finder.filtered ? qsTr("Perhaps with fewer filters?") : qsTr("Perhaps with other words?"))
    }
}
