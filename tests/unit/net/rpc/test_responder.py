"""Answers to requests of others: recorded bytes, internal commands, tokens, limits."""

from __future__ import annotations

import random
from typing import Any

import pytest

from net.errors import RemoteProtocolError
from net.rpc import Request, node_id, pack_address
from net.rpc.messages import (
    DELAYED_PING,
    DOWN_HINT,
    FIND_NODE,
    INVALID_TOKEN,
    PING,
    PING_NAT,
    UNKNOWN_COMMAND,
)
from net.rpc.responder import MAX_DELAYED_PINGS
from net.rpc.stats import DropReason
from tests.unit.net.rpc.bench import CLIENT, OWN, PEER, SERVER, Bench, peers
from tests.unit.net.rpc.vectors import cases

TARGET = bytes(range(32))


def recorded_entropy() -> Any:
    """Gives what the recorded responder drew: its token secrets follow its table id."""
    drawn = [bytes(32), b"\x11" * 32, b"\x22" * 32]
    other = random.Random(1).randbytes
    return lambda size: drawn.pop(0) if size == 32 and drawn else other(size)


class Recorded:
    """Answers as the recorded responder did."""

    def __init__(self, description: str) -> None:
        self.description = description

    def __call__(self, request: Request) -> bool:
        if "value+token" in self.description:
            request.reply(b"hello")
        elif "null value" in self.description:
            request.reply()
        elif "without token" in self.description:
            request.reply(token=False, closer_nodes=False)
        elif "SEQ_REUSED" in self.description:
            request.reply(error=16)
        elif "INVALID_TOKEN" in self.description:
            request.reply(error=INVALID_TOKEN, token=True)
        else:
            return False
        return True


@pytest.mark.parametrize("case", cases("response"), ids=lambda case: case["desc"])
def test_answers_are_the_recorded_bytes(case: dict[str, Any]) -> None:
    make = Bench.persistent if case["responder_persistent"] else Bench
    bench = make(entropy=recorded_entropy(), on_request=Recorded(case["desc"]))
    expected = bytes.fromhex(case["packet"])
    if expected[1] & 4:
        for number in (1, 2, 3):
            bench.node.add_node((f"10.1.0.{number}", 1000 + number))
    source = (case["request_from"]["host"], case["request_from"]["port"])
    socket = SERVER if case["received_on"] == "server" else CLIENT
    bench.hear(bytes.fromhex(case["request"]), source=source, socket=socket)
    ((leaving, data, to, _),) = bench.node.datagrams_to_send()
    assert data == expected
    assert (leaving, to) == (socket, (case["sent_to"]["host"], case["sent_to"]["port"]))


def test_a_ping_is_answered_without_token_and_nodes() -> None:
    bench = Bench.persistent()
    bench.meet(*peers(5))
    (sent,) = bench.ask(PING, internal=True, target=TARGET, value=bytes(500))
    assert sent.to == PEER
    assert sent.response.id == node_id(OWN)
    assert (sent.response.token, sent.response.closer) == (None, b"")


def test_ping_nat_is_answered_to_the_port_asked_for() -> None:
    bench = Bench()
    (sent,) = bench.ask(PING_NAT, internal=True, value=(40001).to_bytes(2, "little"))
    assert sent.to == (PEER[0], 40001)
    assert sent.response.to == pack_address((PEER[0], 40001))


def test_find_node_names_at_most_twenty() -> None:
    bench = Bench.persistent()
    bench.meet(*peers(60))
    (sent,) = bench.ask(FIND_NODE, internal=True, target=TARGET)
    assert len(sent.response.closer) == 20 * 6
    assert sent.response.token is None


@pytest.mark.parametrize(
    ("command", "value"),
    [
        (PING_NAT, None),
        (PING_NAT, b"\1"),
        (PING_NAT, b"\0\0"),
        (FIND_NODE, None),
        (DOWN_HINT, None),
        (DOWN_HINT, bytes(5)),
        (DELAYED_PING, None),
        (DELAYED_PING, bytes(3)),
        (DELAYED_PING, (10_001).to_bytes(4, "little")),
    ],
)
def test_bad_internal_requests_are_dropped_and_counted(
    command: int, value: bytes | None
) -> None:
    bench = Bench()
    assert not bench.ask(command, internal=True, value=value)
    assert bench.node.stats.dropped == {DropReason.BAD_REQUEST: 1}
    bench.advance(60.0)
    assert not bench.sent()


@pytest.mark.parametrize("internal", [True, False])
def test_what_nobody_knows_is_an_unknown_command(internal: bool) -> None:
    bench = Bench.persistent(on_request=lambda _: False)
    bench.meet(*peers(3))
    (sent,) = bench.ask(99, internal=internal, target=TARGET)
    assert sent.response.error == UNKNOWN_COMMAND
    assert sent.response.token is None
    assert len(sent.response.closer) == 3 * 6
    (sent,) = bench.ask(99, internal=internal)
    assert sent.response.closer == b""


def test_without_any_handler_user_commands_are_unknown() -> None:
    bench = Bench(on_request=None)
    (sent,) = bench.ask(3)
    assert sent.response.error == UNKNOWN_COMMAND


def test_the_handler_sees_the_request_and_may_answer_later() -> None:
    bench = Bench.persistent()
    assert not bench.ask(3, target=TARGET, value=b"v", persistent=True, tid=9)
    (request,) = bench.requests
    assert (request.command, request.target, request.value) == (3, TARGET, b"v")
    assert (request.source, request.source_id) == (PEER, node_id(PEER))
    assert (request.socket, request.tid, request.token_valid) == (SERVER, 9, False)
    bench.advance(2.0)
    request.reply(b"late", to=("10.7.7.7", 7), socket=CLIENT)
    (sent,) = (s for s in bench.sent() if s.to == ("10.7.7.7", 7))
    assert (sent.socket, sent.response.value) == (CLIENT, b"late")
    assert sent.response.id is None
    assert sent.response.token == bench.node.issue_token("10.7.7.7")


def test_a_token_given_is_accepted_from_the_same_host_only() -> None:
    bench = Bench.persistent()
    bench.ask(3, target=TARGET)
    bench.requests[0].reply()
    token = bench.sent()[0].response.token
    assert token is not None
    bench.ask(4, token=token, source=(PEER[0], 999))
    assert bench.requests[1].token_valid
    (sent,) = bench.ask(4, token=token, source=("10.0.0.10", PEER[1]), target=TARGET)
    assert sent.response.error == INVALID_TOKEN
    assert sent.response.token == bench.node.issue_token("10.0.0.10")
    assert len(bench.requests) == 2


def test_a_sender_with_a_wrong_token_does_not_enter_the_table() -> None:
    bench = Bench.persistent()
    bench.ask(4, token=bytes(32), persistent=True)
    assert bench.node.table.size == 0


def test_a_request_is_passed_on_with_its_number_and_another_body() -> None:
    bench = Bench.persistent()
    bench.ask(0, target=TARGET, value=b"one", tid=4321)
    bench.requests[0].relay(b"two", ("10.8.8.8", 8))
    (sent,) = bench.sent()
    message = sent.request
    assert (sent.to, sent.socket) == (("10.8.8.8", 8), SERVER)
    assert (message.tid, message.command, message.target) == (4321, 0, TARGET)
    assert (message.value, message.token, message.internal) == (b"two", None, False)
    assert message.id == node_id(OWN)


def test_a_handler_that_cannot_read_the_value_counts_as_malformed() -> None:
    def refuse(request: Request) -> bool:
        raise RemoteProtocolError(f"not readable: {request.value!r}")

    bench = Bench(on_request=refuse)
    assert not bench.ask(3, value=b"?")
    assert bench.node.stats.dropped == {DropReason.MALFORMED: 1}


def test_a_delayed_ping_is_answered_after_its_delay() -> None:
    bench = Bench()
    assert not bench.ask(DELAYED_PING, internal=True, value=b"\xdc\x05\0\0")
    bench.advance(1.49)
    assert not bench.sent()
    bench.advance(0.02)
    assert [sent.to for sent in bench.sent()] == [PEER]


def test_only_so_many_delayed_answers_wait() -> None:
    bench = Bench()
    for _ in range(MAX_DELAYED_PINGS + 3):
        bench.ask(DELAYED_PING, internal=True, value=b"\x10\x27\0\0")
    assert bench.node.stats.dropped == {DropReason.OVER_LIMIT: 3}
    bench.advance(10.0)
    assert len(bench.sent()) == MAX_DELAYED_PINGS
    bench.ask(DELAYED_PING, internal=True, value=b"\x10\x27\0\0")
    bench.node.suspend()
    bench.advance(20.0)
    assert not bench.sent()


def test_a_suspended_node_does_not_answer() -> None:
    bench = Bench()
    bench.ask(3)
    bench.node.suspend()
    bench.requests[0].reply(b"late")
    bench.requests[0].relay(b"late", PEER)
    assert not bench.sent()
    assert not bench.ask(PING, internal=True)
    assert bench.node.stats.dropped == {DropReason.NOT_RUNNING: 1}
