"""From a text to the words it is found by, without a library and without a disk.

The index is given words that are already cut and folded, so that what counts as a word
depends on nothing but this module and Python's character tables (``SIGNATURE``).

* Case and diacritics are folded, compatibility forms too (full-width letters,
  ligatures). Vowel signs of Thai or Devanagari are no diacritics and stay.
* A run of letters and digits is one word. Everything else separates, so an address or
  a name with a sign before it is found by its parts.
* Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese put no spaces between words,
  and emoji none either: such a run is *dense*. It becomes each pair of neighbours and,
  at its end, its last character. Any part of it is then a phrase of pairs, and one
  character alone the beginning of a pair.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

MAX_TEXT_CHARS = 65_536
"""What lies behind is not found."""
MAX_WORD_CHARS = 64
"""Longer runs of letters are cut in pieces of this size."""
MAX_FOLDINGS = 65_536
"""Characters whose folding is remembered."""

_RULES = 1
SIGNATURE = f"{_RULES}/{unicodedata.unidata_version}"
"""Words of another signature may be cut otherwise: an index of them is thrown away."""

_DENSE_RANGES = (
    *((0x0E01, 0x0E4E), (0x0E81, 0x0ECD), (0x1780, 0x17D3), (0x1000, 0x109F)),
    # Hangul: letters and syllables.
    *((0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97C), (0xAC00, 0xD7FB)),
    # Kana, Bopomofo.
    *((0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x312F), (0x31A0, 0x31BF)),
    *((0x31F0, 0x31FF), (0x1B000, 0x1B16F)),
    # Han.
    *((0x3005, 0x3007), (0x3021, 0x3029), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
    *((0xF900, 0xFAFF), (0x20000, 0x3FFFD)),
    # Arrows, symbols, emoji.
    *((0x00A9, 0x00A9), (0x00AE, 0x00AE), (0x2190, 0x21FF), (0x2300, 0x23FF)),
    *((0x2500, 0x27BF), (0x2900, 0x297F), (0x2B00, 0x2BFF), (0x1F000, 0x1FBFF)),
)
_DIACRITIC_RANGES = (
    *((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF)),
    *((0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xE0100, 0xE01EF)),
    # Hebrew points, Arabic vowel marks.
    *((0x0591, 0x05BD), (0x05BF, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670)),
)
_ZERO_WIDTH_SPACE = "\u200b"

_DENSE = "".join(f"{chr(first)}-{chr(last)}" for first, last in _DENSE_RANGES)
_RUN = re.compile(f"([{_DENSE}]+)|[^ {_DENSE}]+")
_IS_DENSE = re.compile(f"[{_DENSE}]")
_HALF_WIDTH_KANA = re.compile("[\uff66-\uff9f]+")


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a folded text without anything that separates."""

    text: str
    dense: bool
    start: int
    """Offset in the folded text."""

    @property
    def end(self) -> int:
        """Offset behind it."""
        return self.start + len(self.text)


class _Folding(dict[int, str]):
    """What each character becomes: some characters of runs, spaces, or nothing."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if len(self) < MAX_FOLDINGS:
            self[code] = folded
        return folded


def normalise(text: str) -> str:
    """The text as it is kept: composed, without lone surrogates, not too long."""
    text = text[:MAX_TEXT_CHARS]
    if text.isascii():
        return text
    text = text.encode("utf-8", "replace").decode()
    # A voiced kana of half width is two characters that mean one.
    text = _HALF_WIDTH_KANA.sub(
        lambda found: unicodedata.normalize("NFKC", found[0]), text
    )
    return unicodedata.normalize("NFC", text)[:MAX_TEXT_CHARS]


def fold(text: str) -> str:
    """A normalised text in lower case without diacritics, spaces for separators."""
    return text.translate(_FOLDING)


def folded_sizes(text: str) -> list[int]:
    """How many folded characters each character of a normalised text became."""
    return [len(_FOLDING[ord(char)]) for char in text]


def runs(folded: str) -> Iterator[Run]:
    """The runs of a folded text in their order."""
    for found in _RUN.finditer(folded):
        yield Run(found[0], found[1] is not None, found.start())


def pieces(run: str) -> list[str]:
    """The words that a run of letters stands for: itself, unless it is very long."""
    if len(run) <= MAX_WORD_CHARS:
        return [run]
    return [run[at : at + MAX_WORD_CHARS] for at in range(0, len(run), MAX_WORD_CHARS)]


def pairs(run: str) -> list[str]:
    """The words that a dense run stands for, without the one that ends it."""
    return [first + second for first, second in pairwise(run)]


def words(text: str) -> str:
    """Every word of a normalised text, one space between them.

    No word holds a space, a quote or anything else of ASCII but letters and digits.
    """
    found: list[str] = []
    for match in _RUN.finditer(fold(text)):
        run = match[0]
        if match[1] is None:
            found += pieces(run)
        else:
            found += pairs(run)
            found.append(run[-1])
    return " ".join(found)


def _fold(char: str) -> str:
    if char == _ZERO_WIDTH_SPACE:
        return " "
    if unicodedata.category(char) == "Cf" or _within(char, _DIACRITIC_RANGES):
        return ""
    if _IS_DENSE.match(char):
        folded = unicodedata.normalize("NFKC", char)
    else:
        lower = unicodedata.normalize("NFKD", char).casefold()
        bare = "".join(
            part
            for part in unicodedata.normalize("NFKD", lower)
            if not _within(part, _DIACRITIC_RANGES)
        )
        folded = unicodedata.normalize("NFC", bare)
    return "".join(part if _belongs(part) else " " for part in folded)


def _belongs(char: str) -> bool:
    """Tell whether a folded character is part of a run."""
    if char.isascii():
        return char.isalnum()
    if _IS_DENSE.match(char):
        return True
    category = unicodedata.category(char)
    return category[0] in "LNM" or category == "Co"


def _within(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in ranges)


_FOLDING = _Folding()
