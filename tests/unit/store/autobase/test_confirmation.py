"""A confirmed prefix never changes, whoever comes, goes, rests and returns.

The rules of these rooms are the smallest that have all of it: the first writer lets
others in, puts them to rest and lets them in again; everybody else talks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from store.autobase import (
    ALL,
    Linearizer,
    Place,
    Spans,
    Stay,
    confirmed_clock,
    decode_saved,
    encode_saved,
)
from store.errors import LocalProtocolError
from tests.unit.store.autobase.flocks import Device, meet, name

SEED = 20_261_121
FOUNDER = name(1)


def rule(verb: str, number: int, length: int = 0) -> bytes:
    return f"{verb} {number} {length}".encode()


@dataclass
class Room(Device):
    """A device that follows the rules and confirms what it can."""

    stays: list[Stay] = field(default_factory=list)
    confirmed: list[Place] = field(default_factory=list)
    firsts: dict[int, int | None] = field(default_factory=dict)

    def judge(self) -> None:
        """Fold the rules over the founder's log, see what counts, and confirm."""
        stays = {FOUNDER: [Stay(FOUNDER, 0)]}
        spans: dict[bytes, Spans] = {}
        causality = self.linearizer.causality
        for entry in self.logs[FOUNDER][: self.linearizer.length(FOUNDER)]:
            if entry.payload == b"-":
                continue
            verb, number, length = entry.payload.decode().split()
            writer = name(int(number))
            if verb == "admit":
                # It stays the first one, and is not told again when it is confirmed.
                first = self.firsts.get(entry.sequence)
                if first is None:
                    first = causality.first_that_saw(writer, FOUNDER, entry.sequence)
                    self.firsts[entry.sequence] = first
                host = FOUNDER, entry.sequence
                stays.setdefault(writer, []).append(Stay(writer, entry.clock, host))
                reached = () if first is None else ((first, None),)
                spans[writer] = spans.get(writer, ()) + reached
            else:
                stays[writer][-1] = stays[writer][-1]._replace(end=entry.clock)
                spans[writer] = tuple(
                    (start, min(end or int(length), int(length)))
                    for start, end in spans[writer]
                    if start < int(length)
                )
        for writer in map(name, range(1, 20)):
            allowed = ALL if writer == FOUNDER else spans.get(writer, ())
            self.linearizer.count(writer, allowed)
        self.stays = [stay for all_of in stays.values() for stay in all_of]
        self.follow()
        self.linearizer.settle(self.stays)
        settled = self.linearizer.order.settled
        assert self.told[: len(self.confirmed)] == self.confirmed
        assert settled >= len(self.confirmed)
        self.confirmed = self.told[:settled]

    def restart(self) -> None:
        """Go on with what was saved."""
        before = self.linearizer
        self.linearizer = Linearizer(saved=decode_saved(encode_saved(before.save())))
        assert self.linearizer.save() == before.save()
        assert self.linearizer.links(self.writer) == before.links(self.writer)
        del self.told[len(self.confirmed) :]
        self.judge()
        for log in self.logs.values():
            self.hear(log[-1:])
        self.judge()


def is_in(room: Room, writer: bytes) -> bool:
    return any(stay.writer == writer and stay.end is None for stay in room.stays)


def act(founder: Room, rooms: Sequence[Room], chance: random.Random, now: int) -> None:
    other = chance.choice(rooms[1:])
    number = other.writer[0]
    if is_in(founder, other.writer):
        length = founder.linearizer.length(other.writer)
        founder.write(rule("rest", number, length), now_ms=now)
    else:
        founder.write(rule("admit", number), now_ms=now)


@pytest.mark.parametrize("seed", range(SEED, SEED + 30))
def test_a_confirmed_prefix_never_changes(seed: int) -> None:
    chance = random.Random(seed)
    rooms = [Room(name(number + 1)) for number in range(chance.randint(2, 7))]
    founder = rooms[0]
    founder.write(b"-", now_ms=1)
    for room in rooms[1:]:
        meet(room, founder, chance)
    for step in range(250):
        room = chance.choice(rooms)
        now = 1_000 * step + chance.randint(0, 30_000)
        kind = chance.random()
        if kind < 0.06:
            act(founder, rooms, chance, now)
            room = founder
        elif kind < 0.1:
            room.restart()
        elif kind < 0.5 and (is_in(room, room.writer) or kind < 0.12):
            # Some talk though they may not: it counts for nobody.
            room.write(b"-", now_ms=now)
        else:
            meet(room, chance.choice(rooms), chance)
        room.judge()
    # Whoever may talks twice more, and all hear of it in between.
    for now in (1_000_000, 2_000_000):
        hear_all(rooms, chance)
        for room in rooms:
            if is_in(room, room.writer):
                room.write(b"-", now_ms=now)
    hear_all(rooms, chance)
    assert all(room.told == founder.told for room in rooms)
    assert all(room.confirmed == founder.confirmed for room in rooms)
    assert founder.confirmed[-1].clock >= 1_000_000


def hear_all(rooms: Sequence[Room], chance: random.Random) -> None:
    for _ in range(2):
        for one in rooms:
            for other in rooms:
                meet(one, other, chance)
            one.judge()


def stay(number: int, start: int, end: int | None = None) -> Stay:
    return Stay(name(number), start, None, end)


def test_who_says_nothing_holds_it_back_until_put_to_rest() -> None:
    assert confirmed_clock({stay(1, 0): 500, stay(2, 10): 20}) == 20
    assert confirmed_clock({stay(1, 0): 500, stay(2, 10, 400): 20}) == 500
    assert confirmed_clock({stay(1, 0): 399, stay(2, 10, 400): 20}) == 20
    assert confirmed_clock({stay(1, 0): 5, stay(2, 10, 400): 20}) == 5


def test_several_who_rested_hold_each_other_back() -> None:
    first, second, third = stay(1, 0), stay(2, 1, 50), stay(3, 1, 100)
    assert confirmed_clock({first: 80, second: 10, third: 40}) == 10
    assert confirmed_clock({first: 80, second: 45, third: 40}) == 40
    assert confirmed_clock({first: 100, second: 10, third: 40}) == 100


def test_nobody_confirms_nothing() -> None:
    assert confirmed_clock({}) == 0
    assert confirmed_clock({stay(1, 0, 5): 3}) == 0


def test_what_one_of_them_lacks_is_not_confirmed() -> None:
    """It could be made void by them: they would say how much they had seen."""
    ada, bob = Room(name(1)), Room(name(2))
    ada.write(rule("admit", 2), now_ms=10)
    meet(bob, ada, random.Random(1))
    bob.judge()
    lonely = ada.write(b"-", now_ms=20)
    deaf = bob.write(b"-", now_ms=30)
    ada.hear([deaf])
    ada.write(b"-", now_ms=40)
    ada.judge()
    assert lonely.place not in ada.confirmed
    assert len(ada.confirmed) == 1
    meet(bob, ada, random.Random(1))
    heard = bob.write(b"-", now_ms=50)
    ada.hear([heard])
    ada.judge()
    assert ada.confirmed == ada.told[:-1]


def test_of_what_is_confirmed_only_the_sum_is_kept() -> None:
    ada, bob = Room(name(1)), Room(name(2))
    ada.write(rule("admit", 2), now_ms=10)
    for step in range(2, 200):
        room, other = (ada, bob) if step % 2 else (bob, ada)
        meet(room, other, random.Random(step))
        room.write(b"-", now_ms=10 * step)
        room.judge()
    causality = ada.linearizer.causality
    steps = causality._steps[ada.writer]
    assert len(ada.confirmed) > 190
    assert len(steps.sequences) < 5
    last = ada.linearizer.length(ada.writer) - 1
    # As much as somebody knows who forgot nothing.
    whole = Device(name(9))
    meet(whole, ada, random.Random(1))
    for asked in (last, last - 1):
        told = causality.seen(ada.writer, asked, bob.writer)
        assert told == whole.linearizer.causality.seen(ada.writer, asked, bob.writer)
    with pytest.raises(LocalProtocolError):
        causality.seen(ada.writer, 5, bob.writer)
    with pytest.raises(LocalProtocolError):
        causality.first_that_saw(ada.writer, bob.writer, 5)
