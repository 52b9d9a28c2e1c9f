"""Decoders and machines of the DHT, fed with valid messages a little damaged.

Decoders refuse with ``RemoteProtocolError`` or give a value that encodes to something
they read the same way. Machines drop, count and stay usable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from net.crypto import KeyPair, secretbox_seal
from net.dht.constants import MAX_PAYLOAD_ADDRESSES, Address, Command
from net.dht.handshake import ClientHandshake, PayloadBox, ServerHandshake
from net.dht.messages import (
    Announcement,
    DhtAddress,
    HandshakeMessage,
    HolepunchMessage,
    HolepunchPayload,
    LookupReply,
    MutablePut,
    MutableValue,
    NoisePayload,
    PeerRecord,
    PluginRequest,
    encode_lookup_reply,
)
from net.dht.nat import Nat
from net.dht.persistent import Persistent
from net.dht.router import Forward, Router
from net.errors import RemoteProtocolError
from net.rpc import Request
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors
from tests.unit.net.dht.requests import RecordedRequest

CASES = load_vectors("hyperdht-messages")["cases"]
NODE_ID, TOKEN = b"\xdd" * 32, b"\xcc" * 32

M = TypeVar("M", bound="Message")


class Message(Protocol):
    def encode(self) -> bytes: ...


def encoded(*kinds: str, field: str = "encoded") -> list[bytes]:
    return [bytes.fromhex(c[field]) for c in CASES if c["kind"] in kinds]


DECODERS: dict[str, tuple[Callable[[bytes], Message], list[bytes]]] = {
    "handshake": (HandshakeMessage.decode, encoded("peer_handshake")),
    "holepunch": (HolepunchMessage.decode, encoded("peer_holepunch")),
    "noise-payload": (NoisePayload.decode, encoded("noise_payload")),
    "holepunch-payload": (HolepunchPayload.decode, encoded("holepunch_payload")),
    "peer": (PeerRecord.decode, encoded("peer")),
    "announce": (Announcement.decode, encoded("announce", "unannounce")),
    "mutable-put": (MutablePut.decode, encoded("mutable", field="put_request")),
    "mutable-value": (MutableValue.decode, encoded("mutable", field="get_response")),
    "plugin": (PluginRequest.decode, encoded("plugin_request")),
    "address": (DhtAddress.decode, encoded("hyperdht_address")),
}


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
@settings(max_examples=300)
def test_decoders_refuse_or_agree_with_their_encoder(
    name: str, data: st.DataObject
) -> None:
    decode, valid = DECODERS[name]
    damaged = data.draw(mutated(valid))
    try:
        message = decode(damaged)
    except RemoteProtocolError:
        return
    if isinstance(message, NoisePayload) and message.version != 1:
        return  # of other versions nothing but the number is kept
    assert decode(message.encode()) == message
    for listed in ("addresses4", "addresses", "relay_addresses", "nodes"):
        assert len(getattr(message, listed, None) or ()) <= MAX_PAYLOAD_ADDRESSES


@given(mutated(encoded("lookup_reply")))
@settings(max_examples=300)
def test_lookup_replies_refuse_or_agree(damaged: bytes) -> None:
    try:
        reply = LookupReply.decode(damaged)
    except RemoteProtocolError:
        return
    again = encode_lookup_reply([p.encode() for p in reply.peers], reply.bump)
    assert LookupReply.decode(again) == reply


# -- sealed messages -------------------------------------------------------------

CLIENT, SERVER = KeyPair.from_seed(b"\x01" * 32), KeyPair.from_seed(b"\x02" * 32)


def fixed(byte: int) -> Callable[[int], bytes]:
    return lambda size: bytes((byte,)) * size


def client() -> ClientHandshake:
    return ClientHandshake(CLIENT, SERVER.public_key, entropy=fixed(3))


HELLO = client().start(NoisePayload(secret_stream_version=1))


def welcome() -> bytes:
    server = ServerHandshake(SERVER, entropy=fixed(4))
    server.receive(HELLO)
    return server.reply(NoisePayload(secret_stream_version=1))


WELCOME = welcome()


@given(mutated([HELLO]))
@settings(max_examples=200)
def test_servers_take_only_the_true_hello(damaged: bytes) -> None:
    server = ServerHandshake(SERVER, entropy=fixed(4))
    try:
        server.receive(damaged)
    except RemoteProtocolError:
        assert damaged != HELLO
        return
    assert damaged == HELLO


@given(st.lists(mutated([WELCOME]), max_size=4))
@settings(max_examples=200)
def test_clients_survive_forged_answers(forged: list[bytes]) -> None:
    shaking = client()
    payload = NoisePayload(secret_stream_version=1)
    assert shaking.start(payload) == HELLO
    for damaged in forged:
        if damaged == WELCOME:
            continue
        with pytest.raises(RemoteProtocolError):
            shaking.receive(damaged)
        assert shaking.result is None
    assert shaking.receive(WELCOME) == payload
    assert shaking.result is not None
    assert shaking.start(payload) == HELLO


BOX = PayloadBox(b"k" * 32, entropy=fixed(5))
SEALED = [
    BOX.seal(HolepunchPayload.decode(plain)) for plain in encoded("holepunch_payload")
]


@given(mutated(SEALED))
@settings(max_examples=200)
def test_boxes_open_only_as_sealed(damaged: bytes) -> None:
    try:
        BOX.open(damaged)
    except RemoteProtocolError:
        assert damaged not in SEALED
        return
    assert damaged in SEALED


@given(mutated(encoded("holepunch_payload")))
@settings(max_examples=200)
def test_boxes_hold_what_a_peer_may_put_in(damaged: bytes) -> None:
    """The peer holds the key: what deciphers may still be nonsense."""
    nonce = bytes(24)
    try:
        BOX.open(nonce + secretbox_seal(damaged, nonce, b"k" * 32))
    except RemoteProtocolError:
        return


# -- machines --------------------------------------------------------------------


class Sink:
    """A server that takes everything in and says nothing."""

    def on_handshake(self, *_: object) -> None:
        """Nothing."""

    def on_holepunch(self, *_: object) -> None:
        """Nothing."""


TARGET = b"t" * 32
ROUTED = encoded("peer_handshake", "peer_holepunch")


@given(
    command=st.sampled_from([Command.PEER_HANDSHAKE, Command.PEER_HOLEPUNCH]),
    value=st.none() | mutated(ROUTED),
    kind=st.sampled_from(["none", "relay", "server"]),
)
@settings(max_examples=300)
def test_the_router_passes_on_at_most_once(
    command: Command, value: bytes | None, kind: str
) -> None:
    router = Router()
    if kind == "relay":
        router.set(TARGET, Forward(b"", relay=("1.2.3.4", 5)), 0.0)
    elif kind == "server":
        router.set(TARGET, Forward(b"", server=Sink()), 0.0)
    request = RecordedRequest(command, TARGET, value)
    assert router.handle(cast(Request, request), 0.0)
    sent = len(request.replies) + len(request.relayed)
    assert sent <= 1
    assert sum(router.dropped.values()) <= 1 - sent
    assert all(to[1] > 0 for _, to, _ in request.relayed)


COMMANDS = [c for c in Command if Command.FIND_PEER <= c <= Command.IMMUTABLE_GET]
VALUES = [
    *encoded("announce", "unannounce", "announce_refresh_only"),
    *encoded("mutable", field="put_request"),
    *encoded("mutable", field="get_request_value"),
]
TARGETS = [bytes.fromhex(c["target"]) for c in CASES if "target" in c]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(COMMANDS),
            st.none() | st.sampled_from(TARGETS),
            st.none() | st.just(TOKEN),
            st.none() | mutated(VALUES),
        ),
        max_size=20,
    )
)
@settings(max_examples=150)
def test_storage_answers_at_most_once_and_keeps_what_verifies(steps: Any) -> None:
    router = Router()
    node = Persistent(router=router, node_id=lambda: NODE_ID, entropy=fixed(1))
    for command, target, token, value in steps:
        request = RecordedRequest(command, target, value, token)
        assert node.handle(cast(Request, request), 0.0)
        assert len(request.replies) <= 1
        if command in (Command.ANNOUNCE, Command.MUTABLE_PUT) and request.replies:
            assert None not in (target, token, value)


ADDRESSES = st.tuples(
    st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3"]), st.integers(0, 3)
)


@given(st.booleans(), st.lists(st.tuples(ADDRESSES, st.integers(0, 30)), max_size=30))
@settings(max_examples=200)
def test_verdicts_stay_within_what_was_sampled(
    firewalled: bool, samples: list[tuple[Address, int]]
) -> None:
    nat = Nat(lambda: firewalled)
    for address, number in samples:
        nat.add(address, ("9.9.9.9", number + 1))
    assert nat.sample_count == len({number for _, number in samples})
    hosts = {address[0] for address, _ in samples}
    for host, _ in nat.addresses or ():
        assert host in hosts
    if not firewalled:
        assert nat.addresses is None
