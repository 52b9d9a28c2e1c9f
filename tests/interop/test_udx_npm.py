"""Our UDX streams against npm's on loopback, in both roles."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from net.aio.endpoint import Endpoint
from net.aio.raw_stream import UdxStream
from tests.interop.node_peer import HERE, MODULES

pytestmark = pytest.mark.interop

OWN_ID = 1
PEER_ID = 2
HOST = "127.0.0.1"
BULK_BYTES = 20_000_000
LIMIT_S = 60.0
CHUNK_BYTES = 65_536


class Recorder:
    """Listens to a stream and keeps what it says."""

    def __init__(self, stream: UdxStream) -> None:
        self.stream = stream
        self.received_bytes = 0
        self.digest = hashlib.sha256()
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.room = asyncio.Event()
        self.ended = asyncio.Event()
        self.closed: asyncio.Future[str | None]
        self.closed = asyncio.get_running_loop().create_future()
        stream.listener = self

    def raw_data(self, data: bytes, now: float) -> None:
        del now
        self.received_bytes += len(data)
        self.digest.update(data)

    def raw_message(self, data: bytes) -> None:
        self.messages.put_nowait(data)

    def raw_end(self) -> None:
        self.ended.set()

    def raw_drained(self) -> None:
        self.room.set()

    def raw_closed(self, code: str | None) -> None:
        self.closed.set_result(code)

    async def write_all(self, data: bytes) -> None:
        """Write with respect for the stream's back-pressure, then end."""
        for at in range(0, len(data), CHUNK_BYTES):
            self.room.clear()
            if not self.stream.write(data[at : at + CHUNK_BYTES]):
                await self.room.wait()
        self.stream.end()


class NpmEnd:
    """The npm process at the other end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def event(self, name: str) -> dict[str, Any]:
        """Wait for one report, passing others over."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            report: dict[str, Any] = json.loads(line)
            if report["event"] == name:
                return report
        raise AssertionError(f"the npm end never reported {name}")

    def connect(self, port: int) -> None:
        """Tell it where we are."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"port": port}).encode() + b"\n")


@asynccontextmanager
async def npm_end(action: str, **options: Any) -> AsyncIterator[tuple[NpmEnd, int]]:
    """A Node process with a stream that is not connected yet, and its port."""
    settings = {
        "module": str(MODULES / "udx-native"),
        "id": PEER_ID,
        "remoteId": OWN_ID,
        "action": action,
        "bytes": 0,
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "udx_peer.js"),
        json.dumps(settings | options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    end = NpmEnd(process)
    try:
        async with asyncio.timeout(LIMIT_S):
            port = (await end.event("listening"))["port"]
            yield end, port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def joined(
    action: str, *, offload: bool = True, **options: Any
) -> AsyncIterator[tuple[Recorder, NpmEnd, Endpoint]]:
    """Our stream and npm's, connected to each other."""
    async with npm_end(action, **options) as (end, port):
        endpoint = Endpoint(entropy=os.urandom)
        address = await endpoint.open_socket(0, host=HOST, offload=offload)
        recorder = Recorder(endpoint.create_stream(OWN_ID))
        recorder.stream.connect(PEER_ID, 0, (HOST, port))
        end.connect(address[1])
        try:
            await end.event("connected")
            yield recorder, end, endpoint
        finally:
            await endpoint.stop()


def pattern(size: int) -> bytes:
    """What the npm end sends."""
    block = bytes((i * 31 + (i >> 8)) & 255 for i in range(CHUNK_BYTES))
    return (block * (size // CHUNK_BYTES + 1))[:size]


@pytest.mark.parametrize("offload", [True, False])
async def test_twenty_megabytes_to_npm(*, offload: bool) -> None:
    data = os.urandom(BULK_BYTES)
    async with joined("receive", offload=offload) as (recorder, end, _):
        await recorder.write_all(data)
        report = await end.event("end")
        assert report["bytes"] == len(data)
        assert report["sha256"] == hashlib.sha256(data).hexdigest()
        assert await recorder.closed is None
        await end.event("close")
        assert recorder.ended.is_set()
        assert recorder.stream.statistics.mtu == 1500


@pytest.mark.parametrize("offload", [True, False])
async def test_twenty_megabytes_from_npm(*, offload: bool) -> None:
    async with joined("send", offload=offload, bytes=BULK_BYTES) as (recorder, end, ep):
        await end.event("sent")
        await recorder.ended.wait()
        recorder.stream.end()
        assert await recorder.closed is None
        report = await end.event("end")
        assert report["mtu"] == 1500
        await end.event("close")
        expected = hashlib.sha256(pattern(BULK_BYTES)).hexdigest()
        assert recorder.received_bytes == BULK_BYTES
        assert recorder.digest.hexdigest() == expected
        assert not ep.multiplexer.dropped


async def test_a_megabyte_echoed_with_half_close() -> None:
    data = os.urandom(1_000_000)
    async with joined("echo") as (recorder, end, _):
        await recorder.write_all(data)
        report = await end.event("end")
        assert report["bytes"] == len(data)
        assert await recorder.closed is None
        assert recorder.digest.digest() == hashlib.sha256(data).digest()


async def test_messages_both_ways() -> None:
    mine = [b"one", b"", bytes(range(256)) * 4]
    theirs = [b"from npm", b""]
    async with joined("messages", messages=[it.hex() for it in theirs]) as (
        recorder,
        end,
        _,
    ):
        for expected in theirs:
            assert await recorder.messages.get() == expected
        # npm sends those back that we send.
        for message in mine:
            recorder.stream.send_message(message)
            assert (await end.event("message"))["hex"] == message.hex()
            assert await recorder.messages.get() == message
        recorder.stream.end()
        await end.event("close")


async def test_our_destroy_resets_npm() -> None:
    async with joined("receive") as (recorder, end, _):
        recorder.stream.write(b"x")
        await asyncio.sleep(0.1)
        recorder.stream.destroy()
        assert (await end.event("error"))["code"] == "ECONNRESET"
        assert await recorder.closed == "destroyed"


async def test_the_destroy_of_npm_resets_us() -> None:
    async with joined("destroy") as (recorder, end, _):
        recorder.stream.write(b"x")
        assert await recorder.closed == "reset"
        await end.event("close")
