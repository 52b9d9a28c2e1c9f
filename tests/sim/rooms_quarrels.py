"""People who end each other at the same time, unheard: what is hardest to agree on.

Each of these takes two or more devices that hear nothing of each other meanwhile, and
lets them remove, lower, mute, put to rest, wake and let in each other both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.rooms import proposals
from app.rooms.operations import Acknowledge, AddDevice, Body, Message, RemoveDevice
from app.rooms.roles import Role
from app.rooms.view import RoomView
from tests.sim.rooms_world import Peer, World, seat
from tests.unit.app.rooms.people import admit, invite

LONG_MS = 8 * 24 * 3600 * 1000
Deed = Callable[[World, Peer, Peer], None]


def quarrel(world: World) -> None:
    """One of them, between some who are in."""
    inside = [peer for peer in world.peers.values() if peer.is_in]
    if len(inside) < 2:
        return
    world.chance.choice((_duel, _duel, _sides, _sides, _owners, _own_devices))(
        world, inside
    )


def _duel(world: World, inside: list[Peer]) -> None:
    """Two do something to each other; perhaps a third one to both."""
    chance = world.chance
    one, other, *rest = chance.sample(inside, min(3, len(inside)))
    if chance.random() < 0.4:
        world.now_ms += LONG_MS
    for _ in range(chance.randint(1, 2)):
        _harm(world, one, other)
        _harm(world, other, one)
    for third in rest:
        _harm(world, third, chance.choice((one, other)))
    _part(world, [one], [other])


def _sides(world: World, inside: list[Peer]) -> None:
    """Two halves part and go on without each other, for days perhaps."""
    chance = world.chance
    chance.shuffle(inside)
    at = chance.randint(1, len(inside) - 1)
    halves = inside[:at], inside[at:]
    _part(world, *halves)
    if chance.random() < 0.6:
        world.now_ms += LONG_MS
    for _ in range(chance.randint(1, 3)):
        for half, others in (halves, halves[::-1]):
            _harm(world, chance.choice(half), chance.choice(others))
            _agree(world, half)


def _owners(world: World, inside: list[Peer]) -> None:
    """Somebody is raised; who heard of it and who did not act on it."""
    chance = world.chance
    host, other, *rest = chance.sample(inside, min(3, len(inside)))
    role = chance.choice((Role.OWNER, Role.ADMIN, Role.MODERATOR))
    raised = partial(_role, identity=other.identity, role=role)
    world.write(host, raised)
    if chance.random() < 0.7:
        world.meet(other, host, whole=True)
    for peer in (other, host, *rest):
        _harm(world, peer, chance.choice([it for it in inside if it is not peer]))
    if chance.random() < 0.5:
        _agree(world, [host, *rest])


def _own_devices(world: World, inside: list[Peer]) -> None:
    """Two devices of one person remove each other, or the person, or a third one."""
    chance = world.chance
    one = chance.choice(inside)
    name = one.who.name.rstrip("2")
    other = world.peer(seat(name, 0 if one.who.name.endswith("2") else 2))
    if not other.is_in:
        world.write(one, partial(_const, AddDevice(other.who.proof)))
        world.meet(other, one, whole=True)
    if not other.is_in:
        return
    for peer, whom in ((one, other), (other, one)):
        if chance.random() < 0.6:
            world.write(peer, partial(_device_removal, device=whom.device))
        elif chance.random() < 0.4:
            world.write(peer, proposals.farewell)
        else:
            _harm(world, peer, chance.choice(inside))
    _part(world, [one], [other])


def _harm(world: World, peer: Peer, other: Peer) -> None:
    """What one may do to another, or tries to."""
    chance = world.chance
    identity, device = other.identity, other.device
    low = chance.choice((Role.READER, Role.MEMBER, Role.MODERATOR))
    deeds: list[Callable[[RoomView], Body]] = [
        partial(proposals.removal, identity=identity, ban=chance.random() < 0.3),
        partial(proposals.rest, device=device),
        partial(proposals.rest, device=device),
        partial(_role, identity=identity, role=low),
        partial(_device_removal, device=device),
        partial(proposals.mute, identity=identity, until_ms=2**50),
        partial(proposals.wake, device=device),
    ]
    world.write(peer, chance.choice(deeds))
    turn = chance.random()
    if turn < 0.3:
        world.write(peer, lambda _: Acknowledge())
    elif turn < 0.6:
        world.write(peer, partial(_const, Message(f"so {chance.randrange(1000)}")))
    elif turn < 0.7:
        _take_in(world, peer)


def _take_in(world: World, host: Peer) -> None:
    number = len(world.said) % 150 + 10
    newcomer = world.peer(seat(world.chance.choice(("Ida", "Jo", "Hal"))))
    world.write(host, partial(_const, invite(number, role=Role.MEMBER, uses=1)))
    world.write(host, partial(_const, admit(number, newcomer.who)))
    world.meet(newcomer, host, whole=True)


def _agree(world: World, peers: list[Peer]) -> None:
    """Some hear of each other all there is, and say so."""
    for _ in range(world.chance.randint(1, 2)):
        for one in peers:
            for other in peers:
                if one is not other:
                    world.meet(one, other, whole=True)
        for one in peers:
            if one.is_in:
                world.write(one, lambda _: Acknowledge())


def _part(world: World, one: list[Peer], other: list[Peer]) -> None:
    """Those stay apart; the others go with either."""
    chance = world.chance
    if chance.random() < 0.3:
        return
    halves = [list(one), list(other)]
    for peer in world.peers.values():
        if peer not in one and peer not in other:
            chance.choice(halves).append(peer)
    world.groups = halves


def _const(body: Body, _: RoomView) -> Body:
    return body


def _role(view: RoomView, *, identity: bytes, role: Role) -> Body:
    return proposals.role_change(view, identity, role)


def _device_removal(view: RoomView, *, device: bytes) -> Body:
    ((_, length),) = view.cuts((device,))
    return RemoveDevice(device, length)
