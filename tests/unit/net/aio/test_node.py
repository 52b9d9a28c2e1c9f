"""Nodes, servers and connections over real sockets on loopback."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
from typing import Any

import pytest

from net import DHT, Connection, KeyPair
from net.aio import driver as driver_module
from net.aio import node as node_module
from net.aio.deferred import settled
from net.aio.driver import Outcome
from net.aio.errors import ConnectionClosedError, ConnectTimeoutError
from net.aio.raw_stream import UdxStream
from net.dht.connector import Connecting
from net.dht.errors import DhtError
from net.errors import EnvironmentFault, LocalProtocolError
from net.rpc import CLIENT, SERVER, WokeUp
from net.udx.sender import Route
from tests.unit.net.aio.testnet import HOST, local_testnet, turns, until

MIB = 1024 * 1024


async def read_all(connection: Connection) -> bytes:
    return b"".join([chunk async for chunk in connection])


async def test_a_mebibyte_there_and_back_with_half_closes() -> None:
    data = os.urandom(MIB)
    async with local_testnet() as net:
        near, far = await net.pair()

        async def echo() -> None:
            async for chunk in far:
                await far.write(chunk)
            far.end()

        echoing = asyncio.ensure_future(echo())
        for at in range(0, MIB, 65_536):
            await near.write(data[at : at + 65_536])
        await near.end()
        assert await read_all(near) == data
        await echoing
        await near.wait_closed()
        await far.wait_closed()
        assert near.error is None
        assert far.error is None
        assert near.handshake_hash == far.handshake_hash
        assert near.is_initiator
        assert not far.is_initiator
        assert near.path == "direct"
        assert near.stats.rtt_s is not None
        assert near.opened_trace, "the doctor can follow it"


async def test_both_keys_are_proven() -> None:
    async with local_testnet(1) as net:
        server_keys, client_keys = KeyPair.generate(), KeyPair.generate()
        server = (await net.node()).create_server()
        await server.listen(server_keys)
        client = await net.node(key_pair=client_keys)
        near = await client.connect(server_keys.public_key)
        far = await anext(server)
        assert near.remote_public_key == server_keys.public_key
        assert far.remote_public_key == client_keys.public_key
        assert server.address().public_key == server_keys.public_key
        assert server.address().port > 0


async def test_unordered_messages_arrive() -> None:
    async with local_testnet(1) as net:
        near, far = await net.pair()
        for number in range(20):
            near.send(b"%d" % number)
        got = {await asyncio.wait_for(anext(far.datagrams()), 60) for _ in range(20)}
        assert got == {b"%d" % number for number in range(20)}
        far.send(b"back")
        assert await anext(near.datagrams()) == b"back"
        assert near.max_datagram_bytes > 1000


async def test_packets_may_come_at_another_socket_than_answers_leave_from() -> None:
    """So it is when a node finds out that it is open while it is being connected to."""
    async with local_testnet(1) as net:
        near, far = await net.pair()
        assert isinstance(near._raw, UdxStream)
        assert isinstance(far._raw, UdxStream)
        mine, theirs = near._raw.machine.route, far._raw.machine.route
        assert mine is not None
        assert theirs is not None
        other = CLIENT if mine.socket == SERVER else SERVER
        address = near._raw._endpoint.socket_address(other)
        far._raw.machine.route = Route(theirs.socket, address, theirs.remote_id)
        await far.write(b"here")
        assert await asyncio.wait_for(anext(near), 10) == b"here"


async def test_channels_work_over_the_network() -> None:
    async with local_testnet(1) as net:
        near, far = await net.pair()
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        far.mux.pair(
            "echo",
            None,
            lambda channel_id: answer.append(
                far.mux.create_channel(
                    "echo", channel_id, messages=[lambda m: answer[0].send(0, m)]
                )
            ),
        )
        answer: list[object] = []
        channel = near.mux.create_channel("echo", b"1", messages=[heard.put_nowait])
        for number in range(100):
            channel.send(0, b"%d" % number)
        for number in range(100):
            assert await asyncio.wait_for(heard.get(), 60) == b"%d" % number
        await near.close()
        assert channel.closed


async def test_an_unread_connection_stops_the_sender_and_then_goes_on() -> None:
    async with local_testnet(1) as net:
        near, far = await net.pair()
        chunk, sent = bytes(65_536), 0

        async def flood() -> None:
            nonlocal sent
            for _ in range(320):
                await near.write(chunk)
                sent += len(chunk)
            near.end()

        flooding = asyncio.ensure_future(flood())
        await until(lambda: not near.has_room and far.stats.unread_bytes > 3 * MIB)
        await turns(2000)
        assert sent < 12 * MIB, "the window, the queues, and no more"
        assert far.stats.unread_bytes <= 6 * MIB
        assert len(await read_all(far)) == 320 * 65_536
        await flooding


async def test_both_ends_firewalled_meet_through_a_relayed_handshake() -> None:
    async with local_testnet() as net:
        server = await net.server(firewalled=True, quick_firewall=False)
        client = await net.node(firewalled=True, quick_firewall=False)
        near = await client.connect(server.public_key)
        far = await asyncio.wait_for(anext(server), 60)
        await near.write(b"through")
        assert await anext(far) == b"through"
        await far.write(b"and back")
        assert await anext(near) == b"and back"
        assert client.machine.rpc.firewalled
        steps = " ".join(step for _, step in near.opened_trace)
        assert "handshake complete through" in steps


async def test_a_punched_connection_gives_its_socket_back() -> None:
    async with local_testnet() as net:
        server_node = await net.node(firewalled=True, quick_firewall=False)
        server = server_node.create_server(share_local_address=False)
        await server.listen(KeyPair.generate())
        client = await net.node(firewalled=True, quick_firewall=False)
        near = await client.connect(server.public_key, local_connection=False)
        far = await asyncio.wait_for(anext(server), 60)
        await near.write(b"punched")
        assert await anext(far) == b"punched"
        assert near.path == "direct"
        assert client.stats.punch_sockets > 0
        await asyncio.gather(near.close(), far.close())
        await until(lambda: client.stats.punch_sockets == 0)
        await until(lambda: server_node.stats.punch_sockets == 0)


async def test_noise_on_the_sockets_changes_nothing() -> None:
    chance = random.Random(20_260)
    async with local_testnet(1) as net:
        server_node = await net.node()
        server = server_node.create_server()
        await server.listen(KeyPair.generate())
        client = await net.node()
        near = await client.connect(server.public_key)
        far = await anext(server)
        heads = [b"", b"\xff\x01", b"\x03", b"\x13", b"\x03\x04"]
        streams = list(server_node.driver.endpoint.multiplexer.streams)
        heads += [
            b"\xff\x01" + bytes([flags, 0]) + stream_id.to_bytes(4, "little")
            for stream_id in streams
            # A DESTROY that names the stream is believed, as upstream does.
            for flags in (0x00, 0x04, 0x08, 0x20)
        ]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            for number in range(600):
                head = heads[number % len(heads)]
                noise = head + chance.randbytes(chance.randrange(0, 200))
                noisy.sendto(noise, (HOST, server_node.port))
                if number % 50 == 0:
                    await turns(5)
        await near.write(b"unmoved")
        assert await anext(far) == b"unmoved"
        await far.write(b"both ways")
        assert await anext(near) == b"both ways"
        again = await client.connect(server.public_key)
        assert not again.closed


async def test_a_server_can_refuse_a_key() -> None:
    async with local_testnet(1) as net:
        unwanted = KeyPair.generate()
        server = (await net.node()).create_server(
            firewall=lambda key, _payload, _address: key == unwanted.public_key
        )
        await server.listen(KeyPair.generate())
        client = await net.node()
        with pytest.raises((DhtError, ConnectTimeoutError)):
            await client.connect(server.public_key, key_pair=unwanted, timeout_s=1)
        near = await client.connect(server.public_key)
        assert not near.closed


async def test_who_is_not_there_is_not_found() -> None:
    async with local_testnet(1) as net:
        client = await net.node()
        with pytest.raises(DhtError) as caught:
            await client.connect(KeyPair.generate().public_key)
        assert caught.value.code == "PEER_NOT_FOUND"
        assert await client.find_peer(KeyPair.generate().public_key) == []


async def test_a_closed_server_is_gone_but_its_connections_stay() -> None:
    async with local_testnet(1) as net:
        server = await net.server()
        client = await net.node()
        near = await client.connect(server.public_key)
        far = await anext(server)
        await server.close()
        assert [it async for it in server] == []
        await near.write(b"still here")
        assert await anext(far) == b"still here"
        with pytest.raises(DhtError):
            await client.connect(server.public_key)
        with pytest.raises(LocalProtocolError, match="listens once"):
            await server.listen()


async def test_incoming_connections_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver_module, "MAX_CONNECTIONS", 2)
    async with local_testnet(1) as net:
        server_node = await net.node()
        server = server_node.create_server()
        await server.listen(KeyPair.generate())
        clients = [await net.node() for _ in range(3)]
        for client in clients[:2]:
            await client.connect(server.public_key)
        with pytest.raises(ConnectionClosedError) as caught:
            await anext(await clients[2].connect(server.public_key))
        assert caught.value.code == "reset"
        await until(lambda: server_node.stats.counters.get("connections-refused") == 1)
        assert server_node.stats.connections == 2
        await until(lambda: server_node.stats.streams == 2)


async def test_topics_and_records() -> None:
    async with local_testnet() as net:
        first, second = await net.node(), await net.node()
        topic, key_pair = os.urandom(32), KeyPair.generate()
        assert await second.lookup(topic) == []
        await first.announce(topic, key_pair)
        [peer] = await second.lookup(topic)
        assert peer.public_key == key_pair.public_key
        await first.unannounce(topic, key_pair)
        assert await second.lookup(topic) == []

        target = await first.immutable_put(b"never changes")
        assert await second.immutable_get(target) == b"never changes"
        assert await second.immutable_get(os.urandom(32)) is None

        await first.mutable_put(key_pair, b"one", seq=1)
        await first.mutable_put(key_pair, b"two", seq=2)
        found = await second.mutable_get(key_pair.public_key)
        assert found is not None
        assert (found.value, found.seq) == (b"two", 2)
        assert await second.mutable_get(KeyPair.generate().public_key) is None


async def test_suspend_and_resume() -> None:
    async with local_testnet() as net:
        server = await net.server()
        client = await net.node()
        near = await client.connect(server.public_key)
        far = await anext(server)
        await client.suspend()
        assert near.closed
        await until(lambda: far.closed)
        with pytest.raises(DhtError) as caught:
            await client.connect(server.public_key)
        assert caught.value.code == "SUSPENDED"
        assert client.doctor_facts()["state"] == "suspended"
        port = client.port
        await client.resume()
        assert client.port == port
        near = await client.connect(server.public_key)
        far = await anext(server)
        await near.write(b"awake")
        assert await anext(far) == b"awake"


async def test_a_resume_that_failed_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with local_testnet(1) as net:
        node = await net.node()
        await node.suspend()
        endpoint = node.driver.endpoint
        open_socket = endpoint.open_socket

        async def fail_for_second(number: int, **options: Any) -> tuple[str, int]:
            if number == CLIENT:
                raise EnvironmentFault("no more files", code="no-socket")
            return await open_socket(number, **options)

        monkeypatch.setattr(endpoint, "open_socket", fail_for_second)
        with pytest.raises(EnvironmentFault, match="no more files"):
            await node.resume()
        monkeypatch.setattr(endpoint, "open_socket", open_socket)
        await node.resume()
        assert node.started


async def test_addresses_that_changed_during_sleep_are_known_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with local_testnet(1) as net, DHT(net.bootstrap, port=0) as node:
        await node.suspend()
        monkeypatch.setattr(node_module, "local_addresses", lambda: ("192.0.2.7",))
        node.network_changed()
        await node.resume()
        assert node.machine.local_addresses == ("192.0.2.7",)


async def test_a_suspend_during_the_start_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def slow_resolve(_: object) -> list[tuple[str, int]]:
        await turns(5)
        return list(net.bootstrap)

    async with local_testnet(1) as net:
        monkeypatch.setattr(node_module, "resolve", slow_resolve)
        node = DHT(net.bootstrap, host=HOST, port=0)
        starting = asyncio.ensure_future(node._start())
        await turns(2)
        await node.suspend()
        assert not node.started
        assert node.doctor_facts()["state"] == "suspended"
        await starting
        await node.resume()
        assert node.started
        await node.close()


async def test_a_callback_that_fails_silences_nobody() -> None:
    async with local_testnet(1) as net:
        node = await net.node()
        driver = node.driver
        heard: list[object] = []

        def fail(event: object) -> None:
            heard.append(event)
            raise ZeroDivisionError

        node.on_event.append(fail)
        driver._timer.stop()
        reply = node.machine.rpc.ping((HOST, net.bootstrap[0][1]))
        node.machine.rpc.emit(WokeUp())
        node.machine.rpc.emit(WokeUp())
        with pytest.raises(ZeroDivisionError):
            driver.pump()
        assert len(heard) == 2, "later events are not left behind"
        node.on_event.clear()
        await asyncio.wait_for(settled(reply), 60)
        assert driver._timer._deadline is not None


async def test_closing_while_connecting() -> None:
    async with local_testnet(1) as net:
        server = await net.server()
        client = await net.node()
        connecting = asyncio.ensure_future(client.connect(server.public_key))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises((DhtError, LocalProtocolError)):
            await connecting
        with pytest.raises(LocalProtocolError, match="closed"):
            await client.connect(server.public_key)


async def test_giving_up_while_connecting() -> None:
    async with local_testnet(1) as net:
        server = await net.server()
        client = await net.node()
        connecting = asyncio.ensure_future(client.connect(server.public_key))
        await turns(3)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await until(lambda: client.stats.streams == 0)
        near = await client.connect(server.public_key)
        assert not near.closed


async def test_giving_up_in_the_turn_in_which_it_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with local_testnet(1) as net:
        server = await net.server()
        client = await net.node()
        driver = client.driver
        report = driver._report

        def report_and_cancel(connecting: Connecting, outcome: Outcome) -> None:
            report(connecting, outcome)
            assert isinstance(outcome, Connection)
            waiting.cancel()

        monkeypatch.setattr(driver, "_report", report_and_cancel)
        waiting = asyncio.ensure_future(client.connect(server.public_key))
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: not client.connections)


async def test_a_node_that_closes_ends_its_connections() -> None:
    async with local_testnet(1) as net:
        near, far = await net.pair()
        await near.write(b"goodbye")
        reading = asyncio.ensure_future(read_all(far))
        [client] = [
            it for it in gc.get_objects() if type(it) is DHT and near in it.connections
        ]
        await client.close()
        assert near.closed
        assert await reading == b"goodbye"
        with pytest.raises((ConnectionClosedError, LocalProtocolError)):
            await near.write(b"more")


async def test_a_taken_port_is_said_plainly() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        dht = DHT([], host=HOST, port=port)
        with pytest.raises(EnvironmentFault, match=f"port {port}"):
            await dht.ready()
        await dht.close()


async def test_the_usual_port_may_be_taken() -> None:
    async with DHT([], host=HOST) as first, DHT([], host=HOST) as second:
        assert first.port != second.port


async def test_a_wrong_bootstrap_is_said_plainly() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        address = f"{HOST}:{silent.getsockname()[1]}"
        dht = DHT([address], host=HOST, port=0)
        with pytest.raises(EnvironmentFault, match=f"answered .{address}"):
            await dht.ready()
        await dht.close()


async def test_names_that_resolve_later_are_used_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = False

    async def getaddrinfo(_host: str, port: int, **_: object) -> list[object]:
        if not known:
            raise socket.gaierror("unknown name")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (HOST, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with local_testnet(1) as net:
        nodes = [
            DHT([("first.example", net.bootstrap[0][1])], host=HOST, port=0)
            for _ in range(2)
        ]
        for node in nodes:
            with pytest.raises(EnvironmentFault, match=r"first\.example"):
                await node.ready()
        known = True
        await nodes[0].ready()
        nodes[1].network_changed()
        await until(lambda: nodes[1].stats.nodes > 0)
        for node in nodes:
            assert await node.lookup(bytes(32)) == []
            await node.close()


async def test_a_connect_can_be_limited_in_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        dht = DHT([(HOST, silent.getsockname()[1])], host=HOST, port=0)
        with pytest.raises(ConnectTimeoutError, match=r"0\.05 s"):
            await dht.connect(KeyPair.generate().public_key, timeout_s=0.05)
        await dht.close()
        await dht.close()


async def test_a_relay_is_refused_plainly() -> None:
    dht = DHT([], host=HOST, port=0)
    with pytest.raises(LocalProtocolError, match="relay"):
        await dht.connect(bytes(32), relay_through=bytes(32))
    await dht.close()


async def test_what_the_doctor_hears() -> None:
    async with local_testnet(1) as net:
        near, _ = await net.pair()
        [client] = [
            it for it in gc.get_objects() if type(it) is DHT and near in it.connections
        ]
        facts = client.doctor_facts()
        assert facts["state"] == "running"
        assert facts["nodes"] >= 1
        assert facts["online"] is True
        assert facts["backend"]
        [connection] = facts["connections"]
        assert connection["remotePublicKey"] == near.remote_public_key.hex()
        assert client.known_nodes()
    assert client.doctor_facts()["state"] == "closed"


async def test_a_cancelled_close_closes_all_the_same() -> None:
    async with local_testnet(1) as net:
        server = await net.server()
        client = await net.node()
        near = await client.connect(server.public_key)
        closing = asyncio.ensure_future(client.close())
        await turns(1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await until(lambda: near.closed)
        await client.close()
        assert client.doctor_facts()["state"] == "closed"


async def test_nothing_survives_a_closed_network() -> None:
    async with local_testnet(2) as net:
        await net.pair()
    assert asyncio.all_tasks() == {asyncio.current_task()}
