"""Devices of a room that break its rules on purpose: honest ones end alike.

The hostile device is a member and holds every key, so whatever it writes is sealed as
it should be; what it says is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from app.rooms import proposals
from app.rooms.key_ring import MAX_MISSING
from app.rooms.operations import (
    Body,
    Edit,
    Message,
    Operation,
    Pin,
    Remove,
    Rotate,
    SetRole,
    encode_operation,
)
from app.rooms.roles import Role
from app.rooms.seals import EpochSeal
from app.rooms.timeline import MAX_AHEAD_MS, Held
from app.rooms.view import RoomView
from store.autobase import Link, encode_entry
from tests.sim.rooms_world import Peer, World, seat, small_steps, told
from tests.unit.app.rooms.people import ROOM, ROOM_KEY, admit, found, invite

ADA, BO, CY, EVE = (seat(name) for name in ("Ada", "Bo", "Cy", "Eve"))


def _const(body: Body, _: RoomView) -> Body:
    return body


class Scene:
    """Ada, Bo, Cy and Eve, an admin, in one room; Eve writes what she likes."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed, crash_rate=0.0)
        self.ada, self.bo, self.cy, self.eve = (
            self.world.peer(it) for it in (ADA, BO, CY, EVE)
        )
        self.honest = [self.ada, self.bo, self.cy]
        world = self.world
        world.write(self.ada, lambda _: found())
        for number, peer in enumerate((self.bo, self.cy, self.eve), 1):
            role = Role.ADMIN if peer is self.eve else Role.MEMBER
            world.write(self.ada, partial(_const, invite(number, role=role)))
            world.write(self.ada, partial(_const, admit(number, peer.who)))
        world.gather([*self.honest, self.eve])

    def forge(
        self,
        body: Body | bytes,
        *,
        clock: int | None = None,
        links: tuple[Link, ...] | None = None,
        sequence: int | None = None,
    ) -> bytes:
        """A block of Eve's, well sealed, as if everything in it were true."""
        eve = self.eve
        log = eve.logs.get(eve.device, [])
        if links is None:
            links = eve.view.links()
        if clock is None:
            clock = eve.view.outlook().clock + 1 + len(log)
        payload = body
        if not isinstance(payload, bytes):
            payload = encode_operation(Operation(self.world.now_ms, payload))
        return EpochSeal(ROOM_KEY, ROOM).seal(
            encode_entry(clock, links, payload),
            writer=eve.device,
            sequence=len(log) if sequence is None else sequence,
            entropy=eve.entropy,
        )

    def spread(self, *blocks: bytes, to: list[Peer] | None = None) -> list[Held | None]:
        """Eve's next blocks reach some; why each does not go on."""
        held = []
        for peer in to or self.honest:
            peer.keep(self.eve.device, list(blocks))
            held.append(peer.derive(self.eve.device, self.world.now_ms).held)
        return held

    def settle(self) -> list[tuple[object, ...]]:
        """The honest ones go on talking among themselves, and end alike."""
        for turn in range(4):
            for peer in self.honest:
                if peer.is_in:
                    self.world.now_ms += 1_000
                    said = Message(f"{peer.who.name} {turn}")
                    assert self.world.write(peer, partial(_const, said)) is not None
            self.world.gather(self.honest)
        first, *others = (told(peer) for peer in self.honest if peer.is_in)
        assert all(other == first for other in others)
        for peer in self.honest:
            self.world.restart(peer)
        return [told(peer) for peer in self.honest]


@pytest.fixture
def scene(seed: int) -> Iterator[Scene]:
    with small_steps():
        made = Scene(seed)
        yield made
        made.world.close()


def texts(peer: Peer) -> list[object]:
    """What is read."""
    return [line[3] for line in told(peer)[0]]  # type: ignore[index]


@pytest.mark.parametrize(
    "link",
    [
        lambda _: Link(bytes([7]) * 32, 5),
        lambda scene: Link(scene.ada.device, 10_000),
    ],
    ids=["to nothing", "to the future"],
)
def test_forged_links_hold_up_only_who_forged_them(
    scene: Scene, link: Callable[[Scene], Link]
) -> None:
    block = scene.forge(Message("never"), links=(link(scene),))
    assert scene.spread(block) == [Held.CAUSES] * 3
    scene.settle()
    assert "never" not in texts(scene.ada)
    assert len(texts(scene.ada)) == 12


@pytest.mark.parametrize("clock", [1, 2**53 - 1])
def test_clocks_that_lie_hold_up_only_who_lied(scene: Scene, clock: int) -> None:
    links = (Link(scene.ada.device, 3),)
    held = scene.spread(scene.forge(Message("never"), clock=clock, links=links))
    assert held == [Held.BROKEN if clock == 1 else Held.EARLY] * 3
    scene.settle()
    assert "never" not in texts(scene.bo)
    clock = scene.ada.view.outlook().clock
    assert clock < scene.world.now_ms + MAX_AHEAD_MS


@pytest.mark.parametrize(
    "payload",
    [b"\x21" * 40_000, b"\xff" * 9, b"\x06\x00", bytes(60_000), b"\x05" + bytes(100)],
    ids=["giant", "unknown", "cut off", "zeros", "empty"],
)
def test_malformed_operations_mean_nothing_and_are_passed(
    scene: Scene, payload: bytes
) -> None:
    first = scene.forge(payload)
    scene.spread(first)
    scene.settle()
    assert all(peer.view.length(scene.eve.device) == 1 for peer in scene.honest)


def test_two_halves_of_a_log_are_each_kept_where_they_came_first(scene: Scene) -> None:
    """Nobody stops; who has one half never takes the other: cores find the fork."""
    halves = [scene.forge(Message(text)) for text in ("to Ada", "to the others")]
    scene.spread(halves[0], to=[scene.ada])
    scene.spread(halves[1], to=[scene.bo, scene.cy])
    for peer in scene.honest:
        for turn in range(3):
            said = Message(f"{peer.who.name} {turn}")
            assert scene.world.write(peer, partial(_const, said)) is not None
    scene.world.gather(scene.honest)
    lines = [told(peer)[0] for peer in scene.honest]
    assert lines[1] == lines[2]
    ours = [
        [line[3] for line in said if "to " not in str(line[3])]  # type: ignore[attr-defined,index]
        for said in lines
    ]
    assert ours[0] == ours[1]
    assert len(ours[0]) == 9
    assert [told(peer)[1:] for peer in scene.honest].count(told(scene.ada)[1:]) == 3


def test_an_ex_admin_that_races_its_removal_is_out_everywhere(scene: Scene) -> None:
    world, eve = scene.world, scene.eve
    target = scene.bo.identity
    cuts = ((scene.bo.device, eve.view.length(scene.bo.device)),)
    raced = [
        scene.forge(Remove(target, cuts, ban=True)),
        scene.forge(
            SetRole(target, Role.READER, cuts),
            sequence=1,
            clock=eve.view.outlook().clock + 5,
            links=(),
        ),
    ]
    gone = Remove(eve.identity, ((eve.device, 0),))
    assert world.write(scene.ada, partial(_const, gone)) is not None
    world.gather([scene.ada, scene.cy])
    scene.spread(*raced, to=[scene.bo])
    world.gather(scene.honest)
    scene.settle()
    law = scene.bo.view.law
    assert law.is_inside(scene.bo.device)
    assert not law.is_inside(eve.device)
    assert law.members[target].role is Role.MEMBER


def test_a_used_invite_lets_nobody_in_again(scene: Scene) -> None:
    world = scene.world
    dora = seat("Dora")
    block = scene.forge(admit(1, dora))
    assert scene.spread(block) == [None] * 3
    scene.settle()
    for peer in scene.honest:
        assert not peer.view.law.is_inside(dora.device.public_key)
    assert world.peers.keys() == {it.device for it in (*scene.honest, scene.eve)}


def test_junk_epochs_wait_and_hinder_nobody(scene: Scene) -> None:
    eve = scene.eve
    for number in range(MAX_MISSING + 50):
        junk = EpochSeal(number.to_bytes(32, "big"), ROOM)
        block = junk.seal(
            encode_entry(2**40, (), b""),
            writer=eve.device,
            sequence=0,
            entropy=eve.entropy,
        )
        if not number:
            scene.ada.keep(eve.device, [block])
        view = scene.ada.view
        applied = scene.ada.run(
            lambda connection, block=block, view=view: view.derive(
                connection, eve.device, 0, [block], now_ms=scene.world.now_ms
            )
        )
        assert applied.held is Held.KEY
    assert len(scene.ada.view.keys.ring.missing) <= MAX_MISSING
    assert scene.ada.view.length(eve.device) == 0
    scene.settle()


def test_a_turn_with_nonsense_boxes_lasts_until_the_next(scene: Scene) -> None:
    """Nobody can write under a key that nobody has, but turn it again."""
    devices = tuple(peer.device for peer in scene.honest)
    turn = Rotate(b"e" * 16, devices, b"nonsense")
    assert scene.spread(scene.forge(turn)) == [None] * 3
    said = partial(_const, Message("under which key?"))
    for peer in scene.honest:
        assert len(peer.view.keys.ring) == 1
        assert scene.world.write(peer, said) is None
    assert scene.world.write(scene.bo, proposals.rotation) is not None
    scene.world.gather(scene.honest)
    scene.settle()
    assert len(texts(scene.ada)) == 12


def test_changes_of_what_does_not_exist_mean_nothing(scene: Scene) -> None:
    blocks = [scene.forge(Edit(b"x" * 32, "no"))]
    blocks.append(
        scene.forge(
            Pin(b"y" * 32, on=True),
            sequence=1,
            clock=scene.eve.view.outlook().clock + 9,
            links=(),
        )
    )
    assert scene.spread(*blocks) == [None] * 3
    scene.settle()
    assert len(texts(scene.cy)) == 12
