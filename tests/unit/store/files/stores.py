"""Stores in one process, and wires between them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from net.aio.frames import ConnectionMux
from store.corestore import Corestore
from store.database import Database, Synchronous
from store.files import SharedFiles
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
    """A corestore with its files."""

    def __init__(
        self, folder: Path, synchronous: Synchronous = Synchronous.NORMAL
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.database = Database.open(
            folder / "store.db", key=None, synchronous=synchronous
        )
        self.corestore = Corestore.over(self.database, primary_key=bytes(32))
        self.files = SharedFiles(self.corestore)

    async def get(self, *, key: bytes) -> Hypercore:
        return await self.corestore.get(key=key)

    async def close(self) -> None:
        await self.files.close()
        await self.corestore.close()
        await asyncio.to_thread(self.database.close)


def connect(one: Store, two: Store) -> None:
    """Join two stores."""
    ends = make_wire()
    one.corestore.replicate(ends[0])
    two.corestore.replicate(ends[1])
