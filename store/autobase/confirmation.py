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

An end that is not confirmed itself may yet turn out void, and what it made void count
again: nothing from the first such entry on is confirmed.

One thing is taken for granted: that no end turns out void by what the one it ends
wrote before it, unheard. Where the rules cannot promise that, the stay is *contested*,
and ``Linearizer.confirmed`` waits for it as if it had not ended; what this function
gives is settled only, which means that its details are forgotten. Entries that come
there nevertheless find no place in the order, which changes nothing else.

A writer that falls silent holds this back until the rules put it to rest: what stands
beyond what was seen of it is void everywhere. It may come back, like a newcomer, by
another's entry, and what it writes counts again where it had seen that one.
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
        contested: What the writer wrote unheard might make that entry void.
        held: Clock of a later entry that ends the stay as well, where only because of
            that one it is not contested; else 0.
    """

    writer: bytes
    start: int
    host: tuple[bytes, int] | None = None
    end: int | None = None
    contested: bool = False
    held: int = 0

    def is_open(self, clock: int) -> bool:
        """Whether it may turn out not to end, while no more than a clock is confirmed.

        What ends it must be confirmed itself: others may still judge it otherwise.
        """
        if self.end is None:
            return False
        return self.contested or clock < max(self.end, self.held)


def confirmed_clock(sure: Mapping[Stay, int]) -> int:
    """The highest clock that is confirmed; 0 when none is.

    Args:
        sure: For all stays, as the order stands, up to which clock that writer will
            neither add anything nor take anything away.
    """
    clock = min((sure[stay] for stay in sure if stay.end is None), default=0)
    # Whose stay has ended may go on after all, while that end is not confirmed.
    for stay in sorted(sure, key=lambda stay: -sure[stay]):
        if stay.end is not None and stay.start <= clock < stay.end:
            clock = min(clock, sure[stay])
    return clock
