"""Stores in one process, and wires between them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from net.aio.frames import ConnectionMux
from store.database import Database, Synchronous
from store.files import SharedFiles
from store.hypercore.core import Cores
from store.hypercore.depot import Depot
from store.hypercore.session import Hypercore


class WireEnd:
    """One end of a connection inside this process."""

    handshake_hash = bytes(range(64))
    has_room = True

    def __init__(self, *, is_initiator: bool) -> None:
        self.mux = ConnectionMux(self._schedule)
        self.is_initiator = is_initiator
        self.remote_public_key = bytes([is_initiator]) * 32
        self.other = self
        self._scheduled = False

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._carry)

    def _carry(self) -> None:
        self._scheduled = False
        for frame in self.mux.take_frames():
            self.other.mux.receive_frame(frame)

    def close(self) -> None:
        """Cut the wire."""
        self.mux.close()
        self.other.mux.close()


def make_wire() -> tuple[WireEnd, WireEnd]:
    """Both ends of a new connection."""
    one, two = WireEnd(is_initiator=True), WireEnd(is_initiator=False)
    one.other, two.other = two, one
    return one, two


class Store:
    """As much of a ``Corestore`` as files need; every core it opens is on its wires."""

    def __init__(
        self, folder: Path, synchronous: Synchronous = Synchronous.NORMAL
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.database = Database.open(
            folder / "store.db", key=None, synchronous=synchronous
        )
        self.depot = Depot(self.database)
        self.wires: list[WireEnd] = []
        self._cores = Cores(self.depot)
        self.files = SharedFiles(self)  # type: ignore[arg-type]

    async def get(self, *, key: bytes) -> Hypercore:
        core = await self._cores.open(key)
        for wire in self.wires:
            core.replication.attach(wire)
        core.replication.set_active(True)
        return Hypercore(core)

    async def close(self) -> None:
        await self.files.close()
        for wire in self.wires:
            wire.close()
        self._cores.close()
        await asyncio.to_thread(self.database.close)


def connect(one: Store, two: Store) -> None:
    """Join two stores for all cores they open from now on."""
    ends = make_wire()
    one.wires.append(ends[0])
    two.wires.append(ends[1])
