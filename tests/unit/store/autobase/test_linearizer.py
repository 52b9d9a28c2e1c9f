"""Whatever comes first, the order is one; and what is undone is only what moved."""

from __future__ import annotations

import random

import pytest

from store.autobase import ALL, Entry, Linearizer, Link, Place, Stay, Verdict
from store.autobase.entry import MAX_LINKS
from store.errors import LocalProtocolError
from tests.unit.store.autobase.flocks import FAR, Device, ancestors, meet, name

SEED = 20_261_121


def flock(count: int) -> list[Device]:
    return [Device(name(number + 1)) for number in range(count)]


def live(devices: list[Device], chance: random.Random, *, steps: int) -> None:
    """Write and meet at random; clocks go wrong by up to a minute."""
    for step in range(steps):
        device = chance.choice(devices)
        if chance.random() < 0.6:
            device.write(b"%d" % step, now_ms=1000 * step + chance.randint(0, 60_000))
        else:
            meet(device, chance.choice(devices), chance)


def settle(devices: list[Device], chance: random.Random) -> None:
    for _ in range(2):
        for one in devices:
            for other in devices:
                meet(one, other, chance)


@pytest.mark.parametrize("seed", range(SEED, SEED + 30))
def test_all_devices_end_with_one_order(seed: int) -> None:
    chance = random.Random(seed)
    devices = flock(chance.randint(2, 12))
    live(devices, chance, steps=150)
    settle(devices, chance)
    entries = [entry for log in devices[0].logs.values() for entry in log]
    assert devices[0].told == sorted(entry.place for entry in entries)
    assert all(device.told == devices[0].told for device in devices)
    assert all(not device.linearizer.woken() for device in devices)


@pytest.mark.parametrize("seed", range(SEED, SEED + 10))
def test_what_each_entry_had_seen(seed: int) -> None:
    chance = random.Random(seed)
    devices = flock(5)
    live(devices, chance, steps=120)
    settle(devices, chance)
    for device in devices:
        causality = device.linearizer.causality
        everything = [entry for log in device.logs.values() for entry in log]
        for entry in everything:
            seen = ancestors(entry, device)
            for other in devices:
                known = causality.seen(entry.writer, entry.sequence, other.writer)
                assert known == seen.get(other.writer, 0)
        for one, two in zip(everything, chance.sample(everything, 60), strict=False):
            before = ancestors(two, device).get(one.writer, 0) > one.sequence
            ids = (one.writer, one.sequence), (two.writer, two.sequence)
            assert causality.precedes(*ids) == (before and ids[0] != ids[1])
            assert causality.concurrent(*ids) == causality.concurrent(*ids[::-1])
        for one in everything[:20]:
            for other in devices:
                wanted = next(
                    (
                        entry.sequence
                        for entry in device.logs.get(other.writer, ())
                        if ancestors(entry, device).get(one.writer, 0) > one.sequence
                    ),
                    None,
                )
                if other.writer != one.writer:
                    found = causality.first_that_saw(
                        other.writer, one.writer, one.sequence
                    )
                    assert found == wanted


def test_causes_stand_before_what_they_led_to() -> None:
    chance = random.Random(SEED)
    devices = flock(6)
    live(devices, chance, steps=200)
    settle(devices, chance)
    told = {place: number for number, place in enumerate(devices[0].told)}
    for log in devices[0].logs.values():
        for entry in log:
            for writer, length in entry.links:
                cause = devices[0].entry(writer, length - 1)
                assert told[cause.place] < told[entry.place]


def test_an_entry_that_comes_late_moves_what_stands_behind_it_and_no_more() -> None:
    ada, bob = flock(2)
    for step in range(10):
        ada.write(b"a", now_ms=1_000 + step)
    late = bob.write(b"b", now_ms=1_006)
    ada.hear([late])
    assert ada.undone == 3
    assert ada.told.index(late.place) == 7


def test_logs_that_link_to_nothing_hold_up_nobody_else() -> None:
    linearizer = Linearizer()
    forged = Entry(name(1), 0, 50, (Link(name(9), 4),), b"")
    assert linearizer.receive(forged, horizon=FAR) is Verdict.WAITING
    for sequence in range(4):
        honest = Entry(name(2), sequence, 10 + sequence, (), b"")
        assert linearizer.receive(honest, horizon=FAR) is Verdict.TAKEN
    assert linearizer.woken() == []
    assert linearizer.length(name(1)) == 0
    for sequence in range(4):
        other = Entry(name(9), sequence, 20 + sequence, (), b"")
        assert linearizer.woken() == []
        linearizer.receive(other, horizon=FAR)
    assert linearizer.woken() == [name(1)]
    early = forged._replace(clock=23)
    assert linearizer.receive(early, horizon=FAR) is Verdict.FALSE
    assert linearizer.receive(forged, horizon=FAR) is Verdict.TAKEN


def test_clocks_that_lie_are_found_behind_what_is_confirmed() -> None:
    asked = []

    def older(writer: bytes, sequence: int) -> int:
        asked.append((writer, sequence))
        return 100 + sequence

    linearizer = Linearizer(older_clock=older)
    for sequence in range(5):
        entry = Entry(name(1), sequence, 100 + sequence, (), b"")
        linearizer.receive(entry, horizon=FAR)
    linearizer.take_changes()
    linearizer.settle([Stay(name(1), 0)])
    assert linearizer.order.settled == 5
    liar = Entry(name(2), 0, 102, (Link(name(1), 3),), b"")
    assert linearizer.receive(liar, horizon=FAR) is Verdict.FALSE
    assert asked == [(name(1), 2)]
    honest = liar._replace(clock=103)
    assert linearizer.receive(honest, horizon=FAR) is Verdict.TAKEN


def test_who_links_to_the_middle_of_what_is_settled_has_seen_no_more() -> None:
    """Two sides that ended each other meet: each knows of the other's past the sum."""
    ends = [Link(name(2), 1), Link(name(3), 7)]

    def old_links(writer: bytes, start: int, end: int) -> list[Link]:
        return [] if writer != name(1) else ends[start:end]

    linearizer = Linearizer(
        older_clock=lambda _, sequence: 100 + sequence, old_links=old_links
    )
    for writer, length in ((name(2), 1), (name(3), 7)):
        for sequence in range(length):
            entry = Entry(writer, sequence, 10 + sequence, (), b"")
            linearizer.receive(entry, horizon=FAR)
    for sequence in range(4):
        links = tuple(ends[sequence : sequence + 1])
        entry = Entry(name(1), sequence, 100 + sequence, links, b"")
        linearizer.receive(entry, horizon=FAR)
    linearizer.take_changes()
    linearizer.settle([Stay(name(1), 0)])
    assert linearizer.order.settled == 12
    assert [linearizer.clock_of(name(1), n) for n in range(5)] == [
        0,
        100,
        101,
        102,
        103,
    ]
    late = Entry(name(4), 0, 105, (Link(name(1), 1),), b"")
    assert linearizer.receive(late, horizon=FAR) is Verdict.TAKEN
    seen = [linearizer.causality.seen(name(4), 0, name(n)) for n in (1, 2, 3)]
    assert seen == [1, 1, 0]


def test_a_contested_end_is_settled_but_not_confirmed() -> None:
    linearizer = Linearizer()
    links = {2: Link(name(1), 1), 3: Link(name(2), 1)}
    for writer, clock in ((name(1), 1), (name(2), 2), (name(1), 3), (name(1), 9)):
        seen = (links[clock],) if clock in links else ()
        entry = Entry(writer, linearizer.length(writer), clock, seen, b"")
        linearizer.receive(entry, horizon=FAR)
    linearizer.take_changes()
    gone = Stay(name(2), 1, (name(1), 0), end=9, contested=True)
    linearizer.settle([Stay(name(1), 0), gone])
    assert linearizer.order.settled == 4
    assert linearizer.confirmed == 2
    linearizer.settle([Stay(name(1), 0), gone._replace(contested=False)])
    assert linearizer.confirmed == 9


def test_clocks_ahead_wait_and_clocks_that_do_not_rise_are_shown() -> None:
    linearizer = Linearizer()
    entry = Entry(name(1), 0, 100, (), b"")
    assert linearizer.receive(entry, horizon=99) is Verdict.EARLY
    assert linearizer.receive(entry, horizon=100) is Verdict.TAKEN
    again = Entry(name(1), 1, 100, (), b"")
    assert linearizer.receive(again, horizon=FAR) is Verdict.FALSE
    with pytest.raises(LocalProtocolError):
        linearizer.receive(Entry(name(1), 3, 200, (), b""), horizon=FAR)
    assert linearizer.next_clock(50) == 101


def test_more_heads_than_links_are_linked_to_in_turns() -> None:
    linearizer = Linearizer()
    count = 2 * MAX_LINKS + 5
    for number in range(count):
        writer = bytes([1 + number]) + bytes(31)
        linearizer.receive(Entry(writer, 0, 1 + number, (), b""), horizon=FAR)
    own, linked = name(255), []
    for sequence in range(4):
        links = linearizer.links(own)
        linked.append(len(links))
        clock = linearizer.next_clock(0)
        linearizer.receive(Entry(own, sequence, clock, links, b""), horizon=FAR)
    assert linked == [MAX_LINKS, MAX_LINKS, 5, 0]


@pytest.mark.parametrize("seed", range(SEED, SEED + 10))
def test_what_does_not_count_has_no_place(seed: int) -> None:
    """Whenever one hears of it: before, in between or after."""
    chance = random.Random(seed)
    devices = flock(4)
    live(devices, chance, steps=80)
    for device in devices:
        device.linearizer.count(name(1), ((0, 5), (9, None)))
        device.follow()
    live(devices, chance, steps=80)
    settle(devices, chance)
    late = Device(name(77))
    meet(late, devices[0], chance)
    late.linearizer.count(name(1), ((0, 5), (9, None)))
    late.follow()
    wanted = sorted(
        entry.place
        for log in late.logs.values()
        for entry in log
        if entry.writer != name(1) or not 5 <= entry.sequence < 9
    )
    for device in (*devices, late):
        assert device.told == wanted
        device.linearizer.count(name(1), ALL)
        device.follow()
        assert len(device.told) == sum(map(len, late.logs.values()))


def test_two_histories_of_one_writer_end_alike_for_those_who_saw_either() -> None:
    ada, bob, eve = flock(3)
    common = [eve.write(b"%d" % number, now_ms=10 + number) for number in range(3)]
    halves = []
    for device, length in ((ada, 2), (bob, 4)):
        liar = Device(eve.writer)
        liar.hear(common)
        half = [
            liar.write(device.writer, now_ms=100 + number) for number in range(length)
        ]
        device.hear(common + half)
        halves.append(device.write(b"I saw it", now_ms=200))
    orders = []
    for device, other in ((ada, bob), (bob, ada)):
        log = device.logs[eve.writer]
        fresh = Device(device.writer, Linearizer({eve.writer: len(common)}))
        fresh.hear(log)
        assert fresh.linearizer.receive(log[3], horizon=FAR) is Verdict.FROZEN
        fresh.hear(device.logs[device.writer])
        fresh.hear(other.logs[other.writer])
        orders.append(fresh.told)
        for witness in halves:
            seen = fresh.linearizer.causality.seen(witness.writer, 0, eve.writer)
            assert seen == len(common)
    assert orders[0] == orders[1]
    assert len(orders[0]) == len(common) + 2


def test_changes_are_taken_before_anything_is_settled() -> None:
    linearizer = Linearizer()
    linearizer.receive(Entry(name(1), 0, 1, (), b""), horizon=FAR)
    with pytest.raises(LocalProtocolError):
        linearizer.settle([])
    assert list(linearizer.take_changes().done) == [Place(1, name(1), 0)]
    assert linearizer.settle([]) == ()


def test_a_log_that_is_frozen_holds_up_nobody() -> None:
    """What links beyond is as if it did not, also where it waited for that."""
    one, two = name(1), name(2)
    linearizer = Linearizer()
    first = Entry(one, 0, 5, (), b"first")
    beyond = Entry(two, 0, 9, (Link(one, 3),), b"had seen a half")
    assert linearizer.receive(first, horizon=FAR) is Verdict.TAKEN
    assert linearizer.receive(beyond, horizon=FAR) is Verdict.WAITING
    with pytest.raises(LocalProtocolError) as caught:
        linearizer.freeze(one, 0)
    assert caught.value.code == "taken"
    linearizer.freeze(one, 1)
    assert linearizer.woken() == [two]
    assert linearizer.clipped(beyond.links) == (Link(one, 1),)
    assert linearizer.receive(beyond, horizon=FAR) is Verdict.TAKEN
    assert linearizer.causality.current(two, one) == 1
    half = Entry(one, 1, 7, (), b"a half")
    assert linearizer.receive(half, horizon=FAR) is Verdict.FROZEN
    linearizer.take_changes()
    assert list(linearizer.order.tail) == [first.place, beyond.place]


def test_nobody_waits_for_a_log_that_was_frozen() -> None:
    one, two = name(1), name(2)
    stays = [Stay(one, 0), Stay(two, 0)]
    linearizer = Linearizer({two: 1})
    for entry in (
        Entry(two, 0, 3, (), b"last"),
        Entry(one, 0, 5, (Link(two, 1),), b"a"),
        Entry(one, 1, 8, (), b"b"),
    ):
        assert linearizer.receive(entry, horizon=FAR) is Verdict.TAKEN
    linearizer.take_changes()
    assert [place.clock for place in linearizer.settle(stays)] == [3, 5, 8]
