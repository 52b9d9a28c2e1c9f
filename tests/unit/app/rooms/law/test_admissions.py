"""Coming in: the founding, invites and their terms, admissions, further devices."""

from __future__ import annotations

import dataclasses

import pytest

from app.rooms.law import Law, admission_signable, admissions, authentic
from app.rooms.operations.acts import (
    AddDevice,
    Admit,
    CloseInvite,
    Found,
    Invite,
    Profile,
    Settings,
)
from app.rooms.roles import Kind, Role
from net.crypto import KeyPair, blake2b_256, sign
from store.autobase import Place
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

BO2 = seat("Bo", 2)


def verdict(scene: Scene, number: int, who: Seat = CY, now_ms: int = 0) -> str:
    return scene.law.invite_verdict(
        invite_key(number), identity=who.identity, device=who.device, now_ms=now_ms
    )


def begun(role: Role = Role.MEMBER, kind: Kind = Kind.GROUP) -> Scene:
    """Ada's room with Bo in it."""
    scene = Scene(kind)
    scene.let_in(ADA, 1, BO, role=role)
    return scene


def test_the_founder_owns_and_invites() -> None:
    scene = begun()
    assert (scene.rank(ADA), scene.rank(BO)) == (Role.OWNER, Role.MEMBER)
    assert (scene.law.name, scene.law.kind) == ("Birds", Kind.GROUP)
    assert scene.law.room.present_count == 2


def test_only_the_founders_device_founds_and_only_first() -> None:
    law = Law(ADA.device, first_that_saw=lambda *_: None)
    act = Scene().acts[0]
    law.add([dataclasses.replace(act, place=Place(10, BO.device, 0))])
    law.add([dataclasses.replace(act, place=Place(10, ADA.device, 1))])
    assert not law.room.founded
    law.add([act])
    assert law.room.founded
    scene = begun()
    again = scene.write(ADA, Found(Kind.BROADCAST, "X", "Ada", ADA.proof))
    assert not scene.took_effect(again)


def test_an_invite_lets_in_as_many_as_it_says() -> None:
    scene = begun()
    assert verdict(scene, 1, BO) == "yours"
    assert verdict(scene, 1) == "used"
    assert not scene.took_effect(scene.admit(ADA, 1, CY))
    scene.invite(ADA, 2, uses=0)
    for who in (CY, DI):
        assert scene.took_effect(scene.admit(ADA, 2, who))
    assert verdict(scene, 9) == "unknown"


def test_an_invite_expires_by_the_wall_clock_of_who_admits() -> None:
    scene = Scene()
    scene.write(ADA, Invite(invite_key(2), Role.MEMBER, expires_at=500, uses=1))
    late = Admit(invite_key(2), "Bo", BO.proof, bytes(64))
    assert not scene.took_effect(scene.write(ADA, late, sent_at=501))
    assert verdict(scene, 2, BO, 501) == "expired"
    assert scene.law.invite_ended_ms(invite_key(2), 501) == 500
    assert scene.took_effect(scene.write(ADA, late, clock=900, sent_at=500))


@pytest.mark.parametrize(
    ("actor", "invited", "made"),
    [
        (Role.READER, Role.READER, False),
        (Role.MEMBER, Role.MEMBER, True),
        (Role.MODERATOR, Role.MODERATOR, False),
        (Role.ADMIN, Role.MODERATOR, True),
        (Role.ADMIN, Role.ADMIN, False),
    ],
)
def test_who_invites_as_what(actor: Role, invited: Role, made: bool) -> None:
    scene = begun(actor)
    assert scene.took_effect(scene.invite(BO, 2, role=invited)) is made
    assert not scene.took_effect(scene.invite(ADA, 3, role=Role.OWNER))


def test_strangers_and_those_who_know_of_nothing_do_nothing() -> None:
    scene = begun()
    assert not scene.took_effect(scene.invite(DI, 2))
    scene.invite(ADA, 3)
    scene.admit(ADA, 3, CY)
    # Cy is in, but what Cy writes had not seen it.
    scene.entry(CY, clock=500)
    assert not scene.took_effect(scene.invite(CY, 4, role=Role.READER))
    scene.show(CY, ADA)
    assert scene.took_effect(scene.invite(CY, 5))


def test_some_newcomers_are_looked_at_by_a_person() -> None:
    scene = begun()
    scene.let_in(ADA, 2, CY, role=Role.MODERATOR)
    scene.invite(ADA, 3, uses=0, approval=True)
    scene.meet(ADA, BO, CY)
    assert not scene.law.may_admit(BO.device, invite_key(3))
    assert not scene.took_effect(scene.admit(BO, 3, DI))
    assert scene.law.may_admit(CY.device, invite_key(3))
    assert scene.took_effect(scene.admit(CY, 3, DI))
    scene.show(BO, CY)
    scene.invite(BO, 4, approval=True)
    assert scene.took_effect(scene.admit(BO, 4, seat("Ed")))


def test_some_invites_are_their_makers_alone() -> None:
    scene = begun()
    scene.invite(BO, 2, own_devices=True)
    scene.add_device(BO, BO2)
    scene.meet(ADA, BO, BO2)
    assert not scene.law.may_admit(ADA.device, invite_key(2))
    assert not scene.took_effect(scene.admit(ADA, 2, CY))
    assert scene.took_effect(scene.admit(BO2, 2, CY))


def test_the_room_says_who_lets_in() -> None:
    scene = begun()
    scene.write(ADA, Settings(admits_from=Role.ADMIN))
    scene.invite(ADA, 2)
    scene.show(BO, ADA)
    assert not scene.law.may_admit(BO.device, invite_key(2))
    assert not scene.took_effect(scene.admit(BO, 2, CY))
    assert scene.took_effect(scene.admit(ADA, 2, CY))


def test_invites_are_closed_by_their_makers_and_seniors() -> None:
    scene = begun(Role.MODERATOR)
    scene.let_in(ADA, 2, CY)
    scene.invite(ADA, 3)
    scene.invite(CY, 4)
    scene.invite(CY, 5)
    scene.meet(ADA, BO, CY)
    assert not scene.took_effect(scene.write(BO, CloseInvite(invite_key(3))))
    assert scene.took_effect(scene.write(BO, CloseInvite(invite_key(4))))
    assert scene.took_effect(scene.write(CY, CloseInvite(invite_key(5))))
    assert not scene.took_effect(scene.write(ADA, CloseInvite(invite_key(5))))
    assert not scene.took_effect(scene.write(ADA, CloseInvite(invite_key(9))))
    assert verdict(scene, 4, DI) == "closed"
    assert scene.law.invite_ended_ms(invite_key(4), 0) is not None


def test_invites_end_with_their_makers_and_with_the_rank_they_need() -> None:
    scene = begun(Role.ADMIN)
    scene.invite(BO, 2, role=Role.MODERATOR)
    scene.invite(BO, 3, role=Role.MEMBER)
    scene.show(ADA, BO)
    scene.set_role(ADA, BO, Role.MEMBER)
    assert (verdict(scene, 2), verdict(scene, 3)) == ("closed", "open")
    scene.remove(ADA, BO)
    assert verdict(scene, 3) == "closed"
    assert not scene.took_effect(scene.admit(ADA, 3, CY))
    assert scene.law.invite_ended_ms(invite_key(3), 0) is not None


def test_devices_are_added_by_devices_of_the_same_person() -> None:
    scene = begun()
    assert not scene.took_effect(scene.add_device(ADA, BO2))
    act = scene.add_device(BO, BO2)
    assert scene.took_effect(act)
    assert scene.changes.devices == {BO2.device: 0}
    assert not scene.took_effect(scene.add_device(BO, BO2))
    assert scene.rank(BO) is Role.MEMBER
    assert not scene.law.may_post(BO2.device, scene.entry(BO2))
    scene.show(BO2, BO)
    assert scene.law.may_post(BO2.device, scene.entry(BO2))


def test_direct_rooms_are_for_two_equals() -> None:
    scene = begun(kind=Kind.DIRECT)
    assert scene.rank(BO) is Role.OWNER
    scene.meet(ADA, BO)
    assert not scene.took_effect(scene.invite(ADA, 2))
    assert not scene.took_effect(scene.remove(ADA, BO))
    assert not scene.took_effect(scene.set_role(ADA, BO, Role.READER))
    assert not scene.took_effect(scene.mute(ADA, BO, 2**50))
    assert scene.took_effect(scene.write(BO, Settings(retention_ms=5)))
    assert scene.took_effect(scene.remove(BO, BO))
    scene.show(ADA, BO)
    scene.invite(ADA, 3, uses=0)
    assert verdict(scene, 3, CY) == "full"
    assert not scene.took_effect(scene.admit(ADA, 3, CY))
    assert scene.took_effect(scene.admit(ADA, 3, BO))


def test_members_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admissions, "MAX_MEMBERS", 2)
    scene = begun()
    scene.invite(ADA, 2)
    assert verdict(scene, 2) == "full"
    assert not scene.took_effect(scene.admit(ADA, 2, CY))


def test_writers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admissions, "MAX_WRITERS", 2)
    scene = begun()
    scene.invite(ADA, 2)
    assert not scene.took_effect(scene.admit(ADA, 2, CY))
    assert not scene.took_effect(scene.add_device(BO, BO2))
    scene.invite(ADA, 3, role=Role.READER)
    assert scene.took_effect(scene.admit(ADA, 3, CY))
    assert scene.law.room.writer_count == 2


def test_invites_and_devices_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admissions, "MAX_INVITES", 2)
    monkeypatch.setattr(admissions, "MAX_KNOWN_DEVICES", 2)
    scene = begun()
    assert scene.took_effect(scene.add_device(BO, BO2))
    scene.remove_device(BO, BO2)
    assert not scene.took_effect(scene.add_device(BO, seat("Bo", 3)))
    assert scene.took_effect(scene.invite(ADA, 2))
    assert not scene.took_effect(scene.invite(ADA, 3))


def test_forged_acts_are_not_authentic() -> None:
    room, pair = b"r" * 32, KeyPair.from_seed(b"i" * 32)
    signable = admission_signable(room, pair.public_key, BO.identity, BO.device)
    signature = sign(signable, pair.secret_key)
    admit = Admit(pair.public_key, "Bo", BO.proof, signature)
    founding = Found(Kind.GROUP, "Birds", "Ada", ADA.proof)
    picture = b"picture"
    for body in (
        admit,
        founding,
        AddDevice(BO.proof),
        Profile("Ada", blake2b_256(picture), picture),
        Profile("Ada", bytes(32)),
    ):
        assert authentic(room, ADA.device, body)
    assert not authentic(room, BO.device, founding)
    assert not authentic(b"?" * 32, ADA.device, admit)
    other = dataclasses.replace(BO.proof, identity=ADA.identity)
    for forged in (
        dataclasses.replace(admit, signature=bytes(64)),
        dataclasses.replace(admit, proof=CY.proof),
        AddDevice(other),
        Profile("Ada", bytes(32), picture),
    ):
        assert not authentic(room, ADA.device, forged)
