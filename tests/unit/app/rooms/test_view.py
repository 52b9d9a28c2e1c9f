"""What blocks mean: clocks, limits, any order of arrival, and after a crash."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import UserFacingError
from app.rooms import invitations
from app.rooms.blocks import block_id, log_key
from app.rooms.facts import ENDED_SERVED_MS, MAX_SERVED_INVITES, served_invites
from app.rooms.invitations import Admitted
from app.rooms.law import Act, Law, quota
from app.rooms.operations import (
    Body,
    CloseInvite,
    Invite,
    Message,
    Operation,
    Remove,
    SetRole,
    decode_operation,
    encode_operation,
)
from app.rooms.roles import Kind, Role
from app.rooms.seals import MAX_BLOCK_BYTES, EpochSeal
from app.rooms.timeline import MAX_AHEAD_MS, Held
from app.rooms.view import Applied
from store import contents, rooms
from store.autobase import Link, Place, encode_entry
from store.database import Connection
from tests.unit.app.rooms.crowd import (
    FRESH,
    CountedEntropy,
    CrowdMember,
    begin_log,
)
from tests.unit.app.rooms.people import (
    ADA,
    BO,
    CY,
    DI,
    ROOM,
    ROOM_KEY,
    Person,
    admit,
    found,
    invite,
    invite_pair,
)

NOW_MS = 1_000_000_000_000
PEOPLE = (ADA, BO, CY, DI)


class Author:
    """Somebody who signs whatever they like, with the clocks they like."""

    def __init__(self, who: Person, near: CrowdMember | None = None) -> None:
        self.who = who
        self.blocks: list[bytes] = []
        self._entropy = CountedEntropy(b"author")
        self._near = near
        self._seen = 0

    def see(self) -> tuple[Link, ...]:
        """What somebody near has written meanwhile."""
        device = self._near.device if self._near is not None else b""
        length = self._near.view.length(device) if self._near is not None else 0
        seen, self._seen = self._seen, length
        return (Link(device, length),) if length > seen else ()

    def write(
        self,
        clock: int,
        body: Body,
        *,
        sent_at: int | None = None,
        links: tuple[Link, ...] = (),
    ) -> bytes:
        sent = clock if sent_at is None else sent_at
        both = tuple(sorted((*links, *self.see())))
        block = EpochSeal(ROOM_KEY, ROOM).seal(
            encode_entry(clock, both, encode_operation(Operation(sent, body))),
            writer=self.who.device.public_key,
            sequence=len(self.blocks),
            entropy=self._entropy,
        )
        self.blocks.append(block)
        return block


def put(
    member: CrowdMember, who: Person, *blocks: bytes, at_ms: int = NOW_MS
) -> Applied:
    """The next blocks of somebody's log arrive."""
    return member.take(who.device.public_key, list(blocks), at_ms / 1000)


@pytest.fixture
def ada(tmp_path: Path) -> Iterator[CrowdMember]:
    """Ada with a room in which Bo is a reader."""
    made = CrowdMember(ADA, tmp_path)
    for body in (found(), invite(1, role=Role.READER), admit(1, BO)):
        made.write(body, NOW_MS / 1000)
    yield made
    made.database.close()


def test_a_clock_far_ahead_means_nothing_until_its_time(ada: CrowdMember) -> None:
    bo = Author(BO, ada)
    bo.write(NOW_MS + 50, Message("now"))
    bo.write(NOW_MS + MAX_AHEAD_MS + 1, Message("ahead"))
    bo.write(NOW_MS + MAX_AHEAD_MS + 2, Message("after it"))
    applied = put(ada, BO, *bo.blocks)
    assert (applied.held, applied.length) == (Held.EARLY, 1)
    ada.write(invite(2, expires_at=NOW_MS + 86_400_000), NOW_MS / 1000)
    assert ada.admit(admit(2, CY), NOW_MS / 1000) == "open"
    later = ada.derive(BO.device.public_key, (NOW_MS + 60) / 1000)
    assert (later.held, later.length) == (None, 3)


def test_the_own_log_is_never_held(ada: CrowdMember) -> None:
    """Whose clock was ahead must find at the next start what they wrote then."""
    ahead_s = (NOW_MS + 9 * MAX_AHEAD_MS) / 1000
    ada.write(Message("from next week"), ahead_s)
    own = ADA.device.public_key
    ada.database.write(
        lambda connection: rooms.forget_room(connection, ada.row.row, own)
    ).result(60)
    ada.view = ada.fresh_view()
    assert ada.derive(own, NOW_MS / 1000).held is None
    assert ada.texts() == ["from next week"]


def test_a_clock_a_little_ahead_expires_no_invite(ada: CrowdMember) -> None:
    """A reader's message, not even shown, pulls the order a day ahead."""
    put(ada, BO, Author(BO, ada).write(NOW_MS + MAX_AHEAD_MS, Message("oops")))
    ada.write(invite(2, expires_at=NOW_MS + 3_600_000), NOW_MS / 1000)
    assert ada.admit(admit(2, CY), NOW_MS / 1000) == "open"
    members = ada.view.facts(NOW_MS).members
    assert members[CY.identity.public_key].present


def test_an_invite_expires_by_the_clock_of_who_admits(ada: CrowdMember) -> None:
    ada.write(invite(2, expires_at=NOW_MS - 1), NOW_MS / 1000)
    assert ada.admit(admit(2, CY), NOW_MS / 1000) == "expired"


def test_the_highest_clock_of_all_bricks_no_room(ada: CrowdMember) -> None:
    assert put(ada, BO, Author(BO, ada).write(2**53 - 1, Message("max"))).held
    first, second = (ada.write(Message("x"), NOW_MS / 1000) for _ in range(2))
    assert len(first.messages) == len(second.messages) == 1
    assert first.messages[0].clock < second.messages[0].clock < NOW_MS + 1000


def test_own_messages_are_told_even_when_void(ada: CrowdMember) -> None:
    ada.write(SetRole(ADA.identity.public_key, Role.READER, ()), NOW_MS / 1000)
    applied = ada.write(Message("x"), NOW_MS / 1000)
    assert applied.messages == ()
    assert len(applied.ids) == 1


def test_clocks_of_a_log_must_rise(ada: CrowdMember) -> None:
    ada.write(SetRole(BO.identity.public_key, Role.MEMBER, ()), NOW_MS / 1000)
    bo = Author(BO, ada)
    bo.write(NOW_MS + 50, Message("first"))
    bo.write(NOW_MS + 50, Message("as old"))
    bo.write(NOW_MS + 51, Message("next"))
    held = [put(ada, BO, block).held for block in bo.blocks]
    assert held == [None, Held.BROKEN, Held.BROKEN]
    assert ada.texts() == ["first"]


def test_an_answer_waits_for_its_question(ada: CrowdMember) -> None:
    ada.write(invite(2), NOW_MS / 1000)
    assert ada.admit(admit(2, CY), NOW_MS / 1000) == "open"
    bo, cy = Author(BO, ada), Author(CY, ada)
    ada.write(SetRole(BO.identity.public_key, Role.MEMBER, ()), NOW_MS / 1000)
    bo.write(NOW_MS + 60, Message("why?"))
    seen = (Link(BO.device.public_key, 1),)
    cy.write(NOW_MS + 70, Message("because"), links=seen)
    cy.write(NOW_MS + 80, Message("of that"))
    waiting = put(ada, CY, *cy.blocks)
    assert (waiting.held, waiting.length, ada.texts()) == (Held.CAUSES, 0, [])
    assert put(ada, BO, *bo.blocks).woken == (CY.device.public_key,)
    assert ada.texts() == ["why?", "because", "of that"]


def test_what_is_linked_to_is_fetched_though_it_does_not_count(
    ada: CrowdMember,
) -> None:
    """Somebody wrote it who had not heard yet of a removal, or of nothing at all."""
    ada.write(invite(2), NOW_MS / 1000)
    ada.admit(admit(2, CY), NOW_MS / 1000)
    ada.write(Remove(BO.identity.public_key, ()), NOW_MS / 1000)
    cy, bo, di = (who.device.public_key for who in (CY, BO, DI))
    author = Author(CY, ada)
    author.write(NOW_MS + 70, Message("hi"), links=(Link(bo, 2),))
    applied = put(ada, CY, *author.blocks)
    assert applied.held is Held.CAUSES
    assert applied.facts is not None
    assert applied.facts.devices[bo].wanted_length == 2
    bos = Author(BO, ada)
    bos.write(NOW_MS + 50, Message("one"))
    bos.write(NOW_MS + 51, Message("two"))
    after = put(ada, BO, *bos.blocks)
    assert after.woken == (cy,)
    assert ada.facts.devices[bo].wanted_length == 0
    assert ada.texts() == ["hi"]
    author.write(NOW_MS + 80, Message("to nobody"), links=(Link(di, 1),))
    applied = put(ada, CY, author.blocks[-1])
    assert applied.facts is not None
    assert not applied.facts.devices[di].present


def test_a_block_that_says_nothing_ends_its_log(ada: CrowdMember) -> None:
    ada.write(SetRole(BO.identity.public_key, Role.MEMBER, ()), NOW_MS / 1000)
    bo = Author(BO, ada)
    bo.write(NOW_MS + 50, Message("fine"))
    bo.blocks.append(bo.blocks[0][:17] + b"noise" * 20)
    assert put(ada, BO, *bo.blocks).held is Held.BROKEN
    bo.write(NOW_MS + 90, Message("too late"))
    assert put(ada, BO, bo.blocks[-1]).held is Held.BROKEN
    assert ada.texts() == ["fine"]


def test_operations_of_a_log_are_limited(
    ada: CrowdMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MAX_ACTS", 3)
    monkeypatch.setattr(quota, "SPARE_REMOVALS", 1)
    ada.write(SetRole(BO.identity.public_key, Role.MEMBER, ()), NOW_MS / 1000)
    bo = Author(BO, ada)
    for number in range(6):
        bo.write(NOW_MS + 50 + number, invite(10 + number))
    put(ada, BO, *bo.blocks)
    kept = [
        n for n in range(6) if invite_pair(10 + n).public_key in ada.view.law.invites
    ]
    assert kept == [0, 1, 2]
    gone = Remove(BO.identity.public_key, ())
    put(ada, BO, bo.write(NOW_MS + 60, gone))
    assert not ada.view.facts(NOW_MS).members[BO.identity.public_key].present
    monkeypatch.setattr(ada.view.law, "may_still_act", lambda *_: False)
    with pytest.raises(UserFacingError, match="too often"):
        ada.write(invite(3), NOW_MS / 1000)


def test_names_steer_no_terminal() -> None:
    evil = "\x1b[2JA\u202eda\n\x07 B"
    body = dataclasses.replace(found(), name=evil, founder_name="\x1b\x07")
    read = decode_operation(encode_operation(Operation(1, body))).body
    assert read == dataclasses.replace(body, name="[2JAda B", founder_name="?")
    newcomer = dataclasses.replace(admit(1, BO), name=evil)
    read = decode_operation(encode_operation(Operation(1, newcomer))).body
    assert read == dataclasses.replace(newcomer, name="[2JAda B")
    admitted = Admitted(ROOM_KEY, b"f" * 32, Kind.GROUP, evil)
    assert invitations.decode_admitted(admitted.encode()).name == "[2JAda B"


def test_who_comes_back_has_its_own_earlier_messages(ada: CrowdMember) -> None:
    ada.write(Message("before"), NOW_MS / 1000)

    def leave_and_return(connection: Connection) -> None:
        rooms.forget_room(connection, ada.row.row, ADA.device.public_key)
        rooms.add_room(connection, FRESH)

    ada.database.write(leave_and_return).result(60)
    assert ada.texts() == []
    ada.view = ada.fresh_view()
    ada.derive(ADA.device.public_key, NOW_MS / 1000)
    assert ada.texts() == ["before"]


def test_blocks_come_twice_and_mean_one_thing(ada: CrowdMember) -> None:
    """A crash lost how far the log was derived in memory, not on the disk."""
    bo = Author(BO, ada)
    ada.write(SetRole(BO.identity.public_key, Role.MEMBER, ()), NOW_MS / 1000)
    for number in range(4):
        bo.write(NOW_MS + 50 + number, Message(str(number)))
    device = BO.device.public_key

    def derive(start: int, stop: int) -> Applied:
        def work(connection: Connection) -> Applied:
            begin_log(connection, ada.row.row, device)
            return ada.view.derive(
                connection, device, start, bo.blocks[start:stop], now_ms=NOW_MS
            )

        return ada.database.write(work).result(60)

    assert derive(0, 2).length == 2
    assert derive(3, 4).length == 2, "nothing is derived after a gap"
    overlapping = derive(1, 4)
    assert [row.text for row in overlapping.messages] == ["2", "3"]
    assert derive(0, 4).messages == ()
    assert ada.texts() == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda block: b"\x02" + block[1:], Held.NEWER),
        (lambda block: block[:1] + b"\x01" + block[2:], Held.KEY),
        (lambda block: block[:-1], Held.BROKEN),
        (lambda block: block[:0], Held.BROKEN),
        (lambda block: block + bytes(MAX_BLOCK_BYTES), Held.BROKEN),
    ],
    ids=["version", "epoch", "cut", "empty", "too large"],
)
def test_a_block_that_does_not_open_holds_its_log(
    ada: CrowdMember, spoil: Callable[[bytes], bytes], why: Held
) -> None:
    bo = Author(BO, ada)
    ada.write(SetRole(BO.identity.public_key, Role.MEMBER, ()), NOW_MS / 1000)
    bo.write(NOW_MS + 50, Message("spoilt"))
    bo.write(NOW_MS + 51, Message("whole"))
    applied = put(ada, BO, spoil(bo.blocks[0]), bo.blocks[1])
    assert (applied.length, applied.held) == (0, why)
    assert put(ada, BO, bo.blocks[1]).held is why
    assert ada.texts() == []


def test_a_block_of_another_place_or_log_ends_its_own(ada: CrowdMember) -> None:
    bo, cy = Author(BO, ada), Author(CY, ada)
    ada.write(SetRole(BO.identity.public_key, Role.MEMBER, ()), NOW_MS / 1000)
    cy.write(NOW_MS + 50, Message("stolen"))
    first = bo.write(NOW_MS + 51, Message("mine"))
    assert put(ada, BO, cy.blocks[0], first).held is Held.BROKEN
    assert ada.texts() == []


def test_messages_are_named_by_log_and_place(ada: CrowdMember) -> None:
    ids = {ada.write(Message("same"), NOW_MS / 1000).messages[0].id for _ in range(3)}
    assert len(ids) == 3
    [row, *_] = ada.database.read(
        lambda connection: contents.page(connection, ada.row.row, limit=9)
    ).result(60)
    block = ada.logs[ADA.device.public_key][row.sequence]
    key = log_key(ADA.device.public_key, ROOM_KEY)
    assert row.id == block_id(key, row.sequence, block)
    assert key != log_key(ADA.device.public_key, b"other room".ljust(32))


def serving(*invites: tuple[int, str, int]) -> Law:
    """A room with invites: number, who made it, and when it expires."""
    law = Law(ADA.device.public_key, first_that_saw=lambda *_: 1)
    own = ADA.device.public_key
    done = [Act(Place(1, own, 0), 1, found())]
    done.append(Act(Place(2, own, 1), 2, invite(1, uses=0)))
    done.append(Act(Place(3, own, 2), 3, admit(1, BO)))
    done.append(Act(Place(4, own, 3), 4, CloseInvite(invite_pair(1).public_key)))
    lengths = {ADA.name: 4, BO.name: 1}
    for clock, (number, name, expires_at) in enumerate(invites, 10):
        who = ADA if name == ADA.name else BO
        place = Place(clock, who.device.public_key, lengths[name])
        lengths[name] += 1
        key = number.to_bytes(32, "big")
        body = Invite(key, Role.MEMBER, expires_at, 1)
        seen = {} if who is ADA else {own: 4}
        done.append(Act(place, NOW_MS, body, seen))
    law.add(done)
    return law


def test_open_invites_are_served_before_ended_ones() -> None:
    made = [(1_000, "Ada", 0), *((n, "Ada", NOW_MS - 1) for n in range(200))]
    law = serving(*made)
    served = served_invites(law, NOW_MS)
    assert served[0] == (1_000).to_bytes(32, "big")
    assert len(served) == MAX_SERVED_INVITES
    later = served_invites(law, NOW_MS + ENDED_SERVED_MS)
    assert later == served[:1]


def test_expired_invites_are_served_for_a_day_only() -> None:
    over = serving((7, "Ada", NOW_MS))
    assert served_invites(over, NOW_MS + 1)
    assert not served_invites(over, NOW_MS + ENDED_SERVED_MS)


def test_nobody_crowds_out_the_invites_of_others() -> None:
    mine = [(n, "Ada", 0) for n in range(3)]
    many = [(n, "Bo", 0) for n in range(10, 510)]
    served = served_invites(serving(*mine, *many), NOW_MS)
    assert {n.to_bytes(32, "big") for n, _, _ in mine} < set(served)
    assert len(served) == MAX_SERVED_INVITES


@st.composite
def logs(draw: st.DrawFn) -> list[Author]:
    """Logs of four people whose clocks lie and run ahead, with links to anything."""
    authors = [Author(who) for who in PEOPLE]
    ada = authors[0]
    ada.write(10, found())
    ada.write(11, invite(1))
    ada.write(12, admit(1, BO))
    clocks = dict.fromkeys((who.name for who in PEOPLE), 12)
    for _ in range(draw(st.integers(0, 14))):
        author = draw(st.sampled_from(authors))
        other = draw(st.sampled_from(PEOPLE))
        identity = other.identity.public_key
        seen = [it for it in authors if it is not author and draw(st.booleans())]
        links = tuple(
            sorted(Link(it.who.device.public_key, len(it.blocks)) for it in seen)
        )
        links = tuple(link for link in links if link.length)
        lengths = {link.writer: link.length for link in links}
        cuts = ((other.device.public_key, lengths.get(other.device.public_key, 0)),)
        bodies: list[Body] = [
            Message(f"{author.who.name} {len(author.blocks)}"),
            invite(draw(st.integers(2, 4)), role=draw(st.sampled_from(Role))),
            admit(draw(st.integers(1, 4)), other),
            SetRole(identity, draw(st.sampled_from(Role)), cuts),
            Remove(identity, cuts),
        ]
        clock = max(clocks[author.who.name], *(clocks[it.who.name] for it in seen), 0)
        clocks[author.who.name] = clock + draw(st.integers(1, 5))
        body = draw(st.sampled_from(bodies))
        author.write(clocks[author.who.name], body, links=links)
    return authors


@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_any_order_of_arrival_gives_the_same_room(
    authors: list[Author], data: st.DataObject
) -> None:
    """Members and messages are the same in any interleaving, and after a restart."""
    seen = []
    with TemporaryDirectory() as folder:
        for turn in range(2):
            where = Path(folder) / str(turn)
            where.mkdir()
            member = CrowdMember(DI, where)
            queues = [list(author.blocks) for author in authors]
            while any(queues):
                waiting = [n for n, queue in enumerate(queues) if queue]
                chosen = data.draw(st.sampled_from(waiting)) if turn else waiting[-1]
                size = data.draw(st.integers(1, 4)) if turn else 100
                put(member, authors[chosen].who, *queues[chosen][:size])
                del queues[chosen][:size]
            fresh = member.fresh_view()
            member.database.write(fresh.load).result(60)
            texts = member.texts()
            member.database.close()
            assert fresh.facts(NOW_MS) == member.view.facts(NOW_MS)
            seen.append((member.view.facts(NOW_MS), texts))
    assert seen[0] == seen[1]
