"""The cores that are open over one database, each once however many use it."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from net.crypto import KeyPair, discovery_key
from store.database import Connection, Database
from store.errors import LocalProtocolError
from store.hypercore.core.kernel import Core
from store.hypercore.core.traffic import Traffic
from store.hypercore.depot import Depot, NewCore, StoredCore, first_core
from store.hypercore.manifest import (
    Manifest,
    belongs_to,
    default_manifest,
    encode_manifest,
    manifest_key,
)


class Cores:
    """Opens the cores of one database, on the running loop.

    Attributes:
        depot: Their rows and the memory they share.
        traffic: The way to their rows.
    """

    def __init__(self, depot: Depot | Database) -> None:
        """Serve a depot, or a database that gets one."""
        self.depot = depot if isinstance(depot, Depot) else Depot(depot)
        self.traffic = Traffic(self.depot)
        self._open: dict[bytes, Core] = {}
        # Closed while something was being written: nobody may read what is older.
        self._leaving: dict[bytes, Core] = {}
        # Each lives as long as somebody opens that core.
        self._opening: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    @property
    def open_cores(self) -> list[Core]:
        """The cores that somebody uses now."""
        return list(self._open.values())

    def get(self, discovery_key: bytes) -> Core | None:
        """An open core."""
        return self._open.get(discovery_key)

    async def open(
        self,
        key: bytes | None = None,
        *,
        key_pair: KeyPair | None = None,
        manifest: Manifest | None = None,
    ) -> Core:
        """Open a core, beginning it when it is new.

        Args:
            key: 32 bytes; what the manifest says unless given.
            key_pair: Whose signature is made here.
            manifest: Unless given, one with the key pair as its only signer; without a
                pair and a key, a new pair is drawn.

        Raises:
            LocalProtocolError: ``bad-argument``: these do not belong together.
            EnvironmentFault: The disk refused.
        """
        wanted = new_core(key, key_pair=key_pair, manifest=manifest)
        lock = self._opening.setdefault(wanted.discovery_key, asyncio.Lock())
        async with lock:
            core = self._open.get(wanted.discovery_key)
            if core is None:
                leaving = self._leaving.get(wanted.discovery_key)
                if leaving is not None:
                    await leaving.flushed()
                core = self._add(await self._stored(wanted))
            await _complete(core, wanted)
            return core

    async def open_stored(self, discovery_key: bytes) -> Core | None:
        """Open a core that is stored, by what peers call it; None when it is not."""
        core = self._open.get(discovery_key)
        if core is not None:
            return core
        leaving = self._leaving.get(discovery_key)
        if leaving is not None:
            # It may be about to be deleted.
            await leaving.flushed()
        stored = await self.traffic.read(
            lambda connection: self.depot.open_core(connection, discovery_key)
        )
        return None if stored is None else await self.open(stored.key)

    async def open_first(self) -> Core | None:
        """Open the core that was stored first; None when there is none."""
        first = await self.traffic.read(first_core)
        return None if first is None else await self.open_stored(first)

    def close(self) -> None:
        """Close all cores; the database stays open."""
        for core in self.open_cores:
            core.close()

    async def _stored(self, wanted: NewCore) -> StoredCore:
        depot = self.depot

        def find(connection: Connection) -> StoredCore | None:
            return depot.open_core(connection, wanted.discovery_key)

        stored = await self.traffic.read(find)
        if stored is None:
            stored = await self.traffic.write(
                lambda connection: depot.create_core(connection, wanted)
            )
        return stored

    def _add(self, stored: StoredCore) -> Core:
        core = Core(stored, self.traffic)
        core.on_closed = self._closed
        self._open[stored.discovery_key] = core
        return core

    def _closed(self, core: Core) -> None:
        if self._open.get(core.state.discovery_key) is core:
            del self._open[core.state.discovery_key]
            if core.busy:
                self._leaving[core.state.discovery_key] = core
                core.on_idle = self._left

    def _left(self, core: Core) -> None:
        if self._leaving.get(core.state.discovery_key) is core:
            del self._leaving[core.state.discovery_key]


def new_core(
    key: bytes | None,
    *,
    key_pair: KeyPair | None = None,
    manifest: Manifest | None = None,
) -> NewCore:
    """What identifies a core, from what is given of it.

    Raises:
        LocalProtocolError: ``bad-argument``: these do not belong together.
    """
    if key is not None and len(key) != 32:
        raise LocalProtocolError("a core's key has 32 bytes", code="bad-argument")
    if key is None and manifest is None and key_pair is None:
        key_pair = KeyPair.generate()
    if manifest is None and key_pair is not None:
        ours = default_manifest(key_pair.public_key)
        if key is None or belongs_to(key, ours):
            manifest = ours
    if key is None:
        assert manifest is not None, "there is a key pair"
        key = manifest_key(manifest)
    elif manifest is not None and not belongs_to(key, manifest):
        raise LocalProtocolError("the manifest is not of this key", code="bad-argument")
    return NewCore(
        key=key,
        discovery_key=discovery_key(key),
        manifest=None if manifest is None else encode_manifest(manifest),
        key_pair=key_pair,
    )


async def _complete(core: Core, wanted: NewCore) -> None:
    """Give an open core what its opener knows more of it."""
    state, depot = core.state, core.traffic.depot
    pair_is_new = wanted.key_pair is not None and state.key_pair != wanted.key_pair
    manifest_is_new = wanted.manifest is not None and state.manifest is None
    if not pair_is_new and not manifest_is_new:
        return
    stored = await core.traffic.write(
        lambda connection: depot.create_core(connection, wanted)
    )
    state.complete(stored)
