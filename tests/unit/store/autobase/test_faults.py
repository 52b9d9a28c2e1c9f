"""The tests of this folder bite: each of these faults, planted alone, is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from store.autobase import Entry, Link, Place, Reorder, Stay, Verdict, linearizer
from store.autobase.causality import Causality
from store.autobase.gate import Gate
from store.autobase.linearizer import Linearizer
from store.autobase.order import Order
from store.errors import LocalProtocolError
from tests.unit.store.autobase import test_confirmation, test_linearizer

SEEDS = range(1, 41)

Plant = Callable[[pytest.MonkeyPatch], None]


def order_of_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(
        self: Order, added: Iterable[Place], removed: Iterable[Place] = ()
    ) -> Reorder:
        kept = len(self)
        coming = [it for it in added if it not in set(removed)]
        self._places += coming
        return Reorder(kept, (), coming)

    monkeypatch.setattr(Order, "change", change)


def ties_by_number_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two entries of one clock stand as they came."""
    receive = Linearizer.receive
    known: dict[int, dict[tuple[bytes, int], int]] = {}

    def faulty(self: Linearizer, entry: Entry, *, horizon: int) -> Verdict:
        ranks = known.setdefault(id(self), {})
        rank = ranks.setdefault((entry.writer, entry.sequence), len(ranks))
        coarse = entry.clock // 5_000 * 5_000 + rank
        clocks = self._gate.clocks
        clock = max(coarse, clocks.get(entry.writer, 0) + 1)
        return receive(self, entry._replace(clock=clock), horizon=horizon)

    monkeypatch.setattr(Linearizer, "receive", faulty)


def one_too_few_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Order.change

    def faulty(self: Order, *changes: Any) -> Reorder:
        reorder = change(self, *changes)
        return reorder._replace(undone=reorder.undone[1:]) if reorder else reorder

    monkeypatch.setattr(Order, "change", faulty)


def effects_before_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    offer = Gate.offer

    def faulty(self: Gate, entry: Entry, **kw: Any) -> Verdict:
        return offer(self, entry._replace(links=()), **kw)

    monkeypatch.setattr(Gate, "offer", faulty)


def nobody_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "woken", lambda _: [])


def only_what_is_linked_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(_: Causality, steps: Any, entry: Entry, link: Link) -> None:
        if steps.seen.get(link.writer, 0) < link.length:
            steps.note(entry.sequence, link.writer, link.length)

    monkeypatch.setattr(Causality, "_follow", follow)


def seen_one_entry_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Causality.seen

    def faulty(self: Causality, writer: bytes, sequence: int, other: bytes) -> int:
        later = sequence if other == writer else sequence + 1
        return seen(self, writer, later, other)

    monkeypatch.setattr(Causality, "seen", faulty)


def own_clock_ignores_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def next_clock(self: Linearizer, now_ms: int) -> int:
        return max(now_ms, max(self._gate.clocks.values(), default=0) % 7 + 1)

    monkeypatch.setattr(Linearizer, "next_clock", next_clock)


def void_entries_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Linearizer, "_take_out", lambda *_: None)


def heads_that_are_linked_stay_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Linearizer, "_behead", lambda *_: None)


def confirmed_when_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Linearizer, "_first_unseen", lambda *_: None)


def confirmed_without_the_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(sure: dict[Stay, int]) -> int:
        return max((sure[stay] for stay in sure if stay.end is None), default=0)

    monkeypatch.setattr(linearizer, "confirmed_clock", faulty)


def newcomers_are_sure_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sure = Linearizer._sure

    def faulty(self: Linearizer, stay: Stay) -> int:
        clock = self._gate.clocks.get(stay.writer, 0)
        return sure(self, stay) if clock > stay.start else 1 << 50

    monkeypatch.setattr(Linearizer, "_sure", faulty)


FAULTS: list[Plant] = [
    order_of_arrival,
    ties_by_number_alone,
    one_too_few_undone,
    effects_before_causes,
    nobody_is_woken,
    only_what_is_linked_was_seen,
    seen_one_entry_too_soon,
    own_clock_ignores_others,
    void_entries_stay,
    heads_that_are_linked_stay_heads,
    confirmed_when_heard,
    confirmed_without_the_silent,
    newcomers_are_sure_of_all,
]


def _try_everything(seed: int) -> None:
    test_confirmation.test_a_confirmed_prefix_never_changes(seed)
    test_linearizer.test_all_devices_end_with_one_order(seed)
    test_linearizer.test_what_does_not_count_has_no_place(seed)
    if seed < SEEDS[0] + 3:
        test_linearizer.test_what_each_entry_had_seen(seed)
        test_linearizer.test_causes_stand_before_what_they_led_to()
        test_linearizer.test_more_heads_than_links_are_linked_to_in_turns()


def _try_many() -> None:
    for seed in SEEDS:
        _try_everything(seed)


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, LocalProtocolError, KeyError)):
        _try_many()


def test_without_a_fault_nothing_is_found() -> None:
    for seed in SEEDS[:5]:
        _try_everything(seed)
