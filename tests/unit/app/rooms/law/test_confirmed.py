"""The law beside the order of entries: what was confirmed is never judged otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from app.rooms.law import REST_AFTER_MS, Act, Law
from app.rooms.roles import Role
from store.autobase import Entry, Linearizer, Link, Place, Verdict
from store.errors import LocalProtocolError
from tests.unit.app.rooms.law.convergent import outcome
from tests.unit.app.rooms.law.scene import ADA, BO, CY, DI, Scene, Written
from tests.unit.app.rooms.law.test_convergence import history_of

FAR = 2**50


class Peer:
    """One that takes entries in some order, and settles as it goes."""

    def __init__(self, scene: Scene) -> None:
        self.logs = scene.logs
        self.linearizer = Linearizer(
            older_clock=lambda writer, at: self.logs[writer][at].place.clock,
            old_links=self._links_between,
        )
        self.law = Law(scene.founder.device, first_that_saw=self._first_that_saw)
        self.clocks: dict[tuple[bytes, int], int] = {}
        self.confirmed: list[Place] = []
        self.writers = list(scene.logs)
        for writer in self.writers:
            self.linearizer.count(writer, self.law.spans(writer))

    def _first_that_saw(self, device: bytes, host: tuple[bytes, int]) -> int | None:
        return self.linearizer.causality.first_that_saw(device, *host)

    def _links_between(self, writer: bytes, start: int, end: int) -> Iterator[Link]:
        for written in self.logs[writer][start:end]:
            yield from links_of(written)

    def take(self, written: Written) -> bool:
        """Take the next entry of a log, if what it had seen is here."""
        place, linearizer = written.place, self.linearizer
        links = links_of(written)
        entry = Entry(place.writer, place.sequence, place.clock, links, b"")
        if linearizer.receive(entry, horizon=FAR) is not Verdict.TAKEN:
            return False
        self.clocks[place.writer, place.sequence] = place.clock
        changed = {place.writer}
        if written.act is not None:
            changed |= self.law.add([self._act(written.act)]).devices.keys()
        for device in changed:
            with suppress(LocalProtocolError):
                linearizer.count(device, self.law.spans(device))
        return True

    def _act(self, act: Act) -> Act:
        place, causality = act.place, self.linearizer.causality
        seen = {
            it: causality.seen(place.writer, place.sequence, it) for it in self.writers
        }
        clocks = {it: self.clocks[it, n - 1] for it, n in seen.items() if n}
        return Act(place, act.sent_at, act.body, seen, clocks)

    def settle(self) -> None:
        """Confirm what can be."""
        with suppress(LocalProtocolError):
            self.linearizer.take_changes()
        self.linearizer.settle(self.law.stays())
        clock = self.linearizer.confirmed
        found = [it for it in self.counted() if it.clock <= clock]
        assert found[: len(self.confirmed)] == self.confirmed
        self.confirmed = found
        if clock:
            self.law.settle(Place(clock + 1, b"", 0))

    def counted(self) -> list[Place]:
        """All that is here and counts, in order."""
        return sorted(
            it.place
            for writer, log in self.logs.items()
            for it in log[: self.linearizer.length(writer)]
            if self.law.rank_at(writer, it.place) is not None
        )


def links_of(written: Written) -> tuple[Link, ...]:
    """All that an entry had seen."""
    return tuple(
        Link(writer, length)
        for writer, length in sorted(written.seen.items())
        if writer != written.place.writer and length
    )


@pytest.mark.parametrize("group", range(10))
def test_peers_that_settle_as_they_go_end_alike(group: int) -> None:
    for seed in range(group, 300, 10):
        settle_as_they_go(seed, 20 + seed % 70)


def test_two_sides_that_ended_each_other_end_alike_when_they_meet() -> None:
    """Ada removes Bo, whose devices had put hers to rest before, unheard."""
    settle_as_they_go(316, 346)


def test_an_end_confirms_nothing_while_its_author_may_turn_out_lower() -> None:
    """Bo and Di put each other to rest, unheard; Cy, an admin, settles that for Bo.

    Ada had made Cy a moderator, who is not senior to Di: then Di's rest of Bo wins.
    """
    scene = Scene()
    scene.let_in(ADA, 1, DI, role=Role.MODERATOR)
    scene.let_in(ADA, 2, BO)
    scene.let_in(ADA, 3, CY, role=Role.ADMIN)
    scene.meet(ADA, BO, CY, DI)
    late = [scene.rest(DI, BO, clock=REST_AFTER_MS + 100).place]
    scene.rest(BO, DI, clock=REST_AFTER_MS + 200)
    said = scene.entry(BO)
    for _ in range(2):
        scene.meet(ADA, BO, CY)
        for seat in (ADA, BO, CY):
            scene.entry(seat)
    lowered = scene.set_role(ADA, CY, Role.MODERATOR, clock=REST_AFTER_MS + 300)
    late.append(lowered.place)
    scene.rest(CY, DI, clock=REST_AFTER_MS + 400)
    peer = Peer(scene)
    places = sorted(it.place for log in scene.logs.values() for it in log)
    for place in [it for it in places if it not in late]:
        assert peer.take(scene.logs[place.writer][place.sequence])
    peer.settle()
    assert said in peer.counted()
    for place in late:
        assert peer.take(scene.logs[place.writer][place.sequence])
    peer.settle()
    assert said not in peer.counted()


def settle_as_they_go(seed: int, size: int) -> None:
    """One peer that hears a history in pieces, and what it confirms meanwhile."""
    rng = random.Random(seed)
    scene, _ = history_of(rng, size)
    whole = scene.fresh_law()
    whole.add(scene.acts)
    peer = Peer(scene)
    due = {writer: list(log) for writer, log in scene.logs.items()}
    while due:
        writer = rng.choice(list(due))
        for _ in range(rng.randrange(1, 6)):
            if not due[writer] or not peer.take(due[writer][0]):
                break
            del due[writer][0]
        if not due[writer]:
            del due[writer]
        if rng.random() < 0.3:
            peer.settle()
    peer.settle()
    assert outcome(peer.law) == outcome(whole), seed
    counted = sorted(
        it.place
        for log in scene.logs.values()
        for it in log
        if whole.rank_at(it.place.writer, it.place) is not None
    )
    assert counted[: len(peer.confirmed)] == peer.confirmed, seed


def test_something_is_settled() -> None:
    """The test above would hold as well if nothing ever was."""
    settled = 0
    for seed in range(5):
        scene, _ = history_of(random.Random(seed), 60)
        peer = Peer(scene)
        due = sorted(it.place for log in scene.logs.values() for it in log)
        for place in due:
            assert peer.take(scene.logs[place.writer][place.sequence])
            peer.settle()
        settled += len(peer.confirmed)
    assert settled > 20
