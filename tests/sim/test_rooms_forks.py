"""Rooms in which devices write two histories: all honest ones end alike.

Whatever each had seen of which half, whoever was apart, however many forked: once they
meet, everybody says the same of the room, and so does who comes with nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from app.rooms.operations import Body, Edit, Message, Remove, SetRole
from app.rooms.roles import Role
from app.rooms.view import RoomView
from tests.sim import rooms_deeds
from tests.sim.rooms_forks import ForkWorld
from tests.sim.rooms_world import DAY_MS, Peer, seat, shown, small_steps, told
from tests.unit.app.rooms.people import admit, found, invite

NAMES = ("Bo", "Cy", "Eve")
SEEDS = 40


def _const(body: Body, _: RoomView) -> Body:
    return body


class Scene:
    """Ada, Bo and Cy, and Eve, an admin, who writes two histories."""

    def __init__(self, seed: int) -> None:
        self.world = world = ForkWorld(seed, crash_rate=0.0)
        self.ada = world.peer(seat("Ada"))
        world.write(self.ada, lambda _: found())
        for number, name in enumerate(NAMES, 1):
            role = Role.ADMIN if name == "Eve" else Role.MEMBER
            world.write(self.ada, partial(_const, invite(number, role=role)))
            world.write(self.ada, partial(_const, admit(number, seat(name))))
        self.bo, self.cy, self.eve = (world.peer(seat(name)) for name in NAMES)
        self.honest = [self.ada, self.bo, self.cy]
        world.gather([*self.honest, self.eve])

    def say(self, peer: Peer, text: str) -> bytes:
        self.world.now_ms += 1_000
        applied = self.world.write(peer, partial(_const, Message(text)))
        assert applied is not None, "may speak"
        return next(iter(applied.ids.values()))

    def do(self, peer: Peer, body: Body) -> None:
        self.world.now_ms += 1_000
        assert self.world.write(peer, partial(_const, body)) is not None

    def meet(self, *peers: Peer) -> None:
        self.world.gather(list(peers))

    def settle(self, *more: Peer) -> tuple[object, ...]:
        """All meet, go on talking, and start again: each says the same."""
        world, everybody = self.world, [*self.honest, *more]
        self.meet(*everybody)
        for peer in self.honest:
            if peer.is_in:
                self.say(peer, f"{peer.who.name} goes on")
        self.meet(*everybody)
        # Somebody with an empty disk, who hears all of it from one of them.
        late = Peer(self.cy.who)
        while world.meet(late, self.bo, whole=True):
            pass
        first = told(self.ada)
        for peer in (*everybody, late):
            assert told(peer) == first, peer.who.name
            assert shown(peer) == shown(self.ada), peer.who.name
            world.restart(peer)
        late.close()
        return first


@pytest.fixture
def scene(seed: int) -> Iterator[Scene]:
    with small_steps():
        made = Scene(seed)
        yield made
        made.world.close()


def texts(peer: Peer) -> list[object]:
    return [line[3] for line in shown(peer)]


def test_two_halves_shown_to_two_groups(scene: Scene) -> None:
    """What was said in answer stays; what only a half brought is unseen by all."""
    scene.say(scene.eve, "shared")
    scene.meet(*scene.honest, scene.eve)
    twin = scene.world.fork(scene.eve)
    scene.say(scene.eve, "to Ada")
    scene.say(scene.eve, "more to Ada")
    scene.say(twin, "to the others")
    scene.meet(scene.ada, scene.eve)
    scene.meet(scene.bo, scene.cy, twin)
    scene.say(scene.ada, "Ada answers")
    scene.say(scene.cy, "Cy answers")
    scene.settle(scene.eve, twin)
    said = texts(scene.ada)
    assert said[0] == "shared"
    assert {"Ada answers", "Cy answers"} <= set(said)
    assert not {"to Ada", "more to Ada", "to the others"} & set(said)
    assert scene.world.write(scene.eve, partial(_const, Message("more"))) is None


def test_what_was_known_only_through_a_half_is_not_known(scene: Scene) -> None:
    """Cy edits what Cy heard of by Eve alone: nobody can tell that Cy had seen it."""
    twin = scene.world.fork(scene.eve)
    said = scene.say(scene.cy, "as it was")
    scene.meet(scene.cy, scene.eve)
    scene.do(scene.cy, Edit(said, "as it is"))
    scene.say(scene.eve, "a half")
    scene.meet(scene.bo, scene.cy, scene.eve)
    scene.say(twin, "another half")
    scene.meet(scene.ada, twin)
    scene.settle()
    assert "as it is" in texts(scene.ada), "one's own log one has always seen"


def test_acts_of_a_half_are_void_and_those_below_hold(scene: Scene) -> None:
    world, eve, bo = scene.world, scene.eve, scene.bo
    cut = ((bo.device, bo.view.length(bo.device)),)
    scene.do(eve, SetRole(bo.identity, Role.MODERATOR, cut))
    scene.meet(*scene.honest, eve)
    twin = world.fork(eve)
    scene.do(eve, Remove(scene.cy.identity, ((scene.cy.device, 0),)))
    scene.meet(scene.ada, eve)
    assert not scene.ada.view.law.is_inside(scene.cy.device)
    scene.say(twin, "another half")
    scene.meet(scene.cy, twin)
    scene.settle()
    law = scene.ada.view.law
    assert law.is_inside(scene.cy.device)
    assert law.members[bo.identity].role is Role.MODERATOR


def test_the_removal_of_who_forked_names_what_there_is_of_it(scene: Scene) -> None:
    world, eve = scene.world, scene.eve
    twin = world.fork(eve)
    for number in range(3):
        scene.say(eve, f"half {number}")
    scene.meet(scene.ada, eve)
    gone = Remove(eve.identity, ((eve.device, eve.view.length(eve.device)),))
    scene.do(scene.ada, gone)
    scene.say(twin, "another half")
    scene.meet(scene.bo, scene.cy, twin)
    scene.settle()
    for peer in scene.honest:
        assert not peer.view.law.is_inside(eve.device)


def test_a_fork_below_what_was_confirmed(scene: Scene) -> None:
    """The one thing that changes what was confirmed; all change it alike."""
    world, eve = scene.world, scene.eve
    twin = world.fork(eve)
    for turn in range(6):
        for peer in (*scene.honest, eve):
            scene.say(peer, f"{peer.who.name} {turn}")
        scene.meet(*scene.honest, eve)
    before = scene.ada.view.confirmed_clock
    assert before > 0
    assert "Eve 0" in texts(scene.ada)
    scene.say(twin, "long ago")
    scene.meet(scene.bo, twin)
    scene.settle()
    assert "Eve 0" not in texts(scene.ada)
    assert "Cy 5" in texts(scene.ada)
    # Nobody waits for a device whose log has ended.
    for turn in range(6):
        world.now_ms += DAY_MS
        for peer in scene.honest:
            scene.say(peer, f"{peer.who.name} again {turn}")
        scene.meet(*scene.honest)
    assert scene.ada.view.confirmed_clock > before


def test_the_lowest_of_several_forks_of_a_log_holds(scene: Scene) -> None:
    world, eve = scene.world, scene.eve
    low = world.fork(eve)
    scene.say(eve, "first")
    high = world.fork(eve)
    scene.say(eve, "second")
    scene.say(high, "another second")
    scene.say(low, "another first")
    scene.meet(scene.ada, eve)
    scene.meet(scene.bo, high)
    scene.meet(scene.ada, scene.bo)
    assert world.known(scene.ada)[eve.device].length == 1
    assert "first" in texts(scene.ada)
    scene.meet(scene.cy, low)
    scene.settle()
    for peer in scene.honest:
        assert world.known(peer)[eve.device].length == 0
    assert not {"first", "second", "another first"} & set(texts(scene.ada))


def run(seed: int) -> int:
    """A room as people live in it, and up to four times that a device forks."""
    world = ForkWorld(seed)
    try:
        with small_steps():
            rooms_deeds.begin(world)
            for _ in range(world.chance.randint(20, 70)):
                rooms_deeds.step(world)
                forked = [it for it in world.peers.values() if it.logs.get(it.device)]
                if len(world.twins) < 4 and world.chance.random() < 0.06:
                    # Twice the same one makes three histories.
                    peer = world.chance.choice([*forked, *world.twins])
                    # Whose rights all others stand on is another matter.
                    if peer.who.name != "Ada":
                        world.fork(peer)
            # A second history is one only if something is in it.
            for twin in world.twins:
                for peer in (world.peers[twin.device], twin):
                    world.write(peer, partial(_const, Message("half")))
            world.groups = []
            world.heal()
            # Who was removed may not have heard it; perhaps all have left.
            inside = [it for it in world.peers.values() if it.is_in]
            peers = [it for it in inside if whole(it)]
            assert peers or not inside, "nobody gets on"
            ada = world.peers[seat("Ada").device.public_key]
            assert whole(ada) or not ada.is_in, "logs wait for what never comes"
            if peers:
                check_alike(world, peers)
    finally:
        world.close()
    return world.anew_count


def whole(peer: Peer) -> bool:
    """Whether a device understands all that it has."""
    return all(peer.view.length(it) == len(log) for it, log in peer.logs.items())


def check_alike(world: ForkWorld, peers: list[Peer]) -> None:
    first, *others = peers
    law = first.view.law
    for peer in world.peers.values():
        assert peer in peers or not law.is_inside(peer.device), peer.who.name
    for other in others:
        assert told(other) == told(first), (first.who.name, other.who.name)
        assert shown(other) == shown(first), (first.who.name, other.who.name)
    for peer in peers:
        world.restart(peer)
        late = Peer(peer.who)
        while world.meet(late, peer, whole=True):
            pass
        assert told(late) == told(first), f"{peer.who.name} with an empty disk"
        late.close()


@pytest.mark.timeout(300)
def test_many_rooms_with_forks_end_alike(seed: int) -> None:
    count = 0
    for number in range(seed, seed + SEEDS):
        try:
            count += run(number)
        except BaseException:
            print(f"seed {number}")
            raise
    assert count > SEEDS, "rooms were derived anew"
