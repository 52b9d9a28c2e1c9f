"""Losing something and getting it back: ranks, speech, membership, devices."""

from __future__ import annotations

import pytest

from app.rooms.law import REST_AFTER_MS
from app.rooms.operations.acts import Mute, Remove, RemoveDevice, Rest, Unban, Wake
from app.rooms.roles import Kind, Right, Role
from tests.unit.app.rooms.law.scene import ADA, BO, CY, DI, Scene, invite_key, seat

BO2 = seat("Bo", 2)
FOR_EVER = 2**50


def begun(bo: Role, cy: Role = Role.MEMBER, kind: Kind = Kind.GROUP) -> Scene:
    """Ada's room with Bo and Cy, who have met."""
    scene = Scene(kind)
    scene.let_in(ADA, 1, BO, role=bo)
    scene.let_in(ADA, 2, CY, role=cy)
    scene.meet(ADA, BO, CY)
    return scene


@pytest.mark.parametrize(
    ("actor", "target", "may"),
    [
        (Role.MEMBER, Role.READER, False),
        (Role.MODERATOR, Role.MEMBER, True),
        (Role.MODERATOR, Role.ADMIN, False),
        (Role.ADMIN, Role.MODERATOR, True),
        (Role.ADMIN, Role.ADMIN, True),
    ],
)
def test_seniors_remove_and_mute_juniors(actor: Role, target: Role, may: bool) -> None:
    """Of two of one rank, who was let in first is senior: Bo."""
    scene = begun(actor, target)
    assert scene.took_effect(scene.mute(BO, CY, FOR_EVER)) is may
    assert scene.took_effect(scene.remove(BO, CY)) is may
    other = begun(actor, target)
    if target <= actor:
        assert not other.took_effect(other.mute(CY, BO, FOR_EVER))
        assert not other.took_effect(other.remove(CY, BO))


@pytest.mark.parametrize(
    ("actor", "target", "wanted", "may"),
    [
        (Role.MODERATOR, Role.READER, Role.MEMBER, False),
        (Role.ADMIN, Role.MEMBER, Role.MODERATOR, True),
        (Role.ADMIN, Role.MEMBER, Role.ADMIN, False),
        (Role.ADMIN, Role.ADMIN, Role.MEMBER, True),
        (Role.ADMIN, Role.MEMBER, Role.MEMBER, False),
    ],
)
def test_who_sets_roles(actor: Role, target: Role, wanted: Role, may: bool) -> None:
    scene = begun(actor, target)
    assert scene.took_effect(scene.set_role(BO, CY, wanted)) is may


def test_owners_make_owners_and_are_senior_to_them() -> None:
    scene = begun(Role.MEMBER)
    assert scene.took_effect(scene.set_role(ADA, BO, Role.OWNER))
    scene.show(BO, ADA)
    assert not scene.took_effect(scene.remove(BO, ADA))
    assert not scene.took_effect(scene.set_role(BO, ADA, Role.MEMBER))
    assert scene.took_effect(scene.remove(ADA, BO))


def test_people_lower_themselves_but_do_not_rise() -> None:
    scene = begun(Role.ADMIN)
    assert not scene.took_effect(scene.set_role(BO, BO, Role.OWNER))
    before = scene.write(BO, Unban(CY.identity)).place
    assert scene.took_effect(scene.set_role(BO, BO, Role.MEMBER))
    assert scene.law.rank_at(BO.device, before) is Role.ADMIN
    assert scene.law.rank_at(BO.device, scene.entry(BO)) is Role.MEMBER
    assert not scene.took_effect(scene.set_role(CY, CY, Role.READER))


def test_lengths_are_those_that_the_author_had_seen() -> None:
    scene = begun(Role.MEMBER)
    scene.entry(BO)
    for length in (0, 1):
        removal = Remove(BO.identity, ((BO.device, length),))
        assert scene.took_effect(scene.write(ADA, removal)) is (length == 0)
    for body in (
        Mute(CY.identity, 5, ((CY.device, 3),)),
        RemoveDevice(CY.device, 3),
        Rest(CY.device, 3),
    ):
        assert not scene.took_effect(scene.write(ADA, body))


def test_a_removal_cuts_the_log_even_for_what_is_dated_back() -> None:
    scene = begun(Role.MEMBER)
    first = scene.entry(BO, clock=50)
    scene.show(ADA, BO)
    removal = scene.remove(ADA, BO, clock=100)
    assert scene.rank(BO) is None
    assert scene.law.may_post(BO.device, first)
    backdated = scene.write(BO, scene.invite(BO, 7).body, clock=70)
    assert invite_key(7) not in scene.law.invites
    assert not scene.law.may_post(BO.device, backdated.place)
    assert scene.law.spans(BO.device) == ((0, 1),)
    assert scene.law.wanted_length(BO.device) == 1
    assert scene.took_effect(removal)


def test_nobody_keeps_secret_entries_by_leaving_in_the_past() -> None:
    scene = begun(Role.MEMBER)
    scene.entry(BO, clock=50)
    scene.show(ADA, BO)
    scene.remove(ADA, BO, clock=100)
    secret = scene.entry(BO, clock=60)
    leaving = scene.remove(BO, BO, clock=61)
    assert not scene.took_effect(leaving)
    assert scene.law.rank_at(BO.device, secret) is None
    assert scene.law.members[BO.identity].barred is not None


def test_nobody_keeps_secret_entries_by_giving_up_a_device_in_the_past() -> None:
    scene = begun(Role.MEMBER)
    scene.add_device(BO, BO2)
    scene.meet(ADA, BO, BO2)
    scene.remove(ADA, BO, clock=100)
    secret = scene.entry(BO2, clock=60)
    given_up = scene.remove_device(BO2, BO2)
    assert given_up.place.clock < 100
    assert scene.law.rank_at(BO2.device, secret) is None
    assert scene.law.spans(BO2.device) == ()


def test_of_two_removals_the_one_that_had_seen_less_cuts() -> None:
    scene = begun(Role.MEMBER, Role.MODERATOR)
    places = [scene.entry(BO) for _ in range(3)]
    scene.show(CY, BO)
    scene.remove(CY, BO, clock=100)
    assert scene.law.spans(BO.device) == ((0, 3),)
    scene.remove(ADA, BO, clock=200)
    assert scene.law.spans(BO.device) == ()
    ranks = [scene.law.rank_at(BO.device, place) for place in places]
    assert ranks == [None] * 3
    assert scene.law.wanted_length(BO.device) == 0


def test_somebody_kicked_comes_back_by_a_later_invite_only() -> None:
    scene = begun(Role.MEMBER)
    scene.invite(ADA, 3, uses=0)
    scene.meet(ADA, BO, CY)
    scene.remove(ADA, BO)
    assert not scene.took_effect(scene.admit(ADA, 3, BO))
    assert not scene.took_effect(scene.admit(ADA, 3, BO2))
    old = scene.entry(BO)
    scene.show(CY, ADA)
    scene.invite(CY, 4)
    assert scene.took_effect(scene.admit(CY, 4, BO))
    assert scene.rank(BO) is Role.MEMBER
    assert scene.law.rank_at(BO.device, old) is None
    assert scene.law.rank_at(BO.device, scene.entry(BO)) is None
    scene.show(BO, CY)
    assert scene.law.rank_at(BO.device, scene.entry(BO)) is Role.MEMBER
    assert scene.law.spans(BO.device) == ((2, None),)


def test_who_lets_back_in_must_have_known_of_the_removal() -> None:
    scene = begun(Role.MEMBER)
    scene.remove(ADA, BO)
    scene.invite(CY, 4)
    assert not scene.took_effect(scene.admit(CY, 4, BO, clock=90))


def test_bans_hold_until_they_are_lifted() -> None:
    scene = begun(Role.MODERATOR)
    scene.let_in(ADA, 3, DI, role=Role.READER)
    scene.meet(ADA, BO, CY, DI)
    scene.remove(BO, DI, ban=True)
    scene.meet(ADA, BO, CY)
    scene.invite(ADA, 4, uses=0)
    assert not scene.took_effect(scene.admit(ADA, 4, DI))
    assert not scene.took_effect(scene.write(CY, Unban(DI.identity)))
    scene.show(ADA, BO)
    assert scene.took_effect(scene.write(ADA, Unban(DI.identity)))
    assert scene.took_effect(scene.admit(ADA, 4, DI))
    assert scene.rank(DI) is Role.MEMBER


def test_a_ban_is_lifted_by_who_might_pronounce_it_and_knew() -> None:
    scene = begun(Role.MODERATOR, Role.ADMIN)
    scene.remove(ADA, CY, ban=True)
    assert not scene.took_effect(scene.write(BO, Unban(CY.identity), clock=500))
    scene.show(BO, ADA)
    assert not scene.took_effect(scene.write(BO, Unban(CY.identity)))
    assert scene.took_effect(scene.write(ADA, Unban(CY.identity)))


def test_who_left_can_be_banned() -> None:
    scene = begun(Role.MEMBER)
    scene.remove(BO, BO)
    scene.show(ADA, BO)
    scene.invite(ADA, 4)
    assert scene.took_effect(scene.remove(ADA, BO, ban=True))
    assert not scene.took_effect(scene.admit(ADA, 4, BO))
    assert not scene.took_effect(scene.remove(CY, CY, ban=True))


def test_mutes_silence_for_a_while() -> None:
    scene = begun(Role.MODERATOR)
    before = scene.entry(CY, clock=100)
    scene.show(BO, CY)
    scene.mute(BO, CY, 5_000)
    assert scene.law.muted_until_ms(CY.identity) == 5_000
    for clock, may in ((101, False), (4_999, False), (5_000, True)):
        place = scene.entry(CY, clock=clock)
        assert scene.law.may_post(CY.device, place) is may
        assert scene.law.may_at(CY.device, place, Right.REACT) is may
        assert scene.law.may_at(CY.device, place, Right.INVITE)
    assert scene.law.may_post(CY.device, before)


def test_letting_speak_again_counts_for_who_heard_of_it() -> None:
    scene = begun(Role.MODERATOR)
    scene.mute(BO, CY, FOR_EVER)
    scene.mute(BO, CY, 0)
    assert scene.law.muted_until_ms(CY.identity) == 0
    assert not scene.law.may_post(CY.device, scene.entry(CY, clock=200))
    scene.show(CY, BO)
    assert scene.law.may_post(CY.device, scene.entry(CY))


def test_what_is_dated_before_a_mute_in_secret_is_muted() -> None:
    scene = begun(Role.MODERATOR)
    scene.entry(BO, clock=300)
    scene.mute(BO, CY, FOR_EVER)
    assert not scene.law.may_post(CY.device, scene.entry(CY, clock=100))


def test_a_lost_device_never_comes_back() -> None:
    scene = begun(Role.MEMBER)
    scene.add_device(BO, BO2)
    scene.meet(ADA, BO, BO2)
    scene.entry(BO)
    assert not scene.took_effect(scene.remove_device(CY, BO))
    assert scene.took_effect(scene.remove_device(BO2, BO))
    assert scene.rank(BO) is Role.MEMBER
    assert scene.law.rank_at(BO.device, scene.entry(BO)) is None
    assert not scene.took_effect(scene.add_device(BO2, BO))
    scene.show(ADA, BO2)
    scene.invite(ADA, 5)
    assert not scene.took_effect(scene.admit(ADA, 5, BO))


def test_admins_take_devices_of_juniors_and_with_the_last_the_membership() -> None:
    scene = begun(Role.ADMIN)
    assert not scene.took_effect(scene.remove_device(BO, ADA))
    assert scene.took_effect(scene.remove_device(BO, CY))
    assert scene.rank(CY) is None
    assert scene.law.room.present_count == 2
    moderated = begun(Role.MODERATOR)
    assert not moderated.took_effect(moderated.remove_device(BO, CY))


def test_silent_devices_rest_until_somebody_else_wakes_them() -> None:
    scene = begun(Role.MEMBER)
    heard = scene.entry(CY)
    scene.show(BO, CY)
    early = heard.clock + REST_AFTER_MS
    assert not scene.took_effect(scene.rest(BO, CY, clock=early))
    assert not scene.took_effect(scene.rest(CY, CY, clock=early + 5))
    assert scene.took_effect(scene.rest(BO, CY, clock=early + 1))
    assert scene.rank(CY) is Role.MEMBER
    assert scene.law.is_inside(CY.device)
    assert scene.law.wanted_length(CY.device) is None
    missed = scene.entry(CY, clock=early + 9)
    assert scene.law.rank_at(CY.device, missed) is None
    assert not scene.took_effect(scene.write(CY, Wake(CY.device)))
    assert not scene.took_effect(scene.write(ADA, Wake(CY.device), clock=early + 8))
    scene.show(ADA, BO)
    woken = scene.write(ADA, Wake(CY.device), clock=early + 20)
    assert scene.took_effect(woken)
    scene.show(CY, ADA)
    back = scene.entry(CY)
    assert scene.law.may_post(CY.device, back)
    assert scene.law.rank_at(CY.device, missed) is None
    assert scene.law.spans(CY.device) == ((0, 1), (back.sequence, None))


def test_a_device_that_never_spoke_rests_a_while_after_it_came_in() -> None:
    scene = begun(Role.MEMBER)
    came = scene.law.devices[CY.device].tenures[0].start.clock
    assert not scene.took_effect(scene.rest(ADA, CY, clock=came + REST_AFTER_MS))
    assert scene.took_effect(scene.rest(ADA, CY, clock=came + REST_AFTER_MS + 1))
    stays = [stay for stay in scene.law.stays() if stay.writer == CY.device]
    assert [(stay.start, stay.end) for stay in stays] == [
        (came, came + REST_AFTER_MS + 1)
    ]


def test_who_left_unheard_is_put_to_rest_all_the_same() -> None:
    """Else the leaving made the rest void, and counted though nobody waited for it."""
    scene = Scene()
    scene.let_in(ADA, 1, CY)
    left = scene.remove(CY, CY)
    rest = scene.rest(ADA, CY, clock=left.place.clock + 2 * REST_AFTER_MS)
    assert scene.law.devices[CY.device].resting
    assert scene.law.spans(CY.device) == ()
    assert scene.rank(CY) is Role.MEMBER
    assert not scene.took_effect(left)
    assert scene.took_effect(rest)


def test_who_is_known_to_have_left_is_not_put_to_rest() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, CY)
    left = scene.remove(CY, CY)
    scene.show(ADA, CY)
    rest = scene.rest(ADA, CY, clock=left.place.clock + 2 * REST_AFTER_MS)
    assert not scene.took_effect(rest)


def test_who_lowered_themselves_unheard_is_lowered_for_before_all_the_same() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO, role=Role.ADMIN)
    scene.let_in(ADA, 2, CY)
    scene.show(BO, ADA)
    unheard = scene.mute(BO, CY, 2**50)
    assert scene.took_effect(unheard)
    own = scene.set_role(BO, BO, Role.READER)
    lower = scene.set_role(ADA, BO, Role.MEMBER, clock=own.place.clock + 10)
    assert scene.law.members[BO.identity].role is Role.MEMBER
    assert not scene.took_effect(unheard)
    assert scene.took_effect(lower)
