"""Covey's side of the measurements of rooms: roles as in ``peers/autobase.js``.

python -m tests.bench.autobase_worker serve nothing | history:MESSAGES | talk:PAUSE_MS
python -m tests.bench.autobase_worker run writers | catchUp | visible ORDER
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from app.core import collect_seldom
from app.errors import UserFacingError
from app.events import MessageStored
from net import DHT, Connection, KeyPair, Server
from tests.bench.autobase_people import (
    JOIN_LIMIT_S,
    ROOM_NAME,
    PeakMemory,
    Person,
    Watched,
    open_person,
    people,
)
from tests.bench.hypercore_worker import scratch
from tests.bench.worker import HOST, Answer, Order, say, stdin_ended

FILL_AT_ONCE = 100
MESSAGE_BYTES = 100
RUN_LIMIT_S = 900
STAMP = "at "
"""Before the time at which a message was written, in ms of the machine's clock."""


def now_ms() -> float:
    """The clock that both processes of a measurement share."""
    return time.monotonic_ns() / 1e6


def message(writer: object, number: int, size: int) -> str:
    """The words of a message, as long as asked for."""
    return f"{writer} says {number} ".ljust(size, "x")


async def serve(what: str) -> None:
    """Make a room and serve it: full already, or one in which somebody talks."""
    kind, _, amount = what.partition(":")
    if kind == "nothing":
        say({})
        await stdin_ended()
        return
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(scratch()))
        host = await open_person(folder / "host", "Host", stack)
        room = await host.messenger.create_room(ROOM_NAME)
        link = await host.messenger.invite(room.room, uses=0)
        count = int(amount) if kind == "history" else 1
        texts = [message("host", number, MESSAGE_BYTES) for number in range(count)]
        await host.say(texts, at_once=FILL_AT_ONCE)
        first = await stack.enter_async_context(DHT.bootstrapper(0, HOST))
        dht = DHT([(HOST, first.port)], host=HOST, ephemeral=False, firewalled=False)
        await stack.enter_async_context(dht)
        server = dht.create_server()
        key_pair = KeyPair.generate()
        await server.listen(key_pair)
        pause_s = int(amount) / 1e3 if kind == "talk" else None
        serving = asyncio.create_task(_serve_all(server, host, pause_s))
        say(
            {
                "bootstrap": [(HOST, first.port)],
                "publicKey": key_pair.public_key.hex(),
                "link": link,
            }
        )
        await stdin_ended()
        await server.close()
        await serving


async def _serve_all(server: Server, host: Person, pause_s: float | None) -> None:
    async with asyncio.TaskGroup() as group:
        async for connection in server:
            host.network.take(connection)
            if pause_s is not None:
                group.create_task(_talk(host, connection, pause_s))


async def _talk(host: Person, connection: Connection, pause_s: float) -> None:
    """Write what time it is, again and again, as long as somebody is there."""
    room = await host.room()
    while not connection.closed:
        await host.messenger.send(room, f"{STAMP}{now_ms():.3f}")
        await asyncio.sleep(pause_s)


async def bench_writers(order: Order) -> Answer:
    """The time until everybody has what all wrote at once, and the memory of it."""
    writers, each = order["writers"], order["each"]
    with scratch() as folder:
        async with people(Path(folder), writers) as everybody:
            shares = [
                [message(writer, number, order["size"]) for number in range(each)]
                for writer in range(writers)
            ]
            watched = [Watched(person) for person in everybody]
            memory = PeakMemory()
            before = now_ms()
            async with asyncio.TaskGroup() as group:
                for person, share, events in zip(
                    everybody, shares, watched, strict=True
                ):
                    group.create_task(person.say(share, at_once=order["burst"]))
                    group.create_task(events.heard(each * (writers - 1)))
            ms = now_ms() - before
            mib = memory.finish()
            expected = sorted(text for share in shares for text in share)
            orders = [await person.texts() for person in everybody]
            assert sorted(orders[0]) == expected, "messages are missing"
            assert all(it == orders[0] for it in orders), "the orders differ"
    return {"ms": ms, "mib": mib}


@asynccontextmanager
async def fresh_peer(order: Order) -> AsyncIterator[tuple[Person, Connection]]:
    """Somebody new, and a connection to who has everything, not yet in use."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(scratch()))
        person = await open_person(folder / "guest", "Guest", stack)
        dht = DHT([tuple(it) for it in order["bootstrap"]], host=HOST)
        await stack.enter_async_context(dht)
        yield person, await dht.connect(bytes.fromhex(order["publicKey"]))


async def bench_catch_up(order: Order) -> Answer:
    """The time of joining until the newest message, and every message, is here."""
    count = order["count"]
    async with fresh_peer(order) as (person, connection):
        memory = PeakMemory()
        newest = message("host", count - 1, MESSAGE_BYTES)
        before = now_ms()
        person.network.take(connection)
        watched, first = Watched(person), Watched(person)
        async with asyncio.TaskGroup() as group:
            whole = group.create_task(_time_until(watched.heard(count), before))
            page = group.create_task(_time_until(first.shown(newest), before))
            await _join(person, order["link"])
        mib = memory.finish()
        texts = await person.texts()
        assert texts == [message("host", it, MESSAGE_BYTES) for it in range(count)]
    return {"ms": whole.result(), "newestMs": page.result(), "mib": mib}


async def _join(person: Person, link: str) -> None:
    """Be let in; a long history may come later than a person would wait for it."""
    try:
        await person.messenger.join(link, timeout_s=JOIN_LIMIT_S)
    except UserFacingError as error:
        if error.code != "not-synchronised":
            raise


async def _time_until(work: Awaitable[None], before: float) -> float:
    await work
    return now_ms() - before


async def bench_visible(order: Order) -> Answer:
    """Times from writing a message to seeing it in another process, in ms."""
    times: list[float] = []
    skip, wanted = order["skip"], order["count"]
    async with fresh_peer(order) as (person, connection):
        person.network.take(connection)
        events = Watched(person)
        await _join(person, order["link"])
        async for event in events:
            if isinstance(event, MessageStored) and event.message.text.startswith(
                STAMP
            ):
                times.append(now_ms() - float(event.message.text.removeprefix(STAMP)))
                if len(times) >= skip + wanted:
                    break
    return {"times": times[skip : skip + wanted]}


BENCHES: dict[str, Callable[[Order], Awaitable[Answer]]] = {
    "writers": bench_writers,
    "catchUp": bench_catch_up,
    "visible": bench_visible,
}


async def run(name: str, order: Order) -> None:
    """Measure once and say the answer."""
    async with asyncio.timeout(RUN_LIMIT_S):
        say(await BENCHES[name](order))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(arguments: list[str]) -> None:
    """Take a role, on uvloop where there is one, as the application does."""
    collect_seldom()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        if arguments[0] == "serve":
            runner.run(serve(arguments[1]))
        else:
            runner.run(run(arguments[1], json.loads(arguments[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
