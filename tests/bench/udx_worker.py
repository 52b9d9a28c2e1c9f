"""Covey's side of the raw UDX measurements: no encryption, no DHT.

python -m tests.bench.udx_worker serve 0          a stream that waits for its peer
python -m tests.bench.udx_worker run BENCH ORDER  one measurement against it

``peers/udx-native.js`` takes the same arguments and prints the same lines.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

from net.aio.endpoint import Endpoint
from net.aio.raw_stream import UdxStream

HOST = "127.0.0.1"
CLIENT_ID = 1
SERVER_ID = 2


class Server:
    """Does with what comes in whatever the first byte of the stream says.

    ``b`` counts bytes and answers at the end with the processor time they took; ``e``
    sends everything back. Eight bytes that say how many follow come next. Messages are
    always sent back.
    """

    def __init__(self, stream: UdxStream) -> None:
        self._stream = stream
        self._mode = b""
        self._cpu_before = 0.0

    def raw_data(self, data: bytes, now: float) -> None:
        del now
        if not self._mode:
            self._mode, data = data[:1], data[9:]
            self._cpu_before = time.process_time()
        if self._mode == b"e":
            self._stream.write(data)

    def raw_message(self, data: bytes) -> None:
        self._stream.send_message(data)

    def raw_end(self) -> None:
        cpu = time.process_time() - self._cpu_before
        self._stream.write(json.dumps({"cpu": cpu}).encode())
        self._stream.end()

    def raw_drained(self) -> None:
        pass

    def raw_closed(self, code: str | None) -> None:
        pass


class Client:
    """Writes, and hands what comes back to whoever measures."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.data = bytearray()
        self.on_data = lambda: None
        self.on_message = lambda: None
        self.on_room = lambda: None
        self.ended: asyncio.Future[None] = self.loop.create_future()

    def raw_data(self, data: bytes, now: float) -> None:
        del now
        self.data += data
        self.on_data()

    def raw_message(self, data: bytes) -> None:
        del data
        self.on_message()

    def raw_end(self) -> None:
        self.ended.set_result(None)

    def raw_drained(self) -> None:
        self.on_room()

    def raw_closed(self, code: str | None) -> None:
        pass


async def serve() -> None:
    """Wait for one peer, wherever it is, until standard input ends."""
    endpoint = Endpoint(entropy=os.urandom)
    _, port = await endpoint.open_socket(0, host=HOST)
    stream = endpoint.create_stream(
        SERVER_ID,
        on_unknown_source=lambda socket, source: (
            stream.connect(CLIENT_ID, socket, source) is None
        ),
    )
    stream.listener = Server(stream)
    print(json.dumps({"port": port}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await endpoint.stop()


async def stream_bytes(
    stream: UdxStream, client: Client, order: dict[str, Any]
) -> dict[str, Any]:
    """Time and processor time of so many bytes, until all are acknowledged."""
    chunk = bytes(order["chunk"])
    left = order["bytes"]
    cpu_before, before = time.process_time(), time.perf_counter()
    stream.write(b"b" + left.to_bytes(8, "little"))

    def fill() -> None:
        nonlocal left
        while left > 0:
            left -= len(chunk)
            if not stream.write(chunk):
                return
        stream.end()

    client.on_room = fill
    fill()
    await client.ended
    ms = (time.perf_counter() - before) * 1e3
    answer = json.loads(client.data)
    send_cpu = time.process_time() - cpu_before
    return {"ms": ms, "sendCpu": send_cpu, "receiveCpu": answer["cpu"]}


async def ping_pong(
    stream: UdxStream, client: Client, order: dict[str, Any]
) -> dict[str, Any]:
    """Time of so many answers, each written when the one before arrived."""
    ping, left = bytes(order["size"]), order["count"]
    done: asyncio.Future[None] = client.loop.create_future()

    def answered() -> None:
        nonlocal left
        if len(client.data) < len(ping):
            return
        client.data.clear()
        left -= 1
        if left:
            stream.write(ping)
        elif not done.done():
            done.set_result(None)

    client.on_data = answered
    before = time.perf_counter()
    stream.write(b"e" + bytes(8) + ping)
    await done
    return {"ms": (time.perf_counter() - before) * 1e3}


async def messages(
    stream: UdxStream, client: Client, order: dict[str, Any]
) -> dict[str, Any]:
    """Time of so many unordered messages there and back, a few at a time."""
    message, count = bytes(order["size"]), order["count"]
    returned = 0
    done: asyncio.Future[None] = client.loop.create_future()

    def came_back() -> None:
        nonlocal returned
        returned += 1
        if returned + order["window"] <= count:
            stream.send_message(message)
        if returned == count:
            done.set_result(None)

    def start() -> None:
        for _ in range(order["window"]):
            stream.send_message(message)

    client.on_message = came_back
    client.on_data = start
    before = time.perf_counter()
    # The other end connects when the stream's first packet comes.
    stream.write(b"e" + bytes(8) + b"x")
    await asyncio.wait_for(done, 60)
    return {"ms": (time.perf_counter() - before) * 1e3}


BENCHES = {"stream": stream_bytes, "pingPong": ping_pong, "messages": messages}


async def measure(bench: str, order: dict[str, Any]) -> None:
    """Run one measurement and print what it found."""
    endpoint = Endpoint(entropy=os.urandom)
    await endpoint.open_socket(0, host=HOST)
    stream = endpoint.create_stream(CLIENT_ID)
    stream.listener = client = Client()
    stream.connect(SERVER_ID, 0, (HOST, order["port"]))
    answer = await BENCHES[bench](stream, client, order)
    print(json.dumps(answer), flush=True)
    await endpoint.stop()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(measure(sys.argv[2], json.loads(sys.argv[3])))
