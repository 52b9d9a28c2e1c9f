"""Fetching from a stranger apart from what is here, so that it learns nothing of that.

On a log's channel both sides say how long it is with them. Who holds the room key and
is no member as far as known must not hear that, and yet may bring the blocks that make
it one. So what it has is fetched into a core of its own in a folder that is thrown away
afterwards; what then continues the log here is proven from there, block by block.
"""

from __future__ import annotations

import logging
import os
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

_LOG = logging.getLogger("covey.room")

MAX_BROUGHT_BYTES = 32 * 1024 * 1024
"""A stranger's blocks that are kept for a moment."""


async def visit(logs: RoomLogs, room_key: bytes, peer: Peer, wanted: Visit) -> None:
    """Fetch the end of a log from a stranger, and keep what continues it.

    Goes on until all of it came, or until it is cancelled.

    Raises:
        StoreError: The disk refused, or what came was wrong.
    """
    manifest = log_manifest(wanted.writer, room_key)
    with tempfile.TemporaryDirectory(
        prefix="covey-", ignore_cleanup_errors=True
    ) as folder:
        guest = await Hypercore.open(
            Path(folder),
            manifest_key(manifest),
            manifest=manifest,
            storage_key=os.urandom(32),
            synchronous=Synchronous.NORMAL,
        )
        try:
            replication = guest.core.replication
            replication.attach(peer, upload=False, download=True)
            wish = Download(wanted.start, wanted.end, linear=True)
            download = replication.download(wish)
            download.on_progress = lambda: _limit(guest.core)
            await download.done()
            await _keep(logs, guest, wanted)
        finally:
            await guest.close()


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
        if not wanted.start <= log.core.contiguous_length < wanted.end:
            return
        try:
            for index in range(core.state.contiguous_length, wanted.end):
                request = await _request(core, index, wanted.end)
                await _accept(core, await guest.proof(request))
        except RemoteProtocolError as error:
            _LOG.warning("a stranger's log does not continue ours: %s", error.code)
            whole = UpgradeRequest(0, min(wanted.end, core.state.length))
            core.check_conflict(await guest.proof(Request(0, upgrade=whole)))
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
    await accepted.durable
