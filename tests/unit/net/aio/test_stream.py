"""A connection: messages, pressure, datagrams, channels and every way to end."""

from __future__ import annotations

import asyncio
import gc

import pytest

from net.aio import stream as stream_module
from net.aio.datagrams import MAX_QUEUED_DATAGRAMS
from net.aio.errors import ConnectionClosedError
from net.aio.stream import (
    KEEP_ALIVE_S,
    MESSAGE_OVERHEAD_BYTES,
    UNREAD_STEP_BYTES,
    Connection,
)
from net.constants import MAX_PLAINTEXT_BYTES
from net.errors import LocalProtocolError, RemoteProtocolError
from tests.unit.net.aio.raw_pair import WINDOW_BYTES, connected_pair, raw_of


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def collect(connection: Connection) -> list[bytes]:
    return [chunk async for chunk in connection]


async def finish(*connections: Connection) -> None:
    for connection in connections:
        connection.destroy()
    await turns()


async def test_messages_keep_their_bounds_and_order() -> None:
    first, second = connected_pair()
    raw_of(first).chunk_bytes = 7
    sent = [b"a", b"bb" * 100, b"c" * 5000]
    for message in sent:
        await first.write(message)
    first.end()
    assert await collect(second) == sent
    await second.write(b"answer")
    second.end()
    assert await collect(first) == [b"answer"]
    await first.wait_closed()
    assert first.error is None
    assert second.error is None


async def test_small_writes_of_one_turn_leave_together() -> None:
    first, second = connected_pair()
    await turns(2)
    writes: list[int] = []
    raw = raw_of(first)
    write = raw.write

    def spy(data: bytes) -> bool:
        writes.append(len(data))
        return write(data)

    raw.write = spy  # type: ignore[method-assign]
    for _ in range(50):
        await first.write(b"x" * 100)
    await turns(2)
    assert writes == [50 * 120]
    assert [await anext(second) for _ in range(50)] == [b"x" * 100] * 50
    await finish(first, second)


async def test_what_is_above_the_frame_limit_goes_as_several_messages() -> None:
    first, second = connected_pair()
    data = bytes(MAX_PLAINTEXT_BYTES) + b"tail"
    writing = asyncio.ensure_future(first.write(data))
    assert len(await anext(second)) == MAX_PLAINTEXT_BYTES
    assert await anext(second) == b"tail"
    await writing
    await finish(first, second)


async def test_an_unread_connection_stops_the_sender() -> None:
    first, second = connected_pair()
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            await first.write(bytes(16_384))
            sent += 16_384

    flooding = asyncio.ensure_future(flood())
    await turns(1000)
    level = sent
    await turns(1000)
    assert sent == level, "the sender waits"
    # The fake carries up to 1 MiB in a piece.
    assert second.stats.unread_bytes <= WINDOW_BYTES + UNREAD_STEP_BYTES + (1 << 20)
    assert first.stats.queued_bytes <= 512 * 1024
    for _ in range(200):
        await anext(second)
    await turns(100)
    assert sent > level, "reading lets it go on"
    flooding.cancel()
    await finish(first, second)


@pytest.mark.parametrize("message", [b"ab", b""])
async def test_the_smallest_messages_count_as_what_they_cost(message: bytes) -> None:
    first, second = connected_pair(keep_alive_s=None)
    raw_of(first).chunk_bytes = 16_384
    count = 3 * WINDOW_BYTES // MESSAGE_OVERHEAD_BYTES
    for _ in range(count):
        first.write_nowait(message)
    await turns(1000)
    held = len(second._received)
    assert held * MESSAGE_OVERHEAD_BYTES < WINDOW_BYTES + 2 * UNREAD_STEP_BYTES
    assert second.stats.unread_bytes == held * len(message)
    for _ in range(count):
        assert await anext(second) == message
    assert second.stats.unread_bytes == 0
    await finish(first, second)


async def test_a_writer_that_does_not_wait_is_ended_at_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "MAX_QUEUED_BYTES", 1 << 20)
    first, second = connected_pair()
    raw_of(first).stuck = True
    for _ in range(16):
        first.write_nowait(bytes(65_536))
    with pytest.raises(ConnectionClosedError, match="more was queued"):
        first.write_nowait(b"")
    await finish(first, second)


async def test_end_is_half_a_close() -> None:
    first, second = connected_pair()
    await first.write(b"question")
    await first.end()
    assert await collect(second) == [b"question"]
    assert second.remote_ended
    assert not second.closed
    assert raw_of(first).keep_alive_s == KEEP_ALIVE_S, "for no frame tells any more"
    with pytest.raises(LocalProtocolError, match="ended"):
        await first.write(b"more")
    await second.write(b"late answer")
    assert await anext(first) == b"late answer"
    second.end()
    assert await collect(first) == []
    assert first.closed
    assert second.closed


async def test_close_waits_for_the_other_side_and_delivers_what_was_written() -> None:
    first, second = connected_pair()
    await first.write(b"last words")
    closing = first.close()
    assert await collect(second) == [b"last words"]
    assert not first.closed
    await second.close()
    await closing
    assert first.closed
    assert first.error is None
    assert await collect(first) == []
    assert first.close() is not None, "closing twice is allowed"


async def test_close_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "CLOSE_LIMIT_S", 0.0)
    first, second = connected_pair()
    await first.close()
    assert first.closed
    assert await collect(second) == [], "the end came before the cut"
    await turns()
    with pytest.raises(ConnectionClosedError) as caught:
        await second.write(b"x")
    assert caught.value.code == "reset"


async def test_a_reset_breaks_readers_writers_and_drains() -> None:
    first, second = connected_pair()
    reading = asyncio.ensure_future(collect(first))
    raw_of(first).stuck = True
    while first.has_room:
        first.write_nowait(bytes(65_536))
    draining = asyncio.ensure_future(first.drain())
    await turns(2)
    second.destroy()
    for waiting in (reading, draining):
        with pytest.raises(ConnectionClosedError, match="peer ended"):
            await waiting
    with pytest.raises(ConnectionError):
        await first.write(b"")
    with pytest.raises(ConnectionClosedError):
        first.send(b"")


async def test_own_destroy_ends_the_own_loop_quietly() -> None:
    first, second = connected_pair()
    reading = asyncio.ensure_future(collect(first))
    await turns(2)
    closed: list[Connection] = []
    first.on_close.append(closed.append)
    first.destroy("not needed")
    assert await reading == []
    assert closed == [first]
    assert "not needed" in str(first.error)
    await finish(second)


async def test_messages_that_came_before_a_reset_are_read_first() -> None:
    first, second = connected_pair()
    await first.write(b"one")
    await turns()
    first.destroy()
    await turns()
    assert await anext(second) == b"one"
    with pytest.raises(ConnectionClosedError):
        await anext(second)


async def test_a_forged_frame_ends_the_connection() -> None:
    first, second = connected_pair()
    await first.write(b"fine")
    assert await anext(second) == b"fine"
    second.raw_data(b"\x20\0\0" + bytes(32), 0.0)
    assert second.closed
    with pytest.raises(ConnectionClosedError, match="broke the protocol"):
        await anext(second)
    await finish(first)


async def test_datagrams_come_unordered_and_bounded() -> None:
    first, second = connected_pair()
    first.send(b"one")
    await second.send(b"two")
    inbox = second.datagrams()
    assert await anext(inbox) == b"one"
    assert await anext(first.datagrams()) == b"two"

    for number in range(MAX_QUEUED_DATAGRAMS + 5):
        first.send(b"%d" % number)
    await turns()
    assert len(inbox) == MAX_QUEUED_DATAGRAMS
    assert await anext(inbox) == b"5", "the oldest made room"
    assert second.stats.datagrams_dropped == 5

    second.raw_message(b"nonsense that is long enough to look at")
    assert second.stats.datagrams_dropped == 6
    with pytest.raises(LocalProtocolError, match="above"):
        first.send(bytes(first.max_datagram_bytes + 1))
    waiting = asyncio.ensure_future(anext(first.datagrams(), None))
    await turns(2)
    await finish(first, second)
    assert await waiting is None


async def test_a_callback_takes_datagrams_at_once() -> None:
    first, second = connected_pair()
    taken: list[bytes] = []
    second.on_datagram = taken.append
    first.send(b"now")
    await turns()
    assert taken == [b"now"]
    assert len(second.datagrams()) == 0
    await finish(first, second)


async def test_channels_over_the_connection_share_frames() -> None:
    first, second = connected_pair()
    heard: list[bytes] = []
    opened: list[bytes] = []
    second.mux.create_channel("chat", messages=[heard.append])
    channel = first.mux.create_channel(
        "chat", messages=[None], handshake=b"hi", on_open=opened.append
    )
    await turns()
    assert opened == [b""]
    before = first.stats.bytes_sent
    for number in range(100):
        assert channel.send(0, b"%02d" % number)
    await turns()
    assert heard == [b"%02d" % number for number in range(100)]
    assert first.stats.bytes_sent - before < 100 * 10, "one frame, not a hundred"
    with pytest.raises(LocalProtocolError, match="mux reads"):
        await anext(first)
    await finish(first, second)
    assert channel.closed


async def test_a_mux_gets_what_came_before_it_was_asked_for() -> None:
    first, second = connected_pair()
    channel = first.mux.create_channel("chat", messages=[None])
    channel.send(0, b"early")
    await turns()
    heard: list[bytes] = []
    second.mux.create_channel("chat", messages=[heard.append])
    await turns()
    assert heard == [b"early"]
    await finish(first, second)


async def test_a_mux_that_must_wait_slows_the_other_side_down() -> None:
    first, second = connected_pair()
    second.mux.pair("chat", None, lambda _: True)
    channel = first.mux.create_channel("chat", messages=[None])
    for _ in range(200):
        channel.send(0, bytes(8192))
        await turns(2)
    assert second.mux.paused
    assert raw_of(first).queued_bytes > 0, "not everything was taken"
    heard: list[bytes] = []
    second.mux.create_channel("chat", messages=[heard.append])
    await turns(400)
    assert len(heard) == 200
    await finish(first, second)


async def test_a_mux_ends_when_the_other_side_does() -> None:
    first, second = connected_pair()
    gone: list[bool] = []
    second.mux.create_channel("chat", on_close=lambda: gone.append(True))
    first.mux.create_channel("chat")
    await turns()
    await first.close()
    assert gone == [True]
    assert second.closed
    assert second.error is None


async def test_a_handler_that_objects_ends_the_connection() -> None:
    def object_to(message: bytes) -> None:
        raise RemoteProtocolError(f"not {message!r}", code="objection")

    first, second = connected_pair()
    second.mux.create_channel("chat", messages=[object_to])
    channel = first.mux.create_channel("chat", messages=[None])
    channel.send(0, b"this")
    await turns()
    assert second.closed
    assert second.error is not None
    assert second.error.code == "objection"
    assert first.closed
    assert channel.closed


@pytest.mark.expects_log("Exception in callback")
async def test_a_bug_in_a_handler_is_loud_and_ends_this_connection_only() -> None:
    def broken(_: bytes) -> None:
        raise ValueError("broken handler")

    first, second = connected_pair()
    other, another = connected_pair()
    second.mux.create_channel("chat", messages=[broken])
    first.mux.create_channel("chat", messages=[None]).send(0, b"x")
    await other.write(b"unmoved")
    await turns()
    assert second.closed
    assert await anext(another) == b"unmoved"
    await finish(first, other, another)


async def test_an_objection_to_a_handshake_ends_the_connection() -> None:
    def object_to(handshake: bytes) -> None:
        raise RemoteProtocolError(f"not {handshake!r}", code="objection")

    first, second = connected_pair()
    first.mux.create_channel("chat", handshake=b"hi")
    await turns()
    second.mux.create_channel("chat", on_open=object_to)
    await turns()
    assert second.closed
    assert second.error is not None
    assert second.error.code == "objection"
    await finish(first)


async def test_one_reader_at_a_time() -> None:
    first, second = connected_pair()
    reading = asyncio.ensure_future(anext(first, None))
    await turns(2)
    with pytest.raises(LocalProtocolError, match="two tasks"):
        await anext(first)
    with pytest.raises(LocalProtocolError, match="a task reads"):
        _ = first.mux
    reading.cancel()
    await turns(2)
    waiting = asyncio.ensure_future(anext(first))
    await second.write(b"for the next reader")
    assert await waiting == b"for the next reader"
    await finish(first, second)


async def test_keep_alives_are_sent_and_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = connected_pair()
    await turns()
    before = second.stats.bytes_received
    first.send_keep_alive()
    await turns()
    assert second.stats.bytes_received == before + 20
    now = stream_module.time.monotonic() + stream_module.KEEP_ALIVE_S + 1
    monkeypatch.setattr(stream_module.time, "monotonic", lambda: now)
    first._handle_keep_alive()
    await turns()
    assert second.stats.bytes_received == before + 40
    assert second.stats.unread_bytes == 0
    await finish(first, second)


async def test_a_context_closes_or_cuts() -> None:
    first, second = connected_pair()
    async with second, first:
        await first.write(b"x")
        second.end()
    assert first.closed
    first, second = connected_pair()
    with pytest.raises(KeyError):
        async with first:
            raise KeyError
    assert first.closed
    await finish(second)


async def test_figures_are_told() -> None:
    first, second = connected_pair()
    await first.write(b"12345")
    await turns()
    assert first.stats.rtt_s == 0.02
    assert first.stats.mtu == 1500
    assert first.stats.packets_retransmitted == 3
    assert first.stats.bytes_sent == 59 + 3 + 17 + 5
    assert second.stats.unread_bytes == 5
    assert second.has_traffic
    assert first.remote_address == ("192.0.2.1", 4000)
    assert first.remote_public_key.hex()[:8] in repr(first)
    await finish(first, second)
    assert "closed" in repr(first)


async def test_nothing_is_left_running() -> None:
    first, second = connected_pair()
    await first.write(b"x")
    await turns()
    await finish(first, second)
    del first, second
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}
