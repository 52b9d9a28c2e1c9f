"""Random contents and changes in random orders of arrival, hidden and shown at random.

Beside the tables stands a model that knows only what there is and what counts now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.rooms.operations.contents import Delete, Edit, Message, Pin, Poll, React, Vote
from store import contents
from store.contents import NewContent
from tests.unit.store.contents.said import ADA, BO, CY, PEOPLE, PHONE, Room, delete

DEVICES = (ADA, PHONE, BO, CY)
STRANGER = b"S" * 32
CLOSES_AT = 1_500
KINDS = ("message", "message", "poll", *("edit", "delete", "react", "pin", "vote") * 2)

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(DEVICES),
        st.sampled_from(KINDS),
        st.integers(0, 2),  # which of the messages before, from the last one back
        st.integers(0, 3),
        st.booleans(),
        st.integers(1, 3),  # how much the clock goes on
    ),
    min_size=8,
    max_size=30,
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("arrive", "arrive", "toggle", "allow", "identity", "restore")),
        st.sampled_from(DEVICES),
        st.integers(0, 9),
    ),
    min_size=10,
    max_size=40,
)

Spot = tuple[bytes, int]
"""Device and sequence."""


@dataclass
class World:
    """All that is written, and the rules' mind about it."""

    logs: dict[bytes, list[NewContent]] = field(
        default_factory=lambda: {device: [] for device in DEVICES}
    )
    spots: dict[bytes, Spot] = field(default_factory=dict)
    """Where the messages stand."""
    hidden: set[Spot] = field(default_factory=set)
    allowed: set[Spot] = field(default_factory=set)
    people: dict[bytes, bytes] = field(default_factory=lambda: dict(PEOPLE))

    def entries(self) -> Iterable[tuple[tuple[int, bytes, int], NewContent]]:
        """Everything that is shown, in order of place."""
        found = [
            ((entry.clock, device, entry.sequence), entry)
            for device, log in self.logs.items()
            for entry in log
            if (device, entry.sequence) not in self.hidden
        ]
        return sorted(found, key=lambda it: it[0])


def write(events: list[tuple[Any, ...]]) -> World:
    """Everybody writes; places need not follow the sequence of writing."""
    world = World()
    clocks = dict.fromkeys(DEVICES, 0)
    written: list[tuple[bytes, bool]] = []
    for step, (device, kind, back, value, flag, gap) in enumerate(events):
        body: Any
        known = [id for id, is_poll in written if is_poll or kind != "vote"]
        if kind == "poll":
            body = Poll(f"poll {step}", ("a", "b", "c"), flag, CLOSES_AT)
        elif kind == "message" or not known:
            body = Message(f"text {step}", mentions=(PEOPLE[BO],) * flag)
        else:
            target = known[-1 - back % len(known)]
            body = {
                "edit": Edit(target, f"edit {step}", (PEOPLE[BO],) * flag),
                "delete": delete(*({target, known[0]} if flag else {target})),
                "react": React(target, "xyz"[value % 3], value > 1),
                "pin": Pin(target, flag),
                "vote": Vote(target, ((), (0,), (1,), (0, 2))[value]),
            }[kind]
        clocks[device] += gap
        log = world.logs[device]
        id = device[:1] + len(log).to_bytes(31)
        number = {
            Message: 2,
            Poll: 37,
            Edit: 33,
            Delete: 34,
            React: 35,
            Pin: 36,
            Vote: 38,
        }[type(body)]
        sent_at = CLOSES_AT + (1 if gap == 3 else 0)
        entry = NewContent(len(log), clocks[device], id, sent_at, number, body)
        if isinstance(body, Message | Poll):
            world.spots[id] = (device, len(log))
            written.append((id, isinstance(body, Poll)))
        log.append(entry)
    return world


class Told:
    """The tables, told bit by bit."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.room = Room()
        self.lengths = dict.fromkeys(DEVICES, 0)

    def arrive(self, device: bytes, most: int) -> bool:
        """Up to so many entries of a log, as far as their causes are here."""
        start = self.lengths[device]
        batch: list[NewContent] = []
        for entry in self.world.logs[device][start : start + most]:
            if not all(self.has(id, device, batch) for id in targets(entry)):
                break
            spot = (device, entry.sequence)
            entry = entry._replace(
                shown=spot not in self.world.hidden, allowed=spot in self.world.allowed
            )
            batch.append(entry)
        self.room.put(device, batch)
        self.lengths[device] += len(batch)
        return bool(batch)

    def has(self, id: bytes, device: bytes, batch: list[NewContent]) -> bool:
        of, sequence = self.world.spots[id]
        return sequence < self.lengths[of] + (len(batch) if of == device else 0)

    def judge(self, device: bytes, sequence: int) -> None:
        contents.judge(
            self.room.connection,
            self.room.row,
            device,
            lambda _, at, __: (device, at) not in self.world.hidden,
            allows=lambda _, at, __: (device, at) in self.world.allowed,
            sequence=sequence,
        )

    def restore(self) -> None:
        """Read what is wanted again; its blocks were kept somewhere."""
        blocks = contents.to_reread(self.room.connection, self.room.row, limit=100)
        for block in blocks:
            entry = self.world.logs[block.writer][block.sequence]
            contents.restore(self.room.connection, self.room.row, block.writer, [entry])
        assert not contents.to_reread(self.room.connection, self.room.row, limit=1)

    def do(self, action: str, device: bytes, number: int) -> None:
        world = self.world
        # The newest ones are not yet here; some of the others are.
        spot = (device, number % max(1, len(world.logs[device])))
        if action == "arrive":
            self.arrive(device, number + 1)
        elif action == "toggle":
            world.hidden ^= {spot}
            self.judge(device, spot[1])
        elif action == "allow":
            world.allowed ^= {spot}
            self.judge(device, 0)
        elif action == "identity":
            who = (PEOPLE[device], STRANGER)[number % 2]
            world.people[device] = who
            contents.set_identity(self.room.connection, self.room.row, device, who)
        else:
            self.restore()

    def check_wiped(self) -> None:
        """No word of what is deleted is in the tables, whatever happened before."""
        for statement in (
            "SELECT count(*) FROM content WHERE deleted = 1 AND text <> ''",
            "SELECT count(*) FROM content WHERE deleted = 1 AND mentions IS NOT NULL",
            "SELECT count(*) FROM change c JOIN content m ON m.arrival = c.target"
            " WHERE m.deleted = 1 AND c.kind = 33"
            " AND (c.text <> '' OR c.detail IS NOT NULL)",
        ):
            assert self.room.connection.execute(statement).get == 0


def targets(entry: NewContent) -> list[bytes]:
    body: Any = entry.body
    if isinstance(body, Message | Poll):
        return []
    if isinstance(body, Delete):
        return [named.id for named in body.targets]
    return [body.target]


@dataclass
class Expected:
    """One message as the model has it."""

    id: bytes
    who: bytes
    body: Message | Poll
    edit: Edit | None = None
    deleted: bool = False
    pinned: bool = False
    reactions: dict[tuple[bytes, str], bool] = field(default_factory=dict)
    votes: dict[bytes, tuple[int, ...]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        if self.deleted:
            return ""
        if self.edit is not None:
            return self.edit.text
        return self.body.text if isinstance(self.body, Message) else self.body.question

    @property
    def standing(self) -> dict[str, set[bytes]]:
        found: dict[str, set[bytes]] = {}
        for (who, emoji), on in self.reactions.items():
            if on and not self.deleted:
                found.setdefault(emoji, set()).add(who)
        return found


def fold(world: World) -> dict[bytes, Expected]:
    """What all messages are, by id, the shown ones and the others."""
    found = {}
    for id, (device, sequence) in world.spots.items():
        body: Any = world.logs[device][sequence].body
        found[id] = Expected(id, world.people[device], body)
    for (_, device, sequence), entry in world.entries():
        who, change = world.people[device], entry.body
        for target in (found[id] for id in targets(entry)):
            apply(
                target, who, change, entry.sent_at, (device, sequence) in world.allowed
            )
    return found


def apply(
    target: Expected, who: bytes, change: Any, sent_at: int, allowed: bool
) -> None:
    if isinstance(change, Edit):
        if who == target.who and isinstance(target.body, Message):
            target.edit = change
    elif isinstance(change, Delete):
        target.deleted |= who == target.who or allowed
    elif isinstance(change, React):
        target.reactions[who, change.emoji] = change.on
    elif isinstance(change, Pin):
        target.pinned = change.on
    elif isinstance(target.body, Poll):
        single = len(change.choices) < 2 or target.body.multiple
        if sent_at <= CLOSES_AT and single:
            target.votes[who] = change.choices


def check(told: Told) -> None:
    """Pages, reactions, pins and votes are the model's."""
    connection, row = told.room.connection, told.room.row
    expected = fold(told.world)
    order = [entry.id for _, entry in told.world.entries() if entry.id in expected]
    rows = told.room.page()
    assert [it.id for it in rows] == order
    reacted = contents.reactions(connection, rows)
    voted = contents.tallies(connection, rows)
    for row_ in rows:
        want = expected[row_.id]
        assert (row_.text, row_.deleted, row_.pinned, row_.wiped) == (
            want.text,
            want.deleted,
            want.pinned,
            want.deleted,
        )
        assert (row_.edited_at is not None) == (want.edit is not None)
        named = want.edit.mentions if want.edit else getattr(want.body, "mentions", ())
        assert row_.mentions == (() if want.deleted else named)
        found = {it.emoji: set(it.identities) for it in reacted.get(row_.id, ())}
        assert found == want.standing
        if isinstance(want.body, Poll) and not want.deleted:
            votes = {who: chose for who, chose in want.votes.items() if chose}
            assert dict(voted[row_.id].votes) == votes
            counts = [sum(n in chose for chose in votes.values()) for n in range(3)]
            assert voted[row_.id].counts == tuple(counts)
    pinned = [id for id in order if expected[id].pinned and not expected[id].deleted]
    assert [it.id for it in contents.pins(connection, row)] == pinned
    unread = [
        id
        for id in order
        if not expected[id].deleted and expected[id].who != PEOPLE[BO]
    ]
    counts_now = contents.counts(connection, row, me=PEOPLE[BO])
    assert counts_now.unread == len(unread)
    assert counts_now.mentions == sum(
        PEOPLE[BO] in it.mentions for it in rows if it.id in unread
    )
    check_paging(told, order)


def check_paging(told: Told, order: list[bytes]) -> None:
    for at, id in enumerate(order):
        before = [it.id for it in told.room.page(before=id, limit=3)]
        after = [it.id for it in told.room.page(after=id, limit=3)]
        around = [it.id for it in told.room.page(around=id, limit=3)]
        assert before == order[max(0, at - 3) : at]
        assert after == order[at + 1 : at + 4]
        start = max(0, at - 1)
        assert around == order[start : at + 1] + order[at + 1 : start + 3]


@given(EVENTS, ACTIONS, st.permutations(DEVICES))
@settings(max_examples=400)
def test_the_tables_agree_with_the_model(
    events: list[tuple[Any, ...]],
    actions: list[tuple[str, bytes, int]],
    turns: list[bytes],
) -> None:
    told = Told(write(events))
    for action in actions:
        told.do(*action)
        told.check_wiped()
    for _ in events:
        for device in turns:
            told.arrive(device, 3)
    assert told.lengths == {device: len(log) for device, log in told.world.logs.items()}
    told.restore()
    told.check_wiped()
    check(told)
