"""Nodes come and go while owners publish keys and anybody looks them up.

A key has an owner, who publishes it anew from time to time on the nodes closest to it,
as announcers do. What was published by an owner that is still there must be found by
anybody who has joined, at any time. Used for plain dht-rpc and for HyperDHT alike.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from net.flow import Deferred
from tests.helpers.world import Host, World

ROUND_S = 120.0
"""Time between two rounds of one owner."""
DURATION_S = 3600.0 if os.environ.get("COVEY_SOAK") else 300.0
TEN_MINUTES_S = 600.0
SETTLE_S = 40.0


class Member(Protocol):
    """One node of a network that is tried."""

    host: Host

    @property
    def is_ready(self) -> bool:
        """Whether it has found its place."""

    def publish(self, key: bytes) -> Deferred[Any]:
        """Begin a round for a key of this member."""

    def find(self, key: bytes) -> Lookup:
        """Begin to look for a key."""


@dataclass(eq=False, slots=True)
class Lookup:
    """A look-up under way: when it is over, and whether it found the owner."""

    finished: Deferred[Any]
    found_owners: set[bytes]
    """Marks of the owners found so far; a mark is the owner's host in bytes."""


M = TypeVar("M", bound=Member)


class Network(Protocol[M]):
    """The nodes that are up."""

    world: World
    members: list[M]
    first: M

    def add(self) -> M:
        """Let one more join."""

    def leave(self, member: M) -> None:
        """Take one away without a word."""


@contextmanager
def without_cycle_collection() -> Iterator[None]:
    """Spare a run the walks through many nodes in search of cycles, which are few."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def mark(member: Member) -> bytes:
    """What is published for a member's keys, so that it is told from others."""
    return member.host.ip.encode()


class _Owner(Generic[M]):
    def __init__(self, world: World, member: M) -> None:
        self.world = world
        self.member = member
        self.key = world.random.randbytes(32)
        self.rounds_done = 0
        first_s = 20.0 + 40.0 * world.random.random()
        world.call_at(world.now + first_s, self.publish)

    def publish(self) -> None:
        if self.member.host.machine is None:
            return
        self.member.publish(self.key).when_settled(self._ended)
        self.world.call_at(self.world.now + ROUND_S, self.publish)

    def _ended(self, done: Deferred[Any]) -> None:
        if done.error is None:
            self.rounds_done += 1


@dataclass
class Outcome:
    """What came of a run."""

    ended: int = 0
    """Look-ups that ended; those whose asker left do not."""
    missed: list[str] = field(default_factory=list)
    """Look-ups that did not find the owner, as text."""
    owners_with_rounds: int = 0
    """Owners at the end that have done two rounds."""


def churn(
    network: Network[M],
    *,
    owners: int,
    share_per_ten_minutes: float,
    lookups_per_change: int,
    tell: Callable[[str], None] = print,
) -> Outcome:
    """Replace a share of all nodes per ten minutes, and look keys up meanwhile."""
    world = network.world
    held = [_Owner(world, network.add()) for _ in range(owners)]
    per_ten_minutes = len(network.members) * share_per_ten_minutes
    changes = int(per_ten_minutes * DURATION_S / TEN_MINUTES_S)
    lookups: list[tuple[_Owner[M], Lookup]] = []
    for _ in range(changes):
        _replace_one(network, held)
        ready = [owner for owner in held if owner.rounds_done]
        for _ in range(lookups_per_change if ready else 0):
            owner = world.random.choice(ready)
            lookups.append((owner, _asker(network).find(owner.key)))
        world.run_for(DURATION_S / changes)
    world.run_for(SETTLE_S)
    ended = [(owner, lookup) for owner, lookup in lookups if lookup.finished.settled]
    outcome = Outcome(
        ended=len(ended),
        missed=[
            f"{owner.key.hex()[:8]} of {owner.member.host.ip}"
            for owner, lookup in ended
            if mark(owner.member) not in lookup.found_owners
        ],
        owners_with_rounds=sum(owner.rounds_done >= 2 for owner in held),
    )
    tell(f"{outcome.ended} look-ups, missed {outcome.missed}, {dict(world.counts)}")
    return outcome


def _replace_one(network: Network[M], owners: list[_Owner[M]]) -> None:
    others = [member for member in network.members if member is not network.first]
    leaving = network.world.random.choice(others)
    network.leave(leaving)
    for index, owner in enumerate(owners):
        if owner.member is leaving:
            owners[index] = _Owner(network.world, network.add())
            return
    network.add()


def _asker(network: Network[M]) -> M:
    while True:
        asker = network.world.random.choice(network.members)
        if asker.is_ready:
            return asker
