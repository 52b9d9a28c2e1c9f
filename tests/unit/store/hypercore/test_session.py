"""What people do with a hypercore on one machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from net.crypto import KeyPair
from store import Hypercore
from store.database import Synchronous
from store.errors import (
    DatabaseCorruptError,
    EnvironmentFault,
    LocalProtocolError,
    NodeMissingError,
)
from store.hypercore.capabilities import decode_id
from store.hypercore.encryption import PADDING_BYTES
from store.hypercore.events import (
    Appended,
    Cleared,
    Closed,
    Truncated,
    VerificationFailed,
)
from store.hypercore.manifest import Signer, create_manifest
from store.hypercore.merkle_tree import TreeBatch
from store.hypercore.records import Head
from store.hypercore.session import event_queue
from store.hypercore.session.event_queue import EventQueue
from store.hypercore.signatures import (
    PartialSignature,
    assemble,
    sign_tree,
    state_of,
)

SECRET = b"nobody reads this"


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Hypercore]:
    opened = await Hypercore.open(tmp_path / "log", synchronous=Synchronous.NORMAL)
    yield opened
    await opened.close()


def refused(caught: pytest.ExceptionInfo[LocalProtocolError]) -> str:
    return caught.value.code


async def test_a_new_log_is_empty_and_ours(log: Hypercore) -> None:
    assert (log.length, log.byte_length, log.fork, log.contiguous_length) == (
        0,
        0,
        0,
        0,
    )
    assert log.writable
    assert not log.encrypted
    assert log.padding == 0
    assert decode_id(log.id) == log.key
    assert log.manifest is not None
    assert log.key_pair is not None
    assert log.peers == []
    assert log.remote_contiguous_length == 0


async def test_appended_blocks_are_there_after_opening_again(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path)
    assert await log.append(b"one") == Appended(1, 3)
    assert await log.append([b"two", b""]) == Appended(3, 6)
    assert await log.append([]) == Appended(3, 6)
    key, pair = log.key, log.key_pair
    await log.close()
    log = await Hypercore.open(tmp_path)
    assert (log.key, log.key_pair) == (key, pair)
    assert [await log.get(index) for index in range(3)] == [b"one", b"two", b""]
    assert await log.append(b"four") == Appended(4, 10)
    await log.close()


async def test_a_folder_holds_one_log(tmp_path: Path) -> None:
    pair = KeyPair.generate()
    log = await Hypercore.open(tmp_path, key_pair=pair)
    key = log.key
    await log.close()
    log = await Hypercore.open(tmp_path, key)
    assert log.writable
    await log.close()
    with pytest.raises(LocalProtocolError) as caught:
        await Hypercore.open(tmp_path, bytes(32))
    assert refused(caught) == "bad-argument"
    with pytest.raises(LocalProtocolError) as caught:
        await Hypercore.open(tmp_path / "x", b"short")
    assert refused(caught) == "bad-argument"
    log = await Hypercore.open(tmp_path, key)
    await log.close()


async def test_a_folder_is_open_once(log: Hypercore, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        await Hypercore.open(tmp_path / "log")
    assert caught.value.code == "in-use"
    assert "in use" in str(caught.value)
    await log.append(b"still works")


async def test_a_log_of_somebody_else_is_read_only(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path, bytes(range(32)))
    assert not log.writable
    with pytest.raises(LocalProtocolError) as caught:
        await log.append(b"a")
    assert refused(caught) == "not-writable"
    assert await log.get(0, wait=False) is None
    with pytest.raises(LocalProtocolError) as caught:
        await log.get(0, timeout_s=0)
    assert refused(caught) == "request-timeout"
    await log.close()


async def test_a_storage_key_hides_all_of_it(tmp_path: Path) -> None:
    key = bytes(range(32))
    log = await Hypercore.open(tmp_path, storage_key=key)
    await log.append(SECRET)
    for file in tmp_path.iterdir():
        assert SECRET not in file.read_bytes()
    await log.close()
    with pytest.raises(DatabaseCorruptError):
        await Hypercore.open(tmp_path)
    log = await Hypercore.open(tmp_path, storage_key=key)
    assert await log.get(0) == SECRET
    await log.close()


async def test_encrypted_blocks_are_padded_and_read_back(tmp_path: Path) -> None:
    key = bytes(range(32))
    log = await Hypercore.open(tmp_path, encryption_key=key)
    assert log.encrypted
    assert await log.append([SECRET, b""]) == Appended(2, len(SECRET))
    assert (log.padding, log.byte_length) == (PADDING_BYTES, len(SECRET))
    stored = await log.get(0, decrypt=False)
    assert stored is not None
    assert len(stored) == len(SECRET) + PADDING_BYTES
    assert SECRET not in stored
    assert await log.get(0) == SECRET
    assert await log.seek(3) == (0, 3)
    assert await log.seek(len(SECRET)) in ((1, 0), (2, 0))
    await log.close()
    log = await Hypercore.open(tmp_path)
    assert await log.get(0) == stored
    await log.close()


async def test_a_snapshot_stays_at_its_state(log: Hypercore) -> None:
    await log.append([b"a", b"b", b"c"])
    snapshot = log.snapshot()
    await log.append(b"d")
    assert (snapshot.length, log.length) == (3, 4)
    assert await snapshot.get(2) == b"c"
    with pytest.raises(LocalProtocolError) as caught:
        await snapshot.get(3)
    assert refused(caught) == "snapshot-not-available"
    with pytest.raises(LocalProtocolError) as caught:
        await snapshot.append(b"e")
    assert refused(caught) == "not-writable"
    await log.truncate(1)
    await log.append([b"B", b"C"])
    assert (snapshot.length, snapshot.fork) == (3, 0)
    assert await snapshot.get(0) == b"a"
    with pytest.raises(LocalProtocolError) as caught:
        await snapshot.get(1)
    assert refused(caught) == "snapshot-not-available"
    assert not await snapshot.update()
    await snapshot.close()
    assert await log.get(1) == b"B"


async def test_the_log_closes_with_its_last_session(
    log: Hypercore, tmp_path: Path
) -> None:
    other = log.session(writable=False)
    assert not other.writable
    await log.append(b"a")
    await log.close()
    await log.close()
    with pytest.raises(LocalProtocolError) as caught:
        await log.get(0)
    assert refused(caught) == "session-closed"
    assert await other.get(0) == b"a"
    await other.close()
    again = await Hypercore.open(tmp_path / "log")
    await again.close()


async def test_a_frozen_log_gives_its_folder_back(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path)
    events = log.events()
    log.core.freeze(b"evidence")
    assert [getattr(event, "code", "") async for event in events] == ["", "conflict"]
    with pytest.raises(LocalProtocolError) as caught:
        await log.append(b"a")
    assert refused(caught) == "conflict"
    await log.close()
    log = await Hypercore.open(tmp_path)
    assert log.frozen
    assert not log.writable
    await log.close()


async def test_events_come_in_order_until_the_end(log: Hypercore) -> None:
    events = log.events()
    await log.append([b"a", b"b"])
    await log.truncate(1)
    await log.clear(0)
    await log.close()
    assert [event async for event in events] == [
        Appended(2, 2),
        Truncated(1, 1),
        Cleared(0, 1),
        Closed(None),
    ]


async def test_a_slow_listener_loses_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_queue, "MAX_WAITING_EVENTS", 3)
    events = EventQueue()
    for number in range(5):
        events.put(Cleared(number, number + 1))
    events.put(Closed(None))
    assert [event async for event in events] == [
        Cleared(3, 4),
        Cleared(4, 5),
        Closed(None),
    ]
    assert events.lost == 3


async def test_waiting_for_an_event(log: Hypercore) -> None:
    events = log.events()
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await log.append(b"a")
    assert await waiting == Appended(1, 1)


async def test_a_block_that_is_not_there_yet_is_waited_for(log: Hypercore) -> None:
    waiting = asyncio.ensure_future(log.get(1))
    await asyncio.sleep(0)
    await log.append(b"a")
    assert not waiting.done()
    await log.append(b"b")
    assert await waiting == b"b"


async def test_who_waits_hears_of_the_end(log: Hypercore) -> None:
    waiting = asyncio.ensure_future(log.get(0))
    await asyncio.sleep(0)
    await log.close()
    with pytest.raises(LocalProtocolError) as caught:
        await waiting
    assert refused(caught) == "session-closed"


async def test_arguments_that_mean_nothing(log: Hypercore) -> None:
    await log.append(b"a")
    for work in (
        log.get(-1),
        log.truncate(2),
        log.clear(1, 0),
        log.seek(2),
        log.seek(-1),
        log.tree_hash(2),
    ):
        with pytest.raises(LocalProtocolError) as caught:
            await work
        assert refused(caught) == "bad-argument"


async def test_seeking_and_reading_bytes(log: Hypercore) -> None:
    blocks = [b"abc", b"", b"defgh", b"i", b"", b"jkl"]
    await log.append(blocks)
    whole = b"".join(blocks)
    for byte in range(len(whole)):
        index, offset = await log.seek(byte)
        assert sum(map(len, blocks[:index])) + offset == byte
        assert offset <= len(blocks[index])
    assert await log.seek(len(whole)) == (6, 0)
    for start in range(len(whole) + 1):
        pieces = [piece async for piece in log.read_bytes(start)]
        assert b"".join(pieces) == whole[start:]
        for length in range(len(whole) - start + 1):
            pieces = [piece async for piece in log.read_bytes(start, length)]
            assert b"".join(pieces) == whole[start : start + length]


async def test_reading_blocks_and_going_on_live(log: Hypercore) -> None:
    blocks = [b"%d" % number for number in range(300)]
    await log.append(blocks)
    assert [block async for block in log.read()] == blocks
    assert [block async for block in log.read(7, 9)] == blocks[7:9]
    live = log.read(299, live=True)
    assert await anext(live) == blocks[299]
    following = asyncio.ensure_future(anext(live))
    await asyncio.sleep(0)
    await log.append(b"new")
    assert await following == b"new"
    await live.aclose()


async def test_having_and_clearing(log: Hypercore) -> None:
    await log.append([b"ab"] * 10)
    assert await log.has(0, 10)
    assert not await log.has(0, 11)
    assert not await log.has(10)
    assert await log.clear(3) == 2
    assert await log.clear(5, 7) == 4
    assert log.contiguous_length == 3
    assert await log.has(4)
    assert not await log.has(4, 6)
    assert await log.get(3, wait=False) is None
    assert log.length == 10
    info = await log.info()
    assert (info.stored_blocks, info.stored_bytes, info.peer_count) == (7, 14, 0)
    assert info.byte_length == 20


async def test_hashes_of_cleared_parts_are_missed_by_name(log: Hypercore) -> None:
    await log.append([b"ab"] * 8)
    before = await log.tree_hash(5)
    await log.clear(0, 8)
    with pytest.raises(NodeMissingError):
        await log.tree_hash(5)
    with pytest.raises(NodeMissingError):
        await log.seek(3, wait=False)
    assert await log.tree_hash() != before


async def test_user_data_stays_with_the_log(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path)
    await log.set_user_data("name", b"value")
    await log.set_user_data("gone", b"x")
    await log.set_user_data("gone", None)
    await log.close()
    log = await Hypercore.open(tmp_path)
    assert await log.user_data("name") == b"value"
    assert await log.user_data("gone") is None
    await log.close()


async def test_purging_leaves_nothing(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path)
    await log.append(SECRET)
    key = log.key
    await log.purge()
    assert log.closed
    log = await Hypercore.open(tmp_path)
    assert log.key != key
    assert log.length == 0
    await log.close()


async def test_a_log_that_two_of_three_sign(tmp_path: Path) -> None:
    pairs = [KeyPair.generate() for _ in range(3)]
    manifest = create_manifest([Signer(pair.public_key) for pair in pairs], quorum=2)
    log = await Hypercore.open(tmp_path, manifest=manifest, key_pair=pairs[0])
    with pytest.raises(LocalProtocolError) as caught:
        await log.append(b"a")
    assert refused(caught) == "not-writable"

    def signed(blocks: list[bytes], signers: tuple[int, ...]) -> bytes:
        tree = TreeBatch()
        tree.extend(blocks)
        state = state_of(Head(0, tree.length, tree.byte_length, tree.roots))
        return assemble(
            manifest,
            [
                PartialSignature(
                    place, sign_tree(manifest, log.key, pairs[place], state)
                )
                for place in signers
            ],
        )

    with pytest.raises(LocalProtocolError) as caught:
        await log.append(b"a", signature=signed([b"b"], (0, 2)))
    assert refused(caught) == "invalid-signature"
    with pytest.raises(LocalProtocolError) as caught:
        await log.append(b"a", signature=signed([b"a"], (0,)))
    assert refused(caught) == "invalid-signature"
    await log.append(b"a", signature=signed([b"a"], (0, 2)))
    await log.append([b"b", b"c"], signature=signed([b"a", b"b", b"c"], (1, 2)))
    assert log.length == 3
    await log.close()
    log = await Hypercore.open(tmp_path, manifest=manifest)
    assert log.length == 3
    assert not log.core.state.needs_repair
    await log.close()


async def test_downloading_what_is_here(log: Hypercore) -> None:
    await log.append([b"a"] * 5)
    await log.download()
    await log.download(1, 3)
    await log.download(blocks=[0, 4])
    progress = [step async for step in log.download(0, 5).progress()]
    assert (progress[-1].downloaded, progress[-1].total) == (5, 5)
    live = log.download(live=True)
    assert not live.finished
    live.close()
    await live
    missing = log.download(0, 6)
    waiting = asyncio.ensure_future(missing.done())
    await asyncio.sleep(0)
    await log.append(b"b")
    await waiting


async def test_damage_is_never_given_out(log: Hypercore) -> None:
    await log.append([b"one", b"two"])
    events = log.events()
    database = log.core.traffic.depot.database
    database.write(
        lambda it: it.execute("UPDATE core_block SET data = x'6f6e65' WHERE id & 1")
    ).result(60)
    log.core.state.forget()
    assert await log.get(0) == b"one"
    with pytest.raises(EnvironmentFault) as caught:
        await log.get(1)
    assert caught.value.code == "block-damaged"
    assert await anext(events) == VerificationFailed("block-damaged", index=1)
    await log.core.flushed()
    assert not await log.has(1)
    assert (await log.info()).damaged_blocks == 1
    with pytest.raises(LocalProtocolError) as late:
        await log.get(1, timeout_s=0)
    assert refused(late) == "request-timeout"


async def test_a_damaged_tree_is_told(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path)
    await log.append([b"a"] * 3)
    database = log.core.traffic.depot.database
    database.write(lambda it: it.execute("DELETE FROM core_node")).result(60)
    await log.close()
    log = await Hypercore.open(tmp_path)
    assert (log.length, log.byte_length) == (3, 0)
    for work in (log.tree_hash(), log.seek(0)):
        with pytest.raises(EnvironmentFault) as caught:
            await work
        assert caught.value.code == "needs-repair"
    await log.close()


async def test_a_snapshot_of_a_snapshot_knows_what_was_cut_off(log: Hypercore) -> None:
    await log.append([b"a", b"bb", b"ccc"])
    snapshot = log.snapshot()
    await log.truncate(1)
    await log.append([b"x", b"yyyy", b"z"])
    for later in (snapshot, snapshot.snapshot(), snapshot.session()):
        assert later.length == 3
        assert await later.get(0) == b"a"
        assert later.contiguous_length == 1
        assert await later.has(0)
        assert not await later.has(1)
        for asked in (later.get(1), later.seek(4), later.tree_hash(2)):
            with pytest.raises(LocalProtocolError) as caught:
                await asked
            assert refused(caught) == "snapshot-not-available"


async def test_a_snapshot_gives_nothing_of_what_came_while_it_read(
    log: Hypercore,
) -> None:
    await log.append([b"a", b"b"])
    snapshot = log.snapshot()
    depot = log.core.state.depot
    depot.blocks.drop_range(0, 1 << 62)
    held = threading.Event()
    holding = [depot.database.read(lambda _: held.wait(10)) for _ in range(2)]
    reading = asyncio.ensure_future(snapshot.get(1))
    await asyncio.sleep(0)
    await log.truncate(1)
    await log.append(b"x")
    depot.blocks.drop_range(0, 1 << 62)
    held.set()
    await asyncio.gather(*map(asyncio.wrap_future, holding))
    with pytest.raises(LocalProtocolError) as caught:
        await reading
    assert refused(caught) == "snapshot-not-available"
    assert await log.get(1) == b"x"


async def test_seeking_while_the_log_is_rewritten(log: Hypercore) -> None:
    await log.append([b"a" * 10] * 8)
    depot = log.core.state.depot
    depot.nodes.drop_range(0, 1 << 62)
    held = threading.Event()
    holding = [depot.database.read(lambda _: held.wait(10)) for _ in range(2)]
    seeking = asyncio.ensure_future(log.seek(35, wait=False))
    await asyncio.sleep(0)
    await asyncio.gather(log.truncate(0), log.append([b"b" * 20] * 3))
    held.set()
    assert await seeking == (1, 15)
    assert all(each.result() for each in holding)


async def test_closing_goes_on_though_nobody_waits(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path)
    closing = asyncio.ensure_future(log.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await log.close()
    again = await Hypercore.open(tmp_path)
    await again.close()


async def test_a_folder_that_nobody_waits_for_any_more_is_free(tmp_path: Path) -> None:
    opening = asyncio.ensure_future(Hypercore.open(tmp_path))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    log = await Hypercore.open(tmp_path)
    await log.close()


async def test_going_on_live_takes_no_listener_a_block(
    log: Hypercore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.hypercore.session.hypercore.MAX_EVENT_LISTENERS", 3)
    reading = log.read(live=True)
    for number in range(10):
        following = asyncio.ensure_future(anext(reading))
        await asyncio.sleep(0)
        await log.append(b"%d" % number)
        assert await following == b"%d" % number
    first, second = log.events(), log.events()
    await log.append(b"last")
    assert await anext(first) == await anext(second) == Appended(11, 14)


async def test_damage_that_cannot_be_given_up_is_told(
    log: Hypercore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that refuses to be written keeps nobody busy for ever."""
    await log.append([b"a", b"b"])
    log.core.replication.set_active(True)
    core = log.core
    core.state.depot.blocks.drop_range(0, 1 << 62)
    database = core.traffic.depot.database
    await asyncio.wrap_future(
        database.write(
            lambda connection: connection.execute(
                "UPDATE core_block SET data = x'00' WHERE (id & 1) = 1"
            ).fetchall()
        )
    )

    def full(*_: object) -> None:
        raise EnvironmentFault("the disk is full")

    monkeypatch.setattr("store.hypercore.core.traffic.store", full)
    with pytest.raises(EnvironmentFault) as caught:
        await log.get(1)
    assert caught.value.code == "block-damaged"
