// The one place where colours, sizes and motion are decided.
// Contrast of every pair of text and ground used is held to WCAG AA by a test.
pragma Singleton
import QtQuick

QtObject {
    // "system", "light" or "dark".
    property string scheme: "system"
    property bool motion: true
    // Of type and of what grows with it; 1 is the usual size.
    property real scale: 1

    readonly property bool dark: scheme === "dark"
        || (scheme === "system" && Application.styleHints.colorScheme === Qt.Dark)

    // Grounds
    readonly property color window: dark ? "#0f1514" : "#f3f6f5"
    readonly property color surface: dark ? "#161e1c" : "#ffffff"
    readonly property color raised: dark ? "#1d2725" : "#ffffff"
    readonly property color sunken: dark ? "#111817" : "#f1f5f4"
    readonly property color field: dark ? "#131b19" : "#ffffff"
    readonly property color hover: dark ? "#202b29" : "#eff4f2"
    readonly property color pressed: dark ? "#273432" : "#e2eae7"
    readonly property color selected: dark ? "#183e38" : "#dcf0eb"
    readonly property color line: dark ? "#2a3634" : "#dde5e2"
    readonly property color fieldLine: dark ? "#6d7d79" : "#7d8c88"
    readonly property color scrim: dark ? "#a6000000" : "#66101f1d"

    // Text
    readonly property color text: dark ? "#e8efed" : "#14211f"
    readonly property color muted: dark ? "#a6b5b1" : "#52615e"
    readonly property color faint: dark ? "#97a6a2" : "#5b6a66"

    // Accent
    readonly property color accent: dark ? "#52cfbd" : "#0f766e"
    readonly property color accentHover: dark ? "#6fdccc" : "#0c655e"
    readonly property color accentPressed: dark ? "#40b8a7" : "#0a554f"
    readonly property color accentInk: dark ? "#06231f" : "#ffffff"
    readonly property color accentText: dark ? "#6fdccb" : "#0b6b63"
    readonly property color accentSoft: dark ? "#17352f" : "#e2f3ef"

    // Messages
    readonly property color mine: dark ? "#164a43" : "#d2eee7"
    readonly property color mineInk: dark ? "#eaf6f3" : "#0f2623"
    readonly property color mineMuted: dark ? "#b4d6cf" : "#3a5954"
    readonly property color mineLink: dark ? "#8ce9da" : "#065c54"
    readonly property color mineSunken: dark ? "#10403a" : "#c3e6dd"
    readonly property color mineBar: dark ? "#1f6359" : "#a9d9cd"
    readonly property color chosen: dark ? "#2b5f57" : "#b4d9cf"
    readonly property color theirs: dark ? "#202b29" : "#ffffff"
    readonly property color theirsLine: dark ? "#202b29" : "#e4ebe8"

    // Code
    readonly property color codeGround: dark ? "#121a18" : "#f4f7f6"
    readonly property color codeComment: dark ? "#97a6a2" : "#5b6a66"
    readonly property color codeKeyword: dark ? "#8fb8ff" : "#2348a8"
    readonly property color codeString: dark ? "#8fd694" : "#23651f"
    readonly property color codeNumber: dark ? "#f2b27a" : "#8a4408"
    readonly property color codeName: dark ? "#d6a8f5" : "#75309c"

    // Meaning
    readonly property color good: dark ? "#5fd28b" : "#157a3c"
    readonly property color calm: dark ? "#7fb6e8" : "#2563a8"
    readonly property color warn: dark ? "#f2bd57" : "#8a5a06"
    readonly property color warnSoft: dark ? "#33280f" : "#fdf3df"
    readonly property color bad: dark ? "#ff9489" : "#b3261e"
    readonly property color badSoft: dark ? "#3a1d1a" : "#fdeceb"
    readonly property color badFill: dark ? "#ff9489" : "#b3261e"
    readonly property color badInk: dark ? "#33100c" : "#ffffff"

    // People
    readonly property var avatar: ["#b4432f", "#9c4f0b", "#756000", "#3b731a",
        "#0f766e", "#0b6a93", "#2f5fc4", "#6a4bc4", "#943ca2", "#ab336b"]
    readonly property var author: dark
        ? ["#ff9e8e", "#f5b567", "#dcc65a", "#9bd46f", "#5fd6c6", "#6cc7ee", "#9dbaff",
           "#bcaaff", "#e29bec", "#ff9cc4"]
        : ["#a83c29", "#8f480a", "#6b5800", "#356a17", "#0c6a63", "#0a6088", "#2956b5",
           "#5f42b5", "#883795", "#9c2e61"]

    // Spacing, a scale of four
    readonly property int xs: 4
    readonly property int s: 8
    readonly property int m: 12
    readonly property int l: 16
    readonly property int xl: 24
    readonly property int xxl: 32

    // Corners
    readonly property int radius: 10
    readonly property int bubble: 16
    readonly property int sheet: 18

    // Type, in pixels
    readonly property string family: "Inter"
    readonly property string mono: "monospace"
    readonly property int caption: px(12)
    readonly property int small: px(13)
    readonly property int body: px(14)
    readonly property int title: px(16)
    readonly property int heading: px(20)
    readonly property int display: px(28)

    // Sizes of controls
    readonly property int control: grown(40)
    readonly property int bar: grown(64)

    // Motion, in milliseconds
    readonly property int quick: motion ? 110 : 0
    readonly property int calmly: motion ? 180 : 0

    function px(size: real): int { return Math.round(size * scale) }
    // What holds type, or stands beside it, grows less than type does.
    function grown(size: real): int { return Math.round(size * Math.min(scale, 1.3)) }

    function tone(name: string): color {
        switch (name) {
        case "good": return good
        case "calm": return calm
        case "busy": return warn
        case "bad": return bad
        default: return muted
        }
    }
}
