// The 24 words, numbered, read down the columns.
import QtQuick
import "../theme"
import "../controls"

Grid {
    id: grid

    property var words: []
    readonly property int across: width >= 480 ? 4 : width >= 330 ? 3 : 2

    flow: Grid.TopToBottom
    columns: across
    rows: Math.ceil(words.length / across)
    spacing: across < 4 ? 6 : Theme.s
    Accessible.role: Accessible.List
    Accessible.name: qsTr("Your 24 words")

    Repeater {
        model: grid.words
        Rectangle {
            id: cell
            required property int index
            required property string modelData
            objectName: "word" + index
            width: (grid.width - (grid.across - 1) * grid.spacing) / grid.across
            height: grid.across < 4 ? 34 : 38
            radius: Theme.s
            color: Theme.field
            border.width: 1
            border.color: Theme.line
            Accessible.role: Accessible.ListItem
            Accessible.name: qsTr("Word %1: %2").arg(index + 1).arg(modelData)
            Words {
                id: number
                x: Theme.s
                width: 18
                anchors.verticalCenter: parent.verticalCenter
                horizontalAlignment: Text.AlignRight
                text: cell.index + 1
                color: Theme.faint
                font.pixelSize: Theme.caption
                Accessible.ignored: true
            }
            Words {
                anchors.left: number.right
                anchors.leftMargin: Theme.s
                anchors.right: parent.right
                anchors.rightMargin: Theme.xs
                anchors.verticalCenter: parent.verticalCenter
                text: cell.modelData
                font.weight: Font.Medium
                fontSizeMode: Text.HorizontalFit
                minimumPixelSize: 10
                Accessible.ignored: true
            }
        }
    }
}
