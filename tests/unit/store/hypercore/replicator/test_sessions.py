"""Thirteen recorded sessions of two npm peers, each replayed with us in either place.

What the npm peer sent is given to our machine as it was sent, frame by frame. In the
place of the one that answers, our answers have to be the recorded ones, byte for byte.
In the place of the one that asks, we have to ask what it asked; numbers of requests are
our own business, so that the recorded answers get ours.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from net.crypto import KeyPair
from net.encoding import Reader
from net.mux import Mux
from net.mux.messages import read_batch, read_open
from store.hypercore.capabilities import capability
from store.hypercore.encryption import DefaultEncryption
from store.hypercore.messages import (
    PROTOCOL,
    PROTOCOL_ALIASES,
    ChannelHandshake,
    MessageKind,
    Sync,
    WireData,
    WireRequest,
    decode_data,
    decode_handshake,
    decode_request,
    decode_sync,
    encode_data,
    encode_handshake,
)
from store.hypercore.records import Request
from store.hypercore.replicator import (
    Download,
    Peer,
    Replicator,
    ReplicatorOptions,
    SeekWish,
)
from tests.helpers.memory_core import MemoryCore
from tests.helpers.vectors import load_vectors

SESSIONS: list[dict[str, Any]] = load_vectors("hypercore-replication-sessions")[
    "sessions"
]
PAIR = KeyPair.from_seed(b"\1" * 32)
OWN_ANSWERS = [0, 1, 2, 3, 5, 6, 7, 8, 9, 12]
"""Those in which the content of all that is answered is known."""


class FixedDice(random.Random):
    """Chooses the block that the recorded peer happened to choose."""

    def __init__(self) -> None:
        super().__init__(0)
        self.next: int | None = None

    def randrange(self, stop: int, *_: Any) -> int:  # type: ignore[override]
        return super().randrange(stop) if self.next is None else self.next


class Side:
    """Our machine on a mux, as the rim would hold it."""

    def __init__(self, session: dict[str, Any], name: str, core: MemoryCore) -> None:
        self.name = name
        self.core = core
        self.dice = FixedDice()
        push = session["name"].startswith("10.")
        self.machine = Replicator(
            core, self.dice, options=ReplicatorOptions(allow_push=push)
        )
        if session["name"].startswith("11."):
            self.machine.context.downloading = False
        core.machine = self.machine
        self.mux = Mux()
        self.handshake_hash = bytes.fromhex(session["handshakeHash"])
        handshake = capability(core.key, self.handshake_hash, is_initiator=name == "A")
        self.peer = Peer(self, b"npm")
        # Only to ask what npm asks, which counts on nothing that is on its way.
        self.peer.in_order = False
        self.channel = self.mux.create_channel(
            PROTOCOL,
            bytes.fromhex(session["discoveryKey"]),
            aliases=PROTOCOL_ALIASES,
            handshake=encode_handshake(ChannelHandshake(handshake)),
            messages=[partial(self._receive, kind) for kind in MessageKind],
            on_open=self._opened,
            on_close=lambda: self.machine.close_peer(self.peer),
        )
        self.handshake: bytes | None = None
        self.sent: list[tuple[MessageKind, bytes]] = []
        self.ended: str | None = None
        self.frames: list[bytes] = []
        self.now = 0.0

    def send(self, kind: int, message: bytes) -> bool:
        self.sent.append((MessageKind(kind), message))
        return self.channel.send(kind, message)

    def close(self, code: str | None) -> None:
        self.ended = code
        self.channel.close()

    def turn(self) -> None:
        self.now += 0.01
        self.machine.flush(self.now)
        while self.peer.has_work and not self.peer.closed:
            self.machine.serve(self.peer, 1 << 20, self.now)
        self.frames += self.mux.frames_to_send()

    def feed(self, frame: bytes) -> None:
        self.mux.receive_frame(frame)
        self.turn()

    def requests(self) -> list[WireRequest]:
        return [
            decode_request(message)
            for kind, message in self.sent
            if kind is MessageKind.REQUEST
        ]

    def _opened(self, handshake: bytes) -> None:
        told = decode_handshake(handshake)
        theirs = capability(
            self.core.key, self.handshake_hash, is_initiator=self.name != "A"
        )
        assert told.capability == theirs
        self.machine.open_peer(self.peer, seeks=told.seeks)

    def _receive(self, kind: MessageKind, message: bytes) -> None:
        self.machine.receive(self.peer, kind, message, self.now)


def messages_of(frame: bytes) -> list[tuple[MessageKind, bytes]]:
    """The messages of the channel in a frame; control messages are left out."""
    reader = Reader(frame)
    number = reader.uint()
    if number:
        return [(MessageKind(reader.uint()), reader.raw())]
    if reader.uint() != 0:
        return []
    found = []
    for sender, start, end in read_batch(frame, len(frame) - reader.remaining):
        inner = Reader(frame[start:end])
        kind = inner.uint()
        if sender:
            found.append((MessageKind(kind), inner.raw()))
    return found


def blocks_at_the_start(session: dict[str, Any]) -> list[bytes]:
    number = session["name"].split(".")[0]
    count = {
        "3": 0,
        "4": 20,
        "5": 6,
        "6": 4,
        "7": 1,
        "8": 3,
        "9": 40,
        "10": 2,
        "11": 1,
        "13": 40,
    }.get(number, 10)
    return [f"block-{at}".encode() for at in range(count)]


def holder(session: dict[str, Any]) -> MemoryCore:
    """The core of the side that has something, as it was before the session."""
    core = MemoryCore(key_pair=PAIR)
    assert core.key.hex() == session["coreKey"]
    blocks = blocks_at_the_start(session)
    if "encryptionKey" in session:
        key = bytes.fromhex(session["encryptionKey"])
        encryption = DefaultEncryption(key, core.key)
        blocks = [encryption.encrypt(at, block, 0) for at, block in enumerate(blocks)]
    if blocks:
        core.append(*blocks)
    number = session["name"].split(".")[0]
    if number == "6":
        core.clear(2, 3)
    if number in ("9", "13"):
        held = 1048802 | 2 << 32
        full, core = core, MemoryCore(core.key)
        request = Request(0, upgrade=full_upgrade(40), manifest=True)
        core.accept(full.prove(request))
        for index in range(40):
            if held >> index & 1:
                core.accept(full.prove(block_request(core, index)))
    return core


def full_upgrade(length: int) -> Any:
    from store.hypercore.records import UpgradeRequest

    return UpgradeRequest(0, length)


def block_request(core: MemoryCore, index: int) -> Request:
    from store.hypercore.proofs import missing_levels
    from store.hypercore.records import BlockRequest

    return Request(0, BlockRequest(index, missing_levels(2 * index, core.tip, core)))


def happen(core: MemoryCore, side: Side, event: str) -> None:
    """What the application of the holder did."""
    if event == "A.append 2 blocks":
        core.append(b"live-0", b"live-1")
    elif event == "A.append":
        core.append(b"pushed" if side.machine.context.options.allow_push else b"first")
    elif event == "A.replicator.push(2)":
        side.machine.push(2)
    elif event.startswith("A broadcast"):
        side.machine.send_extension(side.peer, "demo", b"hello")
        side.machine.send_extension(side.peer, "demo", b"again")
    side.turn()


def events_before(session: dict[str, Any], number: int) -> Sequence[str]:
    return [at["event"] for at in session["events"] if at["beforeFrame"] == number]


@pytest.mark.parametrize("which", OWN_ANSWERS)
def test_in_the_place_of_the_holder_answers_are_the_recorded_ones(which: int) -> None:
    session = SESSIONS[which]
    core = holder(session)
    side = Side(session, "A", core)
    side.turn()
    theirs: list[tuple[MessageKind, bytes]] = []
    for number, frame in enumerate(session["frames"]):
        for event in events_before(session, number):
            happen(core, side, event)
        data = bytes.fromhex(frame["frame"])
        if frame["from"] == "B":
            side.feed(data)
        else:
            theirs += messages_of(data)
    assert side.ended is None
    answers = (MessageKind.DATA, MessageKind.NO_DATA, MessageKind.BITFIELD)
    for kind in (*answers, MessageKind.EXTENSION):
        ours = [message for at, message in side.sent if at is kind]
        # What is answered at once may leave in another order.
        assert sorted(ours) == sorted(message for at, message in theirs if at is kind)
    ours_last = [decode_sync(at) for kind, at in side.sent if kind is MessageKind.SYNC][
        -1
    ]
    theirs_last = [decode_sync(at) for kind, at in theirs if kind is MessageKind.SYNC][
        -1
    ]
    assert ours_last._replace(remote_length=0) == theirs_last._replace(remote_length=0)
    assert open_handshake(side.frames) == open_handshake(
        [bytes.fromhex(at["frame"]) for at in session["frames"] if at["from"] == "A"]
    )


def open_handshake(frames: Sequence[bytes]) -> bytes:
    reader = Reader(frames[0])
    assert reader.uint() == 0
    assert reader.uint() == 1
    return read_open(reader).handshake


class Asker:
    """Has our side want what the recorded peer wanted, and renumbers the answers."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.recorded: dict[int, WireRequest] = {}
        self.used: set[int] = set()

    def asked(self, recorded: WireRequest) -> None:
        """The recorded peer asks: so shall we."""
        self.recorded[recorded.id] = recorded
        asking, request = self.side.machine.asking, recorded.request
        if request.upgrade is not None or request.manifest:
            # Asked for by itself; the newest block with it when a download is live.
            pass
        elif request.hash is not None:
            assert request.seek is not None
            levels = request.hash.nodes
            start = request.hash.index // 2 >> levels << levels
            self.side.dice.next = request.hash.index // 2 - start
            end = start + (1 << levels)
            asking.want_seek(SeekWish(request.seek, start, end, lambda: None))
        elif request.block is not None and recorded.priority:
            asking.want_block(request.block.index, 1, lambda: None)
        elif request.block is not None:
            asking.want_download(Download(blocks=[request.block.index]))
        self.side.machine.context.touch_all()
        self.side.turn()

    def renumbered(self, frame: bytes) -> bytes:
        """A recorded frame with the number of our own request in it."""
        found = messages_of(frame)
        if len(found) != 1 or found[0][0] is not MessageKind.DATA:
            return frame
        wire = decode_data(found[0][1])
        if wire.id == 0:
            return frame
        want = self.recorded[wire.id]
        for ours in reversed(self.side.requests()):
            if ours._replace(id=0) == want._replace(id=0):
                return b"\1\3" + encode_data(WireData(ours.id, wire.proof))
        raise AssertionError(f"never asked: {want}, but {self.side.requests()}")


# Not the third: there we ask for the block along with the longer tree, npm after it.
@pytest.mark.parametrize("which", [0, 1, 3, 4, 5, 6, 7, 8, 9, 12])
def test_in_the_place_of_the_reader_the_same_is_asked(which: int) -> None:
    session = SESSIONS[which]
    core = MemoryCore(bytes.fromhex(session["coreKey"]))
    side = Side(session, "B", core)
    asker = Asker(side)
    side.turn()
    for number, frame in enumerate(session["frames"]):
        data = bytes.fromhex(frame["frame"])
        if (which, number) == (1, 10):
            side.machine.asking.want_download(Download(100, None))
        if frame["from"] == "A":
            side.feed(asker.renumbered(data))
            continue
        for kind, message in messages_of(data):
            if kind is MessageKind.REQUEST:
                asker.asked(decode_request(message))
            elif kind is MessageKind.WANT and which != 12:
                asking_for = {5: 2, 8: 20}[which]
                side.machine.asking.want_block(asking_for, 1, lambda: None)
                side.turn()
    assert side.ended is None
    last = [message for kind, message in last_syncs(session, "B")]
    expected = decode_sync(last[-1])
    ours = [decode_sync(at) for kind, at in side.sent if kind is MessageKind.SYNC][-1]
    assert same_state(ours, expected)
    assert core.length == expected.length
    stored = {
        wire.proof.block.index: wire.proof.block.value
        for wire in (
            decode_data(message)
            for frame in session["frames"]
            if frame["from"] == "A"
            for kind, message in messages_of(bytes.fromhex(frame["frame"]))
            if kind is MessageKind.DATA
        )
        if wire.proof.block is not None and wire.proof.block.index < core.length
    }
    if which == 4:
        stored = {at: block for at, block in stored.items() if at < 3}
    assert core.blocks == stored


def last_syncs(session: dict[str, Any], name: str) -> list[tuple[MessageKind, bytes]]:
    return [
        (kind, message)
        for frame in session["frames"]
        if frame["from"] == name
        for kind, message in messages_of(bytes.fromhex(frame["frame"]))
        if kind is MessageKind.SYNC
    ]


def same_state(ours: Sync, theirs: Sync) -> bool:
    return ours == theirs


def test_two_idle_sides_close() -> None:
    session = SESSIONS[10]
    side = Side(session, "B", MemoryCore(bytes.fromhex(session["coreKey"])))
    side.turn()
    for frame in session["frames"]:
        if frame["from"] == "A":
            side.feed(bytes.fromhex(frame["frame"]))
    assert side.channel.closed
    assert side.ended is None


def test_the_recorded_conflict_freezes_us() -> None:
    session = SESSIONS[11]
    core = MemoryCore(key_pair=PAIR)
    # Not what the recorded peer had, but as little what the other one has.
    core.append(b"another", b"history")
    side = Side(session, "B", core)
    asker = Asker(side)
    side.turn()
    for frame in session["frames"]:
        data = bytes.fromhex(frame["frame"])
        if frame["from"] == "A":
            side.feed(asker.renumbered(data))
        else:
            for kind, message in messages_of(data):
                if kind is MessageKind.REQUEST:
                    asker.recorded[decode_request(message).id] = decode_request(message)
    assert core.frozen
    assert side.channel.closed
    recorded = [
        decode_request(message)
        for frame in session["frames"]
        for kind, message in messages_of(bytes.fromhex(frame["frame"]))
        if kind is MessageKind.REQUEST
    ]
    assert side.requests() == recorded
    proofs = [decode_data(at) for kind, at in side.sent if kind is MessageKind.DATA]
    # Our own tree, as npm does, and what contradicts it.
    assert [(at.id, at.proof.upgrade.start) for at in proofs if at.proof.upgrade] == [
        (0, 0),
        (0, 0),
    ]
