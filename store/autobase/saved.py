"""What a linearizer knows, so that it goes on after a restart without the entries.

::

    uint version (2) | uint clock up to which all is confirmed | uint places
    uint clock, fixed32 writer, uint sequence of the last of these (clock 0: none)
    array of logs:
        fixed32 writer | uint flags (1: nobody linked to its last entry)
        uint settled | uint clock of the last entry there
        array uint: of each further entry, how far its clock is above the one before
        array (uint log, uint length): what the settled entries had seen of others
        array (uint entry, uint log, uint length): what each further entry added,
            counted from the settled ones

Logs are named by their numbers in the array. Of the settled entries only the sum is
known; what the others had seen is kept as it was found when they came, because what
they link to may be part of a sum by now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TypeVar

from store.autobase.entry import KEY_BYTES, Place
from store.errors import RemoteProtocolError
from store.hypercore.wire import read_bytes, read_count, read_uint, write_uint

SAVED_VERSION: Final = 2
MAX_LOGS: Final = 100_000
MAX_ITEMS: Final = 1 << 28

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SavedLog:
    """One log.

    Attributes:
        confirmed: Entries that are settled.
        clock: Of the last of these; 0 without any.
        clocks: Of the entries behind them.
        base: What the settled ones had seen of each other log.
        steps: What those behind them added: sequence, other log, length.
        is_head: Nobody linked to its last entry.
    """

    confirmed: int
    clock: int
    clocks: Sequence[int]
    base: Sequence[tuple[bytes, int]]
    steps: Sequence[tuple[int, bytes, int]]
    is_head: bool

    @property
    def length(self) -> int:
        """Entries taken."""
        return self.confirmed + len(self.clocks)


@dataclass(frozen=True, slots=True)
class Saved:
    """All of it.

    Attributes:
        places: How many settled entries have a place.
        floor: The last of these.
        logs: By writer.
        confirmed: Up to this clock all is confirmed.
    """

    places: int
    floor: Place | None
    logs: dict[bytes, SavedLog]
    confirmed: int = 0


def encode_saved(saved: Saved) -> bytes:
    """The bytes drawn in the module's docstring."""
    floor = saved.floor or Place(0, bytes(KEY_BYTES), 0)
    parts = [write_uint(SAVED_VERSION), write_uint(saved.confirmed)]
    parts.append(write_uint(saved.places))
    parts += [write_uint(floor.clock), floor.writer, write_uint(floor.sequence)]
    numbers = {writer: write_uint(n) for n, writer in enumerate(saved.logs)}
    parts.append(write_uint(len(numbers)))
    for writer, log in saved.logs.items():
        parts += [writer, write_uint(int(log.is_head))]
        parts += [write_uint(log.confirmed), write_uint(log.clock)]
        parts.append(write_uint(len(log.clocks)))
        before = log.clock
        for clock in log.clocks:
            parts.append(write_uint(clock - before))
            before = clock
        parts.append(write_uint(len(log.base)))
        for other, length in log.base:
            parts += [numbers[other], write_uint(length)]
        parts.append(write_uint(len(log.steps)))
        for sequence, other, length in log.steps:
            parts += [write_uint(sequence - log.confirmed), numbers[other]]
            parts.append(write_uint(length))
    return b"".join(parts)


def decode_saved(data: bytes) -> Saved:
    """The inverse of ``encode_saved``.

    Raises:
        RemoteProtocolError: These are not its bytes.
    """
    version, at = read_uint(data, 0)
    if version != SAVED_VERSION:
        raise RemoteProtocolError(f"saved in version {version}", code="version")
    confirmed, at = read_uint(data, at)
    places, at = read_uint(data, at)
    clock, at = read_uint(data, at)
    key, at = read_bytes(data, at, KEY_BYTES)
    sequence, at = read_uint(data, at)
    floor = Place(clock, key, sequence) if clock else None
    raw, at = _read_array(data, at, _read_log, MAX_LOGS)
    if at != len(data):
        raise RemoteProtocolError("bytes after the end", code="malformed")
    names = [writer for writer, *_ in raw]
    logs: dict[bytes, SavedLog] = {}
    for writer, flags, settled, clock, rises, base, steps in raw:
        clocks = list(accumulate(rises, initial=clock))[1:]
        logs[writer] = SavedLog(
            settled,
            clock,
            clocks,
            [(_named(names, number), length) for number, length in base],
            [(settled + at, _named(names, n), length) for at, n, length in steps],
            bool(flags & 1),
        )
    if len(logs) != len(names):
        raise RemoteProtocolError("a log stands twice", code="malformed")
    return Saved(places, floor, logs, confirmed)


_RawLog = tuple[
    bytes,
    int,
    int,
    int,
    list[int],
    list[tuple[int, int]],
    list[tuple[int, int, int]],
]


def _read_log(data: bytes, at: int) -> tuple[_RawLog, int]:
    writer, at = read_bytes(data, at, KEY_BYTES)
    flags, at = read_uint(data, at)
    confirmed, at = read_uint(data, at)
    clock, at = read_uint(data, at)
    rises, at = _read_array(data, at, read_uint, MAX_ITEMS)
    base, at = _read_array(data, at, _read_pair, MAX_LOGS)
    steps, at = _read_array(data, at, _read_step, MAX_ITEMS)
    return (writer, flags, confirmed, clock, rises, base, steps), at


def _read_pair(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    number, at = read_uint(data, at)
    length, at = read_uint(data, at)
    return (number, length), at


def _read_step(data: bytes, at: int) -> tuple[tuple[int, int, int], int]:
    entry, at = read_uint(data, at)
    (number, length), at = _read_pair(data, at)
    return (entry, number, length), at


def _read_array(
    data: bytes, at: int, read: Callable[[bytes, int], tuple[T, int]], limit: int
) -> tuple[list[T], int]:
    count, at = read_count(data, at, max_count=limit)
    items: list[T] = []
    for _ in range(count):
        item, at = read(data, at)
        items.append(item)
    return items, at


def _named(names: list[bytes], number: int) -> bytes:
    if number >= len(names):
        raise RemoteProtocolError("no such log", code="malformed")
    return names[number]
