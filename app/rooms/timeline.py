"""The entries of a room's logs, causes first: what was taken and what waits for what.

``Timeline`` belongs to the ``RoomView`` and lives in the writer thread. It opens
blocks, gives them to the ``Linearizer`` one after the other, and says why a log does
not go on. Where a block is gone for good, its place is kept (``store.holes``) and
stands in the order like an entry that says nothing. It leaves to the view what the
entries mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from app.rooms.key_ring import KeyRing
from app.rooms.operations import Delete, decode_operation
from net.constants import MAX_SAFE_UINT
from net.errors import RemoteProtocolError
from store import errors as store_errors
from store import holes, rooms
from store.autobase import (
    Entry,
    Linearizer,
    Link,
    Verdict,
    decode_entry,
    decode_saved,
    encode_saved,
)
from store.contents.wiping import Block
from store.database import Connection
from store.holes import Hole
from store.rooms import RoomRow

MAX_AHEAD_MS = 24 * 3600 * 1000
"""Entries with a clock further ahead of this computer's mean nothing yet."""
SAVE_ENTRIES = 2_048
"""After so many entries what is known of them all is saved; after more while more are
not confirmed."""

Sink = Callable[[bytes, Entry], None]
"""Gets each block that is taken, and what it says, before the next one is."""


class Held(Enum):
    """Why a log does not go on though there is more of it."""

    EARLY = "early"
    """It is dated too far ahead."""
    CAUSES = "causes"
    """It links to what is not here yet."""
    KEY = "key"
    """It is sealed with a key that is not here."""
    NEWER = "newer"
    """A newer version of Covey wrote it."""
    HOLE = "hole"
    """What somebody told of a place whose block nobody has cannot be."""
    FROZEN = "frozen"
    """Its device wrote two histories, and they part here."""
    BROKEN = "broken"
    """It breaks the rules of logs, and so goes on nowhere."""


class Timeline:
    """What is taken of each log of one room.

    Attributes:
        linearizer: Their order and causality.
        missing: What logs that wait for causes link to and is not here, by log.
        is_unsaved: It is time to ``save``.
        false_hole: The last one that was forgotten (``Held.HOLE``).
        doubtful: The told holes for whose links logs wait, by log.
    """

    def __init__(self, row: RoomRow, own: bytes, ring: KeyRing) -> None:
        """Begin without entries; see ``load``.

        Args:
            row: The room as stored.
            own: Key of the log that is written here: it is never too early.
            ring: The room's keys.
        """
        self.linearizer = Linearizer(
            older_clock=self._older_clock, old_links=self._old_links
        )
        self.missing: dict[bytes, tuple[Link, ...]] = {}
        self.false_hole: Hole | None = None
        self.doubtful: dict[bytes, Hole] = {}
        self._row = row
        self._own = own
        self._ring = ring
        self._keyless: set[bytes] = set()
        self._woken: dict[bytes, None] = {}
        self._unsaved = 0
        self._unheard: dict[bytes, int] = {}
        self._connection: Connection

    def load(
        self,
        connection: Connection,
        saved: bytes,
        frozen: Mapping[bytes, int] | None = None,
    ) -> None:
        """Take again what was taken before the last start.

        Args:
            connection: The writer's.
            saved: What ``save`` gave last; may be empty.
            frozen: Where logs end whose devices wrote two histories.
        """
        row, self._connection = self._row.row, connection
        if saved or frozen:
            self.linearizer = Linearizer(
                frozen,
                saved=decode_saved(saved) if saved else None,
                older_clock=self._older_clock,
                old_links=self._old_links,
            )
        entries: list[Entry] = []
        for log in rooms.logs(connection, row):
            start = self.linearizer.length(log.writer)
            found = holes.log(connection, row, log.writer, start, log.derived)
            for sequence, block in enumerate(found, start):
                entries.append(self._entry(log.writer, sequence, block))
        # Clocks rise along causes.
        for entry in sorted(entries, key=lambda entry: entry.place):
            self.linearizer.receive(entry, horizon=MAX_SAFE_UINT)
        self._unsaved = len(entries)

    @property
    def is_unsaved(self) -> bool:
        """True when so much came that a start would have to read too many blocks."""
        return self._unsaved >= max(SAVE_ENTRIES, len(self.linearizer.order.tail))

    def save(self) -> bytes:
        """What is known, for ``load``."""
        self._unsaved = 0
        return encode_saved(self.linearizer.save())

    def take(
        self,
        connection: Connection,
        writer: bytes,
        start: int,
        blocks: Iterable[bytes | None],
        sink: Sink,
        *,
        now_ms: int,
    ) -> Held | None:
        """Take the next blocks of a log, as far as they may be.

        Args:
            connection: The transaction's.
            writer: Whose log.
            start: How much of it was taken.
            blocks: What follows; None where there is a hole.
            sink: Gets those that are taken, nothing in place of a hole.
            now_ms: The wall clock.

        Returns:
            Why the rest was not.
        """
        horizon = MAX_SAFE_UINT if writer == self._own else now_ms + MAX_AHEAD_MS
        self._connection = connection
        self.missing.pop(writer, None)
        self.doubtful.pop(writer, None)
        self._keyless.discard(writer)
        receive = self.linearizer.receive
        for sequence, block in enumerate(blocks, start):
            found = self._hole(writer, sequence) if block is None else block
            if found is None:
                # It was one when this began: what it is now comes in its turn.
                return None
            try:
                entry = self._entry(writer, sequence, found)
            except (RemoteProtocolError, store_errors.RemoteProtocolError) as error:
                return self._not_opened(writer, error.code)
            verdict = receive(entry, horizon=horizon)
            if verdict is not Verdict.TAKEN:
                if isinstance(found, Hole) and self._is_false(found, verdict):
                    holes.drop(connection, self._row.row, writer, sequence)
                    self.false_hole = found
                    return Held.HOLE
                if isinstance(found, Hole) and found.source:
                    self.doubtful[writer] = found
                return self._not_taken(entry, verdict)
            self._unsaved += 1
            self._hear(entry)
            sink(block or b"", entry)
        return None

    def entry(
        self, connection: Connection, writer: bytes, sequence: int
    ) -> Entry | None:
        """What stands at a place; without payload where there is a hole.

        None when nothing is known of it, or it cannot be opened.
        """
        row = self._row.row
        for block in holes.log(connection, row, writer, sequence, sequence + 1):
            try:
                return self._entry(writer, sequence, block)
            except (RemoteProtocolError, store_errors.RemoteProtocolError):
                return None
        return None

    def dig(self, connection: Connection, blocks: Iterable[Block]) -> list[Block]:
        """Keep the places of blocks that are to be cleared.

        Returns:
            Those that are holes now. Not what was not taken yet, nor what is damaged.
        """
        dug: list[Block] = []
        fresh: list[Hole] = []
        for block in blocks:
            entry = None
            if block.sequence < self.linearizer.length(block.writer):
                entry = self.entry(connection, block.writer, block.sequence)
            if entry is not None:
                writer, sequence, clock, links, _ = entry
                fresh.append(Hole(writer, sequence, clock, links))
                dug.append(block)
        holes.keep(connection, self._row.row, fresh)
        return dug

    def named(
        self, connection: Connection, scanned: dict[bytes, int], *, limit: int
    ) -> tuple[list[Hole], bool]:
        """What deletions say of entries, those that are here and not taken yet.

        Args:
            connection: Anybody's.
            scanned: How far each log was looked through before; brought up to date.
            limit: Blocks looked into.

        Returns:
            Holes as they are told of, and whether there is more to look through.
        """
        row = self._row.row
        named: list[Hole] = []
        for log in rooms.logs(connection, row):
            writer = log.writer
            start = max(self.linearizer.length(writer), scanned.get(writer, 0))
            found = holes.stored(connection, row, writer, start, log.length)
            for sequence, block in found:
                if not limit:
                    return named, True
                limit -= 1
                try:
                    entry = self._entry(writer, sequence, block)
                except (RemoteProtocolError, store_errors.RemoteProtocolError):
                    # Perhaps for want of a key that comes later; then it is taken.
                    continue
                finally:
                    scanned[writer] = sequence + 1
                named += _deleted(entry)
        return named, False

    def contradicted(
        self, connection: Connection, writer: bytes, sequences: Iterable[int]
    ) -> list[int]:
        """Of a log's holes those whose blocks are here and say something else."""
        row = self._row.row
        wrong: list[int] = []
        for sequence in sequences:
            hole = holes.one(connection, row, writer, sequence)
            entry = self.entry(connection, writer, sequence)
            if hole is None:
                continue
            if entry is None or (hole.clock, hole.links) != (entry.clock, entry.links):
                wrong.append(sequence)
        return wrong

    def has_seen(self, links: Iterable[Link]) -> bool:
        """Whether all that these link to is taken."""
        length = self.linearizer.length
        return all(link.length <= length(link.writer) for link in links)

    def would_see(self, links: Sequence[Link], other: bytes) -> int:
        """How much of a log an entry written here with these links will have seen."""
        return self.linearizer.would_see(self._own, links, other)

    def seen(self, writer: bytes) -> Mapping[bytes, int]:
        """How much of every other log the last entry of one had seen."""
        return self.linearizer.causality.all_seen(writer)

    def lacked(self, wanted: Callable[[bytes], int | None]) -> dict[bytes, int]:
        """How much is linked to of logs that nobody wants so much of.

        Somebody wrote it who had not heard yet that it does not count; what that
        somebody wrote can only be judged with it.

        Args:
            wanted: How far a log counts; None for all of it.
        """
        lacked: dict[bytes, int] = {}
        for links in self.missing.values():
            for writer, length in links:
                ends = wanted(writer)
                if ends is not None and ends < length:
                    lacked[writer] = max(lacked.get(writer, 0), length)
        return lacked

    @property
    def is_unheard(self) -> bool:
        """True when somebody said what this device has not acknowledged."""
        return bool(self._unheard)

    def woken(self) -> tuple[bytes, ...]:
        """The logs that waited and may go on, since last asked."""
        woken = dict.fromkeys((*self.linearizer.woken(), *self._woken))
        self._woken = {}
        return tuple(woken)

    def key_came(self) -> None:
        """Let the logs go on that waited for a key."""
        self._woken.update(dict.fromkeys(self._keyless))

    def _is_false(self, hole: Hole, verdict: Verdict) -> bool:
        """Whether a hole that somebody told of is what ends its log.

        Nobody honest tells of one that is too early: it would not have been taken.
        """
        return bool(hole.source) and verdict in (Verdict.FALSE, Verdict.EARLY)

    def _hole(self, writer: bytes, sequence: int) -> Hole | None:
        return holes.one(self._connection, self._row.row, writer, sequence)

    def _entry(self, writer: bytes, sequence: int, block: bytes | Hole) -> Entry:
        if isinstance(block, Hole):
            return Entry(writer, sequence, block.clock, block.links, b"")
        plaintext = self._ring.open(block, writer=writer, sequence=sequence)
        return decode_entry(writer, sequence, plaintext)

    def _older_clock(self, writer: bytes, sequence: int) -> int:
        entry = self.entry(self._connection, writer, sequence)
        return entry.clock if entry is not None else 0

    def _old_links(self, writer: bytes, start: int, end: int) -> Iterable[Link]:
        found = holes.log(self._connection, self._row.row, writer, start, end)
        for sequence, block in enumerate(found, start):
            yield from self._entry(writer, sequence, block).links

    def _hear(self, entry: Entry) -> None:
        if entry.writer != self._own:
            if entry.payload:
                self._unheard[entry.writer] = entry.sequence + 1
            return
        seen = self.linearizer.causality.current
        for writer, length in list(self._unheard.items()):
            if seen(self._own, writer) >= length:
                del self._unheard[writer]

    def _not_opened(self, writer: bytes, code: str) -> Held:
        if code == "no-key":
            self._keyless.add(writer)
            return Held.KEY
        return Held.NEWER if code == "version" else Held.BROKEN

    def _not_taken(self, entry: Entry, verdict: Verdict) -> Held:
        if verdict is Verdict.WAITING:
            self.missing[entry.writer] = tuple(
                link
                for link in self.linearizer.clipped(entry.links)
                if link.length > self.linearizer.length(link.writer)
            )
            return Held.CAUSES
        if verdict is Verdict.FROZEN:
            return Held.FROZEN
        return Held.EARLY if verdict is Verdict.EARLY else Held.BROKEN


def _deleted(entry: Entry) -> list[Hole]:
    """What an entry says of those that it deletes."""
    try:
        body = decode_operation(entry.payload).body if entry.payload else None
    except RemoteProtocolError:
        return []
    if not isinstance(body, Delete):
        return []
    return [
        Hole(it.writer, it.sequence, it.clock, it.links, entry.writer)
        for it in body.targets
    ]
