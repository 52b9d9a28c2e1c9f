"""The emoji there are: by group, by name, and with a skin tone.

Read once from a file of :mod:`assets` when first needed. Which were used last is kept
by :class:`ui.models.emoji.EmojiModel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import assets

GROUPS: Final = (
    *("smileys", "people", "nature", "food", "activities"),
    *("travel", "objects", "symbols", "flags"),
)
TONES: Final = (
    "",
    "\U0001f3fb",
    "\U0001f3fc",
    "\U0001f3fd",
    "\U0001f3fe",
    "\U0001f3ff",
)
"""No tone, then from light to dark."""
_VARIANT: Final = "\ufe0f"


@dataclass(frozen=True, slots=True)
class Emoji:
    """One sign."""

    group: str
    sign: str
    name: str
    """In English, lower case."""
    words: tuple[str, ...]
    """Further words by which it is found; the first is its short code."""
    toned: bool
    """It takes a skin tone."""

    @property
    def code(self) -> str:
        """What is typed between colons."""
        return self.words[0] if self.words else self.name.replace(" ", "_")

    def with_tone(self, tone: int) -> str:
        """The sign in a skin tone, from 0 (none) to 5."""
        if not self.toned or not 0 < tone < len(TONES):
            return self.sign
        return self.sign.replace(_VARIANT, "") + TONES[tone]


@lru_cache(maxsize=1)
def everything() -> tuple[Emoji, ...]:
    """All emoji, group after group."""
    found = []
    for line in assets.read("emoji/emoji.tsv").decode().splitlines():
        if line and not line.startswith("#"):
            group, sign, name, words, toned = line.split("\t")
            found.append(Emoji(group, sign, name, tuple(words.split()), toned == "1"))
    return tuple(found)


def by_sign(sign: str) -> Emoji | None:
    """The emoji that is this sign, in whatever tone."""
    plain = "".join(c for c in sign if c not in TONES[1:])
    for it in everything():
        if plain.replace(_VARIANT, "") == it.sign.replace(_VARIANT, ""):
            return it
    return None


def search(text: str, *, limit: int) -> list[Emoji]:
    """Emoji by the beginnings of their words, the best first.

    Args:
        text: Words, or a part of a short code.
        limit: At most so many.
    """
    wanted = text.casefold().strip(":").replace("_", " ").split()
    if not wanted:
        return []
    ranked: list[tuple[int, int, int, Emoji]] = []
    for at, it in enumerate(everything()):
        rank = _rank(it, wanted)
        if rank is not None:
            ranked.append((rank, len(it.code) if rank < 20 else 0, at, it))
    ranked.sort(key=lambda found: found[:3])
    return [found[-1] for found in ranked[:limit]]


def _rank(it: Emoji, wanted: list[str]) -> int | None:
    """How well it fits: 0 is best; None when it does not."""
    whole = " ".join(wanted)
    codes = [word.replace("_", " ") for word in it.words]
    if whole in codes:
        return codes.index(whole)
    parts = [part for code in codes for part in code.split()] + it.name.split()
    if not all(any(part.startswith(word) for part in parts) for word in wanted):
        return None
    return 10 if any(code.startswith(whole) for code in codes) else 20
