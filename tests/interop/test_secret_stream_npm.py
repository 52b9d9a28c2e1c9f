"""Our secret stream and npm's on one TCP connection, in both roles."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from net.crypto import KeyPair
from net.noise import Handshake
from tests.interop.node_peer import NodePeer
from tests.interop.tcp_stream import TcpSecretStream, listener

pytestmark = pytest.mark.interop

OURS = KeyPair.from_seed(b"\x11" * 32)
THEIRS = KeyPair.from_seed(b"\x22" * 32)
ONE_MIB = 1 << 20


def handshake(pattern: str, *, initiator: bool) -> Handshake:
    return Handshake(
        pattern,
        initiator=initiator,
        static=OURS,
        remote_public_key=THEIRS.public_key if initiator else None,
        ephemeral=KeyPair.generate(),
    )


def dialling(pattern: str, *, initiator: bool, on_data: str) -> dict[str, Any]:
    """Options of npm's end, whose role is the other one."""
    return {
        "pattern": pattern,
        "initiator": not initiator,
        "seed": THEIRS.secret_key[:32].hex(),
        "remotePublicKey": None if initiator else OURS.public_key.hex(),
        "onData": on_data,
    }


@pytest.mark.parametrize("initiator", [True, False])
@pytest.mark.parametrize("pattern", ["XX", "IK", "XK"])
async def test_a_handshake_and_messages_back(
    npm: NodePeer, pattern: str, initiator: bool
) -> None:
    options = dialling(pattern, initiator=initiator, on_data="echo")
    async with listener(handshake(pattern, initiator=initiator)) as listening:
        told = await npm.ask("stream.dial", port=listening.port, **options)
        stream = await listening.stream()
        check_identity(stream, told)
        for message in (b"hello", b"x" * 70_000, bytes(range(256))):
            stream.write(message)
            assert await stream.read() == message
        stream.end()
        assert await stream.read() is None


def check_identity(stream: TcpSecretStream, told: dict[str, Any]) -> None:
    result = stream.machine.result
    assert result is not None
    assert told["hash"] == result.handshake_hash.hex()
    assert told["isInitiator"] != result.is_initiator
    assert told["remotePublicKey"] == OURS.public_key.hex()
    assert result.remote_public_key == THEIRS.public_key


@pytest.mark.parametrize("initiator", [True, False])
async def test_one_mebibyte_there_and_back_with_half_close(
    npm: NodePeer, initiator: bool
) -> None:
    options = dialling("XX", initiator=initiator, on_data="none")
    async with listener(handshake("XX", initiator=initiator)) as listening:
        told = await npm.ask("stream.dial", port=listening.port, **options)
        stream = await listening.stream()
        trip = npm.ask("stream.roundTrip", stream=told["stream"], bytes=ONE_MIB)
        result, received = await both(trip, stream)
        assert result == {"bytes": ONE_MIB, "sent": received, "received": received}


async def both(trip: Any, stream: TcpSecretStream) -> tuple[Any, str]:
    """Echo what npm sends until it ends, then end; its result and our digest."""
    task = asyncio.create_task(trip)
    digest = hashlib.sha256()
    held = []
    while (message := await stream.read()) is not None:
        digest.update(message)
        held.append(message)
    # Only now, after npm has ended its side: the other direction is still open.
    for message in held:
        stream.write(message)
    stream.end()
    return await task, digest.hexdigest()


async def test_keep_alives_are_swallowed_on_both_sides(npm: NodePeer) -> None:
    options = dialling("XX", initiator=True, on_data="tell")
    async with listener(handshake("XX", initiator=True)) as listening:
        told = await npm.ask("stream.dial", port=listening.port, **options)
        stream = await listening.stream()
        stream.machine.set_keep_alive(60.0, 0.0)
        await npm.ask("stream.keepAlive", stream=told["stream"], ms=20)
        received = stream.machine.bytes_received
        stream.write(b"")
        stream.write(b"seen")
        assert (await npm.event("stream.data"))["hex"] == b"seen".hex()
        await npm.ask("stream.write", stream=told["stream"], hex=b"after".hex())
        # npm's keep-alive of 20 ms sends frames of 20 bytes that we do not deliver.
        assert await stream.read() == b"after"
        assert npm.events("stream.data") == []
        assert stream.machine.bytes_received >= received + 3 + 17 + 5


async def test_npm_ends_a_stream_whose_frame_was_changed(npm: NodePeer) -> None:
    options = dialling("XX", initiator=True, on_data="tell")
    async with listener(handshake("XX", initiator=True)) as listening:
        await npm.ask("stream.dial", port=listening.port, **options)
        stream = await listening.stream()
        stream.machine.write(b"spoilt", 0.0)
        (chunk,) = stream.machine.data_to_send()
        stream._writer.write(chunk[:-1] + bytes((chunk[-1] ^ 1,)))
        await npm.event("stream.error")
        assert await stream.read() is None
