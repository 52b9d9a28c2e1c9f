// What else can be said: a poll, later, or for a while only.
import QtQuick
import QtQuick.Controls.Basic
import "../theme"
import "../controls"

ThemedMenu {
    id: menu

    property bool ready: false
    readonly property var composing: covey.conversation.composing
    readonly property var lifetimes: [
        { ms: 0, name: qsTr("Messages stay") },
        { ms: 300000, name: qsTr("Gone after 5 minutes") },
        { ms: 3600000, name: qsTr("Gone after 1 hour") },
        { ms: 86400000, name: qsTr("Gone after 1 day") },
        { ms: 604800000, name: qsTr("Gone after 1 week") }
    ]
    signal sheetWanted(string name)

    y: -height - 8
    width: Math.min(336, Math.max(208, Theme.px(184) + 24))

    ThemedMenuItem {
        objectName: "pollItem"
        symbol: "chart-bar-big"
        text: qsTr("Poll\u2026")
        onTriggered: menu.sheetWanted("PollSheet")
    }
    ThemedMenuItem {
        objectName: "laterItem"
        symbol: "calendar-clock"
        text: qsTr("Send later\u2026")
        enabled: menu.ready
        opacity: enabled ? 1 : 0.5
        onTriggered: menu.sheetWanted("ScheduleSheet")
    }
    MenuSeparator {
        contentItem: Rectangle {
            implicitHeight: 1
            color: Theme.line
        }
    }
    Repeater {
        model: menu.lifetimes
        ThemedMenuItem {
            required property var modelData
            objectName: "lifetime:" + modelData.ms
            symbol: menu.composing.lifetime === modelData.ms ? "check"
                  : modelData.ms ? "timer" : ""
            text: modelData.name
            onTriggered: menu.composing.setLifetime(modelData.ms)
        }
    }
}
