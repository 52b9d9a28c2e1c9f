// A name and its value, side by side.
import QtQuick
import "../theme"
import "../controls"

Item {
    id: fact

    property string label
    property string value

    implicitHeight: Math.max(name.implicitHeight, answer.implicitHeight)
    Accessible.role: Accessible.StaticText
    Accessible.name: label + ": " + value

    Words {
        id: name
        width: 118
        text: fact.label
        color: Theme.muted
        font.pixelSize: Theme.small
        Accessible.ignored: true
    }
    Words {
        id: answer
        anchors.left: name.right
        anchors.leftMargin: Theme.s
        anchors.right: parent.right
        text: fact.value
        font.pixelSize: Theme.small
        wrapMode: Text.Wrap
        Accessible.ignored: true
    }
}
