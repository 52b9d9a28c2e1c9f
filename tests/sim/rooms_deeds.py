"""What people do in a simulated room, drawn at random: of every kind, allowed or not.

Most is proposed as the program does (``app/rooms/proposals.py``), which refuses what
the rules would void; some is written without asking, by devices that do not follow the
program though they keep the form.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial

from app.rooms import proposals
from app.rooms.operations import (
    Acknowledge,
    AddDevice,
    Body,
    CloseInvite,
    Delete,
    Deleted,
    Edit,
    Message,
    Mute,
    Pin,
    Poll,
    Profile,
    React,
    Remove,
    RemoveDevice,
    Rest,
    Rotate,
    SetRole,
    Settings,
    Unban,
    Vote,
    Wake,
)
from app.rooms.roles import Kind, Right, Role
from app.rooms.view import RoomView
from tests.sim import rooms_quarrels
from tests.sim.rooms_world import NAMES, Peer, World, seat
from tests.unit.app.rooms.people import Person, admit, found, invite, invite_pair

Make = Callable[[RoomView], Body]

WEEK_MS = 8 * 24 * 3600 * 1000
EMOJIS = ("+", "-", "!")
EDITING = 7
"""In one room of so many people edit with two devices at once; of the others what was
found by a seed before there were such rooms is found again."""


def begin(world: World) -> Peer:
    """Ada begins the room and lets in who is there from the start."""
    chance = world.chance
    world.quarrels = chance.choice((0.0, 0.01, 0.05, 0.15))
    world.picky = chance.random() < 0.5
    ada = world.peer(seat("Ada"))
    kind = Kind.BROADCAST if chance.random() < 0.1 else Kind.GROUP
    world.write(ada, lambda _: found(kind))
    for number, name in enumerate(NAMES[1 : chance.randint(2, 6)]):
        role = chance.choice((Role.ADMIN, Role.MODERATOR, Role.MEMBER, Role.READER))
        world.write(ada, partial(_const, invite(200 + number, role=role, uses=2)))
        newcomer = world.peer(seat(name))
        world.write(ada, partial(_const, admit(200 + number, newcomer.who)))
        world.meet(newcomer, ada, whole=True)
    return ada


def step(world: World) -> None:
    """One thing happens."""
    chance = world.chance
    world.now_ms += chance.choice((0, 1, 1_000, 60_000, 600_000))
    peer = chance.choice(list(world.peers.values()))
    if chance.random() < world.quarrels:
        rooms_quarrels.quarrel(world)
        return
    if world.seed % EDITING == 2 and chance.random() < 0.05:
        _edit_twice(world, peer)
        return
    turn = chance.random()
    if turn < 0.36:
        others = _reachable(world, peer)
        if others:
            world.meet(peer, chance.choice(others))
    elif turn < 0.40:
        _part(world)
    elif turn < 0.43:
        world.restart(peer)
    elif turn < 0.44:
        world.now_ms += WEEK_MS
    elif turn < 0.70:
        _speak(world, peer)
    else:
        _act(world, peer)


def _const(body: Body, _: RoomView) -> Body:
    return body


def _reachable(world: World, peer: Peer) -> list[Peer]:
    if not world.groups:
        return [it for it in world.peers.values() if it is not peer]
    for group in world.groups:
        if peer in group:
            return [it for it in group if it is not peer]
    return []


def _part(world: World) -> None:
    """Partitions come and go."""
    chance = world.chance
    if world.groups:
        world.groups = []
        return
    peers = list(world.peers.values())
    chance.shuffle(peers)
    at = chance.randint(0, len(peers))
    world.groups = [peers[:at], peers[at:]]


# Words.


def _speak(world: World, peer: Peer) -> None:
    """A message, or something said of one that is here; seldom of another."""
    chance = world.chance
    known = [
        id
        for id, (writer, sequence) in world.said.items()
        if peer.view.length(writer) > sequence
    ]
    if chance.random() < 0.05:
        known = list(world.said)
    turn = chance.random()
    body: Body
    if turn < 0.35 or not known:
        mentions = (peer.identity,) if chance.random() < 0.2 else ()
        body = Message(f"{peer.who.name} {chance.randrange(1000)}", mentions=mentions)
    elif turn < 0.42:
        options = ("a", "b", "c")[: chance.randint(2, 3)]
        body = Poll("which?", options, multiple=chance.random() < 0.5)
    else:
        body = _change(world, peer, known, turn)
    polite = chance.random() < 0.85

    def make(view: RoomView) -> Body:
        if polite:
            view.outlook().require(Right.POST)
        return body

    if polite or not peer.left:
        world.write(peer, make)


def _change(world: World, peer: Peer, known: list[bytes], turn: float) -> Body:
    chance = world.chance
    mine = [
        id for id in known if world.peers[world.said[id][0]].identity == peer.identity
    ]
    target = chance.choice(mine if mine and chance.random() < 0.6 else known)
    if turn < 0.62:
        return Edit(target, f"edited {chance.randrange(1000)}")
    if turn < 0.70:
        writer, sequence = world.said[target]
        return Delete((Deleted(target, writer, sequence, 1),))
    if turn < 0.82:
        return React(target, chance.choice(EMOJIS), on=chance.random() < 0.7)
    if turn < 0.91:
        return Pin(target, on=chance.random() < 0.6)
    return Vote(target, (chance.randrange(3),) if chance.random() < 0.8 else ())


def _edit_twice(world: World, one: Peer) -> None:
    """Two devices of one person edit the same message, unheard of each other."""
    other = world.peer(_second(one))
    if one.is_in and not other.is_in:
        _add_device(world, one)
    applied = world.write(one, partial(_const, Message("as I said")))
    if applied is None or not applied.ids or not other.is_in:
        return
    world.meet(other, one, whole=True)
    (id,) = applied.ids.values()
    for peer in (one, other):
        said = f"edited {world.chance.randrange(1000)}"
        world.write(peer, partial(_const, Edit(id, said)))


# Who is who.


def _act(world: World, peer: Peer) -> None:
    chance = world.chance
    if not peer.is_in:
        # Who is out may come again, or go on as if nothing had happened.
        if chance.random() < 0.3:
            _let_in(world, peer)
        elif chance.random() < 0.3 and not peer.left and peer.view.law.members:
            world.write(peer, partial(_rude, chance))
        return
    turn = chance.random()
    if turn < 0.16:
        _let_in(world, world.peer(seat(chance.choice(NAMES))))
    elif turn < 0.22:
        _add_device(world, peer)
    elif turn < 0.28:
        world.write(peer, proposals.rotation)
    elif turn < 0.33:
        body: Body = chance.choice(
            (
                Settings(name=chance.choice("ABC")),
                Settings(admits_from=chance.choice((Role.READER, Role.MODERATOR))),
                Settings(retention_ms=0, description="x"),
                Profile(chance.choice("XYZ")),
            )
        )
        world.write(peer, partial(_const, body))
    elif turn < 0.36:
        world.write(peer, lambda _: Acknowledge())
    elif turn < 0.80:
        world.write(peer, partial(_polite, chance))
    else:
        world.write(peer, partial(_rude, chance))
    if not peer.is_in:
        peer.left = chance.random() < 0.7


def _let_in(world: World, newcomer: Peer) -> None:
    """Somebody makes an invite, or finds one, and somebody lets a device in."""
    chance = world.chance
    inside = [it for it in _reachable(world, newcomer) if it.is_in]
    if not inside:
        return
    host = chance.choice(inside)
    number = chance.randrange(1, 9)
    key = invite_pair(number).public_key
    if key not in host.view.law.invites or chance.random() < 0.2:
        number = len(world.said) % 150 + 10
        key = invite_pair(number).public_key
        role = chance.choice((Role.MEMBER, Role.MEMBER, Role.READER, Role.MODERATOR))
        made = invite(number, role=role, uses=chance.choice((0, 1, 1, 2)))
        world.write(host, partial(_const, made))
    others = [it for it in inside if key in it.view.law.invites]
    if not others:
        return
    at = chance.choice(others)
    body = admit(number, newcomer.who)
    verdict = at.view.admission_verdict(body, now_ms=world.clock(at))
    if verdict == "open" or chance.random() < 0.2:
        world.write(at, partial(_const, body))
    # A newcomer hears from its host what it takes to be in.
    if verdict == "open":
        world.meet(newcomer, at, whole=True)
        newcomer.left = False


def _add_device(world: World, peer: Peer) -> None:
    other = world.peer(_second(peer))
    world.write(peer, partial(_const, AddDevice(other.who.proof)))
    world.meet(other, peer, whole=True)


def _second(peer: Peer) -> Person:
    """The other device of somebody who has two."""
    name = peer.who.name.rstrip("2")
    return seat(name, 0 if peer.who.name.endswith("2") else 2)


def _polite(chance: random.Random, view: RoomView) -> Body:
    """An act that the program lets a person write."""
    law = view.law
    others = list(law.members)
    identity = chance.choice(others)
    device = chance.choice(list(law.devices))
    banned = [key for key, it in law.members.items() if it.banned is not None]
    resting = [key for key, it in law.devices.items() if it.resting]
    turn = chance.random()
    if turn < 0.16:
        return proposals.removal(view, identity, ban=chance.random() < 0.3)
    if turn < 0.20:
        return proposals.farewell(view)
    if turn < 0.45:
        return proposals.role_change(view, identity, chance.choice(list(Role)))
    if turn < 0.62:
        until = chance.choice((0, view.facts(0).confirmed_clock + 9 * 10**9, 2**50))
        return proposals.mute(view, identity, until)
    if turn < 0.68:
        return proposals.ban_lift(view, chance.choice(banned or others))
    if turn < 0.74 and law.invites:
        return proposals.invite_closing(view, chance.choice(list(law.invites)))
    if turn < 0.82:
        return proposals.device_removal(view, device)
    if turn < 0.92 and not resting:
        return proposals.rest(view, device)
    return proposals.wake(view, chance.choice(resting or [device]))


def _rude(chance: random.Random, view: RoomView) -> Body:
    """An act that nobody asked the program about; its lengths are mostly true."""
    law = view.law
    identity = chance.choice(list(law.members))
    member = law.members[identity]
    cuts = _cuts(chance, view, member.known)
    device = chance.choice(list(law.devices))
    ((_, length),) = _cuts(chance, view, (device,))
    bodies: list[Body] = [
        Remove(identity, cuts, ban=chance.random() < 0.5),
        SetRole(identity, chance.choice(list(Role)), cuts),
        Mute(identity, chance.choice((0, 2**50)), cuts),
        RemoveDevice(device, length),
        Rest(device, length),
        Wake(device),
        Unban(identity),
        CloseInvite(chance.choice(list(law.invites) or [bytes(32)])),
        Rotate(bytes([chance.randrange(4)]) * 16, (view.own,), b"nonsense"),
    ]
    return chance.choice(bodies)


def _cuts(
    chance: random.Random, view: RoomView, devices: Iterable[bytes]
) -> tuple[tuple[bytes, int], ...]:
    cuts = view.cuts(devices)
    if chance.random() < 0.05:
        return tuple((device, length + 1) for device, length in cuts)
    return cuts
