"""Making a core out of a file that the user shares; blocks the thread it is called in.

The nodes are stored while the file is read, under a draft that becomes the core once
the tree's hash, and with it the key, is known. No block is stored at all.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeAlias

from store.database import Database
from store.errors import StoreError
from store.files import rows
from store.files.hashing import hash_file
from store.files.places import encryption_of
from store.hypercore.depot import purge
from store.hypercore.manifest import (
    Prologue,
    create_manifest,
    encode_manifest,
    manifest_key,
)
from store.hypercore.records import Node

SALT_BYTES = 32
DRAFT_KEY_BYTES = 32

GoOn: TypeAlias = Callable[[int, int], bool]
"""Told the bytes read and the file's size; False ends the work."""


def read_and_store(
    database: Database, path: str, *, block_key: bytes | None, go_on: GoOn
) -> bytes:
    """Read a file through and store its tree; returns the core's key.

    Args:
        database: Where trees are kept.
        path: Absolute, without links.
        block_key: Encrypts the blocks; None for a tree of the file as it is.
        go_on: Asked now and then.

    Raises:
        EnvironmentFault: The file cannot be read or changed meanwhile, or the database
            refused.
        HashingCancelledError: ``go_on`` said no.
    """
    begin = partial(rows.begin_draft, path=path, secret=os.urandom(DRAFT_KEY_BYTES))
    number = database.write(begin).result()
    waiting: list[Future[None]] = []

    def keep(nodes: Sequence[Node]) -> None:
        # One write behind the reading: bounded, and neither waits for the other long.
        if waiting:
            waiting.pop().result()
        store = partial(rows.store_nodes, number=number, nodes=nodes)
        waiting.append(database.write(store))

    try:
        hashed = hash_file(
            path, encryption=encryption_of(block_key), store_nodes=keep, go_on=go_on
        )
        manifest = create_manifest(
            (),
            prologue=Prologue(hashed.tree_hash, hashed.length),
            user_data=os.urandom(SALT_BYTES),
        )
        key = manifest_key(manifest)
        finish = partial(
            rows.finish_draft,
            number=number,
            key=key,
            manifest=encode_manifest(manifest),
            hashed=hashed,
            block_key=block_key,
        )
        for write in waiting:
            write.result()
        database.write(finish).result()
    except BaseException:
        # A closed database sweeps it away when it is opened next.
        with contextlib.suppress(StoreError):
            database.write(partial(purge, number=number, place=None)).result()
        raise
    return key
