"""The secret stream against npm's bytes, whole and byte by byte."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from net.constants import MAX_PLAINTEXT_BYTES
from net.crypto import KeyPair
from net.errors import LocalProtocolError, RemoteProtocolError
from net.noise import Handshake, HandshakeResult, SecretStream
from net.noise.secret_stream import REPLAY_WINDOW_COUNT, datagram_key, stream_id
from tests.helpers.vectors import load_vectors
from tests.unit.net.noise.joined import (
    carry,
    entropy,
    handshakes,
    pieces,
    results,
    streams,
)

CASES = {case["kind"]: case for case in load_vectors("secret-stream")["cases"]}
STREAM: dict[str, Any] = CASES["stream"]
SEND: dict[str, Any] = CASES["send"]
STAND_ALONE: dict[str, Any] = CASES["stand-alone-XX"]
HEADER_FRAME_BYTES = 3 + 32 + 24


def recorded(case: dict[str, Any], *, is_initiator: bool) -> HandshakeResult:
    """The recorded keys as one side holds them."""
    tx, rx = bytes.fromhex(case["initiator_tx"]), bytes.fromhex(case["initiator_rx"])
    return HandshakeResult(
        tx=tx if is_initiator else rx,
        rx=rx if is_initiator else tx,
        handshake_hash=bytes.fromhex(case["handshake_hash"]),
        local_public_key=b"",
        remote_public_key=b"",
        is_initiator=is_initiator,
    )


def listed(*draws: bytes) -> Callable[[int], bytes]:
    """Entropy that gives what was drawn in a recording."""
    left = list(draws)

    def draw(size: int) -> bytes:
        assert len(left[0]) == size
        return left.pop(0)

    return draw


@pytest.mark.parametrize("piece_bytes", [1, 2, 60, 10_000])
@pytest.mark.parametrize("is_initiator", [True, False])
def test_recorded_stream(is_initiator: bool, piece_bytes: int) -> None:
    mine = "initiator" if is_initiator else "responder"
    theirs = "responder" if is_initiator else "initiator"
    writes = [bytes.fromhex(frame) for frame in STREAM[f"{mine}_raw_writes"]]
    stream = SecretStream(
        recorded(STREAM, is_initiator=is_initiator),
        entropy=listed(writes[0][-24:], bytes(8)),
    )
    assert stream.opened
    for message in STREAM[f"{theirs}_received"]:
        stream.write(bytes.fromhex(message), 0.0)
    assert b"".join(stream.data_to_send()) == b"".join(writes)
    assert stream.bytes_sent == sum(map(len, writes))
    incoming = bytes.fromhex("".join(STREAM[f"{theirs}_raw_writes"]))
    received = []
    for piece in pieces(incoming, piece_bytes):
        received += stream.receive_data(piece, 0.0)
    assert [message.hex() for message in received] == STREAM[f"{mine}_received"]
    assert stream.readable
    assert stream.bytes_received == len(incoming)


def test_recorded_datagrams() -> None:
    first = int.from_bytes(bytes.fromhex(SEND["initial_counter"]), "little")
    sender = SecretStream(
        recorded(SEND, is_initiator=True),
        entropy=listed(bytes(24), first.to_bytes(8, "little")),
    )
    receiver = SecretStream(recorded(SEND, is_initiator=False), entropy=entropy("r"))
    boxes = [sender.seal_datagram(bytes.fromhex(p)) for p in SEND["plaintexts"]]
    assert [box.hex() for box in boxes] == SEND["boxes"]
    # Out of order, again, and into the wrong hands.
    for box, plain in zip(reversed(boxes), reversed(SEND["delivered"]), strict=True):
        opened = receiver.open_datagram(box)
        assert opened is not None
        assert opened.hex() == plain
    assert receiver.open_datagram(boxes[0]) is None
    assert receiver.datagrams_repeated == 1
    assert sender.open_datagram(boxes[0]) is None
    assert receiver.open_datagram(boxes[0][:-1]) is None
    assert receiver.open_datagram(b"") is None


def test_recorded_datagram_keys() -> None:
    handshake_hash = bytes.fromhex(SEND["handshake_hash"])
    for role in (True, False):
        name = "initiator" if role else "responder"
        key = datagram_key(handshake_hash, is_initiator=role)
        assert key.hex() == SEND[f"{name}_send_key"]


def test_empty_datagrams_travel() -> None:
    a, b = streams()
    assert b.open_datagram(a.seal_datagram(b"")) == b""


@pytest.mark.parametrize("first", [0, 2**63 - 500, 2**64 - 500])
def test_datagrams_are_opened_once_in_any_order(first: int) -> None:
    chance = random.Random(first)
    sender = SecretStream(
        results()[0], entropy=listed(bytes(24), first.to_bytes(8, "little"))
    )
    receiver = SecretStream(results()[1], entropy=entropy("receiver"))
    count = 3 * REPLAY_WINDOW_COUNT
    boxes = [sender.seal_datagram(str(it).encode()) for it in range(count)]
    late = [it + chance.randrange(REPLAY_WINDOW_COUNT // 2) for it in range(count)]
    order = sorted(range(count), key=late.__getitem__)
    opened = []
    for number in order:
        plain = receiver.open_datagram(boxes[number])
        assert plain is not None
        opened.append(int(plain))
        for again in chance.sample(opened, min(3, len(opened))):
            assert receiver.open_datagram(boxes[again]) is None
    assert opened == order
    repeated = receiver.datagrams_repeated
    assert repeated > 2 * count
    assert receiver.open_datagram(bytes(8) + boxes[0][8:]) is None
    assert receiver._seen_counters < 1 << REPLAY_WINDOW_COUNT


def test_datagrams_far_behind_or_far_ahead() -> None:
    a, b = streams()
    boxes = [a.seal_datagram(b"") for _ in range(REPLAY_WINDOW_COUNT + 2)]
    assert b.open_datagram(boxes[2]) == b""
    assert b.open_datagram(boxes[-1]) == b""
    assert b.open_datagram(boxes[1]) is None, "cannot be told from a repeated one"
    assert b.open_datagram(boxes[2]) is None
    assert b.open_datagram(boxes[3]) == b""
    assert b.open_datagram(boxes[3]) is None
    assert b.datagrams_repeated == 3
    a._counter += 2**40
    assert b.open_datagram(a.seal_datagram(b"far")) == b"far"
    assert b.open_datagram(boxes[-2]) is None


def test_a_forged_datagram_moves_no_window() -> None:
    a, b = streams()
    box = a.seal_datagram(b"real")
    far = (int.from_bytes(box[:8], "little") + 2**62) % 2**64
    assert b.open_datagram(far.to_bytes(8, "little") + box[8:]) is None
    assert b.open_datagram(box) == b"real"
    assert b.open_datagram(far.to_bytes(8, "little") + box[8:]) is None
    assert b.open_datagram(a.seal_datagram(b"next")) == b"next"


def test_datagram_counters_end() -> None:
    first = (2**64 - 2).to_bytes(8, "little")
    stream = SecretStream(results()[0], entropy=listed(bytes(24), first))
    counters = [stream.seal_datagram(b"")[:8] for _ in range(3)]
    assert [int.from_bytes(c, "little") for c in counters] == [2**64 - 1, 0, 1]
    # Too many to count through: put the counter just before its start.
    stream._counter = 2**64 - 3
    with pytest.raises(LocalProtocolError):
        stream.seal_datagram(b"")


@pytest.mark.parametrize("piece_bytes", [1, 7, 100_000])
def test_recorded_handshake_on_the_stream(piece_bytes: int) -> None:
    initiator, responder = handshakes("XX")
    a = SecretStream(initiator, entropy=entropy("a"))
    b = SecretStream(responder, entropy=entropy("b"))
    assert not a.opened
    assert not b.opened
    with pytest.raises(LocalProtocolError):
        a.write(b"too early", 0.0)
    with pytest.raises(LocalProtocolError):
        a.seal_datagram(b"too early")
    assert b.open_datagram(bytes(40)) is None
    raw: dict[bool, bytes] = {True: b"", False: b""}
    got: list[bytes] = []
    for _ in range(4):
        for sender, receiver, name in ((a, b, True), (b, a, False)):
            data = b"".join(sender.data_to_send())
            raw[name] += data
            for piece in pieces(data, piece_bytes):
                got += receiver.receive_data(piece, 0.0)
    frames = [bytes.fromhex(frame) for frame in STAND_ALONE["frames"]]
    assert raw[True].startswith(frames[0] + frames[2] + b"\x38\0\0")
    assert raw[False].startswith(frames[1] + b"\x38\0\0")
    assert a.result is not None
    assert a.result.handshake_hash.hex() == STAND_ALONE["hash"]
    assert a.result.tx.hex() == STAND_ALONE["initiator_tx"]
    assert a.result.rx.hex() == STAND_ALONE["initiator_rx"]
    assert (a.readable, b.readable, got) == (True, True, [])
    a.write(b"over", 0.0)
    assert carry(a, b, piece_bytes=piece_bytes) == [b"over"]


@pytest.mark.parametrize("pattern", ["NN", "IK", "XK"])
def test_other_patterns_on_the_stream(pattern: str) -> None:
    initiator, responder = handshakes(pattern)
    a = SecretStream(initiator, entropy=entropy("a"))
    b = SecretStream(responder, entropy=entropy("b"))
    for _ in range(3):
        carry(a, b)
        carry(b, a)
    a.write(b"x", 0.0)
    b.write(b"y", 0.0)
    assert carry(a, b) == [b"x"]
    assert carry(b, a) == [b"y"]


@pytest.mark.parametrize("piece_bytes", [1200, 70_000, None])
def test_large_messages_in_pieces(piece_bytes: int | None) -> None:
    a, b = streams()
    messages = [bytes([i]) * size for i, size in enumerate((70_000, 0, 1, 65_536, 9))]
    for message in messages:
        a.write(message, 0.0)
    assert carry(a, b, piece_bytes=piece_bytes) == messages


def test_the_largest_message_fits() -> None:
    a, b = streams()
    a.write(bytes(MAX_PLAINTEXT_BYTES), 0.0)
    with pytest.raises(LocalProtocolError):
        a.write(bytes(MAX_PLAINTEXT_BYTES + 1), 0.0)
    (chunk,) = a.data_to_send()
    assert chunk[:3] == b"\xff\xff\xff"
    (message,) = b.receive_data(chunk, 0.0)
    assert len(message) == MAX_PLAINTEXT_BYTES


def test_small_frames_share_chunks() -> None:
    a, b = streams()
    for _ in range(1000):
        a.write(b"m" * 180, 0.0)
    a.write(bytes(200_000), 0.0)
    a.write(b"last", 0.0)
    chunks = a.data_to_send()
    assert [len(chunk) for chunk in chunks] == [327 * 200] * 3 + [3800, 200_020, 24]
    assert len(b.receive_data(b"".join(chunks), 0.0)) == 1002
    assert a.data_to_send() == []


def test_views_are_taken() -> None:
    a, b = streams()
    a.write(memoryview(b"view"), 0.0)
    a.write(bytearray(b"array"), 0.0)
    data = bytearray(b"".join(a.data_to_send()))
    assert b.receive_data(memoryview(data), 0.0) == [b"view", b"array"]
    data[:] = bytes(len(data))


def new_receiver() -> tuple[SecretStream, bytes]:
    """A stream that expects a header, and that header."""
    first, second = results()
    sender = SecretStream(first, entropy=entropy("sender"))
    return SecretStream(second, entropy=entropy("receiver")), b"".join(
        sender.data_to_send()
    )


@pytest.mark.parametrize("size", [0, 55, 57, 2**24 - 1])
def test_a_header_of_another_size_is_refused(size: int) -> None:
    receiver, _ = new_receiver()
    with pytest.raises(RemoteProtocolError) as caught:
        receiver.receive_data(size.to_bytes(3, "little"), 0.0)
    assert caught.value.code == "bad-header"


def test_a_header_of_another_stream_is_refused() -> None:
    receiver, header = new_receiver()
    assert receiver.result is not None
    for position in range(3, 3 + 32):
        receiver, _ = new_receiver()
        changed = bytearray(header)
        changed[position] ^= 1
        with pytest.raises(RemoteProtocolError) as caught:
            receiver.receive_data(changed, 0.0)
        assert caught.value.code == "bad-header"
    # One's own header, sent back, names the wrong role.
    receiver, _ = new_receiver()
    with pytest.raises(RemoteProtocolError):
        receiver.receive_data(b"".join(receiver.data_to_send()), 0.0)


def test_ids_name_role_and_handshake() -> None:
    ids = {stream_id(h, is_initiator=r) for h in (b"h", b"g") for r in (True, False)}
    assert len(ids) == 4


@pytest.mark.parametrize("size", range(17))
def test_a_frame_without_room_for_a_tag_is_refused(size: int) -> None:
    _, b = streams()
    with pytest.raises(RemoteProtocolError):
        b.receive_data(size.to_bytes(3, "little"), 0.0)
    _, b = streams()
    b.receive_data(size.to_bytes(3, "little")[:2], 0.0)
    with pytest.raises(RemoteProtocolError):
        b.receive_data(b"\0", 0.0)


@pytest.mark.parametrize("piece_bytes", [1, 1200, 100_000])
def test_a_message_above_the_limit_is_refused_before_it_is_kept(
    piece_bytes: int,
) -> None:
    first, second = results()
    sender = SecretStream(first, entropy=entropy("sender"))
    receiver = SecretStream(
        second, entropy=entropy("receiver"), max_message_bytes=10_000
    )
    sender.write(bytes(10_000), 0.0)
    assert carry(sender, receiver, piece_bytes=piece_bytes) == [bytes(10_000)]
    sender.write(bytes(10_001), 0.0)
    with pytest.raises(RemoteProtocolError) as caught:
        carry(sender, receiver, piece_bytes=piece_bytes)
    assert caught.value.code == "message-too-large"
    assert len(receiver._incoming) <= 3


def test_a_changed_frame_is_refused() -> None:
    for position in range(3, 3 + 17 + 4):
        a, b = streams()
        a.write(b"data", 0.0)
        frame = bytearray(b"".join(a.data_to_send()))
        frame[position] ^= 1
        with pytest.raises(RemoteProtocolError) as caught:
            b.receive_data(frame, 0.0)
        assert caught.value.code == "bad-mac"


def test_a_handshake_frame_has_a_limit() -> None:
    _, responder = handshakes("XX")
    stream = SecretStream(responder, entropy=entropy("b"))
    with pytest.raises(RemoteProtocolError):
        stream.receive_data((65536).to_bytes(3, "little"), 0.0)


def test_a_bad_handshake_ends_the_stream() -> None:
    ephemeral = KeyPair.from_seed(b"\5" * 32)
    stream = SecretStream(
        Handshake("NN", initiator=False, ephemeral=ephemeral), entropy=entropy("b")
    )
    with pytest.raises(RemoteProtocolError):
        stream.receive_data(b"\x02\0\0ab", 0.0)


def test_empty_messages_are_delivered_unless_filtered() -> None:
    a, b = streams()
    a.write(b"", 0.0)
    assert carry(a, b) == [b""]
    a, b = streams(filter_empty=True)
    a.write(b"", 0.0)
    a.write(b"x", 0.0)
    assert carry(a, b) == [b"x"]


def test_keep_alive_after_silence() -> None:
    a, b = streams(keep_alive_s=5.0)
    assert a.keep_alive_s == 5.0
    assert a.get_timer() == 5.0
    a.write(b"x", 3.0)
    assert a.get_timer() == 8.0
    a.handle_timer(7.9)
    assert carry(a, b) == [b"x"]
    a.handle_timer(8.0)
    assert a.get_timer() == 13.0
    sent = a.data_to_send()
    assert len(b"".join(sent)) == 20
    assert b.receive_data(b"".join(sent), 8.0) == []
    a.set_keep_alive(None, 9.0)
    assert a.get_timer() is None
    a.handle_timer(100.0)
    assert a.data_to_send() == []
    a.set_keep_alive(1.0, 100.0)
    assert a.get_timer() == 101.0


def test_one_side_keeps_the_connection_alive_for_both() -> None:
    a, b = streams(keep_alive_s=5.0)
    a.write(b"x", 3.0)
    assert carry(a, b, now=3.1) == [b"x"]
    assert (a.get_timer(), b.get_timer()) == (8.0, 8.1)
    a.handle_timer(8.0)
    assert carry(a, b, now=8.1) == []
    b.handle_timer(8.1)
    assert b.data_to_send() == []
    assert (a.get_timer(), b.get_timer()) == (13.0, 13.1)


def test_time_out_after_silence() -> None:
    a, b = streams()
    b.set_timeout(10.0, 1.0)
    assert b.get_timer() == 11.0
    a.write(b"x", 0.0)
    carry(a, b, now=6.0)
    assert b.get_timer() == 16.0
    b.handle_timer(15.9)
    with pytest.raises(RemoteProtocolError) as caught:
        b.handle_timer(16.0)
    assert caught.value.code == "timeout"
    b.set_timeout(None, 16.0)
    assert b.get_timer() is None


def test_no_keep_alive_before_the_keys_are_known() -> None:
    initiator, _ = handshakes("XX")
    stream = SecretStream(initiator, entropy=entropy("a"), keep_alive_s=1.0)
    assert stream.get_timer() is None
    stream.data_to_send()
    stream.handle_timer(10.0)
    assert stream.data_to_send() == []


def test_the_header_is_the_first_thing_sent() -> None:
    stream = SecretStream(results()[0], entropy=entropy("a"))
    stream.write(b"early data", 0.0)
    (chunk,) = stream.data_to_send()
    assert chunk[:3] == b"\x38\0\0"
    assert len(chunk) == HEADER_FRAME_BYTES + 3 + 17 + 10
