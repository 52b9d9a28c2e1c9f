"""What the law is asked about entries: rights, spans, stays, and what changed."""

from __future__ import annotations

import pytest

from app.rooms.law import Act, Law
from app.rooms.operations.acts import Invite, Profile, Rotate, Settings
from app.rooms.roles import Kind, Right, Role
from store.autobase import Place, Stay
from store.errors import LocalProtocolError
from tests.unit.app.rooms.law.scene import (
    ADA,
    BO,
    CY,
    DI,
    Scene,
    Seat,
    invite_key,
    seat,
)


def test_broadcast_rooms_are_written_from_above() -> None:
    scene = Scene(Kind.BROADCAST)
    scene.let_in(ADA, 1, BO)
    scene.let_in(ADA, 2, CY, role=Role.ADMIN)
    scene.meet(ADA, BO, CY)
    bo, cy = scene.entry(BO), scene.entry(CY)
    assert not scene.law.may_post(BO.device, bo)
    assert scene.law.may_at(BO.device, bo, Right.REACT)
    assert scene.law.may_post(CY.device, cy)
    assert scene.law.room.writer_count == 2
    scene.set_role(ADA, BO, Role.ADMIN)
    assert scene.law.room.writer_count == 3
    scene.set_role(ADA, BO, Role.READER)
    assert scene.law.room.writer_count == 2


def test_moderators_delete_what_juniors_wrote() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO, role=Role.MODERATOR)
    scene.let_in(ADA, 2, CY)
    scene.let_in(ADA, 3, DI, role=Role.MODERATOR)
    scene.meet(ADA, BO, CY, DI)
    at = {it: scene.entry(it) for it in (ADA, BO, CY, DI)}

    def may(one: Seat, other: Seat) -> bool:
        return scene.law.may_delete_at(one.device, at[one], other.identity)

    assert may(ADA, BO)
    assert may(BO, CY)
    assert may(BO, DI)
    assert not may(DI, BO)
    assert not may(BO, ADA)
    assert not may(CY, DI)
    assert may(CY, CY)
    assert scene.law.may_delete_at(BO.device, at[BO], b"?" * 32)
    assert scene.law.outranks(BO.identity, DI.identity)
    assert not scene.law.outranks(DI.identity, BO.identity)
    assert not scene.law.outranks(DI.identity, b"?" * 32)
    assert scene.law.may(BO.device, Right.PIN)
    assert not scene.law.may(CY.device, Right.PIN)


def test_entries_count_from_the_first_that_had_seen_the_admission() -> None:
    scene = Scene()
    scene.invite(ADA, 1)
    early = scene.entry(BO)
    scene.admit(ADA, 1, BO)
    assert scene.law.spans(BO.device) == ()
    assert scene.law.spans(b"?" * 32) == ()
    unaware = scene.entry(BO, clock=500)
    assert scene.law.spans(BO.device) == ()
    scene.show(BO, ADA)
    aware = scene.entry(BO)
    assert scene.law.spans(BO.device) == ((2, None),)
    ranks = [scene.law.rank_at(BO.device, it) for it in (early, unaware, aware)]
    assert ranks == [None, None, Role.MEMBER]
    assert scene.law.rank_at(b"?" * 32, aware) is None
    assert scene.law.wanted_length(BO.device) is None
    assert scene.law.wanted_length(b"?" * 32) == 0
    assert scene.law.spans(ADA.device) == ((0, None),)


def test_stays_say_who_may_write_when() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO)
    scene.entry(BO)
    scene.show(ADA, BO)
    admitted = scene.acts[2].place
    removed = scene.remove(ADA, BO).place
    assert scene.law.stays() == [
        Stay(ADA.device, 0),
        Stay(BO.device, admitted.clock, (ADA.device, 2), removed.clock),
    ]
    scene.law.settle(removed)
    assert [stay.writer for stay in scene.law.stays()] == [ADA.device]


def test_what_was_seen_is_asked_once() -> None:
    asked: list[object] = []
    scene = Scene()
    scene.let_in(ADA, 1, BO)
    entry = scene.entry(BO)
    original = scene.first_that_saw

    def counted(device: bytes, host: tuple[bytes, int]) -> int | None:
        asked.append(device)
        return original(device, host)

    scene.first_that_saw = counted  # type: ignore[method-assign]
    law = scene.fresh_law()
    law.add(scene.acts)
    for _ in range(3):
        assert law.may_post(BO.device, entry)
        law.stays()
    assert asked == [BO.device]


def test_what_was_seen_before_it_counted_needs_not_be_known() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO)
    scene.set_role(ADA, BO, Role.MODERATOR)
    raised = scene.acts[-1].place
    scene.show(BO, ADA)
    entry = scene.entry(BO)

    def forgetful(device: bytes, host: tuple[bytes, int]) -> int | None:
        if host == (raised.writer, raised.sequence):
            raise LocalProtocolError("forgotten", code="settled")
        return scene.first_that_saw(device, host)

    law = Law(ADA.device, first_that_saw=forgetful)
    law.add(scene.acts)
    assert law.rank_at(BO.device, entry) is Role.MODERATOR

    def failing(device: bytes, host: tuple[bytes, int]) -> int | None:
        raise LocalProtocolError(f"no log {device!r} {host}", code="bad-argument")

    law = Law(ADA.device, first_that_saw=failing)
    law.add(scene.acts)
    with pytest.raises(LocalProtocolError, match="no log"):
        law.rank_at(BO.device, entry)


def test_a_mute_that_comes_late_is_told_for_devices_that_came_in_meanwhile() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO)
    scene.add_device(BO, seat("Bo", 2))
    scene.show(seat("Bo", 2), BO)
    entry = scene.entry(seat("Bo", 2))
    assert scene.law.may_post(entry.writer, entry)
    mute = scene.mute(ADA, BO, 2**50)
    assert mute.place < scene.acts[-1].place
    assert not scene.law.may_post(entry.writer, entry)
    assert scene.changes.devices[entry.writer] == 0


def test_changes_say_what_is_otherwise() -> None:
    scene = Scene()
    assert scene.changes.settings
    scene.invite(ADA, 1)
    assert (scene.changes.invites, scene.changes.members) == (True, False)
    scene.admit(ADA, 1, BO)
    assert scene.changes.devices == {BO.device: 0}
    scene.show(BO, ADA)
    scene.entry(BO)
    scene.write(BO, Profile("Bobo", b"h" * 32, b"picture"))
    assert (scene.changes.members, scene.changes.devices) == (True, {})
    member = scene.law.members[BO.identity]
    assert (member.name, member.picture_hash) == ("Bobo", b"h" * 32)
    assert member.pictured == Place(scene.acts[-1].place.clock, BO.device, 1)
    scene.show(ADA, BO)
    scene.set_role(ADA, BO, Role.MODERATOR)
    # Ada may have deleted what Bo wrote, and now Bo is no member any more.
    assert scene.changes.devices == {BO.device: 2, ADA.device: 4}
    scene.write(ADA, Settings(description="of a feather", retention_ms=9))
    assert scene.changes.settings
    room = scene.law.room
    assert (room.name, room.description, room.retention_ms) == (
        "Birds",
        "of a feather",
        9,
    )
    assert scene.law.add([]).devices == {}
    scene.write(BO, Settings(name="Mine"), clock=900)
    assert not scene.changes.settings


def test_keys_are_turned_by_who_may_write() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO, role=Role.READER)
    assert not scene.took_effect(scene.write(BO, Rotate(b"r" * 8, (), b"x")))
    scene.write(ADA, Rotate(b"a" * 8, (ADA.device,), b"x" * 60_000))
    assert scene.changes.epoch
    assert scene.law.may(ADA.device, Right.ROTATE)
    loads = [
        it.act.body.body
        for it in scene.law._history._records
        if isinstance(it.act.body, Rotate)
    ]
    assert set(loads) == {b""}, "sealed keys are not kept here"


def test_the_same_act_told_twice_is_one() -> None:
    scene = Scene()
    scene.invite(ADA, 1)
    before = dict(scene.law.invites)
    again: list[Act] = scene.acts
    changes = scene.law.add(again)
    assert not changes.invites
    assert scene.law.invites == before
    assert invite_key(1) in before


def test_a_late_invite_that_says_another_rank_is_told() -> None:
    """The admission stands as it did, and lets in as somebody else."""
    scene = Scene()
    law = scene.fresh_law()
    early = scene.invite(ADA, 1, role=Role.READER)
    scene.let_in(ADA, 2, BO)
    first, *acts = scene.acts
    late = scene.write(BO, Invite(invite_key(1), Role.MEMBER, 0, 1), clock=50)
    scene.admit(ADA, 1, CY, clock=60)
    admission = scene.acts[-1]
    scene.show(CY, ADA)
    second = scene.add_device(CY, seat("Cy", 2))
    law.add(
        [first, *(act for act in acts if act is not early), late, admission, second]
    )
    assert law.members[CY.identity].role is Role.MEMBER
    changed = law.add([early]).devices
    assert (changed[CY.device], changed[seat("Cy", 2).device]) == (0, 0)
    assert law.members[CY.identity].role is Role.READER


def test_a_rank_that_comes_late_is_told_for_those_who_delete() -> None:
    scene = Scene()
    scene.let_in(ADA, 1, BO, role=Role.MODERATOR)
    scene.let_in(ADA, 2, CY)
    said = scene.entry(CY)
    scene.show(BO, ADA, CY)
    gone = scene.entry(BO, clock=1_000)
    assert said < gone
    assert scene.law.may_delete_at(BO.device, gone, CY.identity)
    scene.set_role(ADA, CY, Role.ADMIN, clock=500)
    assert not scene.law.may_delete_at(BO.device, gone, CY.identity)
    assert scene.changes.devices[BO.device] <= gone.sequence
