"""The rows of many cores in one database, and the memory they share.

Functions here run in the database's threads, on a connection that is given; nothing
knows an event loop, and nothing judges what it stores: that is ``state``, and for what
is read ``reading``. Ids of nodes and blocks are ``core << 40 | index``, so that a range
of a core is a range of rows. Bitfields are stored by pages of 4 KiB, and what lies
below the contiguous length follows from that number alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from net.crypto import KeyPair
from store.database import Connection, Database
from store.hypercore import flat_tree
from store.hypercore.cache import block_cache, node_cache
from store.hypercore.records import Node

INDEX_BITS = 40
BLOCK_PAGES = 0
NODE_PAGES = 1
MAX_ROWS_AT_ONCE = 500
"""Rows asked for by their ids in one statement."""

NodeRow: TypeAlias = tuple[int, int, bytes]
BlockRow: TypeAlias = tuple[int, bytes]
PageName: TypeAlias = tuple[int, int]
"""Kind and number of a page."""


class BlockPlace(Protocol):
    """Where the blocks of one core lie when it is not the table of blocks.

    All methods are called in the database's threads and may block.
    """

    def read(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """Stored bytes as they are, which the kernel has yet to check.

        Raises:
            EnvironmentFault: ``file-gone`` or ``file-changed``: nothing may be served
                now; no bit is cleared for that.
        """
        ...

    def write(self, blocks: Mapping[int, bytes]) -> None:
        """Put blocks in place, before the commit that says they are there.

        Raises:
            EnvironmentFault: The disk refuses; the change is rolled back.
            RemoteProtocolError: They cannot be blocks of that place.
        """
        ...

    def clear(self, start: int, end: int) -> int:
        """Give up blocks; returns the bytes freed."""
        ...

    def damaged(self, indexes: Iterable[int]) -> bool:
        """Hear that blocks failed their hash; True: fetch them anew."""
        ...


@dataclass(frozen=True, slots=True)
class StoredCore:
    """What the database knows of a core when it is opened."""

    number: int
    """Of its row."""
    key: bytes
    discovery_key: bytes
    manifest: bytes | None
    key_pair: KeyPair | None
    fork: int
    length: int
    contiguous_length: int
    signature: bytes
    conflict: bytes | None
    roots: tuple[Node, ...] | None
    """None when some are not there: the core needs repair."""
    pages: Mapping[PageName, bytes]
    place: BlockPlace | None = None


@dataclass(frozen=True, slots=True)
class NewCore:
    """A core to begin."""

    key: bytes
    discovery_key: bytes
    manifest: bytes | None = None
    key_pair: KeyPair | None = None


Step: TypeAlias = (
    tuple[Literal["nodes"], list[NodeRow]]
    | tuple[Literal["blocks"], dict[int, bytes]]
    | tuple[Literal["drop-nodes"], tuple[int, int]]
    | tuple[Literal["drop-blocks"], tuple[int, int]]
)
"""One step of a write: rows to put, or a range (end not included) to delete."""


@dataclass(slots=True)
class CoreWrite:
    """Everything that one commit changes of one core, in order."""

    number: int
    steps: list[Step] = field(default_factory=list)
    pages: dict[PageName, bytes | None] = field(default_factory=dict)
    """None deletes."""
    header: tuple[int, int, int, bytes] | None = None
    """Fork, length, contiguous length, signature."""
    manifest: bytes | None = None
    place: BlockPlace | None = None
    freed_bytes: int = 0
    """Bytes of blocks that were dropped, known after ``store``."""


FindPlace: TypeAlias = Callable[[Connection, int], "BlockPlace | None"]


class Depot:
    """Many cores in one database.

    Attributes:
        database: The file.
        nodes: Checked nodes in memory.
        blocks: Checked blocks in memory.
        pending_bytes: Of blocks that are being written, of all cores.
        find_place: Asked when a core is opened whether its blocks lie elsewhere than
            in the table, with the number of the core.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.nodes = node_cache()
        self.blocks = block_cache()
        self.pending_bytes = 0
        self.find_place: FindPlace | None = None

    def open_core(
        self, connection: Connection, discovery_key: bytes
    ) -> StoredCore | None:
        """Read what is known of a core; a reader's connection is enough."""
        found = connection.execute(
            "SELECT id, key, manifest, public_key, secret_key, fork, length,"
            " contiguous, signature, conflict FROM core WHERE discovery_key = ?",
            (discovery_key,),
        ).fetchall()
        if not found:
            return None
        row: tuple[Any, ...] = found[0]
        number, key, manifest, public, secret = row[:5]
        fork, length, contiguous, signature, conflict = row[5:]
        pages = connection.execute(
            "SELECT kind, page, bits FROM core_page WHERE core = ?", (number,)
        )
        return StoredCore(
            number=number,
            key=key,
            discovery_key=discovery_key,
            manifest=manifest,
            key_pair=KeyPair(public, secret) if secret else None,
            fork=fork,
            length=length,
            contiguous_length=contiguous,
            signature=signature,
            conflict=conflict,
            roots=_roots(connection, number, length),
            pages={(kind, page): bits for kind, page, bits in pages},
            place=self.find_place(connection, number) if self.find_place else None,
        )

    def create_core(self, connection: Connection, core: NewCore) -> StoredCore:
        """Begin a core, or find the one there is; a writer's connection."""
        connection.execute(
            "INSERT INTO core (discovery_key, key) VALUES (?, ?)"
            " ON CONFLICT (discovery_key) DO NOTHING",
            (core.discovery_key, core.key),
        )
        pair = core.key_pair
        connection.execute(
            "UPDATE core SET manifest = coalesce(manifest, ?),"
            " public_key = coalesce(?, public_key),"
            " secret_key = coalesce(?, secret_key) WHERE discovery_key = ?",
            (
                core.manifest,
                pair.public_key if pair else None,
                pair.secret_key if pair else None,
                core.discovery_key,
            ),
        )
        stored = self.open_core(connection, core.discovery_key)
        assert stored is not None, "it was written in this transaction"
        return stored


def first_core(connection: Connection) -> bytes | None:
    """The discovery key of the core that was stored first."""
    for (discovery_key,) in connection.execute(
        "SELECT discovery_key FROM core ORDER BY id LIMIT 1"
    ):
        return bytes(discovery_key)
    return None


def read_nodes(
    connection: Connection, number: int, indexes: Sequence[int]
) -> dict[int, Node]:
    """The stored ones of these nodes, unchecked."""
    base = number << INDEX_BITS
    found: dict[int, Node] = {}
    for start in range(0, len(indexes), MAX_ROWS_AT_ONCE):
        part = [base | index for index in indexes[start : start + MAX_ROWS_AT_ONCE]]
        marks = ",".join("?" * len(part))
        for id_, size, digest in connection.execute(
            f"SELECT id, size, hash FROM core_node WHERE id IN ({marks})", part
        ):
            found[id_ - base] = Node(id_ - base, size, digest)
    return found


def read_node_range(
    connection: Connection, number: int, start: int, end: int
) -> dict[int, Node]:
    """The stored nodes with these indexes, the end not included, unchecked."""
    base = number << INDEX_BITS
    rows = connection.execute(
        "SELECT id, size, hash FROM core_node WHERE id >= ? AND id < ?",
        (base | start, base + end),
    )
    return {id_ - base: Node(id_ - base, size, digest) for id_, size, digest in rows}


def read_blocks(
    connection: Connection,
    number: int,
    indexes: Sequence[int],
    *,
    max_bytes: int | None = None,
) -> dict[int, bytes]:
    """The stored ones of these blocks, unchecked.

    Args:
        connection: A reader's.
        number: Of the core's row.
        indexes: Of the blocks.
        max_bytes: No more are read once they are together as long as that.
    """
    base = number << INDEX_BITS
    found: dict[int, bytes] = {}
    total_bytes = 0
    for start in range(0, len(indexes), MAX_ROWS_AT_ONCE):
        part = [base | index for index in indexes[start : start + MAX_ROWS_AT_ONCE]]
        marks = ",".join("?" * len(part))
        for id_, data in connection.execute(
            f"SELECT id, data FROM core_block WHERE id IN ({marks})", part
        ):
            found[id_ - base] = data
            total_bytes += len(data)
            if max_bytes is not None and total_bytes >= max_bytes:
                return found
    return found


def read_block_run(
    connection: Connection, number: int, start: int, end: int, *, max_bytes: int
) -> dict[int, bytes]:
    """Stored blocks one after the other, as many as fit and at least one, unchecked."""
    base = number << INDEX_BITS
    found: dict[int, bytes] = {}
    total_bytes = 0
    for id_, data in connection.execute(
        "SELECT id, data FROM core_block WHERE id >= ? AND id < ? ORDER BY id",
        (base | start, base + end),
    ):
        total_bytes += len(data)
        if found and total_bytes > max_bytes:
            break
        found[id_ - base] = data
    return found


def store(connection: Connection, write: CoreWrite) -> None:
    """Carry out everything a commit changes of a core."""
    base = write.number << INDEX_BITS
    placed: dict[int, bytes] = {}
    for step in write.steps:
        if step[0] == "nodes":
            connection.executemany(
                "INSERT OR REPLACE INTO core_node (id, size, hash) VALUES (?, ?, ?)",
                step[1],
            )
        elif step[0] == "blocks":
            if write.place is not None:
                placed.update(step[1])
            else:
                connection.executemany(
                    "INSERT OR REPLACE INTO core_block (id, data) VALUES (?, ?)",
                    [(base | index, data) for index, data in step[1].items()],
                )
        elif step[0] == "drop-nodes":
            connection.execute(
                "DELETE FROM core_node WHERE id >= ? AND id < ?",
                (base + step[1][0], base + step[1][1]),
            )
        else:
            _drop_blocks(connection, write, step[1], placed)
    _store_pages(connection, write)
    if write.header is not None:
        connection.execute(
            "UPDATE core SET fork = ?, length = ?, contiguous = ?, signature = ?"
            " WHERE id = ?",
            (*write.header, write.number),
        )
    if write.manifest is not None:
        connection.execute(
            "UPDATE core SET manifest = ? WHERE id = ?", (write.manifest, write.number)
        )
    if placed and write.place is not None:
        write.place.write(placed)


def store_conflict(connection: Connection, number: int, evidence: bytes) -> None:
    """Keep what shows that a log has two histories."""
    connection.execute(
        "UPDATE core SET conflict = coalesce(conflict, ?) WHERE id = ?",
        (evidence, number),
    )


def user_data(connection: Connection, number: int, name: str) -> bytes | None:
    """A value kept with a core."""
    for (value,) in connection.execute(
        "SELECT value FROM core_user_data WHERE core = ? AND name = ?", (number, name)
    ):
        return bytes(value)
    return None


def set_user_data(
    connection: Connection, number: int, name: str, value: bytes | None
) -> None:
    """Keep a value with a core; None forgets it."""
    if value is None:
        connection.execute(
            "DELETE FROM core_user_data WHERE core = ? AND name = ?", (number, name)
        )
    else:
        connection.execute(
            "INSERT OR REPLACE INTO core_user_data (core, name, value)"
            " VALUES (?, ?, ?)",
            (number, name, value),
        )


def purge(connection: Connection, number: int, place: BlockPlace | None) -> None:
    """Forget a core with everything that belongs to it."""
    low, high = number << INDEX_BITS, (number + 1) << INDEX_BITS
    if place is not None:
        place.clear(0, 1 << INDEX_BITS)
    for table in ("core_block", "core_node"):
        connection.execute(f"DELETE FROM {table} WHERE id >= ? AND id < ?", (low, high))
    connection.execute("DELETE FROM core WHERE id = ?", (number,))


def storage_sizes(connection: Connection, number: int) -> tuple[int, int, int]:
    """Blocks stored in the table, their bytes, and nodes stored."""
    low, high = number << INDEX_BITS, (number + 1) << INDEX_BITS
    row: tuple[Any, ...] = connection.execute(
        "SELECT count(*), coalesce(sum(length(data)), 0) FROM core_block"
        " WHERE id >= ? AND id < ?",
        (low, high),
    ).fetchall()[0]
    blocks, size = row
    nodes = connection.execute(
        "SELECT count(*) FROM core_node WHERE id >= ? AND id < ?", (low, high)
    ).get
    return blocks, size, nodes


def _roots(connection: Connection, number: int, length: int) -> tuple[Node, ...] | None:
    indexes = flat_tree.full_roots(length)
    found = read_nodes(connection, number, indexes)
    if len(found) < len(indexes):
        return None
    return tuple(found[index] for index in indexes)


def _store_pages(connection: Connection, write: CoreWrite) -> None:
    for (kind, page), bits in write.pages.items():
        if bits is None:
            connection.execute(
                "DELETE FROM core_page WHERE core = ? AND kind = ? AND page = ?",
                (write.number, kind, page),
            )
        else:
            connection.execute(
                "INSERT OR REPLACE INTO core_page (core, kind, page, bits)"
                " VALUES (?, ?, ?, ?)",
                # A page for the few blocks of a young log is nearly all zeros.
                (write.number, kind, page, bits.rstrip(b"\0")),
            )


def _drop_blocks(
    connection: Connection,
    write: CoreWrite,
    span: tuple[int, int],
    placed: dict[int, bytes],
) -> None:
    start, end = span
    if write.place is not None:
        for index in [index for index in placed if start <= index < end]:
            del placed[index]
        write.freed_bytes += write.place.clear(start, end)
        return
    base = write.number << INDEX_BITS
    bounds = (base + start, base + end)
    freed = connection.execute(
        "SELECT coalesce(sum(length(data)), 0) FROM core_block"
        " WHERE id >= ? AND id < ?",
        bounds,
    ).get
    connection.execute("DELETE FROM core_block WHERE id >= ? AND id < ?", bounds)
    write.freed_bytes += int(freed)
