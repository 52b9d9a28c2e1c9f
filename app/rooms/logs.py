"""The Hypercores of one room: which there are, how far they reach, and opening them.

``RoomLogs`` belongs to one room and lives on the loop. It computes the logs' keys,
knows how far each reaches without opening it, opens a core when somebody has to do with
it and closes it when nobody has any more. A log is fetched as far as it counts, from
whomever it is attached to; to whom is the business of ``app/rooms/links.py``, what the
blocks mean that of ``RoomView``. Places whose blocks are gone for good
(``store.holes``) count as here: they are told of, acknowledged, not fetched again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from app.rooms.blocks import (
    MAX_WRITERS,
    NO_HASH,
    LogHead,
    log_key,
    log_manifest,
)
from app.rooms.messages import SignedHead
from app.tasks import Tasks
from net.crypto import KeyPair, blake2b_256, discovery_key
from store import holes, rooms
from store.errors import LocalProtocolError, RemoteProtocolError, StoreError
from store.hypercore.bitfield import Bitfield
from store.hypercore.events import Conflict, CoreEvent, ForkRefused
from store.hypercore.fork_proof import ForkProof, decode_fork_proof
from store.hypercore.manifest import manifest_key
from store.hypercore.replicator import Download
from store.hypercore.signatures import TreeState, verify_signature

if TYPE_CHECKING:
    from app.network import Peer
    from app.rooms.facts import DeviceFact
    from store.corestore import Corestore
    from store.database import Connection, Database
    from store.holes import Hole
    from store.hypercore.records import Change
    from store.hypercore.replication import Attachment, DownloadHandle, Replication
    from store.hypercore.session import Hypercore
    from store.rooms import NewRoom, RoomRow

_LOG = logging.getLogger("covey.room")

PROTOCOL = "hypercore/alpha"
"""On whose channels the blocks travel."""
MAX_READ_BLOCKS = 256
"""Blocks derived in one transaction."""
MIN_READ_BLOCKS = 8
"""Blocks read at a time, however large those of the log are on average."""
MAX_READ_BYTES = 1024 * 1024
"""The same; a single larger block is taken alone."""


class HeadListener(Protocol):
    """Hears that a log's head is another one."""

    def __call__(self, writer: bytes, *, quiet: bool = False) -> None:
        """A log is longer, or frozen; ``quiet`` if nobody waits for what it says."""


class OpenLog:
    """One log whose core is open.

    Attributes:
        writer: Whose it is.
        core: A session on its core.
        borrowed: How many have to do with it.
    """

    def __init__(self, logs: RoomLogs, writer: bytes, core: Hypercore) -> None:
        self.writer = writer
        self.core = core
        self.borrowed = 0
        self._logs = logs
        self._download: DownloadHandle | None = None
        self._fetching = False
        self._wanted: int | None = None
        self._reach = 0
        core.core.listeners.append(self)
        core.core.watchers.append(self._event)
        core.core.on_accepted.append(self._coming)

    @property
    def replication(self) -> Replication:
        """What carries it between peers."""
        return self.core.core.replication

    def attach(self, peer: Peer, *, upload: bool) -> Attachment:
        """Open the log's channel with a peer, and fetch what it lacks."""
        self._logs.fetch(self)
        return self.replication.attach(peer, upload=upload, download=True)

    @property
    def fetching(self) -> bool:
        """True once ``fetch`` was called."""
        return self._fetching

    def fetch(self, wanted: int | None) -> None:
        """Wish for all blocks up to some length, or for all there will be."""
        if not self._fetching or wanted != self._wanted:
            self._fetching = True
            self._wanted = wanted
            self._wish()

    def _wish(self) -> None:
        """Wish for what is lacking now, in place of what was wished for before."""
        if self._download is not None:
            self._download.close()
            self._download = None
        start, wanted = self.reach, self._wanted
        if wanted is None or wanted > start:
            wish = Download(start, wanted, linear=True)
            self._download = self.replication.download(wish)

    @property
    def reach(self) -> int:
        """How far the log is here without a gap, holes taken as there; durably."""
        state = self.core.core.state
        contiguous = state.contiguous_length
        bits = self._logs.holes.get(self.writer)
        if bits is None or not bits.get(contiguous):
            return contiguous
        self._reach = holes.reach(
            state.stored.blocks, bits, max(contiguous, self._reach), state.length
        )
        return self._reach

    def lacks(self, sequence: int) -> bool:
        """True when a block is neither here nor with anybody who is connected."""
        core = self.core.core
        peers = core.replication.machine.peers
        here = core.state.has_block(sequence)
        return not here and not any(peer.has.has(sequence) for peer in peers)

    @property
    def is_gapped(self) -> bool:
        """True when more is signed than is here."""
        return self.reach < self.core.length

    def holes_known(self) -> None:
        """Ask no more for what turned out to be holes."""
        if self._fetching:
            self._wish()
        self._logs.log_changed(self)

    def hole_forgotten(self) -> None:
        """A hole was none."""
        self._reach = 0
        self.holes_known()

    async def clear(self, sequences: Iterable[int]) -> None:
        """Drop blocks that are known as holes, and keep what proves the others.

        Raises:
            StoreError: The disk refused.
        """
        clear = self.core.core.clear
        # Handed over together, they share commits.
        await asyncio.gather(
            *(clear(start, end, keeps_hashes=True) for start, end in runs(sequences))
        )

    def head(self) -> LogHead:
        """How far the log reaches, durably."""
        state = self.core.core.state
        return _head(
            state.head.fork,
            state.head.length,
            self.reach,
            state.head.signature,
        )

    async def close(self) -> None:
        """Let the core go."""
        self.forget()
        await self.core.close()

    def forget(self) -> None:
        """Hear nothing more of the core, and wish for nothing."""
        if self in self.core.core.listeners:
            self.core.core.listeners.remove(self)
            self.core.core.watchers.remove(self._event)
            self.core.core.on_accepted.remove(self._coming)
        if self._download is not None:
            self._download.close()

    def _event(self, event: CoreEvent) -> None:
        if isinstance(event, ForkRefused):
            # Nobody follows it, so that it is of no consequence to anybody.
            _LOG.error("a device of the room begins its log anew: that is left alone")
        elif isinstance(event, Conflict):
            self._logs.on_contradiction(self.writer)

    def _coming(self, change: Change) -> None:
        """Blocks of a peer are on their way to the disk."""
        start = self.reach
        blocks: list[bytes] = []
        while (block := change.blocks.get(start + len(blocks))) is not None:
            blocks.append(block)
        if blocks and len(blocks) == len(change.blocks):
            self._logs.on_coming(self.writer, start, blocks)

    def core_committed(self, change: Change) -> None:
        """See ``CoreListener``."""
        bits = self._logs.holes.get(self.writer)
        if bits is not None and change.blocks:
            late = [index for index in change.blocks if bits.get(index)]
            if late:
                self._logs.on_late(self.writer, late)
        self._logs.log_changed(self)

    def core_cleared(self, start: int, end: int) -> None:
        """See ``CoreListener``: what is no hole was damaged and comes anew."""
        bits = self._logs.holes.get(self.writer)
        if bits is not None and bits.count(start, end) == end - start:
            return
        _LOG.error("a log was damaged on the disk from block %d on", start)
        self._reach = 0
        if self._fetching:
            self._wish()
        self._logs.log_changed(self)

    def core_closed(self, error: StoreError | None) -> None:
        """See ``CoreListener``."""


class RoomLogs:
    """The logs of one room.

    Attributes:
        device: This device's key, whose log is written here.
        derived: How much of each log was derived; kept by who derives.
        heads: How far each reaches here as peers may know, by writer: what is durable
            and derived, or waits for its time. So what is acknowledged can be read.
        on_grown: Called when there is more of a log than was derived.
        on_head: Called when a log's head is another one.
        on_coming: Called with blocks that are on their way to the disk, and where they
            stand: behind all that is here.
        on_late: Called with blocks that came though they were taken for holes.
        on_gap: Called when more of an open log is signed than is here.
        on_false_hole: Called with what somebody told of a hole and cannot be.
        on_doubtful: Called with a hole that was told of and whose links are not here.
        on_contradiction: Called with a writer of whose log somebody has another signed
            history than is here.
        holes: Where the logs have holes, by writer.
        proofs: What proves two histories of a log, by writer: it ends there.
    """

    def __init__(
        self, row: RoomRow, device: KeyPair, database: Database, corestore: Corestore
    ) -> None:
        """Know nothing yet; ``load`` first.

        Args:
            row: The room.
            device: This device's key pair.
            database: The profile's.
            corestore: Over that database.
        """
        self.device = device.public_key
        self.heads: dict[bytes, LogHead] = {}
        self.derived: dict[bytes, int] = {}
        self.on_grown: Callable[[bytes], None] = _unheard
        self.on_head: HeadListener = _unheeded
        self.on_late: Callable[[bytes, Sequence[int]], None] = _unneeded
        self.on_gap: Callable[[bytes], None] = _unheard
        self.on_false_hole: Callable[[bytes, Hole], None] = _untold
        self.on_doubtful: Callable[[Hole], None] = _undoubted
        self.on_contradiction: Callable[[bytes], None] = _unheard
        self.holes: dict[bytes, Bitfield] = {}
        self.proofs: dict[bytes, ForkProof] = {}
        self.on_coming: Callable[[bytes, int, list[bytes]], None] = _not_expected
        self._durable: dict[bytes, LogHead] = {}
        self._row = row
        self._key_pair = device
        self._database = database
        self._corestore = corestore
        self._discovery_keys: dict[bytes, bytes] = {}
        self._writers: dict[bytes, bytes] = {}
        self._begun: set[bytes] = set()
        self._wanted: dict[bytes, int | None] = {}
        self._open: dict[bytes, OpenLog] = {}
        self._opening: dict[bytes, asyncio.Lock] = {}
        self._ending: dict[bytes, ForkProof] = {}
        self._own: OpenLog | None = None
        self._closed = False
        self._tasks = Tasks(_LOG, "a log could not be closed")

    async def load(self) -> None:
        """Read from the database how far each log is."""
        row = self._row.row
        found, self.holes, reaches, proofs = await asyncio.wrap_future(
            self._database.read(lambda connection: _stored(connection, row))
        )
        self.proofs = {it: decode_fork_proof(proof) for it, proof in proofs.items()}
        for log in found:
            self._begun.add(log.writer)
            self._discovery_keys[log.writer] = log.discovery_key
            self._writers[log.discovery_key] = log.writer
            self.derived[log.writer] = log.derived
            reach = reaches.get(log.writer, log.contiguous)
            if reach or log.forked:
                head = _head(log.fork, log.length, reach, log.signature)
                self._durable[log.writer] = self._ended(log.writer, head)

    def know(self, devices: Mapping[bytes, DeviceFact]) -> None:
        """Hear whose logs there may be, and how far each counts."""
        for device, fact in devices.items():
            self._name(device)
            self._wanted[device] = fact.wanted_length
            log = self._open.get(device)
            if log is not None and log.fetching:
                log.fetch(fact.wanted_length)

    def _name(self, writer: bytes) -> bytes:
        """By what peers call a log."""
        name = self._discovery_keys.get(writer)
        if name is None:
            name = discovery_key(log_key(writer, self._row.key))
            self._discovery_keys[writer] = name
            self._writers[name] = writer
        return name

    def writer_of(self, discovery_key: bytes) -> bytes | None:
        """Whose log peers call by this name."""
        return self._writers.get(discovery_key)

    @property
    def open_count(self) -> int:
        """Cores that are open."""
        return len(self._open)

    def channel_of(self, writer: bytes) -> tuple[str, bytes]:
        """Protocol and id of a log's channels."""
        return PROTOCOL, self._discovery_keys[writer]

    async def know_holes(self, writer: bytes, sequences: Sequence[int]) -> None:
        """Take places of a log for holes, which are kept as such already.

        Raises:
            StoreError: The core cannot be opened.
        """
        self.holes.setdefault(writer, Bitfield()).set_all(sequences)
        log = await self.borrow(writer)
        try:
            log.holes_known()
        finally:
            self.give_back(log)

    def gap(self, writer: bytes) -> int | None:
        """Where an open log that is fetched does not go on; None when it is whole."""
        log = self._open.get(writer)
        if log is None or not log.fetching or not log.is_gapped:
            return None
        wanted, reach = self._wanted.get(writer), log.reach
        return reach if wanted is None or reach < wanted else None

    def no_hole(self, writer: bytes, hole: Hole) -> None:
        """What was taken for a hole of a log is none; it is forgotten already."""
        self.holes[writer].set(hole.sequence, value=False)
        self.on_false_hole(writer, hole)
        log = self._open.get(writer)
        if log is not None:
            log.hole_forgotten()
        else:
            head = self._durable[writer]
            length = min(head.length, hole.sequence)
            self._durable[writer] = replace(head, length=length, hash=NO_HASH)

    def length(self, writer: bytes) -> int:
        """How much of a log is here, durably."""
        head = self._durable.get(writer)
        return head.length if head is not None else 0

    def underived(self) -> list[bytes]:
        """The logs of which more is here than is derived."""
        return [w for w in self.derived if self.derived[w] < self.length(w)]

    def behind(self) -> list[bytes]:
        """The logs of which more is here than peers may know."""
        return [w for w, head in self._durable.items() if head != self.heads.get(w)]

    def settle(self, writer: bytes, *, held: bool = False, quiet: bool = False) -> None:
        """Let peers know how far a log is.

        Args:
            writer: Whose.
            held: What is not derived waits for its time.
            quiet: What was derived says nothing that anybody waits for.
        """
        head = self._durable.get(writer)
        if head is None:
            return
        derived = self.derived.get(writer, 0)
        if derived < head.length and not held:
            head = replace(head, length=derived, hash=NO_HASH)
        if head != self.heads.get(writer, LogHead(0)):
            self.heads[writer] = head
            self.on_head(writer, quiet=quiet)

    def borrow_open(self, writer: bytes) -> OpenLog | None:
        """A log to be given back, if its core is open."""
        log = self._open.get(writer)
        if log is not None:
            log.borrowed += 1
        return log

    async def borrow(self, writer: bytes) -> OpenLog:
        """A log to be given back, begun when it is new.

        Raises:
            LocalProtocolError: ``too-many``: the room has too many logs.
            StoreError: The core cannot be opened.
        """
        lock = self._opening.setdefault(writer, asyncio.Lock())
        async with lock:
            log = self.borrow_open(writer)
            if log is None:
                log = await self._open_core(writer)
                log.borrowed += 1
            return log

    def fetch(self, log: OpenLog) -> None:
        """Wish for what is lacking of a log that is attached to a peer."""
        log.fetch(self._wanted.get(log.writer))

    def give_back(self, log: OpenLog) -> None:
        """Have to do with a log no more."""
        log.borrowed -= 1
        if not log.borrowed:
            self._tasks.spawn(self._close_unused(log))

    async def read(self, writer: bytes, start: int) -> list[bytes | None]:
        """The next blocks that are not derived, as many as one transaction takes.

        None stands for a hole.

        Raises:
            StoreError: The disk refused.
        """
        log = await self.borrow(writer)
        try:
            head = log.core.core.state.head
            # What does not fit into the transaction would be read again for the next.
            count = MAX_READ_BYTES * head.length // max(head.byte_length, 1)
            count = min(max(count, MIN_READ_BLOCKS), MAX_READ_BLOCKS)
            end = min(self.length(writer), start + count)
            found = await log.core.core.blocks(range(start, end))
        finally:
            self.give_back(log)
        blocks: list[bytes | None] = []
        bits = self.holes.get(writer)
        size_bytes = 0
        for sequence in range(start, end):
            block = found.get(sequence)
            if block is None:
                if bits is not None and bits.get(sequence):
                    blocks.append(None)
                    continue
                # Damaged: it comes anew from a peer, if one has it.
                break
            size_bytes += len(block)
            if blocks and size_bytes > MAX_READ_BYTES:
                break
            blocks.append(block)
        return blocks

    async def own_log(self) -> OpenLog:
        """The log that is written here, held open from the first time on.

        Raises:
            LocalProtocolError: ``forked``: it takes nothing more. ``behind``: peers
                have told of more of it than is here yet.
        """
        if self._own is None:
            self._own = await self.borrow(self.device)
        if self.device in self.proofs:
            raise LocalProtocolError("this device's log has forked", code="forked")
        if self._own.is_gapped:
            raise LocalProtocolError(
                "what this device wrote before is still on its way", code="behind"
            )
        return self._own

    async def signed_head(self, writer: bytes) -> SignedHead | None:
        """What is signed of a log here, to be held against what others have."""
        try:
            log = await self.borrow(writer)
        except StoreError as error:
            _LOG.error("a log could not be opened: %s", error)
            return None
        try:
            head = log.core.core.state.head
            tree = await log.core.tree_hash(head.length)
        except StoreError as error:
            _LOG.error("a log could not be read: %s", error)
            return None
        finally:
            self.give_back(log)
        return SignedHead(writer, head.fork, head.length, tree, head.signature)

    async def check_signed(self, shown: SignedHead) -> bool:
        """Hold a peer's signed head against the log here.

        Returns:
            True when its writer signed both and they exclude each other: where they
            part is to be found out.
        """
        mine = await self.signed_head(shown.writer)
        if mine is None or shown.writer in self.proofs:
            return False
        manifest = log_manifest(shown.writer, self._row.key)
        tree = TreeState(shown.hash, shown.length, shown.fork)
        try:
            signed = verify_signature(
                manifest, manifest_key(manifest), tree, shown.signature
            )
        except RemoteProtocolError:
            signed = False
        if not signed or not await self._excludes(mine, shown):
            return False
        self.on_contradiction(shown.writer)
        return True

    async def purge_others(self) -> None:
        """Delete the cores of all other devices from the disk.

        Raises:
            StoreError: The disk refused; call it again.
        """
        for writer in tuple(self._begun):
            if writer != self.device:
                log = await self.borrow(writer)
                self._open.pop(writer, None)
                log.forget()
                await log.core.purge()
                self._durable.pop(writer, None)
                self.heads.pop(writer, None)

    async def close(self) -> None:
        """Close every core."""
        self._closed = True
        await self._tasks.finish()
        for log in tuple(self._open.values()):
            del self._open[log.writer]
            await log.close()

    def freeze(self, writer: bytes, proof: ForkProof) -> None:
        """End a log where its histories part, which is kept already."""
        self.proofs[writer] = proof
        self._begun.add(writer)
        self.derived.setdefault(writer, 0)
        log = self._open.get(writer)
        if log is not None:
            self.log_changed(log)
        else:
            head = self._durable.get(writer, LogHead(0))
            self._head_is(writer, self._ended(writer, head))

    def log_changed(self, log: OpenLog) -> None:
        """A core has committed something, or ends somewhere."""
        writer = log.writer
        if log.is_gapped:
            self.on_gap(writer)
        self._end_core(log)
        self._head_is(writer, self._ended(writer, log.head()))

    def _head_is(self, writer: bytes, head: LogHead) -> None:
        if head == self._durable.get(writer, LogHead(0)):
            return
        self._durable[writer] = head
        told = self.heads.get(writer)
        if head.forked and (told is None or self._ended(writer, told) != told):
            self.heads[writer] = self._ended(writer, told or LogHead(0))
            self.on_head(writer)
        self.on_grown(writer)

    def _ended(self, writer: bytes, head: LogHead) -> LogHead:
        """A head, without what lies where there are two histories."""
        proof = self.proofs.get(writer)
        if proof is None:
            return head
        length = min(head.length, proof.length)
        return replace(head, length=length, hash=NO_HASH, forked=True)

    def _end_core(self, log: OpenLog) -> None:
        """Have a core end where its histories part, once it is here up to there."""
        proof = self.proofs.get(log.writer)
        if proof is not None and self._goes_on(log, proof):
            log.borrowed += 1
            self._tasks.spawn(self._end_borrowed(log, proof))

    def _goes_on(self, log: OpenLog, proof: ForkProof) -> bool:
        """True when a core is to end where it does not yet, and that was not tried."""
        state = log.core.core.state
        return (
            state.tip.length >= proof.length
            and not (state.ended and state.tip.length <= proof.length)
            and self._ending.get(log.writer) is not proof
        )

    async def _end_borrowed(self, log: OpenLog, proof: ForkProof) -> None:
        try:
            await self._end(log, proof)
        finally:
            self.give_back(log)

    async def _end(self, log: OpenLog, proof: ForkProof) -> None:
        self._ending[log.writer] = proof
        try:
            await log.core.core.end(proof)
        except LocalProtocolError as error:
            _LOG.info("a log could not be ended: %s", error.code)
            if error.code == "another-history":
                # Somebody may tell where this third one parts from those two.
                self.on_contradiction(log.writer)
        except StoreError as error:
            _LOG.error("a log could not be ended: %s", error)
            self._ending.pop(log.writer, None)

    async def _excludes(self, mine: SignedHead, shown: SignedHead) -> bool:
        """True when no honest device signs both of two trees of logs that go on."""
        if shown.fork != mine.fork or shown.length > mine.length:
            return False
        log = await self.borrow(shown.writer)
        try:
            return await log.core.tree_hash(shown.length) != shown.hash
        except StoreError as error:
            _LOG.info("a signed head could not be checked: %s", error)
            return False
        finally:
            self.give_back(log)

    async def _open_core(self, writer: bytes) -> OpenLog:
        if self._closed:
            raise LocalProtocolError("the room is closed", code="closed")
        if writer not in self._begun:
            await self._begin(writer)
        manifest = log_manifest(writer, self._row.key)
        core = await self._corestore.get(
            key=manifest_key(manifest),
            manifest=manifest,
            key_pair=self._key_pair if writer == self.device else None,
            allow_fork=False,
            push=True,
        )
        log = OpenLog(self, writer, core)
        proof = self.proofs.get(writer)
        if proof is not None and self._goes_on(log, proof):
            # Nobody is to be shown what lies behind.
            await self._end(log, proof)
        self._open[writer] = log
        self.log_changed(log)
        return log

    async def _begin(self, writer: bytes) -> None:
        """Have a row for a log before its core is."""
        if len(self._begun) >= MAX_WRITERS:
            raise LocalProtocolError("the room has too many writers", code="too-many")
        row, name = self._row.row, self._name(writer)
        await asyncio.wrap_future(
            self._database.write(
                lambda connection: rooms.begin_log(
                    connection, row, writer=writer, discovery_key=name
                )
            )
        )
        self._begun.add(writer)
        self.derived.setdefault(writer, 0)

    async def _close_unused(self, log: OpenLog) -> None:
        """Close a core that nobody borrowed again meanwhile."""
        async with self._opening.setdefault(log.writer, asyncio.Lock()):
            # The peer's last blocks may still be on their way to the disk.
            await log.core.core.flushed()
            if not log.borrowed and self._open.get(log.writer) is log:
                del self._open[log.writer]
                await log.close()


async def found_log(
    corestore: Corestore, device: KeyPair, room: NewRoom, block: bytes
) -> None:
    """Begin this device's log in a room that it founds; done when it is durable.

    Args:
        corestore: The profile's.
        device: Its key pair.
        room: Not stored yet.
        block: The first one.

    Raises:
        StoreError: The disk refused.
    """
    manifest = log_manifest(device.public_key, room.key)
    core = await corestore.get(
        key=manifest_key(manifest), manifest=manifest, key_pair=device
    )
    try:
        await core.append(block)
    finally:
        await core.close()


def _head(fork: int, length: int, contiguous: int, signature: bytes) -> LogHead:
    whole = contiguous == length and bool(signature)
    mark = blake2b_256(signature) if whole else NO_HASH
    return LogHead(contiguous, mark, fork)


def runs(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as ranges, each with the end that it does not include, in order."""
    found: list[tuple[int, int]] = []
    for sequence in sorted(sequences):
        if found and found[-1][1] == sequence:
            found[-1] = found[-1][0], sequence + 1
        else:
            found.append((sequence, sequence + 1))
    return found


def _stored(
    connection: Connection, row: int
) -> tuple[
    list[rooms.LogRow], dict[bytes, Bitfield], dict[bytes, int], dict[bytes, bytes]
]:
    """Logs, holes, how far logs reach whose first gap is one, proofs of forks."""
    found = rooms.logs(connection, row)
    bits = holes.of_room(connection, row)
    reaches = {
        log.writer: holes.reach_of(
            connection, row, log.writer, bits[log.writer], log.length
        )
        for log in found
        if log.writer in bits and bits[log.writer].get(log.contiguous)
    }
    return found, bits, reaches, rooms.forks(connection, row)


def _unheard(writer: bytes) -> None:
    del writer


def _unheeded(writer: bytes, *, quiet: bool = False) -> None:
    del writer, quiet


def _undoubted(hole: Hole) -> None:
    del hole


def _untold(writer: bytes, hole: Hole) -> None:
    del writer, hole


def _unneeded(writer: bytes, sequences: Sequence[int]) -> None:
    del writer, sequences


def _not_expected(writer: bytes, start: int, blocks: list[bytes]) -> None:
    del writer, start, blocks
