// The delivery ledger: who has a message, and whom it waits for.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: sheet

    property string messageId
    readonly property var ledger: covey.conversation.ledger
    readonly property var signs: ({ holds: "circle-check", coming: "loader-circle",
                                    waiting: "clock" })

    title: qsTr("Who has this message")
    subtitle: ledger.sentence
    onOpened: ledger.open(messageId)
    onClosed: ledger.close()

    ListView {
        id: list
        objectName: "deliveryList"
        width: parent.width
        height: Math.min(contentHeight, 360)
        implicitHeight: height
        model: sheet.ledger
        clip: true
        spacing: 2
        boundsBehavior: Flickable.StopAtBounds
        activeFocusOnTab: true
        Accessible.role: Accessible.List
        Accessible.name: sheet.title
        delegate: Item {
            id: line
            required property string name
            required property string initials
            required property int colour
            required property bool me
            required property string state
            required property string detail
            required property string share
            objectName: "delivery:" + name
            width: list.width
            height: Math.max(52, words.height + 12)
            Accessible.role: Accessible.ListItem
            Accessible.name: [name, detail, share].filter(it => it).join(", ")
            Avatar {
                id: face
                anchors.verticalCenter: parent.verticalCenter
                size: 36
                initials: line.initials
                colour: line.colour
            }
            Column {
                id: words
                anchors.left: face.right
                anchors.leftMargin: Theme.m
                anchors.right: sign.left
                anchors.rightMargin: Theme.s
                anchors.verticalCenter: parent.verticalCenter
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
            }
            Row {
                id: sign
                anchors.right: parent.right
                anchors.verticalCenter: parent.verticalCenter
                spacing: 6
                Words {
                    anchors.verticalCenter: parent.verticalCenter
                    text: line.share
                    color: Theme.muted
                    font.pixelSize: Theme.caption
                    Accessible.ignored: true
                }
                Icon {
                    anchors.verticalCenter: parent.verticalCenter
                    name: sheet.signs[line.state]
                    color: line.state === "holds" ? Theme.good
                         : line.state === "coming" ? Theme.calm : Theme.muted
                }
            }
        }
    }
}
