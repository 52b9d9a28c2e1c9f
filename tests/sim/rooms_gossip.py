"""A room of very many devices, each connected with some: what crosses the wires.

The sessions are the real ones (``app/rooms/replication.py``), the channels those of the
crowd of the unit tests; a member is nothing but the logs it has. All messages under way
travel one step at a time, so that everybody is as fast as everybody else, and time goes
by only when all is quiet.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from app.rooms.blocks import LogHead
from app.rooms.effects import Attach, Send
from app.rooms.facts import DeviceFact, MemberFact, RoomFacts
from app.rooms.messages import HAVE
from app.rooms.roles import Kind, Role
from app.rooms.sources import Sources
from tests.unit.app.rooms.crowd import CARRIED, Crowd, CrowdMember, LinkEnd, tree_of
from tests.unit.app.rooms.people import Person, person

SLOT_S = 0.25
"""Timers that come due within so much time are one moment."""
ACKNOWLEDGEMENT = b"heard"
"""How a block begins that says nothing else."""


class Keeper(CrowdMember):
    """One device that keeps logs and does not read them."""

    def __init__(self, who: Person, facts: RoomFacts) -> None:
        self.who = who
        self.device = who.device.public_key
        self.facts = facts
        self.logs: dict[bytes, list[bytes]] = {}
        self.heads: dict[bytes, LogHead] = {}
        self.sources = Sources()
        self.ends: list[LinkEnd] = []
        self.held: dict[bytes, int] = {}

    def append(self, now: float, *, quiet: bool = False) -> None:
        """Write one block: a message, or an acknowledgement."""
        kind = ACKNOWLEDGEMENT if quiet else b"message"
        log = self.logs[self.device]
        self.take(self.device, [b"%s %d" % (kind, len(log))], now)

    def take(self, writer: bytes, blocks: list[bytes], now: float) -> Any:
        """What the core does once blocks are durable."""
        log = self.logs.setdefault(writer, [])
        for end in self.ends:
            end.push(writer, len(log), blocks)
        log += blocks
        self.heads[writer] = LogHead(len(log), tree_of(log))
        quiet = all(block.startswith(ACKNOWLEDGEMENT) for block in blocks)
        for end in list(self.ends):
            end.session.head_changed(writer, now, quiet=quiet)


class Gossip(Crowd):
    """Keepers of one room, all of them members who write, and what they send.

    Attributes:
        sent: How often what crossed a wire: ``have`` messages, ``head`` entries in
            them, ``open`` of a log's channel, ``block`` asked for, ``push``.
    """

    def __init__(self, count: int) -> None:
        """Begin with everybody having a block of everybody."""
        people = [person(f"No. {number}") for number in range(count)]
        facts = facts_of(people)
        self.members = [Keeper(who, facts) for who in people]
        self.ends: list[LinkEnd] = []
        self.now = 1000.0
        self.sent: Counter[str] = Counter()
        self._links = 0
        for member in self.members:
            for who in people:
                member.logs[who.device.public_key] = [b"first"]
                first = LogHead(1, tree_of([b"first"]))
                member.heads[who.device.public_key] = first

    def weave(self, chance: random.Random, wanted: int) -> None:
        """Connect everybody as the swarm does: some of all are looked for.

        Args:
            chance: Decides whom each one finds.
            wanted: Who has so many connections looks for no more.
        """
        linked: set[frozenset[int]] = set()
        order = list(range(len(self.members)))
        chance.shuffle(order)
        for first in order:
            others = [it for it in order if it != first]
            chance.shuffle(others)
            for second in others:
                if len(self.members[first].ends) >= wanted:
                    break
                if frozenset((first, second)) not in linked:
                    linked.add(frozenset((first, second)))
                    self.link(self.members[first], self.members[second])

    def settle(self, limit: int = 100_000) -> None:
        """Let everything arrive that is under way."""
        for _ in range(limit):
            busy = [end for end in self.ends if end.busy]
            if not busy:
                return
            for end in busy:
                self.step(end)
        raise AssertionError("the peers never come to rest")

    def pass_time(self, seconds: float) -> None:
        """Let time go by, with every timer in its turn."""
        until = self.now + seconds
        while True:
            timers = [
                (timer, end)
                for end in self.ends
                if (timer := end.session.get_timer()) is not None and timer <= until
            ]
            if not timers:
                break
            first = max(self.now, min(timer for timer, _ in timers))
            self.now = min(until, first + SLOT_S)
            for timer, end in timers:
                if timer <= self.now:
                    end.session.handle_timer(self.now)
            self.settle()
        self.now = until

    def has_all(self) -> bool:
        """True when everybody has the same of everything."""
        first = self.members[0].heads
        return all(member.heads == first for member in self.members)

    def _do(self, end: LinkEnd, effect: object) -> None:
        if isinstance(effect, Send) and effect.kind == HAVE:
            self.sent["have"] += 1
        elif isinstance(effect, Attach):
            self.sent["open"] += 1
        super()._do(end, effect)

    def _read(self, end: LinkEnd, kind: int | str, data: Any) -> None:
        if kind == "push":
            self.sent["push"] += 1
        super()._read(end, kind, data)

    def _fetch(self, end: LinkEnd, writer: bytes) -> None:
        mine = len(end.member.logs.get(writer, []))
        assert end.other is not None
        theirs = len(end.other.member.logs[writer])
        self.sent["block"] += min(theirs - mine, CARRIED)
        super()._fetch(end, writer)


def facts_of(people: list[Person]) -> RoomFacts:
    """All of them are members who may write."""
    return RoomFacts(
        kind=Kind.GROUP,
        name="Birds",
        members={
            who.identity.public_key: MemberFact(
                who.identity.public_key,
                who.name,
                Role.MEMBER,
                (who.device.public_key,),
                present=True,
            )
            for who in people
        },
        devices={
            who.device.public_key: DeviceFact(
                who.identity.public_key, present=True, wanted_length=None
            )
            for who in people
        },
        present_count=len(people),
    )
