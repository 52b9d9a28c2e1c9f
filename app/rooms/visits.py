"""Fetching from a stranger apart from what is here, so that it learns nothing of that.

On a log's channel both sides say how long it is with them. Who holds the room key and
is no member as far as known must not hear that, and yet may bring the blocks that make
it one. So what it has is fetched into a core of its own in a folder that is thrown away
afterwards; what then continues the log here is proven from there, block by block.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app.rooms.blocks import log_manifest
from app.rooms.effects import Visit
from store.database import Synchronous
from store.errors import RemoteProtocolError
from store.hypercore.manifest import manifest_key
from store.hypercore.proofs import missing_levels
from store.hypercore.records import (
    BlockRequest,
    NotInMemoryError,
    Proof,
    Request,
    UpgradeRequest,
)
from store.hypercore.replicator import Download
from store.hypercore.session import Hypercore

if TYPE_CHECKING:
    from app.network import Peer
    from app.rooms.logs import RoomLogs
    from store.hypercore.core import Core
    from store.hypercore.replication import Attachment

_LOG = logging.getLogger("covey.room")

MAX_BROUGHT_BYTES = 32 * 1024 * 1024
"""A stranger's blocks that are kept for a moment."""
MAX_VISITS = 8
"""Visits of a profile at a time; the others wait."""


class Visits:
    """The visits of one profile: where their cores lie, and how many there are."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, made when it is needed, in which nothing else is."""
        self._folder = folder
        self._places = asyncio.Semaphore(MAX_VISITS)

    async def sweep(self) -> None:
        """Delete what a process left that was killed meanwhile."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def make(self, errand: Errand) -> None:
        """Run an errand when it is its turn; raises what it does."""
        async with self._places:
            self._folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
            await errand.run(self._folder)


class Errand:
    """One visit, from its beginning until it is done or stopped."""

    def __init__(
        self, logs: RoomLogs, room_key: bytes, peer: Peer, wanted: Visit
    ) -> None:
        """Prepare; ``run`` goes."""
        self.wanted = wanted
        self._logs = logs
        self._room_key = room_key
        self._peer = peer
        self._attachment: Attachment | None = None

    async def run(self, folder: Path) -> None:
        """Fetch the end of a log from a stranger, and keep what continues it.

        Goes on until all of it came, or until it is cancelled.

        Args:
            folder: Where the guest's core may lie for a moment.

        Raises:
            StoreError: The disk refused, or what came was wrong.
            OSError: The disk refused.
        """
        wanted = self.wanted
        manifest = log_manifest(wanted.writer, self._room_key)
        with tempfile.TemporaryDirectory(
            dir=folder, ignore_cleanup_errors=True
        ) as place:
            guest = await Hypercore.open(
                Path(place),
                manifest_key(manifest),
                manifest=manifest,
                storage_key=os.urandom(32),
                allow_fork=False,
                synchronous=Synchronous.NORMAL,
            )
            try:
                replication = guest.core.replication
                self._attachment = replication.attach(
                    self._peer, upload=False, download=True
                )
                wish = Download(wanted.start, wanted.end, linear=True)
                download = replication.download(wish)
                download.on_progress = lambda: _limit(guest.core)
                await download.done()
                await _keep(self._logs, guest, wanted)
            finally:
                await guest.close()

    def leave(self) -> None:
        """Close the guest's channel at once: the log itself may open one now.

        Whoever stops the visit cancels ``run`` besides, which takes a moment longer;
        what the guest closed then would be the log's own channel.
        """
        if self._attachment is not None:
            self._attachment.close()


def _limit(guest: Core) -> None:
    """End a visit that brings too much."""
    peers = guest.replication.machine.peers
    if sum(peer.counters.downloaded_bytes for peer in peers) > MAX_BROUGHT_BYTES:
        guest.close(RemoteProtocolError("too much at once", code="too-large"))


async def _keep(logs: RoomLogs, guest: Hypercore, wanted: Visit) -> None:
    """Take over what continues the log here."""
    log = await logs.borrow(wanted.writer)
    try:
        core = log.core.core
        if not wanted.start <= log.reach < wanted.end:
            return
        try:
            for index in range(log.reach, wanted.end):
                request = await _request(core, index, wanted.end)
                await _accept(core, await guest.proof(request))
        except RemoteProtocolError as error:
            _LOG.warning("a stranger's log does not continue ours: %s", error.code)
            whole = UpgradeRequest(0, min(wanted.end, core.state.length))
            await _check(core, await guest.proof(Request(0, upgrade=whole)))
    finally:
        logs.give_back(log)


async def _request(core: Core, index: int, end: int) -> Request:
    """What asks for a block, and with the first one for the tree up to the end."""
    head = core.state.head
    if head.length < end:
        upgrade = UpgradeRequest(head.length, end - head.length)
        return Request(head.fork, BlockRequest(index, 0), upgrade=upgrade)
    levels = await core.with_nodes(
        lambda source: missing_levels(2 * index, head, source), committed=False
    )
    return Request(head.fork, BlockRequest(index, levels))


async def _accept(core: Core, proof: Proof) -> None:
    """Keep what a proof holds; done when it is durable."""
    while True:
        try:
            accepted = core.accept(proof)
            break
        except NotInMemoryError:
            await core.load_for(proof)
    # Others may wait for the same write.
    await asyncio.shield(accepted.durable)


async def _check(core: Core, proof: Proof) -> None:
    """Freeze the log if a proof shows that it has two histories."""
    while True:
        try:
            core.check_conflict(proof)
            return
        except NotInMemoryError:
            await core.load_for(proof)
