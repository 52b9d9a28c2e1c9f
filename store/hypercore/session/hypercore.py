"""``Hypercore``: what people hold of a core, alone or as one session of several.

Follows npm hypercore 11.37.1 (``index.js``) in what can be done with a log. Everything
is checked against the tree before it is given out; what is not stored here comes from
the peers that ``replicate`` has brought.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from net.crypto import KeyPair
from store.database import Synchronous
from store.errors import (
    EnvironmentFault,
    LocalProtocolError,
    NodeMissingError,
    StoreError,
)
from store.hypercore.core import MAX_TRIES, Core, Cores
from store.hypercore.directory import StoreDirectory
from store.hypercore.encryption import BlockEncryption
from store.hypercore.events import (
    Appended,
    Cleared,
    Closed,
    CoreEvent,
    CoreInfo,
    Truncated,
)
from store.hypercore.manifest import Manifest
from store.hypercore.merkle_tree import seek, tree_hash, truncated_roots
from store.hypercore.records import (
    Change,
    Head,
    NodeSource,
    NotInMemoryError,
    Proof,
    Request,
)
from store.hypercore.session.download import Download
from store.hypercore.session.event_queue import EventQueue
from store.hypercore.session.facts import SessionFacts
from store.hypercore.session.streams import read_blocks, read_bytes

if TYPE_CHECKING:
    from store.hypercore.replication import (
        Attachment,
        Extension,
        ReplicaConnection,
    )
    from store.hypercore.replication.extensions import ExtensionCallback
    from store.hypercore.replication.handles import FindingPeers

T = TypeVar("T")

HIGH_PRIORITY = 1
MAX_EVENT_LISTENERS = 1_024


class Hypercore(SessionFacts):
    """A session on a core.

    Sessions share the core: what one appends, all see. The core closes with its last
    session.
    """

    def __init__(
        self,
        core: Core,
        *,
        encryption_key: bytes | None = None,
        is_block_key: bool = False,
        encryption: BlockEncryption | None = None,
        writable: bool = True,
        push: bool = False,
        snapshot: Head | None = None,
        kept_length: int | None = None,
        on_last_closed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Hold a session on an open core; ``open`` and ``Corestore.get`` do that.

        Args:
            core: Open.
            encryption_key: 32 bytes that encrypt blocks.
            is_block_key: The key encrypts blocks as it is, whatever the core.
            encryption: Encrypts blocks in another way.
            writable: False refuses to write even where the key is known.
            push: Take blocks that peers send unasked, and send what is appended to
                peers that do.
            snapshot: The state this session is to stay at.
            kept_length: Blocks of it that were not cut off since; all unless given.
            on_last_closed: Awaited when the last session of the core has closed.
        """
        super().__init__(
            core,
            encryption_key=encryption_key,
            is_block_key=is_block_key,
            encryption=encryption,
            writable=writable,
            push=push,
            snapshot=snapshot,
            kept_length=kept_length,
            on_last_closed=on_last_closed,
        )
        # Who drops an iterator of events listens no more.
        self._listening: WeakSet[EventQueue] = WeakSet()
        self._watching = False
        self._released = False
        self._closing: asyncio.Task[None] | None = None
        core.listeners.append(self)
        core.session_opened(push=push)

    @classmethod
    async def open(
        cls,
        directory: str | Path,
        key: bytes | None = None,
        *,
        key_pair: KeyPair | None = None,
        manifest: Manifest | None = None,
        encryption_key: bytes | None = None,
        is_block_key: bool = False,
        allow_fork: bool = True,
        push: bool = False,
        synchronous: Synchronous = Synchronous.FULL,
        storage_key: bytes | None = None,
    ) -> Hypercore:
        """Open the core of a folder, making both when they are missing.

        Args:
            directory: The folder, for this core alone.
            key: The core's, 32 bytes. Without it the folder's core is opened, or a new
                one begun that is written here.
            key_pair: Whose signature is made here.
            manifest: Who may sign; the key pair alone unless given.
            encryption_key: 32 bytes that encrypt each block, for peers too.
            is_block_key: The key encrypts blocks as it is, whatever the core.
            allow_fork: Follow peers to a higher fork number; otherwise that one was
                signed is told by ``ForkRefused``.
            push: Take blocks that peers send unasked, and send what is appended to
                peers that do.
            synchronous: What a finished append shall survive.
            storage_key: 32 bytes that encrypt the folder's database; without it the
                database is a plain file.

        Raises:
            EnvironmentFault: ``in-use``, or the disk refused.
            DatabaseCorruptError: The database is damaged.
            LocalProtocolError: ``bad-argument``: the folder holds another core, or the
                arguments do not belong together.
        """
        path = Path(directory)
        home = await _directory(path, storage_key, synchronous)

        async def leave() -> None:
            await asyncio.to_thread(home.close)

        try:
            core = await _core_of(
                Cores(home.database), key, key_pair=key_pair, manifest=manifest
            )
            core.allow_fork = allow_fork
            return cls(
                core,
                encryption_key=encryption_key,
                is_block_key=is_block_key,
                push=push,
                on_last_closed=leave,
            )
        except BaseException:
            await leave()
            raise

    async def append(
        self, blocks: bytes | Sequence[bytes], *, signature: bytes | None = None
    ) -> Appended:
        """Add a block or several; done when they are on the disk.

        Args:
            blocks: Several are added all or none.
            signature: The assembled signature of the tree that comes out, for a log
                that several have to sign; see ``signatures``.

        Returns:
            Lengths behind the last of these blocks.

        Raises:
            LocalProtocolError: ``not-writable``, ``too-large``, ``session-closed``,
                ``invalid-signature``.
            EnvironmentFault: The disk refused; nothing was added.
        """
        self._check(writing=signature is None)
        several = [blocks] if isinstance(blocks, bytes | bytearray) else list(blocks)
        encryption = self._block_encryption()
        length, size = await self._core.append(
            several, encryption=encryption, signature=signature
        )
        padding = 0 if encryption is None else encryption.padding_bytes
        return Appended(length, size - padding * length)

    async def get(
        self,
        index: int,
        *,
        wait: bool = True,
        timeout_s: float | None = None,
        decrypt: bool = True,
    ) -> bytes | None:
        """A block.

        Args:
            index: From 0; behind the end is waited for, too.
            wait: Ask peers for what is not stored here, and wait until it is.
            timeout_s: Wait no longer than that.
            decrypt: False gives the stored bytes.

        Returns:
            The block, or None when it is not stored here and ``wait`` is False.

        Raises:
            LocalProtocolError: ``request-timeout``, ``snapshot-not-available``,
                ``bad-argument``, ``session-closed``, ``conflict``.
            EnvironmentFault: The disk refused, or ``block-damaged``: what is stored
                here is not the log's, and it is not replicated.
        """
        if self._closed or index < 0 or self._snapshot is not None:
            self._check_index(index)
        stored = self._core.cached_block(index)
        if stored is None:
            stored = await self._find(index, wait=wait, timeout_s=timeout_s)
            if self._snapshot is not None:
                self._check_index(index)
        if stored is None or not decrypt:
            return stored
        encryption = self._block_encryption()
        return stored if encryption is None else encryption.decrypt(index, stored)

    async def has(self, start: int, end: int | None = None) -> bool:
        """Tells whether blocks are stored here: one, or all of a range."""
        self._check()
        end = start + 1 if end is None else end
        if self._snapshot is not None and end > self._kept_length:
            return False
        blocks = self._core.state.stored.blocks
        return start >= 0 and blocks.first_unset(start) >= end

    async def truncate(
        self, length: int, *, fork: int | None = None, signature: bytes | None = None
    ) -> None:
        """Keep the first blocks only, under a higher fork number.

        Args:
            length: Blocks that stay.
            fork: The new fork number; one more than now unless given.
            signature: As for ``append``.

        Raises:
            LocalProtocolError: ``not-writable``, ``bad-argument``, ``session-closed``.
            EnvironmentFault: The disk refused; nothing was cut.
        """
        self._check(writing=signature is None)
        await self._core.truncate(length, fork=fork, signature=signature)

    async def clear(self, start: int, end: int | None = None) -> int:
        """Drop blocks from this disk, one or a range; the log stays as long as it is.

        Returns:
            Bytes freed.

        Raises:
            LocalProtocolError: ``bad-argument``, ``session-closed``.
            EnvironmentFault: The disk refused; nothing was dropped.
        """
        self._check()
        return await self._core.clear(start, start + 1 if end is None else end)

    async def purge(self) -> None:
        """Close all sessions and delete everything of the core from this disk."""
        self._check()
        try:
            await self._core.purge()
        finally:
            await self.close()

    async def tree_hash(self, length: int | None = None) -> bytes:
        """The hash of the tree, now or at an earlier length.

        Raises:
            LocalProtocolError: ``bad-argument``; ``node-missing`` when the hashes of
                that length are not stored here.
        """
        self._check(whole=True)
        head = self._head
        if length is None or length == head.length:
            return tree_hash(head.roots)
        if not 0 <= length < head.length:
            raise LocalProtocolError("the log is not so long", code="bad-argument")
        roots = await self._on_tree(
            lambda _, source: truncated_roots(length, source), length=length
        )
        return tree_hash(roots)

    async def seek(
        self, byte: int, *, wait: bool = True, timeout_s: float | None = None
    ) -> tuple[int, int]:
        """Find the block that holds a byte.

        Args:
            byte: Counted without padding; the very end is allowed.
            wait: Ask peers where sizes are not known here.
            timeout_s: Wait no longer than that.

        Returns:
            The block, and the byte's place in it; ``(length, 0)`` at the end.

        Raises:
            LocalProtocolError: ``bad-argument``, ``node-missing``, ``request-timeout``.
        """
        self._check(whole=True)
        padding = self.padding
        try:
            return await self._on_tree(
                lambda head, source: seek(byte, head, source, padding),
                length=self.length,
            )
        except NodeMissingError:
            if not wait:
                raise
        except LocalProtocolError:
            if not wait or byte < 0 or self._snapshot is not None or self.writable:
                raise
        async with _within(timeout_s):
            found = await self._core.replication.seek(byte, padding)
        self._check_kept(self.length)
        return found

    async def update(self, *, wait: bool = False) -> bool:
        """Ask the peers for a newer length; True when length or fork changed.

        Args:
            wait: Also wait for peers that are not there yet.
        """
        self._check()
        if self.writable or self._snapshot is not None:
            return False
        if not wait and not self._core.replicating:
            return False
        return await self._core.replication.update(wait=wait)

    def replicate(
        self,
        connection: ReplicaConnection,
        *,
        upload: bool = True,
        download: bool = True,
    ) -> Attachment:
        """Exchange blocks with a peer, until the connection or the attachment ends.

        Args:
            connection: A ``net.Connection``, or anything that fits.
            upload: Answer requests.
            download: Ask for blocks.
        """
        self._check()
        return self._core.replication.attach(
            connection, upload=upload, download=download
        )

    def download(
        self,
        start: int = 0,
        end: int | None = None,
        *,
        blocks: Sequence[int] | None = None,
        linear: bool = False,
        live: bool = False,
    ) -> Download:
        """Fetch blocks from peers, whoever asks for them later.

        Args:
            start: First block.
            end: Block behind the last; the present end unless given.
            blocks: These, in place of a range.
            linear: In order; otherwise spread, so that peers complement each other.
            live: Go on as the log grows, until it is closed.

        Returns:
            The download: await it, or follow its ``progress()``.
        """
        self._check()
        return Download(self._core, start, end, blocks=blocks, linear=linear, live=live)

    def read(
        self, start: int = 0, end: int | None = None, *, live: bool = False
    ) -> AsyncIterator[bytes]:
        """Blocks in order, fetched from peers where they are not here.

        Args:
            start: First block.
            end: Block behind the last; the end of the log unless given.
            live: Go on as the log grows.
        """
        self._check()
        return read_blocks(self, start, end, live=live)

    def read_bytes(
        self, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """Bytes in order, in pieces, fetched from peers where they are not here.

        Args:
            offset: First byte, without padding.
            length: Bytes; all there are unless given.
        """
        self._check()
        return read_bytes(self, offset, length)

    def extension(self, name: str, on_message: ExtensionCallback) -> Extension:
        """Exchange an application's messages with peers that know the name too.

        Args:
            name: By which both sides know it.
            on_message: Gets each message and the peer it came from.
        """
        self._check()
        return self._core.replication.extension(name, on_message)

    def finding_peers(self) -> FindingPeers:
        """Say that peers are being looked for: ``update`` waits for the first one.

        A context manager; or call ``done`` on what it returns.
        """
        self._check()
        return self._core.replication.finding_peers()

    async def user_data(self, name: str) -> bytes | None:
        """A value kept with the core on this disk, never replicated."""
        self._check()
        return await self._core.user_data(name)

    async def set_user_data(self, name: str, value: bytes | None) -> None:
        """Keep a value with the core on this disk; None forgets it."""
        self._check()
        await self._core.set_user_data(name, value)

    async def proof(self, request: Request) -> Proof:
        """What proves to somebody else what they ask.

        Raises:
            BlockMissingError: The block is not stored here.
            InvalidRequestError: No such tree can prove this.
        """
        self._check()
        while True:
            try:
                return self._core.prove(request)
            except NotInMemoryError:
                await self._core.load(request)

    async def info(self) -> CoreInfo:
        """What can be told of the core and its place on the disk."""
        self._check()
        blocks, size, nodes = await self._core.storage_sizes()
        return CoreInfo(
            key=self.key,
            discovery_key=self.discovery_key,
            length=self.length,
            contiguous_length=self.contiguous_length,
            byte_length=self.byte_length,
            fork=self.fork,
            padding=self.padding,
            stored_blocks=blocks,
            stored_bytes=size,
            stored_nodes=nodes,
            damaged_blocks=self._core.damaged_blocks,
            peer_count=len(self.peers),
        )

    def session(self, *, writable: bool = True) -> Hypercore:
        """Another session on the same core, with the same encryption."""
        return self._sibling(
            writable=writable and self._may_write, snapshot=self._snapshot
        )

    def snapshot(self) -> Hypercore:
        """A session that stays at the state of now."""
        self._check()
        return self._sibling(writable=False, snapshot=self._head)

    def events(self) -> AsyncIterator[CoreEvent]:
        """What happens to the core, from this call on until the session closes."""
        self._check()
        if len(self._listening) >= MAX_EVENT_LISTENERS:
            raise LocalProtocolError("too many listeners", code="too-many")
        if not self._watching:
            self._watching = True
            self._core.watchers.append(self._tell)
        listening = EventQueue()
        self._listening.add(listening)
        return listening

    async def close(self) -> None:
        """Close this session, and with the last one the core; harmless twice."""
        if not self._released:
            self._released = True
            core = self._core
            if not self._closed:
                self._end(None)
            core.session_closed(push=self._push)
            if core.session_count == 0:
                if core.on_unused is not None:
                    core.on_unused(core)
                    return
                core.close()
                self._closing = core.traffic.loop.create_task(self._leave())
        if self._closing is not None:
            # Goes on to its end, whoever gives up waiting for it.
            await asyncio.shield(self._closing)

    async def __aenter__(self) -> Hypercore:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def core_committed(self, change: Change) -> None:
        """See ``CoreListener``."""
        head = change.head
        if change.truncated_to is not None:
            self._kept_length = min(self._kept_length, change.truncated_to)
        if not self._listening or self._snapshot is not None:
            return
        if change.truncated_to is not None:
            self._tell(Truncated(change.truncated_to, head.fork))
        start = (
            change.base.length if change.truncated_to is None else change.truncated_to
        )
        if head.length > start:
            self._tell(
                Appended(head.length, head.byte_length - self.padding * head.length)
            )

    def core_cleared(self, start: int, end: int) -> None:
        """See ``CoreListener``."""
        self._tell(Cleared(start, end))

    def core_closed(self, error: StoreError | None) -> None:
        """See ``CoreListener``."""
        if not self._closed:
            self._end(error)

    async def _leave(self) -> None:
        try:
            await self._core.flushed()
        finally:
            if self._on_last_closed is not None:
                await self._on_last_closed()

    def _sibling(self, *, writable: bool, snapshot: Head | None) -> Hypercore:
        self._check()
        return Hypercore(
            self._core,
            encryption_key=self._encryption_key,
            is_block_key=self._is_block_key,
            encryption=self._encryption,
            writable=writable,
            push=self._push,
            snapshot=snapshot,
            kept_length=None if self._snapshot is None else self._kept_length,
            on_last_closed=self._on_last_closed,
        )

    async def _find(
        self, index: int, *, wait: bool, timeout_s: float | None
    ) -> bytes | None:
        core = self._core
        if wait and core.state.needs_repair and core.replicating:
            async with _within(timeout_s):
                await core.replication.repaired()
        if core.state.stored.has_block(index):
            found = await core.blocks([index])
            if index in found:
                return found[index]
            # Peers may be there whom nothing was asked of so far.
            if wait and not core.replicating:
                raise EnvironmentFault(
                    f"block {index} is damaged here", code="block-damaged"
                )
        if not wait:
            return None
        async with _within(timeout_s):
            return await self._fetch(index)

    async def _fetch(self, index: int) -> bytes:
        for _ in range(MAX_TRIES):
            await self._core.replication.block(index, priority=HIGH_PRIORITY)
            self._check_index(index)
            found = await self._core.blocks([index])
            if index in found:
                return found[index]
            # What is damaged has been given up then, if the disk lets it be.
            await self._core.flushed()
        raise EnvironmentFault(
            f"block {index} is damaged here, again and again", code="block-damaged"
        )

    async def _on_tree(
        self, work: Callable[[Head, NodeSource], T], *, length: int
    ) -> T:
        """Do work on the first blocks of the tree, anew if it changes meanwhile."""
        state = self._core.state
        while True:
            self._check_kept(length)
            head, epoch = self._head, state.epoch
            try:
                result = await self._core.with_nodes(
                    partial(work, head), committed=True
                )
            except LocalProtocolError:
                if state.epoch == epoch:
                    raise
                self._check(whole=True)
                continue
            if state.epoch == epoch:
                return result

    def _tell(self, event: CoreEvent) -> None:
        for listening in self._listening:
            listening.put(event)

    def _end(self, error: StoreError | None) -> None:
        self._closed = True
        core = self._core
        core.listeners.remove(self)
        if self._watching:
            core.watchers.remove(self._tell)
        self._tell(Closed(None if error is None else error.code))


async def _core_of(
    cores: Cores,
    key: bytes | None,
    *,
    key_pair: KeyPair | None,
    manifest: Manifest | None,
) -> Core:
    """The one core of a folder."""
    first = await cores.open_first()
    if first is None:
        return await cores.open(key, key_pair=key_pair, manifest=manifest)
    core = first
    if key is not None or key_pair is not None or manifest is not None:
        stored = first.state.key
        core = await cores.open(key or stored, key_pair=key_pair, manifest=manifest)
    if core is not first:
        raise LocalProtocolError("the folder holds another core", code="bad-argument")
    return core


async def _directory(
    path: Path, storage_key: bytes | None, synchronous: Synchronous
) -> StoreDirectory:
    """Open a folder in a thread; it is given back if nobody waits for it any more."""
    opening = asyncio.ensure_future(
        asyncio.to_thread(
            StoreDirectory, path, storage_key=storage_key, synchronous=synchronous
        )
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with contextlib.suppress(StoreError):
            home = await opening
            await asyncio.to_thread(home.close)
        raise


@contextlib.asynccontextmanager
async def _within(timeout_s: float | None) -> AsyncIterator[None]:
    """Give up what takes too long, with the error that callers know."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise LocalProtocolError(
            f"nothing came within {timeout_s} s", code="request-timeout"
        ) from error
