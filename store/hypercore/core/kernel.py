"""One core on an event loop: its state, its rows and its replication put together.

Everything that changes the core goes through here in one order. Appends that come while
a write is under way are joined into one tree and one signature, each whole and with an
answer of its own; what peers learn is told by ``CoreListener`` after the commit.

Follows npm hypercore 11.37.1 (``lib/core.js``) in what can be done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from store.errors import (
    BlockMissingError,
    EnvironmentFault,
    LocalProtocolError,
    RemoteProtocolError,
    StoreError,
)
from store.hypercore import depot as rows
from store.hypercore import flat_tree
from store.hypercore.acceptance import (
    accept,
    begin_reorg,
    contradicts,
    finish_reorg,
    join,
)
from store.hypercore.core.appends import Appends, Told
from store.hypercore.core.disk import MAX_TRIES, Disk
from store.hypercore.core.traffic import Traffic
from store.hypercore.depot import CoreWrite, StoredCore
from store.hypercore.encryption import BlockEncryption
from store.hypercore.events import Conflict, CoreEvent, ForkRefused
from store.hypercore.fork_proof import ForkProof
from store.hypercore.merkle_tree import truncated_roots
from store.hypercore.messages import WireData, encode_data
from store.hypercore.proofs import (
    ReorgBatch,
    build_proof,
    start_reorg,
    verify_proof,
)
from store.hypercore.records import (
    Change,
    NodeSource,
    NotInMemoryError,
    Proof,
    Request,
)
from store.hypercore.state import CoreState
from store.hypercore.told_history import ToldHistory

if TYPE_CHECKING:
    from store.hypercore.replication import Replication

T = TypeVar("T")

MAX_PENDING_BYTES = 32 * 1024 * 1024
"""Of blocks of all cores that wait to be written; a core for which some do asks peers
for no more meanwhile."""


class CoreListener(Protocol):
    """Who wants to know what is committed. Called on the loop, in order."""

    def core_committed(self, change: Change) -> None:
        """A change is on the disk; the state includes it."""
        ...

    def core_cleared(self, start: int, end: int) -> None:
        """Blocks are not here any more."""
        ...

    def core_closed(self, error: StoreError | None) -> None:
        """Nothing more will come; an error says why, when nobody asked for it."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """A proof that was verified and is on its way to the disk."""

    change: Change
    durable: asyncio.Future[None]
    """Done after the commit, or failed with what the disk said."""


class Core:
    """One core, shared by all its sessions.

    Attributes:
        state: What is known of it.
        traffic: The way to its rows.
        listeners: Who is told of commits.
        on_accepted: Called with blocks of a peer that were just handed to the disk:
            what is written at once because of them shares the commit.
        closed: Nothing can be asked any more.
        watchers: Told every event that is no commit.
        session_count: Sessions that use it.
        allow_fork: Follow peers to a higher fork number, and freeze when there are two
            histories; otherwise both are told as an event (see ``end``).
        on_closed: Told once when it closes.
        on_idle: Told when nothing is being written any more after it was closed.
        on_unused: Told when the last session has closed, in place of closing the core.
    """

    def __init__(self, stored: StoredCore, traffic: Traffic) -> None:
        """Use ``Cores.open``."""
        self.state = CoreState(traffic.depot, stored)
        self.traffic = traffic
        self.listeners: list[CoreListener] = []
        self.on_accepted: list[Callable[[Change], None]] = []
        self.closed = False
        self.close_error: StoreError | None = None
        self.watchers: list[Callable[[CoreEvent], None]] = []
        self.session_count = 0
        self._allow_fork = True
        self.on_closed: Callable[[Core], None] | None = None
        self.on_idle: Callable[[Core], None] | None = None
        self.on_unused: Callable[[Core], None] | None = None
        self._replication: Replication | None = None
        self._waiting: deque[Told] = deque()
        # The last one, which more may join (see ``CoreState.join``).
        self._accepted: Accepted | None = None
        self._appends = Appends(self.state, self._hand_over)
        self._disk = Disk(
            self.state,
            traffic,
            submit=self.submit,
            flushed=self.flushed,
            check_open=self.check_open,
            emit=self.emit,
        )
        self._pushing = 0
        # Of the whole core: writing down evidence, or deleting everything.
        self._work: set[asyncio.Task[None]] = set()

    @property
    def allow_fork(self) -> bool:
        """See ``Core``."""
        return self._allow_fork

    @allow_fork.setter
    def allow_fork(self, allow: bool) -> None:
        self._allow_fork = allow
        self.state.may_end = not allow

    @property
    def replication(self) -> Replication:
        """The core's replication, which begins when it is first asked for."""
        if self._replication is None:
            from store.hypercore.replication import Replication

            self.check_open()
            self._replication = Replication(self)
            self._replication.set_active(self.session_count > 0)
            self._replication.set_allow_push(self._pushing > 0)
        return self._replication

    @property
    def replicating(self) -> bool:
        """True when ``replication`` has begun."""
        return self._replication is not None

    @property
    def damaged_blocks(self) -> int:
        """Blocks found damaged on our own disk since the core was opened."""
        return self._disk.damaged_blocks

    @property
    def busy(self) -> bool:
        """True while anything of it is being written."""
        return self.state.writing or bool(self._work)

    @property
    def has_room(self) -> bool:
        """False while so much waits to be written that no more should be fetched."""
        state = self.state
        # A core of which nothing is written would not hear when there is room again.
        return not state.pending_bytes or state.depot.pending_bytes < MAX_PENDING_BYTES

    def session_opened(self, *, push: bool) -> None:
        """Note one more session; what is appended is pushed if one wants that."""
        self.session_count += 1
        self._pushing += push
        self._sessions_changed()

    def session_closed(self, *, push: bool) -> None:
        """Note one session less."""
        self.session_count -= 1
        self._pushing -= push
        self._sessions_changed()

    async def append(
        self,
        blocks: Sequence[bytes],
        *,
        encryption: BlockEncryption | None = None,
        signature: bytes | None = None,
    ) -> tuple[int, int]:
        """Add blocks; done when they are on the disk.

        Args:
            blocks: All or none of them are added, one after the other.
            encryption: Makes what is stored.
            signature: The assembled signature of the tree that comes out, where
                several have to sign.

        Returns:
            Length and stored bytes behind the last of these blocks.

        Raises:
            LocalProtocolError: ``not-writable``, ``too-large``, ``conflict``,
                ``session-closed``, ``invalid-signature``.
            EnvironmentFault: The disk refused; nothing was added.
        """
        self.check_open()
        self.state.check_writable(signature)
        done: asyncio.Future[tuple[int, int]] = self.traffic.loop.create_future()
        self._appends.add(blocks, encryption, signature, done)
        length, size = await done
        if self._pushing and self._replication is not None:
            for index in range(length - len(blocks), length):
                self._replication.push(index)
        return length, size

    async def truncate(
        self, length: int, *, fork: int | None = None, signature: bytes | None = None
    ) -> None:
        """Keep the first blocks only, under a higher fork number.

        Raises:
            LocalProtocolError: See ``CoreState.truncate``.
            EnvironmentFault: The disk refused; nothing was cut.
        """
        self.check_open()
        async with self._appends.turn():
            for _ in range(MAX_TRIES):
                self.check_open()
                try:
                    self.state.truncate(length, fork=fork, signature=signature)
                except NotInMemoryError:
                    await self.with_nodes(
                        lambda source: truncated_roots(length, source), committed=False
                    )
                    continue
                done = self._handed_over()
                break
            else:
                raise EnvironmentFault("the log keeps changing")
        await done

    async def end(self, proof: ForkProof) -> bool:
        """End the log where its two histories part; done when that is on the disk.

        Returns:
            False when it ends there or before already.

        Raises:
            LocalProtocolError: See ``CoreState.end``.
            EnvironmentFault: The disk refused.
        """
        indexes = [root.index for root in proof.common]
        return await self._cut(lambda: self.state.end(proof), indexes)

    async def swap(self, told: ToldHistory, shared: int) -> None:
        """Take another signed tree of this log; done when that is on the disk.

        Raises:
            LocalProtocolError: See ``CoreState.swap``.
            EnvironmentFault: The disk refused.
        """
        indexes = flat_tree.full_roots(shared)
        await self._cut(lambda: self.state.swap(told, shared), indexes)

    async def _cut(
        self, make: Callable[[], Change | None], indexes: Sequence[int]
    ) -> bool:
        """Have a change written that needs these nodes; False when there is none."""
        self.check_open()
        async with self._appends.turn():
            for _ in range(MAX_TRIES):
                self.check_open()
                try:
                    if make() is None:
                        return False
                except NotInMemoryError:
                    await self.with_nodes(
                        lambda source: [source.node(index) for index in indexes],
                        committed=False,
                    )
                    continue
                done = self._handed_over()
                break
            else:
                raise EnvironmentFault("the log keeps changing")
        await done
        return True

    async def clear(self, start: int, end: int, *, keeps_hashes: bool = False) -> int:
        """Drop blocks and keep the tree; returns the bytes freed.

        Args:
            start: First block to drop.
            end: Block behind the last one.
            keeps_hashes: See ``CoreState.clear``.

        Raises:
            LocalProtocolError: No such range.
            EnvironmentFault: The disk refused; nothing was dropped.
        """
        self.check_open()
        async with self._appends.turn():
            self.check_open()
            if self.state.clear(start, end, keeps_hashes=keeps_hashes) is None:
                return 0
            done = self._handed_over()
        return await done

    async def blocks(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """Stored blocks, checked against the tree.

        Blocks in order are read ahead. One that is damaged is reported, dropped and
        missing in what is returned, like one that is not stored, and like those behind
        the first that were too much for one visit to the disk.

        Raises:
            EnvironmentFault: The disk refused.
        """
        self.check_open()
        return await self._disk.blocks(indexes)

    def cached_block(self, index: int) -> bytes | None:
        """A stored block, if it is in memory."""
        return self._disk.cached_block(index)

    def prove(self, request: Request) -> Proof:
        """Answer a request from memory, with what is committed.

        Raises:
            NotInMemoryError: ``load`` the request first.
            BlockMissingError: The block is not here.
            InvalidRequestError: No such tree can prove this.
        """
        state = self.state
        self._check_whole()
        block = None
        if request.block is not None:
            index = request.block.index
            if not 0 <= index < state.length or not state.stored.has_block(index):
                raise BlockMissingError(f"block {index} is not stored")
            block = state.depot.blocks.get(state.base | index)
            if block is None:
                raise NotInMemoryError(2 * index)
            self._disk.passed(index)
        proof = build_proof(request, state.head, state.committed, block)
        if request.manifest and not state.compat:
            proof = proof._replace(manifest=state.encoded_manifest)
        return proof

    async def load(self, request: Request) -> None:
        """Bring into memory what ``prove`` lacks for a request, and what comes next.

        Raises:
            BlockMissingError: The block is not here, or was found damaged.
            InvalidRequestError: No such tree can prove this.
            EnvironmentFault: The disk refused.
        """
        self._check_whole()
        if request.block is not None:
            index = request.block.index
            if not await self.blocks([index]):
                raise BlockMissingError(f"block {index} is not stored")
        block = b"" if request.block is not None else None
        head = self.state.head
        await self.with_nodes(
            lambda source: build_proof(request, head, source, block), committed=True
        )

    def accept(self, proof: Proof) -> Accepted:
        """Verify a proof of our fork and have what is new in it written.

        Raises:
            NotInMemoryError: ``load_for`` it first.
            RemoteProtocolError: It proves nothing.
            LocalProtocolError: The core is closed or frozen.
        """
        self.check_open()
        if self._accepted is not None and join(self.state, proof):
            return self._accepted
        change = self.state.advance(accept(self.state, proof), takes_more=True)
        self._accepted = self.submit(change)
        if change.blocks and not self.traffic.is_waiting(self):
            for beside in tuple(self.on_accepted):
                beside(change)
        return self._accepted

    async def load_for(self, proof: Proof) -> None:
        """Bring into memory what ``accept`` lacks for a proof.

        Raises:
            RemoteProtocolError: It proves nothing.
            EnvironmentFault: The disk refused.
        """
        tip = self.state.tip

        def work(source: NodeSource) -> None:
            if proof.fork == tip.fork and not self.state.needs_repair:
                verify_proof(proof, tip, source)
            if proof.upgrade is not None and not proof.upgrade.start:
                for index in flat_tree.full_roots(proof.upgrade.length):
                    source.node(index)
            if proof.fork > tip.fork:
                start_reorg(proof, tip, source)

        await self.with_nodes(work, committed=False)

    def begin_reorg(self, proof: Proof) -> ReorgBatch:
        """Begin to follow a peer to a higher fork; see ``acceptance``.

        Raises:
            RemoteProtocolError: Also ``fork-refused``: this core follows none.
        """
        self.check_open()
        batch = begin_reorg(self.state, proof)
        if not self.allow_fork:
            evidence = encode_data(WireData(0, proof))
            self.emit(ForkRefused(batch.head.fork, batch.head.length, evidence))
            raise RemoteProtocolError("no fork is followed", code="fork-refused")
        return batch

    def finish_reorg(self, batch: ReorgBatch) -> Accepted:
        """Take the new fork in place of our tree; see ``acceptance``."""
        self.check_open()
        return self.submit(self.state.advance(finish_reorg(self.state, batch)))

    def check_conflict(self, proof: Proof) -> bool:
        """See whether a peer's tree contradicts ours.

        The core is frozen if so, unless it follows no forks: then whoever uses it is
        told, and finds out where they part.

        Raises:
            NotInMemoryError: ``load_for`` the proof first.
            RemoteProtocolError: It shows no signed tree of this log at all.
        """
        self.check_open()
        state = self.state
        if not contradicts(state, proof, state.committed):
            return False
        evidence = encode_data(WireData(0, proof))
        if self.allow_fork:
            self.freeze(evidence)
        else:
            self.emit(Conflict(state.length, state.fork, evidence))
        return True

    def submit(self, change: Change) -> Accepted:
        """Have a change written that the state has taken.

        For changes that ``CoreState.advance`` returned.
        """
        durable: asyncio.Future[None] = self.traffic.loop.create_future()

        def told(error: BaseException | None, write: CoreWrite) -> None:
            del write
            if durable.done():
                return
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)
                # Who does not wait for it must not be blamed for a full disk.
                durable.exception()

        self._hand_over(told)
        return Accepted(change, durable)

    async def with_nodes(
        self, work: Callable[[NodeSource], T], *, committed: bool
    ) -> T:
        """Do work that needs nodes, from memory or else with the disk at hand.

        Args:
            work: May be done twice, the second time in another thread.
            committed: On what peers may see, in place of what is being written.

        Raises:
            StoreError: Of the work, or the disk's.
        """
        self.check_open()
        return await self._disk.with_nodes(work, committed=committed)

    async def user_data(self, name: str) -> bytes | None:
        """A value kept with the core."""
        number = self.state.number
        self.check_open()
        return await self.traffic.read(
            lambda connection: rows.user_data(connection, number, name)
        )

    async def set_user_data(self, name: str, value: bytes | None) -> None:
        """Keep a value with the core; None forgets it. Done when on the disk."""
        number = self.state.number
        self.check_open()
        await self.traffic.write(
            lambda connection: rows.set_user_data(connection, number, name, value)
        )

    async def storage_sizes(self) -> tuple[int, int, int]:
        """Blocks in the database, their bytes, and nodes."""
        number = self.state.number
        self.check_open()
        return await self.traffic.read(
            lambda connection: rows.storage_sizes(connection, number)
        )

    async def purge(self) -> None:
        """Close the core and delete everything of it, even if nobody waits for it."""
        self.check_open()
        purging = self._begin(self._delete())
        self.close()
        await asyncio.shield(purging)

    def freeze(self, evidence: bytes) -> None:
        """Take nothing more: the log has two histories. All sessions end.

        Args:
            evidence: What proves it to others, kept with the core for ever.
        """
        state = self.state
        if state.conflict is not None:
            return
        state.conflict = evidence
        number = state.number
        # Evidence that the disk refuses is lost with this process and found again.
        self._begin(
            self.traffic.write(
                lambda connection: rows.store_conflict(connection, number, evidence)
            )
        )
        self.emit(Conflict(state.length, state.fork, evidence))
        self.close(LocalProtocolError("the log has two histories", code="conflict"))

    def close(self, error: StoreError | None = None) -> None:
        """End everything that goes on with this core; harmless when done twice.

        What was handed to the disk is still written.
        """
        if self.closed:
            return
        self.closed = True
        self.close_error = error
        self._appends.refuse_all(self._refusal())
        for listener in tuple(self.listeners):
            listener.core_closed(error)
        if self._replication is not None:
            self._replication.close()
        if self.on_closed is not None:
            self.on_closed(self)

    def check_open(self) -> None:
        """Refuse when closed.

        Raises:
            LocalProtocolError: ``session-closed``, or why it was closed.
        """
        if self.closed:
            raise self._refusal()

    def emit(self, event: CoreEvent) -> None:
        """Tell an event to whoever listens."""
        for watcher in tuple(self.watchers):
            watcher(event)

    def next_write(self) -> tuple[list[Change], CoreWrite] | None:
        """See ``WritingCore``."""
        return self.state.next_write()

    def written(
        self,
        changes: Sequence[Change],
        write: CoreWrite,
        error: BaseException | None,
    ) -> None:
        """See ``WritingCore``."""
        if error is not None:
            self.state.rolled_back()
            self._accepted = None
            waiting, self._waiting = self._waiting, deque()
            for told in waiting:
                told(error, write)
            if self._replication is not None:
                self._replication.write_failed()
            self._tell_idle()
            return
        for change in changes:
            self.state.committed_change()
            for listener in tuple(self.listeners):
                self._tell_committed(listener, change)
            self._waiting.popleft()(None, write)
        if not self.state.takes_more:
            # Its blocks would stay in memory until the next answer.
            self._accepted = None
        self._tell_idle()

    def _check_whole(self) -> None:
        if self.state.needs_repair:
            raise BlockMissingError("the tree is damaged and not yet repaired")

    def _tell_committed(self, listener: CoreListener, change: Change) -> None:
        try:
            if change.cleared is not None:
                listener.core_cleared(*change.cleared)
            else:
                listener.core_committed(change)
        # A bug of one listener must keep neither the others nor later writes waiting.
        except Exception as error:  # noqa: BLE001
            self.traffic.loop.call_exception_handler(
                {"message": "a listener of a core failed", "exception": error}
            )

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.traffic.loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        # Who waits for it is told; nobody has to.
        task.cancelled() or task.exception()
        self._tell_idle()

    async def _delete(self) -> None:
        await self._written()
        number, place = self.state.number, self.state.place
        try:
            await self.traffic.write(
                lambda connection: rows.purge(connection, number, place)
            )
        finally:
            self.state.forget()

    def _tell_idle(self) -> None:
        if self.closed and self.on_idle is not None and not self.busy:
            self.on_idle(self)

    def _refusal(self) -> StoreError:
        if self.close_error is not None:
            return self.close_error
        return LocalProtocolError("the core is closed", code="session-closed")

    def _hand_over(self, told: Told) -> None:
        self._waiting.append(told)
        self.traffic.submit(self)

    def _handed_over(self) -> asyncio.Future[int]:
        """Have a change written that was just made; brings the bytes it freed."""
        done: asyncio.Future[int] = self.traffic.loop.create_future()

        def told(error: BaseException | None, write: CoreWrite) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(write.freed_bytes)
            else:
                done.set_exception(error)

        self._hand_over(told)
        return done

    async def flushed(self) -> None:
        """Wait until what is being written now is, whether it could be or not."""
        await self._written()
        if self._work:
            await asyncio.wait(self._work)

    async def _written(self) -> None:
        if self.state.writing:
            self.state.advance(Change(self.state.tip, self.state.tip))
            # Who asked for what fails is told.
            with contextlib.suppress(StoreError):
                await self._handed_over()

    def _sessions_changed(self) -> None:
        if self._replication is not None and not self.closed:
            self._replication.set_active(self.session_count > 0)
            self._replication.set_allow_push(self._pushing > 0)
