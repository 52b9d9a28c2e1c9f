"""What the window remembers between two runs: its size, and the words being seen.

Kept in a small file in the profile's folder, beside the encrypted database, and
therefore never about people or messages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, QRect, QSettings, QSize

FILE_NAME = "window.ini"
DEFAULT_SIZE = (1080, 720)
UNPLACED = QPoint(-1, -1)
"""A position that leaves the choice to the system."""
SMALLEST_SIZE = (360, 480)
FRAME_PIXELS = 40
"""Left free for the frame that the system draws around a window."""

SCHEMES = ("system", "light", "dark")
SIZES_PERCENT = (80, 90, 100, 110, 125, 150, 175, 200)


@dataclass(frozen=True, slots=True)
class Looks:
    """How the window looks."""

    scheme: str = "system"
    """One of ``SCHEMES``."""
    percent: int = 100
    """Size of the type, one of ``SIZES_PERCENT``."""
    motion: bool = True


class WindowState:
    """Reads and writes the file; without a folder everything is forgotten.

    Attributes:
        remembers: Whether there is a folder to write to.
    """

    def __init__(self, profile: Path | None) -> None:
        self._profile = profile
        self._settings: QSettings | None = None

    @property
    def remembers(self) -> bool:
        """Whether the profile's folder exists, so that something can be kept."""
        return self._profile is not None and self._profile.is_dir()

    def _file(self) -> QSettings | None:
        if self._settings is None and self.remembers:
            assert self._profile is not None
            self._settings = QSettings(
                str(self._profile / FILE_NAME), QSettings.Format.IniFormat
            )
        return self._settings

    def geometry(self) -> QRect:
        """Where the window was; a position of -1 leaves the choice to the system."""
        file = self._file()
        kept = file.value("geometry") if file is not None else None
        if isinstance(kept, QRect) and kept.width() >= SMALLEST_SIZE[0]:
            return kept
        return QRect(UNPLACED, QSize(*DEFAULT_SIZE))

    def keep_geometry(self, geometry: QRect) -> None:
        """Remember where the window is."""
        file = self._file()
        if file is not None:
            file.setValue("geometry", geometry)

    def phrase_seen(self) -> bool:
        """False while a window showed the 24 words and nobody confirmed them.

        A profile made elsewhere has told its words there.
        """
        file = self._file()
        return file is None or str(file.value("phraseSeen", "yes")) == "yes"

    def keep_phrase_unseen(self) -> None:
        """Remember that the 24 words have yet to be written down."""
        self._say("phraseSeen", "no")

    def keep_phrase_seen(self) -> None:
        """Remember that the 24 words are written down."""
        self._say("phraseSeen")

    def looks(self) -> Looks:
        """How the window looks; what is not known is as usual."""
        file = self._file()
        if file is None:
            return Looks()
        scheme = str(file.value("scheme", "system"))
        percent = str(file.value("typePercent", "100"))
        return Looks(
            scheme if scheme in SCHEMES else "system",
            int(percent) if percent in map(str, SIZES_PERCENT) else 100,
            str(file.value("motion", "yes")) == "yes",
        )

    def keep_looks(self, looks: Looks, **changes: Any) -> Looks:
        """Remember how the window looks, with these changes; returns that."""
        looks = replace(looks, **changes)
        assert looks.scheme in SCHEMES
        assert looks.percent in SIZES_PERCENT
        self._say("scheme", looks.scheme)
        self._say("typePercent", str(looks.percent))
        self._say("motion", "yes" if looks.motion else "no")
        return looks

    def key_warning_seen(self) -> bool:
        """Whether the sentence on how the profile's key is kept was dismissed."""
        return self._said("keyWarningSeen")

    def keep_key_warning_seen(self) -> None:
        """Remember that the sentence on the profile's key was dismissed."""
        self._say("keyWarningSeen")

    def recent_emoji(self) -> list[str]:
        """Emoji chosen last, the newest first."""
        file = self._file()
        return str(file.value("recentEmoji", "")).split(" ") if file is not None else []

    def keep_recent_emoji(self, signs: list[str]) -> None:
        """Remember which emoji were chosen last."""
        self._say("recentEmoji", " ".join(signs))

    def emoji_tone(self) -> int:
        """The skin tone of hands and people, from 0 (none) to 5."""
        file = self._file()
        kept = str(file.value("emojiTone", "0")) if file is not None else "0"
        return int(kept) if kept in "012345" and len(kept) == 1 else 0

    def keep_emoji_tone(self, tone: int) -> None:
        """Remember the skin tone."""
        self._say("emojiTone", str(tone))

    def keep_demo(self, side: str, screen: QRect) -> None:
        """Remember what befits one of the demo's two windows.

        Its profile is thrown away, so nothing has to be written down or warned of, and
        the windows stand beside each other, where the system lets them.

        Args:
            side: ``left`` or ``right``.
            screen: What of the screen windows may cover.
        """
        width = max(min(screen.width() // 2, DEFAULT_SIZE[0]), SMALLEST_SIZE[0])
        height = max(
            min(screen.height() - FRAME_PIXELS, DEFAULT_SIZE[1]), SMALLEST_SIZE[1]
        )
        middle = screen.x() + screen.width() // 2
        left = max(middle - width, screen.x()) if side == "left" else middle
        top = screen.y() + max((screen.height() - height) // 2, 0)
        self.keep_geometry(QRect(left, top, width, height))
        self.keep_phrase_seen()
        self.keep_key_warning_seen()

    def _said(self, name: str) -> bool:
        file = self._file()
        return file is not None and str(file.value(name, "no")) == "yes"

    def _say(self, name: str, answer: str = "yes") -> None:
        file = self._file()
        if file is not None:
            file.setValue(name, answer)
            file.sync()
