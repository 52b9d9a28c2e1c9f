// Plain text in the theme's type. Never rich: what people write is shown as written.
import QtQuick
import "../theme"

Text {
    color: Theme.text
    font.family: Theme.family
    font.pixelSize: Theme.body
    textFormat: Text.PlainText
    Accessible.role: Accessible.StaticText
    Accessible.name: text
}
