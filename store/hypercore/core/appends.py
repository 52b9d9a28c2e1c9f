"""Appends that wait, joined into one tree and one signature while a write is under way.

Each is whole: all its blocks are added or none, and it has an answer of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from store.errors import LocalProtocolError, StoreError
from store.hypercore.depot import CoreWrite
from store.hypercore.encryption import BlockEncryption
from store.hypercore.records import MAX_BLOCK_BYTES
from store.hypercore.state import CoreState

MAX_JOINED_BLOCKS = 2_048
MAX_JOINED_BYTES = 4 * 1024 * 1024
"""Appends are joined up to this, so that the loop is not held up."""

Told = Callable[[BaseException | None, CoreWrite], None]


class _Append(NamedTuple):
    blocks: Sequence[bytes]
    encryption: BlockEncryption | None
    signature: bytes | None
    done: asyncio.Future[tuple[int, int]]


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
        self._waiting: deque[_Append] = deque()
        self._under_way = False

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

    def make_all(self) -> None:
        """Make changes of all that wait, so that what follows is behind them."""
        while self._waiting:
            self._next()

    def refuse_all(self, error: StoreError) -> None:
        """Add none of those that wait."""
        while self._waiting:
            done = self._waiting.popleft().done
            if not done.done():
                done.set_exception(error)

    def _go_on(self) -> None:
        while self._waiting and not self._under_way:
            self._next()

    def _next(self) -> None:
        """Make one change of what waits, as much as may be joined."""
        waiting = self._waiting
        joined: list[_Append] = []
        count = size = 0
        while waiting and count < MAX_JOINED_BLOCKS and size < MAX_JOINED_BYTES:
            if joined and waiting[0].signature is not None:
                break
            following = waiting.popleft()
            if following.done.done():
                continue
            joined.append(following)
            count += len(following.blocks)
            size += sum(map(len, following.blocks))
            if following.signature is not None:
                break
        if joined:
            self._make(joined)

    def _make(self, joined: list[_Append]) -> None:
        base = self._state.tip
        joined, blocks = self._stored_forms(joined)
        if not joined:
            return
        try:
            self._state.append(blocks, signature=joined[0].signature)
        except StoreError as error:
            for each in joined:
                each.done.set_exception(error)
            return

        def told(error: BaseException | None, write: CoreWrite) -> None:
            del write
            self._under_way = False
            self._answer(joined, blocks, base.length, base.byte_length, error)
            self._go_on()

        self._under_way = True
        self._hand_over(told)

    def _answer(
        self,
        joined: list[_Append],
        blocks: list[bytes],
        length: int,
        size: int,
        error: BaseException | None,
    ) -> None:
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

    def _stored_forms(self, joined: list[_Append]) -> tuple[list[_Append], list[bytes]]:
        """What will be stored, and of whom: who cannot encrypt is told and left out."""
        kept: list[_Append] = []
        blocks: list[bytes] = []
        start, fork = self._state.tip.length, self._state.tip.fork
        for each in joined:
            if each.encryption is not None:
                first = start + len(blocks)
                try:
                    blocks += _encrypted(each.encryption, each.blocks, first, fork)
                # An encryption may be anybody's; its bug is for who appended.
                except Exception as error:  # noqa: BLE001
                    each.done.set_exception(error)
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
