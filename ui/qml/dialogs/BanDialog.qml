// Putting a member out for good.
import QtQuick

RemoveDialog {
    ban: true
}
