// A QR code on white in every theme, with whole pixels a module.
import QtQuick
import "../theme"

Rectangle {
    id: card

    property string source
    property string label
    property int size: 264

    implicitWidth: size
    implicitHeight: size
    radius: Theme.l
    color: "#ffffff"
    border.width: 1
    border.color: Theme.line

    Image {
        objectName: card.objectName + "Image"
        anchors.centerIn: parent
        visible: card.source
        source: card.source
        smooth: false
        width: implicitWidth > 0
               ? implicitWidth * Math.max(1, Math.floor(card.size / implicitWidth)) : 0
        height: width
        Accessible.role: Accessible.Graphic
        Accessible.name: card.label
    }
}
