"""What all namespaces of a corestore share: open cores, their ends, connections.

A core is open while somebody has a session on it, and a while longer, so that who
closes and opens it again finds its channels as they were; one that was opened for a
peer only is open as long as peers have it open. One timer looks after all of that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from net.crypto import KeyPair
from store.corestore.link import StoreLink
from store.errors import LocalProtocolError, StoreError
from store.hypercore.core import Core, Cores
from store.hypercore.depot import Depot
from store.hypercore.manifest import Manifest
from store.hypercore.records import Change

if TYPE_CHECKING:
    from net.mux import Mux
    from store.hypercore.replication import ReplicaConnection

PRIMARY_KEY_BYTES: Final = 32

SWEEP_S: Final = 2.0
"""How often is looked for what may be closed."""

LINGER_S: Final = 6.0
"""How long a core that nobody uses stays open, as npm corestore has it."""


class Shelf:
    """The open cores of one store and the connections they are replicated over.

    Attributes:
        depot: The rows.
        primary_key: From which names get their keys.
        closed: After ``close``.
    """

    def __init__(self, depot: Depot, primary_key: bytes) -> None:
        self.depot = depot
        self.primary_key = check_primary_key(primary_key)
        self.closed = False
        self._cores: Cores | None = None
        self._watched: dict[bytes, _Watch] = {}
        self._unused: dict[bytes, float] = {}
        self._links: dict[Mux, StoreLink] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def cores(self) -> Cores:
        """The open cores; begins on the running loop when it is first asked for."""
        if self._cores is None:
            self._cores = Cores(self.depot)
        return self._cores

    @property
    def links(self) -> list[StoreLink]:
        """The connections."""
        return list(self._links.values())

    async def open(
        self,
        key: bytes | None,
        *,
        key_pair: KeyPair | None = None,
        manifest: Manifest | None = None,
    ) -> Core:
        """Open a core for a session that is made before anything else is awaited.

        Raises:
            LocalProtocolError: ``bad-argument``, ``closed``.
            EnvironmentFault: The disk refused.
        """
        self.check_open()
        core = await self.cores.open(key, key_pair=key_pair, manifest=manifest)
        while core.closed:
            # Its time was over just when it was asked for.
            core = await self.cores.open(key, key_pair=key_pair, manifest=manifest)
        self.check_open()
        self._unused.pop(core.state.discovery_key, None)
        watch = self._watch(core)
        if not watch.active:
            watch.active = True
            core.replication.set_active(True)
            for link in self.links:
                link.core_activated(core)
        return core

    def give_back(self, core: Core) -> None:
        """Drop one count of a core's sessions that was taken without a session."""
        core.session_count -= 1
        if core.session_count == 0:
            self._became_unused(core)

    async def open_stored(self, discovery_key: bytes) -> Core | None:
        """Open a core because a peer asks for it; None when it is not stored."""
        core = await self.cores.open_stored(discovery_key)
        if core is None or self.closed:
            return None
        if discovery_key not in self._watched:
            self._watch(core)
            if core.session_count == 0:
                core.replication.machine.set_downloading(downloading=False)
                self._became_unused(core)
        return core

    def link(self, connection: ReplicaConnection) -> StoreLink:
        """What is replicated over a connection."""
        self.check_open()
        link = self._links.get(connection.mux)
        if link is None or link.closed:
            link = self._links[connection.mux] = StoreLink(self, connection)
            self._schedule_sweep()
        return link

    def forget_link(self, link: StoreLink) -> None:
        """A connection is over, or nothing is replicated over it any more."""
        if self._links.get(link.connection.mux) is link:
            del self._links[link.connection.mux]

    def sweep(self, now: float) -> None:
        """Close what nobody uses."""
        for link in self.links:
            link.sweep(now)
        for discovery_key, since in list(self._unused.items()):
            core = self.cores.get(discovery_key)
            if core is None or core.session_count > 0:
                del self._unused[discovery_key]
            elif any(link.has_open(discovery_key) for link in self.links):
                self._unused[discovery_key] = now
            elif now - since >= LINGER_S:
                del self._unused[discovery_key]
                core.close()

    async def close(self) -> None:
        """Close all cores and leave all connections; what was written stays."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        for link in self.links:
            await link.close()
        if self._cores is None:
            return
        cores = self._cores.open_cores
        self._cores.close()
        for core in cores:
            await core.flushed()

    def check_open(self) -> None:
        """Refuse when closed.

        Raises:
            LocalProtocolError: ``closed``.
        """
        if self.closed:
            raise LocalProtocolError("the corestore is closed", code="closed")

    def _watch(self, core: Core) -> _Watch:
        watch = self._watched.get(core.state.discovery_key)
        if watch is None or watch.core is not core:
            watch = _Watch(self, core)
            self._watched[core.state.discovery_key] = watch
            core.listeners.append(watch)
            core.on_unused = self._became_unused
            core.replication.on_wish = watch.wished
            for link in self.links:
                link.head_changed(core)
        return watch

    def _became_unused(self, core: Core) -> None:
        discovery_key = core.state.discovery_key
        watch = self._watched.get(discovery_key)
        if watch is not None and watch.active:
            watch.active = False
            core.replication.set_active(False)
        self._unused[discovery_key] = asyncio.get_running_loop().time()
        self._schedule_sweep()

    def core_closed(self, watch: _Watch) -> None:
        """A core was closed (for ``_Watch``)."""
        discovery_key = watch.core.state.discovery_key
        if self._watched.get(discovery_key) is watch:
            del self._watched[discovery_key]
            self._unused.pop(discovery_key, None)
            for link in self.links:
                link.core_closed(watch.core)

    def _schedule_sweep(self) -> None:
        if self._timer is None and not self.closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SWEEP_S, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self.sweep(loop.time())
        if self._links or self._unused:
            self._schedule_sweep()


def check_primary_key(key: bytes) -> bytes:
    """A primary key as it is.

    Raises:
        LocalProtocolError: ``bad-argument``: it has another size.
    """
    if len(key) != PRIMARY_KEY_BYTES:
        raise LocalProtocolError("a primary key has 32 bytes", code="bad-argument")
    return key


class _Watch:
    """Tells the links what becomes of one open core."""

    __slots__ = ("_shelf", "active", "core")

    def __init__(self, shelf: Shelf, core: Core) -> None:
        self.core = core
        self.active = False
        self._shelf = shelf

    def core_committed(self, change: Change) -> None:
        """See ``CoreListener``."""
        del change
        for link in self._shelf.links:
            link.head_changed(self.core)

    def core_cleared(self, start: int, end: int) -> None:
        """See ``CoreListener``."""
        del start, end
        for link in self._shelf.links:
            link.head_changed(self.core)

    def core_closed(self, error: StoreError | None) -> None:
        """See ``CoreListener``."""
        del error
        self._shelf.core_closed(self)

    def wished(self) -> None:
        """Somebody waits for what peers may have."""
        for link in self._shelf.links:
            link.consider(self.core)
