"""How many acts of a log count, whatever the order they come in."""

from __future__ import annotations

import random

import pytest

from app.rooms.law import Act, quota
from app.rooms.law.quota import Quota
from app.rooms.operations import acts
from app.rooms.operations.acts import Profile, Remove, Rotate
from app.rooms.roles import Role
from store.autobase import Place
from tests.unit.app.rooms.law.convergent import outcome
from tests.unit.app.rooms.law.scene import ADA, BO, Scene

DEVICE = b"d" * 32


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_ACTS", 6)
    monkeypatch.setattr(quota, "MAX_FOUNDER_ACTS", 9)
    monkeypatch.setattr(quota, "SPARE_REMOVALS", 2)
    monkeypatch.setattr(quota, "MAX_ROTATIONS", 2)


def act(sequence: int, sort: str) -> Act:
    bodies: dict[str, acts.Act] = {
        "p": Profile("Ada"),
        "r": Remove(DEVICE, ()),
        "k": Rotate(bytes(8), (), b""),
    }
    return Act(Place(sequence + 1, DEVICE, sequence), 0, bodies[sort])


@pytest.mark.parametrize(
    ("log", "counted"),
    [
        ("pppppp", "111111"),
        ("ppppppp", "1111110"),
        ("pppppprprr", "1111111010"),
        ("kkkkpppppp", "1100111100"),
        ("rrrrrrrrrr", "1111111100"),
    ],
)
def test_the_first_ones_count(log: str, counted: str) -> None:
    """In any order, and told again, the same ones."""
    for seed in range(20):
        turns = list(range(len(log)))
        if seed:
            random.Random(seed).shuffle(turns)
        tried = Quota(founding=False)
        inside: set[int] = set()
        for sequence in turns:
            counts, out = tried.add(act(sequence, log[sequence]))
            assert tried.add(act(sequence, log[sequence])) == (False, [])
            inside -= set(out)
            inside |= {sequence} if counts else set()
        told = "".join("1" if it in inside else "0" for it in range(len(log)))
        assert told == counted, turns


def test_the_founder_may_do_more() -> None:
    tried = Quota(founding=True)
    assert [tried.add(act(it, "p"))[0] for it in range(10)] == [True] * 9 + [False]
    assert not tried.allows(removal=False)
    assert tried.allows(removal=True)


def test_too_many_acts_are_void_in_any_order() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO)
    for number in range(5):
        scene.write(BO, Profile(f"Bo {number}"))
    assert scene.law.may_still_act(BO.device, Profile("Bo"))
    for number in range(5, 9):
        scene.write(BO, Profile(f"Bo {number}"))
    assert not scene.law.may_still_act(BO.device, Profile("Bo"))
    assert scene.law.may_still_act(BO.device, Remove(BO.identity, ()))
    assert scene.law.members[BO.identity].name == "Bo 5"
    scene.remove(BO, BO)
    assert scene.rank(BO) is None
    for seed in range(20):
        law, due = scene.fresh_law(), scene.acts
        random.Random(seed).shuffle(due)
        for one in due:
            law.add([one])
        assert outcome(law) == outcome(scene.law)
    assert scene.law.members[ADA.identity].role is Role.OWNER
