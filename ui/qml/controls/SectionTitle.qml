// What the lines below have in common.
import QtQuick
import "../theme"

Words {
    leftPadding: Theme.l + Theme.s
    rightPadding: Theme.l
    topPadding: Theme.m
    bottomPadding: Theme.xs
    color: Theme.muted
    font.pixelSize: Theme.small
    font.weight: Font.DemiBold
    wrapMode: Text.Wrap
    Accessible.role: Accessible.Heading
}
