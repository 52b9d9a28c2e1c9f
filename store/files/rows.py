"""The table of files: which core's blocks lie where. Functions of a connection.

A file that is being read through before it is shared is a *draft*: a core with a key
that nobody knows, so that the nodes can be stored while the file is read. Drafts of a
process that was killed are swept away.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from net.crypto import discovery_key
from store.database import Connection
from store.errors import LocalProtocolError
from store.files.fingerprint import Fingerprint
from store.files.hashing import HashedFile
from store.hypercore.depot import INDEX_BITS, BlockPlace, purge
from store.hypercore.records import Node

_FINGERPRINT = struct.Struct("<QqQq")
_COLUMNS = (
    "SELECT core.id, core.key, core.manifest, core.length, path, destination,"
    " overwrite, size, block_key, fingerprint, inode"
    " FROM core_file JOIN core ON core.id = core_file.core"
)
_NO_DRAFT = "(fingerprint IS NOT NULL OR inode IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file as it is stored."""

    number: int
    """Of the core's row."""
    key: bytes
    manifest: bytes | None
    length: int
    """Blocks, as far as the tree is known."""
    path: str
    destination: str | None
    """The name it gets when all is there; None for a settled file."""
    overwrite: bool
    size: int | None
    block_key: bytes | None
    sound: Fingerprint | None
    inode: int | None


def read_file(connection: Connection, key: bytes) -> FileRow | None:
    """The file of a core's key."""
    where = f"{_COLUMNS} WHERE core.discovery_key = ? AND {_NO_DRAFT}"
    for row in connection.execute(where, (discovery_key(key),)):
        return _file_row(row)
    return None


def read_file_of(connection: Connection, number: int) -> FileRow | None:
    """The file of a core's row."""
    where = f"{_COLUMNS} WHERE core.id = ? AND {_NO_DRAFT}"
    for row in connection.execute(where, (number,)):
        return _file_row(row)
    return None


def read_files(connection: Connection) -> Iterator[FileRow]:
    """Every file, drafts left out, in the order of their coming."""
    for row in connection.execute(f"{_COLUMNS} WHERE {_NO_DRAFT} ORDER BY core.id"):
        yield _file_row(row)


def begin_draft(connection: Connection, path: str, secret: bytes) -> int:
    """Make a core for nodes to come; returns the number of its row.

    Args:
        connection: The writer's.
        path: The file.
        secret: 32 random bytes in place of the key.
    """
    connection.execute(
        "INSERT INTO core (discovery_key, key) VALUES (?, ?)",
        (discovery_key(secret), secret),
    )
    number = connection.last_insert_rowid()
    connection.execute(
        "INSERT INTO core_file (core, path) VALUES (?, ?)", (number, os.fsencode(path))
    )
    return number


def store_nodes(connection: Connection, number: int, nodes: Sequence[Node]) -> None:
    """Keep nodes of a draft."""
    base = number << INDEX_BITS
    connection.executemany(
        "INSERT INTO core_node (id, size, hash) VALUES (?, ?, ?)",
        [(base | index, size, digest) for index, size, digest in nodes],
    )


def finish_draft(
    connection: Connection,
    number: int,
    *,
    key: bytes,
    manifest: bytes,
    hashed: HashedFile,
    block_key: bytes | None,
) -> None:
    """Turn a draft into a core all of whose blocks are there."""
    connection.execute(
        "UPDATE core SET discovery_key = ?, key = ?, manifest = ?, length = ?,"
        " contiguous = ? WHERE id = ?",
        (discovery_key(key), key, manifest, hashed.length, hashed.length, number),
    )
    connection.execute(
        "UPDATE core_file SET size = ?, block_key = ?, fingerprint = ? WHERE core = ?",
        (hashed.size, block_key, _FINGERPRINT.pack(*hashed.fingerprint), number),
    )


def sweep_drafts(connection: Connection) -> None:
    """Forget what a killed process began to read."""
    drafts = f"SELECT core FROM core_file WHERE NOT {_NO_DRAFT}"
    for row in connection.execute(drafts).fetchall():
        number: Any = row[0]
        purge(connection, number, None)


def begin_fetch(
    connection: Connection,
    *,
    key: bytes,
    path: str,
    destination: str,
    overwrite: bool,
    size: int | None,
    block_key: bytes | None,
    inode: int,
) -> None:
    """Make the row of a file to fetch, and its core's if there is none.

    Raises:
        LocalProtocolError: Blocks of that core are stored in the database already
            (``core-known``).
    """
    found = discovery_key(key)
    for row in connection.execute(
        "SELECT 1 FROM core JOIN core_block ON core_block.id >= core.id << ?"
        " AND core_block.id < (core.id + 1) << ? WHERE discovery_key = ? LIMIT 1",
        (INDEX_BITS, INDEX_BITS, found),
    ):
        del row
        raise _core_known()
    connection.execute(
        "INSERT INTO core (discovery_key, key) VALUES (?, ?)"
        " ON CONFLICT (discovery_key) DO NOTHING",
        (found, key),
    )
    connection.execute(
        "INSERT INTO core_file (core, path, destination, overwrite, size, block_key,"
        " inode) SELECT id, ?, ?, ?, ?, ?, ? FROM core WHERE discovery_key = ?",
        (
            *(os.fsencode(path), os.fsencode(destination)),
            *(overwrite, size, block_key, inode, found),
        ),
    )


def check_placed(place: BlockPlace | None) -> None:
    """Refuse a core that was opened before its blocks had a file.

    Raises:
        LocalProtocolError: It was (``core-known``): close it first.
    """
    if place is None:
        raise _core_known()


def set_size(connection: Connection, number: int, size: int) -> None:
    """Keep a file's size once it is known."""
    connection.execute("UPDATE core_file SET size = ? WHERE core = ?", (size, number))


def set_inode(connection: Connection, number: int, inode: int) -> None:
    """Keep that a partial file was begun anew."""
    connection.execute("UPDATE core_file SET inode = ? WHERE core = ?", (inode, number))


def settle(connection: Connection, number: int, path: str, sound: Fingerprint) -> None:
    """Keep that all of a file is there, where, and how it looks."""
    connection.execute(
        "UPDATE core_file SET path = ?, destination = NULL, inode = NULL,"
        " fingerprint = ? WHERE core = ?",
        (os.fsencode(path), _FINGERPRINT.pack(*sound), number),
    )


def _file_row(row: tuple[Any, ...]) -> FileRow:
    number, key, manifest, length, path, destination, overwrite = row[:7]
    size, block_key, fingerprint, inode = row[7:]
    sound = Fingerprint(*_FINGERPRINT.unpack(fingerprint)) if fingerprint else None
    return FileRow(
        number=number,
        key=key,
        manifest=manifest,
        length=length,
        path=os.fsdecode(path),
        destination=os.fsdecode(destination) if destination is not None else None,
        overwrite=bool(overwrite),
        size=size,
        block_key=block_key,
        sound=sound,
        inode=inode,
    )


def _core_known() -> LocalProtocolError:
    return LocalProtocolError(
        "that core is kept in the database already", code="core-known"
    )
