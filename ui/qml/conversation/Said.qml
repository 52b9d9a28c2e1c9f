// The words of a message: selectable, links only followed after a click.
import QtQuick
import "../theme"

TextEdit {
    id: words

    property bool mine: false
    property bool rich: false
    property string body
    signal activated(string link)

    objectName: "messageText"
    readOnly: true
    selectByMouse: true
    activeFocusOnPress: true
    wrapMode: TextEdit.Wrap
    textFormat: rich ? TextEdit.RichText : TextEdit.PlainText
    text: rich ? words.coloured(body) : body
    color: mine ? Theme.mineInk : Theme.text
    selectionColor: Theme.accent
    selectedTextColor: Theme.accentInk
    font.family: Theme.family
    font.pixelSize: Theme.px(15)
    Accessible.ignored: true
    onLinkActivated: link => words.activated(link)

    HoverHandler {
        enabled: words.rich
        cursorShape: words.hoveredLink ? Qt.PointingHandCursor : Qt.IBeamCursor
    }

    // Colours travel by name; every quote of the author's is escaped, so that only
    // what the window itself wrote can match.
    function coloured(html: string): string {
        const inks = {
            LINK: mine ? Theme.mineLink : Theme.accentText,
            CODE: mine ? Theme.mineSunken : Theme.codeGround,
            COMMENT: Theme.codeComment, KEYWORD: Theme.codeKeyword,
            STRING: Theme.codeString, NUMBER: Theme.codeNumber, NAME: Theme.codeName
        }
        return html.replace(/="([^"]*color:)([A-Z]+)"/g,
                            (all, before, name) => '="' + before + inks[name] + '"')
    }
}
