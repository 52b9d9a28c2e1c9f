"""Two and more machines over links with delays: what they do for each other."""

from __future__ import annotations

import pytest

from net.crypto import KeyPair
from store.hypercore.messages import (
    MessageKind,
    NoData,
    WireRequest,
    decode_no_data,
    decode_request,
    decode_sync,
    encode_request,
)
from store.hypercore.records import BlockRequest, Request, SeekRequest
from store.hypercore.replicator import Download, ReplicatorOptions, SeekWish
from tests.helpers.memory_core import MemoryCore
from tests.helpers.replica_world import Node, ReplicaWorld, Wire

PAIR = KeyPair.from_seed(b"\1" * 32)


def writer(world: ReplicaWorld, count: int, name: str = "writer") -> Node:
    core = MemoryCore(key_pair=PAIR)
    if count:
        core.append(*(f"block-{at}".encode() for at in range(count)))
    return world.add(name, core)


def reader(
    world: ReplicaWorld, name: str = "reader", options: ReplicatorOptions | None = None
) -> Node:
    key = MemoryCore(key_pair=PAIR).key
    return world.add(name, MemoryCore(key, slow=True), options)


def holds_all(node: Node, count: int) -> bool:
    return node.core.contiguous_length == count


def want_all(node: Node, world: ReplicaWorld, *, linear: bool = False) -> Download:
    download = Download(0, None, linear=linear)
    node.machine.asking.want_download(download)
    world.touch(node)
    return download


def kinds(world: ReplicaWorld, sender: str) -> list[MessageKind]:
    return [sent.kind for sent in world.sent if sent.sender == sender]


def requests(world: ReplicaWorld, sender: str) -> list[WireRequest]:
    return [
        decode_request(sent.message)
        for sent in world.sent
        if sent.sender == sender and sent.kind is MessageKind.REQUEST
    ]


def test_a_reader_takes_the_length_unasked_and_blocks_on_request() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 10), reader(world)
    world.connect(w, r)
    world.run()
    assert r.core.length == 10
    assert not r.core.blocks
    got: list[int] = []
    r.machine.asking.want_block(3, 1, lambda: got.append(3))
    world.touch(r)
    world.run()
    assert got == [3]
    assert r.core.blocks == {3: b"block-3"}


def test_each_hash_travels_once() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 600), reader(world)
    world.connect(w, r)
    want_all(r, world)
    world.run()
    assert holds_all(r, 600)
    asked = [
        at.request.block.nodes for at in requests(world, "reader") if at.request.block
    ]
    # A tree of n blocks has n - 1 inner nodes: each answer brings one on average.
    assert sum(asked) < 600 + 20


@pytest.mark.parametrize("linear", [False, True])
def test_a_live_download_goes_on(linear: bool) -> None:
    world = ReplicaWorld()
    w, r = writer(world, 300), reader(world)
    world.connect(w, r)
    want_all(r, world, linear=linear)
    world.run()
    assert holds_all(r, 300)
    for _ in range(3):
        w.core.append(b"more", b"and more")
        world.touch(w)
        world.run()
    assert holds_all(r, 306)


def test_a_linear_download_comes_in_order() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 900), reader(world)
    world.connect(w, r)
    want_all(r, world, linear=True)
    world.run()
    asked = [
        at.request.block.index for at in requests(world, "reader") if at.request.block
    ]
    # A live download takes the newest block along with the longer tree.
    assert asked == [899, *range(899)]


def test_a_finished_download_says_so_once_all_is_committed() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 50), reader(world)
    world.connect(w, r)
    finished: list[int] = []

    def progressed() -> None:
        if download.ended:
            finished.append(len(r.core.blocks))

    download = Download(10, 40, on_progress=progressed)
    r.machine.asking.want_download(download)
    world.touch(r)
    world.run()
    assert finished == [30]
    assert sorted(r.core.blocks) == list(range(10, 40))


def test_a_list_of_blocks() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 2000), reader(world)
    world.connect(w, r)
    wanted = [1900, 3, 700, 701]
    r.machine.asking.want_download(Download(blocks=wanted))
    world.touch(r)
    world.run()
    assert sorted(r.core.blocks) == sorted(wanted)


def test_a_block_behind_the_length_comes_with_the_upgrade() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 5), reader(world)
    r.machine.asking.want_block(4, 1, lambda: None)
    world.connect(w, r)
    world.run()
    both = [at.request for at in requests(world, "reader") if at.request.upgrade]
    assert [at.block for at in both] == [BlockRequest(4, 0)]
    assert r.core.blocks == {4: b"block-4"}


def test_two_peers_share_the_work() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 2000), reader(world)
    second = reader(world, "second")
    world.connect(w, second)
    want_all(second, world)
    world.run()
    one, _ = world.connect(r, w)
    two, _ = world.connect(r, second)
    want_all(r, world)
    world.run()
    assert holds_all(r, 2000)
    shares = [at.peer.counters.downloaded_blocks for at in (one, two)]
    assert sum(shares) == 2000
    assert min(shares) > 500


def test_only_one_upgrade_is_asked_for_at_a_time() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 20), reader(world)
    second = reader(world, "second")
    world.connect(w, second)
    world.run()
    world.sent.clear()
    world.connect(r, w)
    world.connect(r, second)
    world.run()
    assert r.core.length == 20
    assert len([1 for at in requests(world, "reader") if at.request.upgrade]) == 1


def test_what_a_stalled_peer_owes_is_asked_of_others() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 400), reader(world)
    silent = reader(world, "silent")
    world.connect(w, silent)
    want_all(silent, world)
    world.run()
    silent.tamper = lambda _wire, kind, message: (
        [] if kind == MessageKind.DATA else [(kind, message)]
    )
    slow, _ = world.connect(r, silent)
    world.run(1)
    world.connect(r, w, delay_s=0.02)
    want_all(r, world)
    started = world.now
    world.run(30, until=lambda: holds_all(r, 400))
    assert holds_all(r, 400)
    assert world.now - started < 5
    assert slow.open, "a stalled peer is demoted, not closed"
    assert slow.peer.pace.stalled
    assert not silent.ended


def test_who_could_not_prove_its_length_at_first_says_when_it_can() -> None:
    """It has the whole tree and lacks the hashes that lead there from a shorter one."""
    world = ReplicaWorld()
    w, between, r = writer(world, 60), reader(world, "between"), reader(world)
    for node in (between, r):
        want_all(node, world)
    wire, _ = world.connect(w, r)
    world.run()
    assert holds_all(r, 60)
    world.cut(wire)
    w.core.append(*(f"more-{at}".encode() for at in range(12)))
    world.connect(w, between, delay_s=1.0)
    world.run(until=lambda: between.core.length == 72)
    world.connect(between, r)
    world.run(until=lambda: any(peer.synced for peer in r.machine.peers))
    [peer] = r.machine.peers
    assert (peer.remote_length, peer.remote_can_upgrade) == (72, True)
    world.run(until=lambda: not peer.remote_can_upgrade)
    assert not peer.remote_can_upgrade
    world.run()
    assert holds_all(r, 72)


def test_a_stalled_peer_that_wakes_up_is_used_again() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 50), reader(world)
    wire, _ = world.connect(r, w)
    world.run()
    held: list[tuple[int, bytes]] = []

    def hold(_wire: Wire, kind: int, message: bytes) -> list[tuple[int, bytes]]:
        held.append((kind, message))
        return []

    w.tamper = hold
    want_all(r, world)
    world.run(4)
    assert wire.peer.pace.stalled
    w.tamper = None
    for kind, message in held:
        world.carry(wire.other, kind, message)
    world.run(30)
    assert holds_all(r, 50)
    assert not wire.peer.pace.stalled


def test_the_only_peer_is_asked_again_when_it_forgot() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 50), reader(world)
    world.connect(r, w)
    world.run()
    w.tamper = lambda *_: []
    want_all(r, world)
    world.run(1)
    w.tamper = None
    world.run(60)
    assert holds_all(r, 50)


def test_requests_of_a_lost_peer_go_to_others() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 500), reader(world)
    wire, _ = world.connect(r, w, delay_s=0.1)
    world.run()
    want_all(r, world)
    world.run(0.15)
    world.cut(wire)
    world.run(1)
    assert not holds_all(r, 500)
    world.connect(r, w)
    world.run()
    assert holds_all(r, 500)


def test_a_slow_peers_last_blocks_are_raced_for() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 60), reader(world)
    second = reader(world, "second")
    world.connect(w, second)
    want_all(second, world)
    world.run()
    slow, _ = world.connect(r, w, delay_s=0.9)
    world.run(6)
    want_all(r, world)
    world.run(0.1)
    assert slow.peer.asks
    fast, _ = world.connect(r, second, delay_s=0.005)
    started = world.now
    world.run(20, until=lambda: holds_all(r, 60))
    assert holds_all(r, 60)
    assert fast.peer.counters.raced > 0
    assert world.now - started < 1.5


def test_a_seek_finds_the_hashes_it_needs() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 20), reader(world)
    world.connect(w, r)
    world.run()
    answered: list[bool] = []
    wish = SeekWish(SeekRequest(65, 0), 0, 16, lambda: answered.append(True))
    r.machine.asking.want_seek(wish)
    world.touch(r)
    world.run()
    assert answered == [True]
    assert r.core.has_node(18)
    assert not r.core.blocks


def test_a_cleared_block_is_refused_and_heard_of_again() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 10), reader(world)
    second = reader(world, "second")
    world.connect(w, second)
    want_all(second, world)
    world.run()
    world.connect(r, w)
    world.run()
    w.core.clear(3, 4)
    world.touch(w)
    got: list[int] = []
    r.machine.asking.want_block(3, 1, lambda: got.append(3))
    world.touch(r)
    world.run(10)
    assert not got
    world.connect(r, second)
    world.run(10)
    assert got == [3]


def test_a_sparse_peer_is_asked_with_a_want() -> None:
    world = ReplicaWorld(record=True)
    w, r, sparse = writer(world, 40), reader(world), reader(world, "sparse")
    world.connect(w, sparse)
    sparse.machine.asking.want_download(Download(blocks=[1, 5, 20]))
    world.touch(sparse)
    world.run()
    world.sent.clear()
    world.connect(r, sparse)
    r.machine.asking.want_download(Download(0, 40))
    world.touch(r)
    world.run(5)
    assert sorted(r.core.blocks) == [1, 5, 20]
    assert kinds(world, "reader").count(MessageKind.WANT) == 1
    assert MessageKind.BITFIELD in kinds(world, "sparse")
    world.sent.clear()
    sparse.machine.asking.want_block(30, 1, lambda: None)
    world.touch(sparse)
    world.run(5)
    assert sorted(r.core.blocks) == [1, 5, 20, 30]


def test_without_upload_the_peer_is_told_nothing() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 5), reader(world)
    _, second = world.connect(w, r, upload=False)
    world.run(5)
    assert r.core.length == 0
    assert MessageKind.RANGE not in kinds(world, "writer")
    syncs = [
        decode_sync(at.message)
        for at in world.sent
        if at.sender == "writer" and at.kind is MessageKind.SYNC
    ]
    assert {(at.length, at.can_upgrade, at.uploading) for at in syncs} == {
        (0, False, False)
    }
    request = WireRequest(7, Request(0, BlockRequest(0, 0)))
    second.send(MessageKind.REQUEST, encode_request(request))
    world.run(5)
    refusals = [at.message for at in world.sent if at.kind is MessageKind.NO_DATA]
    assert [decode_no_data(at) for at in refusals] == [NoData(7, 1)]


def test_without_download_nothing_is_asked() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 5), reader(world)
    world.connect(r, w, download=False)
    want_all(r, world)
    world.run(5)
    assert MessageKind.REQUEST not in kinds(world, "reader")


def test_a_fork_is_followed_and_common_blocks_stay() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 6), reader(world)
    world.connect(w, r)
    want_all(r, world)
    world.run()
    w.core.truncate(3)
    w.core.append(b"other-3", b"other-4")
    world.touch(w)
    world.run()
    assert (r.core.fork, r.core.length) == (1, 5)
    assert r.core.blocks == {**{at: f"block-{at}".encode() for at in range(3)}} | {
        3: b"other-3",
        4: b"other-4",
    }


def test_a_fork_is_not_followed_when_that_is_off() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 6), reader(world, options=ReplicatorOptions(allow_fork=False))
    world.connect(w, r)
    want_all(r, world)
    world.run()
    w.core.truncate(3)
    w.core.append(b"other")
    world.touch(w)
    world.run(20)
    assert (r.core.fork, r.core.length) == (0, 6)
    assert len(r.core.blocks) == 6


def test_two_histories_freeze_both_and_bystanders() -> None:
    world = ReplicaWorld()
    first, second = writer(world, 0, "first"), writer(world, 0, "second")
    first.core.append(b"a", b"b")
    second.core.append(b"a", b"x", b"y")
    bystander = reader(world, "bystander")
    world.connect(first, bystander)
    world.run()
    assert bystander.core.length == 2
    world.connect(first, second)
    world.run()
    assert first.core.frozen
    assert second.core.frozen
    assert bystander.core.frozen
    assert not any(node.wires for node in world.nodes)


def test_a_push_arrives_where_it_is_allowed() -> None:
    world = ReplicaWorld()
    allowed = ReplicatorOptions(allow_push=True)
    w = world.add("writer", MemoryCore(key_pair=PAIR), allowed)
    w.core.append(b"a", b"b")
    r, deaf = reader(world, options=allowed), reader(world, "deaf")
    world.connect(w, r)
    world.connect(w, deaf)
    world.run()
    w.core.append(b"pushed")
    w.machine.push(2)
    world.touch(w)
    world.run()
    assert r.core.blocks == {2: b"pushed"}
    assert not deaf.core.blocks
    assert deaf.core.length == 3


def test_idle_channels_close() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 1), reader(world)
    first, _ = world.connect(w, r)
    world.run()
    r.machine.set_downloading(downloading=False)
    world.run()
    assert first.open
    w.machine.set_downloading(downloading=False)
    world.run()
    assert not first.open
    assert not w.ended + r.ended


def test_extensions_keep_their_name_short() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 1), reader(world)
    wire, _ = world.connect(w, r)
    heard: list[bytes] = []
    r.machine.extensions["demo"] = lambda payload, _peer: heard.append(payload)
    w.machine.send_extension(wire.peer, "demo", b"hello")
    w.machine.send_extension(wire.peer, "demo", b"again")
    w.machine.send_extension(wire.peer, "other", b"nobody hears")
    world.run(1)
    assert heard == [b"hello", b"again"]
    sizes = [len(at.message) for at in world.sent if at.kind is MessageKind.EXTENSION]
    assert sizes == [10, 6, 18]


def test_what_is_on_the_disk_is_loaded_and_keeps_its_place() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 100), reader(world)
    world.connect(w, r)
    world.run()
    w.core.not_loaded = set(range(0, 200, 2))
    want_all(r, world)
    world.run()
    assert holds_all(r, 100)
    assert all(peer.counters.out_of_order == 0 for peer in r.machine.peers)


def test_lost_writes_are_asked_for_again() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 100), reader(world)
    world.connect(w, r)
    world.run()
    want_all(r, world)
    world.run(until=lambda: r.core.writing)
    r.core.lose_writes()
    assert not holds_all(r, 100)
    world.run(2)
    assert not holds_all(r, 100)
    r.machine.write_allowed()
    world.touch(r)
    world.run()
    assert holds_all(r, 100)
    assert [r.core.blocks[at] for at in range(100)] == [
        w.core.blocks[at] for at in range(100)
    ]


def test_nothing_is_asked_for_while_too_much_waits_to_be_written() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 40), reader(world)
    world.connect(w, r)
    world.run()
    r.core.has_room = False
    asked = len(requests(world, "reader"))
    want_all(r, world)
    world.run()
    assert len(requests(world, "reader")) == asked
    r.core.has_room = True
    r.machine.committed([], old_length=40)
    world.touch(r)
    world.run()
    assert len(requests(world, "reader")) > asked
    assert holds_all(r, 40)


def test_a_push_that_finds_no_room_comes_later() -> None:
    world = ReplicaWorld()
    options = ReplicatorOptions(allow_push=True)
    w, r = writer(world, 1), reader(world, options=options)
    world.connect(w, r)
    want_all(r, world)
    world.run()
    r.core.has_room = False
    w.core.append(b"pushed")
    w.machine.push(1)
    world.touch(w)
    world.run()
    assert r.core.length == 1
    r.core.has_room = True
    r.machine.committed([], old_length=1)
    world.touch(r)
    world.run()
    assert holds_all(r, 2)
