// A message of several pieces: text, quotes, and code with a button that copies it.
import QtQuick
import "../theme"
import "../controls"

Column {
    id: pieces

    property var blocks: []
    property bool mine: false
    property int widest: 400
    signal activated(string link)

    readonly property int wanted: {
        let most = 0
        for (const child of children)
            most = Math.max(most, child.wanted || 0)
        return Math.min(widest, most)
    }

    spacing: 6

    Repeater {
        model: pieces.blocks
        Item {
            id: piece

            required property var modelData
            readonly property bool isCode: modelData.kind === "code"
            readonly property bool quoted: modelData.kind === "quote"
            readonly property int inset: quoted ? 12 : 0
            readonly property int wanted: isCode
                ? Math.max(160, Math.ceil(probe.implicitWidth) + 26)
                : Math.ceil(probe.implicitWidth) + inset + 2

            width: pieces.width
            height: isCode ? block.height : said.height

            Said {
                id: probe
                visible: false
                objectName: ""
                rich: true
                wrapMode: TextEdit.NoWrap
                body: piece.modelData.body
                font.family: piece.isCode ? Theme.mono : Theme.family
                font.pixelSize: Theme.px(piece.isCode ? 13 : 15)
            }
            Rectangle {
                visible: piece.quoted
                width: 3
                height: parent.height
                radius: 1.5
                color: pieces.mine ? Theme.mineMuted : Theme.accent
            }
            Said {
                id: said
                visible: !piece.isCode
                objectName: piece.isCode ? "" : "messageText"
                x: piece.inset
                width: parent.width - x
                mine: pieces.mine
                rich: true
                body: piece.isCode ? "" : piece.modelData.body
                onActivated: link => pieces.activated(link)
            }
            Rectangle {
                id: block
                visible: piece.isCode
                width: parent.width
                height: piece.isCode ? head.height + flick.height + 10 : 0
                radius: Theme.s
                color: Theme.codeGround
                border.width: 1
                border.color: Theme.line

                Item {
                    id: head
                    width: parent.width
                    height: 32
                    Words {
                        x: Theme.m
                        anchors.verticalCenter: parent.verticalCenter
                        width: parent.width - copy.width - 24
                        text: piece.modelData.language || qsTr("Code")
                        color: Theme.muted
                        font.pixelSize: Theme.caption
                        elide: Text.ElideRight
                    }
                    IconButton {
                        id: copy
                        property bool done: false
                        objectName: "copyCodeButton"
                        anchors.right: parent.right
                        anchors.rightMargin: 2
                        implicitWidth: 32
                        implicitHeight: 32
                        symbolSize: 16
                        focusPolicy: Qt.NoFocus
                        symbol: done ? "check" : "copy"
                        label: done ? qsTr("Copied") : qsTr("Copy code")
                        onClicked: {
                            covey.copy(piece.modelData.plain)
                            done = true
                            undone.restart()
                        }
                        Timer { id: undone; interval: 1500; onTriggered: copy.done = false }
                    }
                }
                Flickable {
                    id: flick
                    y: head.height
                    x: Theme.m
                    width: parent.width - 2 * Theme.m
                    height: code.height
                    contentWidth: code.implicitWidth
                    contentHeight: height
                    clip: true
                    flickableDirection: Flickable.HorizontalFlick
                    boundsBehavior: Flickable.StopAtBounds
                    interactive: contentWidth > width
                    Said {
                        id: code
                        objectName: "codeText"
                        rich: true
                        wrapMode: TextEdit.NoWrap
                        body: piece.isCode ? piece.modelData.body : ""
                        font.family: Theme.mono
                        font.pixelSize: Theme.px(13)
                    }
                }
            }
        }
    }
}
