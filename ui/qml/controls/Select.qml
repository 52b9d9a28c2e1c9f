// One of a few words, chosen from a menu; a label above, a sentence below.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

FocusScope {
    id: select

    property string label
    // For screen readers, where there is no label to see.
    property string name: label
    property string hint
    property var options: []
    property int index: -1
    property bool editable: true
    signal picked(int at)

    implicitWidth: 320
    implicitHeight: column.implicitHeight

    Column {
        id: column
        width: parent.width
        spacing: 6

        Words {
            width: parent.width
            visible: select.label
            text: select.label
            font.pixelSize: Theme.small
            font.weight: Font.Medium
            wrapMode: Text.Wrap
            Accessible.ignored: true
        }
        AbstractButton {
            id: box
            objectName: select.objectName + "Box"
            width: parent.width
            height: Theme.px(44)
            focus: true
            enabled: select.editable
            hoverEnabled: true
            focusPolicy: Qt.StrongFocus
            text: select.index >= 0 && select.index < select.options.length
                  ? select.options[select.index] : ""
            Accessible.role: Accessible.ComboBox
            Accessible.name: select.name + ": " + text
            Accessible.description: select.hint
            Accessible.onPressAction: clicked()
            Keys.onReturnPressed: clicked()
            Keys.onSpacePressed: clicked()
            Keys.onDownPressed: clicked()
            onClicked: menu.opened ? menu.close() : menu.open()
            background: Rectangle {
                radius: Theme.radius
                color: box.hovered && box.enabled ? Theme.hover : Theme.field
                border.width: 1
                border.color: Theme.fieldLine
                opacity: box.enabled ? 1 : 0.6
                FocusRing { shown: box.visualFocus }
            }
            contentItem: Item {
                Words {
                    anchors.left: parent.left
                    anchors.leftMargin: Theme.m
                    anchors.right: arrow.left
                    anchors.rightMargin: Theme.s
                    anchors.verticalCenter: parent.verticalCenter
                    text: box.text
                    color: box.enabled ? Theme.text : Theme.muted
                    font.pixelSize: Theme.px(15)
                    elide: Text.ElideRight
                    Accessible.ignored: true
                }
                Icon {
                    id: arrow
                    anchors.right: parent.right
                    anchors.rightMargin: Theme.m
                    anchors.verticalCenter: parent.verticalCenter
                    visible: box.enabled
                    name: "chevron-down"
                    size: 16
                    color: Theme.muted
                }
            }
            ThemedMenu {
                id: menu
                y: box.height + Theme.xs
                width: box.width
                onOpened: currentIndex = Math.max(0, select.index)
                Instantiator {
                    model: select.options
                    delegate: ThemedMenuItem {
                        required property int index
                        required property string modelData
                        objectName: select.objectName + "Option" + index
                        symbol: index === select.index ? "check" : ""
                        text: modelData
                        onTriggered: select.picked(index)
                    }
                    onObjectAdded: (at, item) => menu.insertItem(at, item)
                    onObjectRemoved: (at, item) => menu.removeItem(item)
                }
            }
        }
        Words {
            width: parent.width
            visible: text
            text: select.hint
            color: Theme.muted
            font.pixelSize: Theme.small
            wrapMode: Text.Wrap
        }
    }
}
