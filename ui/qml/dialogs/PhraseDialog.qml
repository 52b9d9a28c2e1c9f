// The 24 words again, for somebody who asked.
import QtQuick
import "../theme"
import "../controls"
import "../welcome"

Sheet {
    id: dialog

    objectName: "phraseDialog"
    widest: 560
    title: qsTr("Your 24 words")
    subtitle: qsTr("Whoever has these words can write as you. Make sure that nobody looks over your shoulder.")

    WordGrid {
        width: parent.width
        words: covey.words
    }
    actions: ActionButton {
        text: qsTr("Done")
        onClicked: dialog.close()
    }
    onAboutToShow: covey.fetchPhrase()
    onClosed: covey.forgetPhrase()
}
