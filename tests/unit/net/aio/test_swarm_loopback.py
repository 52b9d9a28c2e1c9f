"""Swarms over real sockets on loopback."""

from __future__ import annotations

import asyncio
import os

import pytest

from net import DHT, Connection, KeyPair, Swarm
from net.errors import EnvironmentFault, LocalProtocolError
from net.rpc import NetworkUpdated, WokeUp
from net.swarm import SwarmOptions
from tests.unit.net.aio.testnet import HOST, local_testnet, until


def connected(*swarms: Swarm) -> bool:
    """True when each of them has one open connection to each other one."""
    keys = {it.key_pair.public_key for it in swarms}
    return all(
        sorted(it.remote_public_key for it in swarm.open_connections)
        == sorted(keys - {swarm.key_pair.public_key})
        for swarm in swarms
    )


async def test_three_peers_of_a_topic_find_each_other_and_talk() -> None:
    async with local_testnet() as net:
        swarms = [await net.swarm() for _ in range(3)]
        topic = os.urandom(32)
        for swarm in swarms:
            discovery = await swarm.join(topic)
            assert await discovery.flushed()
        await until(lambda: connected(*swarms))

        async def greet(swarm: Swarm) -> set[bytes]:
            heard: set[bytes] = set()
            async for connection in swarm.connections():
                await connection.write(swarm.key_pair.public_key)
                assert await anext(connection) == connection.remote_public_key
                heard.add(connection.remote_public_key)
                if len(heard) == 2:
                    break
            return heard

        heard = await asyncio.gather(*(greet(it) for it in swarms))
        keys = {it.key_pair.public_key for it in swarms}
        for swarm, peers in zip(swarms, heard, strict=True):
            assert peers == keys - {swarm.key_pair.public_key}
            assert swarm.topics == [topic]


async def test_peers_that_join_at_once_keep_one_connection() -> None:
    async with local_testnet() as net:
        swarms = [await net.swarm() for _ in range(4)]
        topic = os.urandom(32)
        for _ in range(2):
            await asyncio.gather(*(it.join(topic) for it in swarms))
            await asyncio.gather(*(it.flush() for it in swarms))
        for swarm in swarms:
            discovery = await swarm.join(topic)
            await discovery.refresh()
        await until(lambda: connected(*swarms))


async def test_channels_over_a_swarm() -> None:
    async with local_testnet(1) as net:
        first, second = await net.swarm(), await net.swarm()
        topic = os.urandom(32)
        await (await first.join(topic, client=False)).flushed()
        await second.join(topic, server=False)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        near = await anext(aiter(first.connections()))
        far = await anext(aiter(second.connections()))
        near.mux.create_channel("chat", messages=[heard.put_nowait])
        channel = far.mux.create_channel("chat", messages=[None])
        channel.send(0, b"hello")
        assert await asyncio.wait_for(heard.get(), 60) == b"hello"


async def test_an_explicit_peer_is_connected_again_after_a_cut() -> None:
    async with local_testnet(1) as net:
        first, second = await net.swarm(), await net.swarm()
        await (await first.join(os.urandom(32))).flushed()
        await second.join_peer(first.key_pair.public_key)
        await until(lambda: connected(first, second))
        first.open_connections[0].destroy()
        await until(lambda: not second.open_connections)
        await until(lambda: connected(first, second))
        info = second.peer(first.key_pair.public_key)
        assert info is not None
        assert info.explicit
        assert info.proven
        await second.leave_peer(first.key_pair.public_key)
        assert not info.explicit


async def test_leaving_unannounces() -> None:
    async with local_testnet() as net:
        swarm, other = await net.swarm(), await net.node()
        topic = os.urandom(32)
        await (await swarm.join(topic)).flushed()
        assert len(await other.lookup(topic)) == 1
        await swarm.leave(topic)
        assert await other.lookup(topic) == []
        assert swarm.topics == []


async def test_a_ban_ends_the_connection_for_good() -> None:
    async with local_testnet(1) as net:
        first, second = await net.swarm(), await net.swarm()
        topic = os.urandom(32)
        await (await first.join(topic)).flushed()
        await second.join(topic, server=False)
        await until(lambda: connected(first, second))
        await first.ban(second.key_pair.public_key)
        await until(lambda: not second.open_connections)
        assert first.machine.refuses(second.key_pair.public_key, {})


async def test_suspend_and_resume() -> None:
    async with local_testnet(1) as net:
        first, second = await net.swarm(), await net.swarm()
        topic = os.urandom(32)
        for swarm in (first, second):
            await (await swarm.join(topic)).flushed()
        await until(lambda: connected(first, second))
        await first.suspend()
        assert first.open_connections == []
        await until(lambda: not second.open_connections)
        await first.resume()
        await until(lambda: connected(first, second))


async def test_coming_back_online_refreshes_topics() -> None:
    async with local_testnet(1) as net:
        first, second = await net.swarm(), await net.swarm()
        topic = os.urandom(32)
        await (await first.join(topic, server=False)).flushed()
        await (await second.join(topic, client=False)).flushed()
        assert first.open_connections == []
        for online in (True, False):
            for callback in first.dht.on_event:
                callback(NetworkUpdated(online=online, degraded=False))
        await first.flush()
        assert first.open_connections == [], "nothing changed for the better"
        for callback in first.dht.on_event:
            callback(NetworkUpdated(online=True, degraded=False))
        await until(lambda: connected(first, second))


async def test_a_node_that_wakes_up_tells_its_swarm() -> None:
    async with local_testnet(1) as net:
        swarm = await net.swarm()
        heard: list[object] = []
        swarm.dht.on_event.append(heard.append)
        swarm.machine.woke_up = lambda: heard.append("swarm")  # type: ignore[method-assign]
        swarm.dht.woke_up()
        assert heard == ["swarm", WokeUp()]


async def test_a_moved_machine_finds_its_peers_anew() -> None:
    async with local_testnet(1) as net:
        first, second = await net.swarm(), await net.swarm()
        topic = os.urandom(32)
        await (await first.join(topic, server=False)).flushed()
        await (await second.join(topic, client=False)).flushed()
        first.dht.network_changed()
        await until(lambda: connected(first, second))


async def test_limits_and_firewall_are_passed_on() -> None:
    async with local_testnet(1) as net:
        unwanted = KeyPair.generate()
        first = await net.swarm(
            firewall=lambda key, _: key == unwanted.public_key,
            options=SwarmOptions(max_peers=1),
        )
        topic = os.urandom(32)
        await (await first.join(topic)).flushed()
        second = await net.swarm(key_pair=unwanted)
        await second.join(topic, server=False)
        third = await net.swarm()
        await third.join(topic, server=False)
        await until(lambda: connected(first, third))
        assert second.open_connections == []


async def test_a_swarm_on_a_node_of_the_application() -> None:
    async with local_testnet(1) as net:
        dht = await net.node()
        async with Swarm(dht=dht) as swarm:
            assert swarm.key_pair == dht.key_pair
            await (await swarm.join(os.urandom(32))).flushed()
        assert dht.started, "it outlives the swarm"


async def test_closing_ends_iterations_and_tasks() -> None:
    async with local_testnet(1) as net:
        swarm = await net.swarm()

        async def collect() -> list[Connection]:
            return [it async for it in swarm.connections()]

        collecting = asyncio.ensure_future(collect())
        await swarm.join(os.urandom(32))
        await swarm.close()
        await swarm.close()
        assert await collecting == []
        with pytest.raises(LocalProtocolError, match="closed"):
            await swarm.join(os.urandom(32))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_taken_port_is_said_plainly() -> None:
    async with DHT([], host=HOST, port=0) as dht:
        swarm = Swarm([], host=HOST, port=dht.port)
        with pytest.raises(EnvironmentFault, match=str(dht.port)):
            await swarm.start()
        await swarm.close()
