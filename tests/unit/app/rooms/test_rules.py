"""Who is who: roles, invites, removals, and the same outcome in any order."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity import bootstrap
from app.rooms import rules
from app.rooms.operations import Body, Message, Operation, Remove, SetRole
from app.rooms.roles import Kind, Role
from app.rooms.rules import Placed, RoomState, authentic
from net.crypto import KeyPair
from tests.unit.app.rooms.people import (
    ADA,
    BO,
    CY,
    DI,
    ROOM,
    Person,
    admit,
    found,
    invite,
    invite_pair,
    placed,
)


def state_of(*operations: Placed) -> RoomState:
    state = RoomState(ADA.device.public_key)
    state.add(operations)
    return state


def verdict(state: RoomState, key: bytes, who: Person, now_ms: int) -> str:
    return state.invite_verdict(
        key,
        identity=who.identity.public_key,
        device=who.device.public_key,
        now_ms=now_ms,
    )


def rank(state: RoomState, who: Person) -> Role | None:
    member = state.members.get(who.identity.public_key)
    return member.role if member is not None and member.present else None


BEGIN = (
    placed(ADA, 10, 0, found()),
    placed(ADA, 11, 1, invite(1)),
    placed(ADA, 12, 2, admit(1, BO)),
)


def test_the_founder_owns_and_invites() -> None:
    state = state_of(*BEGIN)
    assert (rank(state, ADA), rank(state, BO)) == (Role.OWNER, Role.MEMBER)
    assert (state.name, state.kind, state.present_count) == ("Birds", Kind.GROUP, 2)


def test_only_the_founders_device_founds_and_only_first() -> None:
    other = dataclasses.replace(found(), proof=BO.proof)
    assert not state_of(placed(BO, 1, 0, other)).founded
    assert not state_of(placed(ADA, 1, 1, found())).founded
    state = state_of(
        placed(ADA, 1, 0, found()), placed(ADA, 2, 1, found(Kind.BROADCAST))
    )
    assert state.kind is Kind.GROUP


def test_an_invite_lets_in_as_many_as_it_says() -> None:
    state = state_of(*BEGIN, placed(ADA, 13, 3, admit(1, CY)))
    assert rank(state, CY) is None
    key = invite_pair(1).public_key
    assert verdict(state, key, CY, 14) == "used"
    assert verdict(state, key, BO, 14) == "yours"
    many = state_of(
        BEGIN[0],
        placed(ADA, 11, 1, invite(1, uses=0)),
        *(placed(ADA, 12 + n, 2 + n, admit(1, who)) for n, who in enumerate((BO, CY))),
    )
    assert rank(many, CY) is Role.MEMBER


def test_an_invite_expires_by_the_clock_of_the_admission() -> None:
    begin = (BEGIN[0], placed(ADA, 11, 1, invite(1, expires_at=20)))
    assert rank(state_of(*begin, placed(ADA, 20, 2, admit(1, BO))), BO) is Role.MEMBER
    late = state_of(*begin, placed(ADA, 21, 2, admit(1, BO)))
    assert rank(late, BO) is None
    key = invite_pair(1).public_key
    assert verdict(late, key, BO, 21) == "expired"
    assert verdict(late, b"?" * 32, BO, 21) == "unknown"


def test_any_member_lets_in_by_an_invite_of_another() -> None:
    state = state_of(
        *BEGIN, placed(ADA, 13, 3, invite(2)), placed(BO, 14, 0, admit(2, CY))
    )
    assert rank(state, CY) is Role.MEMBER


def test_strangers_do_nothing() -> None:
    state = state_of(
        *BEGIN, placed(CY, 13, 0, invite(3)), placed(CY, 14, 1, admit(3, DI))
    )
    assert rank(state, DI) is None
    assert invite_pair(3).public_key not in state.invites


@pytest.mark.parametrize(
    ("role", "made"), [(Role.MEMBER, True), (Role.ADMIN, False), (Role.OWNER, False)]
)
def test_members_invite_no_higher_than_members(role: Role, made: bool) -> None:
    state = state_of(*BEGIN, placed(BO, 13, 0, invite(2, role=role)))
    assert (invite_pair(2).public_key in state.invites) is made


def test_roles_are_set_from_above() -> None:
    up = SetRole(BO.identity.public_key, Role.ADMIN, ())
    assert rank(state_of(*BEGIN, placed(BO, 13, 0, up)), BO) is Role.MEMBER
    assert rank(state_of(*BEGIN, placed(ADA, 13, 3, up)), BO) is Role.ADMIN
    down = SetRole(ADA.identity.public_key, Role.MEMBER, ())
    state = state_of(*BEGIN, placed(ADA, 13, 3, up), placed(BO, 14, 0, down))
    assert rank(state, ADA) is Role.OWNER


def test_a_removal_cuts_the_log_even_for_what_is_dated_back() -> None:
    cut = ((BO.device.public_key, 1),)
    removal = placed(ADA, 50, 3, Remove(BO.identity.public_key, cut))
    state = state_of(*BEGIN, removal)
    device = BO.device.public_key
    assert rank(state, BO) is None
    assert state.shows(device, 13, 0)
    assert not state.shows(device, 13, 1)
    backdated = placed(BO, 14, 1, invite(7))
    state.add([backdated])
    assert invite_pair(7).public_key not in state.invites
    state = state_of(*BEGIN, backdated, removal)
    assert invite_pair(7).public_key not in state.invites


def test_leaving_ends_the_own_log_and_closes_the_own_invites() -> None:
    state = state_of(
        *BEGIN,
        placed(BO, 13, 0, invite(2)),
        placed(BO, 14, 1, Remove(BO.identity.public_key, ())),
        placed(ADA, 15, 3, admit(2, CY)),
    )
    assert rank(state, BO) is None
    assert rank(state, CY) is None
    key = invite_pair(2).public_key
    assert verdict(state, key, CY, 16) == "closed"


def test_somebody_removed_comes_back_by_a_new_invite_only() -> None:
    gone = (*BEGIN, placed(ADA, 20, 3, Remove(BO.identity.public_key, ())))
    assert rank(state_of(*gone, placed(ADA, 21, 4, admit(1, BO))), BO) is None
    back = state_of(
        *gone, placed(ADA, 21, 4, invite(2)), placed(ADA, 22, 5, admit(2, BO))
    )
    assert rank(back, BO) is Role.MEMBER
    device = BO.device.public_key
    assert not back.shows(device, 13, 0)
    assert back.shows(device, 23, 1)


def test_nobody_removes_who_is_not_below() -> None:
    state = state_of(*BEGIN, placed(BO, 13, 0, Remove(ADA.identity.public_key, ())))
    assert rank(state, ADA) is Role.OWNER


def test_the_founding_survives_the_founders_removal() -> None:
    up = SetRole(BO.identity.public_key, Role.OWNER, ())
    whole = ((ADA.device.public_key, 4),)
    state = state_of(
        *BEGIN,
        placed(ADA, 13, 3, up),
        placed(BO, 14, 0, Remove(ADA.identity.public_key, whole)),
    )
    assert state.founded
    assert rank(state, ADA) is None
    assert rank(state, BO) is Role.OWNER


def test_a_removal_that_voids_its_own_ground_is_void() -> None:
    up = SetRole(BO.identity.public_key, Role.OWNER, ())
    state = state_of(
        *BEGIN,
        placed(ADA, 13, 3, up),
        placed(BO, 14, 0, Remove(ADA.identity.public_key, ())),
    )
    assert state.founded
    assert rank(state, ADA) is Role.OWNER


def test_broadcast_rooms_are_written_from_above() -> None:
    state = state_of(
        placed(ADA, 10, 0, found(Kind.BROADCAST)),
        placed(ADA, 11, 1, invite(1)),
        placed(ADA, 12, 2, admit(1, BO)),
        placed(ADA, 20, 3, SetRole(BO.identity.public_key, Role.ADMIN, ())),
    )
    assert state.shows(ADA.device.public_key, 13, 4)
    assert not state.shows(BO.device.public_key, 13, 0)
    assert state.shows(BO.device.public_key, 21, 1)


def test_members_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_MEMBERS", 1)
    state = state_of(*BEGIN)
    assert rank(state, BO) is None
    key = invite_pair(1).public_key
    assert verdict(state, key, BO, 13) == "full"


def test_forged_operations_are_not_authentic() -> None:
    assert authentic(ROOM, ADA.device.public_key, found())
    assert not authentic(ROOM, BO.device.public_key, found())
    assert authentic(ROOM, ADA.device.public_key, admit(1, BO))
    assert not authentic(b"?" * 32, ADA.device.public_key, admit(1, BO))
    forged = dataclasses.replace(admit(1, BO), signature=bytes(64))
    assert not authentic(ROOM, ADA.device.public_key, forged)
    stolen = dataclasses.replace(admit(1, BO), proof=CY.proof)
    assert not authentic(ROOM, ADA.device.public_key, stolen)
    assert authentic(ROOM, ADA.device.public_key, Message("x"))


ADMIN = (
    placed(ADA, 10, 0, found()),
    placed(ADA, 11, 1, invite(1, role=Role.ADMIN)),
    placed(ADA, 12, 2, admit(1, BO)),
    placed(ADA, 13, 3, invite(2)),
    placed(ADA, 14, 4, admit(2, CY)),
)


def test_somebody_demoted_keeps_no_powers_by_dating_back() -> None:
    bo, cy = BO.identity.public_key, CY.identity.public_key
    demotion = placed(
        ADA, 100, 5, SetRole(bo, Role.READER, ((BO.device.public_key, 1),))
    )
    before = placed(BO, 50, 0, invite(7))
    late = (
        placed(BO, 60, 1, SetRole(cy, Role.MODERATOR, ())),
        placed(BO, 61, 2, invite(9, role=Role.MODERATOR)),
        placed(BO, 62, 3, Remove(cy, ())),
    )
    for state in (
        state_of(*ADMIN, before, demotion, *late),
        state_of(*ADMIN, before, *late, demotion),
    ):
        assert rank(state, BO) is Role.READER
        assert rank(state, CY) is Role.MEMBER
        assert invite_pair(7).public_key in state.invites
        assert invite_pair(9).public_key not in state.invites
        assert state.shows(BO.device.public_key, 50, 0)
        assert not state.shows(BO.device.public_key, 63, 4)


def test_a_promotion_grants_nothing_before_itself() -> None:
    bo = BO.identity.public_key
    state = state_of(
        *BEGIN,
        placed(ADA, 100, 3, SetRole(bo, Role.ADMIN, ())),
        placed(BO, 50, 0, invite(9, role=Role.MODERATOR)),
        placed(BO, 51, 1, invite(8)),
    )
    assert invite_pair(9).public_key not in state.invites
    assert invite_pair(8).public_key in state.invites


def test_owners_lower_themselves_without_losing_what_they_did() -> None:
    ada = ADA.identity.public_key
    state = state_of(*ADMIN, placed(ADA, 20, 5, SetRole(ada, Role.READER, ())))
    assert rank(state, ADA) is Role.READER
    assert rank(state, BO) is Role.ADMIN


def test_who_was_thrown_out_does_not_return_by_an_older_invite() -> None:
    second = KeyPair.from_seed(b"2" * 32)
    proof = bootstrap(CY.identity, second.public_key, epoch_s=1)
    other = dataclasses.replace(CY, device=second, proof=proof)
    begin = (*BEGIN, placed(ADA, 13, 3, invite(2, uses=0)))
    thrown_out = (
        *begin,
        placed(ADA, 14, 4, admit(2, CY)),
        placed(ADA, 15, 5, Remove(CY.identity.public_key, ())),
    )
    state = state_of(*thrown_out, placed(BO, 20, 0, admit(2, other)))
    assert rank(state, CY) is None
    key = invite_pair(2).public_key
    assert verdict(state, key, other, 21) == "closed"
    assert verdict(state, key, DI, 21) == "open"
    again = state_of(
        *thrown_out, placed(BO, 20, 0, invite(3)), placed(BO, 21, 1, admit(3, other))
    )
    assert rank(again, CY) is Role.MEMBER


def test_an_order_pulled_ahead_expires_no_invite() -> None:
    begin = (BEGIN[0], placed(ADA, 11, 1, invite(1, expires_at=1000)))
    late = Placed((5000, ADA.device.public_key, 2), Operation(900, admit(1, BO)))
    assert rank(state_of(*begin, late), BO) is Role.MEMBER


def test_what_affects_messages_is_told() -> None:
    state = state_of(*BEGIN)
    bo = BO.device.public_key
    assert state.add([placed(ADA, 13, 3, invite(2))]) == set()
    assert state.add([placed(ADA, 14, 4, admit(2, CY))]) == {CY.device.public_key}
    assert state.add([placed(CY, 5, 0, invite(9))]) == set()
    lower = SetRole(BO.identity.public_key, Role.READER, ())
    assert state.add([placed(ADA, 15, 5, lower)]) == {bo}
    assert state.add([placed(ADA, 16, 6, Remove(BO.identity.public_key, ()))]) == {bo}


PEOPLE = (ADA, BO, CY, DI)


@st.composite
def histories(draw: st.DrawFn) -> list[Placed]:
    """Operations of four people with clocks that may lie, each log in order."""
    operations = [*BEGIN]
    clocks = {who.name: 12 for who in PEOPLE}
    lengths = {"Ada": 3, "Bo": 0, "Cy": 0, "Di": 0}
    for _ in range(draw(st.integers(0, 14))):
        who = draw(st.sampled_from(PEOPLE))
        other = draw(st.sampled_from(PEOPLE))
        identity = other.identity.public_key
        bodies: list[Body] = [
            invite(draw(st.integers(2, 4)), role=draw(st.sampled_from(Role))),
            admit(draw(st.integers(1, 4)), other),
            SetRole(
                identity,
                draw(st.sampled_from(Role)),
                ((other.device.public_key, draw(st.integers(0, 4))),),
            ),
            Remove(
                identity,
                ((other.device.public_key, draw(st.integers(0, 4))),),
            ),
        ]
        body = draw(st.sampled_from(bodies))
        clocks[who.name] += draw(st.integers(1, 5))
        operations.append(placed(who, clocks[who.name], lengths[who.name], body))
        lengths[who.name] += 1
    return operations


def outcome(state: RoomState) -> object:
    """Everything that people would notice."""
    return (
        state.name,
        {
            key: (m.name, m.role, m.present, m.devices, m.ranks)
            for key, m in state.members.items()
        },
        {
            key: (d.identity, [(s.since, s.length) for s in d.spans])
            for key, d in state.devices.items()
        },
        {key: (i.creator, i.used_by, i.closed) for key, i in state.invites.items()},
        state.present_count,
    )


@given(histories(), st.data())
def test_the_order_of_arrival_does_not_matter(
    operations: list[Placed], data: st.DataObject
) -> None:
    """Any order and any portions give what one fold in order gives."""
    expected = state_of(*sorted(operations))
    shuffled = data.draw(st.permutations(operations))
    state = RoomState(ADA.device.public_key)
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        state.add(shuffled[:size])
        shuffled = shuffled[size:]
    assert outcome(state) == outcome(expected)
    present = sum(m.present for m in state.members.values())
    assert present == state.present_count
