// One message: what was said, and below the last of a group when, and who has it.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: bubble

    property var row
    property int widest: 520
    signal menuWanted(real x, real y)
    signal linkActivated(string link)
    signal ledgerWanted()

    readonly property bool mine: row.mine
    readonly property bool polled: row.kind === "poll" && !row.deleted
    readonly property bool pieced: row.blocks.length > 0
    readonly property bool bare: row.emoji && !row.quoteText && !row.forwarded
    readonly property bool shownState: row.last || row.sendState === "sending"
                                       || row.sendState === "failed" || row.pinned
                                       || row.expiry || polled
    readonly property int side: bare ? 2 : 12
    readonly property int inner: widest - 2 * side
    readonly property color soft: bare ? Theme.muted : mine ? Theme.mineMuted : Theme.faint
    readonly property real stateWidth: shownState ? mark.implicitWidth : 0
    // Where the last line of the text ends; the state stands beside it when it fits.
    readonly property real lastEnd: {
        const shape = [words.contentWidth, words.contentHeight, words.width]
        return shape[0] > 0 ? words.positionToRectangle(words.length).x : 0
    }
    readonly property bool beside: shownState && !bare && !row.cut && !pieced && !polled
        && lastEnd + stateWidth + 14 <= inner

    implicitWidth: Math.max(
        pieced ? pieces.wanted : Math.min(Math.ceil(words.contentWidth), inner),
        beside ? lastEnd + stateWidth + 14 : stateWidth,
        author.visible ? author.implicitWidth : 0,
        label.visible ? label.implicitWidth : 0,
        quote.visible ? quote.implicitWidth : 0,
        polled ? Math.min(inner, 340) : 0,
        more.visible ? more.width : 0) + 2 * side
    implicitHeight: column.implicitHeight + (bare ? 4 : 15)

    Rectangle {
        anchors.fill: parent
        visible: !bubble.bare
        radius: Theme.bubble
        topLeftRadius: !bubble.mine && !bubble.row.first ? 6 : radius
        bottomLeftRadius: !bubble.mine && !bubble.row.last ? 6 : radius
        topRightRadius: bubble.mine && !bubble.row.first ? 6 : radius
        bottomRightRadius: bubble.mine && !bubble.row.last ? 6 : radius
        color: bubble.mine ? Theme.mine : Theme.theirs
        border.width: bubble.row.callsMe ? 2 : bubble.mine ? 0 : 1
        border.color: bubble.row.callsMe ? Theme.accent : Theme.theirsLine
    }
    Column {
        id: column
        x: bubble.side
        y: bubble.bare ? 0 : 7
        width: parent.width - 2 * bubble.side
        spacing: 3

        Words {
            id: author
            width: Math.min(implicitWidth, bubble.inner)
            visible: bubble.row.first && !bubble.mine
            text: bubble.row.authorName
            color: Theme.author[bubble.row.colour % Theme.author.length]
            font.pixelSize: Theme.small
            font.weight: Font.DemiBold
            elide: Text.ElideRight
            Accessible.ignored: true
        }
        Row {
            id: label
            visible: bubble.row.forwarded
            spacing: 5
            Icon {
                anchors.verticalCenter: parent.verticalCenter
                name: "forward"
                size: 14
                color: bubble.soft
            }
            Words {
                objectName: "forwardedLabel"
                width: Math.min(implicitWidth, bubble.inner - 20)
                text: qsTr("Forwarded from %1").arg(bubble.row.forwarded)
                color: bubble.soft
                font.pixelSize: Theme.caption
                elide: Text.ElideRight
                Accessible.ignored: true
            }
        }
        Quote {
            id: quote
            objectName: "quote"
            visible: bubble.row.quoteText
            width: parent.width
            widest: bubble.inner
            mine: bubble.mine
            author: bubble.row.quoteAuthor
            words: bubble.row.quoteText
            onClicked: covey.conversation.jump(bubble.row.quoteId)
        }
        Item {
            width: parent.width
            height: bubble.pieced ? pieces.height : words.height
            Said {
                id: words
                visible: !bubble.pieced
                objectName: bubble.pieced ? "" : "messageText"
                width: Math.min(implicitWidth, bubble.inner)
                mine: bubble.mine
                rich: bubble.row.rich && !bubble.pieced
                body: bubble.pieced ? "" : bubble.row.body
                color: bubble.row.deleted ? bubble.soft : mine ? Theme.mineInk : Theme.text
                font.pixelSize: Theme.px(bubble.row.emoji ? 40 : 15)
                font.italic: bubble.row.deleted
                font.weight: bubble.polled ? Font.DemiBold : Font.Normal
                onActivated: link => bubble.linkActivated(link)
            }
            Loader {
                id: pieces
                readonly property int wanted: item ? item.wanted : 0
                active: bubble.pieced
                width: parent.width
                sourceComponent: Pieces {
                    blocks: bubble.row.blocks
                    mine: bubble.mine
                    widest: bubble.inner
                    onActivated: link => bubble.linkActivated(link)
                }
            }
            MessageState {
                id: mark
                visible: bubble.shownState && bubble.beside
                anchors.right: parent.right
                anchors.bottom: parent.bottom
                anchors.bottomMargin: -2
                row: bubble.row
                widest: bubble.inner
                ink: bubble.soft
                onLedgerWanted: bubble.ledgerWanted()
            }
        }
        Loader {
            active: bubble.polled
            visible: active
            width: parent.width
            sourceComponent: PollView {
                poll: bubble.row.poll
                messageId: bubble.row.messageId
                mine: bubble.mine
            }
        }
        ActionButton {
            id: more
            objectName: "showAllButton"
            visible: bubble.row.cut
            kind: "quiet"
            height: 32
            leftPadding: 0
            text: qsTr("Show all")
            onClicked: covey.conversation.expand(bubble.row.messageId)
        }
        MessageState {
            visible: bubble.shownState && !bubble.beside
            anchors.right: parent.right
            row: bubble.row
            widest: bubble.inner
            ink: bubble.soft
            onLedgerWanted: bubble.ledgerWanted()
        }
    }
    TapHandler {
        acceptedButtons: Qt.RightButton
        onTapped: point => bubble.menuWanted(point.position.x, point.position.y)
    }
    TapHandler {
        acceptedDevices: PointerDevice.TouchScreen
        onLongPressed: bubble.menuWanted(width / 2, height / 2)
    }
}
