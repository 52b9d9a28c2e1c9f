"""The order of all entries: by clock, then by writer, then by number.

It depends on the entries alone and not on how they came, so everybody who has the same
entries has the same order. An entry that comes late takes its place among the others;
what stands behind it is undone and done again, and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.autobase.entry import Place
from store.errors import LocalProtocolError


class Reorder(NamedTuple):
    """What became of the order.

    Attributes:
        kept: Places at the start, counted from the order's beginning, that stay.
        undone: Places that stood behind them, the first one first.
        done: Places that stand there now.
    """

    kept: int
    undone: Sequence[Place]
    done: Sequence[Place]

    def __bool__(self) -> bool:
        return bool(self.undone or self.done)


class Order:
    """Places in order; the settled ones at the start are only counted.

    Attributes:
        settled: Places that nothing can come before any more.
        floor: The last of them, or None.
    """

    def __init__(self, settled: int = 0, floor: Place | None = None) -> None:
        self.settled = settled
        self.floor = floor
        self._places: list[Place] = []

    def __len__(self) -> int:
        return self.settled + len(self._places)

    @property
    def tail(self) -> Sequence[Place]:
        """The places that are not settled."""
        return self._places

    def change(self, added: Iterable[Place], removed: Iterable[Place] = ()) -> Reorder:
        """Put places in, and take others out.

        Args:
            added: In any sequence; none of them is there.
            removed: All of them are there.

        Raises:
            LocalProtocolError: ``settled``: one of them belongs before the floor.
        """
        coming, going = sorted(added), sorted(removed)
        first = min([*coming[:1], *going[:1]], default=None)
        if first is None:
            return Reorder(len(self), (), ())
        if self.floor is not None and first <= self.floor:
            raise LocalProtocolError(
                "that part of the order is settled", code="settled"
            )
        places = self._places
        at = bisect_left(places, first)
        undone = places[at:]
        done = undone + coming
        if undone:
            # Two runs that are in order each: sorting takes one look at both.
            done.sort()
        if going:
            gone = set(going)
            done = [place for place in done if place not in gone]
        places[at:] = done
        return Reorder(self.settled + at, undone, done)

    def settle(self, clock: int) -> Sequence[Place]:
        """Count the places up to a clock and forget them; they are given back."""
        at = bisect_right(self._places, clock, key=_clock)
        if not at:
            return ()
        settled = self._places[:at]
        del self._places[:at]
        self.settled += at
        self.floor = settled[-1]
        return settled


def _clock(place: Place) -> int:
    return place.clock
