"""A corestore on one connection: which logs have a channel there, and why.

With a Covey peer both sides first tell their heads (``heads``), and a channel is opened
only for a log whose tree is longer there, or in which somebody waits for what the peer
may have; who opened one that has nothing to say for a while closes it again. A peer
that does not speak ``covey/heads`` gets what npm corestore does: a channel for every
log with a session. Opens of the peer are answered for every log that is stored.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Final

from store.corestore.heads import PROTOCOL as HEADS_PROTOCOL
from store.corestore.heads import HeadsTable, LogHead
from store.database import Connection
from store.errors import RemoteProtocolError, StoreError
from store.hypercore.messages import PROTOCOL, PROTOCOL_ALIASES

if TYPE_CHECKING:
    from net.mux import Channel
    from store.corestore.shelf import Shelf
    from store.hypercore.core import Core
    from store.hypercore.replication import Attachment, ReplicaConnection
    from store.hypercore.replication.handles import FindingPeers

MAX_OPEN: Final = 512
"""Channels that this side opens on one connection to a Covey peer."""

MAX_PENDING: Final = 192
"""Opens of the peer that wait for the disk; below what a mux lets wait."""

MAX_LATER: Final = 4096
"""Opens beyond those, which are refused and then answered by an open of ours."""

MAX_TOLD_HEADS: Final = 16_384
"""Stored logs whose heads are told."""

IDLE_S: Final = 30.0
"""How long a channel without news or traffic stays open."""

RETRY_S: Final = 2.0
"""Time between the end of a channel and the next one for the same log."""

HEADS_PATIENCE_S: Final = 5.0
"""How long a peer's heads are waited for before channels are opened without them."""

ROOM_PAUSE_S: Final = 0.05
"""Time between two looks for channels that have done their duty."""

TELL_PAUSE_S: Final = 0.02
"""Least time between two messages about changes."""

_NAMES: Final = (PROTOCOL, *PROTOCOL_ALIASES)


class PeerKind(Enum):
    """What the peer is, as far as it is known."""

    UNKNOWN = "unknown"
    COVEY = "covey"
    PLAIN = "plain"
    """It does not speak of heads: npm, or nobody replicates there yet."""


class _Open:
    """One log with a channel, or with one that may come."""

    __slots__ = ("attachment", "changed_at", "core", "ours", "seen")

    def __init__(
        self, core: Core, attachment: Attachment, now: float, *, ours: bool
    ) -> None:
        self.core = core
        self.attachment = attachment
        self.ours = ours
        self.changed_at = now
        self.seen: tuple[int, ...] = ()


class StoreLink:
    """Everything of one corestore on one connection.

    Attributes:
        connection: Which.
        kind: What is at its other end.
        table: The heads of both sides.
        closed: After ``close``, or the connection's end.
    """

    def __init__(self, shelf: Shelf, connection: ReplicaConnection) -> None:
        self.connection = connection
        self.kind = PeerKind.UNKNOWN
        self.closed = False
        self.table = HeadsTable(
            connection.handshake_hash, is_initiator=connection.is_initiator
        )
        self._shelf = shelf
        self._loop = asyncio.get_running_loop()
        self._scopes: dict[object, frozenset[bytes] | None] = {}
        self._open: dict[bytes, _Open] = {}
        self._ours: set[bytes] = set()
        self._keys: dict[bytes, bytes] = {}
        self._waiting: dict[bytes, None] = {}
        self._settled: dict[bytes, tuple[LogHead | None, float]] = {}
        self._finding: dict[bytes, FindingPeers] = {}
        self._pending: deque[bytes] = deque()
        self._later: deque[bytes] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._loaded = False
        self._heads: Channel | None = None
        self._heads_opened_at = self._loop.time()
        self._telling: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._making_room: asyncio.TimerHandle | None = None
        for name in _NAMES:
            connection.mux.pair(name, None, self._on_pair)
        connection.mux.pair(HEADS_PROTOCOL, b"", self._on_heads_pair)
        self._open_heads()

    # -- what is replicated --------------------------------------------------------

    def add_scope(self, token: object, cores: frozenset[bytes] | None) -> None:
        """Replicate these cores as well, by discovery key; None for all."""
        self._scopes[token] = cores
        self._loaded = False
        if self._loading is not None:
            self._loading.cancel()
        self._loading = self._loop.create_task(self._load_heads())
        for core in self._shelf.cores.open_cores:
            self.core_activated(core)

    async def remove_scope(self, token: object) -> None:
        """Do so no longer; the last one ends the link."""
        self._scopes.pop(token, None)
        if not self._scopes:
            await self.close()
            return
        for discovery_key in {*self._open, *self._keys}:
            if not self._includes(discovery_key):
                self._detach(discovery_key)
                self._forget(discovery_key)

    def has_open(self, discovery_key: bytes) -> bool:
        """True while the log has a channel here."""
        entry = self._open.get(discovery_key)
        return entry is not None and entry.attachment.link is not None

    # -- what cores tell -----------------------------------------------------------

    def core_activated(self, core: Core) -> None:
        """A core has a session."""
        discovery_key = core.state.discovery_key
        if self.closed or not self._includes(discovery_key):
            return
        self.head_changed(core)
        if not self._knows_of(core) and discovery_key not in self._finding:
            # Until it is known what the peer has, ``update`` has to wait.
            self._finding[discovery_key] = core.replication.finding_peers()
        self.consider(core)

    def head_changed(self, core: Core) -> None:
        """A core has grown, shrunk or changed its blocks."""
        if self.closed or not self._includes(core.state.discovery_key):
            return
        self._set_head(core.state.discovery_key, core.state.key, head_of(core))
        self._schedule_tell()
        if self._waiting and core.state.discovery_key in self._ours:
            self._schedule_room()

    def core_closed(self, core: Core) -> None:
        """A core is closed here."""
        discovery_key = core.state.discovery_key
        self._waiting.pop(discovery_key, None)
        self._found(discovery_key)
        if self._open.pop(discovery_key, None) is not None:
            self._ours.discard(discovery_key)
            self.table.release(core.state.key)

    def consider(self, core: Core) -> None:
        """Open a channel for a core if there is reason to."""
        discovery_key = core.state.discovery_key
        if self.closed or core.closed or not self._includes(discovery_key):
            return
        if self.connection.mux.closed:
            self._end()
            return
        if self._knows_of(core):
            self._found(discovery_key)
        entry = self._open.get(discovery_key)
        if entry is not None and not entry.attachment.closed:
            return
        if not self._has_reason(core):
            self._waiting.pop(discovery_key, None)
        elif self.kind is PeerKind.COVEY and len(self._ours) >= MAX_OPEN:
            self._waiting[discovery_key] = None
            self._schedule_room()
        else:
            self._waiting.pop(discovery_key, None)
            self._attach(core, ours=True)

    def sweep(self, now: float) -> None:
        """Close channels that have nothing to say, and open those that wait."""
        if self.connection.mux.closed:
            self._end()
            return
        if self.kind is PeerKind.COVEY:
            for discovery_key, entry in list(self._open.items()):
                if self._is_idle(entry, now):
                    self._detach(discovery_key)
        for core in self._shelf.cores.open_cores:
            self.consider(core)

    async def close(self) -> None:
        """End all channels of this corestore here."""
        tasks = [task for task in (self._loading, self._answering) if task is not None]
        self._end()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    # -- inside: channels ----------------------------------------------------------

    def _includes(self, discovery_key: bytes) -> bool:
        return any(
            scope is None or discovery_key in scope for scope in self._scopes.values()
        )

    def _has_reason(self, core: Core) -> bool:
        replication = core.replication
        if core.state.frozen or not replication.downloading:
            return False
        if self.kind is not PeerKind.COVEY:
            return self.kind is PeerKind.PLAIN
        key = core.state.key
        remote = self.table.remote_head(key)
        if remote is None and (
            not self._knows_of(core) or not self.table.may_have(key)
        ):
            return False
        settled = self._settled.get(core.state.discovery_key)
        if settled is not None and self._loop.time() - settled[1] < RETRY_S:
            return False
        if replication.wanting or replication.machine.extensions:
            return True
        if settled is not None and settled[0] == remote:
            return False
        return remote is None or _is_longer(remote, head_of(core))

    def _knows_of(self, core: Core) -> bool:
        """Whether it is known, or waited for in vain, what the peer has."""
        if self.kind is PeerKind.UNKNOWN:
            return False
        if self.kind is PeerKind.PLAIN or self.table.complete:
            return True
        if self.table.remote_head(core.state.key) is not None:
            return True
        return self._loop.time() - self._heads_opened_at >= HEADS_PATIENCE_S

    def _attach(self, core: Core, *, ours: bool) -> None:
        discovery_key = core.state.discovery_key
        self._detach(discovery_key)
        self._settled.pop(discovery_key, None)
        self.table.hold(core.state.key)
        attachment = core.replication.attach(self.connection)
        self._open[discovery_key] = _Open(
            core, attachment, self._loop.time(), ours=ours
        )
        if ours:
            self._ours.add(discovery_key)
        attachment.on_close.append(self._channel_closed)

    def _channel_closed(self, attachment: Attachment) -> None:
        discovery_key = attachment.replication.discovery_key
        entry = self._open.get(discovery_key)
        if entry is None or entry.attachment is not attachment:
            return
        # A plain peer's channel may come back: the attachment answers it.
        keeps = self.kind is not PeerKind.COVEY and not attachment.closed
        if attachment.link is None and not keeps:
            self._detach(discovery_key)

    def _detach(self, discovery_key: bytes) -> None:
        entry = self._open.pop(discovery_key, None)
        if entry is None:
            return
        self._ours.discard(discovery_key)
        key = entry.core.state.key
        self.table.release(key)
        self._settled[discovery_key] = (self.table.remote_head(key), self._loop.time())
        entry.attachment.close()
        self._schedule_tell()

    def _is_idle(self, entry: _Open, now: float) -> bool:
        if entry.attachment.closed:
            return True
        peer = entry.attachment.peer
        if not entry.ours or peer is None:
            return False
        replication = entry.core.replication
        wanted = replication.wanting or replication.machine.extensions
        counters = peer.counters
        seen = (
            *(counters.downloaded_blocks, counters.uploaded_blocks),
            *(peer.remote_fork, peer.remote_length, len(peer.asks)),
            *head_of(entry.core),
        )
        if wanted or seen != entry.seen:
            entry.seen = seen
            entry.changed_at = now
        return now - entry.changed_at >= IDLE_S

    def _schedule_room(self) -> None:
        if self._making_room is None and not self.closed:
            self._making_room = self._loop.call_later(ROOM_PAUSE_S, self._make_room)

    def _make_room(self) -> None:
        """Close channels that have brought their news, as many as other logs wait."""
        self._making_room = None
        for discovery_key in list(self._ours):
            if not self._waiting:
                return
            if self._is_done(self._open[discovery_key]):
                self._detach(discovery_key)
                waiting = next(iter(self._waiting))
                core = self._shelf.cores.get(waiting)
                self._waiting.pop(waiting)
                if core is not None:
                    self.consider(core)
        if self._waiting:
            self._schedule_room()

    def _is_done(self, entry: _Open) -> bool:
        peer, replication = entry.attachment.peer, entry.core.replication
        if peer is None or replication.wanting or replication.machine.extensions:
            return False
        remote = LogHead(peer.remote_fork, peer.remote_length)
        return peer.synced and not _is_longer(remote, head_of(entry.core))

    def _end(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._shelf.forget_link(self)
        for discovery_key in list(self._finding):
            self._found(discovery_key)
        for task in (self._loading, self._answering):
            if task is not None:
                task.cancel()
        for timer in (self._telling, self._making_room):
            if timer is not None:
                timer.cancel()
        for discovery_key in list(self._open):
            self._detach(discovery_key)
        mux = self.connection.mux
        if not mux.closed:
            for name in _NAMES:
                mux.unpair(name, None)
            mux.unpair(HEADS_PROTOCOL, b"")
            if self._heads is not None:
                self._heads.close()

    # -- inside: opens of the peer -------------------------------------------------

    def _on_pair(self, discovery_key: bytes) -> bool:
        if self.closed or not self._includes(discovery_key):
            return False
        core = self._shelf.cores.get(discovery_key)
        if core is not None and not core.closed:
            self._attach(core, ours=False)
            return False
        waits = len(self._pending) < MAX_PENDING
        if waits:
            self._pending.append(discovery_key)
        elif len(self._later) < MAX_LATER:
            self._later.append(discovery_key)
        if self._answering is None:
            self._answering = self._loop.create_task(self._answer())
        return waits

    async def _answer(self) -> None:
        try:
            while self._pending or self._later:
                waits = bool(self._pending)
                queue = self._pending if waits else self._later
                core = await self._stored(queue[0])
                discovery_key = queue.popleft()
                mux = self.connection.mux
                if mux.closed:
                    break
                if core is not None and not core.closed:
                    if not self.has_open(discovery_key):
                        self._attach(core, ours=False)
                    continue
                if waits:
                    for name in _NAMES:
                        mux.reject(name, discovery_key)
                # It was deleted since it was told.
                self._forget(discovery_key)
        finally:
            self._answering = None

    async def _stored(self, discovery_key: bytes) -> Core | None:
        try:
            return await self._shelf.open_stored(discovery_key)
        except StoreError:
            # A log that cannot be opened is one that this peer does not get.
            return None

    # -- inside: heads -------------------------------------------------------------

    def _open_heads(self) -> None:
        mux = self.connection.mux
        if mux.closed or mux.is_open(HEADS_PROTOCOL):
            return
        self._heads = mux.create_channel(
            HEADS_PROTOCOL,
            messages=[self._on_heads],
            on_open=self._on_heads_open,
            on_close=self._on_heads_close,
        )

    def _on_heads_pair(self, channel_id: bytes) -> None:
        del channel_id
        if not self.closed:
            self._open_heads()

    def _on_heads_open(self, handshake: bytes) -> None:
        del handshake
        self.kind = PeerKind.COVEY
        self._heads_opened_at = self._loop.time()
        for discovery_key, entry in list(self._open.items()):
            # Refused before the peer replicated anything: its heads say when to open.
            if entry.attachment.link is None:
                self._detach(discovery_key)
        self._settled.clear()
        self._schedule_tell()

    def _on_heads_close(self) -> None:
        self._heads = None
        if self.connection.mux.closed:
            # The mux closes the other channels itself, and only then there is peace.
            self._loop.call_soon(self._end)
        elif not self.closed:
            self.kind = PeerKind.PLAIN
            self.table = HeadsTable(
                self.connection.handshake_hash,
                is_initiator=self.connection.is_initiator,
            )
            for entry in self._open.values():
                self.table.set_head(entry.core.state.key, head_of(entry.core))
                self.table.hold(entry.core.state.key)
            self._consider_all(self._shelf.cores.open_cores)

    def _on_heads(self, message: bytes) -> None:
        if self.closed or self._heads is None:
            return
        try:
            self.table.receive(message)
        except RemoteProtocolError:
            self._heads.close()
            return
        changed = set(self.table.take_changed())
        self._consider_all(
            core for core in self._shelf.cores.open_cores if core.state.key in changed
        )

    def _consider_all(self, cores: Iterable[Core]) -> None:
        mux = self.connection.mux
        mux.cork()
        try:
            for core in cores:
                self.consider(core)
        finally:
            if not mux.closed:
                mux.uncork()

    def _found(self, discovery_key: bytes) -> None:
        finding = self._finding.pop(discovery_key, None)
        if finding is not None:
            # What comes of it may open a channel in this very turn.
            self._loop.call_soon(finding.done)

    async def _load_heads(self) -> None:
        """Take up the heads of the logs that are stored and not open."""
        try:
            rows = await self._shelf.cores.traffic.read(_stored_heads)
        except StoreError:
            # Nothing is told, so that the peer opens what it wants.
            return
        for key, discovery_key, head in rows:
            core = self._shelf.cores.get(discovery_key)
            if self._includes(discovery_key) and core is None:
                self._set_head(discovery_key, key, head)
        for core in self._shelf.cores.open_cores:
            if self._includes(core.state.discovery_key):
                self._set_head(core.state.discovery_key, core.state.key, head_of(core))
        if len(rows) < MAX_TOLD_HEADS:
            self.table.finish_telling()
        self._loaded = True
        self._schedule_tell()

    def _set_head(self, discovery_key: bytes, key: bytes, head: LogHead) -> None:
        self._keys[discovery_key] = key
        self.table.set_head(key, head)

    def _forget(self, discovery_key: bytes) -> None:
        key = self._keys.pop(discovery_key, None)
        if key is not None:
            self.table.forget(key)
            self._schedule_tell()

    def _schedule_tell(self) -> None:
        if self._telling is None and not self.closed:
            at = max(self._loop.time(), self._told_at + TELL_PAUSE_S)
            self._telling = self._loop.call_at(at, self._tell)

    def _tell(self) -> None:
        self._telling = None
        channel = self._heads
        if self.closed or not self._loaded or channel is None or not channel.opened:
            return
        messages = self.table.messages_to_send()
        if messages:
            self._told_at = self._loop.time()
            channel.cork()
            for message in messages:
                channel.send(0, message)
            channel.uncork()


def head_of(core: Core) -> LogHead:
    """The committed head of an open core."""
    head = core.state.head
    contiguous = min(core.state.contiguous_length, head.length)
    return LogHead(head.fork, head.length, contiguous)


def _is_longer(remote: LogHead, here: LogHead) -> bool:
    if remote.fork != here.fork:
        return remote.fork > here.fork
    return remote.length > here.length


def _stored_heads(connection: Connection) -> list[tuple[bytes, bytes, LogHead]]:
    rows = connection.execute(
        "SELECT key, discovery_key, fork, length, contiguous FROM core"
        " ORDER BY id DESC LIMIT ?",
        (MAX_TOLD_HEADS,),
    )
    return [
        (key, discovery_key, LogHead(fork, length, min(contiguous, length)))
        for key, discovery_key, fork, length, contiguous in rows
    ]
