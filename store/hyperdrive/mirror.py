"""Making one side like another: two drives, or a drive and a folder on disk.

First what the source does not have is removed, then, in the order of the paths, what
is missing or different is written. Both passes walk two sorted listings side by side,
so memory does not grow with the number or the size of files. A path that cannot be
mirrored is counted with a reason, and the rest goes on. What counts as different is
decided in ``mirror_plan``. Follows npm mirror-drive.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from store.errors import LocalProtocolError, RemoteProtocolError, StoreError
from store.hyperdrive.confined_folder import RefusedPathError
from store.hyperdrive.entry import Json
from store.hyperdrive.mirror_plan import Item, Verdict, judge, judge_equal, pairs
from store.hyperdrive.paths import Ignore, ignoring

MAX_PREFETCHED: Final = 32
"""Files that are asked of peers before it is their turn."""

_SKIPPED: Final = ("request-timeout", "block-missing", "too-large", "bad-path")
"""Errors of one file after which the others go on."""


class Chunks(Protocol):
    """Takes the bytes of a file."""

    async def write(self, chunk: bytes, /) -> object:
        """Add a chunk; returns when there is room for more."""


class Wish(Protocol):
    """Something asked of peers."""

    def close(self) -> object:
        """Ask for it no longer."""


class MirrorSide(Protocol):
    """What a mirror needs of either side; one object serves one mirror."""

    keeps_metadata: bool
    """Whether files have metadata here."""

    async def open(self, *, writing: bool) -> None:
        """Prepare to be read, or to be written.

        Raises:
            LocalProtocolError: It cannot be written (code ``not-writable``).
        """

    async def close(self) -> None:
        """Give everything back."""

    def items(
        self, folder: str, ignored: Callable[[str], bool]
    ) -> AsyncGenerator[Item, None]:
        """What is there, in the order of the paths; may be called again."""

    async def prefetch(self, item: Item) -> Wish | None:
        """Ask for the contents of a file that will be read soon."""

    def read(self, path: str) -> AsyncGenerator[bytes, None]:
        """The contents of a file."""

    def write(
        self, path: str, *, executable: bool, metadata: Json
    ) -> AbstractAsyncContextManager[Chunks]:
        """Replaces a file when the block ends without an error."""

    async def symlink(self, path: str, linkname: str) -> None:
        """Put a link in place of what is there."""

    async def delete(self, path: str) -> None:
        """Delete a file or link."""

    async def set_attributes(
        self, path: str, *, executable: bool, metadata: Json
    ) -> None:
        """Change what stands beside the contents."""


class Mirrorable(Protocol):
    """What can be mirrored: ``Hyperdrive``, its checkouts, and ``LocalFolder``."""

    def mirror_side(
        self, *, dedup: bool = False, timeout_s: float | None = None
    ) -> MirrorSide:
        """A new way in for one mirror."""


class Operation(Enum):
    """What happened to a path, or would happen."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    EQUAL = "equal"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class MirrorStep:
    """One path that is done."""

    operation: Operation
    path: str
    bytes_added: int = 0
    bytes_removed: int = 0
    reason: str | None = None
    """Why it was refused: a short stable word."""


@dataclass(slots=True)
class MirrorCounts:
    """What a mirror has done so far, or would have."""

    files: int = 0
    """Of the source, refused ones included."""
    added: int = 0
    changed: int = 0
    removed: int = 0
    equal: int = 0
    bytes_added: int = 0
    bytes_removed: int = 0


class Mirror:
    """One run from a source to a target.

    Attributes:
        counts: What is done.
        refused: How many paths were not mirrored, by reason.
        copied_bytes: Bytes written, grows while a file is being written.
    """

    def __init__(
        self,
        source: Mirrorable,
        target: Mirrorable,
        *,
        folder: str = "/",
        prune: bool = True,
        dry_run: bool = False,
        select: Callable[[str], bool] | None = None,
        ignore: Ignore | None = None,
        dedup: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Prepare a run; nothing happens before ``steps`` or ``done``.

        Args:
            source: What it should be like.
            target: What is changed.
            folder: Only what is below it.
            prune: Remove what the source does not have.
            dry_run: Say what would happen, and change nothing.
            select: Tells which paths are written; what the source has is never removed.
            ignore: Paths that are invisible on both sides, with all below them.
            dedup: Let a drive that is written use blocks of the file before again.
            timeout_s: How long to wait for each block of the source; a file of which
                one does not come is refused. Without it a drive that names blocks
                nobody has can make the mirror wait for ever.
        """
        self.counts = MirrorCounts()
        self.refused: Counter[str] = Counter()
        self.copied_bytes = 0
        self._source = source.mirror_side(timeout_s=timeout_s)
        self._target = target.mirror_side(dedup=dedup)
        self._folder = folder
        self._prune = prune
        self._dry_run = dry_run
        self._select = select
        self._ignored = ignoring(ignore)
        self._with_metadata = (
            self._source.keeps_metadata and self._target.keeps_metadata
        )
        self._begun = False

    async def done(self) -> MirrorCounts:
        """Run to the end."""
        async with aclosing(self.steps()) as steps:
            async for _ in steps:
                pass
        return self.counts

    async def steps(self) -> AsyncGenerator[MirrorStep, None]:
        """Run, and tell of each path when it is done; close it to stop.

        Raises:
            EnvironmentFault: The disk failed.
            LocalProtocolError: The target cannot be written, or it was run before.
        """
        if self._begun:
            raise LocalProtocolError("a mirror runs once", code="bad-argument")
        self._begun = True
        try:
            await self._source.open(writing=False)
            await self._target.open(writing=not self._dry_run)
            if self._prune:
                async with aclosing(self._removals()) as steps:
                    async for step in steps:
                        yield step
            async with aclosing(self._writes()) as steps:
                async for step in steps:
                    yield step
        finally:
            await self._source.close()
            await self._target.close()

    def _pairs(self) -> _Pairs:
        return _Pairs(
            self._source.items(self._folder, self._ignored),
            self._target.items(self._folder, self._ignored),
        )

    async def _removals(self) -> AsyncGenerator[MirrorStep, None]:
        unknown = ""
        async with self._pairs() as found:
            async for source, target in found:
                if source is not None and source.path.endswith("/"):
                    unknown = source.path
                if source is not None or target is None:
                    continue
                if unknown and target.path.startswith(unknown):
                    # The source may have it: nobody could look.
                    continue
                if target.fault is not None:
                    yield self._refuse(target.path, target.fault)
                    continue
                try:
                    if not self._dry_run:
                        await self._target.delete(target.path)
                except RefusedPathError as error:
                    yield self._refuse(target.path, error.code)
                    continue
                self.counts.removed += 1
                self.counts.bytes_removed += target.size or 0
                yield MirrorStep(
                    Operation.REMOVE, target.path, bytes_removed=target.size or 0
                )

    async def _writes(self) -> AsyncGenerator[MirrorStep, None]:
        waiting: deque[tuple[Item, Item | None, Wish | None]] = deque()
        try:
            async with self._pairs() as found:
                async for source, target in found:
                    if source is None or not self._wants(source.path):
                        continue
                    waiting.append((source, target, await self._ask(source, target)))
                    if len(waiting) >= MAX_PREFETCHED:
                        yield await self._next(waiting)
            while waiting:
                yield await self._next(waiting)
        finally:
            for _, _, wish in waiting:
                if wish is not None:
                    wish.close()

    def _wants(self, path: str) -> bool:
        return self._select is None or self._select(path)

    async def _ask(self, source: Item, target: Item | None) -> Wish | None:
        """Ask for contents that will have to be read."""
        if source.fault or source.linkname or not source.has_contents:
            return None
        verdict = judge(source, target, with_metadata=self._with_metadata)
        if verdict is Verdict.COMPARE or (
            verdict is Verdict.WRITE and not self._dry_run
        ):
            with suppress(StoreError):
                # What is wrong with it is met again when it is its turn.
                return await self._source.prefetch(source)
        return None

    async def _next(
        self, waiting: deque[tuple[Item, Item | None, Wish | None]]
    ) -> MirrorStep:
        source, target, wish = waiting[0]
        try:
            return await self._one(source, target)
        finally:
            waiting.popleft()
            if wish is not None:
                wish.close()

    async def _one(self, source: Item, target: Item | None) -> MirrorStep:
        self.counts.files += 1
        if source.fault is not None:
            return self._refuse(source.path, source.fault)
        try:
            verdict = await self._verdict(source, target)
            if verdict is Verdict.SAME:
                self.counts.equal += 1
                return MirrorStep(Operation.EQUAL, source.path)
            added = 0
            if verdict is Verdict.WRITE:
                added = source.size or 0
                if not self._dry_run:
                    added = await self._write(source)
            elif not self._dry_run:
                await self._target.set_attributes(
                    source.path, executable=source.executable, metadata=source.metadata
                )
        except RefusedPathError as error:
            return self._refuse(source.path, error.code)
        except RemoteProtocolError:
            return self._refuse(source.path, "malformed")
        except StoreError as error:
            if error.code not in _SKIPPED:
                raise
            return self._refuse(source.path, error.code)
        return self._wrote(source, target, verdict, added)

    def _wrote(
        self, source: Item, target: Item | None, verdict: Verdict, added: int
    ) -> MirrorStep:
        removed = 0
        operation = Operation.ADD
        if target is None:
            self.counts.added += 1
        else:
            operation = Operation.CHANGE
            self.counts.changed += 1
            removed = (target.size or 0) if verdict is Verdict.WRITE else 0
        self.counts.bytes_added += added
        self.counts.bytes_removed += removed
        return MirrorStep(operation, source.path, added, removed)

    def _refuse(self, path: str, reason: str) -> MirrorStep:
        self.refused[reason] += 1
        return MirrorStep(Operation.REFUSE, path, reason=reason)

    async def _verdict(self, source: Item, target: Item | None) -> Verdict:
        verdict = judge(source, target, with_metadata=self._with_metadata)
        if verdict is not Verdict.COMPARE:
            return verdict
        assert target is not None
        async with (
            aclosing(self._source.read(source.path)) as left,
            aclosing(self._target.read(target.path)) as right,
        ):
            if not await same_bytes(left, right):
                return Verdict.WRITE
        return judge_equal(source, target, with_metadata=self._with_metadata)

    async def _write(self, source: Item) -> int:
        if source.linkname is not None:
            await self._target.symlink(source.path, source.linkname)
            return 0
        if not source.has_contents:
            # A drive can have an entry without contents; elsewhere that is empty.
            async with self._writer(source):
                return 0
        size = 0
        async with (
            aclosing(self._source.read(source.path)) as chunks,
            self._writer(source) as writer,
        ):
            async for chunk in chunks:
                await writer.write(chunk)
                size += len(chunk)
                self.copied_bytes += len(chunk)
        return size

    def _writer(self, source: Item) -> AbstractAsyncContextManager[Chunks]:
        return self._target.write(
            source.path, executable=source.executable, metadata=source.metadata
        )


class _Pairs:
    """Two listings side by side, closed together."""

    def __init__(
        self, left: AsyncGenerator[Item, None], right: AsyncGenerator[Item, None]
    ) -> None:
        self._left = left
        self._right = right

    async def __aenter__(self) -> AsyncIterator[tuple[Item | None, Item | None]]:
        return pairs(self._left, self._right)

    async def __aexit__(self, *_: object) -> None:
        await self._left.aclose()
        await self._right.aclose()


async def same_bytes(left: AsyncIterator[bytes], right: AsyncIterator[bytes]) -> bool:
    """Compare two streams, however they are cut; a chunk of each is held."""
    mine = other = b""
    while True:
        while not mine:
            chunk = await anext(left, None)
            if chunk is None:
                return not other and await _is_over(right)
            mine = chunk
        while not other:
            chunk = await anext(right, None)
            if chunk is None:
                return False
            other = chunk
        size = min(len(mine), len(other))
        if mine[:size] != other[:size]:
            return False
        mine, other = mine[size:], other[size:]


async def _is_over(chunks: AsyncIterator[bytes]) -> bool:
    async for chunk in chunks:
        if chunk:
            return False
    return True
