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

    readonly property bool mine: row.mine
    readonly property bool bare: row.emoji && !row.quoteText
    readonly property bool shownState: row.last || row.sendState === "sending"
                                       || row.sendState === "failed"
    readonly property int side: bare ? 2 : 12
    readonly property int inner: widest - 2 * side
    readonly property color ink: mine ? Theme.mineInk : Theme.text
    readonly property color soft: bare ? Theme.muted : mine ? Theme.mineMuted : Theme.faint
    readonly property real stateWidth: shownState ? mark.implicitWidth : 0
    // Where the last line of the text ends; the state stands beside it when it fits.
    readonly property real lastEnd: {
        const shape = [words.contentWidth, words.contentHeight, words.width]
        return shape[0] > 0 ? words.positionToRectangle(words.length).x : 0
    }
    readonly property bool beside: shownState && !bare && !row.cut
        && lastEnd + stateWidth + 14 <= inner

    implicitWidth: Math.max(
        Math.min(Math.ceil(words.contentWidth), inner),
        beside ? lastEnd + stateWidth + 14 : stateWidth,
        author.visible ? author.implicitWidth : 0,
        quote.visible ? quote.implicitWidth : 0,
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
        border.width: bubble.mine ? 0 : 1
        border.color: Theme.theirsLine
    }
    Column {
        id: column
        x: bubble.side
        y: bubble.bare ? 0 : 7
        width: parent.width - 2 * bubble.side
        spacing: 2

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
        Item {
            id: quote
            visible: bubble.row.quoteText
            width: parent.width
            implicitWidth: Math.min(bubble.inner, Math.max(quoteName.implicitWidth,
                                                           quoteText.implicitWidth) + 12)
            height: 40
            Rectangle {
                width: 3
                height: parent.height - 4
                radius: 1.5
                color: bubble.mine ? Theme.mineMuted : Theme.accent
            }
            Words {
                id: quoteName
                x: 12
                width: parent.width - 12
                text: bubble.row.quoteAuthor
                color: bubble.mine ? Theme.mineMuted : Theme.accentText
                font.pixelSize: Theme.caption
                font.weight: Font.DemiBold
                elide: Text.ElideRight
                Accessible.ignored: true
            }
            Words {
                id: quoteText
                x: 12
                y: 18
                width: parent.width - 12
                text: bubble.row.quoteText
                color: bubble.soft
                font.pixelSize: Theme.small
                elide: Text.ElideRight
                Accessible.ignored: true
            }
        }
        Item {
            width: parent.width
            height: words.height
            TextEdit {
                id: words
                objectName: "messageText"
                width: Math.min(implicitWidth, bubble.inner)
                readOnly: true
                selectByMouse: true
                activeFocusOnPress: true
                wrapMode: TextEdit.Wrap
                textFormat: bubble.row.rich ? TextEdit.RichText : TextEdit.PlainText
                text: bubble.row.rich ? bubble.coloured(bubble.row.body) : bubble.row.body
                color: bubble.row.deleted ? bubble.soft : bubble.ink
                selectionColor: Theme.accent
                selectedTextColor: Theme.accentInk
                font.family: Theme.family
                font.pixelSize: bubble.row.emoji ? 40 : 15
                font.italic: bubble.row.deleted
                Accessible.ignored: true
                onLinkActivated: link => bubble.linkActivated(link)
                HoverHandler {
                    enabled: bubble.row.rich
                    cursorShape: words.hoveredLink ? Qt.PointingHandCursor : Qt.IBeamCursor
                }
            }
            MessageState {
                id: mark
                visible: bubble.shownState && bubble.beside
                anchors.right: parent.right
                anchors.bottom: parent.bottom
                anchors.bottomMargin: -2
                time: bubble.row.time
                sendState: bubble.row.sendState
                stateText: bubble.row.stateText
                ink: bubble.soft
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
            time: bubble.row.time
            sendState: bubble.row.sendState
            stateText: bubble.row.stateText
            ink: bubble.soft
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

    function coloured(html: string): string {
        const link = mine ? Theme.mineLink : Theme.accentText
        return html.replace(/style="color:LINK"/g, 'style="color:' + link + '"')
    }
}
