// Sixty digits that two people compare, on the phone or side by side.
import QtQuick
import "../theme"
import "../controls"

Sheet {
    id: dialog

    readonly property var people: covey.people

    objectName: "safetyDialog"
    title: qsTr("Safety number with %1").arg(people.comparedName)
    subtitle: qsTr("Read it to each other, in a call or side by side. If both see the same, nobody stands between you.")

    Column {
        width: parent.width
        spacing: Theme.l

        Rectangle {
            width: parent.width
            height: grid.implicitHeight + 2 * Theme.l
            radius: Theme.radius
            color: Theme.sunken
            border.width: 1
            border.color: Theme.line
            Grid {
                id: grid
                objectName: "safetyNumber"
                anchors.centerIn: parent
                columns: dialog.narrow ? 3 : 4
                columnSpacing: Theme.l + 2
                rowSpacing: Theme.m
                Accessible.role: Accessible.StaticText
                Accessible.name: dialog.people.numbers.join(" ")
                Repeater {
                    model: dialog.people.numbers
                    delegate: Words {
                        required property string modelData
                        text: modelData
                        font.pixelSize: Theme.px(20)
                        font.weight: Font.Medium
                        font.letterSpacing: 1
                        font.features: ({ "tnum": 1 })
                        Accessible.ignored: true
                    }
                }
            }
            Spinner {
                anchors.centerIn: parent
                visible: dialog.people.numbers.length === 0 && !dialog.people.failure
                running: visible
            }
        }
        Row {
            width: parent.width
            spacing: Theme.s
            visible: dialog.people.comparedVerified
            Icon {
                id: mark
                anchors.verticalCenter: parent.verticalCenter
                name: "badge-check"
                size: 20
                color: Theme.good
            }
            Words {
                objectName: "verifiedText"
                anchors.verticalCenter: parent.verticalCenter
                width: parent.width - mark.width - Theme.s
                text: qsTr("You have compared it. Their name carries this mark on this device.")
                wrapMode: Text.Wrap
            }
        }
        Words {
            width: parent.width
            visible: text
            text: dialog.people.failure
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }
    actions: ActionButton {
        id: button
        objectName: "verifyButton"
        enabled: dialog.people.numbers.length > 0
        kind: dialog.people.comparedVerified ? "secondary" : "primary"
        symbol: dialog.people.comparedVerified ? "" : "badge-check"
        text: dialog.people.comparedVerified ? qsTr("Take the mark away") : qsTr("They are the same")
        onClicked: dialog.people.setVerified(!dialog.people.comparedVerified)
    }
    onOpened: button.forceActiveFocus()
}
