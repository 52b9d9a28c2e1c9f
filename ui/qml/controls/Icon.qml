// An icon of the set, in one colour, sharp on every screen. Decoration only:
// what it means is said by the control around it.
import QtQuick
import QtQuick.Window
import "../theme"

Image {
    id: icon

    property string name
    property color color: Theme.text
    property int size: 20

    width: size
    height: size
    sourceSize: Qt.size(Math.ceil(size * Screen.devicePixelRatio),
                        Math.ceil(size * Screen.devicePixelRatio))
    source: name ? "image://icon/" + name + "/" + String(color).slice(-6) : ""
    fillMode: Image.PreserveAspectFit
    Accessible.ignored: true
}
