// A dialog: in the middle of a wide window, over the whole width of a narrow one.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"

Popup {
    id: sheet

    property string title
    property string subtitle
    property int widest: 440
    // Another dialog is to take this one's place.
    signal wanted(string dialog)
    default property alias body: holder.data
    property alias actions: actionRow.data
    readonly property bool narrow: parent ? parent.width < 520 : false

    parent: Overlay.overlay
    modal: true
    focus: true
    width: parent ? Math.min(widest, parent.width - (narrow ? Theme.l : 2 * Theme.l)) : widest
    height: Math.min(implicitHeight, parent ? parent.height - (narrow ? Theme.l : 2 * Theme.l)
                                             : implicitHeight)
    x: parent ? Math.round((parent.width - width) / 2) : 0
    y: parent ? Math.round((parent.height - height) / 2) : 0
    padding: 0
    closePolicy: Popup.CloseOnEscape | Popup.CloseOnPressOutside

    Overlay.modal: Rectangle {
        color: Theme.scrim
        Behavior on opacity { NumberAnimation { duration: Theme.quick } }
    }
    background: Rectangle {
        color: Theme.raised
        radius: Theme.sheet
        border.width: Theme.dark ? 1 : 0
        border.color: Theme.line
    }
    enter: Transition {
        NumberAnimation { property: "opacity"; from: 0; to: 1; duration: Theme.quick }
        NumberAnimation {
            property: "scale"; from: 0.97; to: 1; duration: Theme.calmly
            easing.type: Easing.OutCubic
        }
    }
    exit: Transition {
        NumberAnimation { property: "opacity"; to: 0; duration: Theme.quick }
    }

    contentItem: FocusScope {
        focus: true
        implicitHeight: column.implicitHeight + 2 * flick.anchors.margins
        Accessible.role: Accessible.Dialog
        Accessible.name: sheet.title

        Flickable {
            id: flick
            anchors.fill: parent
            anchors.margins: sheet.narrow ? 20 : Theme.xl
            contentHeight: column.implicitHeight
            clip: contentHeight > height
            interactive: contentHeight > height
            boundsBehavior: Flickable.StopAtBounds
            ScrollBar.vertical: SlimScrollBar {
                parent: flick.parent
                anchors.top: flick.top
                anchors.bottom: flick.bottom
                anchors.right: parent.right
                anchors.rightMargin: Theme.xs
                // Shown all the time where there is more: a cut edge may look like an end.
                policy: flick.contentHeight > flick.height ? ScrollBar.AlwaysOn : ScrollBar.AsNeeded
                active: policy === ScrollBar.AlwaysOn
            }

            Column {
                id: column
                width: flick.width
                spacing: Theme.l

                Item {
                    width: parent.width
                    height: heading.height
                    Column {
                        id: heading
                        width: parent.width
                        spacing: 6
                        Words {
                            width: parent.width - closer.width
                            text: sheet.title
                            font.pixelSize: Theme.heading
                            font.weight: Font.DemiBold
                            wrapMode: Text.Wrap
                            Accessible.role: Accessible.Heading
                        }
                        Words {
                            width: parent.width
                            visible: sheet.subtitle
                            text: sheet.subtitle
                            color: Theme.muted
                            wrapMode: Text.Wrap
                            lineHeight: 1.25
                        }
                    }
                    IconButton {
                        id: closer
                        anchors.right: parent.right
                        anchors.rightMargin: -8
                        y: -8
                        symbol: "x"
                        label: qsTr("Close")
                        onClicked: sheet.close()
                    }
                }
                Item {
                    id: holder
                    width: parent.width
                    implicitHeight: childrenRect.height
                }
                Flow {
                    id: actionRow
                    width: parent.width
                    visible: children.length > 0
                    layoutDirection: Qt.RightToLeft
                    spacing: Theme.s
                    topPadding: Theme.xs
                }
            }
        }
    }
}
