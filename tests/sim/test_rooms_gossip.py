"""What large rooms cost in messages, whatever the machine: no clock is asked."""

from __future__ import annotations

import random

import pytest

from app.rooms import telling
from app.rooms.exchange import ENOUGH_PEERS
from app.rooms.hearing import pause_s
from app.rooms.telling import gather_s, later_s
from tests.sim.dht_network import seeds
from tests.sim.rooms_gossip import Gossip

DEVICES = 80
SOON_S = 2.0
"""In which everybody has what somebody said."""
QUIET_S = 200.0
"""After which nothing more follows from it."""


def woven(seed: int, *, devices: int = DEVICES) -> Gossip:
    """A room in which all have met and nothing is said."""
    print(f"seed {seed}")
    room = Gossip(devices)
    room.weave(random.Random(seed), ENOUGH_PEERS)
    room.settle()
    room.pass_time(QUIET_S)
    room.sent.clear()
    return room


@pytest.mark.parametrize("seed", seeds(1, 2))
def test_a_message_crosses_as_few_wires_as_it_can(seed: int) -> None:
    room = woven(seed)
    room.members[0].append(room.now)
    room.settle()
    room.pass_time(SOON_S)
    assert room.has_all(), "all of them, by others where they are not connected"
    sent, links = room.sent, len(room.ends) // 2
    assert sent["push"] == len(room.members[0].ends), "its author's neighbours at once"
    assert sent["push"] + sent["block"] == DEVICES - 1, "to each exactly once"
    # A channel is opened at both of its ends, for each that has to ask.
    assert sent["open"] == 2 * sent["block"]
    assert sent["have"] <= 2 * links
    room.pass_time(QUIET_S)
    assert sent["have"] <= 2 * links, "nobody is told twice"
    for end in room.ends:
        both = {end.member.device, end.session.remote_device}
        assert set(end.attached) == both, "channels that brought it are closed"


def test_what_many_say_at_once_is_told_together() -> None:
    room = woven(3)
    writers = room.members[:20]
    for member in writers:
        member.append(room.now)
    room.settle()
    room.pass_time(SOON_S)
    assert room.has_all()
    sent = room.sent
    assert sent["push"] + sent["block"] == len(writers) * (DEVICES - 1)
    assert sent["open"] == 2 * sent["block"]
    # Each device hears of 20 in a few messages from each neighbour, not in 20.
    assert sent["have"] < 6 * len(room.ends)


def test_acknowledgements_of_all_travel_together() -> None:
    """Everybody says once that a message was heard, faster than they should."""
    count = 32
    room = woven(4, devices=count)
    chance = random.Random(4)
    turns = 5
    span_s = turns * later_s(count)
    assert span_s < pause_s(count)
    start = room.now
    for at, member in sorted(
        ((start + chance.uniform(0, span_s), it) for it in room.members),
        key=lambda due: due[0],
    ):
        room.pass_time(max(at - room.now, 0.0))
        member.append(room.now, quiet=True)
        room.settle()
    room.pass_time(QUIET_S)
    assert room.has_all()
    sent = room.sent
    assert sent["push"] + sent["block"] == count * (count - 1)
    # To its author at once; to others each time that somebody's turn is over, and that
    # of what came last, twice.
    assert sent["have"] <= sent["push"] + len(room.ends) * (turns + 3)
    assert sent["have"] < count * len(room.ends) / 4, "not each on its own"


def test_idle_connections_say_nothing() -> None:
    room = woven(5)
    room.pass_time(24 * 3600.0)
    assert not room.sent
    assert all(end.session.get_timer() is None for end in room.ends)


def test_small_rooms_wait_for_nothing() -> None:
    assert gather_s(telling.SMALL_ROOM) == later_s(telling.SMALL_ROOM) == 0
    assert 0 < gather_s(200) <= 0.25 < later_s(200) <= 60
    assert gather_s(10_000) == telling.MAX_GATHER_S
    assert later_s(10_000) == telling.MAX_LATER_S
