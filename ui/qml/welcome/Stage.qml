// The frame of every page before the rooms: the birds, a title, a card's width.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Flickable {
    id: stage

    property string title
    property string text
    property int widest: 400
    property bool showBirds: true
    default property alias body: holder.data

    contentHeight: Math.max(height, column.implicitHeight + 2 * Theme.xl)
    boundsBehavior: Flickable.StopAtBounds
    ScrollBar.vertical: SlimScrollBar {}

    Column {
        id: column
        width: Math.min(stage.widest, stage.width - 2 * Theme.xl)
        x: Math.round((stage.width - width) / 2)
        y: Math.max(Theme.xl, Math.round((stage.contentHeight - implicitHeight) * 0.44))
        spacing: Theme.xl

        Image {
            visible: stage.showBirds
            anchors.horizontalCenter: parent.horizontalCenter
            width: 88
            height: 88
            source: "image://icon/covey/000000"
            sourceSize: Qt.size(176, 176)
            Accessible.ignored: true
        }
        Column {
            width: parent.width
            spacing: Theme.s
            Words {
                width: parent.width
                text: stage.title
                font.pixelSize: Theme.display
                font.weight: Font.DemiBold
                font.letterSpacing: -0.4
                horizontalAlignment: Text.AlignHCenter
                wrapMode: Text.Wrap
                Accessible.role: Accessible.Heading
            }
            Words {
                width: parent.width
                visible: text
                text: stage.text
                color: Theme.muted
                font.pixelSize: Theme.px(15)
                horizontalAlignment: Text.AlignHCenter
                wrapMode: Text.Wrap
                lineHeight: 1.3
            }
        }
        Item {
            id: holder
            width: parent.width
            implicitHeight: childrenRect.height
        }
    }
}
