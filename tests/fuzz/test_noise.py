"""Handshakes and secret streams, damaged: refused as the peer's fault, nothing else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from net.errors import LocalProtocolError, RemoteProtocolError
from net.noise import SecretStream
from net.noise.handshake import PATTERNS
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors
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
TOO_LONG = FIRST_MESSAGES[0] + bytes(65536)
# The streams that hypothesis damages: a header and a few messages, as one piece.
PLAIN = [b"hello", b"", b"x" * 300, b"end"]

# What each side of a recorded handshake on the stream gets from the other.
FRAMES = [
    bytes.fromhex(frame)
    for case in load_vectors("secret-stream")["cases"]
    if case["kind"] == "stand-alone-XX"
    for frame in case["frames"]
]
HANDSHAKE_FRAMES = {True: FRAMES[1], False: FRAMES[0] + FRAMES[2]}
DAMAGED_HANDSHAKES = {
    initiator: mutated([frames]) | mutated([frames, b"\xff\xff\xff", b"\0\0\1"])
    for initiator, frames in HANDSHAKE_FRAMES.items()
}


def sent_by_initiator() -> bytes:
    sender = SecretStream(results()[0], entropy=entropy("stream of True"))
    for message in PLAIN:
        sender.write(message, 0.0)
    return b"".join(sender.data_to_send())


SENT = sent_by_initiator()


@given(st.sampled_from(sorted(PATTERNS)), mutated([*FIRST_MESSAGES, TOO_LONG]))
@settings(max_examples=200)
def test_a_responder_takes_or_refuses_a_first_message(
    pattern: str, message: bytes
) -> None:
    _, responder = handshakes(pattern, psk=PSK)
    try:
        responder.receive(message)
    except RemoteProtocolError:
        assert not responder.my_turn
        with pytest.raises(LocalProtocolError):
            responder.receive(message)
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


# A frame too short for its tag, and one that is cut off.
@example(SENT + b"\5\0\0hello", 500, False)
@example(SENT[:-3], 500, False)
@given(mutated([SENT]), st.integers(1, 500), st.booleans())
def test_a_stream_gives_a_prefix_of_what_was_sent(
    data: bytes, piece_bytes: int, filter_empty: bool
) -> None:
    receiver = SecretStream(
        results()[1], entropy=entropy("b"), filter_empty=filter_empty
    )
    plain = [message for message in PLAIN if message or not filter_empty]
    got: list[bytes] = []
    try:
        for piece in pieces(data, piece_bytes):
            got += receiver.receive_data(piece, 0.0)
    except RemoteProtocolError:
        assert data != SENT
    assert got == plain[: len(got)]


def frames_of(stream: bytes) -> list[bytes]:
    frames = []
    while stream:
        size = 3 + int.from_bytes(stream[:3], "little")
        frames.append(stream[:size])
        stream = stream[size:]
    return frames


HEADER, *MESSAGE_FRAMES = frames_of(SENT)


# One that announces more than the receiver wants, and one that is short by a byte.
@example(b"\xff\xff\x01" + bytes(40))
@example(MESSAGE_FRAMES[0])
@example(MESSAGE_FRAMES[0][:-1])
@given(mutated(MESSAGE_FRAMES))
def test_a_frame_that_comes_alone_is_the_next_one_or_refused(frame: bytes) -> None:
    receiver = SecretStream(results()[1], entropy=entropy("b"), max_message_bytes=8192)
    assert receiver.receive_data(HEADER, 0.0) == []
    try:
        got = receiver.receive_data(frame, 0.0)
    except RemoteProtocolError:
        assert frame != MESSAGE_FRAMES[0]
    else:
        whole = frame.startswith(MESSAGE_FRAMES[0])
        assert got == (PLAIN[:1] if whole else [])


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


@given(st.booleans(), st.data(), st.integers(1, 300))
@settings(max_examples=200)
def test_a_handshake_on_a_stream(
    initiator: bool, data: st.DataObject, piece_bytes: int
) -> None:
    """It opens for the recorded handshake and for nothing else."""
    valid = HANDSHAKE_FRAMES[initiator]
    damaged = data.draw(DAMAGED_HANDSHAKES[initiator])
    stream = SecretStream(handshakes("XX")[0 if initiator else 1], entropy=entropy("b"))
    with suppress(RemoteProtocolError):
        for piece in pieces(damaged, piece_bytes):
            assert stream.receive_data(piece, 0.0) == []
    assert stream.opened == damaged.startswith(valid)
    assert not stream.readable


@given(st.data())
def test_a_datagram_opens_to_what_was_sealed_or_not_at_all(data: st.DataObject) -> None:
    a, b = streams()
    sealed = {a.seal_datagram(plain): plain for plain in PLAIN}
    box = data.draw(mutated(sorted(sealed)))
    assert b.open_datagram(box) == sealed.get(box)
    assert b.open_datagram(box) is None, "what was recorded opens once"
