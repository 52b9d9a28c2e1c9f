"""What a peer controls is bounded: each limit is crossed once."""

from __future__ import annotations

import random
from functools import partial

import pytest

from net.crypto import KeyPair
from store.errors import RemoteProtocolError
from store.hypercore.messages import (
    BitfieldUpdate,
    MessageKind,
    NoData,
    RangeUpdate,
    Sync,
    WireRequest,
    decode_data,
    encode_bitfield,
    encode_no_data,
    encode_range,
    encode_request,
    encode_sync,
)
from store.hypercore.records import BlockRequest, Request
from store.hypercore.replicator import Peer, Replicator, asking, availability, wants
from store.hypercore.replicator.availability import (
    MAX_BITS,
    MAX_BLOCKS_AHEAD,
    Availability,
    bits_end,
)
from store.hypercore.replicator.pace import MAX_WINDOW, MIN_WINDOW, Pace
from store.hypercore.replicator.peer import MAX_WAITING_REQUESTS
from store.hypercore.replicator.wants import (
    MAX_LOCAL_WANTS,
    MAX_REMOTE_ANY,
    MAX_REMOTE_SIZES,
    WANT_BLOCKS,
    LocalWants,
    RemoteWants,
)
from tests.helpers.memory_core import MemoryCore
from tests.helpers.replica_world import ReplicaWorld

PAIR = KeyPair.from_seed(b"\1" * 32)


class Link:
    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []

    def send(self, kind: int, message: bytes) -> bool:
        self.sent.append((kind, message))
        return True

    def close(self, code: str | None) -> None:
        raise AssertionError(code)


def holder() -> tuple[Replicator, Peer, Link]:
    core = MemoryCore(key_pair=PAIR)
    core.append(b"a", b"b")
    machine = Replicator(core, random.Random(0))
    core.machine = machine
    link = Link()
    peer = Peer(link, b"peer")
    machine.open_peer(peer, seeks=True)
    return machine, peer, link


def ask(machine: Replicator, peer: Peer, number: int, block: BlockRequest) -> None:
    message = encode_request(WireRequest(number, Request(0, block)))
    machine.receive(peer, MessageKind.REQUEST, message, 0.0)


def test_more_requests_than_may_wait_end_the_channel() -> None:
    machine, peer, _ = holder()
    for number in range(MAX_WAITING_REQUESTS):
        ask(machine, peer, number, BlockRequest(0, 0))
    with pytest.raises(RemoteProtocolError) as caught:
        ask(machine, peer, MAX_WAITING_REQUESTS, BlockRequest(0, 0))
    assert caught.value.code == "too-many-requests"


def test_requests_that_come_and_go_leave_nothing() -> None:
    machine, peer, _ = holder()
    for number in range(5 * MAX_WAITING_REQUESTS):
        ask(machine, peer, number, BlockRequest(0, 0))
        machine.receive(
            peer, MessageKind.CANCEL, b"\xfe" + number.to_bytes(4, "little"), 0.0
        )
    assert not peer.waiting
    assert len(peer.normal) <= 2 * MAX_WAITING_REQUESTS


def test_requests_that_nothing_answers_are_refused_late_and_then_end_it() -> None:
    machine, peer, link = holder()
    ask(machine, peer, 1, BlockRequest(0, 50))
    machine.serve(peer, 1 << 16, 0.0)
    refusal = (MessageKind.NO_DATA, encode_no_data(NoData(1, 2)))
    assert refusal not in link.sent
    assert machine.get_timer() == 0.2
    machine.handle_timer(0.2)
    assert refusal in link.sent
    for number in range(2, 64):
        ask(machine, peer, number, BlockRequest(0, 50))
        machine.serve(peer, 1 << 16, 0.0)
    ask(machine, peer, 64, BlockRequest(0, 50))
    with pytest.raises(RemoteProtocolError):
        machine.serve(peer, 1 << 16, 0.0)


def test_the_request_that_waits_for_the_disk_is_refused_and_no_other() -> None:
    machine, peer, link = holder()
    core = machine.context.core
    assert isinstance(core, MemoryCore)
    core.not_loaded.add(0)
    ask(machine, peer, 1, BlockRequest(0, 0))
    machine.serve(peer, 1 << 16, 0.0)
    assert [peer for peer, _ in machine.take_loads().answers] == [peer]
    urgent = encode_request(WireRequest(2, Request(0, BlockRequest(1, 0)), 2))
    machine.receive(peer, MessageKind.REQUEST, urgent, 0.0)
    assert not peer.has_work
    machine.answers_loaded(peer, failed=True)
    machine.serve(peer, 1 << 16, 0.0)
    assert link.sent[-2] == (MessageKind.NO_DATA, encode_no_data(NoData(1, 1)))
    assert link.sent[-1][0] == MessageKind.DATA
    assert decode_data(link.sent[-1][1])[0] == 2


def test_availability_far_behind_everything_is_let_go() -> None:
    has = Availability()
    has.add(5, 2**52, bits_end=bits_end(2**52))
    assert has.has(MAX_BITS - 1)
    assert not has.has(MAX_BITS)
    has.add(0, 2**52, bits_end=64)
    assert has.has(2**52 - 1)
    has.drop(7, 8, bits_end=bits_end(0))
    assert (has.has(6), has.has(7), has.has(8)) == (True, False, True)


def test_a_peer_makes_us_keep_no_more_than_our_tree_is_long() -> None:
    machine, peer, _ = holder()
    claim = Sync(0, 2**50, 0, True, True, True, True, False)
    machine.receive(peer, MessageKind.SYNC, encode_sync(claim), 0.0)
    end = bits_end(machine.context.core.length)
    assert MAX_BLOCKS_AHEAD < end <= 4 * MAX_BLOCKS_AHEAD
    one = encode_bitfield(BitfieldUpdate(2 * end, b"\1\0\0\0"))
    machine.receive(peer, MessageKind.BITFIELD, one, 0.0)
    for start, length, drop in ((32, 2**40, False), (0, 2**40, False), (0, 1, True)):
        told = encode_range(RangeUpdate(start, length, drop=drop))
        machine.receive(peer, MessageKind.RANGE, told, 0.0)
    assert peer.has.has(end - 1)
    assert not any(peer.has.has(at) for at in (0, end, 2 * end, MAX_BITS - 1))


def test_what_was_told_too_early_is_asked_for_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (availability, wants, asking):
        monkeypatch.setattr(module, "WANT_BLOCKS", 32)
    monkeypatch.setattr(availability, "MAX_BLOCKS_AHEAD", 32)
    world = ReplicaWorld()
    w = world.add("writer", MemoryCore(key_pair=PAIR))
    r = world.add("reader", MemoryCore(w.core.key))
    w.core.append(*(b"%d" % at for at in range(10)))
    world.connect(w, r)
    world.run()
    got: list[int] = []
    for index in (60, 100, 900):
        r.machine.asking.want_block(index, 1, partial(got.append, index))
    world.touch(r)
    world.run()
    for _ in range(10):
        w.core.append(*(bytes([at]) for at in range(99)))
        w.core.clear(w.core.length - 70, w.core.length - 60)
        world.touch(w)
        world.run()
    assert sorted(got) == [60, 100, 900]


def test_wants_are_bounded_on_both_sides() -> None:
    ours = LocalWants()
    told = [ours.add(at * WANT_BLOCKS) for at in range(MAX_LOCAL_WANTS + 1)]
    assert told[0] == (0, None)
    assert told[-1] == (MAX_LOCAL_WANTS * WANT_BLOCKS, 0)
    assert len(ours) == MAX_LOCAL_WANTS
    theirs = RemoteWants()
    for power in range(5, 5 + MAX_REMOTE_SIZES):
        assert theirs.add(0, 1 << power, any_block=False)
    assert not theirs.matches(1 << 20, 1 << 21)
    theirs.add(0, 1 << 15, any_block=False)
    assert theirs.everything
    for at in range(MAX_REMOTE_ANY):
        assert theirs.add(at, 1, any_block=True)
    assert not theirs.add(99, 1, any_block=True)


def test_the_window_grows_with_the_pipe_and_shrinks_with_its_queue() -> None:
    pace, now = Pace(), 0.0
    for _ in range(40):
        now += 0.1
        pace.answered(now - 0.1, now, full=True)
    assert pace.window == MAX_WINDOW
    for _ in range(8):
        now += 1.0
        pace.answered(now - 1.0, now, full=True)
    assert pace.window < MAX_WINDOW
    pace.stall(now)
    assert pace.limit(1) == 1
    pace.answered(now - 1.0, now, full=False)
    assert pace.limit(1) == MIN_WINDOW
    assert pace.limit(8 << 20) == 2
