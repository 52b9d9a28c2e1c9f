// One connected device and the path to it.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: peer

    required property string key
    required property string name
    required property string initials
    required property int colour
    required property string path
    required property string pathText
    required property string address
    required property string roundTrip
    required property string traffic

    height: 56
    Accessible.role: Accessible.ListItem
    Accessible.name: [name, pathText, roundTrip, address, traffic].filter(x => x).join(", ")

    Avatar {
        id: face
        anchors.verticalCenter: parent.verticalCenter
        size: 34
        initials: peer.initials
        colour: peer.colour
    }
    Words {
        id: title
        anchors.left: face.right
        anchors.leftMargin: Theme.m
        anchors.right: way.left
        anchors.rightMargin: Theme.s
        y: 9
        text: peer.name
        font.weight: Font.Medium
        elide: Text.ElideRight
        Accessible.ignored: true
    }
    Words {
        anchors.left: title.left
        anchors.right: parent.right
        y: 30
        text: [peer.roundTrip, peer.traffic].filter(x => x).join(" \u00b7 ")
        color: Theme.muted
        font.pixelSize: Theme.caption
        elide: Text.ElideRight
        Accessible.ignored: true
    }
    Rectangle {
        id: way
        anchors.right: parent.right
        anchors.verticalCenter: title.verticalCenter
        width: wayRow.implicitWidth + 16
        height: 22
        radius: 11
        color: peer.path === "relayed" ? Theme.warnSoft : Theme.accentSoft
        Row {
            id: wayRow
            anchors.centerIn: parent
            spacing: 5
            Icon {
                anchors.verticalCenter: parent.verticalCenter
                name: peer.path === "relayed" ? "waypoints" : peer.path === "lan" ? "house" : "cable"
                size: 13
                color: peer.path === "relayed" ? Theme.warn : Theme.accentText
            }
            Words {
                text: peer.pathText
                font.pixelSize: Theme.caption
                font.weight: Font.Medium
                color: peer.path === "relayed" ? Theme.warn : Theme.accentText
                Accessible.ignored: true
            }
        }
    }
}
