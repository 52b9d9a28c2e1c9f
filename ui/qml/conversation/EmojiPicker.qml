// Emoji by group and by name, with skin tones and those used last.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Popup {
    id: picker

    signal chosen(string sign)

    readonly property var model: covey.emoji
    readonly property var symbols: ({
        recent: "history", smileys: "smile", people: "hand", nature: "leaf",
        food: "utensils", activities: "dumbbell", travel: "car", objects: "lightbulb",
        symbols: "hash", flags: "flag"
    })
    readonly property var names: ({
        recent: qsTr("Used last"), smileys: qsTr("Smileys and hearts"),
        people: qsTr("People and hands"), nature: qsTr("Animals and plants"),
        food: qsTr("Food and drink"), activities: qsTr("Activities"),
        travel: qsTr("Travel and places"), objects: qsTr("Objects"),
        symbols: qsTr("Symbols"), flags: qsTr("Flags")
    })

    function openAt(item) {
        const place = item.mapToItem(parent, 0, 0)
        x = Math.max(8, Math.min(place.x + item.width / 2 - width / 2,
                                 parent.width - width - 8))
        const above = place.y - height - 6
        y = above > 8 ? above : Math.max(8, Math.min(place.y + item.height + 6,
                                                     parent.height - height - 8))
        model.open()
        search.text = ""
        open()
        search.forceActiveFocus()
    }

    parent: Overlay.overlay
    width: parent ? Math.min(352, parent.width - 16) : 352
    height: parent ? Math.min(384, parent.height - 16) : 384
    padding: 0
    focus: true
    closePolicy: Popup.CloseOnEscape | Popup.CloseOnPressOutside
    background: Rectangle {
        color: Theme.raised
        radius: Theme.bubble
        border.width: 1
        border.color: Theme.line
    }
    enter: Transition {
        NumberAnimation { property: "opacity"; from: 0; to: 1; duration: Theme.quick }
    }
    exit: Transition {
        NumberAnimation { property: "opacity"; to: 0; duration: Theme.quick }
    }

    contentItem: FocusScope {
        focus: true
        Accessible.role: Accessible.Dialog
        Accessible.name: qsTr("Emoji")

        TextField {
            id: search
            objectName: "emojiSearch"
            x: Theme.m
            y: Theme.m
            width: parent.width - 2 * Theme.m
            height: Theme.px(40)
            focus: true
            leftPadding: 38
            placeholderText: qsTr("Search emoji")
            placeholderTextColor: Theme.faint
            color: Theme.text
            selectionColor: Theme.accent
            selectedTextColor: Theme.accentInk
            font.family: Theme.family
            font.pixelSize: Theme.body
            Accessible.name: placeholderText
            onTextEdited: picker.model.search(text)
            onAccepted: {
                if (grid.count > 0)
                    picker.choose(picker.signAt(Math.max(0, grid.currentIndex)))
            }
            Keys.onDownPressed: grid.forceActiveFocus()
            background: Rectangle {
                radius: 20
                color: Theme.field
                border.width: search.activeFocus ? 2 : 1
                border.color: search.activeFocus ? Theme.accent : Theme.fieldLine
            }
            Icon {
                x: Theme.m
                anchors.verticalCenter: parent.verticalCenter
                name: "search"
                size: 16
                color: Theme.muted
            }
        }
        Words {
            id: title
            x: Theme.l
            anchors.top: search.bottom
            anchors.topMargin: 10
            text: picker.model.searching ? qsTr("Found") : picker.names[picker.model.group] || ""
            color: Theme.muted
            font.pixelSize: Theme.caption
            font.weight: Font.DemiBold
        }
        GridView {
            id: grid
            objectName: "emojiGrid"
            readonly property int columns: Math.max(4, Math.floor(width / Theme.px(40)))
            anchors.top: title.bottom
            anchors.topMargin: 6
            anchors.bottom: groups.top
            anchors.bottomMargin: Theme.xs
            x: Theme.s
            width: parent.width - 2 * Theme.s
            cellWidth: Math.floor(width / columns)
            cellHeight: Theme.px(40)
            clip: true
            model: picker.model
            currentIndex: activeFocus ? 0 : -1
            activeFocusOnTab: true
            keyNavigationEnabled: true
            boundsBehavior: Flickable.StopAtBounds
            reuseItems: true
            ScrollBar.vertical: SlimScrollBar {}
            Accessible.role: Accessible.List
            Accessible.name: title.text
            Keys.onReturnPressed: picker.choose(picker.signAt(currentIndex))
            Keys.onPressed: event => {
                if (event.text && event.text > " ") {
                    search.forceActiveFocus()
                    search.insert(search.length, event.text)
                    picker.model.search(search.text)
                    event.accepted = true
                }
            }
            delegate: AbstractButton {
                id: cell
                required property string sign
                required property string name
                objectName: "emoji:" + sign
                width: grid.cellWidth
                height: grid.cellHeight
                hoverEnabled: true
                focusPolicy: Qt.NoFocus
                Accessible.role: Accessible.Button
                Accessible.name: name
                onClicked: picker.choose(sign)
                background: Rectangle {
                    anchors.fill: parent
                    anchors.margins: 1
                    radius: Theme.s
                    color: cell.hovered ? Theme.hover : "transparent"
                    FocusRing {
                        shown: cell.GridView.isCurrentItem && grid.activeFocus
                        corner: Theme.s
                        gap: -2
                    }
                }
                contentItem: Text {
                    text: cell.sign
                    font.family: Theme.family
                    font.pixelSize: Theme.px(22)
                    textFormat: Text.PlainText
                    horizontalAlignment: Text.AlignHCenter
                    verticalAlignment: Text.AlignVCenter
                    Accessible.ignored: true
                }
                Loader {
                    active: cell.hovered
                    sourceComponent: Hint { visible: cell.hovered; text: cell.name }
                }
            }
            Words {
                visible: grid.count === 0
                anchors.centerIn: parent
                text: qsTr("Nothing found")
                color: Theme.muted
            }
        }
        Row {
            id: groups
            anchors.bottom: parent.bottom
            anchors.bottomMargin: 6
            anchors.horizontalCenter: parent.horizontalCenter
            Repeater {
                model: picker.model.groups
                IconButton {
                    required property string modelData
                    objectName: "emojiGroup:" + modelData
                    implicitWidth: Math.floor((picker.width - 60) / 10)
                    implicitHeight: 34
                    symbolSize: 18
                    symbol: picker.symbols[modelData]
                    label: picker.names[modelData]
                    checked: picker.model.group === modelData && !picker.model.searching
                    onClicked: {
                        search.text = ""
                        picker.model.show(modelData)
                        grid.positionViewAtBeginning()
                    }
                }
            }
            AbstractButton {
                id: tone
                objectName: "toneButton"
                implicitWidth: 40
                implicitHeight: 34
                hoverEnabled: true
                focusPolicy: Qt.TabFocus
                Accessible.role: Accessible.ButtonMenu
                Accessible.name: qsTr("Skin tone")
                Keys.onReturnPressed: clicked()
                onClicked: tones.open()
                background: Rectangle {
                    radius: height / 2
                    color: tone.hovered ? Theme.hover : "transparent"
                    FocusRing { shown: tone.visualFocus; corner: parent.radius; gap: 0 }
                }
                contentItem: Text {
                    text: picker.model.tones[picker.model.tone]
                    font.family: Theme.family
                    font.pixelSize: Theme.grown(18)
                    horizontalAlignment: Text.AlignHCenter
                    verticalAlignment: Text.AlignVCenter
                    Accessible.ignored: true
                }
                Popup {
                    id: tones
                    y: -height - 4
                    x: tone.width - width
                    padding: 4
                    focus: true
                    background: Rectangle {
                        color: Theme.raised
                        radius: Theme.m
                        border.width: 1
                        border.color: Theme.line
                    }
                    contentItem: Row {
                        Repeater {
                            model: picker.model.tones
                            AbstractButton {
                                id: choice
                                required property string modelData
                                required property int index
                                objectName: "tone:" + index
                                implicitWidth: 36
                                implicitHeight: 36
                                hoverEnabled: true
                                focusPolicy: Qt.TabFocus
                                focus: index === 0
                                Accessible.role: Accessible.RadioButton
                                Accessible.name: qsTr("Skin tone %1").arg(index + 1)
                                Keys.onReturnPressed: clicked()
                                onClicked: {
                                    picker.model.setTone(index)
                                    tones.close()
                                }
                                background: Rectangle {
                                    radius: Theme.s
                                    color: choice.hovered ? Theme.hover : "transparent"
                                    FocusRing { shown: choice.visualFocus; gap: -2 }
                                }
                                contentItem: Text {
                                    text: choice.modelData
                                    font.family: Theme.family
                                    font.pixelSize: Theme.px(20)
                                    horizontalAlignment: Text.AlignHCenter
                                    verticalAlignment: Text.AlignVCenter
                                    Accessible.ignored: true
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    function signAt(at): string {
        return model.data(model.index(at, 0), 257) || ""
    }
    function choose(sign) {
        if (!sign)
            return
        model.use(sign)
        close()
        chosen(sign)
    }
}
