"""Decoded blocks and keys kept in memory, within a budget.

Two generations each: what is asked for moves to the young one, and when that is full it
becomes the old one, whose predecessor is forgotten. So a hit costs a dictionary's
look-up and what is used stays, without a list to keep in order.
"""

from __future__ import annotations

from collections.abc import Mapping

from store.hyperbee.blocks import Block

MAX_CACHED_BYTES = 16 * 1024 * 1024
"""Of decoded blocks."""

MAX_CACHED_KEYS_BYTES = 8 * 1024 * 1024

MAX_KEPT_KEY_BYTES = 256
"""Longer keys are looked up in their block each time, so that nodes stay small."""

KEY_COST_BYTES = 120


class Shelf:
    """Blocks and keys of one fork of one log, by number.

    Attributes:
        ahead: Whether reading ahead is worth the work; the editor does without.
        max_key_bytes: Keys that nodes may keep at hand.
    """

    __slots__ = (
        *("_blocks_bytes", "_keys_bytes", "_max_bytes", "_max_keys_bytes"),
        *("_old", "_old_keys", "_young", "_young_keys", "ahead", "max_key_bytes"),
    )

    def __init__(
        self,
        *,
        max_bytes: int = MAX_CACHED_BYTES,
        max_keys_bytes: int = MAX_CACHED_KEYS_BYTES,
    ) -> None:
        self.ahead = True
        self.max_key_bytes = MAX_KEPT_KEY_BYTES
        self._max_bytes = max_bytes
        self._max_keys_bytes = max_keys_bytes
        self.clear()

    def clear(self) -> None:
        """Forget everything: the log was truncated."""
        self._young: dict[int, Block] = {}
        self._old: dict[int, Block] = {}
        self._young_keys: dict[int, bytes] = {}
        self._old_keys: dict[int, bytes] = {}
        self._blocks_bytes = 0
        self._keys_bytes = 0

    def block(self, seq: int) -> Block | None:
        """The block, if it is remembered."""
        block = self._young.get(seq)
        if block is None:
            block = self._old.get(seq)
            if block is not None:
                self._keep(block)
        return block

    def key(self, seq: int) -> bytes | None:
        """The block's key, if it is remembered."""
        key = self._young_keys.get(seq)
        if key is None:
            key = self._old_keys.get(seq)
            if key is not None:
                self._keep_key(seq, key)
            else:
                block = self.block(seq)
                key = None if block is None else block.key
        return key

    def add(self, block: Block) -> None:
        """Remember a block and its key."""
        if len(block.key) <= MAX_KEPT_KEY_BYTES:
            self._keep_key(block.seq, block.key)
        self._keep(block)

    def _keep(self, block: Block) -> None:
        cost = block.cost_bytes
        if cost * 8 > self._max_bytes:
            # One huge value must not drive out everything else.
            return
        if self._blocks_bytes + cost > self._max_bytes // 2:
            self._old, self._young = self._young, {}
            self._blocks_bytes = 0
        self._young[block.seq] = block
        self._blocks_bytes += cost

    def _keep_key(self, seq: int, key: bytes) -> None:
        cost = len(key) + KEY_COST_BYTES
        if self._keys_bytes + cost > self._max_keys_bytes // 2:
            self._old_keys, self._young_keys = self._young_keys, {}
            self._keys_bytes = 0
        self._young_keys[seq] = key
        self._keys_bytes += cost


class Overlay:
    """A shelf below blocks that are not in the log yet.

    Attributes:
        ahead: As in ``Shelf``.
        max_key_bytes: As in ``Shelf``.
    """

    __slots__ = ("_pending", "_shelf", "ahead", "max_key_bytes")

    def __init__(
        self, shelf: Shelf, pending: Mapping[int, Block], *, max_key_bytes: int
    ) -> None:
        self._shelf = shelf
        self._pending = pending
        self.ahead = False
        self.max_key_bytes = max_key_bytes

    def block(self, seq: int) -> Block | None:
        """The block, if it is pending or remembered."""
        return self._pending.get(seq) or self._shelf.block(seq)

    def key(self, seq: int) -> bytes | None:
        """The key, if it is pending or remembered."""
        block = self._pending.get(seq)
        return self._shelf.key(seq) if block is None else block.key
