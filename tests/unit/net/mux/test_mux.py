"""Channels over one connection: opening, closing, batches, limits, bad peers."""

from __future__ import annotations

import pytest

from net.constants import MAX_PLAINTEXT_BYTES
from net.errors import LocalProtocolError, RemoteProtocolError
from net.mux import ChannelState, ChannelTraffic, Mux
from net.mux import messages as mux_messages
from net.mux import mux as mux_module
from net.mux.channel import ChannelHandlers
from tests.unit.net.mux.joined import Recorder, Wire, frame, open_frame


def test_a_channel_opens_when_both_sides_want_it() -> None:
    wire, seen_a, seen_b = Wire(), Recorder(), Recorder()
    a = seen_a.open(wire.a, "chat", b"id")
    wire.run()
    assert wire.from_b == [frame(0, 2, 1)]
    assert a.closed
    assert a.closed_by_remote
    assert seen_a.events == [("close", None)]
    a, b = seen_a.open(wire.a, "chat", b"id"), seen_b.open(wire.b, "chat", b"id")
    assert a.state is ChannelState.OPENING
    wire.run()
    assert a.opened
    assert b.opened
    assert a.remote_handshake == b"hello"
    assert seen_b.events == [("open", b"hello")]


def test_messages_sent_at_once_wait_for_the_other_side() -> None:
    wire, seen_a, seen_b = Wire(), Recorder(), Recorder()

    def answer(_: bytes) -> None:
        seen_b.events.append(("paired", None))
        seen_b.open(wire.b, "chat").send(1, b"early reply")

    wire.b.pair("chat", None, answer)
    a = seen_a.open(wire.a, "chat")
    assert a.send(0, b"early")
    assert a.send(2, b"ignored")
    wire.run()
    assert seen_b.events == [
        ("paired", None),
        ("open", b"hello"),
        ("message 0", b"early"),
    ]
    assert seen_a.events == [("open", b"hello"), ("message 1", b"early reply")]


def test_what_channels_carry_is_counted_where_it_is_wanted() -> None:
    wire, traffic, theirs = Wire(), ChannelTraffic(), ChannelTraffic()
    for channel_id in (b"x", b"y"):
        wire.a.count("chat", channel_id, traffic)
    wire.b.count("chat", b"x", theirs)
    ends = {
        channel_id: (
            Recorder().open(wire.a, "chat", channel_id),
            Recorder().open(wire.b, "chat", channel_id),
        )
        for channel_id in (b"x", b"y", b"z")
    }
    for near, far in ends.values():
        near.send(0, b"12345")
        far.send(1, b"123")
        far.send(0, b"1")
    wire.run()
    assert traffic == ChannelTraffic(2, 10, 4, 8)
    assert theirs == ChannelTraffic(2, 4, 1, 5)
    ends[b"x"][0].close()
    wire.run()
    wire.a.count("chat", b"x", None)
    Recorder().open(wire.a, "chat", b"x").send(0, b"12345")
    assert traffic == ChannelTraffic(2, 10, 4, 8)


def test_a_handler_of_one_id_comes_before_the_handler_of_all() -> None:
    wire, calls = Wire(), list[tuple[str, bytes]]()
    wire.b.pair("chat", None, lambda channel_id: calls.append(("all", channel_id)))
    wire.b.pair("chat", b"x", lambda channel_id: calls.append(("x", channel_id)))
    for channel_id in (b"x", b"y"):
        Recorder().open(wire.a, "chat", channel_id)
    wire.run()
    assert calls == [("x", b"x"), ("all", b"y")]
    wire.b.unpair("chat", b"x")
    wire.b.unpair("chat", b"x")
    Recorder().open(wire.a, "chat", b"x")
    wire.run()
    assert calls[2:] == [("all", b"x")]


def test_a_handler_may_decide_later() -> None:
    wire, seen_a, seen_b = Wire(), Recorder(), Recorder()
    wire.b.pair("chat", None, lambda _: True)
    kept = seen_a.open(wire.a, "chat", b"kept")
    refused = seen_a.open(wire.a, "chat", b"refused")
    kept.send(0, b"early")
    wire.run()
    assert wire.from_b == []
    seen_b.open(wire.b, "chat", b"kept")
    assert seen_b.events == []
    wire.b.reject("chat", b"refused")
    wire.b.reject("chat", b"unknown")
    wire.run()
    assert kept.opened
    assert refused.closed
    assert seen_b.events == [("open", b"hello"), ("message 0", b"early")]


def test_opens_that_wait_are_limited() -> None:
    limit = mux_module.MAX_WAITING_OPENS
    mux = Mux()
    mux.pair("chat", None, lambda _: True)
    for number in range(1, limit + 2):
        mux.receive_frame(open_frame(number, "chat", number.to_bytes(2, "big")))
    assert mux.frames_to_send() == [frame(0, 2, limit + 1)]
    mux.reject("chat", (1).to_bytes(2, "big"))
    mux.receive_frame(open_frame(1, "chat", b"again"))
    assert mux.frames_to_send() == [frame(0, 2, 1)]


def test_what_waits_asks_for_a_pause() -> None:
    mux, seen = Mux(), Recorder()
    mux.pair("chat", None, lambda _: True)
    mux.receive_frame(open_frame(1, "chat"))
    count = mux_module.PAUSE_ABOVE_BYTES // (512 + 100)
    for _ in range(count):
        mux.receive_frame(frame(1, 0) + bytes(100))
    assert not mux.paused
    mux.receive_frame(frame(1, 0) + bytes(100))
    assert mux.paused
    seen.open(mux, "chat")
    mux.frames_to_send()
    assert not mux.paused
    assert len(seen.events) == 1 + count + 1


def test_what_waits_has_an_end() -> None:
    mux = Mux()
    mux.pair("chat", None, lambda _: True)
    mux.receive_frame(open_frame(1, "chat"))
    mux.receive_frame(frame(1, 0) + bytes(16 * 1024 * 1024))
    with pytest.raises(RemoteProtocolError) as caught:
        mux.receive_frame(frame(1, 0) + bytes(8 * 1024 * 1024))
    assert caught.value.code == "too-large"


def test_refused_and_closed_opens_free_what_waited() -> None:
    mux = Mux()
    mux.pair("chat", None, lambda _: True)
    for end in (
        lambda: mux.reject("chat", b""),
        lambda: mux.receive_frame(frame(0, 3, 1)),
    ):
        mux.receive_frame(open_frame(1, "chat"))
        mux.receive_frame(frame(1, 0) + bytes(40_000))
        assert mux.paused
        end()
        assert not mux.paused
        assert mux.frames_to_send() == [frame(0, 2, 1)]
    assert len(mux._pairings) == 0


def test_closing() -> None:
    wire, seen_a, seen_b = Wire(), Recorder(), Recorder()
    a, b = seen_a.open(wire.a, "chat"), seen_b.open(wire.b, "chat")
    wire.run()
    b.send(0, b"crossing")
    a.close()
    a.close()
    wire.run()
    assert a.closed
    assert not a.closed_by_remote
    assert b.closed
    assert b.closed_by_remote
    assert seen_a.events == [("open", b"hello"), ("close", None)]
    assert not b.send(0, b"nowhere")
    assert wire.from_b[-1:] == [frame(1, 0) + b"crossing"]
    assert wire.a.channels == wire.b.channels == []
    assert len(wire.a._pairings) == len(wire.b._pairings) == 0


def test_a_number_closed_before_the_answer_is_not_reused_too_early() -> None:
    wire, seen_a, seen_b = Wire(), Recorder(), Recorder()
    first = seen_a.open(wire.a, "chat")
    first.close()
    second = seen_a.open(wire.a, "other")
    assert (first.local_id, second.local_id) == (1, 2)
    b = seen_b.open(wire.b, "chat")
    other = seen_b.open(wire.b, "other")
    wire.run()
    assert b.closed
    assert other.opened
    assert seen_a.open(wire.a, "third").local_id == 1


def test_numbers_are_reused_last_first() -> None:
    wire = Wire()
    pairs = [
        (
            Recorder().open(wire.a, "c", bytes([i])),
            Recorder().open(wire.b, "c", bytes([i])),
        )
        for i in range(3)
    ]
    wire.run()
    pairs[0][0].close()
    pairs[2][0].close()
    wire.run()
    assert [Recorder().open(wire.a, "d", bytes([i])).local_id for i in range(3)] == [
        3,
        1,
        4,
    ]


def test_a_refused_number_is_free_even_after_closing() -> None:
    wire = Wire()
    Recorder().open(wire.a, "chat").close()
    wire.run()
    assert Recorder().open(wire.a, "chat").local_id == 1


def test_only_one_channel_unless_said_otherwise() -> None:
    wire, seen = Wire(), Recorder()
    seen.open(wire.a, "chat")
    assert wire.a.is_open("chat")
    assert not wire.a.is_open("chat", b"other")
    with pytest.raises(LocalProtocolError) as caught:
        seen.open(wire.a, "chat")
    assert caught.value.code == "already-open"
    got: list[bytes] = []
    second = wire.a.create_channel("chat", unique=False, messages=[got.append])
    others = [
        wire.b.create_channel("chat", unique=False, messages=[got.append])
        for _ in range(2)
    ]
    wire.run()
    others[1].send(0, b"to the second")
    wire.run()
    assert second.opened
    assert got == [b"to the second"]


def test_aliases() -> None:
    wire = Wire()
    a = wire.a.create_channel("new", aliases=["old"])
    b = wire.b.create_channel("old", aliases=["new"])
    assert wire.a.is_open("old")
    wire.run()
    assert a.opened
    assert b.opened
    a.close()
    wire.run()
    assert b.closed
    assert len(wire.a._pairings) == len(wire.b._pairings) == 0
    assert not wire.a.is_open("old")


def test_a_close_in_the_same_batch_as_the_open() -> None:
    wire, seen_b = Wire(), Recorder()
    wire.b.pair("chat", None, lambda _: seen_b.open(wire.b, "chat") and None)
    wire.a.cork()
    a = Recorder().open(wire.a, "chat")
    a.send(0, b"hello and goodbye")
    a.close()
    wire.a.uncork()
    wire.run()
    assert len(wire.from_a) == 1
    assert seen_b.events == [
        ("open", b"hello"),
        ("message 0", b"hello and goodbye"),
        ("close", None),
    ]
    assert len(wire.a._pairings) == len(wire.b._pairings) == 0


def test_closing_inside_handlers() -> None:
    wire, got = Wire(), list[bytes]()
    b = wire.b.create_channel("chat", messages=[got.append])
    a = wire.a.create_channel("chat", messages=[], on_open=lambda _: a.close())
    b.send(0, b"never read")
    wire.run()
    assert b.closed
    closing = wire.a.create_channel(
        "other", messages=[lambda message: (got.append(message), closing.close())]
    )
    other = wire.b.create_channel("other", messages=[None])
    for _ in range(3):
        other.send(0, b"x")
    wire.run()
    assert got == [b"x"]
    assert not wire.a.paused
    assert wire.a._waiting_bytes == 0


def test_cork_nests_and_replies_to_a_batch_leave_as_a_batch() -> None:
    wire = Wire()
    echo = wire.b.create_channel(
        "echo", messages=[lambda message: echo.send(0, message) and None]
    )
    got: list[bytes] = []
    a = wire.a.create_channel("echo", messages=[got.append])
    wire.run()
    wire.from_b.clear()
    a.cork()
    a.send(0, b"1")
    wire.a.cork()
    a.send(0, b"2")
    wire.a.uncork()
    assert wire.a.frames_to_send() == []
    assert wire.a.pending_bytes > 0
    a.uncork()
    wire.run()
    assert got == [b"1", b"2"]
    assert wire.from_b == [bytes.fromhex("000001" + "020031" + "020032")]
    with pytest.raises(LocalProtocolError):
        a.uncork()
    wire.a.cork()
    wire.a.uncork()
    assert wire.a.frames_to_send() == []


def test_a_batch_is_sent_early_and_always_fits() -> None:
    wire, sizes = Wire(), list[int]()
    a = wire.a.create_channel("big", messages=[None])
    wire.b.create_channel("big", messages=[lambda message: sizes.append(len(message))])
    wire.run()
    wire.from_a.clear()
    wanted = [5_000_000, 5_000_000, 3_000_000, mux_messages.MAX_MESSAGE_BYTES, 7]
    wire.a.cork()
    for size in wanted:
        a.send(0, bytes(size))
    wire.a.uncork()
    wire.run()
    assert sizes == wanted
    lengths = [len(sent) for sent in wire.from_a]
    assert lengths == [5_000_009, 8_000_015, MAX_PLAINTEXT_BYTES - 23, 12]
    assert all(len(sent) <= MAX_PLAINTEXT_BYTES for sent in wire.from_a)


def test_what_cannot_be_sent_is_refused() -> None:
    mux = Mux()
    channel = Recorder().open(mux, "chat")
    for kind in (-1, 3):
        with pytest.raises(LocalProtocolError):
            channel.send(kind, b"")
    with pytest.raises(LocalProtocolError):
        channel.send(0, bytes(mux_messages.MAX_MESSAGE_BYTES + 1))
    for bad in (
        lambda: mux.create_channel("p" * 257),
        lambda: mux.create_channel("p", b"i" * 257),
        lambda: mux.create_channel("p", handshake=bytes(64 * 1024 + 1)),
        lambda: mux.create_channel("p", messages=[None] * 129),
    ):
        with pytest.raises(LocalProtocolError):
            bad()
    assert mux.channels == [channel]
    assert Recorder().open(mux, "next").local_id == 2


def test_channels_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux_module, "MAX_CHANNELS", 3)
    wire = Wire()
    for number in range(3):
        Recorder().open(wire.a, "chat", bytes([number]))
    with pytest.raises(LocalProtocolError):
        Recorder().open(wire.a, "chat", b"x")
    wire.b.pair("chat", None, lambda _: True)
    wire.run()
    with pytest.raises(RemoteProtocolError) as caught:
        wire.b.receive_frame(open_frame(4, "chat", b"x"))
    assert caught.value.code == "too-many-channels"


def batch(*parts: bytes) -> bytes:
    return b"\0\0" + b"".join(parts)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"\x01", id="no type"),
        pytest.param(b"\x00", id="no control type"),
        pytest.param(b"\x00\x00", id="empty batch"),
        pytest.param(open_frame(0, "chat"), id="number 0"),
        pytest.param(open_frame(2, "chat"), id="number too high"),
        pytest.param(open_frame(1, "p" * 257), id="long protocol"),
        pytest.param(open_frame(1, "p", b"i" * 257), id="long id"),
        pytest.param(open_frame(1, "p", b"", bytes(65537)), id="long handshake"),
        pytest.param(b"\0\x01\x01\x02\xff\xfe\0", id="protocol is no text"),
        pytest.param(frame(0, 2, 7), id="reject of nothing"),
        pytest.param(frame(0, 3), id="close of nothing"),
        pytest.param(batch(b"\x00\x02\x00\x00"), id="batch in a batch"),
        pytest.param(batch(b"\x01\x05\x00\x00"), id="item cut short"),
        pytest.param(batch(b"\x01\x00"), id="switch without a number"),
    ],
)
def test_bad_frames_are_the_peers_fault(bad: bytes) -> None:
    mux = Mux()
    with pytest.raises(RemoteProtocolError):
        mux.receive_frame(bad)
    mux.close()


def test_an_open_of_a_number_in_use_is_refused() -> None:
    mux = Mux()
    mux.pair("chat", None, lambda _: True)
    mux.receive_frame(open_frame(1, "chat"))
    with pytest.raises(RemoteProtocolError):
        mux.receive_frame(open_frame(1, "chat", b"x"))


@pytest.mark.parametrize(
    "harmless",
    [
        b"",
        frame(5, 0),
        frame(2**40, 0),
        frame(0, 9),
        frame(0, 3, 0),
        frame(0, 3, 1),
        frame(0, 3, 99),
        batch(b"\x05"),
        batch(b"\x05\x00\x06"),
    ],
    ids=bytes.hex,
)
def test_unknown_numbers_and_kinds_are_ignored(harmless: bytes) -> None:
    mux = Mux()
    mux.receive_frame(harmless)
    assert mux.frames_to_send() == []


def test_unknown_message_types_are_ignored() -> None:
    wire, seen = Wire(), Recorder()
    seen.open(wire.b, "chat")
    Recorder().open(wire.a, "chat")
    wire.run()
    wire.b.receive_frame(frame(1, 77) + b"future")
    assert seen.events == [("open", b"hello")]


def test_a_handler_may_end_the_connection() -> None:
    def refuse(_: bytes) -> None:
        raise RemoteProtocolError("not what this protocol says")

    wire = Wire()
    a = wire.a.create_channel("chat", messages=[None])
    wire.b.create_channel("chat", messages=[refuse])
    wire.run()
    a.cork()
    a.send(0, b"1")
    a.send(0, b"2")
    a.uncork()
    with pytest.raises(RemoteProtocolError):
        wire.run()
    assert not wire.b.corked


def test_the_end_of_the_connection_closes_everything() -> None:
    wire, seen, other = Wire(), Recorder(), Recorder()
    wire.a.pair("later", None, lambda _: True)
    a = seen.open(wire.a, "chat")
    other.open(wire.b, "chat")
    Recorder().open(wire.b, "later")
    wire.run()
    seen.open(wire.a, "waiting")
    wire.a.close()
    wire.a.close()
    assert seen.events == [("open", b"hello"), ("close", None), ("close", None)]
    assert a.closed_by_remote
    assert not a.send(0, b"x")
    a.close()
    wire.a.receive_frame(open_frame(9, "chat"))
    wire.a.put_frame(b"late")
    assert wire.a.frames_to_send() == []
    assert wire.a.pending_bytes == 0
    with pytest.raises(LocalProtocolError):
        seen.open(wire.a, "chat")


def test_a_handler_may_close_other_channels_when_the_connection_ends() -> None:
    wire, seen = Wire(), Recorder()
    other = seen.open(wire.a, "second")
    first = wire.a.create_channel("first", on_close=other.close)
    last = wire.a.create_channel("last", on_close=first.close)
    other.handlers = ChannelHandlers(on_close=last.close)
    wire.a.close()
    assert [it.closed for it in (first, other, last)] == [True] * 3
    assert wire.a.channels == []
    assert wire.a.frames_to_send() == []


def test_closing_the_connection_inside_a_handler() -> None:
    wire = Wire()
    a = wire.a.create_channel("chat", messages=[None])
    got: list[bytes] = []

    def end(message: bytes) -> None:
        got.append(message)
        wire.b.close()

    wire.b.create_channel("chat", messages=[end])
    wire.run()
    a.cork()
    for _ in range(3):
        a.send(0, b"x")
    a.uncork()
    wire.run()
    assert got == [b"x"]
    wire = Wire()
    wire.b.pair("chat", None, lambda _: wire.b.close())
    Recorder().open(wire.a, "chat")
    wire.run()
    assert wire.from_b == []


def test_drain_reaches_open_channels() -> None:
    wire, seen = Wire(), Recorder()
    seen.open(wire.a, "chat")
    wire.a.create_channel("quiet")
    wire.a.handle_drain()
    assert seen.events == [("drain", None)]


def test_a_later_pair_handler_call_keeps_earlier_waiters() -> None:
    """Two opens for one id: the first is put off, the second is not, both end."""
    mux, answers = Mux(), [True, None]
    mux.pair("chat", None, lambda _: answers.pop(0))
    mux.receive_frame(open_frame(1, "chat"))
    mux.receive_frame(open_frame(2, "chat"))
    assert mux.frames_to_send() == [frame(0, 2, 1), frame(0, 2, 2)]


def test_a_second_open_of_the_same_is_refused_not_our_fault() -> None:
    wire, seen = Wire(), Recorder()
    wire.b.pair("chat", None, lambda _: seen.open(wire.b, "chat") and None)
    first = wire.a.create_channel("chat", unique=False, messages=[None])
    second = wire.a.create_channel("chat", unique=False, messages=[None])
    wire.run()
    assert first.opened
    assert second.closed
    assert seen.events == [("open", b"")]


def test_an_open_beyond_our_own_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire()
    wire.b.pair("chat", None, lambda name: wire.b.create_channel("chat", name) and None)
    monkeypatch.setattr(mux_module, "MAX_CHANNELS", 2)
    Recorder().open(wire.b, "own")
    channels = [wire.a.create_channel("chat", bytes([number])) for number in range(2)]
    wire.step(wire.a, wire.b, wire.from_a)
    wire.step(wire.b, wire.a, wire.from_b)
    assert [channel.opened for channel in channels] == [True, False]


def test_a_handlers_own_mistake_is_told() -> None:
    wire = Wire()
    wire.b.pair("chat", None, lambda _: wire.b.create_channel("p" * 300) and None)
    wire.a.create_channel("chat")
    with pytest.raises(LocalProtocolError):
        wire.run()
