"""Acts at the same time: who had seen what decides, then the rank, then the order."""

from __future__ import annotations

import pytest

from app.rooms.law import REST_AFTER_MS, history
from app.rooms.operations.acts import Rotate, Settings
from app.rooms.roles import Role
from store.autobase import Place
from tests.unit.app.rooms.law.convergent import outcome
from tests.unit.app.rooms.law.scene import ADA, BO, CY, DI, Scene, invite_key, seat

BO2 = seat("Bo", 2)


def begun(bo: Role, cy: Role) -> Scene:
    """Ada's room with Bo, Cy and Di, who have met."""
    scene = Scene()
    scene.let_in(ADA, 1, BO, role=bo)
    scene.let_in(ADA, 2, CY, role=cy)
    scene.let_in(ADA, 3, DI)
    scene.meet(ADA, BO, CY, DI)
    return scene


@pytest.mark.parametrize("first", ["senior", "junior"])
def test_of_two_that_remove_each_other_the_senior_stays(first: str) -> None:
    scene = begun(Role.ADMIN, Role.ADMIN)
    at = {"senior": (50, 60), "junior": (60, 50)}[first]
    scene.remove(BO, CY, clock=at[0])
    scene.remove(CY, BO, clock=at[1])
    assert (scene.rank(BO), scene.rank(CY)) == (Role.ADMIN, None)


def test_an_ex_admin_outruns_its_removal_in_vain() -> None:
    scene = begun(Role.ADMIN, Role.MEMBER)
    before = scene.invite(BO, 5)
    scene.show(ADA, BO)
    scene.remove(ADA, BO, clock=100)
    raced = [
        scene.remove(BO, CY, clock=50),
        scene.set_role(BO, DI, Role.MODERATOR, clock=51),
        scene.invite(BO, 6, role=Role.MODERATOR),
        scene.admit(BO, 6, BO2),
    ]
    assert [scene.rank(it) for it in (BO, CY, DI)] == [None, Role.MEMBER, Role.MEMBER]
    assert not any(scene.took_effect(act) for act in raced)
    assert before.body in [it.invite for it in scene.law.invites.values()]


def test_what_was_done_before_a_demotion_in_secret_has_the_lower_rank() -> None:
    scene = begun(Role.ADMIN, Role.MEMBER)
    scene.set_role(ADA, BO, Role.MEMBER, clock=100)
    settings = scene.write(BO, Settings(name="Mine"), clock=50)
    high = scene.invite(BO, 6, role=Role.MODERATOR)
    low = scene.invite(BO, 7, role=Role.MEMBER)
    assert not scene.took_effect(settings)
    assert not scene.took_effect(high)
    assert scene.took_effect(low)
    assert scene.law.rank_at(BO.device, low.place) is Role.MEMBER
    assert scene.law.name == "Birds"


def test_a_promotion_counts_for_who_had_seen_it() -> None:
    scene = begun(Role.MEMBER, Role.MEMBER)
    scene.set_role(ADA, BO, Role.ADMIN)
    unaware = scene.write(BO, Settings(name="Mine"), clock=500)
    assert not scene.took_effect(unaware)
    assert scene.law.rank_at(BO.device, unaware.place) is Role.MEMBER
    scene.show(BO, ADA)
    aware = scene.write(BO, Settings(name="Ours"))
    assert scene.law.rank_at(BO.device, aware.place) is Role.ADMIN
    assert scene.law.name == "Ours"


def test_an_invite_used_twice_at_once_lets_the_earlier_in() -> None:
    scene = begun(Role.MEMBER, Role.MEMBER)
    scene.invite(ADA, 5)
    scene.meet(ADA, BO, CY)
    scene.admit(BO, 5, seat("Ed"), clock=60)
    assert scene.rank(seat("Ed")) is Role.MEMBER
    late = scene.admit(CY, 5, seat("Flo"), clock=50)
    assert (scene.rank(seat("Ed")), scene.rank(seat("Flo"))) == (None, Role.MEMBER)
    assert scene.changes.members
    assert seat("Ed").device in scene.changes.devices
    assert scene.law.invites[invite_key(5)].use_count == 1
    assert scene.took_effect(late)


@pytest.mark.parametrize("clock", [REST_AFTER_MS + 500, REST_AFTER_MS + 900])
def test_no_rest_by_a_junior_undoes_what_a_senior_did_unheard(clock: int) -> None:
    """Bo lets Ada rest, before or behind her removal of Bo: she wins either way."""
    scene = begun(Role.MEMBER, Role.MEMBER)
    rest = scene.rest(BO, ADA, clock=clock)
    assert scene.took_effect(rest)
    removal = scene.remove(ADA, BO, clock=REST_AFTER_MS + 700)
    assert scene.took_effect(removal)
    assert not scene.took_effect(rest)
    assert scene.rank(BO) is None
    assert not scene.law.devices[ADA.device].resting


def test_a_junior_who_let_a_senior_rest_may_be_overruled() -> None:
    """Only who is senior ends somebody for good: the others wait to be sure."""
    scene = begun(Role.MEMBER, Role.MEMBER)
    scene.rest(CY, BO, clock=REST_AFTER_MS + 500)
    contested = {it.writer for it in scene.law.stays() if it.contested}
    assert contested == {BO.device}
    assert scene.law.wanted_length(BO.device) is None
    scene.rest(ADA, BO, clock=REST_AFTER_MS + 900)
    assert not any(it.contested for it in scene.law.stays())


def test_nobody_loses_by_an_act_that_is_void_in_the_end() -> None:
    """Ada removes Bo though she knows that she rests; what Bo did to Di stands.

    Also when something that Di wrote before comes late, and joins it all together.
    """
    scene = begun(Role.ADMIN, Role.MEMBER)
    scene.rest(CY, ADA, clock=REST_AFTER_MS + 100)
    scene.show(ADA, CY)
    scene.remove(BO, DI, clock=REST_AFTER_MS + 200)
    scene.remove(ADA, BO, clock=REST_AFTER_MS + 300)
    assert (scene.rank(BO), scene.rank(DI)) == (Role.ADMIN, None)
    scene.invite(DI, 9)
    assert (scene.rank(BO), scene.rank(DI)) == (Role.ADMIN, None)
    assert invite_key(9) not in scene.law.invites


def test_a_removal_that_is_void_itself_cuts_nothing() -> None:
    """Bo removes Cy while Ada removes Bo: what Cy did meanwhile stands."""
    scene = begun(Role.ADMIN, Role.MODERATOR)
    invited = scene.invite(CY, 6)
    removal = scene.remove(BO, CY, clock=80)
    assert invite_key(6) not in scene.law.invites
    scene.remove(ADA, BO, clock=90)
    assert invite_key(6) in scene.law.invites
    assert scene.rank(CY) is Role.MODERATOR
    assert scene.law.rank_at(CY.device, invited.place) is Role.MODERATOR
    assert not scene.took_effect(removal)


def test_nobodys_act_rests_on_what_it_makes_void() -> None:
    """Bo lowers itself in secret; Cy, a moderator, removes it for a moderator."""
    scene = begun(Role.ADMIN, Role.MODERATOR)
    scene.set_role(BO, BO, Role.READER, clock=50)
    removal = scene.remove(CY, BO, clock=60)
    assert not scene.took_effect(removal)
    scene.show(CY, BO)
    assert scene.took_effect(scene.remove(CY, BO))


def test_admissions_fall_with_who_made_them() -> None:
    scene = begun(Role.MEMBER, Role.MEMBER)
    scene.invite(BO, 5)
    scene.admit(BO, 5, seat("Ed"))
    scene.show(seat("Ed"), BO)
    spoke = scene.entry(seat("Ed"))
    assert scene.law.may_post(seat("Ed").device, spoke)
    scene.remove(ADA, BO, clock=70)
    assert scene.rank(seat("Ed")) is None
    assert not scene.law.may_post(seat("Ed").device, spoke)


def test_the_last_turn_of_the_key_is_the_current_one() -> None:
    scene = begun(Role.MEMBER, Role.MEMBER)
    assert scene.law.epoch is None
    assert not scene.law.stale_epoch
    everybody = tuple(it.device for it in (ADA, BO, CY, DI))
    scene.write(BO, Rotate(b"b" * 8, everybody, b"sealed"), clock=60)
    scene.write(CY, Rotate(b"c" * 8, everybody, b"sealed"), clock=50)
    epoch = scene.law.epoch
    assert epoch is not None
    assert epoch.id == b"b" * 8
    scene.meet(ADA, BO, CY)
    scene.remove(ADA, CY)
    assert scene.changes.epoch
    assert scene.law.stale_epoch
    scene.write(ADA, Rotate(b"a" * 8, everybody[:2], b"sealed"))
    assert not scene.law.stale_epoch
    scene.write(DI, Rotate(b"a" * 8, (DI.device,), b"sealed"), clock=900)
    epoch = scene.law.epoch
    assert epoch is not None
    assert epoch.devices == everybody[:2]


def test_the_first_key_is_stale_once_somebody_is_out() -> None:
    scene = begun(Role.MEMBER, Role.MEMBER)
    scene.remove(ADA, CY)
    assert scene.law.stale_epoch


def test_rounds_that_do_not_end_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no rounds to spare the cuts of the last ones hold together: in doubt."""
    monkeypatch.setattr(history, "MAX_ROUNDS", 1)
    scene = begun(Role.ADMIN, Role.MODERATOR)
    scene.invite(CY, 6)
    scene.remove(BO, CY, clock=80)
    scene.remove(ADA, BO, clock=90)
    doubt = min(scene.law.stays())
    assert doubt.writer == b""
    assert doubt.end is None
    whole = scene.fresh_law()
    whole.add(reversed(scene.acts))
    assert outcome(whole) == outcome(scene.law)


def test_acts_where_all_is_settled_are_void() -> None:
    scene = begun(Role.MEMBER, Role.MEMBER)
    scene.law.settle(Place(100, b"", 0))
    scene.invite(BO, 8)
    assert invite_key(8) not in scene.law.invites
    scene.entry(BO, clock=100)
    scene.invite(BO, 9)
    assert invite_key(9) in scene.law.invites


def test_a_key_is_stale_once_somebody_is_out_who_came_in_behind_its_turn() -> None:
    scene = begun(Role.MEMBER, Role.MEMBER)
    scene.write(ADA, Rotate(b"a" * 8, (ADA.device, BO.device), b"sealed"))
    scene.invite(ADA, 9)
    ed = seat("Ed")
    scene.admit(ADA, 9, ed)
    scene.meet(ADA, ed)
    assert not scene.law.stale_epoch
    scene.remove(ADA, ed)
    assert scene.law.stale_epoch
    scene.write(ADA, Rotate(b"b" * 8, (ADA.device, BO.device), b"sealed"))
    assert not scene.law.stale_epoch
