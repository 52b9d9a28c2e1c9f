// The window. Which page it shows is decided by the session's phase.
import QtQuick
import QtQuick.Controls.Basic
import "theme"

ApplicationWindow {
    id: window

    readonly property var pages: ({
        starting: "welcome/StartingPage.qml",
        welcome: "welcome/WelcomePage.qml",
        locked: "welcome/UnlockPage.qml",
        phrase: "welcome/PhrasePage.qml",
        failed: "welcome/FailedPage.qml",
        ready: "MainPage.qml"
    })

    minimumWidth: 360
    minimumHeight: 480
    color: Theme.window
    font.family: Theme.family
    font.pixelSize: Theme.body
    title: {
        const name = covey.name ? qsTr("Covey \u2013 %1").arg(covey.name) : qsTr("Covey")
        return covey.rooms.unread > 0 ? "(" + covey.rooms.unread + ") " + name : name
    }
    Component.onCompleted: dress()
    Connections {
        target: covey.preferences
        function onLooksChanged() { window.dress() }
    }
    function dress() {
        Theme.scheme = covey.preferences.scheme
        Theme.scale = covey.preferences.size / 100
        Theme.motion = covey.preferences.motion
    }
    onActiveChanged: covey.setActive(active)

    Loader {
        id: page
        objectName: "page"
        anchors.fill: parent
        focus: true
        source: window.pages[covey.phase]
        onLoaded: arrive.restart()
        NumberAnimation {
            id: arrive
            target: page.item
            property: "opacity"
            from: 0
            to: 1
            duration: Theme.calmly
        }
    }
    Shortcut { sequences: ["Ctrl++", "Ctrl+="]; onActivated: covey.preferences.step(1) }
    Shortcut { sequence: "Ctrl+-"; onActivated: covey.preferences.step(-1) }
    Shortcut { sequence: "Ctrl+0"; onActivated: covey.preferences.step(0) }
    Shortcut { sequences: [StandardKey.Quit]; onActivated: window.close() }
}
