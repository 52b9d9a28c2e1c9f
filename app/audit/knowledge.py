"""How much of each log every act had seen, kept as what each act added.

Within one log that only grows, so each act tells what is more than at the act before.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping


class _Log:
    """What the acts of one log had seen, in the order of their sequences."""

    __slots__ = ("by_other", "current", "lengths", "others", "sequences")

    def __init__(self) -> None:
        self.sequences = array("Q")
        self.others: list[bytes] = []
        self.lengths = array("Q")
        self.by_other: dict[bytes, tuple[array[int], array[int]]] = {}
        self.current: dict[bytes, int] = {}


class Seen(Mapping[bytes, int]):
    """How much of each other log one act had seen."""

    __slots__ = ("_log", "_sequence")

    def __init__(self, log: _Log, sequence: int) -> None:
        self._log = log
        self._sequence = sequence

    def __getitem__(self, device: bytes) -> int:
        length = self._length(device)
        if not length:
            raise KeyError(device)
        return length

    def __iter__(self) -> Iterator[bytes]:
        return (device for device in self._log.by_other if self._length(device))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _length(self, device: bytes) -> int:
        steps = self._log.by_other.get(device)
        if steps is None:
            return 0
        sequences, lengths = steps
        at = bisect_right(sequences, self._sequence)
        return lengths[at - 1] if at else 0


class Knowledge:
    """What the acts of all logs had seen; those of a log come in their order."""

    def __init__(self) -> None:
        self._logs: dict[bytes, _Log] = {}

    def note(
        self, writer: bytes, sequence: int, seen: Mapping[bytes, int]
    ) -> dict[bytes, int]:
        """Keep what one act had seen.

        Returns:
            What is more than the act before in its log had seen.
        """
        log = self._logs.setdefault(writer, _Log())
        grown: dict[bytes, int] = {}
        for other, length in seen.items():
            if length <= log.current.get(other, 0):
                continue
            grown[other] = log.current[other] = length
            log.sequences.append(sequence)
            log.others.append(other)
            log.lengths.append(length)
            sequences, lengths = log.by_other.setdefault(
                other, (array("Q"), array("Q"))
            )
            sequences.append(sequence)
            lengths.append(length)
        return grown

    def at(self, writer: bytes, sequence: int) -> Mapping[bytes, int]:
        """What an act had seen; its own log is left out."""
        return Seen(self._logs.setdefault(writer, _Log()), sequence)

    def current(self, writer: bytes, other: bytes) -> int:
        """How much of a log the last act of another had seen."""
        log = self._logs.get(writer)
        return log.current.get(other, 0) if log is not None else 0

    def includes(self, writer: bytes, other: bytes, start: int, end: int) -> bool:
        """Tells whether one had seen what another had, by now.

        Args:
            writer: Whose last act it is about.
            other: Whose acts it says to have seen,
            start: from this number on
            end: and before this one.
        """
        theirs = self._logs.get(other)
        if theirs is None:
            return True
        first = bisect_left(theirs.sequences, start)
        last = bisect_left(theirs.sequences, end, lo=first)
        # For every act and every log that it saw more of: nothing may be called here.
        current = self._logs[writer].current
        for third, length in zip(
            theirs.others[first:last], theirs.lengths[first:last], strict=True
        ):
            if current.get(third, 0) < length and third != writer:
                return False
        return True
