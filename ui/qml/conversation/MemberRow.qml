// One member.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: member

    required property string key
    required property string name
    required property string initials
    required property int colour
    required property string role
    required property string detail
    required property bool online
    required property bool me

    objectName: "member:" + name
    height: 60
    // A pooled row is only culled; screen readers must not find it.
    ListView.onPooled: visible = false
    ListView.onReused: visible = true
    Accessible.role: Accessible.ListItem
    Accessible.name: [name, role, detail].filter(x => x).join(", ")

    Avatar {
        id: face
        x: Theme.l
        anchors.verticalCenter: parent.verticalCenter
        size: 40
        initials: member.initials
        colour: member.colour
        online: member.online && !member.me
    }
    Words {
        id: title
        anchors.left: face.right
        anchors.leftMargin: Theme.m
        anchors.right: role.visible ? role.left : parent.right
        anchors.rightMargin: role.visible ? Theme.s : Theme.l
        y: 11
        text: member.name
        font.weight: Font.Medium
        elide: Text.ElideRight
        Accessible.ignored: true
    }
    Words {
        anchors.left: title.left
        anchors.right: parent.right
        anchors.rightMargin: Theme.l
        y: 32
        text: member.detail
        color: Theme.muted
        font.pixelSize: Theme.caption
        elide: Text.ElideRight
        Accessible.ignored: true
    }
    Rectangle {
        id: role
        visible: member.role
        anchors.right: parent.right
        anchors.rightMargin: Theme.l
        anchors.verticalCenter: title.verticalCenter
        width: roleText.implicitWidth + 16
        height: 20
        radius: 10
        color: Theme.accentSoft
        Words {
            id: roleText
            anchors.centerIn: parent
            text: member.role
            color: Theme.accentText
            font.pixelSize: 11
            font.weight: Font.Medium
            Accessible.ignored: true
        }
    }
}
