"""Up to where the order can never change again.

A clock is **confirmed** when each writer that may write at it has been heard at it or
later, in an entry that had seen every entry up to it which counts: everybody has what
stands there, and has said so. Nothing can be added or taken away there any more:

* A new entry would be by somebody who may write there. If that is somebody we know of,
  they were heard later, and clocks rise along a log. Else they were let in by an entry
  that stands below theirs and that we do not know either; its writer was let in by a
  third one, and so on to one whom we know.
* Who ends another's writing lets count what they had seen of it, no less. Whoever may
  do that from now on has seen everything up to here, or was let in by somebody who has,
  and had seen their being let in.

An end is no better than what it rests on. Whose writing ended unheard may have written
something before that which makes the end void, such as the end of whoever wrote it, and
what both sides then wrote would count on one side only. So a stay is over for us

* when its writer was heard at the end or later, in an entry that counts or not: clocks
  rise along a log, so what is still to come stands behind the end, and counts only by
  another stay. An end by the writer's own hand is heard as it comes;
* when that end is confirmed itself: until then it may yet turn out void, and what it
  made void count again. Nothing from the first such entry on is confirmed before.

Two sides that end each other, neither having heard of it, therefore confirm nothing
until they meet. A device that fell silent for ever holds this back for ever, at rest or
not: a rest lets the others go on without it, and says nothing of what it wrote before.
Confirmation is for showing and for pruning. Nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Stay(NamedTuple):
    """While somebody may write.

    Attributes:
        writer: Key of the log.
        start: Clock of the entry that let it in; its own are above.
        host: Writer and sequence of that entry; None for who began the history.
        end: Clock of the entry that ended it; None while it lasts.
    """

    writer: bytes
    start: int
    host: tuple[bytes, int] | None = None
    end: int | None = None


def confirmed_clock(sure: Mapping[Stay, int]) -> int:
    """The highest clock that is confirmed; 0 when none is.

    Args:
        sure: For all stays, as the order stands, up to which clock that writer will
            neither add anything nor take anything away. The end of those that ended
            unheard is behind all clocks.
    """
    clock = min((sure[stay] for stay in sure if stay.end is None), default=0)
    # Whose stay has ended may go on after all, while that end is not confirmed.
    for stay in sorted(sure, key=lambda stay: -sure[stay]):
        if stay.end is not None and stay.start <= clock < stay.end:
            clock = min(clock, sure[stay])
    return clock
