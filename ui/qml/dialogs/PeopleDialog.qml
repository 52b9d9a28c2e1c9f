// Everybody one knows: who asks, who may write, who is blocked.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property var people: covey.people

    objectName: "peopleDialog"
    widest: 520
    title: qsTr("People")

    component Line: Item {
        id: line

        required property string key
        required property string name
        required property string initials
        required property int colour
        required property string state
        required property string detail
        required property bool verified
        default property alias ways: buttons.data

        width: parent ? parent.width : 0
        height: Math.max(60, words.implicitHeight + 2 * Theme.s)
        Accessible.role: Accessible.ListItem
        Accessible.name: [name, verified ? qsTr("Safety number compared") : "", detail].filter(x => x).join(", ")

        Avatar {
            id: face
            anchors.verticalCenter: parent.verticalCenter
            size: 40
            initials: line.initials
            colour: line.colour
            ground: Theme.raised
        }
        Column {
            id: words
            anchors.left: face.right
            anchors.leftMargin: Theme.m
            anchors.right: buttons.left
            anchors.rightMargin: Theme.s
            anchors.verticalCenter: parent.verticalCenter
            spacing: 2
            Row {
                width: parent.width
                spacing: Theme.xs
                Words {
                    width: Math.min(implicitWidth, parent.width - (mark.visible ? 20 : 0))
                    text: line.name
                    font.weight: Font.Medium
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
                Icon {
                    id: mark
                    anchors.verticalCenter: parent.verticalCenter
                    visible: line.verified
                    name: "badge-check"
                    size: 16
                    color: Theme.accentText
                }
            }
            Words {
                width: parent.width
                visible: text
                text: line.detail
                color: Theme.muted
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
                maximumLineCount: 3
                elide: Text.ElideRight
                Accessible.ignored: true
            }
        }
        Row {
            id: buttons
            anchors.right: parent.right
            anchors.verticalCenter: parent.verticalCenter
        }
    }
    component Heading: Words {
        width: parent ? parent.width : 0
        topPadding: Theme.s
        color: Theme.muted
        font.pixelSize: Theme.small
        font.weight: Font.DemiBold
        Accessible.role: Accessible.Heading
    }

    Column {
        width: parent.width
        spacing: Theme.xs

        Flow {
            width: parent.width
            spacing: Theme.s
            ActionButton {
                objectName: "writeButton"
                symbol: "pencil"
                text: qsTr("New message")
                onClicked: dialog.wanted("Write")
            }
            ActionButton {
                objectName: "myCodeButton"
                kind: "secondary"
                symbol: "qr-code"
                text: qsTr("My contact code")
                onClicked: dialog.wanted("Code")
            }
        }
        Heading {
            visible: dialog.people.asking.count > 0
            text: qsTr("They want to write to you")
        }
        Repeater {
            model: dialog.people.asking
            delegate: Line {
                id: asker
                objectName: "asking:" + name
                IconButton {
                    objectName: "acceptButton"
                    enabled: !dialog.people.busy
                    symbol: "check"
                    tint: Theme.good
                    label: qsTr("Accept %1").arg(asker.name)
                    onClicked: dialog.people.accept(asker.key)
                }
                IconButton {
                    objectName: "declineButton"
                    enabled: !dialog.people.busy
                    symbol: "x"
                    label: qsTr("Decline %1").arg(asker.name)
                    onClicked: dialog.people.decline(asker.key)
                }
                IconButton {
                    objectName: "blockButton"
                    enabled: !dialog.people.busy
                    symbol: "ban"
                    tint: Theme.bad
                    label: qsTr("Block %1").arg(asker.name)
                    onClicked: dialog.people.block(asker.key)
                }
            }
        }
        Heading {
            visible: dialog.people.contacts.count > 0
            text: qsTr("Contacts")
        }
        Repeater {
            model: dialog.people.contacts
            delegate: Line {
                id: contact
                objectName: "contact:" + name
                IconButton {
                    objectName: "contactWriteButton"
                    enabled: !dialog.people.busy
                    symbol: "message-circle"
                    label: qsTr("Write to %1").arg(contact.name)
                    onClicked: dialog.people.write(contact.key, "")
                }
                IconButton {
                    objectName: "contactMenuButton"
                    symbol: "ellipsis-vertical"
                    label: qsTr("More about %1").arg(contact.name)
                    onClicked: menu.open()
                    ThemedMenu {
                        id: menu
                        x: parent.width - width
                        y: parent.height
                        ThemedMenuItem {
                            objectName: "compareItem"
                            symbol: "shield-check"
                            text: qsTr("Compare safety number")
                            onTriggered: {
                                dialog.people.compare(contact.key, contact.name)
                                dialog.wanted("Safety")
                            }
                        }
                        ThemedMenuItem {
                            objectName: "copyContactItem"
                            symbol: "copy"
                            text: qsTr("Copy contact key")
                            onTriggered: covey.copy(contact.key)
                        }
                        ThemedMenuItem {
                            objectName: "blockContactItem"
                            symbol: "ban"
                            danger: true
                            text: qsTr("Block")
                            onTriggered: dialog.people.block(contact.key)
                        }
                    }
                }
            }
        }
        Heading {
            visible: dialog.people.blocked.count > 0
            text: qsTr("Blocked")
        }
        Repeater {
            model: dialog.people.blocked
            delegate: Line {
                id: barred
                objectName: "blocked:" + name
                ActionButton {
                    objectName: "unblockButton"
                    kind: "secondary"
                    text: qsTr("Unblock")
                    Accessible.name: qsTr("Unblock %1").arg(barred.name)
                    onClicked: dialog.people.unblock(barred.key)
                }
            }
        }
        Words {
            width: parent.width
            visible: dialog.people.asking.count + dialog.people.contacts.count
                     + dialog.people.blocked.count === 0
            topPadding: Theme.m
            text: qsTr("Nobody yet. Send somebody your contact code, or paste theirs.")
            color: Theme.muted
            wrapMode: Text.Wrap
        }
        Words {
            objectName: "peopleFailure"
            width: parent.width
            visible: text
            topPadding: Theme.s
            text: dialog.people.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }
    onAboutToShow: people.reset()
    Connections {
        target: dialog.people
        function onEntered() { dialog.close() }
    }
}
