"""Covey's side of the hypercore measurements: roles as in ``peers/hypercore.js``.

python -m tests.bench.hypercore_worker serve nothing | BLOCKSxBYTES[xclosed]
python -m tests.bench.hypercore_worker run append | replicate | open ORDER
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from net import DHT, KeyPair, Server
from store import Hypercore
from store.database import Synchronous
from tests.bench.worker import HOST, Answer, Order, say, stdin_ended

FILL_BATCH = 1_000


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """A folder for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="covey-bench-") as folder:
        yield folder


async def open_core(folder: str, key: bytes | None = None) -> Hypercore:
    """A core as durable as npm's."""
    return await Hypercore.open(folder, key, synchronous=Synchronous.NORMAL)


async def serve(what: str) -> None:
    """Make a core of so many blocks and serve it, or leave it to be opened."""
    if what == "nothing":
        say({})
        await stdin_ended()
        return
    amount, width, *closed = what.split("x")
    blocks, size = int(amount), int(width)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(scratch())
        core = await open_core(folder)
        for start in range(0, blocks, FILL_BATCH):
            count = min(FILL_BATCH, blocks - start)
            await core.append([b"%016d" % i + bytes(size - 16) for i in range(count)])
        key = core.key
        await core.close()
        if closed:
            say({"folder": folder})
            await stdin_ended()
            return
        core = await open_core(folder)
        stack.push_async_callback(core.close)
        first = await stack.enter_async_context(DHT.bootstrapper(0, HOST))
        dht = DHT([(HOST, first.port)], host=HOST, ephemeral=False, firewalled=False)
        await stack.enter_async_context(dht)
        server = dht.create_server()
        key_pair = KeyPair.generate()
        await server.listen(key_pair)
        serving = asyncio.create_task(_replicate_all(server, core))
        say(
            {
                "bootstrap": [(HOST, first.port)],
                "publicKey": key_pair.public_key.hex(),
                "core": key.hex(),
                "folder": folder,
            }
        )
        await stdin_ended()
        await server.close()
        await serving


async def _replicate_all(server: Server, core: Hypercore) -> None:
    async for connection in server:
        core.replicate(connection)


async def bench_append(order: Order) -> Answer:
    """The time of appending ``count`` blocks, ``batch`` a call, ``atOnce`` calls."""
    with scratch() as folder:
        core = await open_core(folder)
        block = bytes([7]) * order["size"]
        value: Any = block if order["batch"] == 1 else [block] * order["batch"]
        calls = order["count"] // order["batch"]
        await core.append(value)
        numbers = iter(range(calls))

        async def work() -> None:
            for _ in numbers:
                await core.append(value)

        before = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(order["atOnce"])))
        ms = (time.perf_counter() - before) * 1e3
        assert core.length == (calls + 1) * order["batch"]
        await core.close()
    return {"ms": ms}


async def bench_replicate(order: Order) -> Answer:
    """The time until every block of the server's core is stored here."""
    with scratch() as folder:
        async with DHT([tuple(it) for it in order["bootstrap"]], host=HOST) as dht:
            core = await open_core(folder, bytes.fromhex(order["core"]))
            connection = await dht.connect(bytes.fromhex(order["publicKey"]))
            before = time.perf_counter()
            core.replicate(connection)
            await core.download(0, order["count"])
            ms = (time.perf_counter() - before) * 1e3
            assert core.contiguous_length == order["count"]
            connection.destroy()
            await core.close()
    return {"ms": ms}


async def bench_open(order: Order) -> Answer:
    """The time of opening a core and reading one block, and what is in memory then."""
    before = time.perf_counter()
    core = await open_core(order["folder"])
    block = await core.get(order["count"] // 2)
    ms = (time.perf_counter() - before) * 1e3
    assert block is not None
    assert core.length == order["count"]
    mib = _resident_mib()
    await core.close()
    return {"ms": ms, "mib": mib}


def _resident_mib() -> float:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss in smaps_rollup")


BENCHES = {"append": bench_append, "replicate": bench_replicate, "open": bench_open}


async def run(name: str, order: Order) -> None:
    """Measure once and say the answer."""
    say(await BENCHES[name](order))


def main(arguments: list[str]) -> None:
    """Take a role, on uvloop where there is one, as the application does."""
    try:
        from uvloop import new_event_loop as loop_factory
    except ImportError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        if arguments[0] == "serve":
            runner.run(serve(arguments[1]))
        else:
            runner.run(run(arguments[1], json.loads(arguments[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
