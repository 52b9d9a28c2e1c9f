"""Passing on: every mode from every side, with what a hostile sender may put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from net.dht.constants import MAX_NOISE_BYTES, Command
from net.dht.messages import HandshakeMessage, HolepunchMessage, Mode
from net.dht.router import Answer, Forward, Router
from net.rpc import Address, Request
from tests.unit.net.dht.requests import RecordedRequest

TARGET = b"t" * 32
RELAY: Address = ("1.1.1.1", 11)
CLIENT: Address = ("2.2.2.2", 22)
SENDER: Address = ("9.9.9.9", 999)
OTHER: Address = ("3.3.3.3", 33)


class RecordingServer:
    """A server that answers at once and notes what it was asked."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def on_handshake(
        self,
        noise: bytes,
        peer_address: Address | None,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        del request
        self.asked.append((noise, peer_address))
        done(self.answer)

    def on_holepunch(
        self,
        message: HolepunchMessage,
        request: Request,
        done: Callable[[Answer | None], None],
    ) -> None:
        del request
        self.asked.append(message)
        done(self.answer)


def route(
    command: int,
    message: HandshakeMessage | HolepunchMessage | bytes | None,
    forward: Forward | None = None,
) -> tuple[RecordedRequest, Router]:
    router = Router()
    if forward is not None:
        router.set(TARGET, forward, 0.0)
    value = message if isinstance(message, bytes | None) else message.encode()
    request = RecordedRequest(command, TARGET, value, source=SENDER)
    assert router.handle(cast(Request, request), 0.0)
    return request, router


def shake(
    message: HandshakeMessage | bytes | None, forward: Forward | None = None
) -> tuple[RecordedRequest, Router]:
    return route(Command.PEER_HANDSHAKE, message, forward)


def punch(
    message: HolepunchMessage | bytes | None, forward: Forward | None = None
) -> tuple[RecordedRequest, Router]:
    return route(Command.PEER_HOLEPUNCH, message, forward)


KNOWN = Forward(record=b"r", relay=RELAY)


def test_a_relay_names_the_client_to_the_server() -> None:
    request, router = shake(HandshakeMessage(Mode.FROM_CLIENT, b"n"), KNOWN)
    onward = HandshakeMessage(Mode.FROM_RELAY, b"n", SENDER)
    assert request.relayed == [(onward.encode(), RELAY, None)]
    assert router.relayed_count == 1


def test_a_client_may_name_the_relay_to_use() -> None:
    message = HandshakeMessage(Mode.FROM_CLIENT, b"n", relay_address=OTHER)
    request, _ = shake(message)
    assert request.relayed[0][1] == OTHER


def test_a_node_that_knows_nothing_helps_with_closer_nodes() -> None:
    request, _ = shake(HandshakeMessage(Mode.FROM_CLIENT, b"n"))
    assert request.replies == [{"value": None, "token": False}]


def test_a_second_relay_tells_who_the_first_one_was() -> None:
    request, _ = shake(HandshakeMessage(Mode.FROM_RELAY, b"n", CLIENT), KNOWN)
    onward = HandshakeMessage(Mode.FROM_SECOND_RELAY, b"n", CLIENT, SENDER)
    assert request.relayed == [(onward.encode(), RELAY, None)]


def test_a_servers_answer_becomes_a_response_to_the_client() -> None:
    request, _ = shake(HandshakeMessage(Mode.FROM_SERVER, b"n", CLIENT))
    reply = HandshakeMessage(Mode.REPLY, b"n", SENDER)
    assert request.replies == [
        {
            "value": reply.encode(),
            "to": CLIENT,
            "token": False,
            "closer_nodes": False,
        }
    ]


def test_a_server_asked_directly_replies_from_the_socket_it_chose() -> None:
    server = RecordingServer(Answer(b"answer", 5))
    own = Forward(record=b"r", server=server)
    asked = HandshakeMessage(Mode.FROM_CLIENT, b"n", peer_address=OTHER)
    request, _ = shake(asked, own)
    assert server.asked == [(b"n", None)], "a client cannot pass for a relay"
    (reply,) = request.replies
    assert reply["value"] == HandshakeMessage(Mode.REPLY, b"answer").encode()
    assert reply["socket"] == 5


@pytest.mark.parametrize(
    ("mode", "relay", "to"),
    [(Mode.FROM_RELAY, None, SENDER), (Mode.FROM_SECOND_RELAY, OTHER, OTHER)],
)
def test_a_server_answers_to_the_first_relay(
    mode: Mode, relay: Address | None, to: Address
) -> None:
    server = RecordingServer(Answer(b"answer", 7))
    own = Forward(record=b"r", server=server)
    request, _ = shake(HandshakeMessage(mode, b"n", CLIENT, relay), own)
    assert server.asked == [(b"n", CLIENT)]
    back = HandshakeMessage(Mode.FROM_SERVER, b"answer", CLIENT)
    assert request.relayed == [(back.encode(), to, 7)]


def test_a_silent_server_stays_silent() -> None:
    own = Forward(record=b"r", server=RecordingServer(None))
    for message in (
        HandshakeMessage(Mode.FROM_CLIENT, b"n"),
        HandshakeMessage(Mode.FROM_RELAY, b"n", CLIENT),
    ):
        request, _ = shake(message, own)
        assert request.replies == request.relayed == []
    request, _ = punch(HolepunchMessage(Mode.FROM_RELAY, 1, b"p", CLIENT), own)
    assert request.replies == request.relayed == []


@pytest.mark.parametrize(
    ("message", "forward", "reason"),
    [
        (None, KNOWN, "too-short"),
        (b"\xff", KNOWN, "too-short"),
        (HandshakeMessage(Mode.FROM_CLIENT, b""), KNOWN, "no-noise"),
        (
            HandshakeMessage(Mode.FROM_CLIENT, bytes(MAX_NOISE_BYTES + 1)),
            KNOWN,
            "no-noise",
        ),
        (HandshakeMessage(Mode.REPLY, b"n"), KNOWN, "unexpected-mode"),
        (HandshakeMessage(77, b"n"), KNOWN, "unexpected-mode"),
        (HandshakeMessage(Mode.FROM_SERVER, b"n"), KNOWN, "no-peer-address"),
        (
            HandshakeMessage(Mode.FROM_SERVER, b"n", ("1.1.1.1", 0)),
            KNOWN,
            "no-peer-address",
        ),
        (HandshakeMessage(Mode.FROM_RELAY, b"n", CLIENT), None, "no-forward"),
        (
            HandshakeMessage(Mode.FROM_CLIENT, b"n", relay_address=("1.1.1.1", 0)),
            None,
            "no-forward",
        ),
        (
            HandshakeMessage(Mode.FROM_RELAY, b"n"),
            Forward(record=b"", server=RecordingServer()),
            "no-peer-address",
        ),
        (
            HandshakeMessage(Mode.FROM_SECOND_RELAY, b"n", CLIENT),
            Forward(record=b"", server=RecordingServer()),
            "unexpected-mode",
        ),
    ],
)
def test_odd_handshakes_are_dropped_and_counted(
    message: HandshakeMessage | bytes | None, forward: Forward | None, reason: str
) -> None:
    request, router = shake(message, forward)
    assert request.replies == request.relayed == []
    assert router.dropped == {reason: 1}
    assert router.relayed_count == 0


def test_hole_punch_messages_travel_both_ways() -> None:
    request, _ = punch(HolepunchMessage(Mode.FROM_CLIENT, 4, b"p", OTHER), KNOWN)
    onward = HolepunchMessage(Mode.FROM_RELAY, 4, b"p", SENDER)
    assert request.relayed == [(onward.encode(), OTHER, None)]
    request, _ = punch(HolepunchMessage(Mode.FROM_CLIENT, 4, b"p"), KNOWN)
    assert request.relayed[0][1] == RELAY

    server = RecordingServer(Answer(b"box", 9))
    own = Forward(record=b"r", server=server)
    message = HolepunchMessage(Mode.FROM_RELAY, 4, b"p", CLIENT)
    request, _ = punch(message, own)
    assert server.asked == [message]
    back = HolepunchMessage(Mode.FROM_SERVER, 0, b"box", CLIENT)
    assert request.relayed == [(back.encode(), SENDER, 9)]

    request, _ = punch(HolepunchMessage(Mode.FROM_SERVER, 0, b"box", CLIENT))
    reply = HolepunchMessage(Mode.REPLY, 0, b"box", SENDER)
    assert request.replies[0]["value"] == reply.encode()
    assert request.replies[0]["to"] == CLIENT


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "too-short"),
        (HolepunchMessage(Mode.FROM_CLIENT, 1, b"p"), "no-forward"),
        (HolepunchMessage(Mode.FROM_CLIENT, 1, b"p", ("1.1.1.1", 0)), "no-forward"),
        (HolepunchMessage(Mode.FROM_RELAY, 1, b"p", CLIENT), "no-forward"),
        (HolepunchMessage(Mode.FROM_RELAY, 1, b"p"), "no-peer-address"),
        (HolepunchMessage(Mode.FROM_SERVER, 1, b"p"), "no-peer-address"),
        (HolepunchMessage(Mode.REPLY, 1, b"p", CLIENT), "unexpected-mode"),
        (
            HolepunchMessage(Mode.FROM_SECOND_RELAY, 1, b"p", CLIENT),
            "unexpected-mode",
        ),
    ],
)
def test_odd_hole_punch_messages_are_dropped_and_counted(
    message: HolepunchMessage | None, reason: str
) -> None:
    request, router = punch(message)
    assert request.replies == request.relayed == []
    assert router.dropped == {reason: 1}


def test_other_commands_are_left_to_others() -> None:
    router = Router()
    request = cast(Request, RecordedRequest(Command.LOOKUP))
    assert not router.handle(request, 0.0)
    assert len(router) == 0
