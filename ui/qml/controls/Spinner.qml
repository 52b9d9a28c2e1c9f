// Something is under way. Turns only while it can be seen.
import QtQuick
import "../theme"

Icon {
    id: spinner

    property bool running: true

    name: "loader-circle"
    color: Theme.accentText

    RotationAnimator on rotation {
        running: spinner.running && spinner.visible && Theme.motion
        from: 0
        to: 360
        duration: 1100
        loops: Animation.Infinite
    }
}
