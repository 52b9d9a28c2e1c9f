"""Recorded connections of npm peers: read, deciphered, and made again byte for byte.

The captures' keys and ephemeral seeds are fixed, so both Noise messages, the relays'
envelopes and the hole punch boxes must come out of our machines exactly as recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from net.crypto import KeyPair, blake2b_256
from net.dht.constants import NS_ANNOUNCE, NS_UNANNOUNCE, Command, Firewall
from net.dht.handshake import (
    ClientHandshake,
    PayloadBox,
    ServerHandshake,
    holepunch_secret,
)
from net.dht.messages import (
    Announcement,
    HandshakeMessage,
    HolepunchMessage,
    HolepunchPayload,
    Mode,
    PeerRecord,
)
from net.dht.records import verify_announcement
from net.dht.router import Forward, Router
from net.rpc import Address, Request, node_id, unpack_address
from net.rpc.messages import (
    RequestMessage,
    ResponseMessage,
    decode_request,
    decode_response,
)
from tests.helpers.vectors import load_vectors
from tests.unit.net.dht.requests import RecordedRequest

CASES = [
    *load_vectors("hyperdht-connect-transcript")["cases"],
    *load_vectors("hyperdht-wire-capture")["cases"],
]
every_case = pytest.mark.parametrize("case", CASES, ids=[c["desc"][:40] for c in CASES])


@dataclass
class Packet:
    """One datagram of a capture."""

    source: Address
    destination: Address
    data: bytes
    told: dict[str, Any]

    def request(self) -> RequestMessage | None:
        """The request in it, if it is one."""
        return decode_request(self.data) if self.data[:1] == b"\x03" else None

    def response(self) -> ResponseMessage | None:
        """The response in it, if it is one."""
        return decode_response(self.data) if self.data[:1] == b"\x13" else None


def packets(case: Any) -> Iterator[Packet]:
    for told in case["packets"]:
        port = [int(told[end].rsplit(":", 1)[1]) for end in ("from", "to")]
        yield Packet(
            ("127.0.0.1", port[0]),
            ("127.0.0.1", port[1]),
            bytes.fromhex(told["packet"]),
            told,
        )


def handshakes(case: Any) -> list[tuple[Packet, RequestMessage, HandshakeMessage]]:
    found = []
    for packet in packets(case):
        request = packet.request()
        if request is None or request.internal or request.command != 0:
            continue
        assert request.value is not None
        found.append((packet, request, HandshakeMessage.decode(request.value)))
    assert found
    return found


def pairs(case: Any) -> dict[str, KeyPair]:
    return {
        who: KeyPair.from_seed(bytes.fromhex(case[who + "_seed"]))
        for who in ("client_static", "server_static")
    }


@every_case
def test_both_noise_messages_are_made_again(case: Any) -> None:
    keys = pairs(case)
    messages = [message for _, _, message in handshakes(case)]
    first = next(m.noise for m in messages if m.mode == Mode.FROM_CLIENT)
    answer = next(m.noise for m in messages if m.mode == Mode.FROM_SERVER)
    client = ClientHandshake(
        keys["client_static"],
        keys["server_static"].public_key,
        entropy=lambda _: bytes.fromhex(case["client_ephemeral_seed"]),
    )
    server = ServerHandshake(
        keys["server_static"],
        entropy=lambda _: bytes.fromhex(case["server_ephemeral_seed"]),
    )
    hello = server.receive(first)
    assert client.start(hello) == first
    assert hello.udx is not None
    welcome = client.receive(answer)
    assert server.reply(welcome) == answer
    assert server.remote_public_key == keys["client_static"].public_key
    assert client.result is not None
    assert server.result is not None
    told = case["keys"]
    assert client.result.handshake_hash.hex() == told["handshake_hash"]
    assert client.result.tx.hex() == server.result.rx.hex() == told["client_tx"]
    assert client.result.rx.hex() == server.result.tx.hex() == told["client_rx"]
    secret = holepunch_secret(client.result.handshake_hash)
    assert secret.hex() == told["holepunch_secret"]
    is_open = case["desc"].startswith("server not firewalled")
    assert welcome.firewall == (Firewall.OPEN if is_open else Firewall.UNKNOWN)
    assert (welcome.holepunch is None) is is_open


@every_case
def test_a_relay_of_ours_sends_what_npms_sent(case: Any) -> None:
    """Each request to a relay, put into our router, gives the recorded next hop."""
    target = blake2b_256(pairs(case)["server_static"].public_key)
    sent = list(packets(case))
    checked = 0
    for packet in sent:
        request = packet.request()
        if request is None or request.internal or request.command > 1:
            continue
        onward = next_hop(packet, request, sent)
        if onward is None:
            continue
        router = Router()
        relay = onward.destination
        router.set(target, Forward(record=b"", relay=relay), 0.0)
        came_in = RecordedRequest(
            request.command, request.target, request.value, source=packet.source
        )
        assert router.handle(cast(Request, came_in), 0.0)
        answer = onward.request() or onward.response()
        assert answer is not None
        if came_in.relayed:
            assert came_in.relayed == [(answer.value, relay, None)]
        else:
            (reply,) = came_in.replies
            assert reply["value"] == answer.value
            assert reply["to"] == onward.destination
            assert not reply["token"]
            assert not reply["closer_nodes"]
        checked += 1
    assert checked >= 2


def next_hop(packet: Packet, request: RequestMessage, sent: list[Packet]) -> Any:
    """What the receiver of a request sent next under its number, to somebody else."""
    for later in sent[sent.index(packet) + 1 :]:
        message = later.request() or later.response()
        if message is None or message.tid != request.tid or message.value is None:
            continue
        # A server answers from its punch socket, so only relays keep their port.
        if later.source == packet.destination and later.destination != packet.source:
            return later
    return None


@every_case
def test_hole_punch_boxes_open_and_close_as_recorded(case: Any) -> None:
    secret = bytes.fromhex(case["keys"]["holepunch_secret"])
    opened = 0
    for packet in packets(case):
        request = packet.request()
        if request is None or request.internal or request.command != 1:
            continue
        assert request.value is not None
        message = HolepunchMessage.decode(request.value)
        assert message.encode() == request.value
        drawn = iter([bytes(32), message.payload[:24]])
        box = PayloadBox(secret, entropy=lambda size, drawn=drawn: next(drawn)[:size])
        payload = box.open(message.payload)
        assert box.seal(payload) == message.payload
        opened += 1
        told = packet.told.get("holepunch")
        if told is not None:
            assert_told(payload, told["decrypted"])
    punched = "hole" in case["desc"] and "not firewalled" not in case["desc"]
    assert (opened > 0) is punched


def assert_told(payload: HolepunchPayload, told: dict[str, Any]) -> None:
    assert payload.error == told["error"]
    assert payload.firewall == told["firewall"]
    assert payload.round == told["round"]
    assert payload.punching is told["punching"]
    assert payload.connected is told["connected"]
    assert (payload.token or b"").hex() == (told["token"] or "")
    assert (payload.remote_token or b"").hex() == (told["remoteToken"] or "")
    listed = told["addresses"]
    expected = None if listed is None else tuple((a["host"], a["port"]) for a in listed)
    assert payload.addresses == expected


@pytest.mark.parametrize("case", load_vectors("hyperdht-wire-capture")["cases"])
def test_recorded_announcements_verify(case: Any) -> None:
    server = pairs(case)["server_static"]
    target = blake2b_256(server.public_key)
    seen = {Command.ANNOUNCE: 0, Command.UNANNOUNCE: 0}
    found = 0
    for packet in packets(case):
        response = packet.response()
        if response is not None and response.value and "FIND_PEER" not in packet.told:
            value = response.value
            if value[:32] == server.public_key:
                assert PeerRecord.decode(value) == PeerRecord(server.public_key)
                found += 1
        request = packet.request()
        if request is None or request.internal or request.command not in (4, 5):
            continue
        assert request.target == target
        assert request.token is not None
        assert request.value is not None
        announcement = Announcement.decode(request.value)
        assert announcement.encode() == request.value
        assert announcement.peer == PeerRecord(server.public_key)
        command = Command(request.command)
        assert verify_announcement(
            announcement,
            NS_ANNOUNCE if command is Command.ANNOUNCE else NS_UNANNOUNCE,
            target=target,
            node_id=node_id(unpack_address(request.to)),
            token=request.token,
        )
        seen[command] += 1
    assert seen == {Command.ANNOUNCE: 3, Command.UNANNOUNCE: 3}
    assert found >= 3
