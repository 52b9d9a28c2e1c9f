"""Attempts, priorities, the queue and the retry timers."""

from __future__ import annotations

import random

import pytest

from net.flow import Scheduler
from net.swarm.peer_info import PeerInfo, Priority
from net.swarm.peer_queue import PeerQueue
from net.swarm.retry_timer import Backoff, BulkTimer, RetryTimer, select_backoff


def make_peer(number: int = 0, **values: object) -> PeerInfo:
    peer = PeerInfo(bytes([number]) * 32)
    for name, value in values.items():
        setattr(peer, name, value)
    return peer


@pytest.mark.parametrize(
    ("attempts", "priority"),
    [
        (0, Priority.NORMAL),
        (1, Priority.VERY_HIGH),
        (2, Priority.HIGH),
        (3, Priority.LOW),
    ],
)
def test_priority_follows_the_attempts(attempts: int, priority: Priority) -> None:
    peer = make_peer(attempts=attempts)
    assert peer.update_priority()
    assert peer.priority is priority


def test_a_peer_tried_too_often_is_queued_only_when_explicit() -> None:
    assert not make_peer(attempts=4).update_priority()
    explicit = make_peer(attempts=4, explicit=True)
    assert explicit.update_priority()
    assert explicit.attempts == 3


def test_banned_and_queued_peers_are_not_queued() -> None:
    assert not make_peer(banned=True).update_priority()
    assert not make_peer(queued=True).update_priority()


@pytest.mark.parametrize(("lasted_s", "attempts"), [(14.9, 3), (15.0, 1)])
def test_a_stable_connection_forgives_the_past(lasted_s: float, attempts: int) -> None:
    peer = make_peer(attempts=2)
    peer.note_connected(100.0)
    peer.note_disconnected(100.0 + lasted_s)
    assert peer.attempts == attempts
    assert peer.proven


@pytest.mark.parametrize(
    ("attempts", "proven", "explicit", "backoff"),
    [
        (0, False, False, Backoff.SHORT),
        (1, True, False, Backoff.SHORT),
        (1, False, False, Backoff.MEDIUM),
        (2, True, False, Backoff.MEDIUM),
        (2, False, False, Backoff.LONG),
        (3, True, False, Backoff.LONG),
        (3, False, False, Backoff.LONG),
        (4, True, False, None),
        (4, True, True, Backoff.VERY_LONG),
    ],
)
def test_the_backoff_table(
    attempts: int, proven: bool, explicit: bool, backoff: Backoff | None
) -> None:
    peer = make_peer(attempts=attempts, proven=proven, explicit=explicit)
    assert select_backoff(peer) is backoff


def test_no_backoff_for_the_banned_and_for_those_not_to_reconnect() -> None:
    assert select_backoff(make_peer(attempts=1, banned=True)) is None
    assert select_backoff(make_peer(attempts=1, reconnecting=False)) is None


def test_the_queue_gives_the_highest_priority_first_and_shuffles_within() -> None:
    orders = set()
    for seed in range(20):
        queue = PeerQueue(random.Random(seed).randbytes)
        for number, priority in enumerate(
            [Priority.NORMAL, Priority.VERY_HIGH, Priority.NORMAL, Priority.LOW]
        ):
            queue.add(make_peer(number, priority=priority))
        taken = [queue.take() for _ in range(4)]
        assert [it.priority for it in taken] == [4, 2, 2, 1]
        assert not any(it.queued for it in taken)
        orders.add(tuple(it.public_key[0] for it in taken))
    assert orders == {(1, 0, 2, 3), (1, 2, 0, 3)}


def test_clearing_the_queue_releases_everybody() -> None:
    queue = PeerQueue(random.Random(1).randbytes)
    queue.add(make_peer(1))
    [peer] = queue.clear()
    assert not peer.queued
    assert len(queue) == 0
    with pytest.raises(IndexError):
        queue.take()


def test_a_bulk_timer_releases_at_the_second_tick() -> None:
    scheduler = Scheduler()
    due: list[tuple[float, int]] = []
    timer = BulkTimer(
        scheduler,
        10.0,
        lambda peers: due.extend((scheduler.now, it.public_key[0]) for it in peers),
    )

    timer.add(make_peer(1))
    scheduler.handle_timer(3.0)
    timer.add(make_peer(2))
    scheduler.handle_timer(6.61)
    timer.add(make_peer(3))
    for at in (13.21, 19.81, 26.41):
        scheduler.handle_timer(at)

    assert due == [(13.21, 1), (13.21, 2), (19.81, 3)]
    assert scheduler.get_timer() is None, "no tick while nobody waits"


def test_an_idle_bulk_timer_keeps_its_grid() -> None:
    scheduler = Scheduler()
    due: list[float] = []
    timer = BulkTimer(scheduler, 10.0, lambda _: due.append(scheduler.now))
    timer.add(make_peer(1))
    for at in (6.6, 13.2, 19.8):
        scheduler.handle_timer(at)
    scheduler.handle_timer(30.0)
    timer.add(make_peer(2))

    assert scheduler.get_timer() == pytest.approx(33.0)
    scheduler.handle_timer(33.0001)
    scheduler.handle_timer(39.6001)
    assert due[1] == pytest.approx(39.6001)


@pytest.mark.parametrize("seed", range(5))
def test_retry_waits_lie_in_the_documented_ranges(seed: int) -> None:
    scheduler = Scheduler()
    due: dict[int, float] = {}
    retry = RetryTimer(
        scheduler,
        random.Random(seed).randbytes,
        lambda peers: due.update({it.public_key[0]: scheduler.now for it in peers}),
    )
    assert retry.add(make_peer(1, attempts=1, proven=True))
    assert retry.add(make_peer(2, attempts=2, proven=True))
    assert retry.add(make_peer(3, attempts=3))
    assert retry.add(make_peer(4, attempts=4, explicit=True))
    assert not retry.add(make_peer(5, attempts=4))
    while (at := scheduler.get_timer()) is not None:
        scheduler.handle_timer(at)

    assert 1.0 * 1.32 <= due[1] <= 2.0 * 1.32
    assert 5.0 * 1.32 <= due[2] <= 6.5 * 1.32
    assert 15.0 * 1.32 <= due[3] <= 17.5 * 1.32
    assert 600.0 * 1.32 <= due[4] <= 720.5 * 1.32


def test_clearing_the_retry_timers_releases_everybody() -> None:
    scheduler = Scheduler()
    retry = RetryTimer(scheduler, random.Random(1).randbytes, lambda _: None)
    peer = make_peer(1, attempts=1)
    retry.add(peer)
    assert retry.clear() == [peer]
    assert scheduler.get_timer() is None
