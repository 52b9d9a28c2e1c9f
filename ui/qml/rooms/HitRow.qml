// One message that was found, with the words around.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: hit

    required property int index
    required property string messageId
    required property string room
    required property string roomName
    required property string author
    required property string initials
    required property int colour
    required property string time
    required property string html
    required property string plain
    property bool withRoom: true

    objectName: "hit:" + plain
    height: Math.max(64, words.implicitHeight + 2 * Theme.m)
    hoverEnabled: true
    focusPolicy: Qt.NoFocus
    ListView.onPooled: visible = false
    ListView.onReused: visible = true
    Accessible.role: Accessible.ListItem
    Accessible.name: [author, withRoom ? roomName : "", plain, time].filter(x => x).join(", ")
    Accessible.onPressAction: clicked()

    background: Rectangle {
        anchors.fill: parent
        anchors.leftMargin: Theme.s
        anchors.rightMargin: Theme.s
        radius: Theme.radius
        color: hit.down ? Theme.pressed : hit.hovered ? Theme.hover
             : hit.ListView.isCurrentItem ? Theme.selected : "transparent"
        FocusRing {
            shown: hit.ListView.isCurrentItem && hit.ListView.view.activeFocus
            gap: -3
        }
    }
    contentItem: Item {
        Avatar {
            id: face
            x: Theme.l + Theme.xs
            y: 0
            size: 36
            initials: hit.initials
            colour: hit.colour
        }
        Column {
            id: words
            anchors.left: face.right
            anchors.leftMargin: Theme.m
            anchors.right: parent.right
            anchors.rightMargin: Theme.l + Theme.xs
            spacing: 2
            Item {
                width: parent.width
                height: who.implicitHeight
                Words {
                    id: who
                    anchors.left: parent.left
                    anchors.right: when.left
                    anchors.rightMargin: Theme.s
                    text: hit.withRoom ? qsTr("%1 in %2").arg(hit.author).arg(hit.roomName) : hit.author
                    font.weight: Font.Medium
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
                Words {
                    id: when
                    anchors.right: parent.right
                    anchors.baseline: who.baseline
                    text: hit.time
                    color: Theme.faint
                    font.pixelSize: Theme.caption
                    Accessible.ignored: true
                }
            }
            Text {
                width: parent.width
                // Everything but the marks is escaped where it is made.
                text: hit.html.replace(/<b>/g, "<b><font color=\"" + Theme.accentText + "\">")
                              .replace(/<\/b>/g, "</font></b>")
                textFormat: Text.StyledText
                color: Theme.muted
                font.family: Theme.family
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
                maximumLineCount: 3
                elide: Text.ElideRight
                lineHeight: 1.15
                Accessible.ignored: true
            }
        }
    }
}
