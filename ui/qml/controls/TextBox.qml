// Some lines to type in, with a label above; Tab goes on.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

FocusScope {
    id: box

    property alias text: input.text
    property alias placeholder: input.placeholderText
    property string label
    property int maximumChars: 500

    implicitWidth: 320
    implicitHeight: column.implicitHeight

    Column {
        id: column
        width: parent.width
        spacing: 6

        Words {
            width: parent.width
            visible: box.label
            text: box.label
            font.pixelSize: Theme.small
            font.weight: Font.Medium
            Accessible.ignored: true
        }
        TextArea {
            id: input
            width: parent.width
            height: Math.max(72, Math.min(160, implicitHeight))
            focus: true
            padding: Theme.m
            color: Theme.text
            placeholderTextColor: Theme.faint
            selectionColor: Theme.accent
            selectedTextColor: Theme.accentInk
            selectByMouse: true
            textFormat: TextEdit.PlainText
            wrapMode: TextEdit.Wrap
            font.family: Theme.family
            font.pixelSize: Theme.px(15)
            KeyNavigation.priority: KeyNavigation.BeforeItem
            KeyNavigation.tab: input.nextItemInFocusChain()
            Accessible.role: Accessible.EditableText
            Accessible.name: box.label || placeholderText
            onTextChanged: if (length > box.maximumChars) remove(box.maximumChars, length)
            background: Rectangle {
                radius: Theme.radius
                color: Theme.field
                border.width: input.activeFocus ? 2 : 1
                border.color: input.activeFocus ? Theme.accent : Theme.fieldLine
            }
        }
    }
}
