"""Heads of many logs, compared with one peer's, so that only news cost a channel.

Each side tells the fork, length and contiguous length of its logs, first of all and
then what changes, and learns in which of them the other one has more. A log is named
by a *blinded id*: a hash under the log's key of the handshake and of the teller's side.
Who does not know the key learns nothing from it, not even on two connections that
it is the same log; who does finds its own logs among them.

A machine without I/O: messages come in and go out as bytes, in order and lossless. What
carries them (a channel ``covey/heads``, or one of a room) and what is done about news
is left to others. Ours alone: npm peers refuse the channel.

Layout of a message (integers as in ``store.hypercore.wire``)::

    flags (1: every log was told at least once)
    count, and heads: blinded id (16), fork, length, contiguous length
    count, and blinded ids (16) of logs that are no longer there
"""

from __future__ import annotations

from enum import Flag
from typing import Final, NamedTuple

from net.crypto import blake2b_256
from store.errors import RemoteProtocolError
from store.hypercore.wire import read_bytes, read_count, read_uint, write_uint

PROTOCOL: Final = "covey/heads"

MAX_HEADS_PER_MESSAGE: Final = 256
"""Heads, and likewise ids of logs that are gone."""

MAX_REMOTE_HEADS: Final = 16_384
"""Logs of one peer that are remembered; of others nothing is known."""

BLINDED_ID_BYTES: Final = 16

_COMPLETE: Final = 1
_INITIATOR: Final = b"covey/heads/initiator"
_RESPONDER: Final = b"covey/heads/responder"


class LogHead(NamedTuple):
    """How much of a log somebody has."""

    fork: int = 0
    length: int = 0
    """Blocks the log is known to have."""
    contiguous_length: int = 0
    """Blocks stored from the first on without a gap."""

    def has_news_for(self, other: LogHead) -> bool:
        """True when who has this can give something to who has the other."""
        if self.fork != other.fork:
            return self.fork > other.fork
        return (
            self.length > other.length
            or self.contiguous_length > other.contiguous_length
        )


class Standing(Flag):
    """How a log here compares with the peer's."""

    EVEN = 0
    """Neither side's head has more than the other's."""

    BEHIND = 1
    """The peer has news for us."""

    AHEAD = 2
    """We have news for the peer."""


class _Log:
    __slots__ = ("blinded_here", "blinded_there", "head", "held", "told")

    def __init__(
        self, head: LogHead, blinded_here: bytes, blinded_there: bytes
    ) -> None:
        self.head = head
        self.blinded_here = blinded_here
        self.blinded_there = blinded_there
        self.told: LogHead | None = None
        self.held = 0


class HeadsTable:
    """The heads of both sides of one connection.

    Moved by ``set_head`` and ``forget`` for our logs, ``receive`` for the peer's;
    ``messages_to_send`` and ``take_changed`` are to be asked after each.

    Attributes:
        complete: The peer has told every log it has at least once.
        overflowed: The peer has more logs than are remembered: a log it did not tell
            may be there nevertheless.
    """

    def __init__(self, handshake_hash: bytes, *, is_initiator: bool) -> None:
        """Compare over one connection.

        Args:
            handshake_hash: The connection's, equal on both of its ends.
            is_initiator: Whether this side opened the connection.
        """
        self.complete = False
        self.overflowed = False
        self._handshake_hash = handshake_hash
        self._side_here = _INITIATOR if is_initiator else _RESPONDER
        self._side_there = _RESPONDER if is_initiator else _INITIATOR
        self._logs: dict[bytes, _Log] = {}
        self._by_blinded: dict[bytes, bytes] = {}
        self._remote: dict[bytes, LogHead] = {}
        self._dirty: dict[bytes, None] = {}
        self._gone: list[bytes] = []
        self._changed: dict[bytes, None] = {}
        self._tell_complete = False
        self._told_complete = False

    def set_head(self, key: bytes, head: LogHead) -> None:
        """Take up a log of ours, or its new head.

        Args:
            key: The log's, 32 bytes.
            head: What is committed of it.
        """
        log = self._logs.get(key)
        if log is None:
            log = self._add(key, head)
        elif log.head == head:
            return
        log.head = head
        if log.told != head and not log.held:
            self._dirty[key] = None
        if log.blinded_there in self._remote:
            self._changed[key] = None

    def forget(self, key: bytes) -> None:
        """A log of ours is gone."""
        log = self._logs.pop(key, None)
        if log is None:
            return
        del self._by_blinded[log.blinded_there]
        self._dirty.pop(key, None)
        self._changed.pop(key, None)
        if log.told is not None:
            self._gone.append(log.blinded_here)

    def hold(self, key: bytes) -> None:
        """Tell no changes of a log while its own channel does; nests."""
        log = self._logs.get(key)
        if log is not None:
            log.held += 1
            self._dirty.pop(key, None)

    def release(self, key: bytes) -> None:
        """Undo one ``hold``; what changed meanwhile is told."""
        log = self._logs.get(key)
        if log is None or not log.held:
            return
        log.held -= 1
        if not log.held and log.told != log.head:
            self._dirty[key] = None

    def finish_telling(self) -> None:
        """All logs there are at the beginning have been set."""
        self._tell_complete = True

    def standing(self, key: bytes) -> Standing | None:
        """How a log of ours compares; None while the peer does not tell of it."""
        log = self._logs.get(key)
        remote = None if log is None else self._remote.get(log.blinded_there)
        if log is None or remote is None:
            return None
        standing = Standing.EVEN
        if remote.has_news_for(log.head):
            standing |= Standing.BEHIND
        if log.head.has_news_for(remote):
            standing |= Standing.AHEAD
        return standing

    def remote_head(self, key: bytes) -> LogHead | None:
        """What the peer last told of a log of ours."""
        log = self._logs.get(key)
        return None if log is None else self._remote.get(log.blinded_there)

    def may_have(self, key: bytes) -> bool:
        """False when the peer has told that it does not have a log of ours."""
        if not self.complete or self.overflowed:
            return True
        return self.remote_head(key) is not None

    def take_changed(self) -> list[bytes]:
        """The keys of our logs whose standing may have changed since the last call."""
        changed = list(self._changed)
        self._changed.clear()
        return changed

    def messages_to_send(self) -> list[bytes]:
        """What the peer has to be told now, in messages of limited size."""
        messages = []
        while self._dirty or self._gone:
            messages.append(self._next_message())
        if self._tell_complete and not self._told_complete and not messages:
            messages.append(self._next_message())
        return messages

    def receive(self, message: bytes) -> None:
        """Take one message of the peer.

        Raises:
            RemoteProtocolError: It is malformed or too large.
        """
        flags, at = read_uint(message, 0)
        count, at = read_count(message, at, max_count=MAX_HEADS_PER_MESSAGE)
        told = []
        for _ in range(count):
            blinded, at = read_bytes(message, at, BLINDED_ID_BYTES)
            fork, at = read_uint(message, at)
            length, at = read_uint(message, at)
            contiguous, at = read_uint(message, at)
            if contiguous > length:
                raise RemoteProtocolError("a head with more blocks than its log")
            told.append((blinded, LogHead(fork, length, contiguous)))
        count, at = read_count(message, at, max_count=MAX_HEADS_PER_MESSAGE)
        gone, at = read_bytes(message, at, count * BLINDED_ID_BYTES)
        for blinded, head in told:
            self._hear(blinded, head)
        for start in range(0, len(gone), BLINDED_ID_BYTES):
            self._hear_gone(gone[start : start + BLINDED_ID_BYTES])
        if flags & _COMPLETE and not self.complete:
            self.complete = True
            # Also what was not told is known now: the peer does not have it.
            self._changed.update(dict.fromkeys(self._logs))

    def _add(self, key: bytes, head: LogHead) -> _Log:
        blinded_there = self._blinded(key, self._side_there)
        log = _Log(head, self._blinded(key, self._side_here), blinded_there)
        self._logs[key] = log
        self._by_blinded[blinded_there] = key
        self._changed[key] = None
        return log

    def _blinded(self, key: bytes, side: bytes) -> bytes:
        return blake2b_256(side, self._handshake_hash, key=key)[:BLINDED_ID_BYTES]

    def _hear(self, blinded: bytes, head: LogHead) -> None:
        if len(self._remote) >= MAX_REMOTE_HEADS and blinded not in self._remote:
            self.overflowed = True
            # A log of ours is worth more than one that nobody here knows.
            if blinded not in self._by_blinded:
                return
            self._make_room()
        self._remote[blinded] = head
        key = self._by_blinded.get(blinded)
        if key is not None:
            self._changed[key] = None

    def _make_room(self) -> None:
        for blinded in self._remote:
            if blinded not in self._by_blinded:
                del self._remote[blinded]
                return

    def _hear_gone(self, blinded: bytes) -> None:
        if self._remote.pop(blinded, None) is None:
            return
        key = self._by_blinded.get(blinded)
        if key is not None:
            self._changed[key] = None

    def _next_message(self) -> bytes:
        parts: list[bytes] = []
        keys = list(self._dirty)[:MAX_HEADS_PER_MESSAGE]
        for key in keys:
            del self._dirty[key]
            log = self._logs[key]
            log.told = log.head
            parts += (log.blinded_here, *map(write_uint, log.head))
        gone = self._gone[:MAX_HEADS_PER_MESSAGE]
        del self._gone[:MAX_HEADS_PER_MESSAGE]
        last = not self._dirty and not self._gone
        complete = self._told_complete = self._told_complete or (
            self._tell_complete and last
        )
        return b"".join(
            (
                b"\1" if complete else b"\0",
                write_uint(len(keys)),
                *parts,
                write_uint(len(gone)),
                *gone,
            )
        )
