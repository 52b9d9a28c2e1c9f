"""Replication between hypercores on one loop, with real kernels and databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from net.crypto import KeyPair
from net.mux.mux import MAX_CHANNELS
from store.database import Connection
from store.errors import EnvironmentFault, LocalProtocolError
from store.hypercore.core import kernel
from store.hypercore.messages import MessageKind, WireData, decode_data, encode_data
from store.hypercore.records import BlockRequest, Change, Request
from store.hypercore.replication import Replication, view
from store.hypercore.replication import replication as rim
from store.hypercore.session import Hypercore
from tests.helpers.forked_logs import fork_proof
from tests.unit.store.corestore.joined import End, connected

LIMIT_S = 60.0


class Places:
    """Opens hypercores that are closed when the test is over."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._stack = stack

    async def writer(self, *blocks: bytes, name: str = "writer") -> Hypercore:
        core = await Hypercore.open(self._folder / name)
        self._stack.push_async_callback(core.close)
        if blocks:
            await core.append(list(blocks))
        return core

    async def reader(self, key: bytes, name: str = "reader") -> Hypercore:
        core = await Hypercore.open(self._folder / name, key)
        self._stack.push_async_callback(core.close)
        return core


@pytest.fixture
async def places(tmp_path: Path) -> AsyncIterator[Places]:
    async with AsyncExitStack() as stack:
        yield Places(tmp_path, stack)


def replication(core: Hypercore) -> Replication:
    return core._core.replication


async def settled(turns: int = 50) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_get_update_and_seek(places: Places) -> None:
    writer = await places.writer(*(b"%05d" % at for at in range(100)))
    reader = await places.reader(writer.key)
    left, right = connected()
    writer.replicate(left)
    reader.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        assert await reader.update(wait=True)
        assert await reader.get(42) == b"00042"
        assert await reader.seek(387) == (77, 2)
        assert not await reader.update()
    (peer,) = reader.peers
    assert (peer.length, peer.contiguous_length, peer.fork) == (100, 100, 0)
    assert peer.downloaded_blocks == 1


async def test_blocks_that_no_cache_holds(places: Places) -> None:
    blocks = [bytes([at]) * (3 << 20) for at in range(4)]
    writer = await places.writer(*blocks)
    reader = await places.reader(writer.key)
    left, right = connected()
    writer.replicate(left)
    reader.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        await reader.download(0, 4)
        assert [await reader.get(at) for at in range(4)] == blocks


async def test_an_update_ends_although_a_peer_never_says_what_it_has(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rim, "OPENING_PATIENCE_S", 0.01)
    writer = await places.writer(b"a")
    reader = await places.reader(writer.key)
    left, right = connected()
    theirs = writer.replicate(left)
    reader.replicate(right)
    assert theirs.link is not None

    def keep_silent(kind: int, message: bytes) -> bool:
        del kind, message
        return True

    theirs.link.send = keep_silent
    async with asyncio.timeout(LIMIT_S):
        assert not await reader.update()
    assert len(reader.peers) == 1


async def test_what_is_loaded_for_nobody_is_bounded_in_bytes(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "MAX_LOADED_BYTES", 8 << 20)
    writer = await places.writer(*(bytes([at]) * (3 << 20) for at in range(6)))
    seen = replication(writer)._view
    for index in range(6):
        assert await seen.load([Request(0, BlockRequest(index, 0))])
    assert list(seen._loaded) == [4, 5]


async def test_a_get_that_is_given_up_is_not_asked_any_more(places: Places) -> None:
    writer = await places.writer(b"a")
    reader = await places.reader(writer.key)
    left, right = connected()
    writer.replicate(left)
    reader.replicate(right)
    waiting = asyncio.create_task(replication(reader).block(7))
    await settled()
    waiting.cancel()
    await settled()
    assert not replication(reader).machine.asking.busy


async def test_what_waits_fails_when_the_core_is_closed(places: Places) -> None:
    writer = await places.writer(b"a")
    core = replication(writer)
    waiting = [
        asyncio.create_task(core.block(7)),
        asyncio.create_task(core.update(wait=True)),
    ]
    await settled()
    await writer.close()
    for each in waiting:
        with pytest.raises(LocalProtocolError):
            await each
    with pytest.raises(LocalProtocolError):
        core.attach(connected()[0])


async def test_another_key_does_not_open_a_channel(places: Places) -> None:
    writer = await places.writer(b"a")
    other = await places.writer(b"b", name="other")
    left, right = connected()
    first, second = replication(writer), replication(other)
    # It knows what peers call the log, and not its key.
    second.discovery_key = first.discovery_key
    ours, _ = first.attach(left), second.attach(right)
    await settled()
    assert first.faults == {"invalid-capability": 1}
    assert not first.peers
    assert ours.closed
    assert ours.fault == "invalid-capability"
    assert not left.mux.closed


async def test_bad_data_ends_one_channel_and_others_go_on(places: Places) -> None:
    writer = await places.writer(*(b"%d" % at for at in range(50)))
    liar = await places.reader(writer.key, "liar")
    reader = await places.reader(writer.key)
    left, right = connected()
    writer.replicate(left)
    liar.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        await liar.download(0, 50)
    left, right = connected()
    theirs = replication(liar).attach(left)
    ours = replication(reader).attach(right)
    assert theirs.link is not None
    send = theirs.link.send

    def lie(kind: int, message: bytes) -> bool:
        if kind == MessageKind.DATA:
            number, proof = decode_data(message)
            if proof.block is not None:
                false = proof._replace(block=proof.block._replace(value=b"false"))
                message = encode_data(WireData(number, false))
        return send(kind, message)

    theirs.link.send = lie
    async with asyncio.timeout(LIMIT_S):
        await reader.update(wait=True)
        fetching = asyncio.create_task(_all_of(reader, 50))
        while not ours.closed:
            await asyncio.sleep(0)
        assert ours.fault in ("invalid-checksum", "invalid-proof")
        left, right = connected()
        writer.replicate(left)
        reader.replicate(right)
        await fetching
    assert sum(replication(reader).faults.values()) == 1


async def _all_of(core: Hypercore, count: int) -> None:
    await core.download(0, count)


async def test_a_small_log_is_not_starved_by_a_large_one(places: Places) -> None:
    large = await places.writer(*([bytes(60_000)] * 200), name="large")
    small = await places.writer(*([b"x"] * 5), name="small")
    large_reader = await places.reader(large.key, "large-reader")
    small_reader = await places.reader(small.key, "small-reader")
    left, right = connected()
    for core in (large, small):
        core.replicate(left)
    for core in (large_reader, small_reader):
        core.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(
            large_reader.update(wait=True), small_reader.update(wait=True)
        )
        download = large_reader.download(0, 200)
        # From now on one frame leaves at a time, and there is room for no other.
        throttle = asyncio.create_task(_throttle(left))
        while large_reader.contiguous_length < 5:
            await asyncio.sleep(0)
        await small_reader.download(0, 5)
        assert large_reader.contiguous_length < 150
        await download
    throttle.cancel()


async def _throttle(end: End) -> None:
    while True:
        end.has_room = False
        await settled(3)
        end.has_room = True
        end.mux.handle_drain()
        await asyncio.sleep(0)


async def test_a_channel_comes_back_when_the_other_side_opens_it(
    places: Places,
) -> None:
    writer = await places.writer(b"a")
    reader = await places.reader(writer.key)
    left, right = connected()
    ours = writer.replicate(left)
    await settled()
    # Nobody there yet: refused, which is no fault.
    assert ours.link is None
    assert not ours.closed
    reader.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        assert await reader.get(0) == b"a"
    gone: list[object] = []
    ours.on_close.append(gone.append)
    left.close()
    await settled()
    assert gone == [ours]
    assert ours.closed


async def test_a_connection_without_a_channel_left(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers nobody later either, and what is attached goes on without."""
    writer = await places.writer(b"0")
    reader = await places.reader(writer.key)
    left, right = connected()
    monkeypatch.setattr(left.mux, "_local", [None] * MAX_CHANNELS)
    with pytest.raises(LocalProtocolError) as caught:
        replication(writer).attach(left)
    assert caught.value.code == "too-many-channels"
    replication(reader).attach(right)
    await settled()
    assert replication(writer).attachments == []
    assert replication(reader).peers == []
    attached = replication(reader).attachments[0]
    monkeypatch.setattr(right.mux, "_local", [None] * MAX_CHANNELS)
    monkeypatch.setattr(right.mux, "_free", [])
    attached.link = None
    attached.open()
    assert attached.link is None


async def test_extensions(places: Places) -> None:
    writer = await places.writer(b"a")
    reader = await places.reader(writer.key)
    left, right = connected()
    heard: list[bytes] = []
    replication(reader).extension("demo", lambda message, _peer: heard.append(message))
    sender = replication(writer).extension("demo", lambda *_: None)
    writer.replicate(left)
    reader.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        await reader.update(wait=True)
    sender.broadcast(b"hello")
    await settled()
    assert heard == [b"hello"]


async def test_a_write_that_fails_before_the_turn_ends_is_noticed(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rim, "WRITE_PAUSE_S", 0.0)
    writer = await places.writer(*(b"%d" % at for at in range(4)))
    reader = await places.reader(writer.key)
    left, right = connected()
    writer.replicate(left)
    reader.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        await reader.update(wait=True)
        failing = DiskIsFull(reader, monkeypatch)
        # Refused inside the very call that takes the block.
        failing.at_once = True
        waiting = asyncio.create_task(reader.get(2))
        await failing.met.wait()
        failing.over = True
        assert await waiting == b"2"


async def test_who_waited_for_room_goes_on_when_an_append_was_refused(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rim, "WRITE_PAUSE_S", 0.0)
    monkeypatch.setattr(kernel, "MAX_PENDING_BYTES", 1)
    here = await places.writer(b"a", b"b", name="here")
    there = await places.reader(here.key, name="there")
    left, right = connected()
    here.replicate(left)
    there.replicate(right)
    async with asyncio.timeout(LIMIT_S):
        await there.update(wait=True)
        core = there.core
        failing = DiskIsFull(there, monkeypatch)
        tip = core.state.tip
        # As an append of our own would: nothing that a peer sent.
        submitted = core.submit(
            core.state.advance(Change(tip, tip, blocks={1: b"own"}))
        )
        assert not core.has_room
        waiting = asyncio.create_task(there.get(0))
        await settled(5)
        assert core.replication.machine.asking.held_back
        failing.over = True
        with pytest.raises(EnvironmentFault):
            await submitted.durable
        assert await waiting == b"a"


class DiskIsFull:
    """Refuses all writes of a core's database until it is ``over``."""

    def __init__(self, core: Hypercore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.over = False
        self.at_once = False
        self.met = asyncio.Event()
        database = core.core.traffic.depot.database
        self._write = database.write_and_tell
        self._loop = asyncio.get_running_loop()
        monkeypatch.setattr(database, "write_and_tell", self._write_and_tell)

    def _write_and_tell(
        self,
        work: Callable[[Connection], None],
        told: Callable[[BaseException | None], None],
    ) -> None:
        if self.over:
            self._write(work, told)
            return
        self._loop.call_soon(self.met.set)
        error = EnvironmentFault("full", code="disk-full")
        if self.at_once:
            raise error
        self._later(20, told, error)

    def _later(
        self,
        turns: int,
        told: Callable[[BaseException | None], None],
        error: BaseException,
    ) -> None:
        if turns:
            self._loop.call_soon(self._later, turns - 1, told, error)
        else:
            told(error)


async def test_the_common_part_of_two_histories_goes_on_being_served(
    tmp_path: Path,
) -> None:
    """To who has nothing, who has some of it, and who still has one of the two."""
    pair = KeyPair.from_seed(bytes(32))
    shared = [b"%d" % at for at in range(40)]
    async with AsyncExitStack() as stack:

        async def opened(name: str, *blocks: bytes, own: bool = False) -> Hypercore:
            key = None if own else writer.key
            core = await Hypercore.open(
                tmp_path / name,
                key,
                key_pair=pair if own else None,
                allow_fork=False,
                push=True,
            )
            stack.push_async_callback(core.close)
            if blocks:
                await core.append(list(blocks))
            return core

        writer = await opened("writer", *shared, b"mine", own=True)
        twin = await opened("twin", *shared, b"yours", b"more", own=True)
        manifest = writer.core.state.manifest
        assert manifest is not None
        proof = fork_proof([*shared, b"mine"], [*shared, b"yours"], manifest, pair)
        reader, late, other = [await opened(name) for name in ("some", "late", "full")]

        def join(one: Hypercore, two: Hypercore) -> None:
            left, right = connected()
            one.replicate(left)
            two.replicate(right)

        async with asyncio.timeout(LIMIT_S):
            join(writer, reader)
            await reader.download(0, 10)
            assert reader.length == 41
            join(twin, other)
            await other.download(0, 42)
            assert await writer.core.end(proof)
            assert await other.core.end(proof)
            await reader.core.end(proof)
            join(writer, late)
            join(other, late)
            join(other, reader)
            await late.download(0, 40)
            await reader.download(0, 40)
            join(twin, late)
            await twin.append(b"not this")
            await settled()
        for core in (writer, other, late, reader):
            assert (core.length, core.contiguous_length) == (40, 40)
            assert core.core.state.ended
        assert not late.core.replication.faults
        assert await late.get(39, wait=False) == b"39"
