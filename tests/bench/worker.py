"""Covey's side of a measurement: the same roles, lines and orders as the npm scripts.

python -m tests.bench.worker serve NODES          a private network and a server on it
python -m tests.bench.worker run BENCH ORDER      one measurement against a server
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from net import DHT, Connection, KeyPair, Server

HOST = "127.0.0.1"
Order = dict[str, Any]
Answer = dict[str, Any]


def say(value: Answer) -> None:
    """Print one JSON line."""
    print(json.dumps(value), flush=True)


async def stdin_ended() -> None:
    """Wait for the harness to close our standard input."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def serve_connection(connection: Connection) -> None:
    """Do what the first message asks for."""
    order = json.loads(await anext(connection))
    mode, left = order["mode"], order.get("amount", 0)
    cpu_before = time.process_time()
    await connection.write(b"ready")
    if mode == "echo":
        async for chunk in connection:
            await connection.write(chunk)
        return
    async for chunk in connection:
        left -= len(chunk) if mode == "bytes" else 1
        if left <= 0:
            cpu = time.process_time() - cpu_before
            await connection.write(json.dumps({"cpu": cpu}).encode())


async def serve_all(server: Server) -> None:
    """Serve every connection in a task of its own."""
    async with asyncio.TaskGroup() as group:

        async def guarded(connection: Connection) -> None:
            try:
                await serve_connection(connection)
            except (StopAsyncIteration, ConnectionError):
                pass
            finally:
                await connection.close()

        async for connection in server:
            group.create_task(guarded(connection))


async def serve(node_count: int) -> None:
    """A private network of ``node_count`` nodes and a server on a further one."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(DHT.bootstrapper(0, HOST))
        bootstrap = [(HOST, first.port)]
        for _ in range(node_count - 1):
            node = DHT(bootstrap, host=HOST, ephemeral=False, firewalled=False)
            await stack.enter_async_context(node)
        dht = await stack.enter_async_context(DHT(bootstrap, host=HOST))
        server = dht.create_server()
        key_pair = KeyPair.generate()
        await server.listen(key_pair)
        topics = [bytes([number + 1]) * 32 for number in range(8)]
        for topic in topics:
            await dht.announce(topic, key_pair)
        serving = asyncio.create_task(serve_all(server))
        say(
            {
                "bootstrap": bootstrap,
                "publicKey": key_pair.public_key.hex(),
                "topics": [topic.hex() for topic in topics],
            }
        )
        await stdin_ended()
        await server.close()
        await serving


async def open_connection(dht: DHT, order: Order, request: Order) -> Connection:
    """Connect and have the server get ready for ``request``."""
    connection = await dht.connect(bytes.fromhex(order["publicKey"]))
    await connection.write(json.dumps(request).encode())
    await anext(connection)
    return connection


async def bench_connect(dht: DHT, order: Order) -> Answer:
    """Times of connecting from a node that is up, in ms."""
    key, times = bytes.fromhex(order["publicKey"]), []
    for _ in range(order["count"]):
        before = time.perf_counter()
        connection = await dht.connect(key)
        times.append((time.perf_counter() - before) * 1e3)
        connection.destroy()
    return {"times": times}


async def bench_cold_connect(order: Order) -> Answer:
    """Times of starting a node and connecting, in ms."""
    key, times = bytes.fromhex(order["publicKey"]), []
    bootstrap = [tuple(it) for it in order["bootstrap"]]
    for _ in range(order["count"]):
        before = time.perf_counter()
        dht = DHT(bootstrap, host=HOST)
        connection = await dht.connect(key)
        times.append((time.perf_counter() - before) * 1e3)
        connection.destroy()
        await dht.close()
    return {"times": times}


async def bench_stream(dht: DHT, order: Order) -> Answer:
    """The time until the server has counted every byte."""
    request = {"mode": "bytes", "amount": order["bytes"]}
    connection = await open_connection(dht, order, request)
    chunk = bytes([7]) * order["chunk"]
    cpu_before, before = time.process_time(), time.perf_counter()
    for _ in range(0, order["bytes"], len(chunk)):
        await connection.write(chunk)
    answer = json.loads(await anext(connection))
    ms = (time.perf_counter() - before) * 1e3
    send_cpu = time.process_time() - cpu_before
    connection.destroy()
    return {"ms": ms, "sendCpu": send_cpu, "receiveCpu": answer["cpu"]}


async def bench_ping_pong(dht: DHT, order: Order) -> Answer:
    """The time of so many round trips, one after the other."""
    connection = await open_connection(dht, order, {"mode": "echo"})
    message = bytes([7]) * order["size"]
    before = time.perf_counter()
    for _ in range(order["count"]):
        await connection.write(message)
        await anext(connection)
    ms = (time.perf_counter() - before) * 1e3
    connection.destroy()
    return {"ms": ms}


async def bench_one_way(dht: DHT, order: Order) -> Answer:
    """The time until the server has counted every message."""
    request = {"mode": "messages", "amount": order["count"]}
    connection = await open_connection(dht, order, request)
    message = bytes([7]) * order["size"]
    before = time.perf_counter()
    for _ in range(order["count"]):
        await connection.write(message)
    await anext(connection)
    ms = (time.perf_counter() - before) * 1e3
    connection.destroy()
    return {"ms": ms}


async def bench_lookup(dht: DHT, order: Order) -> Answer:
    """The time of so many look-ups, ``parallel`` at a time."""
    topics = [bytes.fromhex(it) for it in order["topics"]]
    numbers = iter(range(order["count"]))
    found = 0

    async def work() -> None:
        nonlocal found
        for number in numbers:
            peers = await dht.lookup(topics[number % len(topics)])
            found += bool(peers)

    before = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(order["parallel"]):
            group.create_task(work())
    return {"ms": (time.perf_counter() - before) * 1e3, "found": found}


async def bench_mutable(dht: DHT, order: Order) -> Answer:
    """The time of so many records put and got again."""
    found = 0
    before = time.perf_counter()
    for number in range(order["count"]):
        key_pair, value = KeyPair.generate(), b"value %d" % number
        await dht.mutable_put(key_pair, value)
        got = await dht.mutable_get(key_pair.public_key)
        found += got is not None and got.value == value
    return {"ms": (time.perf_counter() - before) * 1e3, "found": found}


BENCHES: dict[str, Callable[[DHT, Order], Awaitable[Answer]]] = {
    "connect": bench_connect,
    "stream": bench_stream,
    "pingPong": bench_ping_pong,
    "oneWay": bench_one_way,
    "lookup": bench_lookup,
    "mutable": bench_mutable,
}


async def run(name: str, order: Order) -> None:
    """Measure once and say the answer."""
    if name == "coldConnect":
        say(await bench_cold_connect(order))
        return
    bootstrap = [tuple(it) for it in order["bootstrap"]]
    async with DHT(bootstrap, host=HOST) as dht:
        say(await BENCHES[name](dht, order))


def main(arguments: list[str]) -> None:
    """Take a role, on uvloop where there is one, as the application does."""
    try:
        from uvloop import new_event_loop as loop_factory
    except ImportError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        if arguments[0] == "serve":
            runner.run(serve(int(arguments[1])))
        else:
            runner.run(run(arguments[1], json.loads(arguments[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
