// A line to type in, with a label above and a sentence below.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

FocusScope {
    id: field

    property alias text: input.text
    property alias placeholder: input.placeholderText
    property alias maximumLength: input.maximumLength
    property alias echoMode: input.echoMode
    property alias input: input
    property string label
    property string hint
    property string failure
    signal accepted()

    implicitWidth: 320
    implicitHeight: column.implicitHeight

    Column {
        id: column
        width: parent.width
        spacing: 6

        Words {
            width: parent.width
            visible: field.label
            text: field.label
            font.pixelSize: Theme.small
            font.weight: Font.Medium
            Accessible.ignored: true
        }
        TextField {
            id: input
            width: parent.width
            height: Theme.px(44)
            focus: true
            leftPadding: Theme.m
            rightPadding: Theme.m
            color: Theme.text
            placeholderTextColor: Theme.faint
            selectionColor: Theme.accent
            selectedTextColor: Theme.accentInk
            selectByMouse: true
            font.family: Theme.family
            font.pixelSize: Theme.px(15)
            Accessible.name: field.label || placeholderText
            Accessible.description: field.failure || field.hint
            onAccepted: field.accepted()
            background: Rectangle {
                radius: Theme.radius
                color: Theme.field
                border.width: input.activeFocus ? 2 : 1
                border.color: field.failure ? Theme.bad
                            : input.activeFocus ? Theme.accent : Theme.fieldLine
            }
        }
        Words {
            width: parent.width
            visible: text
            text: field.failure || field.hint
            color: field.failure ? Theme.bad : Theme.muted
            font.pixelSize: Theme.small
            wrapMode: Text.Wrap
        }
    }
}
