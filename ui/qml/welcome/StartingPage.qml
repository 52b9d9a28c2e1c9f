// While the core comes up. Says so only when it takes long enough to be noticed.
import QtQuick
import "../theme"
import "../controls"

Item {
    Image {
        id: birds
        anchors.centerIn: parent
        width: 88
        height: 88
        source: "image://icon/covey/000000"
        sourceSize: Qt.size(176, 176)
        Accessible.ignored: true
    }
    Column {
        id: told
        anchors.top: birds.bottom
        anchors.topMargin: Theme.xl
        anchors.horizontalCenter: parent.horizontalCenter
        spacing: Theme.m
        opacity: 0
        Spinner {
            anchors.horizontalCenter: parent.horizontalCenter
            running: told.opacity > 0
        }
        Words {
            text: qsTr("Opening your profile")
            color: Theme.muted
        }
        Timer {
            interval: 500
            running: true
            onTriggered: told.opacity = 1
        }
        Behavior on opacity { NumberAnimation { duration: Theme.calmly } }
    }
}
