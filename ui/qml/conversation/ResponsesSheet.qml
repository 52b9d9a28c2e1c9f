// Who reacted how, or chose what.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: sheet

    property string messageId
    property bool poll: false
    readonly property var people: covey.conversation.responses

    title: poll ? qsTr("Who chose what") : qsTr("Who reacted")
    onOpened: people.look(messageId)

    ListView {
        id: list
        objectName: "responseList"
        width: parent.width
        height: Math.max(52, Math.min(contentHeight, 360))
        model: sheet.people
        clip: true
        boundsBehavior: Flickable.StopAtBounds
        activeFocusOnTab: true
        Accessible.role: Accessible.List
        Accessible.name: sheet.title
        delegate: Item {
            id: line
            required property string name
            required property string initials
            required property int colour
            required property string detail
            width: list.width
            height: 52
            Accessible.role: Accessible.ListItem
            Accessible.name: qsTr("%1: %2").arg(name).arg(detail)
            Avatar {
                id: face
                anchors.verticalCenter: parent.verticalCenter
                size: 36
                initials: line.initials
                colour: line.colour
            }
            Words {
                anchors.left: face.right
                anchors.leftMargin: Theme.m
                anchors.right: detail.left
                anchors.rightMargin: Theme.s
                anchors.verticalCenter: parent.verticalCenter
                text: line.name
                font.weight: Font.Medium
                elide: Text.ElideRight
                Accessible.ignored: true
            }
            Words {
                id: detail
                anchors.right: parent.right
                anchors.verticalCenter: parent.verticalCenter
                width: Math.min(implicitWidth, parent.width * 0.5)
                text: line.detail
                color: Theme.muted
                font.pixelSize: sheet.poll ? Theme.small : 18
                elide: Text.ElideRight
                horizontalAlignment: Text.AlignRight
                Accessible.ignored: true
            }
        }
    }
}
