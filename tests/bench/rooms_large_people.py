"""A room of very many writers, of whom some are online, for measuring one of them.

Those online are whole messengers in this process, on a real network of their own. Those
who are not are key pairs: the founder lets them in and their logs are written here, as
their devices would have written them and the founder fetched them.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app import profile as profiles
from app.identity import Proof, bootstrap
from app.messenger import Messenger
from app.rooms.blocks import log_manifest
from app.rooms.invitations import decode_link
from app.rooms.law import admission_signable
from app.rooms.operations import Admit, Message, Operation, encode_operation
from app.rooms.room import Room
from app.rooms.seals import EpochSeal
from app.swarm import SwarmNetwork
from net import DHT, KeyPair, Swarm
from net.crypto import sign
from store.autobase import Link, encode_entry
from store.hypercore.manifest import manifest_key
from tests.bench.autobase_people import GUESTS_PER_LINK, JOIN_LIMIT_S, ROOM_NAME

LOOPBACK = "127.0.0.1"
POLL_S = 0.05
LEVEL_LIMIT_S = 300.0


@dataclass(eq=False)
class Absent:
    """Somebody who wrote and is not online."""

    name: str
    identity: KeyPair
    device: KeyPair
    proof: Proof
    blocks: list[bytes] = field(default_factory=list)

    @classmethod
    def invent(cls, number: int) -> Absent:
        """Somebody new."""
        identity = KeyPair.from_seed(os.urandom(32))
        device = KeyPair.from_seed(os.urandom(32))
        proof = bootstrap(identity, device.public_key, epoch_s=1)
        return cls(f"Absent {number}", identity, device, proof)


async def let_in_absent(host: Messenger, room: Room, people: list[Absent]) -> None:
    """Admit people as if they had asked."""
    pair = decode_link(await host.invite(room.id, uses=0)).key_pair
    for who in people:
        signable = admission_signable(
            room.row.room,
            pair.public_key,
            who.identity.public_key,
            who.device.public_key,
        )
        signature = sign(signable, pair.secret_key)
        body = Admit(pair.public_key, who.name, who.proof, signature)
        await room.write(lambda _, body=body: body)


async def write_as_absent(
    host: Messenger, room: Room, people: list[Absent], *, each: int
) -> None:
    """A talk of all of them, everybody answering whoever spoke last."""
    chance = random.Random(7)
    seal = EpochSeal(room.row.key, room.row.room)
    head = room.heads[room.device]
    last = Link(room.device, head.length)
    clock = int(time.time() * 1000)
    turns = [who for who in people for _ in range(each)]
    chance.shuffle(turns)
    for who in turns:
        device = who.device.public_key
        clock += 1
        links = () if last.writer == device else (last,)
        words = f"{who.name} says something of a usual length, number {clock}"
        payload = encode_operation(Operation(clock, Message(words)))
        block = seal.seal(
            encode_entry(clock, links, payload),
            writer=device,
            sequence=len(who.blocks),
            entropy=os.urandom,
        )
        who.blocks.append(block)
        last = Link(device, len(who.blocks))
    for who in people:
        await _store(host, room, who)
    async with asyncio.timeout(LEVEL_LIMIT_S):
        count = sum(len(who.blocks) for who in people)
        devices = [who.device.public_key for who in people]
        while sum(room.logs.derived.get(device, 0) for device in devices) < count:
            await asyncio.sleep(POLL_S)


async def _store(host: Messenger, room: Room, who: Absent) -> None:
    """Put a log where it would lie if it had been fetched."""
    device = who.device.public_key
    log = await room.logs.borrow(device)
    manifest = log_manifest(device, room.row.key)
    core = await host._around.corestore.get(
        key=manifest_key(manifest), manifest=manifest, key_pair=who.device
    )
    try:
        await core.append(who.blocks)
    finally:
        await core.close()
        room.logs.give_back(log)


@dataclass(eq=False)
class Flock:
    """The room, and those of it who are online.

    Attributes:
        bootstrap: Where their network is.
        people: Everybody who is online, the founder first.
        room: Its id.
        link: Lets anybody in.
    """

    bootstrap: str
    people: list[Messenger]
    room: str
    link: str = ""

    def rooms(self) -> list[Room]:
        """The same room, as each of them has it."""
        return [who._rooms[bytes.fromhex(self.room)] for who in self.people]

    async def seek_newcomer(self) -> None:
        """Have everybody connect with who is connected with the founder only."""
        swarms = [_swarm(who) for who in self.people]
        own = {swarm.key_pair.public_key for swarm in swarms}
        async with asyncio.timeout(JOIN_LIMIT_S):
            while not (new := _remote_keys(swarms) - own):
                await asyncio.sleep(POLL_S)
        for swarm in swarms:
            for key in new:
                await swarm.join_peer(key)

    async def level(self) -> None:
        """Wait until all have the same."""
        async with asyncio.timeout(LEVEL_LIMIT_S):
            while len({_read(room) for room in self.rooms()}) > 1:
                await asyncio.sleep(POLL_S)


def _read(room: Room) -> frozenset[tuple[bytes, int]]:
    return frozenset(it for it in room.logs.derived.items() if it[1])


def _swarm(who: Messenger) -> Swarm:
    network = who._exchange._network
    assert isinstance(network, SwarmNetwork)
    assert network._swarm is not None
    return network._swarm


def _remote_keys(swarms: list[Swarm]) -> set[bytes]:
    return {
        connection.remote_public_key
        for swarm in swarms
        for connection in swarm.open_connections
    }


async def open_person(
    folder: Path, name: str, bootstrap: str, stack: AsyncExitStack
) -> Messenger:
    """Make a profile and start its messenger on a network."""
    await asyncio.to_thread(profiles.create, folder, name=name, now_s=int(time.time()))
    profile = await asyncio.to_thread(profiles.open_profile, folder)
    network = SwarmNetwork(profile.network, bootstrap=bootstrap)
    messenger = Messenger(profile, network)
    stack.push_async_callback(messenger.close)
    await messenger.start()
    return messenger


@asynccontextmanager
async def flock(
    folder: Path, *, online: int, writers: int, each: int
) -> AsyncIterator[Flock]:
    """A room of so many writers with so many of them online, all level.

    Args:
        folder: For their profiles.
        online: Messengers, all connected with each other.
        writers: Devices of the room, whoever is measured among them.
        each: Messages that everybody wrote who is not online.
    """
    os.environ["COVEY_KEYCHAIN"] = "off"
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(DHT.bootstrapper(0, LOOPBACK))
        bootstrap = f"{LOOPBACK}:{first.port}"
        host = await open_person(folder / "0", "Host", bootstrap, stack)
        made = await host.create_room(ROOM_NAME)
        room = host._rooms[bytes.fromhex(made.room)]
        absent = [Absent.invent(number) for number in range(writers - online - 1)]
        await let_in_absent(host, room, absent)
        await write_as_absent(host, room, absent, each=each)
        found = Flock(bootstrap, [host], made.room)
        for number in range(1, online):
            if number % GUESTS_PER_LINK == 1:
                found.link = await host.invite(made.room, uses=0)
            guest = await open_person(
                folder / f"{number}", f"Person {number}", bootstrap, stack
            )
            await guest.join(found.link, timeout_s=JOIN_LIMIT_S)
            found.people.append(guest)
        await found.level()
        for number, who in enumerate(found.people):
            await who.send(made.room, f"{number} is here")
        await found.level()
        found.link = await host.invite(made.room, uses=0)
        yield found
