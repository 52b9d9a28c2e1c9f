"""The UDP backends on loopback: they carry the same datagrams, each in its own way."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from net.aio import udp, udp_offload
from net.aio.udp import Address, SendOutcome, UdpSocket, open_udp_socket
from net.aio.udp_plain import PlainUdpSocket, outcome_of
from net.aio.udp_transport import open_transport_socket
from net.errors import EnvironmentFault

HOST = "127.0.0.1"
KINDS = ["offload", "plain", "transport"]


class Receiver:
    """Takes runs apart and keeps each datagram."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address]] = []
        self.buffers = 0
        self.turns = 0
        self.writable_count = 0
        self._news = asyncio.Event()

    def datagrams_received(
        self, data: memoryview, segment_size: int, address: Address
    ) -> None:
        self.buffers += 1
        size = segment_size or max(len(data), 1)
        for at in range(0, max(len(data), 1), size):
            self.datagrams.append((bytes(data[at : at + size]), address))

    def turn_finished(self) -> None:
        self.turns += 1
        self._news.set()

    def writable(self) -> None:
        self.writable_count += 1
        self._news.set()

    async def wait_for(self, count: int) -> None:
        while len(self.datagrams) < count:
            self._news.clear()
            await self._news.wait()


async def open_kind(kind: str) -> UdpSocket:
    loop = asyncio.get_running_loop()
    if kind == "transport":
        return await open_transport_socket(loop, udp._bind(HOST, 0))
    opened = await open_udp_socket(HOST, 0, offload=kind == "offload")
    if kind == "offload" and not isinstance(opened, udp_offload.OffloadUdpSocket):
        opened.close()
        pytest.skip("this system has no segmentation offload")
    return opened


@pytest_asyncio.fixture(params=KINDS)
async def ends(request: Any) -> AsyncIterator[tuple[UdpSocket, UdpSocket, Receiver]]:
    """A sending socket of each kind, and one of the best kind that receives."""
    sender, receiving = await open_kind(request.param), await open_udp_socket(HOST)
    receiver = Receiver()
    sender.start(Receiver())
    receiving.start(receiver)
    yield sender, receiving, receiver
    sender.close()
    receiving.close()


async def test_single_datagrams_arrive_with_their_source(
    ends: tuple[UdpSocket, UdpSocket, Receiver],
) -> None:
    sender, receiving, receiver = ends
    for data in (b"one", b"", bytes(1400)):
        assert sender.send(data, 0, receiving.address) is SendOutcome.SENT
    await receiver.wait_for(3)
    assert [data for data, _ in receiver.datagrams] == [b"one", b"", bytes(1400)]
    assert {source for _, source in receiver.datagrams} == {sender.address}
    assert sender.description != ""


async def test_a_run_arrives_as_its_datagrams(
    ends: tuple[UdpSocket, UdpSocket, Receiver],
) -> None:
    sender, receiving, receiver = ends
    run = b"".join(bytes([number]) * 1000 for number in range(20)) + b"tail"
    assert sender.send(run, 1000, receiving.address) is SendOutcome.SENT
    await receiver.wait_for(21)
    assert [data for data, _ in receiver.datagrams] == [
        *(bytes([number]) * 1000 for number in range(20)),
        b"tail",
    ]


async def test_a_ttl_of_its_own_and_fragments(
    ends: tuple[UdpSocket, UdpSocket, Receiver],
) -> None:
    sender, receiving, receiver = ends
    assert sender.send(b"near", 0, receiving.address, 1) is SendOutcome.SENT
    assert sender.send_fragmented(b"far", receiving.address) is SendOutcome.SENT
    await receiver.wait_for(2)
    assert sorted(data for data, _ in receiver.datagrams) == [b"far", b"near"]


async def test_refusals_are_outcomes_and_not_errors(
    ends: tuple[UdpSocket, UdpSocket, Receiver],
) -> None:
    sender, receiving, _ = ends
    assert sender.send(bytes(70_000), 0, receiving.address, 64) in (
        SendOutcome.TOO_LARGE,
        SendOutcome.FAILED,
    )
    sender.close()
    sender.close()
    assert sender.send(b"x", 0, receiving.address) is SendOutcome.FAILED
    assert sender.send_fragmented(b"x", receiving.address) is SendOutcome.FAILED


@pytest.mark.skipif(sys.platform != "linux", reason="offload is Linux's")
async def test_offload_moves_a_run_with_one_buffer() -> None:
    sender, receiving = await open_kind("offload"), await open_kind("offload")
    receiver = Receiver()
    receiving.start(receiver)
    assert "UDP_SEGMENT" in sender.description
    sender.send(bytes(44 * 1472), 1472, receiving.address)
    await receiver.wait_for(44)
    assert receiver.buffers == 1
    sender.close()
    receiving.close()


@pytest.mark.skipif(sys.platform != "linux", reason="offload is Linux's")
async def test_a_device_without_segmentation_is_remembered() -> None:
    sender, receiving = await open_kind("offload"), await open_kind("offload")
    receiver = Receiver()
    receiving.start(receiver)
    assert isinstance(sender, udp_offload.OffloadUdpSocket)
    real = sender._socket

    class Refusing:
        """A device that cannot segment."""

        def sendmsg(self, *arguments: object) -> int:
            raise OSError(errno.EIO, "no offload here", arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    sender._socket = Refusing()  # type: ignore[assignment]
    assert sender.send(bytes(3000), 1000, receiving.address) is SendOutcome.SENT
    await receiver.wait_for(3)
    assert "refused" in sender.description
    sender._socket = real
    assert sender.send(bytes(2000), 1000, receiving.address) is SendOutcome.SENT
    await receiver.wait_for(5)
    sender.close()
    receiving.close()


@pytest.mark.parametrize("kind", ["offload", "plain"])
async def test_a_full_socket_says_so_and_calls_when_it_is_not(kind: str) -> None:
    sender = await open_kind(kind)
    receiver = Receiver()
    sender.start(receiver)
    assert isinstance(sender, PlainUdpSocket)
    real = sender._socket

    class Full:
        """A socket whose buffer is full."""

        def sendto(self, *arguments: object) -> int:
            raise BlockingIOError(errno.EAGAIN, "full", arguments)

        sendmsg = sendto

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    sender._socket = Full()  # type: ignore[assignment]
    for size in (0, 100):
        assert sender.send(bytes(300), size, sender.address) is SendOutcome.BLOCKED
    while not receiver.writable_count:
        await asyncio.sleep(0)
    assert receiver.writable_count == 1
    sender.send(b"x", 0, sender.address)
    sender._socket = real
    sender.close()


def test_errors_of_sending_have_their_meaning() -> None:
    assert outcome_of(OSError(errno.EAGAIN, "")) is SendOutcome.BLOCKED
    assert outcome_of(OSError(errno.ENOBUFS, "")) is SendOutcome.BLOCKED
    assert outcome_of(OSError(errno.EMSGSIZE, "")) is SendOutcome.TOO_LARGE
    assert outcome_of(OSError(errno.ENETUNREACH, "")) is SendOutcome.FAILED


async def test_a_taken_port_is_a_fault_of_the_environment() -> None:
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind((HOST, 0))
    with pytest.raises(EnvironmentFault) as caught:
        await open_udp_socket(HOST, taken.getsockname()[1])
    assert caught.value.code == "port-taken"
    taken.close()


async def test_loops_that_cannot_watch_sockets_get_transports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(udp, "_has_readers", lambda loop: loop is None)
    sender, receiving = await open_udp_socket(HOST), await open_udp_socket(HOST)
    assert "transports" in sender.description
    receiver = Receiver()
    receiving.start(receiver)
    sender.start(Receiver())
    sender.send(b"hello", 0, receiving.address)
    await receiver.wait_for(1)
    assert receiver.datagrams == [(b"hello", sender.address)]
    receiving.close()
    sender.close()
    await asyncio.sleep(0)


async def test_no_more_files_is_a_fault_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(udp.socket, "socket", refuse)
        with pytest.raises(EnvironmentFault, match="Too many open files") as caught:
            udp._bind("127.0.0.1", 0)
    assert caught.value.code == "no-socket"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_low_limit_of_files_is_raised() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = 256
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, before[1]))
        udp.allow_many_sockets()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft > low
        assert hard == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_windows_is_told_not_to_fail_reads_for_unreachable_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[str, int, int, int]] = []

    class Library:
        def __init__(self, name: str) -> None:
            self.name = name

        def WSAIoctl(self, *asked: Any) -> int:
            assert len(asked) == 9
            calls.append(
                (self.name, asked[0].value, asked[1].value, asked[2]._obj.value)
            )
            return 0

    monkeypatch.setattr(udp.ctypes, "WinDLL", Library, raising=False)
    monkeypatch.setattr(udp.sys, "platform", "win32")
    bound = udp._bind(HOST, 0)
    try:
        assert calls == [("ws2_32", bound.fileno(), 0x9800000C, 0)]
    finally:
        bound.close()
