// One room in the list.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: row

    required property int index
    required property string room
    required property string name
    required property string initials
    required property int colour
    required property string kind
    required property int unread
    required property int waiting
    required property int mentions
    required property bool marked
    required property bool pinned
    required property bool archived
    required property bool typing
    signal menuWanted()
    required property int peers
    required property string preview
    required property bool draft
    required property string time
    required property bool selected

    objectName: "room:" + name
    width: ListView.view ? ListView.view.width : 300
    height: Theme.px(72)
    hoverEnabled: true
    focusPolicy: Qt.NoFocus
    onClicked: covey.openRoom(room)
    TapHandler {
        acceptedButtons: Qt.RightButton
        onTapped: row.menuWanted()
    }
    // A pooled row is only culled; screen readers must not find it.
    ListView.onPooled: visible = false
    ListView.onReused: visible = true
    Accessible.role: Accessible.ListItem
    Accessible.name: {
        const parts = [name]
        if (unread > 0)
            parts.push(qsTr("%n unread message(s)", "", unread))
        if (mentions > 0)
            parts.push(qsTr("calls you"))
        if (marked)
            parts.push(qsTr("marked as unread"))
        if (pinned)
            parts.push(qsTr("pinned"))
        if (waiting > 0)
            parts.push(qsTr("%n request(s) to join", "", waiting))
        if (peers > 0)
            parts.push(qsTr("%n device(s) connected", "", peers))
        parts.push(draft ? qsTr("Draft: %1").arg(preview) : preview, time)
        return parts.join(", ")
    }
    Accessible.selected: selected
    Accessible.onPressAction: clicked()

    background: Rectangle {
        anchors.fill: parent
        anchors.leftMargin: Theme.s
        anchors.rightMargin: Theme.s
        anchors.topMargin: 1
        anchors.bottomMargin: 1
        radius: Theme.m
        color: row.selected ? Theme.selected
             : row.down ? Theme.pressed : row.hovered ? Theme.hover : "transparent"
        FocusRing {
            shown: row.ListView.isCurrentItem && row.ListView.view.activeFocus
                   && row.ListView.view.keyboardUsed
            corner: parent.radius
            gap: -3
        }
    }
    contentItem: Item {
        Avatar {
            id: face
            x: Theme.l + Theme.xs
            anchors.verticalCenter: parent.verticalCenter
            size: Theme.grown(46)
            initials: row.initials
            colour: row.colour
            online: row.peers > 0
            ground: row.selected ? Theme.selected : row.hovered ? Theme.hover : Theme.surface
        }
        Icon {
            id: kindSign
            visible: row.kind === "broadcast"
            anchors.left: face.right
            anchors.leftMargin: Theme.m
            anchors.verticalCenter: title.verticalCenter
            name: "megaphone"
            size: 15
            color: Theme.muted
        }
        Words {
            id: title
            anchors.left: kindSign.visible ? kindSign.right : face.right
            anchors.leftMargin: kindSign.visible ? 6 : Theme.m
            anchors.right: when.left
            anchors.rightMargin: Theme.s
            y: Theme.px(15)
            text: row.name
            font.pixelSize: Theme.px(15)
            font.weight: row.unread > 0 ? Font.DemiBold : Font.Medium
            elide: Text.ElideRight
            Accessible.ignored: true
        }
        Words {
            id: when
            anchors.right: parent.right
            anchors.rightMargin: Theme.l + Theme.xs
            anchors.baseline: title.baseline
            text: row.time
            color: row.unread > 0 ? Theme.accentText : Theme.faint
            font.pixelSize: Theme.caption
            Accessible.ignored: true
        }
        Words {
            id: draftMark
            visible: row.draft
            anchors.left: face.right
            anchors.leftMargin: Theme.m
            anchors.baseline: last.baseline
            text: qsTr("Draft:")
            color: Theme.bad
            font.pixelSize: Theme.small
            Accessible.ignored: true
        }
        Words {
            id: last
            anchors.left: row.draft ? draftMark.right : face.right
            anchors.leftMargin: row.draft ? Theme.xs : Theme.m
            anchors.right: marks.left
            anchors.rightMargin: marks.width > 0 ? Theme.s : 0
            y: Theme.px(39)
            text: row.preview
            color: row.typing ? Theme.accentText : Theme.muted
            font.pixelSize: Theme.small
            elide: Text.ElideRight
            maximumLineCount: 1
            Accessible.ignored: true
        }
        Row {
            id: marks
            anchors.right: parent.right
            anchors.rightMargin: Theme.l + Theme.xs
            anchors.verticalCenter: last.verticalCenter
            spacing: Theme.xs
            Icon {
                anchors.verticalCenter: parent.verticalCenter
                visible: row.pinned
                name: "pin"
                size: 14
                color: Theme.faint
            }
            Rectangle {
                visible: row.mentions > 0
                width: height
                height: Theme.px(20)
                radius: height / 2
                color: Theme.accent
                Icon {
                    anchors.centerIn: parent
                    name: "at-sign"
                    size: Theme.px(13)
                    color: Theme.accentInk
                }
            }
            Rectangle {
                visible: row.waiting > 0
                width: 28
                height: 20
                radius: 10
                color: Theme.warnSoft
                Icon {
                    anchors.centerIn: parent
                    name: "user-check"
                    size: 14
                    color: Theme.warn
                }
            }
            Rectangle {
                visible: row.unread > 0 || row.marked
                width: row.unread > 0 ? Math.max(height, number.implicitWidth + 12) : height
                height: Theme.px(20)
                radius: height / 2
                color: Theme.accent
                Words {
                    id: number
                    anchors.centerIn: parent
                    visible: row.unread > 0
                    text: row.unread > 999 ? "999+" : row.unread
                    color: Theme.accentInk
                    font.pixelSize: Theme.px(11)
                    font.weight: Font.DemiBold
                    Accessible.ignored: true
                }
            }
        }
    }
}
