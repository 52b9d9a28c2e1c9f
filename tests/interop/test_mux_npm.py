"""Our Protomux and npm's over one secret stream, each side opening first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from net.mux import Channel, Mux
from tests.interop.node_peer import LIMIT_S, NodePeer
from tests.interop.tcp_stream import TcpSecretStream, listener
from tests.interop.test_secret_stream_npm import dialling, handshake

pytestmark = pytest.mark.interop


class MuxOverTcp:
    """Our mux on a stream to npm, pumped after everything that happens."""

    def __init__(self, npm: NodePeer, stream: TcpSecretStream, name: str) -> None:
        self.mux = Mux()
        self.npm = npm
        self.name = name
        self.happened: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.frames: list[bytes] = []
        self._stream = stream

    def open(self, protocol: str, channel_id: bytes = b"", **options: Any) -> Channel:
        """Open a channel of two message types that reports to ``happened``."""
        put = self.happened.put_nowait
        return self.mux.create_channel(
            protocol,
            channel_id,
            messages=[lambda data: put((0, data)), lambda data: put((1, data))],
            on_open=lambda handshake: put(("open", handshake)),
            on_close=lambda: put(("close",)),
            **options,
        )

    def pump(self) -> None:
        """Send what the mux has to say."""
        for frame in self.mux.frames_to_send():
            self._stream.write(frame)

    async def next(self) -> tuple[Any, ...]:
        """What happened next on our side."""
        async with asyncio.timeout(LIMIT_S):
            return await self.happened.get()

    async def ask(self, do: str, **options: Any) -> Any:
        """A command about npm's end."""
        self.pump()
        return await self.npm.ask(do, stream=self.name, **options)

    async def run(self) -> None:
        """Feed the mux until npm ends."""
        while (frame := await self._stream.read()) is not None:
            self.frames.append(frame)
            self.mux.receive_frame(frame)
            self.pump()
        self.mux.close()


@asynccontextmanager
async def muxes(npm: NodePeer, *, initiator: bool) -> AsyncIterator[MuxOverTcp]:
    options = dialling("XX", initiator=initiator, on_data="mux")
    async with listener(handshake("XX", initiator=initiator)) as listening:
        told = await npm.ask("stream.dial", port=listening.port, **options)
        ours = MuxOverTcp(npm, await listening.stream(), told["stream"])
        running = asyncio.create_task(ours.run())
        yield ours
        await npm.ask("stream.end", stream=told["stream"])
        await running


@pytest.mark.parametrize("initiator", [True, False])
async def test_channels_opened_by_us_first(npm: NodePeer, initiator: bool) -> None:
    async with muxes(npm, initiator=initiator) as ours:
        await ours.ask(
            "channel.pair",
            protocol="echo/1",
            handshake=b"from npm".hex(),
            kinds=2,
            onMessage="echo",
        )
        channel = ours.open("echo/1", b"\xaa", handshake=b"from us")
        channel.send(0, b"sent before npm has opened")
        ours.pump()
        paired = await npm.event("channel.paired")
        name = paired["channel"]
        assert paired["channelId"] == "aa"
        assert await ours.next() == ("open", b"from npm")
        assert await ours.next() == (0, b"sent before npm has opened")
        opened = await npm.event("channel.open", channel=name)
        assert bytes.fromhex(opened["handshake"]) == b"from us"
        channel.send(1, b"")
        channel.send(1, b"x" * 100_000)
        ours.pump()
        assert await ours.next() == (1, b"")
        assert await ours.next() == (1, b"x" * 100_000)
        channel.close()
        ours.pump()
        assert await ours.next() == ("close",)
        assert (await npm.event("channel.close", channel=name))["isRemote"]


@pytest.mark.parametrize("initiator", [True, False])
async def test_channels_opened_by_npm_first(npm: NodePeer, initiator: bool) -> None:
    async with muxes(npm, initiator=initiator) as ours:
        ours.mux.pair("tell/1", None, lambda channel_id: answer(ours, channel_id))
        name = await ours.ask(
            "channel.open",
            protocol="tell/1",
            channelId="0102",
            kinds=2,
            onMessage="tell",
        )
        assert await ours.next() == ("open", b"")
        await npm.event("channel.open", channel=name)
        assert (await npm.event("channel.message", channel=name))["kind"] == 1
        await ours.ask("channel.send", channel=name, kind=0, items=["68", "69"])
        assert await ours.next() == (0, b"h")
        assert await ours.next() == (0, b"i")
        # npm corked the two into one batch: control channel, batch, then the items.
        assert ours.frames[-1][:2] == b"\0\0"
        await ours.ask("channel.close", channel=name)
        assert await ours.next() == ("close",)
        assert not (await npm.event("channel.close", channel=name))["isRemote"]


def answer(ours: MuxOverTcp, channel_id: bytes) -> None:
    assert channel_id == b"\1\2"
    ours.open("tell/1", channel_id).send(1, b"welcome")


async def test_batches_of_ours(npm: NodePeer) -> None:
    async with muxes(npm, initiator=True) as ours:
        await ours.ask(
            "channel.pair", protocol="paired", handshake="", kinds=2, onMessage="echo"
        )
        channel = ours.open("paired", b"\7")
        channel.cork()
        second = ours.open("paired", b"\x08")
        for number in range(50):
            channel.send(number % 2, bytes((number,)))
            second.send(0, b"second")
        channel.uncork()
        ours.pump()
        happened = [await ours.next() for _ in range(102)]
        assert happened.count(("open", b"")) == 2
        assert happened.count((0, b"second")) == 50
        echoed = [item for item in happened if item[0] in (0, 1) and len(item[1]) == 1]
        assert echoed == [(number % 2, bytes((number,))) for number in range(50)]
        paired = [await npm.event("channel.paired") for _ in range(2)]
        assert {event["channelId"] for event in paired} == {"07", "08"}


async def test_refusals(npm: NodePeer) -> None:
    async with muxes(npm, initiator=True) as ours:
        ours.open("nobody speaks this")
        name = await ours.ask(
            "channel.open", protocol="nor this", kinds=0, onMessage="tell"
        )
        assert await ours.next() == ("close",)
        assert (await npm.event("channel.close", channel=name))["isRemote"]
        # Both numbers are free again.
        again = ours.open("proto")
        assert again.local_id == 1
        # npm's open comes first: ours is sent by what answers it.
        await npm.ask(
            "channel.open",
            stream=ours.name,
            protocol="proto",
            kinds=2,
            onMessage="tell",
        )
        assert await ours.next() == ("open", b"")


async def test_closing_before_the_answer_and_reusing_numbers(npm: NodePeer) -> None:
    async with muxes(npm, initiator=False) as ours:
        await ours.ask(
            "channel.pair", protocol="paired", handshake="", kinds=2, onMessage="echo"
        )
        for number in range(20):
            hasty = ours.open("paired", bytes((number,)))
            hasty.close()
            assert await ours.next() == ("close",)
        lasting = ours.open("paired", b"last")
        lasting.send(0, b"still here")
        ours.pump()
        assert await ours.next() == ("open", b"")
        assert await ours.next() == (0, b"still here")
        lasting.close()
        for number in range(20):
            brief = ours.open("paired", bytes((number,)))
            brief.send(1, b"x")
            ours.pump()
            happened = [await ours.next() for _ in range(2)]
            assert set(happened) <= {("open", b""), (1, b"x"), ("close",)}
            brief.close()
