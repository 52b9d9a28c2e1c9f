"""Signed logs: what is stored, what is refused, and what is kept as evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.crypto import KeyPair
from net.errors import RemoteProtocolError as NetRemoteError
from store import log, rooms
from store.database import Connection, Database
from store.errors import LocalProtocolError, RemoteProtocolError
from store.log import NO_HASH, DatabaseLogs, Entry, encode_entry

ROOM = b"r" * 32
ADA = KeyPair.from_seed(b"a" * 32)
BO = KeyPair.from_seed(b"b" * 32)


def chain(
    writer: KeyPair, count: int, *, start: int = 0, previous: bytes = NO_HASH, tag=b""
) -> list[Entry]:
    """Entries of a log that somebody else wrote."""
    entries: list[Entry] = []
    for sequence in range(start, start + count):
        entry = encode_entry(
            ROOM,
            writer,
            sequence=sequence,
            key_epoch=0,
            previous=previous,
            payload=b"payload %d " % sequence + tag,
        )
        entries.append(entry)
        previous = entry.hash
    return entries


def raw(entries: list[Entry]) -> list[bytes]:
    return [entry.data for entry in entries]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database.open(tmp_path / "x.db", key=bytes(32))
    holder: list[Connection] = []
    database.write(holder.append).result(5)
    with holder[0]:
        rooms.add_room(
            holder[0],
            room=ROOM,
            key=bytes(32),
            founder=ADA.public_key,
            name="x",
            kind="group",
            joined_at=0,
        )
    yield holder[0]
    database.close()


@pytest.fixture
def logs(connection: Connection) -> DatabaseLogs:
    return DatabaseLogs(connection, 1, ROOM)


def test_own_entries_are_chained_and_signed(logs: DatabaseLogs) -> None:
    first = logs.append(ADA, lambda sequence: b"%d" % sequence)
    second = logs.append(ADA, lambda sequence: b"%d" % sequence)
    assert (first.sequence, first.previous, first.payload) == (0, NO_HASH, b"0")
    assert (second.sequence, second.previous, second.payload) == (1, first.hash, b"1")
    assert logs.heads()[ADA.public_key] == log.Head(2, second.hash)
    again = log.decode_entry(ROOM, ADA.public_key, second.data)
    assert again == second


def test_what_others_wrote_is_stored_once(logs: DatabaseLogs) -> None:
    entries = chain(BO, 5)
    assert logs.put(BO.public_key, raw(entries[:3])).length == 3
    result = logs.put(BO.public_key, raw(entries))
    assert result.stored == tuple(entries[3:])
    assert (result.length, result.forked) == (5, False)
    assert logs.put(BO.public_key, raw(entries)).stored == ()
    assert logs.read(BO.public_key, 1, 4, max_bytes=10**6) == raw(entries)[1:4]


def test_reading_keeps_to_the_bytes_but_gives_one(logs: DatabaseLogs) -> None:
    entries = chain(BO, 5)
    logs.put(BO.public_key, raw(entries))
    assert logs.read(BO.public_key, 0, 5, max_bytes=1) == raw(entries)[:1]
    two = len(entries[0].data) + len(entries[1].data)
    assert len(logs.read(BO.public_key, 0, 5, max_bytes=two)) == 2
    assert logs.read(ADA.public_key, 0, 5, max_bytes=two) == []


def test_what_is_not_accepted_yet_is_left_out_with_all_after_it(
    logs: DatabaseLogs,
) -> None:
    entries = chain(BO, 4)
    asked: list[int] = []

    def accepts(entry: Entry) -> bool:
        asked.append(entry.sequence)
        return entry.sequence != 2

    result = logs.put(BO.public_key, raw(entries), accepts=accepts)
    assert (result.length, result.held, result.forked) == (2, True, False)
    assert asked == [0, 1, 2]
    again = logs.put(BO.public_key, raw(entries), accepts=lambda _: True)
    assert (again.length, again.held) == (4, False)
    assert [entry.sequence for entry in again.stored] == [2, 3]


def test_a_gap_is_refused(logs: DatabaseLogs) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        logs.put(BO.public_key, raw(chain(BO, 3))[1:])
    assert caught.value.code == "gap"


def test_a_second_history_is_kept_as_evidence_and_ends_the_log(
    logs: DatabaseLogs, connection: Connection
) -> None:
    entries = chain(BO, 3)
    logs.put(BO.public_key, raw(entries))
    other = chain(BO, 1, start=1, previous=entries[0].hash, tag=b"other")
    result = logs.put(BO.public_key, raw(other))
    assert (result.stored, result.length, result.forked) == ((), 3, True)
    assert connection.execute("SELECT fork FROM writer").get == other[0].data
    more = chain(BO, 1, start=3, previous=entries[-1].hash)
    assert logs.put(BO.public_key, raw(more)).stored == ()
    assert logs.heads()[BO.public_key] == log.Head(3, entries[-1].hash, forked=True)


def test_a_broken_chain_is_a_fork(logs: DatabaseLogs) -> None:
    entries = chain(BO, 2)
    logs.put(BO.public_key, raw(entries))
    stray = chain(BO, 1, start=2, previous=b"x" * 32)
    result = logs.put(BO.public_key, raw(stray))
    assert result.forked
    assert result.length == 2


def test_an_own_forked_log_is_not_continued(
    logs: DatabaseLogs, connection: Connection
) -> None:
    logs.append(ADA, lambda _: b"x")
    connection.execute("UPDATE writer SET fork = x'00'")
    with pytest.raises(LocalProtocolError):
        logs.append(ADA, lambda _: b"y")


def test_signatures_bind_room_and_writer(logs: DatabaseLogs) -> None:
    [entry] = chain(BO, 1)
    for room, writer in ((b"s" * 32, BO), (ROOM, ADA)):
        with pytest.raises(RemoteProtocolError) as caught:
            log.decode_entry(room, writer.public_key, entry.data)
        assert caught.value.code == "signature"
    with pytest.raises(RemoteProtocolError):
        logs.put(ADA.public_key, [entry.data])


def test_sizes_are_limited(logs: DatabaseLogs) -> None:
    with pytest.raises(LocalProtocolError):
        logs.append(ADA, lambda _: bytes(log.MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(RemoteProtocolError):
        log.decode_entry(ROOM, ADA.public_key, bytes(log.MAX_ENTRY_BYTES + 1))
    logs.append(ADA, lambda _: bytes(log.MAX_PAYLOAD_BYTES))


def test_writers_are_limited(
    logs: DatabaseLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_WRITERS", 1)
    logs.put(BO.public_key, raw(chain(BO, 1)))
    with pytest.raises(RemoteProtocolError) as caught:
        logs.put(ADA.public_key, raw(chain(ADA, 1)))
    assert caught.value.code == "too-many"


@given(st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_a_changed_entry_is_never_accepted(position: int, value: int, cut: int) -> None:
    [entry] = chain(BO, 1)
    data = bytearray(entry.data)
    data[position % len(data)] = value
    changed = bytes(data[: len(data) - cut % len(data)])
    try:
        decoded = log.decode_entry(ROOM, BO.public_key, changed)
    except (RemoteProtocolError, NetRemoteError):
        assert changed != entry.data
    else:
        assert decoded.data == entry.data
