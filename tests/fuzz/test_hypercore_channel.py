"""The replicator's channel, given damaged messages in every state it can be in."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from net.crypto import KeyPair
from store.errors import RemoteProtocolError
from store.hypercore.messages import (
    BitfieldUpdate,
    MessageKind,
    NoData,
    RangeUpdate,
    Sync,
    Want,
    WireData,
    WireRequest,
    encode_bitfield,
    encode_cancel,
    encode_data,
    encode_no_data,
    encode_range,
    encode_request,
    encode_sync,
    encode_want,
)
from store.hypercore.records import (
    BlockRequest,
    Request,
    SeekRequest,
    UpgradeRequest,
)
from store.hypercore.replicator import (
    Download,
    Peer,
    Replicator,
    ReplicatorOptions,
    SeekWish,
)
from store.hypercore.replicator.availability import MAX_DENIED, MAX_PAGES
from store.hypercore.replicator.peer import MAX_WAITING_REQUESTS, MAX_WAITING_WANTS
from store.hypercore.replicator.wants import MAX_LOCAL_WANTS
from tests.fuzz.mutations import mutated
from tests.helpers.memory_core import MemoryCore

PAIR = KeyPair.from_seed(b"\1" * 32)
LENGTH = 40


def whole_core(*, fork: int = 0) -> MemoryCore:
    core = MemoryCore(key_pair=PAIR)
    core.append(*(f"block-{at}".encode() for at in range(LENGTH)))
    for _ in range(fork):
        core.truncate(20)
        core.append(*(f"other-{at}".encode() for at in range(20, LENGTH)))
    return core


def another_history() -> MemoryCore:
    core = MemoryCore(key_pair=PAIR)
    core.append(*(f"false-{at}".encode() for at in range(LENGTH)))
    return core


WHOLE, FORKED, FALSE = whole_core(), whole_core(fork=1), another_history()
EVERYTHING = UpgradeRequest(0, LENGTH)
REQUESTS = [
    Request(0, upgrade=EVERYTHING, manifest=True),
    Request(0, BlockRequest(3, 5)),
    Request(0, BlockRequest(39, 0), upgrade=UpgradeRequest(30, 10)),
    Request(0, hash=BlockRequest(20, 3), seek=SeekRequest(65, 0)),
    Request(0, upgrade=UpgradeRequest(10, 30)),
    *(Request(0, BlockRequest(at, 0)) for at in range(0, LENGTH, 7)),
]
PROOFS = [
    *(WHOLE.prove(request) for request in REQUESTS),
    FORKED.prove(Request(1, upgrade=EVERYTHING, manifest=True)),
    FORKED.prove(Request(1, hash=BlockRequest(40, 3))),
    FALSE.prove(Request(0, upgrade=EVERYTHING)),
    FALSE.prove(Request(0, BlockRequest(3, 3))),
]
SYNCS = [
    Sync(fork, length, acked, can_upgrade=True, downloading=True, has_manifest=True)
    for fork, length, acked in (
        (0, 0, 0),
        (0, LENGTH, 0),
        (0, LENGTH, LENGTH),
        (1, LENGTH, 0),
        (1, 0, 0),
        (9, 2**50, 2**50),
    )
]
VALID: dict[MessageKind, list[bytes]] = {
    MessageKind.SYNC: list(map(encode_sync, [*SYNCS, Sync(0, 1, 1, uploading=False)])),
    MessageKind.REQUEST: [
        encode_request(WireRequest(number, request, number % 2))
        for number, request in enumerate(REQUESTS * 2)
    ],
    MessageKind.CANCEL: [encode_cancel(1), encode_cancel(300)],
    MessageKind.DATA: [
        encode_data(WireData(number, proof))
        for number in (0, 1, 2, 3)
        for proof in PROOFS
    ],
    MessageKind.NO_DATA: [
        encode_no_data(NoData(number, reason))
        for number in (0, 1, 2)
        for reason in (0, 1, 2)
    ],
    MessageKind.WANT: [
        encode_want(want)
        for want in (
            Want(0, 1 << 21),
            Want(32, 32),
            Want(1, 7),
            Want(0, 2**40),
            Want(8, 8, any=True),
        )
    ],
    MessageKind.UNWANT: [
        encode_want(Want(0, 1 << 21)),
        encode_want(Want(8, 8, any=True)),
    ],
    MessageKind.BITFIELD: [
        encode_bitfield(BitfieldUpdate(start, bits))
        for start in (0, 32, 2**40)
        for bits in (b"", b"\xff\0\xff\0", b"\xff" * 4096)
    ],
    MessageKind.RANGE: [
        encode_range(RangeUpdate(start, length, drop))
        for start in (0, 5, 2**50)
        for length in (0, 1, LENGTH, 2**51)
        for drop in (False, True)
    ],
    MessageKind.EXTENSION: [b"\4demohello", b"\0again", b"\3\xff\xff\xff"],
}

Message = tuple[MessageKind, bytes]
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    *(
        st.tuples(st.just(kind), mutated(valid, max_changes=2))
        for kind, valid in VALID.items()
    )
)
INTENTS = st.sampled_from(("time passes", "commit", "append", "load", "get"))


class Recorder:
    """A link that keeps nothing but what must hold."""

    def __init__(self) -> None:
        self.open = True
        self.sent_bytes = 0

    def send(self, kind: int, message: bytes) -> bool:
        assert kind in MessageKind.__members__.values()
        self.sent_bytes += len(message)
        return self.open

    def close(self, code: str | None) -> None:
        del code
        self.open = False


def machine_over(core: MemoryCore, *, push: bool) -> tuple[Replicator, Peer, Recorder]:
    machine = Replicator(
        core, random.Random(5), options=ReplicatorOptions(allow_push=push)
    )
    core.machine = machine
    link = Recorder()
    peer = Peer(link, b"fuzz")
    machine.open_peer(peer, seeks=True)
    machine.asking.want_download(Download(0, None))
    machine.asking.want_download(Download(blocks=[3, 77, 5000]))
    machine.asking.want_block(9, 2, lambda: None)
    machine.asking.want_seek(SeekWish(SeekRequest(65, 0), 0, 16, lambda: None))
    return machine, peer, link


def check_bounds(peer: Peer) -> None:
    assert len(peer.asks) <= 512 + 64
    assert len(peer.waiting) <= MAX_WAITING_REQUESTS
    assert len(peer.normal) + len(peer.urgent) <= 2 * MAX_WAITING_REQUESTS + 1
    assert len(peer.waiting_wants) <= MAX_WAITING_WANTS
    assert len(peer.local_wants) <= MAX_LOCAL_WANTS
    assert len(peer.unverified) <= 512 + 64
    assert len(peer.delayed) <= 64
    has: Any = peer.has
    assert len(has._bits.pages()) <= MAX_PAGES
    assert len(has._denied) <= MAX_DENIED


def do(
    machine: Replicator, core: MemoryCore, peer: Peer, intent: str, now: float
) -> None:
    if intent == "time passes":
        due = machine.get_timer()
        assert due is None or due < now + 120
        machine.handle_timer(now)
    elif intent == "append" and core.key_pair is not None and not core.frozen:
        core.append(b"new")
    elif intent == "get":
        machine.asking.want_block(17, 1, lambda: None)
    core.commit()
    core.not_loaded.clear()
    loads = machine.take_loads()
    for at, _ in loads.answers:
        machine.answers_loaded(at)
    for at, _ in loads.proofs:
        machine.proofs_loaded(at, now)
    for at, _ in loads.forks:
        machine.fork_loaded(at)
    del peer


@given(
    st.lists(MESSAGES | INTENTS, max_size=40),
    st.sampled_from(("empty", "whole", "half")),
    st.booleans(),
)
@settings(max_examples=400)
def test_only_a_protocol_error_ends_a_channel(
    inputs: list[Message | str], start: str, push: bool
) -> None:
    core = whole_core() if start == "whole" else MemoryCore(WHOLE.key, slow=push)
    if start == "half":
        core.accept(WHOLE.prove(REQUESTS[0]))
        core.accept(WHOLE.prove(REQUESTS[1]))
        core.commit()
        core.not_loaded = {1, 8}
    truth = {**WHOLE.blocks}
    machine, peer, link = machine_over(core, push=push)
    now = 0.0
    for each in inputs:
        now += 1.5 if each == "time passes" else 0.01
        if isinstance(each, str):
            do(machine, core, peer, each, now)
        else:
            with suppress(RemoteProtocolError):
                machine.receive(peer, each[0], each[1], now)
        machine.flush(now)
        with suppress(RemoteProtocolError):
            machine.serve(peer, 1 << 16, now)
        check_bounds(peer)
        if not link.open:
            machine.close_peer(peer)
            break
    core.commit()
    assert link.sent_bytes < 1 << 24
    for index, block in core.blocks.items():
        known = {truth.get(index), FORKED.blocks.get(index), FALSE.blocks.get(index)}
        assert block in known or block == b"new"
