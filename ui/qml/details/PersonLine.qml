// Somebody about whom a decision can be made.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: line

    required property string name
    required property string initials
    required property int colour
    required property string detail
    default property alias ways: buttons.data

    height: column.implicitHeight + 2 * Theme.m
    Accessible.role: Accessible.ListItem
    Accessible.name: name + ", " + detail

    Avatar {
        id: face
        x: Theme.l + Theme.s
        y: Theme.m
        size: 40
        initials: line.initials
        colour: line.colour
    }
    Column {
        id: column
        anchors.left: face.right
        anchors.leftMargin: Theme.m
        anchors.right: parent.right
        anchors.rightMargin: Theme.l
        y: Theme.m
        spacing: 2
        Words {
            width: parent.width
            text: line.name
            font.weight: Font.Medium
            elide: Text.ElideRight
            Accessible.ignored: true
        }
        Words {
            width: parent.width
            text: line.detail
            color: Theme.muted
            font.pixelSize: Theme.small
            wrapMode: Text.Wrap
            Accessible.ignored: true
        }
        Flow {
            id: buttons
            width: parent.width
            topPadding: Theme.s
            spacing: Theme.s
        }
    }
}
