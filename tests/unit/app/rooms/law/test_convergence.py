"""The same acts in any order, in any portions, settled anywhere: the same outcome."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rooms.law import Act, Law
from app.rooms.law.state import State
from app.rooms.operations import acts
from app.rooms.operations.acts import (
    AddDevice,
    Admit,
    CloseInvite,
    Invite,
    Mute,
    Profile,
    Remove,
    RemoveDevice,
    Rest,
    Rotate,
    SetRole,
    Settings,
    Unban,
    Wake,
)
from app.rooms.roles import Kind, Role
from store.autobase import Place
from tests.unit.app.rooms.law.convergent import outcome
from tests.unit.app.rooms.law.reference import judge_all
from tests.unit.app.rooms.law.scene import Scene, Seat, invite_key, seat

SEATS = [seat(name) for name in ("Ada", "Bo", "Cy", "Di")]
SECOND = [seat("Ada", 2), seat("Bo", 2), seat("Cy", 2)]
ALL = SEATS + SECOND
WEEK_MS = 8 * 24 * 3600 * 1000


def draw_body(rng: random.Random, scene: Scene, who: Seat) -> acts.Act:
    """Something that somebody might write, often allowed, sometimes not."""
    other = rng.choice(ALL)
    known = [it for it in ALL if it.identity == other.identity]
    cuts = scene.cuts(who, *known)
    if rng.random() < 0.05:
        cuts = ((other.device, 7),)
    length = scene.length(who, other)
    key = invite_key(rng.randrange(5))
    law = scene.law
    banned = [key for key, it in law.members.items() if it.banned is not None]
    resting = [key for key, it in law.devices.items() if it.resting]
    bodies: list[acts.Act] = [
        Remove(other.identity, cuts, ban=rng.random() < 0.3),
        Remove(other.identity, cuts),
        SetRole(other.identity, rng.choice(list(Role)), cuts),
        SetRole(other.identity, rng.choice(list(Role)), cuts),
        Invite(key, rng.choice(list(Role)[:4]), 0, rng.randrange(3)),
        Admit(key, other.name, other.proof, bytes(64)),
        Admit(key, other.name, other.proof, bytes(64)),
        Mute(other.identity, rng.choice((0, 50, 2**50)), cuts),
        Unban(rng.choice(banned or [other.identity])),
        CloseInvite(key),
        AddDevice(rng.choice([it for it in ALL if it.identity == who.identity]).proof),
        RemoveDevice(other.device, length),
        Rest(other.device, length),
        Wake(rng.choice(resting or [other.device])),
        Rotate(bytes([rng.randrange(9)]) * 8, tuple(it.device for it in SEATS), b""),
        Settings(name=rng.choice("ABC"), admits_from=rng.choice((None, Role.MEMBER))),
        Profile(rng.choice("XYZ")),
    ]
    return rng.choice(bodies)


def history_of(rng: random.Random, size: int) -> tuple[Scene, list[Place]]:
    """A room whose people act, meet and part, and the places that all had seen."""
    scene = Scene(Kind.GROUP)
    ada, seams = SEATS[0], []
    for number, who in enumerate(SEATS[1:]):
        role = rng.choice((Role.ADMIN, Role.ADMIN, Role.MODERATOR, Role.MEMBER))
        scene.let_in(ada, 10 + number, who, role=role)
    scene.meet(*ALL)
    for _ in range(size):
        who = rng.choice(ALL)
        turn = rng.random()
        if turn < 0.25:
            scene.show(who, *rng.sample(ALL, 2))
        elif turn < 0.3:
            scene.meet(*ALL)
            ends = [log[-1].place for log in scene.logs.values()]
            seams.append(max(ends))
        elif turn < 0.4:
            scene.entry(who, clock=scene.clock_after(who) + rng.randrange(20))
        else:
            body = draw_body(rng, scene, who)
            long = isinstance(body, Rest) and rng.random() < 0.7
            ahead = WEEK_MS if long else rng.randrange(20)
            scene.write(who, body, clock=scene.clock_after(who) + ahead)
    return scene, seams


def judged(scene: Scene, law: Law) -> dict[Place, object]:
    """By what every entry is judged."""
    verdicts: dict[Place, object] = {}
    for log in scene.logs.values():
        for it in log:
            rank = law.rank_at(it.place.writer, it.place)
            muted = rank is not None and law.muted_at(it.place.writer, it.place)
            verdicts[it.place] = (rank, muted)
    return verdicts


def told_by(state: State) -> tuple[object, ...]:
    """What a state says, as far as ``outcome`` says it too."""
    tables = (state.members, state.devices, state.invites)
    return (state.room, *(list(table.items()) for table in tables))


def deliver(rng: random.Random, scene: Scene, seams: list[Place]) -> Law:
    """The acts in another order, in portions; sometimes all is settled that can be."""
    due = scene.acts
    reach = rng.choice((0, 3, 50))
    turns = sorted(range(len(due)), key=lambda at: at + rng.random() * reach)
    law = scene.fresh_law()
    missing = {act.place for act in due}
    before = judged(scene, law)
    while turns:
        size = rng.choice((1, 1, 2, 5, len(turns)))
        portion: list[Act] = [due[at] for at in turns[:size]]
        turns = turns[size:]
        changes = law.add(portion)
        after = judged(scene, law)
        for place, verdict in after.items():
            if verdict != before[place]:
                assert changes.devices[place.writer] <= place.sequence, place
        before = after
        missing -= {act.place for act in portion}
        can = [seam for seam in seams if not any(it <= seam for it in missing)]
        if can and rng.random() < 0.5:
            law.stays()
            law.settle(max(can))
    return law


def check(seed: int, size: int) -> None:
    rng = random.Random(seed)
    scene, seams = history_of(rng, size)
    whole = scene.fresh_law()
    whole.add(scene.acts)
    slow = judge_all(scene.founder.device, scene.acts)
    assert told_by(slow) == outcome(whole)[:4], seed
    assert outcome(scene.law) == outcome(whole), seed
    for _ in range(3):
        assert outcome(deliver(rng, scene, seams)) == outcome(whole), seed
    present = [it for it in whole.members.values() if it.present]
    assert whole.room.present_count == len(present)
    writers = [it for it in present if it.role >= Role.MEMBER]
    assert whole.room.writer_count == sum(len(it.devices) for it in writers)


@pytest.mark.parametrize("seed", range(60))
def test_seeds_end_alike(seed: int) -> None:
    check(seed, 20 + seed)


@given(st.integers(1_000, 2**32), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_any_order_ends_alike(seed: int, size: int) -> None:
    check(seed, size)
