"""Who had seen what: for each entry, how much of every log stood behind it.

An entry adds to what its writer had seen before, and only what it adds is noted, so a
room in which everybody sees everybody costs a few numbers an entry, however many
writers it has. Of entries that nobody asks about any more only the sum is kept; who
links to the middle of that, having heard of nothing for long, has the links of what
it had seen read again.

In a room of n writers there are n times n numbers, so each is kept as small as can be,
and what makes looking one up fast only of those that were looked up.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from store.autobase.entry import Entry, Link
from store.errors import LocalProtocolError

OldLinks = Callable[[bytes, int, int], Iterable[Link]]
"""Of the entries of a log from a number to before another: what they link to."""


@dataclass(slots=True)
class _Steps:
    """How what one writer had seen grew.

    ``sequences``, ``others`` and ``lengths`` run side by side, an element for each time
    that an entry of the writer raised what it had seen of another log; ``asked`` has
    the same once more for each other log that somebody asked about. ``base`` is what
    had been seen before all of that, by the entries before ``floor``.
    """

    sequences: array[int] = field(default_factory=partial(array, "Q"))
    others: list[bytes] = field(default_factory=list)
    lengths: array[int] = field(default_factory=partial(array, "Q"))
    asked: dict[bytes, tuple[array[int], array[int]]] = field(default_factory=dict)
    seen: dict[bytes, int] = field(default_factory=dict)
    base: dict[bytes, int] = field(default_factory=dict)
    floor: int = 0

    def note(self, sequence: int, other: bytes, length: int) -> None:
        """An entry had seen so much of another log."""
        self.sequences.append(sequence)
        self.others.append(other)
        self.lengths.append(length)
        if (asked := self.asked.get(other)) is not None:
            asked[0].append(sequence)
            asked[1].append(length)
        self.seen[other] = length

    def of(self, other: bytes) -> tuple[array[int], array[int]]:
        """The sequences and lengths of the steps in another log."""
        found = self.asked.get(other)
        if found is None:
            at = [index for index, it in enumerate(self.others) if it == other]
            found = self.asked[other] = (
                array("Q", [self.sequences[index] for index in at]),
                array("Q", [self.lengths[index] for index in at]),
            )
        return found

    def between(self, start: int, end: int) -> Iterable[tuple[bytes, int]]:
        """What the entries from ``start`` to before ``end`` added."""
        first = bisect_left(self.sequences, start)
        last = bisect_left(self.sequences, end, lo=first)
        steps = zip(self.others[first:last], self.lengths[first:last], strict=True)
        return steps if start >= self.floor else chain(self.base.items(), steps)

    def forget(self, floor: int) -> None:
        """Keep of the entries before a number only the sum."""
        if floor <= self.floor:
            return
        self.floor = floor
        at = bisect_left(self.sequences, floor)
        for other, length in zip(self.others[:at], self.lengths[:at], strict=True):
            self.base[other] = length
        for other in self.asked.keys() & set(self.others[:at]):
            sequences, lengths = self.asked[other]
            gone = bisect_left(sequences, floor)
            del sequences[:gone], lengths[:gone]
        del self.sequences[:at], self.others[:at], self.lengths[:at]


class Causality:
    """What stood behind each entry, given each log in order and causes first."""

    def __init__(self, old_links: OldLinks | None = None) -> None:
        """Begin without entries.

        Args:
            old_links: Of what was forgotten; without it, whoever links to a part of
                that is taken to have seen all of it.
        """
        self._steps: dict[bytes, _Steps] = {}
        self._old_links = old_links

    def resume(
        self,
        writer: bytes,
        floor: int,
        base: Iterable[tuple[bytes, int]],
        steps: Iterable[tuple[int, bytes, int]],
    ) -> None:
        """Begin a log with what ``saved`` gave, and its length when it did."""
        resumed = self._steps[writer] = _Steps(floor=floor, base=dict(base))
        resumed.seen.update(resumed.base)
        for sequence, other, length in steps:
            resumed.note(sequence, other, length)

    def saved(
        self, writer: bytes
    ) -> tuple[list[tuple[bytes, int]], list[tuple[int, bytes, int]]]:
        """The sum of what was forgotten of a log, and what the others added."""
        steps = self._steps.get(writer)
        if steps is None:
            return [], []
        added = zip(steps.sequences, steps.others, steps.lengths, strict=True)
        return list(steps.base.items()), list(added)

    def add(self, entry: Entry) -> None:
        """Note an entry; everything that it links to was added before."""
        writer = entry.writer
        steps = self._steps.get(writer)
        if steps is None:
            steps = self._steps[writer] = _Steps()
        for link in entry.links:
            self._follow(steps, entry, link)

    def seen(self, writer: bytes, sequence: int, other: bytes) -> int:
        """How much of a log an entry had seen; of its own log, itself as well.

        Raises:
            LocalProtocolError: ``settled``: that was forgotten.
        """
        if other == writer:
            return sequence + 1
        steps = self._steps.get(writer)
        if steps is None or other not in steps.seen:
            return 0
        if sequence < steps.floor - 1:
            raise _forgotten()
        if not steps.sequences or sequence >= steps.sequences[-1]:
            return steps.seen[other]
        sequences, lengths = steps.of(other)
        before = bisect_left(sequences, sequence + 1)
        return lengths[before - 1] if before else steps.base.get(other, 0)

    def current(self, writer: bytes, other: bytes) -> int:
        """How much of a log a writer's last entry had seen."""
        steps = self._steps.get(writer)
        return steps.seen.get(other, 0) if steps is not None else 0

    def all_seen(self, writer: bytes) -> dict[bytes, int]:
        """How much of every other log a writer's last entry had seen."""
        steps = self._steps.get(writer)
        return dict(steps.seen) if steps is not None else {}

    def first_that_saw(self, writer: bytes, other: bytes, sequence: int) -> int | None:
        """The number of a writer's first entry that had seen an entry of another.

        Raises:
            LocalProtocolError: ``settled``: that was forgotten.
        """
        steps = self._steps.get(writer)
        if steps is None or other not in steps.seen:
            return None
        if steps.base.get(other, 0) > sequence:
            raise _forgotten()
        sequences, lengths = steps.of(other)
        at = bisect_left(lengths, sequence + 1)
        return sequences[at] if at < len(sequences) else None

    def precedes(self, earlier: tuple[bytes, int], later: tuple[bytes, int]) -> bool:
        """Tells whether an entry, given as writer and sequence, had seen another."""
        writer, sequence = earlier
        return earlier != later and self.seen(*later, writer) > sequence

    def concurrent(self, one: tuple[bytes, int], other: tuple[bytes, int]) -> bool:
        """Tells whether neither of two entries had seen the other."""
        return (
            one != other
            and not self.precedes(one, other)
            and not self.precedes(other, one)
        )

    def forget(self, writer: bytes, length: int) -> None:
        """Let nobody ask any more about a log's entries before the last of a length."""
        steps = self._steps.get(writer)
        if steps is not None:
            steps.forget(length)

    def _follow(self, steps: _Steps, entry: Entry, link: Link) -> None:
        """Note what a link leads to that the entry's writer had not seen."""
        due = [link]
        own, known = entry.writer, steps.seen.get
        while due:
            writer, length = due.pop()
            before = known(writer, 0)
            if writer == own or before >= length:
                continue
            steps.note(entry.sequence, writer, length)
            linked = self._steps.get(writer)
            if linked is None:
                continue
            if length < linked.floor and self._old_links is not None:
                due += self._old_links(writer, before, length)
                continue
            # What they had seen before is known already, through whatever led there.
            for other, seen in linked.between(before, length):
                if known(other, 0) < seen and other != own:
                    steps.note(entry.sequence, other, seen)


def _forgotten() -> LocalProtocolError:
    return LocalProtocolError("that part is confirmed and forgotten", code="settled")
