"""What the corestores on one connection share: its heads, and the opens of its peer.

An open is answered by the first corestore that has the log; where the disk has to be
asked, the peer waits or, if too many do, is refused and then answered by an open of
ours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from store.corestore.carrier import HeadsCarrier, Teller
from store.errors import LocalProtocolError
from store.hypercore.messages import PROTOCOL, PROTOCOL_ALIASES

if TYPE_CHECKING:
    from net.mux import Mux
    from store.hypercore.core import Core
    from store.hypercore.replication import ReplicaConnection

MAX_PENDING: Final = 192
"""Opens of the peer that wait for the disk; below what a mux lets wait."""

MAX_LATER: Final = 4096
"""Opens beyond those, which are refused and then answered by an open of ours."""

_NAMES: Final = (PROTOCOL, *PROTOCOL_ALIASES)


class Member(Teller, Protocol):
    """A corestore on the connection."""

    def includes(self, discovery_key: bytes) -> bool:
        """Whether it replicates that log here if it has it."""

    def open_core(self, discovery_key: bytes) -> Core | None:
        """The log, if it is open."""

    async def stored_core(self, discovery_key: bytes) -> Core | None:
        """The log, opened if it is stored."""

    def answer(self, core: Core) -> None:
        """Open this side's end of the log's channel."""

    def has_open(self, discovery_key: bytes) -> bool:
        """Whether the log has a channel."""

    def missing(self, discovery_key: bytes) -> None:
        """The peer asked for a log that is not stored."""


class Crossing:
    """One connection with corestores on it.

    Attributes:
        heads: What carries their heads.
    """

    def __init__(self, connection: ReplicaConnection) -> None:
        """Use ``CROSSINGS``."""
        self.heads = HeadsCarrier(connection)
        self._mux = connection.mux
        self._members: list[Member] = []
        self._pending: deque[bytes] = deque()
        self._later: deque[bytes] = deque()
        self._answering: asyncio.Task[None] | None = None
        for name in _NAMES:
            self._mux.pair(name, None, self._on_pair)

    def join(self, member: Member) -> None:
        """Answer for one more corestore."""
        self._members.append(member)
        self.heads.join(member)

    def leave(self, member: Member) -> None:
        """Answer for it no longer; the last one leaves the connection to others."""
        self._members.remove(member)
        self.heads.leave(member)
        if not self._members:
            self._end()

    async def ended(self) -> None:
        """Wait until nothing is being answered, once the last one has left."""
        if self._answering is not None and not self._members:
            await asyncio.wait({self._answering})

    def _end(self) -> None:
        CROSSINGS.forget(self._mux)
        self.heads.close()
        if self._answering is not None:
            self._answering.cancel()
        if not self._mux.closed:
            for name in _NAMES:
                self._mux.unpair(name, None)
            for discovery_key in self._pending:
                self._refuse(discovery_key)

    def _refuse(self, discovery_key: bytes) -> None:
        for name in _NAMES:
            self._mux.reject(name, discovery_key)

    def _on_pair(self, discovery_key: bytes) -> bool:
        members = self._asked(discovery_key)
        for member in members:
            core = member.open_core(discovery_key)
            if core is not None and not core.closed:
                member.answer(core)
                return False
        if not members:
            return False
        waits = len(self._pending) < MAX_PENDING
        if waits:
            self._pending.append(discovery_key)
        elif len(self._later) < MAX_LATER:
            self._later.append(discovery_key)
        if self._answering is None:
            self._answering = asyncio.get_running_loop().create_task(self._answer())
        return waits

    def _asked(self, discovery_key: bytes) -> list[Member]:
        return [member for member in self._members if member.includes(discovery_key)]

    async def _answer(self) -> None:
        try:
            while self._pending or self._later:
                waits = bool(self._pending)
                queue = self._pending if waits else self._later
                try:
                    found = await self._found(queue[0])
                except LocalProtocolError:
                    # The connection has as many channels as it may have.
                    found = False
                finally:
                    discovery_key = queue.popleft()
                if self._mux.closed:
                    break
                if not found and waits:
                    self._refuse(discovery_key)
        finally:
            self._answering = None

    async def _found(self, discovery_key: bytes) -> bool:
        """Answer from whichever corestore has the log; tells whether one has."""
        for member in self._asked(discovery_key):
            core = await member.stored_core(discovery_key)
            if self._mux.closed:
                break
            if core is not None and not core.closed:
                if member in self._members and not member.has_open(discovery_key):
                    member.answer(core)
                return True
            member.missing(discovery_key)
        return False


class Crossings:
    """The connections that have corestores on them."""

    def __init__(self) -> None:
        self._crossings: dict[Mux, Crossing] = {}

    def of(self, connection: ReplicaConnection) -> Crossing:
        """The one of a connection, which is there while corestores are on it."""
        crossing = self._crossings.get(connection.mux)
        if crossing is None:
            crossing = self._crossings[connection.mux] = Crossing(connection)
        return crossing

    def forget(self, mux: Mux) -> None:
        """No corestore is on it any more."""
        self._crossings.pop(mux, None)


CROSSINGS: Final = Crossings()
"""One for the process: corestores that know nothing of each other meet there."""
