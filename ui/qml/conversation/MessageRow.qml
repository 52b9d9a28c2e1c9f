// A row of the conversation: separators above, then a bubble on its author's side.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: row

    required property string messageId
    required property string authorName
    required property string initials
    required property int colour
    required property bool mine
    required property string body
    required property string plain
    required property bool rich
    required property bool emoji
    required property bool cut
    required property string time
    required property string day
    required property bool first
    required property bool last
    required property bool fresh
    required property string sendState
    required property string stateText
    required property bool deleted
    required property string quoteAuthor
    required property string quoteText

    signal menuWanted(var row, var item, real x, real y)
    signal linkActivated(string link)

    readonly property int gutter: 44
    readonly property int edge: width < 520 ? Theme.m : Theme.xl

    width: ListView.view ? ListView.view.width : 600
    height: column.implicitHeight
    // A pooled row is only culled; screen readers must not find it.
    ListView.onPooled: visible = false
    ListView.onReused: visible = true

    Accessible.role: Accessible.ListItem
    Accessible.name: [mine ? qsTr("You") : authorName, plain || body, time,
                      row.sendState === "none" ? "" : stateText].filter(x => x).join(", ")

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
            width: parent.width
            height: bubble.implicitHeight

            Avatar {
                visible: !row.mine && row.last
                x: row.edge
                anchors.bottom: parent.bottom
                size: 34
                initials: row.initials
                colour: row.colour
            }
            Bubble {
                id: bubble
                row: row
                widest: Math.min(560, Math.round((column.width - 2 * row.edge - row.gutter)
                                                 * (column.width < 520 ? 0.94 : 0.86)))
                width: implicitWidth
                height: implicitHeight
                x: row.mine ? parent.width - row.edge - width : row.edge + row.gutter
                onMenuWanted: (x, y) => row.menuWanted(row, bubble, x, y)
                onLinkActivated: link => row.linkActivated(link)
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
}
