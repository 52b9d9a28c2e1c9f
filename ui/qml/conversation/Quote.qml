// What a message answers, in its bubble; a click leads there.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: quote

    property bool mine: false
    property string author
    property string words
    property int widest: 400

    implicitWidth: Math.min(widest, Math.max(name.implicitWidth, said.implicitWidth) + 24)
    implicitHeight: Theme.px(46)
    hoverEnabled: true
    focusPolicy: Qt.NoFocus
    Accessible.role: Accessible.Button
    Accessible.name: qsTr("Answers %1: %2").arg(author).arg(words)
    Accessible.onPressAction: clicked()

    background: Rectangle {
        radius: 8
        color: quote.mine ? Theme.mineSunken : quote.hovered ? Theme.hover : Theme.sunken
        clip: true
        Rectangle {
            width: 3
            height: parent.height
            radius: 1.5
            color: quote.mine ? Theme.mineMuted : Theme.accent
        }
    }
    contentItem: Item {
        Words {
            id: name
            x: 12
            y: 5
            width: parent.width - 22
            text: quote.author
            color: quote.mine ? Theme.mineMuted : Theme.accentText
            font.pixelSize: Theme.caption
            font.weight: Font.DemiBold
            elide: Text.ElideRight
            Accessible.ignored: true
        }
        Words {
            id: said
            x: 12
            y: Theme.px(23)
            width: parent.width - 22
            text: quote.words
            color: quote.mine ? Theme.mineMuted : Theme.muted
            font.pixelSize: Theme.small
            elide: Text.ElideRight
            maximumLineCount: 1
            Accessible.ignored: true
        }
    }
    HoverHandler { cursorShape: Qt.PointingHandCursor }
}
