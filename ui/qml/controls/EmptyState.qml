// What is said where there is nothing yet, with the way on.
import QtQuick
import "../theme"

Column {
    id: empty

    property string symbol
    property string title
    property string text
    default property alias ways: row.data

    spacing: Theme.m

    Rectangle {
        anchors.horizontalCenter: parent.horizontalCenter
        width: 72
        height: 72
        radius: 36
        color: Theme.accentSoft
        Icon {
            anchors.centerIn: parent
            name: empty.symbol
            size: 30
            color: Theme.accentText
        }
    }
    Words {
        width: parent.width
        topPadding: Theme.xs
        text: empty.title
        font.pixelSize: Theme.px(18)
        font.weight: Font.DemiBold
        horizontalAlignment: Text.AlignHCenter
        wrapMode: Text.Wrap
    }
    Words {
        width: parent.width
        text: empty.text
        color: Theme.muted
        horizontalAlignment: Text.AlignHCenter
        wrapMode: Text.Wrap
        lineHeight: 1.3
    }
    Flow {
        id: row
        anchors.horizontalCenter: parent.horizontalCenter
        width: Math.min(parent.width, childWidth())
        spacing: Theme.s
        topPadding: Theme.s

        function childWidth(): real {
            let sum = 0
            for (const child of children)
                sum += child.implicitWidth + spacing
            return Math.max(0, sum - spacing)
        }
    }
}
