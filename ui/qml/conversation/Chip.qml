// A small round button below a message: a sign or an icon, and a word.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

AbstractButton {
    id: chip

    property string sign
    property string symbol
    property string hint
    property bool quiet: false

    implicitHeight: Theme.px(28)
    implicitWidth: Math.max(implicitHeight, content.implicitWidth + (text ? 18 : 14))
    hoverEnabled: true
    focusPolicy: Qt.NoFocus
    Accessible.role: Accessible.Button
    Accessible.checkable: sign
    Accessible.checked: checked
    Accessible.onPressAction: clicked()

    contentItem: Item {
        implicitWidth: content.implicitWidth
        Row {
            id: content
            anchors.centerIn: parent
            spacing: 5
            Icon {
                anchors.verticalCenter: parent.verticalCenter
                visible: chip.symbol
                name: chip.symbol
                size: 15
                color: chip.quiet || !chip.text ? Theme.muted : Theme.accentText
            }
            Words {
                anchors.verticalCenter: parent.verticalCenter
                visible: chip.sign
                text: chip.sign
                font.pixelSize: Theme.px(15)
                Accessible.ignored: true
            }
            Words {
                anchors.verticalCenter: parent.verticalCenter
                visible: chip.text
                text: chip.text
                color: chip.checked || (chip.symbol && !chip.quiet) ? Theme.accentText
                                                                    : Theme.muted
                font.pixelSize: Theme.caption
                font.weight: Font.DemiBold
                Accessible.ignored: true
            }
        }
    }
    background: Rectangle {
        radius: height / 2
        color: chip.down ? Theme.pressed : chip.checked ? Theme.accentSoft
             : chip.hovered ? Theme.hover : Theme.surface
        border.width: 1
        border.color: chip.checked ? Theme.accent : Theme.line
        FocusRing { shown: chip.visualFocus; corner: parent.radius; gap: 0 }
    }
    Loader {
        active: chip.hovered && chip.hint
        sourceComponent: Hint {
            visible: chip.hovered
            text: chip.hint
        }
    }
}
