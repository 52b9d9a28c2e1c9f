// A plain sentence over everything, until it has been read.
import QtQuick
import "../theme"

Rectangle {
    id: banner

    property string text
    property string action
    property string tone: "bad"
    property bool busy: false
    signal acted()
    signal dismissed()

    implicitHeight: Math.max(48, words.implicitHeight + 2 * Theme.m)
    color: tone === "bad" ? Theme.badSoft : Theme.warnSoft
    Accessible.role: Accessible.AlertMessage
    Accessible.name: text

    Icon {
        id: sign
        x: Theme.l
        anchors.verticalCenter: parent.verticalCenter
        name: "circle-alert"
        size: 18
        color: banner.tone === "bad" ? Theme.bad : Theme.warn
    }
    Words {
        id: words
        anchors.left: sign.right
        anchors.leftMargin: Theme.m
        anchors.right: buttons.left
        anchors.rightMargin: Theme.s
        anchors.verticalCenter: parent.verticalCenter
        text: banner.text
        wrapMode: Text.Wrap
        Accessible.ignored: true
    }
    Row {
        id: buttons
        anchors.right: parent.right
        anchors.rightMargin: Theme.s
        anchors.verticalCenter: parent.verticalCenter
        ActionButton {
            objectName: "bannerAction"
            visible: banner.action
            kind: "quiet"
            text: banner.action
            busy: banner.busy
            onClicked: banner.acted()
        }
        IconButton {
            objectName: "bannerDismiss"
            symbol: "x"
            label: qsTr("Dismiss")
            onClicked: banner.dismissed()
        }
    }
}
