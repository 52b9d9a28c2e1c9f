"""The rim of replication: channels, one timer, loads from the disk, things to await.

Everything that is decided is decided by ``replicator``; this gives it time and chance,
takes what channels bring, and ends each turn of the loop once, however many messages it
brought. No task runs for a peer or a block: only a load from the disk is a task, owned
here and cancelled by ``close``. What is told to peers is committed before.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from store.errors import LocalProtocolError, NodeMissingError, StoreError
from store.hypercore.events import (
    Downloaded,
    PeerAdded,
    PeerRemoved,
    Uploaded,
    VerificationFailed,
)
from store.hypercore.merkle_tree import seek
from store.hypercore.records import SeekRequest
from store.hypercore.replication.attachment import Attachment, Link
from store.hypercore.replication.extensions import Extension, ExtensionCallback
from store.hypercore.replication.facts import PeerInfo, info_of
from store.hypercore.replication.handles import DownloadHandle, FindingPeers, Update
from store.hypercore.replication.view import KernelView
from store.hypercore.replicator import (
    Download,
    Peer,
    Replicator,
    ReplicatorOptions,
    SeekWish,
)

if TYPE_CHECKING:
    from store.hypercore.core import Core
    from store.hypercore.records import Change, Head, NodeSource, Proof, Request
    from store.hypercore.replication.connection import ReplicaConnection

NORMAL_PRIORITY: Final = 0
HIGH_PRIORITY: Final = 1

OPENING_PATIENCE_S: Final = 5.0
"""How long a channel that the other side does not open may hold up ``update``, and
a peer that does not say what it has."""

LINGER_MIN_S: Final = 20.0
LINGER_MAX_S: Final = 40.0
"""How long after the last session peers are told that nothing is wanted."""

WRITE_PAUSE_S: Final = 5.0
"""Pause in asking after the disk refused a write."""


class Replication:
    """Replicates one core.

    Attributes:
        machine: What decides.
        faults: How often peers' channels ended for which fault.
        finding: How many look for peers now.
        on_wish: Told at the end of a turn while somebody waits for what peers have.
        closed: After ``close``.
    """

    def __init__(
        self,
        core: Core,
        *,
        options: ReplicatorOptions | None = None,
        dice: random.Random | None = None,
    ) -> None:
        """Begin, on the running loop."""
        self.loop = asyncio.get_running_loop()
        self.key = core.state.key
        self.discovery_key = core.state.discovery_key
        self.faults: Counter[str] = Counter()
        self.finding = 0
        self.on_wish: Callable[[], object] | None = None
        self.closed = False
        self._core = core
        self._view = KernelView(core)
        # Chance spreads load; nothing secret depends on it.
        self._dice = dice or random.Random()
        self.machine = Replicator(self._view, self._dice, options=options)
        self.machine.context.report = self._on_bad_data
        self._attachments: list[Attachment] = []
        self._links: dict[Peer, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._updates: list[Update] = []
        self._waiting: set[asyncio.Future[Any]] = set()
        self._downloads: set[DownloadHandle] = set()
        self._repairs: list[asyncio.Future[None]] = []
        self._extensions: dict[str, Extension] = {}
        self._had_peers = False
        self._had_manifest = self._view.has_manifest
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        core.listeners.append(self)

    # -- connections ---------------------------------------------------------------

    def attach(
        self,
        connection: ReplicaConnection,
        *,
        upload: bool = True,
        download: bool = True,
    ) -> Attachment:
        """Replicate over a connection, from now on until it ends.

        Args:
            connection: Over which. A second call for one closes the first.
            upload: Answer requests; otherwise the peer is told of no block.
            download: Ask for blocks.

        Raises:
            LocalProtocolError: The core is closed, or ``too-many-channels``: the
                connection has as many as it may have.
        """
        self._check_open()
        for attachment in list(self._attachments):
            if attachment.connection.mux is connection.mux:
                attachment.close()
        mux = connection.mux
        if not mux.closed and not mux.has_channel_room:
            raise LocalProtocolError(
                "the connection has no channel left", code="too-many-channels"
            )
        attachment = Attachment(self, connection, upload=upload, download=download)
        self._attachments.append(attachment)
        attachment.open()
        return attachment

    @property
    def attachments(self) -> list[Attachment]:
        """The connections it is replicated over."""
        return list(self._attachments)

    @property
    def peers(self) -> list[PeerInfo]:
        """The peers whose channel is open."""
        return [info_of(peer) for peer in self.machine.peers]

    @property
    def remote_contiguous_length(self) -> int:
        """The most blocks from the first on that a peer of our fork has."""
        fork = self._view.fork
        return max(
            (
                min(peer.has.contiguous, peer.remote_length)
                for peer in self.machine.peers
                if peer.remote_fork == fork
            ),
            default=0,
        )

    @property
    def downloading(self) -> bool:
        """A session wants data, or has until a moment ago."""
        return self.machine.context.downloading

    @property
    def wanting(self) -> bool:
        """Somebody waits for a block, a longer tree, a place or a download."""
        return self._view.needs_repair or bool(self._waiting or self._downloads)

    def set_active(self, active: bool) -> None:
        """Whether a session wants data; if not, idle channels close after a while."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self.closed:
            return
        if not active:
            delay_s = self._dice.uniform(LINGER_MIN_S, LINGER_MAX_S)
            self._linger = self.loop.call_later(delay_s, self._stop_downloading)
            return
        self.machine.set_downloading(downloading=True)
        for attachment in list(self._attachments):
            attachment.open()
        self.schedule()

    # -- wishes --------------------------------------------------------------------

    async def block(self, index: int, *, priority: int = HIGH_PRIORITY) -> None:
        """Return when a block is stored here; cancel to withdraw the wish.

        Raises:
            LocalProtocolError: The core was closed.
        """
        self._check_open()
        if self._view.first_uncommitted(index, index + 1) is None:
            return
        done: asyncio.Future[None] = self.loop.create_future()

        def stored() -> None:
            if not done.done():
                done.set_result(None)

        asking = self.machine.asking
        wish = asking.want_block(index, priority, stored)
        self.schedule()
        self._waiting.add(done)
        try:
            await done
        finally:
            self._waiting.discard(done)
            if done.cancelled() or done.exception() is not None:
                asking.release_block(wish, stored)
                self.schedule()

    async def repaired(self) -> None:
        """Return when the tree is whole, which needs a peer if it is not.

        Raises:
            LocalProtocolError: The core was closed.
        """
        self._check_open()
        while self._view.needs_repair:
            done: asyncio.Future[None] = self.loop.create_future()
            self._repairs.append(done)
            self._waiting.add(done)
            self.schedule()
            try:
                await done
            finally:
                self._waiting.discard(done)

    async def update(self, *, wait: bool = False) -> bool:
        """Find out whether peers have a longer tree, and take it.

        Args:
            wait: Until there is one, however long that takes.

        Returns:
            Whether length or fork are others than before.

        Raises:
            LocalProtocolError: The core was closed.
        """
        self._check_open()
        done: asyncio.Future[bool] = self.loop.create_future()
        before = (self._view.fork, self._view.length)
        update = Update(before, done, wait=wait, since=time.monotonic())
        self._updates.append(update)
        self.machine.asking.upgrade_wanted = True
        self.machine.context.touch_all()
        self.schedule()
        self._waiting.add(done)
        try:
            return await done
        finally:
            self._waiting.discard(done)
            if update in self._updates:
                self._updates.remove(update)
            self.machine.asking.upgrade_wanted = bool(self._updates)

    async def seek(self, byte: int, padding: int = 0) -> tuple[int, int]:
        """Find the block of a byte and the byte's place in it, asking peers if needed.

        Args:
            byte: Counted without padding; behind the end, the log has to grow first.
            padding: Bytes of each block that do not count.

        Raises:
            LocalProtocolError: The core was closed, or the byte is negative.
        """
        self._check_open()
        while True:
            head = self._core.state.head
            if byte > head.byte_length - padding * head.length:
                await self.update(wait=True)
                continue

            look = partial(_seek, byte, head, padding)
            try:
                return await self._core.with_nodes(look, committed=False)
            except NodeMissingError as missing:
                request = SeekRequest(byte, padding)
                await self._ask_seek(request, missing.start, missing.end)

    def download(self, wish: Download) -> DownloadHandle:
        """Fetch a range or a list of blocks.

        Raises:
            LocalProtocolError: The core is closed.
        """
        self._check_open()
        handle = DownloadHandle(self, wish)
        self._downloads.add(handle)
        if wish.is_complete(self._view):
            wish.ended = True
        else:
            self.machine.asking.want_download(wish)
        self.loop.call_soon(handle.progressed)
        self.schedule()
        return handle

    def push(self, index: int) -> None:
        """Send a block to the peers that take blocks unasked."""
        if not self.closed:
            self.machine.push(index)
            self.schedule()

    def set_allow_push(self, allow: bool) -> None:
        """Whether we take blocks unasked, and say so."""
        self.machine.set_allow_push(allow=allow)

    def finding_peers(self) -> FindingPeers:
        """Say that peers are being looked for, until ``done`` or the block's end."""
        return FindingPeers(self)

    def extension(self, name: str, on_message: ExtensionCallback) -> Extension:
        """Take part in an application's messages of that name."""
        extension = Extension(self, name, on_message)
        self._extensions[name] = extension
        self.machine.extensions[name] = on_message
        return extension

    def forget_extension(self, extension: Extension) -> None:
        """Take part no longer."""
        if self._extensions.get(extension.name) is extension:
            del self._extensions[extension.name]
            del self.machine.extensions[extension.name]

    def send_extension(self, name: str, payload: bytes, peers: Iterable[Peer]) -> None:
        """Send an application's message (for ``Extension``)."""
        for peer in list(peers):
            if peer.opened and not peer.closed:
                self.machine.send_extension(peer, name, payload)

    def close(self) -> None:
        """End all channels and whatever waits."""
        if self.closed:
            return
        if self._view.frozen:
            self.machine.spread_conflict()
        self.closed = True
        error = self._core.close_error or LocalProtocolError(
            "the core is closed", code="session-closed"
        )
        for timer in (self._timer, self._linger, self._pause):
            if timer is not None:
                timer.cancel()
        for attachment in list(self._attachments):
            attachment.close()
        for task in self._tasks:
            task.cancel()
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_exception(error)
        for handle in self._downloads:
            handle.failed(error)
        self._downloads.clear()
        if self in self._core.listeners:
            self._core.listeners.remove(self)

    # -- what the kernel tells -----------------------------------------------------

    def core_committed(self, change: Change) -> None:
        """A change is on the disk."""
        if self._repairs and not self._view.needs_repair:
            repairs, self._repairs = self._repairs, []
            for repair in repairs:
                if not repair.done():
                    repair.set_result(None)
        manifest_is_news = self._had_manifest is not self._view.has_manifest
        self._had_manifest = self._view.has_manifest
        self.machine.committed(
            list(change.blocks),
            old_length=change.base.length,
            truncated_to=change.truncated_to,
            head_changed=change.head is not change.base or manifest_is_news,
        )
        self.schedule()

    def core_cleared(self, start: int, end: int) -> None:
        """Blocks are not here any more."""
        self.machine.cleared(start, end)
        self.schedule()

    def write_failed(self) -> None:
        """Nothing of what was being written is, whoever had it written."""
        # It may be heard of in the middle of taking an answer.
        self.loop.call_soon(self._begin_again)

    def core_closed(self, error: StoreError | None) -> None:
        """The kernel closes us itself."""
        del error

    # -- what links tell -----------------------------------------------------------

    def opened(self, link: Link, *, seeks: bool) -> None:
        """Both sides have opened a channel."""
        self._links[link.peer] = link
        self._had_peers = True
        self.machine.open_peer(link.peer, seeks=seeks)
        if self._core.watchers:
            self._core.emit(PeerAdded(link.peer.public_key))
        self.schedule()

    def receive(self, link: Link, kind: int, message: bytes) -> None:
        """A message came."""
        peer = link.peer
        self.machine.receive(peer, kind, message, time.monotonic())
        if peer.has_work:
            link.attachment.share.add(link)
        if not self._scheduled:
            self.schedule()

    def serve(self, peer: Peer, budget_bytes: int, now: float) -> int:
        """It is a peer's turn to get answers."""
        if self.closed:
            return 0
        spent = self.machine.serve(peer, budget_bytes, now)
        if peer.loading or peer.uploaded:
            self.schedule()
        return spent

    def link_closed(self, link: Link) -> None:
        """A channel is gone."""
        if self._links.pop(link.peer, None) is not None:
            self.machine.close_peer(link.peer)
            if self._core.watchers:
                self._core.emit(PeerRemoved(link.peer.public_key))
        self.schedule()

    def detached(self, attachment: Attachment) -> None:
        """An attachment has ended."""
        if attachment in self._attachments:
            self._attachments.remove(attachment)
        self.schedule()

    def note_fault(self, peer: Peer, code: str) -> None:
        """A peer's fault ends its channel."""
        del peer
        self.faults[code] += 1

    # -- the turn ------------------------------------------------------------------

    def schedule(self) -> None:
        """End the turn when all that the loop has brought is taken."""
        if not self._scheduled and not self.closed:
            self._scheduled = True
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self.closed:
            return
        now = time.monotonic()
        muxes = [link.attachment.connection.mux for link in self._links.values()]
        for mux in muxes:
            mux.cork()
        try:
            self.machine.flush(now)
        finally:
            for mux in muxes:
                if not mux.closed:
                    mux.uncork()
        for peer, link in self._links.items():
            if peer.has_work:
                link.attachment.share.add(link)
        self._start_loads()
        self._report()
        if self._updates:
            self._settle_updates()
        if self._downloads:
            self._downloads = {at for at in self._downloads if not at.finished}
        if self.on_wish is not None and self.wanting:
            self.on_wish()
        self._arm(now)

    def _arm(self, now: float) -> None:
        due = self.machine.get_timer()
        if any(not update.wait for update in self._updates):
            soon = now + OPENING_PATIENCE_S
            due = soon if due is None else min(due, soon)
        timer = self._timer
        if due is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
            return
        at = self.loop.time() + max(0.0, due - now)
        if timer is not None:
            # A timer that rings too early costs less than one that is always moved.
            if not timer.cancelled() and timer.when() <= at:
                return
            timer.cancel()
        self._timer = self.loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self.closed:
            self.machine.handle_timer(time.monotonic())
            self.schedule()

    def _settle_updates(self) -> None:
        state = (self._view.fork, self._view.length)
        now = time.monotonic()
        opening = sum(
            1
            for attachment in self._attachments
            if attachment.link is not None
            and not attachment.opened
            and now - attachment.link.opened_at < OPENING_PATIENCE_S
        )
        finding = self.finding > 0 and not self._had_peers
        may_upgrade = self.machine.may_upgrade
        may = finding or may_upgrade(opening=opening)
        may_soon = may and (finding or may_upgrade(opening=0, patient=False))
        for update in list(self._updates):
            changed = state != update.before
            overdue = now - update.since >= OPENING_PATIENCE_S
            wait = update.wait or (may_soon if overdue else may)
            if (changed or not wait) and not update.done.done():
                update.done.set_result(changed)
                self._updates.remove(update)

    def _report(self) -> None:
        watched = bool(self._core.watchers)
        for peer in self.machine.peers:
            for blocks, event in (
                (peer.downloaded, Downloaded),
                (peer.uploaded, Uploaded),
            ):
                if not blocks:
                    continue
                told = list(blocks)
                blocks.clear()
                if watched:
                    for index, size in told:
                        self._core.emit(event(index, size, peer.public_key))

    def _on_bad_data(self, peer: Peer, code: str) -> None:
        if self._core.watchers:
            self._core.emit(VerificationFailed(code, peer.public_key))

    def _stop_downloading(self) -> None:
        self._linger = None
        self.machine.set_downloading(downloading=False)
        self.schedule()

    # -- writes and loads ----------------------------------------------------------

    def _begin_again(self) -> None:
        if self.closed:
            return
        self.machine.write_failed()
        if self._pause is not None:
            self._pause.cancel()
        self._pause = self.loop.call_later(WRITE_PAUSE_S, self._ask_again)
        self.schedule()

    def _ask_again(self) -> None:
        self._pause = None
        self.machine.write_allowed()
        self.schedule()

    def _start_loads(self) -> None:
        loads = self.machine.take_loads()
        for peer, requests in loads.answers:
            self._start(self._load_answers(peer, requests))
        for peer, proofs in loads.proofs:
            self._start(self._load_proofs(peer, proofs, self._proofs_loaded))
        for peer, proof in loads.forks:
            self._start(self._load_proofs(peer, [proof], self._fork_loaded))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load_answers(self, peer: Peer, requests: list[Request]) -> None:
        loaded = await self._view.load(requests)
        if not self.closed:
            self.machine.answers_loaded(peer, failed=not loaded)
            link = self._links.get(peer)
            if link is not None and peer.has_work:
                link.attachment.share.add(link)
            self.schedule()

    async def _load_proofs(
        self,
        peer: Peer,
        proofs: Iterable[Proof],
        done: Callable[[Peer, bool], object],
    ) -> None:
        loads = [self._core.load_for(proof) for proof in proofs]
        results = await asyncio.gather(*loads, return_exceptions=True)
        self._raise_bugs(results)
        if not self.closed:
            done(peer, results[0] is not None)
            self.schedule()

    def _proofs_loaded(self, peer: Peer, failed: bool) -> None:
        self.machine.proofs_loaded(peer, time.monotonic(), failed=failed)

    def _fork_loaded(self, peer: Peer, failed: bool) -> None:
        self.machine.fork_loaded(peer, failed=failed)

    def _raise_bugs(self, results: Iterable[object]) -> None:
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, StoreError):
                raise result

    async def _ask_seek(self, request: SeekRequest, start: int, end: int) -> None:
        done: asyncio.Future[None] = self.loop.create_future()

        def answered() -> None:
            if not done.done():
                done.set_result(None)

        wish = SeekWish(request, start, end, answered)
        self.machine.asking.want_seek(wish)
        self.schedule()
        self._waiting.add(done)
        try:
            await done
        finally:
            self._waiting.discard(done)
            self.machine.asking.release_seek(wish)

    def _check_open(self) -> None:
        if self.closed:
            raise self._core.close_error or LocalProtocolError(
                "the core is closed", code="session-closed"
            )


def _seek(byte: int, head: Head, padding: int, source: NodeSource) -> tuple[int, int]:
    return seek(byte, head, source, padding)
