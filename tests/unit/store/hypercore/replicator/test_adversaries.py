"""Peers that lie, stall and refuse: nobody waits for them, no wish is forgotten."""

from __future__ import annotations

from functools import partial

from store.errors import RemoteProtocolError
from store.hypercore.messages import (
    ExtensionMessage,
    MessageKind,
    NoData,
    Sync,
    WireData,
    decode_data,
    decode_sync,
    encode_data,
    encode_extension,
    encode_no_data,
    encode_sync,
)
from store.hypercore.proofs import missing_levels
from store.hypercore.records import BlockRequest, Request, SeekRequest
from store.hypercore.replicator import Download, SeekWish
from tests.helpers.replica_world import ReplicaWorld, Wire
from tests.unit.store.hypercore.replicator.test_replicator import (
    holds_all,
    reader,
    want_all,
    writer,
)

Messages = list[tuple[int, bytes]]


def test_a_rewritten_log_is_followed_whatever_was_asked_of_the_old_one() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 2000), reader(world)
    wire, _ = world.connect(w, r, delay_s=0.05)
    want_all(r, world)
    world.run(until=lambda: len(r.core.blocks) > 400)
    assert len(r.machine.peers[0].asks) > 40
    w.core.truncate(100)
    w.core.append(*(b"other-%d" % at for at in range(300)))
    world.touch(w)
    world.run(30)
    assert wire.open
    assert r.core.fork == 1
    assert holds_all(r, 400)


def test_who_claims_a_longer_log_and_is_silent_keeps_nobody_from_growing() -> None:
    world = ReplicaWorld()

    def lie(_wire: Wire, kind: int, message: bytes) -> Messages:
        if kind == MessageKind.SYNC:
            state = decode_sync(message)
            claim = Sync(0, 10**9, state.remote_length, True, True, True, True, False)
            return [(kind, encode_sync(claim))]
        return (
            [] if kind in (MessageKind.DATA, MessageKind.NO_DATA) else [(kind, message)]
        )

    liar, r, w = writer(world, 5, "liar"), reader(world), writer(world, 5)
    liar.tamper = lie
    world.connect(liar, r)
    world.connect(w, r)
    world.run(20)
    for _ in range(20):
        w.core.append(b"news")
        world.touch(w)
        world.run(5)
        assert r.core.length == w.core.length
    assert not r.machine.may_upgrade(opening=0)


def test_a_fork_that_is_claimed_and_refused_is_not_asked_for_endlessly() -> None:
    world = ReplicaWorld(record=True)

    def lie(_wire: Wire, kind: int, message: bytes) -> Messages:
        if kind == MessageKind.SYNC:
            state = decode_sync(message)
            claim = Sync(7, 9, state.remote_length, True, True, True, True, False)
            return [(kind, encode_sync(claim))]
        if kind == MessageKind.DATA:
            return []
        return [(kind, message)]

    liar, r = writer(world, 5, "liar"), reader(world)
    liar.tamper = lie
    world.connect(liar, r)
    world.run(60)
    asked = [at for at in world.sent if at.sender == "reader" and at.kind == 1]
    assert 0 < len(asked) < 500
    assert not r.machine.may_upgrade(opening=0)


def test_a_fork_is_followed_although_who_told_of_it_first_falls_silent() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 40), reader(world)
    other = writer(world, 40, "other")
    world.connect(w, r)
    want_all(r, world)
    world.run()
    for node in (w, other):
        node.core.truncate(21)
        node.core.append(*(b"n-%d" % at for at in range(9)))
    answers = 0

    def silent(_wire: Wire, kind: int, message: bytes) -> Messages:
        nonlocal answers
        if kind == MessageKind.DATA:
            answers += 1
            return [(kind, message)] if answers == 1 else []
        return [(kind, message)]

    w.tamper = silent
    world.touch(w)
    world.run(0.5)
    assert answers > 1
    assert r.core.fork == 0
    world.connect(other, r)
    world.run(60)
    assert r.core.fork == 1
    assert holds_all(r, 30)


def test_a_fork_is_followed_although_a_higher_one_left_with_its_teller() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 40), reader(world)
    other = writer(world, 40, "other")
    wire, _ = world.connect(w, r)
    want_all(r, world)
    world.run()
    other.core.truncate(21)
    w.core.truncate(25)
    w.core.truncate(21)
    w.core.append(b"never seen")
    answers = 0

    def silent(_wire: Wire, kind: int, message: bytes) -> Messages:
        nonlocal answers
        if kind == MessageKind.DATA:
            answers += 1
            return [(kind, message)] if answers == 1 else []
        return [(kind, message)]

    w.tamper = silent
    world.touch(w)
    world.run(0.5)
    assert r.core.fork == 0
    world.cut(wire)
    world.connect(other, r)
    world.run(30)
    assert (r.core.fork, r.core.length) == (1, 21)


def test_idle_peers_race_while_a_slow_one_answers_now_and_then() -> None:
    world = ReplicaWorld()
    slow, fast, r = writer(world, 16, "slow"), writer(world, 16), reader(world)
    due = 0.0

    def trickle(wire: Wire, kind: int, message: bytes) -> Messages:
        nonlocal due
        if kind != MessageKind.DATA:
            return [(kind, message)]
        due = max(due, world.now) + 1.0
        world.at(due, lambda: world.carry(wire, kind, message))
        return []

    world.connect(slow, r)
    world.run(5)
    assert r.core.length == 16
    slow.tamper = trickle
    want_all(r, world)
    world.run(0.1)
    world.connect(fast, r)
    world.run(4)
    assert holds_all(r, 16)


def test_no_wish_is_forgotten_behind_many_that_nobody_can_fulfil() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 1000), reader(world)
    w.core.clear(0, 900)
    world.connect(w, r)
    world.run()
    got: list[int] = []
    for index in range(1000):
        r.machine.asking.want_block(index, 1, partial(got.append, index))
    world.touch(r)
    world.run(60)
    assert sorted(got) == list(range(900, 1000))


def test_a_download_is_whole_although_one_block_was_wished_for_and_given_up() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 20), reader(world)
    wire, _ = world.connect(w, r)
    world.run()
    world.cut(wire)
    world.run()
    want_all(r, world)
    asking = r.machine.asking

    def got() -> None:
        raise AssertionError("nobody waits for it")

    asking.release_block(asking.want_block(7, 1, got), got)
    world.connect(w, r)
    world.run(10)
    assert holds_all(r, 20)


def test_a_download_ends_when_nothing_but_the_length_was_missing() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 5), reader(world)
    nothing, one = Download(3, 3), Download(0, 8, blocks=[1])
    for download in (nothing, one):
        r.machine.asking.want_download(download)
    world.connect(w, r)
    world.run()
    assert nothing.ended
    assert one.ended


def test_a_seek_goes_on_when_the_log_is_rewritten() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 64), reader(world)
    wire, _ = world.connect(w, r)
    world.run()
    world.cut(wire)
    answered: list[bool] = []
    wish = SeekWish(SeekRequest(300, 0), 32, 64, lambda: answered.append(True))
    r.machine.asking.want_seek(wish)
    w.core.truncate(20)
    world.connect(w, r)
    world.run(30)
    assert r.core.length == 20
    assert answered


def test_who_does_not_upload_tells_nothing_of_what_it_has() -> None:
    world = ReplicaWorld(record=True)
    w, r = writer(world, 6), reader(world)
    world.connect(w, r, upload=False)
    world.run()
    told = [at for at in world.sent if at.sender == "writer"]
    states = [decode_sync(at.message) for at in told if at.kind is MessageKind.SYNC]
    assert states
    assert not any(at.length or at.has_manifest or at.can_upgrade for at in states)
    assert {at.kind for at in told} == {MessageKind.SYNC}
    w.core.append(b"more")
    world.touch(w)
    w.machine.spread_conflict()
    world.run()
    told = [at for at in world.sent if at.sender == "writer"]
    assert {at.kind for at in told} == {MessageKind.SYNC}


def test_a_damaged_message_of_an_application_ends_the_channel_alone() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 1), reader(world)
    wire, other = world.connect(w, r)

    def refuse(_message: bytes, _peer: object) -> None:
        raise RemoteProtocolError("no such message", code="bad-message")

    r.machine.extensions["demo"] = refuse
    world.run()
    wire.send(MessageKind.EXTENSION, encode_extension(ExtensionMessage("demo", b"?")))
    world.run()
    assert r.ended == ["bad-message"]
    assert not other.open


def test_an_answer_that_comes_late_is_no_lie() -> None:
    world = ReplicaWorld()
    first, second, r = writer(world, 12, "late"), writer(world, 9), reader(world)
    held: list[bytes] = []

    def hold(_wire: Wire, kind: int, message: bytes) -> Messages:
        if kind == MessageKind.DATA:
            held.append(message)
            return []
        return [(kind, message)]

    late, _ = world.connect(first, r)
    first.tamper = hold
    world.connect(second, r)

    def both(_wire: Wire, kind: int, message: bytes) -> Messages:
        if kind == MessageKind.DATA and held:
            # While what the other has brought is not on the disk yet.
            answer = held.pop()
            world.at(world.now, lambda: world.carry(late, kind, answer))
        return [(kind, message)]

    second.tamper = both
    world.run(20)
    assert r.core.length == 9
    assert r.machine.context.counters["outdated"] == 1
    assert not r.ended
    assert len(r.machine.peers) == 2
    assert r.machine.peers[0].accused_code is None


def test_nobody_is_blamed_for_hashes_that_were_cleared_here_meanwhile() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 64), reader(world)
    wire, _ = world.connect(w, r, delay_s=0.05)
    world.run()
    r.machine.asking.want_block(0, 1, lambda: None)
    world.touch(r)
    world.run()
    assert r.core.blocks
    got: list[int] = []
    r.machine.asking.want_block(1, 1, lambda: got.append(1))
    world.touch(r)
    world.run(0.04)
    assert r.machine.peers[0].asks, "a leaf that is known asks for no hashes"
    r.core.clear(0, 1)
    world.touch(r)
    world.run()
    assert wire.open
    assert not r.ended
    assert got == [1]


def test_nobody_is_blamed_for_a_place_whose_hashes_were_cleared_meanwhile() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 64), reader(world)
    wire, _ = world.connect(w, r, delay_s=0.05)
    world.run()
    r.machine.asking.want_block(0, 1, lambda: None)
    world.touch(r)
    world.run()
    answered: list[int] = []
    wish = SeekWish(SeekRequest(300, 0), 32, 64, lambda: answered.append(1))
    r.machine.asking.want_seek(wish)
    world.touch(r)
    world.run(0.04)
    r.core.clear(0, 1)
    world.touch(r)
    world.run()
    assert wire.open
    assert answered


def test_nobody_is_blamed_for_blocks_of_a_history_that_is_being_left() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 40), reader(world)
    other = writer(world, 40, "other")
    r.core.slow = True
    world.connect(w, r, delay_s=0.01)
    late, _ = world.connect(other, r, delay_s=0.2)
    world.run()
    # Only the late one has what is wanted, and the answer meets the cut half written.
    w.core.clear(20, 40)
    world.touch(w)
    world.run()
    r.machine.asking.want_block(30, 1, lambda: None)
    world.touch(r)
    world.run(0.3)
    w.core.truncate(10)
    world.touch(w)
    world.run(until=lambda: not r.core.settled)
    peer = next(at for at in r.machine.peers if at.public_key == b"other")
    assert peer.asks
    answer = other.core.prove(next(iter(peer.asks.values())).request)
    number = next(iter(peer.asks))
    message = encode_data(WireData(number, answer))
    r.machine.receive(peer, MessageKind.DATA, message, world.now)
    world.touch(r)
    world.run()
    assert not r.ended
    assert late.open
    assert r.core.fork == 1


def test_who_is_asked_for_nothing_a_while_hears_of_blocks_nevertheless() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 600), reader(world)
    between = reader(world, "between")
    wire, _ = world.connect(w, between)
    world.run()
    world.cut(wire)
    world.connect(between, r)
    got: list[int] = []
    r.machine.asking.want_block(5, 1, lambda: got.append(5))
    world.touch(r)
    world.run()
    assert not got
    # It refused too often what it does not have; that says nothing of what it wants.
    (peer,) = between.machine.peers
    peer.paused = True
    request = Request(0, BlockRequest(5, missing_levels(10, w.core.head, between.core)))
    between.core.accept(w.core.prove(request))
    world.touch(between)
    world.run()
    assert got == [5]


def test_nobody_is_blamed_for_a_fork_that_is_being_taken_already() -> None:
    world = ReplicaWorld()
    w, other, r = writer(world, 40), writer(world, 40, "other"), reader(world)
    for node in (w, other):
        node.core.truncate(20)
        node.core.append(b"new")
        world.connect(node, r)
    world.run()
    assert not r.ended
    assert (r.core.fork, r.core.length) == (1, 21)


def test_a_refused_block_is_asked_for_again_while_others_are_being_refused() -> None:
    world = ReplicaWorld()
    w, r = writer(world, 40), reader(world)

    def refuse(_wire: Wire, kind: int, message: bytes) -> Messages:
        if kind != MessageKind.DATA:
            return [(kind, message)]
        number, proof = decode_data(message)
        block = proof.block
        if block is None or (block.index == 0 and world.now > 6):
            return [(kind, message)]
        return [(MessageKind.NO_DATA, encode_no_data(NoData(number, 1)))]

    w.tamper = refuse
    world.connect(w, r)
    got: list[int] = []
    for index in range(8):
        r.machine.asking.want_block(index, 1, partial(got.append, index))
        world.touch(r)
        world.run(2)
    assert got == [0]
