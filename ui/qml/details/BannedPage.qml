// Who is kept out.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

Item {
    id: page

    readonly property var details: covey.details

    ListView {
        id: list
        objectName: "bannedList"
        anchors.fill: parent
        clip: true
        topMargin: Theme.s
        model: page.details.banned
        boundsBehavior: Flickable.StopAtBounds
        ScrollBar.vertical: SlimScrollBar {}
        Accessible.role: Accessible.List
        Accessible.name: qsTr("Banned")
        delegate: PersonLine {
            id: row

            required property string key
            required property bool may

            objectName: "banned:" + name
            width: list.width
            ActionButton {
                objectName: "unbanButton"
                visible: row.may
                kind: "secondary"
                enabled: !page.details.busy
                text: qsTr("Lift the ban")
                Accessible.name: qsTr("Lift the ban of %1").arg(row.name)
                onClicked: page.details.unban(row.key)
            }
        }
    }
    EmptyState {
        visible: page.details.banned.count === 0
        anchors.centerIn: parent
        width: parent.width - 2 * Theme.xl
        symbol: "ban"
        title: qsTr("Nobody is banned")
        text: qsTr("Who is banned comes back by an invite made after the ban was lifted.")
    }
}
