// A row of the conversation: separators above, a bubble on its author's side, and below
// it the reactions and the way into its thread.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: row

    required property int index
    required property string messageId
    required property string authorName
    required property string initials
    required property int colour
    required property bool mine
    required property string kind
    required property string body
    required property string plain
    required property bool rich
    required property var blocks
    required property bool emoji
    required property bool cut
    required property string time
    required property string moment
    required property string day
    required property bool first
    required property bool last
    required property bool fresh
    required property string sendState
    required property string stateText
    required property bool deleted
    required property bool pinned
    required property string forwarded
    required property bool callsMe
    required property string quoteId
    required property string quoteAuthor
    required property string quoteText
    required property string thread
    required property string threadText
    required property var reactions
    required property var poll
    required property string expiry
    required property bool selected
    required property bool canEdit

    signal menuWanted(var row, var item, real x, real y)
    signal reactionWanted(var row, var item)
    signal ledgerWanted(string id)
    signal linkActivated(string link)

    readonly property var room: covey.conversation
    readonly property bool selecting: room.selectedCount > 0
    readonly property bool settled: sendState !== "sending" && sendState !== "failed"
    readonly property bool current: ListView.isCurrentItem && ListView.view
                                    && ListView.view.activeFocus
    readonly property int gutter: 44
    readonly property int edge: width < 520 ? Theme.m : Theme.xl
    readonly property int shift: selecting ? 36 : 0
    property bool flashing: false

    function flash() {
        flashing = true
        calm.restart()
    }

    width: ListView.view ? ListView.view.width : 600
    height: column.implicitHeight
    // A pooled row is only culled; screen readers must not find it.
    ListView.onPooled: { visible = false; flashing = false }
    ListView.onReused: visible = true

    Accessible.role: Accessible.ListItem
    Accessible.name: [mine ? qsTr("You") : authorName,
                      quoteText ? qsTr("answers %1").arg(quoteAuthor) : "",
                      plain || body, time, sendState === "none" ? "" : stateText,
                      reactions.map(it => it.sign + " " + it.count).join(" ")]
                     .filter(it => it).join(", ")
    Accessible.selected: selected
    Accessible.onPressAction: row.menuWanted(row, bubble, 0, bubble.height)

    Timer { id: calm; interval: 1400; onTriggered: row.flashing = false }
    Rectangle {
        y: body.y
        width: parent.width
        height: parent.height - y
        color: row.selected ? Theme.chosen : Theme.selected
        opacity: row.selected || row.flashing ? 1 : 0
        visible: opacity > 0
        Behavior on opacity { NumberAnimation { duration: Theme.calmly } }
    }
    HoverHandler { id: hover; enabled: row.settled && !row.selecting }

    Column {
        id: column
        width: parent.width

        Loader {
            width: parent.width
            active: row.day
            visible: active
            sourceComponent: DaySeparator { text: row.day }
        }
        Loader {
            x: row.edge
            width: parent.width - 2 * row.edge
            active: row.fresh
            visible: active
            sourceComponent: NewLine {}
        }
        Item {
            width: 1
            height: row.first ? 10 : 3
        }
        Item {
            id: body
            width: parent.width
            height: bubble.implicitHeight

            SelectionMark {
                visible: row.selecting && row.settled
                x: row.edge - 4
                anchors.verticalCenter: parent.verticalCenter
                checked: row.selected
            }
            Avatar {
                visible: !row.mine && row.last
                x: row.edge + row.shift
                anchors.bottom: parent.bottom
                size: 34
                initials: row.initials
                colour: row.colour
            }
            Bubble {
                id: bubble
                row: row
                widest: Math.min(560, Math.round(
                    (column.width - 2 * row.edge - row.gutter - row.shift)
                    * (column.width < 520 ? 0.94 : 0.86)))
                width: implicitWidth
                height: implicitHeight
                x: row.mine ? parent.width - row.edge - width
                            : row.edge + row.gutter + row.shift
                onMenuWanted: (x, y) => row.menuWanted(row, bubble, x, y)
                onLinkActivated: link => row.linkActivated(link)
                onLedgerWanted: row.ledgerWanted(row.messageId)
            }
            FocusRing {
                anchors.fill: bubble
                corner: Theme.bubble
                shown: row.current
            }
            Loader {
                readonly property bool fits: row.mine
                    ? bubble.x - row.edge > 132
                    : parent.width - bubble.x - bubble.width - row.edge > 132
                active: row.settled && !row.selecting && !row.deleted
                        && (hover.hovered || row.current)
                x: fits ? (row.mine ? bubble.x - width - Theme.s
                                    : bubble.x + bubble.width + Theme.s)
                        : Math.max(row.edge, bubble.x + bubble.width - width - 4)
                y: fits ? Math.max(0, Math.min(bubble.height - height,
                                               (bubble.height - height) / 2))
                        : -height + 10
                z: 2
                sourceComponent: MessageActions {
                    canReact: row.room.canReact
                    canReply: row.room.canWrite
                    onReactWanted: item => row.reactionWanted(row, item)
                    onReplyWanted: row.room.composing.reply(row.messageId)
                    onMoreWanted: item => row.menuWanted(row, item, 0, item.height)
                }
            }
        }
        Loader {
            x: row.mine ? parent.width - row.edge - width : row.edge + row.gutter + row.shift
            width: Math.min(560, parent.width - 2 * row.edge - row.gutter - row.shift)
            active: row.reactions.length > 0 || row.threadText || row.thread
            visible: active
            sourceComponent: MessageFoot {
                message: row
                onReactionWanted: item => row.reactionWanted(row, item)
            }
        }
        Item {
            visible: row.sendState === "failed"
            width: parent.width
            height: visible ? trouble.height + 4 : 0
            Row {
                id: trouble
                anchors.right: parent.right
                anchors.rightMargin: row.edge
                spacing: Theme.xs
                Words {
                    anchors.verticalCenter: parent.verticalCenter
                    width: Math.min(implicitWidth, row.width - 2 * row.edge - again.width
                                                   - edit.width - 8)
                    text: qsTr("Not sent. %1").arg(row.stateText)
                    color: Theme.bad
                    font.pixelSize: Theme.caption
                    wrapMode: Text.Wrap
                }
                ActionButton {
                    id: again
                    objectName: "sendAgainButton"
                    height: 30
                    kind: "quiet"
                    text: qsTr("Send again")
                    onClicked: covey.conversation.retry(row.messageId)
                }
                ActionButton {
                    id: edit
                    height: 30
                    kind: "quiet"
                    text: qsTr("Edit")
                    onClicked: covey.conversation.discard(row.messageId)
                }
            }
        }
    }
    // While messages are chosen, the whole row is one big button.
    MouseArea {
        anchors.fill: parent
        enabled: row.selecting && row.settled
        visible: enabled
        cursorShape: Qt.PointingHandCursor
        onClicked: row.room.toggleSelected(row.messageId)
    }

}
