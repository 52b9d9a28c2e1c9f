// Who waits to be let in.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Item {
    id: page

    readonly property var details: covey.details

    ListView {
        id: list
        objectName: "requestList"
        anchors.fill: parent
        clip: true
        topMargin: Theme.s
        model: page.details.requests
        boundsBehavior: Flickable.StopAtBounds
        ScrollBar.vertical: SlimScrollBar {}
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Requests to join")
        delegate: PersonLine {
            id: row

            required property string key
            required property bool may

            objectName: "request:" + name
            width: list.width
            ActionButton {
                objectName: "approveButton"
                enabled: !page.details.busy
                text: qsTr("Let in")
                Accessible.name: qsTr("Let %1 in").arg(row.name)
                onClicked: page.details.answer(row.key, true)
            }
            ActionButton {
                objectName: "denyButton"
                kind: "secondary"
                enabled: !page.details.busy
                text: qsTr("Decline")
                Accessible.name: qsTr("Decline %1").arg(row.name)
                onClicked: page.details.answer(row.key, false)
            }
        }
        footer: Words {
            x: Theme.l + Theme.s
            width: list.width - 2 * x
            topPadding: Theme.m
            text: page.details.failure
            visible: text
            color: Theme.bad
            wrapMode: Text.Wrap
        }
    }
    EmptyState {
        visible: page.details.requests.count === 0
        anchors.centerIn: parent
        width: parent.width - 2 * Theme.xl
        symbol: "user-check"
        title: qsTr("Nobody waits")
        text: qsTr("Whoever comes by an invite with approval is shown here until you decide.")
    }
}
