// The settings: a list of pages, and one of them at a time.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"
import "../rooms"

Sheet {
    id: dialog

    readonly property var preferences: covey.preferences
    readonly property var titles: ({
        "": qsTr("Settings"),
        profile: qsTr("Profile"),
        devices: qsTr("Devices"),
        privacy: qsTr("Privacy"),
        looks: qsTr("Appearance"),
        network: qsTr("Network"),
        about: qsTr("About Covey")
    })
    property string page

    function go(name) {
        preferences.reset()
        page = name
        pages.forceActiveFocus()
    }

    objectName: "settingsDialog"
    widest: 560
    title: titles[page]
    onAboutToShow: preferences.look()
    onClosed: preferences.reset()

    Column {
        width: parent.width
        spacing: Theme.m

        ActionButton {
            objectName: "settingsBackButton"
            visible: dialog.page
            kind: "quiet"
            symbol: "chevron-left"
            text: qsTr("All settings")
            onClicked: dialog.go("")
        }
        Loader {
            id: pages
            width: parent.width
            focus: true
            sourceComponent: ({ profile: profilePage, devices: devicesPage, privacy: privacyPage,
                                looks: looksPage, network: networkPage, about: aboutPage })[dialog.page]
                             || homePage
        }
        Words {
            objectName: "settingsFailure"
            width: parent.width
            visible: text
            text: dialog.preferences.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }

    Component {
        id: homePage
        Column {
            Repeater {
                model: [
                    ["profile", "user", covey.name],
                    ["devices", "monitor", qsTr("Link another one, or put one out")],
                    ["privacy", "eye", qsTr("What others see of you")],
                    ["looks", "palette", qsTr("Light, dark, size of the type")],
                    ["network", "globe", covey.network.title],
                    ["about", "info", ""]
                ]
                delegate: RowButton {
                    required property var modelData
                    objectName: "settings:" + modelData[0]
                    x: -Theme.l
                    width: parent.width + 2 * Theme.l
                    symbol: modelData[1]
                    text: dialog.titles[modelData[0]]
                    detail: modelData[2]
                    onClicked: dialog.go(modelData[0])
                }
            }
            RowButton {
                objectName: "settings:words"
                x: -Theme.l
                width: parent.width + 2 * Theme.l
                symbol: "key-round"
                text: qsTr("Your 24 words")
                detail: qsTr("With them you get your profile back")
                onClicked: dialog.wanted("Words")
            }
            RowButton {
                objectName: "settings:shortcuts"
                x: -Theme.l
                width: parent.width + 2 * Theme.l
                symbol: "keyboard"
                text: qsTr("Keyboard shortcuts")
                detail: "Ctrl+/"
                onClicked: dialog.wanted("Shortcuts")
            }
        }
    }
    Component {
        id: profilePage
        Column {
            spacing: Theme.l
            Avatar {
                anchors.horizontalCenter: parent.horizontalCenter
                size: 84
                initials: covey.initials
                colour: covey.colour
            }
            Field {
                id: nameField
                objectName: "profileNameField"
                width: parent.width
                focus: true
                label: qsTr("Name")
                hint: qsTr("Everybody in your rooms sees it, on all your devices.")
                maximumLength: covey.maxNameChars
                Component.onCompleted: text = covey.name
                onAccepted: rename.clicked()
            }
            ActionButton {
                id: rename
                objectName: "saveNameButton"
                text: qsTr("Save")
                busy: dialog.preferences.busy === "rename"
                enabled: nameField.text.trim() && nameField.text.trim() !== covey.name && !busy
                onClicked: if (enabled) dialog.preferences.rename(nameField.text)
            }
            Fact {
                width: parent.width
                label: qsTr("Public key")
                value: covey.identityKey
            }
        }
    }
    Component {
        id: devicesPage
        Column {
            spacing: Theme.m
            Repeater {
                model: dialog.preferences.devices
                delegate: Item {
                    id: device

                    required property string key
                    required property string name
                    required property string detail
                    required property bool me
                    required property bool online
                    required property bool revoked

                    objectName: "device:" + name
                    width: parent.width
                    height: Math.max(52, facts.implicitHeight + Theme.s)
                    Accessible.role: Accessible.ListItem
                    Accessible.name: name + ", " + detail
                    Icon {
                        id: sign
                        anchors.verticalCenter: parent.verticalCenter
                        name: device.revoked ? "ban" : "monitor"
                        size: 22
                        color: device.revoked ? Theme.faint : device.online || device.me ? Theme.good : Theme.muted
                    }
                    Column {
                        id: facts
                        anchors.left: sign.right
                        anchors.leftMargin: Theme.l
                        anchors.right: out.visible ? out.left : parent.right
                        anchors.verticalCenter: parent.verticalCenter
                        spacing: 2
                        Words {
                            width: parent.width
                            text: device.name
                            font.weight: Font.Medium
                            elide: Text.ElideRight
                            Accessible.ignored: true
                        }
                        Words {
                            width: parent.width
                            text: device.detail
                            color: Theme.muted
                            font.pixelSize: Theme.small
                            wrapMode: Text.Wrap
                            Accessible.ignored: true
                        }
                    }
                    IconButton {
                        id: out
                        objectName: "revokeDeviceButton"
                        visible: !device.me && !device.revoked
                        anchors.right: parent.right
                        anchors.verticalCenter: parent.verticalCenter
                        symbol: "log-out"
                        tint: Theme.bad
                        label: qsTr("Put %1 out").arg(device.name)
                        onClicked: {
                            revoke.key = device.key
                            revoke.title = qsTr("Put %1 out?").arg(device.name)
                            revoke.open()
                        }
                    }
                }
            }
            Words {
                objectName: "linkedText"
                width: parent.width
                visible: text
                text: dialog.preferences.linked ? qsTr("%1 is linked.").arg(dialog.preferences.linked) : ""
                color: Theme.good
                wrapMode: Text.Wrap
            }
            ActionButton {
                objectName: "linkDeviceButton"
                visible: !dialog.preferences.link
                symbol: "plus"
                text: qsTr("Link another device")
                busy: dialog.preferences.busy === "link"
                enabled: !busy
                onClicked: dialog.preferences.linkDevice()
            }
            Column {
                width: parent.width
                visible: dialog.preferences.link
                spacing: Theme.m
                QrCode {
                    objectName: "deviceCode"
                    anchors.horizontalCenter: parent.horizontalCenter
                    source: dialog.preferences.linkQr
                    label: qsTr("QR code for the new device")
                    size: 216
                }
                Words {
                    width: parent.width
                    text: qsTr("On the other device, choose \u201cLink a device\u201d and scan this, or paste the link. Whoever has it becomes you: show it to nobody else.")
                    color: Theme.muted
                    wrapMode: Text.Wrap
                }
                Row {
                    spacing: Theme.s
                    ActionButton {
                        objectName: "copyDeviceLinkButton"
                        kind: "secondary"
                        symbol: "copy"
                        text: qsTr("Copy link")
                        onClicked: covey.copy(dialog.preferences.link)
                    }
                    Spinner {
                        anchors.verticalCenter: parent.verticalCenter
                        running: parent.visible
                    }
                    Words {
                        anchors.verticalCenter: parent.verticalCenter
                        text: qsTr("Waiting for it")
                        color: Theme.muted
                    }
                }
            }
        }
    }
    Component {
        id: privacyPage
        Column {
            spacing: Theme.s
            Toggle {
                objectName: "shareTyping"
                width: parent.width
                text: qsTr("Show when I am writing")
                detail: qsTr("To the members of the room in which you write.")
                checked: dialog.preferences.sharesTyping
                onToggled: {
                    dialog.preferences.shareTyping(checked)
                    checked = Qt.binding(() => dialog.preferences.sharesTyping)
                }
            }
            Toggle {
                objectName: "sharePresence"
                width: parent.width
                text: qsTr("Show whether I am there")
                detail: qsTr("Active or away, to the members of your rooms.")
                checked: dialog.preferences.sharesPresence
                onToggled: {
                    dialog.preferences.sharePresence(checked)
                    checked = Qt.binding(() => dialog.preferences.sharesPresence)
                }
            }
            RowButton {
                objectName: "blockedPeopleRow"
                x: -Theme.l
                width: parent.width + 2 * Theme.l
                symbol: "ban"
                text: qsTr("People and blocked people")
                onClicked: dialog.wanted("People")
            }
        }
    }
    Component {
        id: looksPage
        Column {
            spacing: Theme.l
            Column {
                width: parent.width
                spacing: Theme.s
                Repeater {
                    model: [["system", "monitor", qsTr("As the system")],
                            ["light", "sun", qsTr("Light")], ["dark", "moon", qsTr("Dark")]]
                    delegate: Choice {
                        required property var modelData
                        objectName: "scheme:" + modelData[0]
                        width: parent.width
                        symbol: modelData[1]
                        text: modelData[2]
                        checked: dialog.preferences.scheme === modelData[0]
                        onClicked: dialog.preferences.setScheme(modelData[0])
                    }
                }
            }
            Select {
                objectName: "sizeSelect"
                width: parent.width
                label: qsTr("Size of the type")
                hint: qsTr("Also with Ctrl++, Ctrl+- and Ctrl+0.")
                options: dialog.preferences.sizes.map(it => qsTr("%1 %").arg(it))
                index: dialog.preferences.sizes.indexOf(dialog.preferences.size)
                onPicked: at => dialog.preferences.setSize(dialog.preferences.sizes[at])
            }
            Toggle {
                objectName: "motionToggle"
                width: parent.width
                text: qsTr("Motion")
                detail: qsTr("Short movements where something comes or goes.")
                checked: dialog.preferences.motion
                onToggled: {
                    dialog.preferences.setMotion(checked)
                    checked = Qt.binding(() => dialog.preferences.motion)
                }
            }
        }
    }
    Component {
        id: networkPage
        Column {
            spacing: Theme.m
            Words {
                width: parent.width
                text: covey.network.detail
                wrapMode: Text.Wrap
            }
            Repeater {
                model: [[qsTr("State"), covey.network.title],
                        [qsTr("Network nodes"), String(covey.network.nodes)],
                        [qsTr("From outside"), covey.network.reach],
                        [qsTr("Public address"), covey.network.address]]
                delegate: Fact {
                    required property var modelData
                    width: parent.width
                    label: modelData[0]
                    value: modelData[1]
                }
            }
            Repeater {
                model: covey.network.peers
                delegate: PeerRow { width: parent.width }
            }
            Words {
                width: parent.width
                text: qsTr("The devices you are connected to, and the members of your rooms who connect to you, see your address.")
                color: Theme.muted
                font.pixelSize: Theme.small
                wrapMode: Text.Wrap
            }
        }
    }
    Component {
        id: aboutPage
        Column {
            spacing: Theme.m
            Words {
                width: parent.width
                text: qsTr("Covey is a messenger without servers: rooms live on the machines of their members, encrypted from end to end.")
                wrapMode: Text.Wrap
                lineHeight: 1.25
            }
            Fact {
                width: parent.width
                label: qsTr("Version")
                value: dialog.preferences.version || qsTr("Not installed as a package")
            }
            Fact {
                width: parent.width
                label: qsTr("Icons and fonts")
                value: "Lucide (ISC), Inter (OFL), Noto Color Emoji (OFL)"
            }
        }
    }
    Ask {
        id: revoke

        property string key

        subtitle: qsTr("It is put out of all rooms for ever, and their keys turn. What it has already is still on it.")
        verb: qsTr("Put out")
        onAgreed: dialog.preferences.revoke(key)
    }
}
