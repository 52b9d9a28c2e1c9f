"""Reading a file through to the tree of its blocks, with bounded memory.

Blocks the thread it is called in. The nodes are handed out by the chunk while the file
is read, so that a file of a terabyte needs no more memory than a small one. Which
hashes those are is decided by ``store.hypercore.merkle_tree``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import EnvironmentFault, LocalProtocolError
from store.files.block_file import (
    BLOCK_BYTES,
    MAX_FILE_BYTES,
    block_count,
)
from store.files.descriptors import open_to_read, read_at
from store.files.fingerprint import (
    CHANGED,
    Fingerprint,
    fault,
    fingerprint_of,
    look_at,
)
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.records import Node

if TYPE_CHECKING:
    from store.hypercore.encryption import BlockEncryption

CHUNK_BLOCKS = 256
"""Blocks between two looks at whether to go on: 16 MiB."""


class HashingCancelledError(LocalProtocolError):
    """The caller wanted no more of it."""

    default_code = "cancelled"


@dataclass(frozen=True, slots=True)
class HashedFile:
    """What a file was when it was read through."""

    size: int
    """Bytes of the file."""
    byte_length: int
    """Bytes of the blocks as the tree has them."""
    roots: tuple[Node, ...]
    tree_hash: bytes
    fingerprint: Fingerprint

    @property
    def length(self) -> int:
        """Blocks."""
        return block_count(self.size)


def hash_file(
    path: str,
    *,
    encryption: BlockEncryption | None,
    store_nodes: Callable[[Sequence[Node]], None] | None = None,
    go_on: Callable[[int, int], bool] | None = None,
) -> HashedFile:
    """Read a file and make the tree of its blocks.

    Args:
        path: The file.
        encryption: How its blocks are encrypted, if they are.
        store_nodes: Gets every node of the tree, some hundred at a time.
        go_on: Asked again and again with the bytes read and the file's size; False
            ends the work.

    Raises:
        EnvironmentFault: The file cannot be read, is larger than ``MAX_FILE_BYTES``, or
            changed while it was read (``file-changed``).
        HashingCancelledError: ``go_on`` said no.
    """
    descriptor = open_to_read(path)
    try:
        before = fingerprint_of(os.fstat(descriptor))
        if before.size > MAX_FILE_BYTES:
            raise EnvironmentFault("the file is too large", code="file-too-large")
        hashed = _hash(descriptor, before, encryption, store_nodes, go_on)
        after = fingerprint_of(os.fstat(descriptor))
    except OSError as error:
        raise fault(error) from error
    finally:
        os.close(descriptor)
    # The path may lead to another file by now.
    if not before.matches(after) or not before.matches(look_at(path)):
        raise EnvironmentFault("the file changed while it was read", code=CHANGED)
    return hashed


def _hash(
    descriptor: int,
    look: Fingerprint,
    encryption: BlockEncryption | None,
    store_nodes: Callable[[Sequence[Node]], None] | None,
    go_on: Callable[[int, int], bool] | None,
) -> HashedFile:
    count = block_count(look.size)
    roots: Sequence[Node] = ()
    byte_length = 0
    for start in range(0, count, CHUNK_BLOCKS):
        batch = TreeBatch(roots, start, byte_length)
        for index in range(start, min(start + CHUNK_BLOCKS, count)):
            block = read_at(descriptor, BLOCK_BYTES, index * BLOCK_BYTES)
            if encryption is not None:
                block = encryption.encrypt(index, block, 0)
            batch.append(block)
        if store_nodes is not None:
            store_nodes(batch.nodes)
        roots, byte_length = batch.roots, batch.byte_length
        read = min(look.size, (start + CHUNK_BLOCKS) * BLOCK_BYTES)
        if go_on is not None and not go_on(read, look.size):
            raise HashingCancelledError("reading the file was ended")
    return HashedFile(look.size, byte_length, tuple(roots), tree_hash(roots), look)
