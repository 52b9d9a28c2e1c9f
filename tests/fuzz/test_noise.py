"""Handshakes and secret streams, damaged: refused as the peer's fault, nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from net.errors import RemoteProtocolError
from net.noise import SecretStream
from net.noise.handshake import PATTERNS
from tests.fuzz.mutations import mutated
from tests.unit.net.noise.joined import (
    entropy,
    handshakes,
    pieces,
    results,
    shake,
    streams,
)

PSK = b"p" * 32
MESSAGES = {pattern: shake(*handshakes(pattern, psk=PSK)) for pattern in PATTERNS}
FIRST_MESSAGES = [messages[0] for messages in MESSAGES.values()]
SECOND_MESSAGES = [messages[1] for messages in MESSAGES.values()]
# The streams that hypothesis damages: a header and a few messages, as one piece.
PLAIN = [b"hello", b"", b"x" * 300, b"end"]


def sent_by_initiator() -> bytes:
    sender = SecretStream(results()[0], entropy=entropy("stream of True"))
    for message in PLAIN:
        sender.write(message, 0.0)
    return b"".join(sender.data_to_send())


SENT = sent_by_initiator()


@given(st.sampled_from(sorted(PATTERNS)), mutated(FIRST_MESSAGES))
@settings(max_examples=200)
def test_a_responder_takes_or_refuses_a_first_message(
    pattern: str, message: bytes
) -> None:
    _, responder = handshakes(pattern, psk=PSK)
    try:
        responder.receive(message)
    except RemoteProtocolError:
        assert not responder.my_turn
    else:
        assert responder.my_turn
    assert not responder.complete


@given(st.sampled_from(sorted(PATTERNS)), mutated(SECOND_MESSAGES))
@settings(max_examples=200)
def test_an_initiator_takes_only_the_right_answer(pattern: str, message: bytes) -> None:
    initiator, _ = handshakes(pattern, psk=PSK)
    initiator.send()
    try:
        initiator.receive(message)
    except RemoteProtocolError:
        assert not initiator.complete
        assert message != MESSAGES[pattern][1]
    else:
        assert message == MESSAGES[pattern][1]


@given(mutated([SENT]), st.integers(1, 500))
def test_a_stream_gives_a_prefix_of_what_was_sent(
    data: bytes, piece_bytes: int
) -> None:
    receiver = SecretStream(results()[1], entropy=entropy("b"))
    got: list[bytes] = []
    try:
        for piece in pieces(data, piece_bytes):
            got += receiver.receive_data(piece, 0.0)
    except RemoteProtocolError:
        assert data != SENT
    assert got == PLAIN[: len(got)]


@given(st.data(), st.integers(1, 40))
def test_however_it_is_cut_it_is_the_same(
    data: st.DataObject, piece_bytes: int
) -> None:
    """One piece, equal pieces or single bytes lead to the same messages."""
    damaged = data.draw(mutated([SENT]))
    outcomes = []
    for size in (1, piece_bytes, len(damaged) or 1):
        receiver = SecretStream(results()[1], entropy=entropy("b"))
        got: list[bytes] = []
        error = None
        try:
            for piece in pieces(damaged, size):
                got += receiver.receive_data(piece, 0.0)
        except RemoteProtocolError as caught:
            error = caught.code
        outcomes.append((receiver.readable, error))
        if error is None:
            outcomes[-1] += (tuple(got),)
    assert outcomes.count(outcomes[0]) == 3


@given(mutated([bytes.fromhex("200000") + FIRST_MESSAGES[0]]), st.integers(1, 60))
def test_a_handshake_on_a_stream(data: bytes, piece_bytes: int) -> None:
    _, responder = handshakes("XX")
    receiver = SecretStream(responder, entropy=entropy("b"))
    try:
        for piece in pieces(data, piece_bytes):
            assert receiver.receive_data(piece, 0.0) == []
    except RemoteProtocolError:
        pass
    assert not receiver.opened


@given(st.data())
def test_a_datagram_opens_to_what_was_sealed_or_not_at_all(data: st.DataObject) -> None:
    a, b = streams()
    sealed = {a.seal_datagram(plain): plain for plain in PLAIN}
    box = data.draw(mutated(sorted(sealed)))
    assert b.open_datagram(box) == sealed.get(box)
