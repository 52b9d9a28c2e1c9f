"""Acts judged all at once, and told one by one, agree with the law and say why."""

from __future__ import annotations

import random

import pytest

from app.audit.exporting import gather
from app.audit.folding import Told, fold, members_of, replay
from app.audit.telling import fields_of, kind_of, when
from app.rooms.law import MAX_ACTS, Act, Law
from app.rooms.operations import ACT_TYPES, Body
from app.rooms.operations.acts import (
    AddDevice,
    Admit,
    CloseInvite,
    Found,
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
from tests.unit.app.audit.paper_room import (
    ADA,
    BO,
    CY,
    DI,
    START_MS,
    PaperRoom,
    PaperRow,
    busy_room,
    invite_pair,
    seat,
)
from tests.unit.app.rooms.operations.test_acts import EXAMPLES


def acts_of(room: PaperRoom) -> list[Act]:
    """All acts, in order."""
    rows = [PaperRow(it, len(log.blocks), b"") for it, log in room.logs.items()]
    return gather(rows, sorted(room.stored, key=lambda it: it.place)).acts


def told(room: PaperRoom) -> list[Told]:
    """What became of each act."""
    acts = acts_of(room)
    return list(replay(ADA.key, acts, fold(ADA.key, acts)))


def last(room: PaperRoom) -> tuple[str, str | None]:
    """What the act says that was written last, and why it is void."""
    place = room.stored[-1].place
    [it] = [it for it in told(room) if it.act.place == place]
    return it.says, it.why


def law_of(room: PaperRoom, *, shuffled: random.Random | None = None) -> Law:
    """A law that heard of all acts."""
    law = Law(ADA.key, first_that_saw=lambda *_: None)
    acts = acts_of(room)
    if shuffled is not None:
        shuffled.shuffle(acts)
    for act in acts:
        law.add([act])
    return law


def random_room(seed: int) -> PaperRoom:
    """People who do what comes to their minds, having seen what they met."""
    chance = random.Random(seed)
    people = [ADA, BO, CY, DI]
    room = PaperRoom()
    for number, who in enumerate(people[1:], 1):
        room.let_in(ADA, number, who, role=chance.choice(list(Role)[:4]))
    for number in range(24):
        who, whom = chance.choice(people), chance.choice(people)
        if chance.random() < 0.5:
            room.show(who, *(it for it in people if it != who and it.key in room.logs))
        todo = chance.randrange(7)
        if todo == 0:
            room.set_role(who, whom, chance.choice(list(Role)))
        elif todo == 1 and who != whom:
            room.remove(who, whom, ban=chance.random() < 0.3)
        elif todo == 2:
            room.let_in(who, 10 + number, whom)
        elif todo == 3:
            room.mute(who, whom, START_MS + number)
        elif todo == 4:
            room.write(who, Unban(whom.who))
        elif todo == 5:
            room.write(who, RemoveDevice(whom.key, room.knows(who, whom)))
        else:
            room.write(who, Settings(name=f"Room {number}"))
    return room


@pytest.mark.parametrize("seed", range(40))
def test_all_at_once_is_one_after_the_other(seed: int) -> None:
    room = random_room(seed)
    acts = acts_of(room)
    outcome = fold(ADA.key, acts)
    law = law_of(room, shuffled=random.Random(seed))
    assert outcome.state.members == law.members
    assert outcome.state.room == law.room
    assert outcome.state.devices == law.devices
    said = list(replay(ADA.key, acts, outcome))
    assert {it.act.place for it in said if it.why is None} == outcome.in_force
    assert all(it.why is None or it.why for it in said)


def test_telling_changes_nothing() -> None:
    room = busy_room()
    acts = acts_of(room)
    outcome = fold(ADA.key, acts)
    before = members_of(outcome.state)
    assert list(replay(ADA.key, acts, outcome)) == list(replay(ADA.key, acts, outcome))
    assert members_of(outcome.state) == before


def test_every_sort_of_act_has_a_name_fields_and_words() -> None:
    seen = set()
    for body in EXAMPLES:
        if isinstance(body, ACT_TYPES):
            seen.add(type(body))
            assert kind_of(body)
            assert fields_of(body)
    assert seen == set(ACT_TYPES)


def words(room: PaperRoom, body: Body) -> str:
    """What Ada says by an act."""
    room.write(ADA, body)
    return last(room)[0]


def test_acts_are_told_in_words() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    key = invite_pair(9).public_key
    cuts = room.cuts(ADA, BO)
    length = room.knows(ADA, BO)
    second = seat("Ada", 1)
    for body, said in (
        (Invite(key, Role.ADMIN, 0, 0), "made an invite for an admin"),
        (
            Invite(key, Role.READER, START_MS, 3, approval=True, own_devices=True),
            "made an invite for a reader, for 3 uses, until 2023-11-14 22:13 UTC, with"
            " approval, served by their own devices only",
        ),
        (CloseInvite(key), "closed an invite"),
        (SetRole(BO.who, Role.OWNER, cuts), "made Bo an owner"),
        (SetRole(CY.who, Role.OWNER, ()), "made somebody (d05b6af3) an owner"),
        (Rotate(bytes(16), (BO.key,), b""), "turned the room's key for 1 device"),
        (Mute(BO.who, START_MS, cuts), "muted Bo until 2023-11-14 22:13 UTC"),
        (Mute(BO.who, 0, cuts), "let Bo speak again"),
        (Unban(BO.who), "lifted the ban of Bo"),
        (AddDevice(second.proof), "added a device of their own"),
        (RemoveDevice(second.key, 0), "removed a device of their own"),
        (RemoveDevice(BO.key, length), "removed a device of Bo"),
        (Rest(CY.key, 0), "put a silent device of somebody (device f4edaaef) to rest"),
        (Wake(BO.key), "woke a device of Bo"),
        (Settings(), "set nothing"),
        (
            Settings(name="Bees", description="buzz", retention_ms=86_400_000),
            'set the name to "Bees", the description, how long messages stay to 1 days',
        ),
        (
            Settings(retention_ms=0, admits_from=Role.ADMIN),
            "set how long messages stay to for ever, who lets people in to admin and"
            " above",
        ),
        (Remove(BO.who, cuts, ban=True), "removed and banned Bo"),
        (Remove(ADA.who, ()), "left"),
    ):
        assert words(room, body) == f"Ada {said}"


def test_people_are_called_as_they_were_called_then() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.write(BO, Profile("Bob"))
    room.show(ADA, BO)
    room.remove(ADA, BO)
    room.write(ADA, Profile("Ada L.", bytes(32)))
    says = [it.says for it in told(room)]
    assert says[3:] == [
        'Bo took the name "Bob"',
        "Ada removed Bob",
        'Ada took the name "Ada L." with a picture',
    ]


def test_a_second_device_is_told_from_a_newcomer() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.let_in(ADA, 2, seat("Bo", 1))
    assert last(room) == ("Ada let another device of Bo in", None)


def test_it_is_told_why_an_act_is_void() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.let_in(ADA, 2, CY)
    room.admit(ADA, 2, DI)
    assert last(room)[1] == "the invite was used up"
    room.write(ADA, Found(Kind.GROUP, "Bees", "Ada", ADA.proof))
    assert last(room)[1] == "the room begins with the first entry of its founder"
    room.write(BO, Settings(name="Bees"))
    assert last(room)[1] == "the rank of member gave no right to that"
    room.write(DI, Profile("Di"))
    assert last(room) == (
        'somebody (device d8deca3c) took the name "Di"',
        "its device had not been let in",
    )
    room.admit(ADA, 3, DI)
    assert last(room)[1] == "there was no such invite"
    room.write(ADA, Remove(BO.who, ((BO.key, 99),)))
    assert last(room)[1] == "it names other lengths of logs than its author had seen"
    room.write(ADA, RemoveDevice(BO.key, 99))
    assert last(room)[1] == "it names another length of a log than its author had seen"
    room.write(ADA, RemoveDevice(DI.key, room.knows(ADA, DI)))
    assert last(room)[1] == "it is about a device that had never been in the room"
    room.remove(ADA, DI)
    assert last(room)[1] == "it is about somebody who had never been in the room"
    room.write(ADA, Rest(BO.key, room.knows(ADA, BO)))
    assert last(room)[1] == "that device had not been silent for long enough"
    room.write(ADA, Unban(BO.who))
    assert last(room)[1] == "the rules allowed nothing of that sort there"
    room.set_role(ADA, BO, Role.MODERATOR)
    room.set_role(ADA, CY, Role.MODERATOR)
    room.meet(ADA, BO, CY)
    room.remove(CY, BO)
    assert last(room)[1] == "its author was not senior to that person"
    room.write(CY, RemoveDevice(BO.key, room.knows(CY, BO)))
    assert last(room)[1] == "the rank of moderator gave no right to that"


def test_a_later_act_may_take_the_right_away() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO, role=Role.ADMIN)
    room.write(ADA, b"")
    room.write(ADA, b"")
    # At once: Bo's act stands earlier, but Ada had not seen it.
    room.write(BO, Settings(name="Bees"))
    room.remove(ADA, BO)
    found = {it.says: it.why for it in told(room)}
    assert found["Ada removed Bo"] is None
    assert found['Bo set the name to "Bees"'] == (
        "a later act that had not seen it took away the right to it"
    )


def test_a_newcomer_who_has_not_seen_the_admission_has_no_right_yet() -> None:
    room = PaperRoom()
    room.write(ADA, Invite(invite_pair(1).public_key, Role.ADMIN, 0, 1))
    room.admit(ADA, 1, BO)
    room.write(BO, Settings(name="Bees"), clock=START_MS + 99)
    assert last(room)[1] == "its author had not seen that the device was let in"


def test_too_many_acts_of_a_device_are_void() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    for number in range(MAX_ACTS + 1):
        room.write(BO, Profile(f"Bo {number}"))
    assert last(room)[1] == "its device had made too many acts"
    assert told(room)[-2].why is None


def test_an_act_of_an_invite_is_void_for_who_may_not_admit() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.write(ADA, Invite(invite_pair(2).public_key, Role.MEMBER, 0, 1, approval=True))
    room.show(BO, ADA)
    room.admit(BO, 2, CY)
    assert last(room)[1] == "its author could not let anybody in by it"
    assert isinstance(acts_of(room)[-1].body, Admit)


def test_instants_that_are_none_are_told_as_numbers() -> None:
    assert when(START_MS) == "2023-11-14 22:13 UTC"
    assert when(2**53 - 1) == "9007199254740991 ms"
