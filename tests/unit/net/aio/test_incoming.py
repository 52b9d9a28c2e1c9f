"""Incoming connections before and when an application gets them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from net import DHT, Connection, KeyPair, Server
from net.aio import driver as driver_module
from net.aio import incoming as incoming_module
from tests.unit.net.aio.testnet import HOST, local_testnet, until


def record(node: DHT) -> list[bytes]:
    """Keep every datagram that belongs to no stream, as somebody on the way could."""
    datagrams: list[bytes] = []
    endpoint = node.driver.endpoint
    take = endpoint.on_datagram
    assert take is not None

    def keep(number: int, data: bytes, address: tuple[str, int]) -> None:
        datagrams.append(bytes(data))
        take(number, data, address)

    endpoint.on_datagram = keep
    return datagrams


async def listening(node: DHT, key_pair: KeyPair) -> Server:
    return await node.create_server().listen(key_pair)


async def test_a_handshake_sent_again_gives_nobody_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incoming_module, "PROOF_LIMIT_S", 0.3)
    async with local_testnet(1) as net:
        key_pair = KeyPair.generate()
        before = await net.node()
        datagrams = record(before)
        server = await listening(before, key_pair)
        client = await net.node()
        await client.connect(server.public_key)
        await anext(server)
        await before.close()

        after = await net.node()
        taken: list[Connection] = []
        again = after.create_server(on_connection=taken.append)
        await again.listen(key_pair)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
            for data in datagrams:
                attacker.sendto(data, (HOST, after.port))
        await until(lambda: len(after.connections) == 1)
        await until(lambda: not after.connections)
        assert not taken
        assert after.stats.counters["connections-unproven"] == 1

        await client.connect(key_pair.public_key)
        await until(lambda: len(taken) == 1)
        assert taken[0].remote_public_key == client.key_pair.public_key


@pytest.mark.parametrize(
    "limit", ["MAX_UNPROVEN_PER_HOST", "MAX_UNPROVEN", "MAX_CONNECTIONS"]
)
async def test_what_nobody_proved_makes_room(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    async with local_testnet(1) as net:
        key_pair = KeyPair.generate()
        before = await net.node()
        datagrams = record(before)
        server = await listening(before, key_pair)
        client = await net.node()
        for _ in range(5):
            await client.connect(server.public_key)
            await anext(server)
        assert not before.stats.counters.get("connections-unproven-evicted")
        await before.close()

        module = driver_module if limit == "MAX_CONNECTIONS" else incoming_module
        monkeypatch.setattr(module, limit, 2)
        after = await net.node()
        again = await listening(after, key_pair)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
            for data in datagrams:
                attacker.sendto(data, (HOST, after.port))
        counters = after.driver.counters
        await until(lambda: counters["connections-unproven-evicted"] == 3)
        assert len(after.connections) == 2
        real = await client.connect(key_pair.public_key)
        await real.write(b"there")
        taken = await asyncio.wait_for(anext(again), 60)
        assert await anext(taken) == b"there"
        assert counters["connections-unproven-evicted"] == 4
        assert counters["connections-refused"] == 0
        assert len(after.driver._unproven) == 1


async def test_what_comes_with_the_header_is_kept_for_the_taker() -> None:
    async with local_testnet(1) as net:
        got: list[bytes] = []

        def take(connection: Connection) -> None:
            connection.on_datagram = got.append

        server = (await net.node()).create_server(on_connection=take)
        await server.listen(KeyPair.generate())
        near = await (await net.node()).connect(server.public_key)
        near.send(b"beside the header")
        await until(lambda: got == [b"beside the header"])


async def test_a_taker_that_fails_is_loud_and_leaves_nothing_open() -> None:
    loud: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: loud.append(context["exception"])
    )
    async with local_testnet(1) as net:
        taken: list[Connection] = []

        def take(connection: Connection) -> None:
            taken.append(connection)
            if len(taken) == 1:
                raise ZeroDivisionError

        node = await net.node()
        server = node.create_server(on_connection=take)
        await server.listen(KeyPair.generate())
        client = await net.node()
        near = await client.connect(server.public_key)
        await asyncio.wait_for(near.wait_closed(), 60)
        assert not node.connections
        assert [type(error) for error in loud] == [ZeroDivisionError]

        near = await client.connect(server.public_key)
        await near.write(b"goes on")
        await until(lambda: len(taken) == 2)
        assert await asyncio.wait_for(anext(taken[1]), 60) == b"goes on"
