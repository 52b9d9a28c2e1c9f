"""A corestore on one connection: which logs have a channel there, and why.

With a Covey peer both sides first tell their heads (``heads``), and a channel is opened
only for a log whose tree is longer there, or in which somebody waits for what the peer
may have; who opened one that has nothing to say for a while closes it again. A peer
that does not speak ``covey/heads`` gets what npm corestore does: a channel for every
log with a session. Opens of the peer are answered for every log that is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from store.corestore.carrier import PeerKind
from store.corestore.crossing import CROSSINGS
from store.corestore.heads import HeadsTable, LogHead
from store.database import Connection
from store.errors import StoreError

if TYPE_CHECKING:
    from store.corestore.shelf import Shelf
    from store.hypercore.core import Core
    from store.hypercore.replication import Attachment, ReplicaConnection
    from store.hypercore.replication.handles import FindingPeers

MAX_OPEN: Final = 512
"""Channels that this side opens on one connection to a Covey peer."""

MAX_TOLD_HEADS: Final = 16_384
"""Stored logs whose heads are told."""

IDLE_S: Final = 30.0
"""How long a channel without news or traffic stays open."""

RETRY_S: Final = 2.0
"""Time between the end of a channel and the next one for the same log."""

ROOM_PAUSE_S: Final = 0.05
"""Time between two looks for channels that have done their duty."""


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
        closed: After ``close``, or the connection's end.
    """

    def __init__(self, shelf: Shelf, connection: ReplicaConnection) -> None:
        self.connection = connection
        self.closed = False
        self._shelf = shelf
        self._loop = asyncio.get_running_loop()
        self._scopes: dict[object, frozenset[bytes] | None] = {}
        self._open: dict[bytes, _Open] = {}
        self._ours: set[bytes] = set()
        self._keys: dict[bytes, bytes] = {}
        self._waiting: dict[bytes, None] = {}
        self._settled: dict[bytes, tuple[LogHead | None, float]] = {}
        self._finding: dict[bytes, FindingPeers] = {}
        self._loading: asyncio.Task[None] | None = None
        self._making_room: asyncio.TimerHandle | None = None
        self._crossing = CROSSINGS.of(connection)
        self._heads = self._crossing.heads
        self._crossing.join(self)

    @property
    def kind(self) -> PeerKind:
        """What is at the connection's other end."""
        return self._heads.kind

    @property
    def table(self) -> HeadsTable:
        """The heads of both sides."""
        return self._heads.table

    # -- what is replicated --------------------------------------------------------

    def add_scope(self, token: object, cores: frozenset[bytes] | None) -> None:
        """Replicate these cores as well, by discovery key; None for all."""
        self._scopes[token] = cores
        self.tell_all()
        for core in self._shelf.cores.open_cores:
            self.core_activated(core)

    async def remove_scope(self, token: object) -> None:
        """Do so no longer; the last one ends the link."""
        self._scopes.pop(token, None)
        if not self._scopes:
            await self.close()
            return
        for discovery_key in {*self._open, *self._keys}:
            if not self.includes(discovery_key):
                self._detach(discovery_key)
                self.missing(discovery_key)

    def has_open(self, discovery_key: bytes) -> bool:
        """True while the log has a channel here."""
        entry = self._open.get(discovery_key)
        return entry is not None and entry.attachment.link is not None

    # -- what cores tell -----------------------------------------------------------

    def core_activated(self, core: Core) -> None:
        """A core has a session."""
        discovery_key = core.state.discovery_key
        if self.closed or not self.includes(discovery_key):
            return
        self.head_changed(core)
        if not self._knows_of(core) and discovery_key not in self._finding:
            # Until it is known what the peer has, ``update`` has to wait.
            self._finding[discovery_key] = core.replication.finding_peers()
        self.consider(core)

    def head_changed(self, core: Core) -> None:
        """A core has grown, shrunk or changed its blocks."""
        if self.closed or not self.includes(core.state.discovery_key):
            return
        self._set_head(core.state.discovery_key, core.state.key, head_of(core))
        if self._waiting and core.state.discovery_key in self._ours:
            self._schedule_room()

    def core_closed(self, core: Core) -> None:
        """A core is closed here."""
        discovery_key = core.state.discovery_key
        self._waiting.pop(discovery_key, None)
        self._found(discovery_key)
        if self._open.pop(discovery_key, None) is not None:
            self._ours.discard(discovery_key)
            self._heads.release(core.state.key)

    def consider(self, core: Core) -> None:
        """Open a channel for a core if there is reason to."""
        discovery_key = core.state.discovery_key
        if self.closed or core.closed or not self.includes(discovery_key):
            return
        if self.connection.mux.closed:
            self.connection_ended()
            return
        if self._knows_of(core):
            self._found(discovery_key)
        entry = self._open.get(discovery_key)
        if entry is not None and not entry.attachment.closed:
            return
        if not self._has_reason(core):
            self._waiting.pop(discovery_key, None)
        elif (
            self.kind is PeerKind.COVEY and len(self._ours) >= MAX_OPEN
        ) or not self.connection.mux.has_channel_room:
            self._waiting[discovery_key] = None
            self._schedule_room()
        else:
            self._waiting.pop(discovery_key, None)
            self._attach(core, ours=True)

    def sweep(self, now: float) -> None:
        """Close channels that have nothing to say, and open those that wait."""
        if self.connection.mux.closed:
            self.connection_ended()
            return
        if self.kind is PeerKind.COVEY:
            for discovery_key, entry in list(self._open.items()):
                if self._is_idle(entry, now):
                    self._detach(discovery_key)
        for core in self._shelf.cores.open_cores:
            self.consider(core)

    async def close(self) -> None:
        """End all channels of this corestore here."""
        loading = self._loading
        self.connection_ended()
        if loading is not None:
            with suppress(asyncio.CancelledError):
                await loading
        await self._crossing.ended()

    # -- inside: channels ----------------------------------------------------------

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
        return self._heads.out_of_patience

    def _attach(self, core: Core, *, ours: bool) -> None:
        discovery_key = core.state.discovery_key
        self._detach(discovery_key)
        attachment = core.replication.attach(self.connection)
        self._settled.pop(discovery_key, None)
        self.table.hold(core.state.key)
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
        self._heads.release(key)
        self._settled[discovery_key] = (self.table.remote_head(key), self._loop.time())
        entry.attachment.close()

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

    # -- what the crossing asks and tells ------------------------------------------

    def includes(self, discovery_key: bytes) -> bool:
        """See ``Member``."""
        return any(
            scope is None or discovery_key in scope for scope in self._scopes.values()
        )

    def open_core(self, discovery_key: bytes) -> Core | None:
        """See ``Member``."""
        return self._shelf.cores.get(discovery_key)

    async def stored_core(self, discovery_key: bytes) -> Core | None:
        """See ``Member``."""
        try:
            return await self._shelf.open_stored(discovery_key)
        except StoreError:
            # A log that cannot be opened is one that this peer does not get.
            return None

    def answer(self, core: Core) -> None:
        """See ``Member``."""
        self._attach(core, ours=False)

    def missing(self, discovery_key: bytes) -> None:
        """See ``Member``: it was deleted since it was told."""
        key = self._keys.pop(discovery_key, None)
        if key is not None:
            self._heads.forget(self, key)

    def tell_all(self) -> None:
        """See ``Teller``: read the heads of the logs that are not open."""
        self._heads.begin(self)
        if self._loading is not None:
            self._loading.cancel()
        self._loading = self._loop.create_task(self._load_heads())

    def heads_begun(self) -> None:
        """See ``Teller``."""
        for discovery_key, entry in list(self._open.items()):
            # Refused before the peer replicated anything: its heads say when to open.
            if entry.attachment.link is None:
                self._detach(discovery_key)
        self._settled.clear()

    def heads_lost(self) -> None:
        """See ``Teller``."""
        for entry in self._open.values():
            key = entry.core.state.key
            self._heads.set_head(self, key, head_of(entry.core))
            self.table.hold(key)
        self._consider_all(self._shelf.cores.open_cores)

    def heads_changed(self, keys: set[bytes]) -> None:
        """See ``Teller``."""
        self._consider_all(
            core for core in self._shelf.cores.open_cores if core.state.key in keys
        )

    def connection_ended(self) -> None:
        """See ``Teller``; also the end of a link whose connection goes on."""
        if self.closed:
            return
        self.closed = True
        self._shelf.forget_link(self)
        for discovery_key in list(self._finding):
            self._found(discovery_key)
        if self._loading is not None:
            self._loading.cancel()
        if self._making_room is not None:
            self._making_room.cancel()
        for discovery_key in list(self._open):
            self._detach(discovery_key)
        self._scopes.clear()
        for discovery_key in list(self._keys):
            self.missing(discovery_key)
        self._crossing.leave(self)

    # -- inside: heads -------------------------------------------------------------

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
            # The peer opens what it wants in vain, and is answered where that helps.
            self._heads.told_all(self, whole=False)
            return
        for key, discovery_key, head in rows:
            core = self._shelf.cores.get(discovery_key)
            if self.includes(discovery_key) and core is None:
                self._set_head(discovery_key, key, head)
        for core in self._shelf.cores.open_cores:
            if self.includes(core.state.discovery_key):
                self._set_head(core.state.discovery_key, core.state.key, head_of(core))
        self._heads.told_all(self, whole=len(rows) < MAX_TOLD_HEADS)

    def _set_head(self, discovery_key: bytes, key: bytes, head: LogHead) -> None:
        self._keys[discovery_key] = key
        self._heads.set_head(self, key, head)


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
