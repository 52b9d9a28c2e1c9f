// One line of a menu.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

MenuItem {
    id: item

    property string symbol
    property bool danger: false
    readonly property color ink: danger ? Theme.bad : Theme.text

    implicitHeight: Theme.control
    implicitWidth: label.implicitWidth + 64
    leftPadding: Theme.m
    rightPadding: Theme.l
    Accessible.name: text
    Accessible.role: Accessible.MenuItem

    contentItem: Item {
        Icon {
            id: sign
            anchors.verticalCenter: parent.verticalCenter
            name: item.symbol
            size: 18
            color: item.danger ? Theme.bad : Theme.muted
        }
        Words {
            id: label
            anchors.left: sign.right
            anchors.leftMargin: Theme.m
            anchors.verticalCenter: parent.verticalCenter
            text: item.text
            color: item.ink
            Accessible.ignored: true
        }
    }
    background: Rectangle {
        radius: Theme.s
        color: item.highlighted ? Theme.hover : "transparent"
    }
}
