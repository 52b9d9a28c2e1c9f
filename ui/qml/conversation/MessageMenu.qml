// What can be done with one message: by the right button, the three dots, or Enter.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

ThemedMenu {
    id: menu

    property var row: null
    property string messageId
    property string plain
    property bool mine: false
    property bool deleted: false
    property bool pinned: false
    property bool canEdit: false
    property bool poll: false
    property bool settled: true
    property bool answered: false
    signal sheetWanted(string name, var properties)
    signal pickerWanted(string messageId, var item)

    readonly property var room: covey.conversation
    readonly property bool live: settled && !deleted

    // The row may be reused for another message while the menu is open.
    width: Math.min(336, Math.max(208, Theme.px(184) + 24))

    function show(row, item, x, y) {
        menu.row = row
        messageId = row.messageId
        plain = row.plain
        mine = row.mine
        deleted = row.deleted
        pinned = row.pinned
        canEdit = row.canEdit
        poll = row.kind === "poll"
        settled = row.settled
        answered = row.reactions.length > 0 || poll
        menu.popup(item, x, y)
    }

    component Line: ThemedMenuItem {
        property bool shown: true
        visible: shown
        height: shown ? implicitHeight : 0
    }

    Row {
        visible: menu.live && menu.room.canReact
        height: visible ? Theme.px(44) : 0
        leftPadding: 2
        Repeater {
            model: covey.emoji.atHand
            AbstractButton {
                id: quick
                required property string modelData
                objectName: "quickReaction:" + modelData
                implicitWidth: Theme.grown(36)
                implicitHeight: Theme.px(40)
                hoverEnabled: true
                focusPolicy: Qt.NoFocus
                Accessible.role: Accessible.Button
                Accessible.name: qsTr("React with %1").arg(modelData)
                onClicked: {
                    menu.room.actions.react(menu.messageId, modelData)
                    covey.emoji.use(modelData)
                    menu.close()
                }
                background: Rectangle {
                    radius: Theme.s
                    color: quick.hovered ? Theme.hover : "transparent"
                }
                contentItem: Text {
                    text: quick.modelData
                    font.family: Theme.family
                    font.pixelSize: Theme.px(20)
                    textFormat: Text.PlainText
                    horizontalAlignment: Text.AlignHCenter
                    verticalAlignment: Text.AlignVCenter
                    Accessible.ignored: true
                }
            }
        }
    }
    Line {
        objectName: "reactItem"
        shown: menu.live && menu.room.canReact
        symbol: "smile-plus"
        text: qsTr("React\u2026")
        onTriggered: menu.pickerWanted(menu.messageId, menu.row)
    }
    Line {
        objectName: "replyItem"
        shown: menu.live && menu.room.canWrite
        symbol: "reply"
        text: qsTr("Reply")
        onTriggered: menu.room.composing.reply(menu.messageId)
    }
    Line {
        objectName: "threadItem"
        shown: menu.live && menu.room.canWrite && !menu.room.threadRoot
        symbol: "message-square-reply"
        text: qsTr("Reply in a thread")
        onTriggered: menu.room.openThread(menu.row.thread || menu.messageId)
    }
    Line {
        objectName: "copyTextItem"
        shown: menu.plain
        symbol: "copy"
        text: qsTr("Copy text")
        onTriggered: covey.copy(menu.plain)
    }
    Line {
        objectName: "editItem"
        shown: menu.canEdit && menu.room.canWrite
        symbol: "pencil"
        text: qsTr("Edit")
        onTriggered: menu.room.composing.edit(menu.messageId)
    }
    Line {
        objectName: "forwardItem"
        shown: menu.live && menu.plain && !menu.poll
        symbol: "forward"
        text: qsTr("Forward\u2026")
        onTriggered: menu.sheetWanted("ForwardSheet", { ids: [menu.messageId] })
    }
    Line {
        objectName: "pinItem"
        shown: menu.live && menu.room.canPin
        symbol: menu.pinned ? "pin-off" : "pin"
        text: menu.pinned ? qsTr("Unpin") : qsTr("Pin for everybody")
        onTriggered: menu.room.actions.pin(menu.messageId, !menu.pinned)
    }
    Line {
        objectName: "selectItem"
        shown: menu.settled
        symbol: "circle-check"
        text: qsTr("Select")
        onTriggered: menu.room.toggleSelected(menu.messageId)
    }
    Line {
        objectName: "ledgerItem"
        shown: menu.live
        symbol: "smartphone"
        text: qsTr("Who has it")
        onTriggered: menu.sheetWanted("DeliverySheet", { messageId: menu.messageId })
    }
    Line {
        objectName: "responsesItem"
        shown: menu.live && menu.answered
        symbol: menu.poll ? "chart-bar-big" : "smile"
        text: menu.poll ? qsTr("Who chose what") : qsTr("Who reacted")
        onTriggered: menu.sheetWanted("ResponsesSheet", { messageId: menu.messageId,
                                                         poll: menu.poll })
    }
    Line {
        objectName: "deleteItem"
        shown: menu.live && (menu.mine || menu.room.canModerate)
        symbol: "trash-2"
        danger: true
        text: qsTr("Delete\u2026")
        onTriggered: menu.sheetWanted("DeleteSheet", { ids: [menu.messageId] })
    }
}
