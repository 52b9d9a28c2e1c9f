"""Invariant: a mutated dht-rpc datagram is read or refused, and never anything else.

What was read is written and read again to the same message. A node that hears such
datagrams keeps its tables and queues within their limits.
"""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from net.errors import RemoteProtocolError
from net.flow import Scheduler
from net.rpc import CLIENT, SERVER, Address, Request, RpcNode, unpack_address
from net.rpc.messages import (
    DELAYED_PING,
    MAX_CLOSER_NODES,
    PING_NAT,
    REQUEST,
    RESPONSE,
    RequestMessage,
    ResponseMessage,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from net.rpc.responder import MAX_DELAYED_PINGS
from tests.unit.net.rpc.vectors import cases

REQUESTS = [bytes.fromhex(case["packet"]) for case in cases("request")]
RESPONSES = [bytes.fromhex(case["packet"]) for case in cases("response")]
SEEDS = [
    *REQUESTS,
    *RESPONSES,
    encode_request(RequestMessage(1, bytes(6), None, None, True, 1 << 40, None, b"")),
    encode_request(
        RequestMessage(2, bytes(6), bytes(32), bytes(32), False, 300, bytes(32), None)
    ),
    encode_request(
        RequestMessage(3, bytes(6), None, None, True, DELAYED_PING, None, bytes(4))
    ),
    encode_request(
        RequestMessage(4, bytes(6), None, None, True, PING_NAT, None, b"\1\1")
    ),
    encode_response(
        ResponseMessage(5, bytes(6), bytes(32), bytes(32), bytes(180), 70_000, b"v")
    ),
]
LENGTH_BYTES = [0, 1, 2, 20, 21, 252, 253, 254, 255]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid datagram with a few bytes changed, cut, doubled or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1)) if data else 0
        kind = draw(st.sampled_from(["set", "flags", "length", "cut", "put", "bit"]))
        if not data:
            break
        if kind == "set":
            data[at] = draw(st.integers(0, 255))
        elif kind == "flags" and len(data) > 1:
            data[1] = draw(st.integers(0, 255))
        elif kind == "length":
            data[at] = draw(st.sampled_from(LENGTH_BYTES))
        elif kind == "cut":
            del data[at:]
        elif kind == "put":
            data[at:at] = draw(st.binary(max_size=40))
        else:
            data[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@settings(max_examples=600)
@given(mutated())
def test_requests_are_read_or_refused(data: bytes) -> None:
    try:
        message = decode_request(data)
    except RemoteProtocolError:
        return
    assert len(message.to) == 6
    assert message.id is None or len(message.id) == 32
    assert message.token is None or len(message.token) == 32
    assert message.target is None or len(message.target) == 32
    assert message.value is None or len(message.value) <= len(data)
    assert decode_request(encode_request(message)) == message


@settings(max_examples=600)
@given(mutated())
def test_responses_are_read_or_refused(data: bytes) -> None:
    try:
        message = decode_response(data)
    except RemoteProtocolError:
        return
    assert len(message.closer) % 6 == 0
    assert len(message.closer) <= 6 * MAX_CLOSER_NODES
    again = decode_response(encode_response(message))
    assert again == message


class Victim:
    """A node that hears whatever comes, with requests and queries of its own."""

    def __init__(self) -> None:
        self.node = RpcNode(
            scheduler=Scheduler(now=0.0),
            entropy=random.Random(1).randbytes,
            bootstrap=[("10.0.0.1", 1)],
            public_address=("10.0.0.2", 49737),
            ephemeral=False,
            firewalled=False,
            on_request=self._answer,
        )
        self.node.start(server_port=49737, client_port=51000)
        self.now = 0.0

    def _answer(self, request: Request) -> bool:
        request.reply(request.value)
        return request.command < 100

    def hear(self, data: bytes, source: Address, socket: int) -> None:
        if data[:1] in (bytes((REQUEST,)), bytes((RESPONSE,))) and len(data) > 4:
            # Let some responses meet a request that is in flight.
            tids = list(self.node.exchange.requests._in_flight)
            if data[0] == RESPONSE and tids:
                data = data[:2] + tids[0].to_bytes(2, "little") + data[4:]
        self.node.receive_datagram(data, source, self.now, socket=socket)
        self.now += 0.37
        self.node.handle_timer(self.now)
        assert len(self.node.datagrams_to_send()) <= 200
        assert self.node.requests_in_flight <= 200
        assert len(self.node.responder._delayed) <= MAX_DELAYED_PINGS
        assert self.node.table.size <= 256 * 20


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(mutated(), st.binary(min_size=6, max_size=6), st.booleans()),
        max_size=40,
    )
)
def test_a_node_survives_what_it_hears(heard: list[tuple[bytes, bytes, bool]]) -> None:
    victim = Victim()
    query = victim.node.query(bytes(32), 3, commit=True)
    for data, packed, on_server in heard:
        victim.hear(data, unpack_address(packed), SERVER if on_server else CLIENT)
    for _ in range(100):
        victim.now += 1.0
        victim.node.handle_timer(victim.now)
        victim.node.datagrams_to_send()
    assert query.finished.settled
    assert victim.node.stats.queries.active <= 1
