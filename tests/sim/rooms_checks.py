"""What must hold in a world of rooms, while it runs and once it is healed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.rooms.operations import (
    ACT_TYPES,
    Acknowledge,
    Delete,
    Remove,
    RemoveDevice,
    Rotate,
    number_of,
)
from store.autobase import Place
from store.contents import CHANGES
from tests.sim.rooms_oracle import Oracle
from tests.sim.rooms_world import Peer, World, told


@dataclass
class Watch(logging.Handler):
    """Looks at peers while they change, and listens to what is logged."""

    lines: list[str] = field(default_factory=list)
    prefixes: dict[bytes, tuple[int, list[tuple[object, ...]]]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        super().__init__(level=logging.WARNING)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what should not be there."""
        self.lines.append(record.getMessage())

    def look(self, peer: Peer) -> None:
        """What was confirmed is as it was."""
        # A start goes on with what was saved, which may be less.
        known, before = self.prefixes.get(peer.device, (0, []))
        clock = max(known, peer.view.confirmed_clock)
        if clock != known or peer.view.length(peer.device) % 8 == 0:
            assert rows(peer, known) == before, "confirmed, and changed"
            self.prefixes[peer.device] = (clock, rows(peer, clock))


@contextmanager
def listening(watch: Watch) -> Iterator[None]:
    """Nothing is logged but what the watch allows."""
    logger = logging.getLogger("covey.room")
    logger.addHandler(watch)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(watch)
        logger.propagate = propagate
    assert not watch.lines, watch.lines


def rows(peer: Peer, clock: int) -> list[tuple[object, ...]]:
    """All that counts of what was said up to a clock."""
    found = []
    for table, kept in (("content", "0"), ("change", "allowed")):
        found += peer.connection.execute(
            f"SELECT clock, device, sequence, kind, {kept} FROM {table}"
            " WHERE shown = 1 AND clock <= ?",
            (clock,),
        ).fetchall()
    return sorted(found)


def check_healed(world: World, watch: Watch) -> None:
    """Everybody who is in says the same, and nobody did what they might not."""
    peers = list(world.peers.values())
    whole = [
        peer
        for peer in peers
        if all(peer.view.length(it) == len(log) for it, log in peer.logs.items())
    ]
    inside = [peer for peer in whole if peer.is_in]
    if not inside:
        return
    first = inside[0]
    law = first.view.law
    for peer in peers:
        assert peer in whole or not law.is_inside(peer.device), "one who is in lacks"
        watch.look(peer)
    said = told(first)
    for peer in inside[1:]:
        for one, other in zip(said, told(peer), strict=True):
            assert one == other, f"{first.who.name} and {peer.who.name} differ"
    oracle = Oracle(first)
    oracle.check_acts()
    epoch = law.epoch.id if law.epoch is not None else None
    assert epoch == oracle.epoch, "not the key that was turned to last"
    _check_rows(first, oracle)
    _check_keys(world, first, oracle)
    for peer in inside:
        world.restart(peer)


def _check_rows(peer: Peer, oracle: Oracle) -> None:
    """What is shown is what might be said, and of what its author had seen."""
    connection = peer.connection
    stored = {
        (device, sequence): (bool(is_shown), 0)
        for device, sequence, is_shown in connection.execute(
            "SELECT device, sequence, shown FROM content"
        )
    }
    changes = connection.execute(
        "SELECT c.device, c.sequence, c.shown, c.allowed, m.device, m.sequence, m.clock"
        " FROM change c JOIN content m ON m.arrival = c.target"
    )
    for device, sequence, is_shown, allowed, *target in changes:
        place = oracle.entries[device, sequence].place
        target_place = Place(target[2], target[0], target[1])
        assert oracle.saw(place, target_place), "a change of what was not seen"
        stored[device, sequence] = (bool(is_shown), allowed)
        theirs = oracle.owners.get(target[0])
        mine = oracle.owners.get(device)
        if is_shown and allowed and mine != theirs:
            rank = oracle.rank(place)
            assert rank is not None
            assert rank >= 2, "a deletion by one who might not"
    for key, body in oracle.bodies.items():
        if isinstance(body, (*ACT_TYPES, Acknowledge)):
            continue
        place = oracle.entries[key].place
        if isinstance(body, Delete):
            expected = oracle.rank(place) is not None
        else:
            expected = oracle.may_say(place, body)
        if key not in stored:
            assert number_of(body) in CHANGES, "a message is missing"
            continue
        assert stored[key][0] == expected, (place, body, expected)


def _check_keys(world: World, peer: Peer, oracle: Oracle) -> None:
    """Who is out has no key that was made by somebody who knew that."""
    law = peer.view.law
    for other in world.peers.values():
        if law.is_inside(other.device):
            continue
        ends = [
            act
            for act in oracle.ends.get(other.device, ())
            if isinstance(act.body, Remove | RemoveDevice)
        ]
        starts = oracle.starts.get(other.device, ())
        if not ends or not starts or starts[-1].place > ends[-1].place:
            continue
        # While it was contested some may have thought it void, and told the key.
        if oracle.is_contested(ends[-1].place):
            continue
        for act in oracle.effective:
            body = act.body
            if not isinstance(body, Rotate) or other.device in body.devices:
                continue
            if act.had_seen(ends[-1].writer, ends[-1].place.sequence):
                assert body.epoch not in other.view.keys.ring, (
                    "a key came after the end"
                )
