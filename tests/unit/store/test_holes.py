"""Places of blocks that are gone: kept, found, and read as part of their logs."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from store import holes, rooms
from store.autobase import Link
from store.holes import Hole
from store.hypercore.bitfield import Bitfield
from store.rooms import NewRoom
from store.schema import migrate

ADA, BO = b"A" * 32, b"B" * 32
LINKS = (Link(b"c" * 32, 300), Link(b"d" * 32, 1))


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    """A room with the logs of two, and of Ada's a core with five blocks."""
    opened = apsw.Connection(":memory:")
    opened.pragma("foreign_keys", "ON")
    migrate(opened)
    row = rooms.add_room(opened, NewRoom(b"r" * 32, b"k" * 32, ADA, "", "group", 0))
    assert row.row == 1
    for writer in (ADA, BO):
        rooms.begin_log(opened, 1, writer=writer, discovery_key=writer[::-1])
    opened.execute(
        "INSERT INTO core (id, discovery_key, key, length, contiguous)"
        " VALUES (7, ?, x'', 9, 2)",
        (ADA[::-1],),
    )
    for index in (0, 1, 4, 6, 7):
        block = b"%d" % index
        opened.execute("INSERT INTO core_block VALUES (?, ?)", (7 << 40 | index, block))
    yield opened
    opened.close()


def hole(sequence: int, *, clock: int = 5) -> Hole:
    """One of Ada's log."""
    return Hole(ADA, sequence, clock, LINKS, BO)


def test_what_is_known_stays_as_it_is(connection: apsw.Connection) -> None:
    holes.keep(connection, 1, [hole(2), hole(3), Hole(b"?" * 32, 0, 1, ())])
    holes.keep(connection, 1, [hole(3, clock=9), hole(8)])
    assert holes.between(connection, 1, ADA, 0, 99) == [hole(2), hole(3), hole(8)]
    assert holes.between(connection, 1, ADA, 3, 8) == [hole(3)]
    assert holes.between(connection, 1, ADA, 0, 99, limit=1) == [hole(2)]
    assert holes.one(connection, 1, ADA, 3) == hole(3)
    assert holes.one(connection, 1, ADA, 4) is None
    assert holes.between(connection, 2, ADA, 0, 99) == []
    bits = holes.of_room(connection, 1)
    assert list(bits) == [ADA]
    assert [at for at in range(10) if bits[ADA].get(at)] == [2, 3, 8]
    holes.drop(connection, 1, ADA, 3)
    assert holes.between(connection, 1, ADA, 0, 99) == [hole(2), hole(8)]


def test_a_log_is_read_up_to_where_nothing_stands(connection: apsw.Connection) -> None:
    def read(start: int, end: int) -> list[bytes | Hole]:
        return list(holes.log(connection, 1, ADA, start, end))

    assert read(0, 9) == [b"0", b"1"]
    assert read(2, 9) == []
    holes.keep(connection, 1, [hole(2)])
    assert read(0, 9) == [b"0", b"1", hole(2)]
    # A block that is still here counts more than its hole.
    holes.keep(connection, 1, [hole(3), hole(4), hole(8)])
    assert read(0, 9) == [b"0", b"1", hole(2), hole(3), b"4"]
    holes.keep(connection, 1, [hole(5)])
    whole = [b"0", b"1", hole(2), hole(3), b"4", hole(5), b"6", b"7", hole(8)]
    for start in range(10):
        for end in range(start, 10):
            assert read(start, end) == whole[start:end]
    assert list(holes.log(connection, 1, BO, 0, 9)) == []


def test_what_is_stored_of_a_range(connection: apsw.Connection) -> None:
    def stored(start: int, end: int) -> bool:
        return holes.is_stored(connection, 1, ADA, start, end)

    assert stored(0, 2)
    assert stored(5, 5)
    assert not stored(0, 3)
    holes.keep(connection, 1, [hole(2), hole(4)])
    assert stored(0, 3)
    # What is both counts once.
    assert not stored(2, 5)
    holes.keep(connection, 1, [hole(3)])
    assert stored(0, 5)
    assert not stored(0, 6)
    assert not holes.is_stored(connection, 1, BO, 0, 1)


@pytest.mark.parametrize(
    ("here", "gone", "start", "length", "reaches"),
    [
        ([], [], 0, 0, 0),
        ([], [], 0, 5, 0),
        ([0, 1], [], 0, 5, 2),
        ([0, 1], [2], 2, 5, 3),
        ([0, 1, 3], [2], 2, 5, 4),
        ([0, 1, 3], [2, 4], 2, 5, 5),
        ([0, 1, 3], [2, 4, 5, 6], 2, 5, 5),
        (range(70_000), [], 3, 70_000, 70_000),
        (range(1, 70_000, 2), range(0, 70_000, 2), 0, 70_000, 70_000),
        (range(40_000, 70_000), range(40_000), 0, 69_000, 69_000),
    ],
)
def test_how_far_a_log_reaches(
    here: list[int], gone: list[int], start: int, length: int, reaches: int
) -> None:
    blocks, bits = Bitfield(), Bitfield()
    blocks.set_all(here)
    bits.set_all(gone)
    assert holes.reach(blocks, bits, start, length) == reaches


def test_reaching_is_read_from_the_disk(connection: apsw.Connection) -> None:
    blocks, bits = Bitfield(), Bitfield()
    blocks.set_all([0, 1, 4, 6, 7])
    bits.set_all([2, 3])
    assert holes.reach_of(connection, 1, ADA, bits, 9) == 4
    connection.execute(
        "INSERT INTO core_page VALUES (7, 0, 0, ?), (7, 1, 0, ?)",
        (blocks.page(0), b"\xff" * 4096),
    )
    assert holes.reach_of(connection, 1, ADA, bits, 9) == 5
    bits.set_all([5, 8])
    assert holes.reach_of(connection, 1, ADA, bits, 9) == 9
    assert holes.reach_of(connection, 1, BO, bits, 9) == 0
