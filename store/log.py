"""Append-only signed logs, one for each writing device of a room.

An entry names its place and the hash of the entry before it, and is signed by the
device; the signature also binds the room and the writer. Nothing is stored before it is
verified, and the same entry twice is one entry. A device that signs two entries for one
place has forked: the second is kept as evidence and the log takes nothing more.

Payloads are sealed by whoever appends; this module never looks inside, so a log can be
kept by somebody who does not hold the room's key. ``WriterLogs`` is the interface;
hypercores are to fill it later. Entry bytes::

    uint version (1) | uint sequence | uint key epoch | fixed32 previous hash
    buffer payload | fixed64 signature

hash = BLAKE2b-256(namespace | room | writer | all of the entry but the signature),
and the signature is over the hash. The first entry's previous hash is the hash of
nothing: 32 zero bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import apsw

from net.crypto import KeyPair, blake2b_256, namespace, sign, verify
from net.encoding import Reader, Writer
from store.errors import LocalProtocolError, RemoteProtocolError

ENTRY_VERSION = 1
HASH_BYTES = 32
SIGNATURE_BYTES = 64
NO_HASH = bytes(HASH_BYTES)

MAX_PAYLOAD_BYTES = 72 * 1024
"""A message of 64 KiB with its envelope and seal."""
MAX_ENTRY_BYTES = MAX_PAYLOAD_BYTES + 160
MAX_WRITERS = 2_000
"""Logs kept for one room."""
MAX_LOG_LENGTH = 1 << 32

_NAMESPACE = namespace("covey/room-log", 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One verified entry."""

    sequence: int
    key_epoch: int
    """Which of the room's keys sealed the payload."""
    previous: bytes
    payload: bytes
    hash: bytes
    data: bytes
    """As it travels."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far a log reaches here."""

    length: int
    hash: bytes
    """Hash of the last entry."""
    forked: bool = False


@dataclass(frozen=True, slots=True)
class PutResult:
    """What came of offering entries."""

    stored: tuple[Entry, ...]
    """Entries that were new."""
    head: Head
    """Of the log afterwards; a forked log takes nothing more."""
    held: bool = False
    """From some entry on they were not taken for now."""

    @property
    def length(self) -> int:
        """Of the log afterwards."""
        return self.head.length

    @property
    def forked(self) -> bool:
        """The writer has signed two histories."""
        return self.head.forked


class WriterLogs(Protocol):
    """The logs of one room, within one transaction.

    Order: entries of a writer are stored without gaps. Nothing holds before the
    transaction has committed.
    """

    def heads(self) -> dict[bytes, Head]:
        """The head of every log, by writer."""

    def append(
        self, key_pair: KeyPair, seal: Callable[[int], bytes], *, key_epoch: int = 0
    ) -> Entry:
        """Sign and add an entry to the device's own log.

        Args:
            key_pair: The device.
            seal: Called with the entry's sequence, gives its payload.
            key_epoch: Which of the room's keys seals it.

        Raises:
            LocalProtocolError: The payload is too large, or the log has forked.
        """

    def put(
        self,
        writer: bytes,
        entries: Sequence[bytes],
        *,
        accepts: Callable[[Entry], bool] | None = None,
    ) -> PutResult:
        """Verify and add entries of another device, in the order of its log.

        Args:
            writer: The device.
            entries: As they travel.
            accepts: Asked for each new entry in turn; the first that it does not
                accept is left out with all after it, to be offered again.

        Raises:
            RemoteProtocolError: An entry is malformed, wrongly signed, or leaves a gap.
        """

    def read(
        self, writer: bytes, start: int, end: int, *, max_bytes: int
    ) -> list[bytes]:
        """Entries from ``start`` to before ``end``, as many as fit; at least one."""


def entry_hash(room: bytes, writer: bytes, unsigned: bytes) -> bytes:
    """What an entry is named by, and what its writer signs."""
    return blake2b_256(_NAMESPACE, room, writer, unsigned)


def encode_entry(
    room: bytes,
    key_pair: KeyPair,
    *,
    sequence: int,
    key_epoch: int,
    previous: bytes,
    payload: bytes,
) -> Entry:
    """Make and sign an entry."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise LocalProtocolError("the payload is too large", code="too-large")
    writer = Writer().uint(ENTRY_VERSION).uint(sequence).uint(key_epoch)
    unsigned = writer.fixed(previous, HASH_BYTES).buffer(payload).finish()
    digest = entry_hash(room, key_pair.public_key, unsigned)
    data = unsigned + sign(digest, key_pair.secret_key)
    return Entry(sequence, key_epoch, previous, payload, digest, data)


def decode_entry(room: bytes, writer: bytes, data: bytes) -> Entry:
    """Read an entry and verify its signature.

    Raises:
        RemoteProtocolError: (of ``net`` or of ``store``) It is malformed or not signed
            by ``writer`` for ``room``.
    """
    if len(data) > MAX_ENTRY_BYTES:
        raise RemoteProtocolError("the entry is too large", code="too-large")
    reader = Reader(data)
    version = reader.uint()
    if version != ENTRY_VERSION:
        raise RemoteProtocolError(f"entry version {version}", code="version")
    sequence = reader.uint()
    key_epoch = reader.uint()
    previous = reader.fixed(HASH_BYTES)
    payload = reader.buffer(max_bytes=MAX_PAYLOAD_BYTES)
    signature = reader.fixed(SIGNATURE_BYTES)
    if reader.remaining:
        raise RemoteProtocolError("bytes after the entry")
    if sequence >= MAX_LOG_LENGTH:
        raise RemoteProtocolError("the sequence is too large", code="too-large")
    digest = entry_hash(room, writer, data[:-SIGNATURE_BYTES])
    if not verify(digest, signature, writer):
        raise RemoteProtocolError("the signature is wrong", code="signature")
    return Entry(sequence, key_epoch, previous, payload, digest, data)


class DatabaseLogs:
    """``WriterLogs`` in the tables ``writer`` and ``entry``."""

    def __init__(self, connection: apsw.Connection, row: int, room: bytes) -> None:
        """Serve one room in the current transaction.

        Args:
            connection: Of the transaction.
            row: The room's row number.
            room: The room's id, bound by every signature.
        """
        self._connection = connection
        self._row = row
        self._room = room

    def heads(self) -> dict[bytes, Head]:
        """See ``WriterLogs.heads``."""
        rows = self._connection.execute(
            "SELECT key, length, head, fork IS NOT NULL FROM writer WHERE room = ?",
            (self._row,),
        )
        return {key: Head(length, head, bool(fork)) for key, length, head, fork in rows}

    def append(
        self, key_pair: KeyPair, seal: Callable[[int], bytes], *, key_epoch: int = 0
    ) -> Entry:
        """See ``WriterLogs.append``."""
        number, head = self._writer(key_pair.public_key)
        if head.forked:
            raise LocalProtocolError("this device's log has forked", code="forked")
        entry = encode_entry(
            self._room,
            key_pair,
            sequence=head.length,
            key_epoch=key_epoch,
            previous=head.hash,
            payload=seal(head.length),
        )
        self._store(number, [entry])
        return entry

    def put(
        self,
        writer: bytes,
        entries: Sequence[bytes],
        *,
        accepts: Callable[[Entry], bool] | None = None,
    ) -> PutResult:
        """See ``WriterLogs.put``."""
        number, head = self._writer(writer)
        if head.forked:
            return PutResult((), head)
        length, last = head.length, head.hash
        fresh: list[Entry] = []
        evidence: bytes | None = None
        held = False
        for data in entries:
            entry = decode_entry(self._room, writer, data)
            if entry.sequence > length:
                raise RemoteProtocolError("entries leave a gap", code="gap")
            if entry.sequence < length:
                known = self._hash_at(number, head.length, fresh, entry.sequence)
                if known == entry.hash:
                    continue
                evidence = data
                break
            if entry.previous != last:
                evidence = data
                break
            if accepts is not None and not accepts(entry):
                held = True
                break
            fresh.append(entry)
            length, last = length + 1, entry.hash
        self._store(number, fresh)
        if evidence is not None:
            self._connection.execute(
                "UPDATE writer SET fork = ? WHERE id = ?", (evidence, number)
            )
        return PutResult(tuple(fresh), Head(length, last, evidence is not None), held)

    def read(
        self, writer: bytes, start: int, end: int, *, max_bytes: int
    ) -> list[bytes]:
        """See ``WriterLogs.read``."""
        found: list[bytes] = []
        total_bytes = 0
        rows = self._connection.execute(
            "SELECT data FROM entry JOIN writer ON writer.id = entry.writer"
            " WHERE room = ? AND key = ? AND sequence >= ? AND sequence < ?"
            " ORDER BY sequence",
            (self._row, writer, start, end),
        )
        for (data,) in rows:
            total_bytes += len(data)
            if found and total_bytes > max_bytes:
                break
            found.append(data)
        return found

    def _writer(self, key: bytes) -> tuple[int, Head]:
        """Row number and head of a log, begun when it is new."""
        query = (
            "SELECT id, length, head, fork IS NOT NULL FROM writer"
            " WHERE room = ? AND key = ?"
        )
        for number, length, head, fork in self._connection.execute(
            query, (self._row, key)
        ):
            return number, Head(length, head, bool(fork))
        count = self._connection.execute(
            "SELECT count(*) FROM writer WHERE room = ?", (self._row,)
        ).get
        if count >= MAX_WRITERS:
            raise RemoteProtocolError("the room has too many writers", code="too-many")
        self._connection.execute(
            "INSERT INTO writer (room, key, head) VALUES (?, ?, ?)",
            (self._row, key, NO_HASH),
        )
        return self._connection.last_insert_rowid(), Head(0, NO_HASH)

    def _hash_at(
        self, number: int, stored: int, fresh: list[Entry], sequence: int
    ) -> bytes:
        if sequence >= stored:
            return fresh[sequence - stored].hash
        found = self._connection.execute(
            "SELECT hash FROM entry WHERE writer = ? AND sequence = ?",
            (number, sequence),
        ).get
        assert isinstance(found, bytes), "a log has no gaps"
        return found

    def _store(self, number: int, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        self._connection.executemany(
            "INSERT INTO entry (writer, sequence, hash, data) VALUES (?, ?, ?, ?)",
            [(number, entry.sequence, entry.hash, entry.data) for entry in entries],
        )
        self._connection.execute(
            "UPDATE writer SET length = ?, head = ? WHERE id = ?",
            (entries[-1].sequence + 1, entries[-1].hash, number),
        )
