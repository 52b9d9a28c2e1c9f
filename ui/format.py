"""Words and numbers as people read them: times, sizes, initials, message text.

Pure functions; the only thing they ask the system for is the language, through Qt's
``QLocale`` and translator. Times come in as milliseconds since the epoch, ``today`` as
a local date, so that tests need no clock.
"""

from __future__ import annotations

import html
import re
import unicodedata
import zlib
from datetime import date, datetime

from PySide6.QtCore import QCoreApplication, QDate, QLocale, QTime

AVATAR_COLOURS = 10
"""How many avatar colours the theme offers."""

MAX_PREVIEW_CHARS = 120
"""Length of a last message in the room list, in characters."""

MAX_EMOJI_ONLY_CHARS = 24
"""A longer message of emoji alone is shown like any other."""

_LINK = re.compile(r"(?:https?|covey)://[^\s<>\"'\u0000-\u001f\u007f]{1,2000}")
_TRAILING = ".,;:!?)]}\u2026"

_BIDI = dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C], None
)

translate = QCoreApplication.translate


def local_day(at_ms: int) -> date:
    """The local calendar day of an instant; instants out of range count as day one."""
    return _local(at_ms).date()


def _local(at_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(at_ms / 1000)
    except (OverflowError, OSError, ValueError):
        return datetime(1970, 1, 1)


def clock_time(at_ms: int) -> str:
    """The time of day in the system's short form, such as ``14:32`` or ``2:32 PM``."""
    moment = _local(at_ms)
    return QLocale().toString(
        QTime(moment.hour, moment.minute), QLocale.FormatType.ShortFormat
    )


def day_name(day: date, today: date) -> str:
    """A day as a separator names it: today, yesterday, weekday and date."""
    distance = (today - day).days
    if distance == 0:
        return translate("format", "Today")
    if distance == 1:
        return translate("format", "Yesterday")
    moment = QDate(day.year, day.month, day.day)
    if day.year == today.year:
        return QLocale().toString(moment, "dddd, d MMMM")
    return QLocale().toString(moment, QLocale.FormatType.LongFormat)


def list_time(at_ms: int, today: date) -> str:
    """An instant in the room list: time today, weekday this week, else the date."""
    day = local_day(at_ms)
    distance = (today - day).days
    if distance == 0:
        return clock_time(at_ms)
    if distance == 1:
        return translate("format", "Yesterday")
    moment = QDate(day.year, day.month, day.day)
    if 1 < distance < 7:
        return QLocale().toString(moment, "dddd")
    if day.year == today.year:
        return QLocale().toString(moment, "d MMM")
    return QLocale().toString(moment, QLocale.FormatType.ShortFormat)


def full_time(at_ms: int) -> str:
    """Day and time, such as ``Wed 28 Oct 2026, 14:32``."""
    local = _local(at_ms)
    day = QLocale().toString(
        QDate(local.year, local.month, local.day), "ddd d MMM yyyy"
    )
    return f"{day}, {clock_time(at_ms)}"


def size(byte_count: int) -> str:
    """A number of bytes in the system's language, such as ``1.4 MB``."""
    return QLocale().formattedDataSize(
        byte_count, 1, QLocale.DataSizeFormat.DataSizeTraditionalFormat
    )


def clean_name(name: str) -> str:
    """A name without control and direction characters, so that it cannot disguise."""
    kept = "".join(
        character
        for character in " ".join(name.translate(_BIDI).split())
        if unicodedata.category(character) not in ("Cc", "Cs", "Co", "Zl", "Zp")
    )
    return " ".join(kept.split())


def initials(name: str) -> str:
    """One or two capital letters that stand for a name; ``?`` when it has none."""
    words = [
        "".join(c for c in word if c.isalnum()) for word in clean_name(name).split()
    ]
    words = [word for word in words if word]
    if not words:
        return "?"
    if len(words) == 1:
        return words[0][:1].upper()
    return (words[0][:1] + words[-1][:1]).upper()


def colour_index(key: str) -> int:
    """Which avatar colour belongs to a key or id, the same on every device."""
    return zlib.crc32(key.encode()) % AVATAR_COLOURS if key else 0


def preview(text: str) -> str:
    """The first line's worth of a message, on one line."""
    line = " ".join(text[: MAX_PREVIEW_CHARS * 2].translate(_BIDI).split())
    if len(line) > MAX_PREVIEW_CHARS:
        return line[:MAX_PREVIEW_CHARS].rstrip() + "\u2026"
    return line


def has_link(text: str) -> bool:
    """Whether :func:`rich_text` would find a link in the text."""
    return "://" in text and _LINK.search(text) is not None


def rich_text(text: str, link_colour: str) -> str:
    """The text as HTML that shows exactly these characters, with links marked.

    Everything is escaped; the only elements are line breaks and anchors whose target
    is the text they show.
    """
    pieces: list[str] = []
    position = 0
    for match in _LINK.finditer(text):
        link = match.group().rstrip(_TRAILING)
        pieces.append(escaped(text[position : match.start()]))
        target = html.escape(link, quote=True)
        pieces.append(
            f'<a href="{target}" style="color:{link_colour}">{html.escape(link)}</a>'
        )
        position = match.start() + len(link)
    pieces.append(escaped(text[position:]))
    return "".join(pieces)


def first_link(text: str) -> str:
    """The link with which a text begins, or nothing."""
    found = _LINK.match(text)
    return found.group().rstrip(_TRAILING) if found is not None else ""


def escaped(text: str) -> str:
    """The text as HTML that shows exactly these characters and lines."""
    body = html.escape(text)
    body = re.sub(r"  +", lambda run: "&nbsp;" * len(run.group()), body)
    return body.replace("\n", "<br>")


def only_emoji(text: str) -> bool:
    """Whether the text is a few emoji and nothing else, to be shown large."""
    stripped = text.strip()
    if not stripped or len(stripped) > MAX_EMOJI_ONLY_CHARS:
        return False
    seen = False
    for character in stripped:
        code = ord(character)
        if 0x1F000 <= code <= 0x1FAFF or 0x2600 <= code <= 0x27BF or code == 0x2B50:
            seen = True
        elif code not in (0x200D, 0xFE0F, 0x20) and not 0xE0020 <= code <= 0xE007F:
            return False
    return seen


def member_count(count: int) -> str:
    """``1 member`` or ``3 members``."""
    return translate("format", "%n member(s)", None, count)


def device_count(count: int) -> str:
    """``1 device`` or ``3 devices``."""
    return translate("format", "%n device(s)", None, count)


def delivery(delivered_to: int, device_count: int = 0) -> str:
    """The state of an own message: where it is held.

    Args:
        delivered_to: Other devices that hold it.
        device_count: Other devices there are; 0 while that is not known.
    """
    if delivered_to <= 0:
        return translate("format", "Here only")
    if delivered_to < device_count:
        text = translate("format", "On {0} of %n device(s)", None, device_count)
        return text.format(delivered_to)
    return translate("format", "On %n device(s)", None, delivered_to)
