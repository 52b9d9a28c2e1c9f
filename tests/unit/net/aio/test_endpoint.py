"""Endpoints on loopback: streams, stray datagrams, full and refusing sockets."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from net.aio.endpoint import MAX_PENDING_DATAGRAMS, Endpoint
from net.aio.raw_stream import UdxStream
from net.aio.udp import Address, SendOutcome, UdpReceiver
from net.errors import LocalProtocolError

HOST = "127.0.0.1"


class Listener:
    """Keeps what a stream reports, and can answer at once."""

    def __init__(self, stream: UdxStream, *, echo: bool = False) -> None:
        self.stream = stream
        self.echo = echo
        self.data = bytearray()
        self.messages: list[bytes] = []
        self.calls: list[str] = []
        self.closed: asyncio.Future[str | None]
        self.closed = asyncio.get_running_loop().create_future()
        self.room = asyncio.Event()
        self.news = asyncio.Event()
        stream.listener = self

    def raw_data(self, data: bytes, now: float) -> None:
        assert now > 0
        self.calls.append("data")
        self.data += data
        self.news.set()
        if self.echo:
            self.stream.write(data)

    def raw_message(self, data: bytes) -> None:
        self.calls.append("message")
        self.messages.append(data)
        self.news.set()

    def raw_end(self) -> None:
        self.calls.append("end")
        if self.echo:
            self.stream.end()

    def raw_drained(self) -> None:
        self.room.set()

    def raw_closed(self, code: str | None) -> None:
        self.calls.append("closed")
        self.closed.set_result(code)

    async def wait_for(self, size: int) -> None:
        while len(self.data) < size:
            self.news.clear()
            await self.news.wait()


@dataclass
class Ends:
    """Two endpoints with a stream between them."""

    a: Endpoint
    b: Endpoint
    strays: list[tuple[int, bytes, Address]] = field(default_factory=list)

    def join(self, *, echo: bool = False) -> tuple[Listener, Listener]:
        one, two = self.a.create_stream(), self.b.create_stream()
        one.connect(two.local_id, 0, self.b.socket_address(0))
        two.connect(one.local_id, 0, self.a.socket_address(0))
        return Listener(one), Listener(two, echo=echo)


@pytest_asyncio.fixture
async def ends() -> AsyncIterator[Ends]:
    strays: list[tuple[int, bytes, Address]] = []
    a = Endpoint(entropy=random.Random(1).randbytes)
    b = Endpoint(
        entropy=random.Random(2).randbytes,
        on_datagram=lambda *stray: strays.append(stray),
    )
    for endpoint in (a, b):
        await endpoint.open_socket(0, host=HOST)
    yield Ends(a, b, strays)
    await a.stop()
    await b.stop()


async def test_bytes_are_echoed_and_both_sides_end(ends: Ends) -> None:
    one, two = ends.join(echo=True)
    data = random.Random(3).randbytes(3_000_000)
    for at in range(0, len(data), 50_000):
        one.room.clear()
        if not one.stream.write(data[at : at + 50_000]):
            await one.room.wait()
    one.stream.end()
    assert await one.closed is None
    assert await two.closed is None
    assert hashlib.sha256(one.data).digest() == hashlib.sha256(data).digest()
    assert one.calls[-2:] == ["end", "closed"]
    assert one.stream.stats().mtu > 1200
    assert one.stream.stats().rtt_s is not None
    assert one.stream.queued_bytes == 0
    assert ends.a.multiplexer.streams == {}


async def test_an_answer_from_a_callback_costs_two_datagrams(ends: Ends) -> None:
    one, two = ends.join(echo=True)
    one.stream.write(b"ping")
    await one.wait_for(4)
    statistics = two.stream.statistics
    assert statistics.received_packets == 1
    assert one.stream.statistics.received_packets == 1


async def test_what_the_sockets_carry_is_counted(ends: Ends) -> None:
    one, two = ends.join()
    one.stream.write(bytes(200_000))
    await two.wait_for(200_000)
    ends.a.send_datagram(0, b"stray", ends.b.socket_address(0))
    while not ends.strays:
        await asyncio.sleep(0)
    sent, received = ends.a.traffic, ends.b.traffic
    assert received.packets_received == sent.packets_sent > 200_000 // 1500
    assert received.bytes_received == sent.bytes_sent > 200_000
    plain = sent.as_plain()
    assert plain["packetsSent"] == sent.packets_sent
    assert plain["bytesSent"] == sent.bytes_sent + 28 * sent.packets_sent


async def test_a_callback_that_fails_keeps_nobody_else_from_sending(ends: Ends) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failures.append(context.get("exception"))
    )
    one, two = ends.join()

    def fail() -> None:
        raise ValueError("a bug of one")

    def write() -> None:
        one.stream.write(b"small")

    ends.a.call_before_flush(fail)
    one.stream.call_before_flush(write)
    one.stream.call_before_flush(write)
    async with asyncio.timeout(60):
        await two.wait_for(10)
    assert bytes(two.data) == b"small" * 2
    assert [type(failure) for failure in failures] == [ValueError]


async def test_messages_and_what_they_may_hold(ends: Ends) -> None:
    one, two = ends.join()
    one.stream.send_message(b"message")
    one.stream.flush()
    while not two.messages:
        await two.news.wait()
    assert two.messages == [b"message"]
    limit = one.stream.max_message_bytes
    one.stream.send_message(bytes(limit))
    with pytest.raises(LocalProtocolError):
        one.stream.send_message(bytes(limit + 1))


async def test_destroying_one_end_resets_the_other(ends: Ends) -> None:
    one, two = ends.join()
    one.stream.destroy()
    assert await one.closed == "destroyed"
    assert await two.closed == "reset"
    assert not two.stream.connected


async def test_strays_go_to_the_handler_and_are_answered(ends: Ends) -> None:
    assert ends.a.send_datagram(0, b"\x03request", ends.b.socket_address(0))
    assert ends.a.send_datagram(0, b"\x03near", ends.b.socket_address(0), 3)
    while len(ends.strays) < 2:
        await asyncio.sleep(0)
    source = ends.a.socket_address(0)
    assert ends.strays == [(0, b"\x03request", source), (0, b"\x03near", source)]


async def test_a_stream_connects_from_its_hook(ends: Ends) -> None:
    late = ends.b.create_stream(77)
    listener = Listener(late)
    asked: list[tuple[int, Address]] = []

    def hook(socket: int, address: Address) -> bool:
        asked.append((socket, address))
        late.connect(66, socket, address)
        return True

    late.machine.on_unknown_source = hook
    early = ends.a.create_stream(66)
    early.connect(77, 0, ends.b.socket_address(0))
    early.write(b"early")
    await listener.wait_for(5)
    assert asked == [(0, ends.a.socket_address(0))]
    assert late.remote_address == ends.a.socket_address(0)
    while early.queued_bytes:
        await asyncio.sleep(0)


async def test_sockets_are_numbered_and_closed_with_their_streams(ends: Ends) -> None:
    with pytest.raises(LocalProtocolError):
        await ends.a.open_socket(0, host=HOST)
    await ends.a.open_socket(7, host=HOST)
    one, two = ends.a.create_stream(), ends.b.create_stream()
    one.connect(two.local_id, 7, ends.b.socket_address(0))
    two.connect(one.local_id, 0, ends.a.socket_address(7))
    first, second = Listener(one), Listener(two)
    ends.a.close_socket(7)
    ends.a.close_socket(7)
    assert await first.closed == "destroyed"
    assert await second.closed == "reset"
    assert not ends.a.send_datagram(7, b"x", ends.b.socket_address(0))
    assert ends.a.dropped == {"no such socket": 1}
    assert ends.a.description != ""


class FakeSocket:
    """Says what it is told to, and keeps what it takes."""

    description = "fake"

    def __init__(self, outcome: SendOutcome) -> None:
        self.outcome = outcome
        self.address: Address = (HOST, 1)
        self.taken: list[bytes] = []
        self.fragmented: list[bytes] = []
        self.receiver: UdpReceiver | None = None

    def start(self, receiver: UdpReceiver) -> None:
        self.receiver = receiver

    def send(
        self, data: bytes, segment_size: int, address: Address, ttl: int | None = None
    ) -> SendOutcome:
        del segment_size, address, ttl
        if self.outcome is SendOutcome.SENT:
            self.taken.append(data)
        return self.outcome

    def send_fragmented(self, data: bytes, address: Address) -> SendOutcome:
        del address
        self.fragmented.append(data)
        return SendOutcome.SENT

    def close(self) -> None:
        pass


async def faked(
    monkeypatch: pytest.MonkeyPatch, outcome: SendOutcome
) -> tuple[Endpoint, FakeSocket]:
    fake = FakeSocket(outcome)

    async def opened(*where: object, **more: object) -> FakeSocket:
        del where, more
        return fake

    monkeypatch.setattr("net.aio.endpoint.open_udp_socket", opened)
    endpoint = Endpoint(entropy=random.Random(1).randbytes)
    await endpoint.open_socket(0)
    return endpoint, fake


async def test_a_full_socket_holds_what_waits_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint, fake = await faked(monkeypatch, SendOutcome.BLOCKED)
    stream = endpoint.create_stream()
    stream.connect(2, 0, ("10.0.0.1", 1))
    stream.write(b"stream")
    endpoint.flush()
    assert endpoint.send_datagram(0, b"stray", ("10.0.0.1", 1))
    stream.write(b"later")
    endpoint.flush()
    for _ in range(MAX_PENDING_DATAGRAMS):
        endpoint.send_datagram(0, b"flood", ("10.0.0.1", 1))
    assert endpoint.dropped["socket full"] > 0
    assert fake.taken == []
    assert fake.receiver is not None
    fake.receiver.writable()
    assert fake.taken == []
    fake.outcome = SendOutcome.SENT
    fake.receiver.writable()
    assert [data[-6:] for data in fake.taken[:2]] == [b"stream", b"stray"]
    assert fake.taken[-1].endswith(b"later")
    await endpoint.stop()


async def test_what_a_full_socket_cannot_keep_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint, _ = await faked(monkeypatch, SendOutcome.BLOCKED)
    assert not endpoint.send_datagram(0, b"punch", ("10.0.0.1", 1), 5)
    assert endpoint.dropped == {"refused by the system": 1}
    await endpoint.stop()


async def test_a_system_that_refuses_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint, _ = await faked(monkeypatch, SendOutcome.FAILED)
    assert not endpoint.send_datagram(0, b"x", ("10.0.0.1", 1))
    stream = endpoint.create_stream()
    stream.connect(2, 0, ("10.0.0.1", 1))
    stream.write(b"x")
    endpoint.flush()
    assert endpoint.dropped == {"refused by the system": 2}
    await endpoint.stop()


async def test_datagrams_too_large_go_in_fragments_but_probes_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint, fake = await faked(monkeypatch, SendOutcome.TOO_LARGE)
    assert endpoint.send_datagram(0, b"large", ("10.0.0.1", 1))
    stream = endpoint.create_stream(1)
    stream.connect(2, 0, ("10.0.0.1", 1))
    stream.write(bytes(5000))
    endpoint.flush()
    sizes = [len(data) for data in fake.fragmented]
    assert sizes == [5, 1172, 1172, 1172, 1172, 412]
    assert stream.statistics.mtu == 1200
    await endpoint.stop()


async def test_a_stopped_endpoint_opens_nothing(ends: Ends) -> None:
    await ends.a.stop()
    with pytest.raises(LocalProtocolError):
        await ends.a.open_socket(9, host=HOST)
    ends.a.run_turn()


async def echo_megabyte() -> None:
    """What the fixture's tests do, on whatever loop runs this."""
    a = Endpoint(entropy=random.Random(1).randbytes)
    b = Endpoint(entropy=random.Random(2).randbytes)
    for endpoint in (a, b):
        await endpoint.open_socket(0, host=HOST)
    one, two = Ends(a, b).join(echo=True)
    data = random.Random(4).randbytes(1_000_000)
    one.stream.write(data)
    one.stream.end()
    assert await one.closed is None
    assert await two.closed is None
    assert one.data == data
    await a.stop()
    await b.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
def test_it_runs_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(echo_megabyte())
