"""Which entries of a log count: from some number to before another, or to the end."""

from __future__ import annotations

from typing import Final, TypeAlias

Spans: TypeAlias = tuple[tuple[int, int | None], ...]
"""Starts and ends, ascending and apart; None is an open end."""

ALL: Final[Spans] = ((0, None),)


def counts(spans: Spans, sequence: int) -> bool:
    """Tells whether an entry counts."""
    for start, end in spans:
        if start <= sequence and (end is None or sequence < end):
            return True
    return False


def before(spans: Spans, length: int) -> Spans:
    """What of them lies before a length."""
    return tuple(
        (start, length if end is None else min(end, length))
        for start, end in spans
        if start < length
    )
