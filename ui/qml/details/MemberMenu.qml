// What can be done about one member; only what one's rank allows is there.
import QtQuick
import "../theme"
import "../controls"

ThemedMenu {
    id: menu

    property var may: []
    property bool muted: false
    property string key
    signal wanted(string dialog)

    function offer(row, item) {
        may = row.may
        muted = row.muted
        key = row.key
        covey.details.choose(row.key)
        popup(item, Math.max(0, item.width - width - Theme.l), item.height - Theme.s)
    }
    function shown(word) { return may.indexOf(word) >= 0 }

    ThemedMenuItem {
        objectName: "writeMemberItem"
        symbol: "message-circle"
        text: qsTr("Write to them alone")
        onTriggered: covey.people.write(menu.key, "")
    }
    ThemedMenuItem {
        objectName: "compareMemberItem"
        symbol: "shield-check"
        text: qsTr("Compare safety number")
        onTriggered: {
            covey.people.compare(menu.key, covey.details.chosenName)
            menu.wanted("Safety")
        }
    }
    ThemedMenuItem {
        objectName: "copyMemberKeyItem"
        symbol: "copy"
        text: qsTr("Copy contact key")
        onTriggered: covey.copy(menu.key)
    }
    ThemedMenuItem {
        objectName: "roleItem"
        visible: menu.shown("role")
        height: visible ? implicitHeight : 0
        symbol: "shield"
        text: qsTr("Change role")
        onTriggered: menu.wanted("Role")
    }
    ThemedMenuItem {
        objectName: "muteItem"
        visible: menu.shown("mute") && !menu.muted
        height: visible ? implicitHeight : 0
        symbol: "mic-off"
        text: qsTr("Mute")
        onTriggered: menu.wanted("Mute")
    }
    ThemedMenuItem {
        objectName: "unmuteItem"
        visible: menu.shown("mute") && menu.muted
        height: visible ? implicitHeight : 0
        symbol: "volume-x"
        text: qsTr("Let speak again")
        onTriggered: covey.details.mute(0)
    }
    ThemedMenuItem {
        objectName: "removeItem"
        visible: menu.shown("remove")
        height: visible ? implicitHeight : 0
        symbol: "user-minus"
        danger: true
        text: qsTr("Remove from the room")
        onTriggered: menu.wanted("Remove")
    }
    ThemedMenuItem {
        objectName: "banItem"
        visible: menu.shown("remove")
        height: visible ? implicitHeight : 0
        symbol: "ban"
        danger: true
        text: qsTr("Ban")
        onTriggered: menu.wanted("Ban")
    }
}
