// One member; a click, Return or the menu key tells what can be done.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: member

    required property int index
    required property string key
    required property string name
    required property string initials
    required property int colour
    required property string role
    required property string rank
    required property string detail
    required property bool online
    required property bool me
    required property bool muted
    required property bool verified
    required property var may
    signal menuWanted()

    objectName: "member:" + name
    height: Math.max(60, words.implicitHeight + 2 * Theme.m)
    hoverEnabled: true
    focusPolicy: Qt.NoFocus
    onClicked: if (!me) menuWanted()
    // A pooled row is only culled; screen readers must not find it.
    ListView.onPooled: visible = false
    ListView.onReused: visible = true
    Accessible.role: Accessible.ListItem
    Accessible.name: [name, verified ? qsTr("Safety number compared") : "", role, detail].filter(x => x).join(", ")
    Accessible.onPressAction: clicked()

    TapHandler {
        acceptedButtons: Qt.RightButton
        onTapped: member.clicked()
    }
    background: Rectangle {
        anchors.fill: parent
        anchors.leftMargin: Theme.s
        anchors.rightMargin: Theme.s
        radius: Theme.radius
        color: member.me ? "transparent" : member.down ? Theme.pressed
             : member.hovered ? Theme.hover : "transparent"
        FocusRing {
            shown: member.ListView.isCurrentItem && member.ListView.view.activeFocus
            gap: -3
        }
    }
    contentItem: Item {
        Avatar {
            id: face
            x: Theme.l + Theme.s
            anchors.verticalCenter: parent.verticalCenter
            size: 40
            initials: member.initials
            colour: member.colour
            online: member.online && !member.me
            ground: member.hovered && !member.me ? Theme.hover : Theme.surface
        }
        Column {
            id: words
            anchors.left: face.right
            anchors.leftMargin: Theme.m
            anchors.right: parent.right
            anchors.rightMargin: Theme.l + Theme.xs
            anchors.verticalCenter: parent.verticalCenter
            spacing: 2
            Item {
                width: parent.width
                height: title.implicitHeight
                Words {
                    id: title
                    width: Math.min(implicitWidth, parent.width
                                    - (role.visible ? role.width + Theme.s : 0)
                                    - signs.width - Theme.xs)
                    text: member.name
                    font.weight: Font.Medium
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
                Row {
                    id: signs
                    anchors.left: title.right
                    anchors.leftMargin: Theme.xs
                    anchors.verticalCenter: title.verticalCenter
                    spacing: Theme.xs
                    Icon {
                        visible: member.verified
                        name: "badge-check"
                        size: 15
                        color: Theme.accentText
                    }
                    Icon {
                        visible: member.muted
                        name: "mic-off"
                        size: 14
                        color: Theme.warn
                    }
                }
                Rectangle {
                    id: role
                    visible: member.role
                    anchors.right: parent.right
                    anchors.verticalCenter: title.verticalCenter
                    width: roleText.implicitWidth + 16
                    height: roleText.implicitHeight + 6
                    radius: height / 2
                    color: Theme.accentSoft
                    Words {
                        id: roleText
                        anchors.centerIn: parent
                        text: member.role
                        color: Theme.accentText
                        font.pixelSize: Theme.caption - 1
                        font.weight: Font.Medium
                        Accessible.ignored: true
                    }
                }
            }
            Words {
                width: parent.width
                text: member.detail
                color: Theme.muted
                font.pixelSize: Theme.caption
                elide: Text.ElideRight
                Accessible.ignored: true
            }
        }
    }
}
