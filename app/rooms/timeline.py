"""The entries of a room's logs, causes first: what was taken and what waits for what.

``Timeline`` belongs to the ``RoomView`` and lives in the writer thread. It opens
blocks, gives them to the ``Linearizer`` one after the other, and says why a log does
not go on. It leaves to the view what the entries mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from app.rooms.blocks import open_block
from net.constants import MAX_SAFE_UINT
from net.errors import RemoteProtocolError
from store import errors as store_errors
from store import rooms
from store.autobase import (
    Entry,
    Linearizer,
    Link,
    Verdict,
    decode_entry,
    decode_saved,
    encode_saved,
)
from store.database import Connection
from store.rooms import RoomRow

MAX_AHEAD_MS = 24 * 3600 * 1000
"""Entries with a clock further ahead of this computer's mean nothing yet."""


SAVE_ENTRIES = 2_048
"""After so many entries what is known of them all is saved; after more while more are
not confirmed."""


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
    BROKEN = "broken"
    """It breaks the rules of logs, and so goes on nowhere."""


class Taken(NamedTuple):
    """What became of blocks that were offered."""

    entries: list[tuple[bytes, Entry]]
    """Blocks that were taken, with what they say."""
    held: Held | None
    """Why those behind them were not."""


class Timeline:
    """What is taken of each log of one room.

    Attributes:
        linearizer: Their order and causality.
        missing: What logs that wait for causes link to and is not here, by log.
    """

    def __init__(self, row: RoomRow, own: bytes) -> None:
        """Begin without entries; see ``load``.

        Args:
            row: The room as stored.
            own: Key of the log that is written here: it is never too early.
        """
        self.linearizer = Linearizer()
        self.missing: dict[bytes, tuple[Link, ...]] = {}
        self._row = row
        self._own = own
        self._keyless: set[bytes] = set()
        self._woken: dict[bytes, None] = {}
        self._unsaved = 0
        self._unheard: dict[bytes, int] = {}

    def load(self, connection: Connection) -> None:
        """Take again what was taken before the last start."""
        row = self._row.row
        if saved := rooms.timeline(connection, row):
            self.linearizer = Linearizer(saved=decode_saved(saved))
        entries: list[Entry] = []
        for log in rooms.logs(connection, row):
            start = self.linearizer.length(log.writer)
            blocks = rooms.log_blocks(connection, row, log.writer, start, log.derived)
            for sequence, block in enumerate(blocks, start):
                entries.append(self.open(log.writer, sequence, block))
        # Clocks rise along causes.
        for entry in sorted(entries, key=lambda entry: entry.place):
            self.linearizer.receive(entry, horizon=MAX_SAFE_UINT)
        self._unsaved = len(entries)

    def save(self, connection: Connection) -> None:
        """Now and then keep what is known, so that the next start reads no blocks."""
        if self._unsaved >= max(SAVE_ENTRIES, len(self.linearizer.order.tail)):
            self._unsaved = 0
            saved = encode_saved(self.linearizer.save())
            rooms.save_timeline(connection, self._row.row, saved)

    def take(
        self, writer: bytes, start: int, blocks: Iterable[bytes], *, now_ms: int
    ) -> Taken:
        """Take the next blocks of a log, as far as they may be.

        Args:
            writer: Whose log.
            start: How much of it was taken.
            blocks: What follows.
            now_ms: The wall clock.
        """
        horizon = MAX_SAFE_UINT if writer == self._own else now_ms + MAX_AHEAD_MS
        self.missing.pop(writer, None)
        self._keyless.discard(writer)
        entries: list[tuple[bytes, Entry]] = []
        for sequence, block in enumerate(blocks, start):
            try:
                entry = self.open(writer, sequence, block)
            except (RemoteProtocolError, store_errors.RemoteProtocolError) as error:
                return Taken(entries, self._not_opened(writer, error.code))
            verdict = self.linearizer.receive(entry, horizon=horizon)
            if verdict is not Verdict.TAKEN:
                return Taken(entries, self._not_taken(entry, verdict))
            entries.append((block, entry))
            self._unsaved += 1
            self._hear(entry)
        return Taken(entries, None)

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

    def open(self, writer: bytes, sequence: int, block: bytes) -> Entry:
        """What a block says.

        Raises:
            RemoteProtocolError: Of ``net`` or of ``store``: it says nothing.
        """
        plaintext = open_block(
            block,
            room_key=self._row.key,
            room=self._row.room,
            writer=writer,
            sequence=sequence,
        )
        return decode_entry(writer, sequence, plaintext)

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
        if code in ("epoch", "no-key"):
            self._keyless.add(writer)
            return Held.KEY
        return Held.NEWER if code == "version" else Held.BROKEN

    def _not_taken(self, entry: Entry, verdict: Verdict) -> Held:
        if verdict is Verdict.WAITING:
            self.missing[entry.writer] = tuple(
                link
                for link in entry.links
                if link.length > self.linearizer.length(link.writer)
            )
            return Held.CAUSES
        return Held.EARLY if verdict is Verdict.EARLY else Held.BROKEN
