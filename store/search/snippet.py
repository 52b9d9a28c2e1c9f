"""The part of a text that shows why it was found, with what to highlight.

Works on the text alone with the same rules as the index; knows no database.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from store.search.query import Term
from store.search.words import Run, fold, folded_sizes, normalise, runs

MAX_SNIPPET_CHARS = 200
CHARS_BEFORE = 40
"""Kept before the first hit."""
MAX_RANGES = 32
"""Ranges highlighted in one snippet."""
_SLACK = 16
"""How far an end may move so that it does not cut through a word."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a text."""

    text: str
    ranges: tuple[tuple[int, int], ...]
    """Start and end of what to highlight, as offsets in ``text``; in order, apart."""
    cut_before: bool
    """The text begins earlier."""
    cut_after: bool
    """The text goes on."""


def snippet(
    text: str, terms: Sequence[Term], *, max_chars: int = MAX_SNIPPET_CHARS
) -> Snippet:
    """The part of a text around the first place where a term is found.

    Args:
        text: Any text; the snippet is of its normalised form.
        terms: What was looked for.
        max_chars: How long the snippet may be; at least 1.
    """
    text = normalise(text)
    found = _places(text, terms)
    first = found[0][0] if found else 0
    start, end = _window(text, first, max_chars=max(1, max_chars))
    ranges = [
        (max(low, start) - start, min(high, end) - start)
        for low, high in found
        if low < end and high > start
    ]
    return Snippet(
        text[start:end], tuple(ranges[:MAX_RANGES]), start > 0, end < len(text)
    )


def _places(text: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Where the terms are, as ranges of the text that do not touch."""
    folded = fold(text)
    all_runs = list(runs(folded))
    spans = sorted(span for term in terms for span in _spans(all_runs, term))
    if not spans:
        return []
    # Where each folded character came from.
    sizes = folded_sizes(text)
    origins = [at for at, size in enumerate(sizes) for _ in range(size)]
    ends = list(accumulate(sizes))
    joined: list[tuple[int, int]] = []
    for low, high in spans:
        start, end = origins[low], origins[high - 1] + 1
        # What folds to nothing behind the last character belongs to it.
        while end < len(text) and ends[end] == ends[end - 1]:
            end += 1
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _spans(all_runs: Sequence[Run], term: Term) -> list[tuple[int, int]]:
    """Where a term is in a folded text."""
    wanted = term.runs
    if len(wanted) == 1 and wanted[0].dense:
        return [span for run in all_runs for span in _inside(run, wanted[0].text)]
    found = []
    for at in range(len(all_runs) - len(wanted) + 1):
        span = _span_at(all_runs[at : at + len(wanted)], term)
        if span is not None:
            found.append(span)
    return found


def _inside(run: Run, part: str) -> list[tuple[int, int]]:
    found = []
    at = run.text.find(part) if run.dense else -1
    while at >= 0:
        found.append((run.start + at, run.start + at + len(part)))
        at = run.text.find(part, at + 1)
    return found


def _span_at(here: Sequence[Run], term: Term) -> tuple[int, int] | None:
    """The span from a term's first run to its last, if these runs are it."""
    *before, last = term.runs
    start, end = here[0].start, here[-1].start + len(last.text)
    for number, (run, wanted) in enumerate(zip(here, before, strict=False)):
        if number == 0 and wanted.dense:
            if not run.dense or not run.text.endswith(wanted.text):
                return None
            start = run.end - len(wanted.text)
        elif run.text != wanted.text:
            return None
    final = here[-1]
    if last.dense or term.unfinished:
        matches = final.dense == last.dense and final.text.startswith(last.text)
    else:
        matches = final.text == last.text
    return (start, end) if matches else None


def _window(text: str, first: int, *, max_chars: int) -> tuple[int, int]:
    """Start and end of the part to show, so that the first hit is in it."""
    if len(text) <= max_chars:
        return 0, len(text)
    start = max(
        0, min(first - min(CHARS_BEFORE, max_chars // 4), len(text) - max_chars)
    )
    end = min(len(text), start + max_chars)
    if start > 0:
        start = _cut(text, start, range(start, min(start + _SLACK, first)))
    if end < len(text):
        end = _cut(text, end, range(end, max(end - _SLACK, first), -1))
    return start, max(end, start + 1)


def _cut(text: str, place: int, places: range) -> int:
    """The first place behind a space, else the first that cuts no character up."""
    for at in places:
        if text[at - 1].isspace():
            return at
    for at in places:
        if not _clings(text[at]) and text[at - 1] != "\u200d":
            return at
    return place


def _clings(char: str) -> bool:
    """Tell whether a character belongs to the one before it."""
    return unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf", "Sk")
