"""Appends that wait, joined into one tree and one signature while a write is under way.

Each is whole: all its blocks are added or none, and it has an answer of its own. One
change at a time is being written; the others wait as they were given, so that what is
made of them takes no memory before. Large ones are hashed in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from store.errors import LocalProtocolError, StoreError
from store.hypercore.depot import CoreWrite
from store.hypercore.encryption import BlockEncryption
from store.hypercore.records import MAX_BLOCK_BYTES, Change, Head
from store.hypercore.state import CoreState

MAX_JOINED_BLOCKS = 2_048
MAX_JOINED_BYTES = 4 * 1024 * 1024
"""Appends are joined up to this."""
MAX_BLOCKS_ON_LOOP = 4_096
MAX_BYTES_ON_LOOP = 1024 * 1024
"""What is more is encrypted and hashed in a thread, so that the loop is not held up."""

Told = Callable[[BaseException | None, CoreWrite], None]


class _Append(NamedTuple):
    blocks: Sequence[bytes]
    encryption: BlockEncryption | None
    signature: bytes | None
    done: asyncio.Future[tuple[int, int]]


class _Plan(NamedTuple):
    """What becomes of appends, unless the tree changes before."""

    base: Head
    joined: list[_Append]
    blocks: list[bytes]
    """As they are stored."""
    change: Change | None
    failed: list[tuple[_Append, Exception]]


class Appends:
    """The appends of one core."""

    def __init__(self, state: CoreState, hand_over: Callable[[Told], None]) -> None:
        """Begin without any.

        Args:
            state: Makes the changes.
            hand_over: Has what the state made last written, and is told the outcome.
        """
        self._state = state
        self._hand_over = hand_over
        # A future stands for somebody's turn.
        self._waiting: deque[_Append | asyncio.Future[None]] = deque()
        self._under_way = False
        self._held = False
        self._planned: list[_Append] = []
        self._planning: asyncio.Task[None] | None = None
        self._refusal: StoreError | None = None

    def add(
        self,
        blocks: Sequence[bytes],
        encryption: BlockEncryption | None,
        signature: bytes | None,
        done: asyncio.Future[tuple[int, int]],
    ) -> None:
        """Append blocks now or with the next write.

        Args:
            blocks: All or none of them are added, one after the other.
            encryption: Makes what is stored.
            signature: The assembled signature of the tree that comes out.
            done: Gets length and stored bytes behind the last of these blocks.

        Raises:
            LocalProtocolError: ``too-large``; ``bad-argument``: not bytes.
        """
        padding = encryption.padding_bytes if encryption else 0
        blocks = [it if type(it) is bytes else _as_bytes(it) for it in blocks]
        if max(map(len, blocks), default=0) + padding > MAX_BLOCK_BYTES:
            raise LocalProtocolError("the block is too large", code="too-large")
        self._waiting.append(_Append(blocks, encryption, signature, done))
        self._go_on()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be behind what was added before and in front of what is added later."""
        if self._waiting or self._held:
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(ready)
            try:
                await ready
            except asyncio.CancelledError:
                if not ready.cancelled():
                    self._release()
                raise
        else:
            self._held = True
        try:
            yield
        finally:
            self._release()

    def refuse_all(self, error: StoreError) -> None:
        """Add none of those that wait, nor any later."""
        self._refusal = error
        _tell_all(self._planned, error)
        self._go_on()

    def _release(self) -> None:
        self._held = False
        self._go_on()

    def _go_on(self) -> None:
        waiting = self._waiting
        while waiting and not self._held:
            first = waiting[0]
            if isinstance(first, asyncio.Future):
                waiting.popleft()
                if not first.done():
                    self._held = True
                    first.set_result(None)
            elif self._refusal is not None:
                waiting.popleft()
                _tell_all([first], self._refusal)
            elif self._under_way:
                return
            else:
                self._next()

    def _next(self) -> None:
        """Make one change of what waits, as much as may be joined."""
        waiting = self._waiting
        joined: list[_Append] = []
        count = size = 0
        while waiting and count < MAX_JOINED_BLOCKS and size < MAX_JOINED_BYTES:
            following = waiting[0]
            if isinstance(following, asyncio.Future) or (
                joined and following.signature is not None
            ):
                break
            waiting.popleft()
            if following.done.done():
                continue
            joined.append(following)
            count += len(following.blocks)
            size += sum(map(len, following.blocks))
            if following.signature is not None:
                break
        if not joined:
            return
        if count > MAX_BLOCKS_ON_LOOP or size > MAX_BYTES_ON_LOOP:
            self._held = True
            self._planned = joined
            self._planning = asyncio.ensure_future(self._make_aside(joined))
        else:
            self._make(self._plan(joined))

    async def _make_aside(self, joined: list[_Append]) -> None:
        """Make a change in another thread; what is added meanwhile waits."""
        try:
            plan = await asyncio.to_thread(self._plan, joined)
            while self._refusal is None and not self._is_current(plan):
                plan = await asyncio.to_thread(self._plan, joined)
            if self._refusal is None:
                self._make(plan)
        # No thread could be had: whoever waits is told.
        except RuntimeError as error:
            _tell_all(joined, error)
        finally:
            self._planned = []
            self._planning = None
            self._release()

    def _plan(self, joined: list[_Append]) -> _Plan:
        """What becomes of appends; changes nothing, and may run in another thread."""
        base = self._state.tip
        failed: list[tuple[_Append, Exception]] = []
        kept, blocks = _stored_forms(joined, base, failed)
        change = None
        if kept:
            try:
                change = self._state.plan_append(blocks, signature=kept[0].signature)
            # Whoever waits is told, be it a bug.
            except Exception as error:  # noqa: BLE001
                failed += [(each, error) for each in kept]
        return _Plan(base, kept, blocks, change, failed)

    def _is_current(self, plan: _Plan) -> bool:
        tip, change = self._state.tip, plan.change
        # The tree may have been another one between the two looks at it.
        return plan.base is tip and (change is None or change.base is tip)

    def _make(self, plan: _Plan) -> None:
        for each, failure in plan.failed:
            _tell_all([each], failure)
        if plan.change is None:
            return
        base, joined, blocks = plan.base, plan.joined, plan.blocks
        self._state.advance(plan.change)

        def told(error: BaseException | None, write: CoreWrite) -> None:
            del write
            self._under_way = False
            _answer(joined, blocks, base, error)
            self._go_on()

        self._under_way = True
        self._hand_over(told)


def _answer(
    joined: list[_Append],
    blocks: list[bytes],
    base: Head,
    error: BaseException | None,
) -> None:
    length, size = base.length, base.byte_length
    place = 0
    for each in joined:
        end = place + len(each.blocks)
        size += sum(map(len, blocks[place:end] if len(joined) > 1 else blocks))
        place = end
        if each.done.done():
            continue
        if error is not None:
            each.done.set_exception(error)
        else:
            each.done.set_result((length + end, size))


def _tell_all(appends: Sequence[_Append], error: Exception) -> None:
    for each in appends:
        if not each.done.done():
            each.done.set_exception(error)


def _stored_forms(
    joined: list[_Append], base: Head, failed: list[tuple[_Append, Exception]]
) -> tuple[list[_Append], list[bytes]]:
    """What will be stored, and of whom; who cannot encrypt has failed."""
    kept: list[_Append] = []
    blocks: list[bytes] = []
    for each in joined:
        if each.encryption is not None:
            first = base.length + len(blocks)
            try:
                blocks += _encrypted(each.encryption, each.blocks, first, base.fork)
            # An encryption may be anybody's; its bug is for who appended.
            except Exception as error:  # noqa: BLE001
                failed.append((each, error))
                continue
        else:
            blocks += each.blocks
        kept.append(each)
    return kept, blocks


def _encrypted(
    encryption: BlockEncryption, blocks: Sequence[bytes], first: int, fork: int
) -> list[bytes]:
    encrypt = encryption.encrypt
    return [encrypt(index, block, fork) for index, block in enumerate(blocks, first)]


def _as_bytes(block: object) -> bytes:
    if isinstance(block, bytes | bytearray | memoryview):
        return bytes(block)
    raise LocalProtocolError("a block is bytes", code="bad-argument")
