"""People with a messenger each, for the measurements of rooms.

Whole messengers, over the faces that clients and networks have (``app.messenger``,
``app.network``), so that what is measured is what a person waits for. Connections are
handed to them: found by nobody, carried by the real encrypted streams.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from app import profile as profiles
from app.events import CoreStopped, Event, RoomChanged
from app.messenger import Messenger
from app.network import NetworkListener
from app.paths import DATABASE_NAME
from net import Connection
from store import keys
from store.database import Database, Synchronous
from tests.bench.hypercore_worker import _resident_mib as resident_mib
from tests.unit.app.rooms.joined import QuietNetwork
from tests.unit.net.aio.raw_pair import connected_pair

ROOM_NAME = "Bench"
PAGE = 1_000
SAMPLE_S = 0.25
JOIN_LIMIT_S = 60.0
GUESTS_PER_LINK = 16
"""Fewer than one invite lets in within a minute."""


class GivenNetwork(QuietNetwork):
    """A network that looks for nobody: whoever measures hands connections over."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self._listener: NetworkListener | None = None
        self._connections: set[Connection] = set()

    def take(self, connection: Connection) -> None:
        """Give a connection to the messenger, until it ends."""
        assert self._listener is not None, "started first"
        self._connections.add(connection)
        connection.on_close.append(self._closed)
        self._listener.peer_connected(connection)

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._listener is not None:
            self._listener.peer_disconnected(connection)

    async def start(self, listener: NetworkListener) -> None:
        """See ``Network.start``."""
        self._listener = listener

    async def stop(self) -> None:
        """See ``Network.stop``."""
        self._listener = None
        for connection in tuple(self._connections):
            connection.destroy()


@dataclasses.dataclass(frozen=True, eq=False)
class Person:
    """One profile with its messenger and the network it was given."""

    messenger: Messenger
    network: GivenNetwork

    async def room(self) -> str:
        """The id of the room everything happens in."""
        return (await self.messenger.rooms())[0].room

    async def unread(self) -> int:
        """How many messages of others are here."""
        return sum(room.unread for room in await self.messenger.rooms())

    async def say(self, texts: list[str], *, at_once: int) -> None:
        """Write messages, waiting for each, or for so many together."""
        room = await self.room()
        for start in range(0, len(texts), at_once):
            await asyncio.gather(
                *(
                    self.messenger.send(room, text)
                    for text in texts[start : start + at_once]
                )
            )

    async def texts(self) -> list[str]:
        """Every message there is, oldest first, as somebody who scrolls back."""
        room, before, pages = await self.room(), None, []
        while page := await self.messenger.history(room, limit=PAGE, before=before):
            pages.append([message.text for message in page])
            before = page[0].id
        return [text for page in reversed(pages) for text in page]


class Watched:
    """Somebody's events, taken as they come; made before what is waited for."""

    def __init__(self, person: Person) -> None:
        """Listen from now on."""
        self._person = person
        self._events = person.messenger.events()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for event in self._events:
            assert not isinstance(event, CoreStopped), event.sentence
            yield event

    async def heard(self, count: int) -> None:
        """Wait until so many messages of others are here."""
        if await self._person.unread() >= count:
            return
        async for event in self:
            if isinstance(event, RoomChanged) and event.room.unread >= count:
                return

    async def shown(self, text: str) -> None:
        """Wait until a message is the newest of the room."""
        async for event in self:
            if isinstance(event, RoomChanged):
                last = event.room.last_message
                if last is not None and last.text == text:
                    return


async def open_person(folder: Path, name: str, stack: AsyncExitStack) -> Person:
    """Make a profile and start its messenger, as durable as npm's storage."""
    os.environ["COVEY_KEYCHAIN"] = "off"
    await asyncio.to_thread(profiles.create, folder, name=name, now_s=int(time.time()))
    network = GivenNetwork()
    messenger = Messenger(await asyncio.to_thread(_open_normal, folder), network)
    stack.push_async_callback(messenger.close)
    await messenger.start()
    return Person(messenger, network)


def _open_normal(folder: Path) -> profiles.Profile:
    """The profile, with commits that leave the disk's moment to the system."""
    profile = profiles.open_profile(folder)
    profile.database.close()
    key = keys.open_key(folder, passphrase=None, keychain=None).key
    database = Database.open(
        folder / DATABASE_NAME, key=key, synchronous=Synchronous.NORMAL
    )
    return dataclasses.replace(profile, database=database)


def connect_in_process(first: Person, second: Person) -> None:
    """Give two people an encrypted connection without sockets."""
    for person, end in zip((first, second), connected_pair(), strict=True):
        person.network.take(end)


async def let_in(host: Person, guests: list[Person]) -> None:
    """Make the host's room and let everybody in, connected with the host only."""
    room = await host.messenger.create_room(ROOM_NAME)
    for number, guest in enumerate(guests):
        if number % GUESTS_PER_LINK == 0:
            link = await host.messenger.invite(room.room, uses=0)
        connect_in_process(guest, host)
        await guest.messenger.join(link, timeout_s=JOIN_LIMIT_S)
    # What they write counts from when all know of all.
    async with asyncio.timeout(JOIN_LIMIT_S):
        for person in (host, *guests):
            while len(await person.messenger.members(room.room)) <= len(guests):
                await asyncio.sleep(0.02)


class PeakMemory:
    """The largest proportional set size of this process, looked at now and then."""

    def __init__(self) -> None:
        """Look from now on, in a thread of its own, until ``finish``."""
        self._peak_mib = resident_mib()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> float:
        """Stop looking; the largest size, in MiB."""
        self._over.set()
        self._thread.join()
        return max(self._peak_mib, resident_mib())

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self._peak_mib = max(self._peak_mib, resident_mib())


@asynccontextmanager
async def people(folder: Path, count: int) -> AsyncIterator[list[Person]]:
    """So many people in this process, in one room, each connected with the first."""
    async with AsyncExitStack() as stack:
        everybody = [
            await open_person(folder / f"{number}", f"Person {number}", stack)
            for number in range(count)
        ]
        await let_in(everybody[0], everybody[1:])
        yield everybody
