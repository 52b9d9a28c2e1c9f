"""The test of rooms bites: each of these faults, planted alone, is found by seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.rooms import sayings
from app.rooms.law import Act, Law, judgement, sanctions
from app.rooms.law import history as histories
from app.rooms.law.case import Case, Effect
from app.rooms.operations import Rotate
from app.rooms.roles import Right
from app.rooms.view import RoomView
from store.autobase import Linearizer, Place, linearizer
from store.autobase.causality import Causality
from store.contents import effects
from tests.sim.test_rooms import run

MAX_SEEDS = 300
FIRST_SEEDS = {
    "changes_of_the_unseen": 95,
    "rights_that_were_not_known": 60,
}
"""Where to begin among these seeds, to be done soon; others are found by the first."""

Plant = Callable[[pytest.MonkeyPatch], None]


def last_edit_by_arrival(patch: pytest.MonkeyPatch) -> None:
    find = effects.Effects._edit

    def faulty(self: Any, number: int, who: bytes) -> Any:
        found = self._connection.execute(
            "SELECT id, detail FROM change WHERE target = ? AND kind = 33"
            " AND identity = ? AND shown = 1 ORDER BY id DESC LIMIT 1",
            (number, who),
        ).fetchone()
        return found or find(self, number, who)

    patch.setattr(effects.Effects, "_edit", faulty)


def acts_by_arrival(patch: pytest.MonkeyPatch) -> None:
    """Late acts are judged behind those that came before them."""
    change = histories.History.change

    def faulty(self: Any, added: Iterable[Act], removed: Iterable[Place]) -> Any:
        last = self._records[-1].place if self._records else None
        late = [it for it in added if last is None or it.place > last]
        return change(self, late, removed)

    patch.setattr(histories.History, "change", faulty)


def one_too_few_undone(patch: pytest.MonkeyPatch) -> None:
    undo = histories.State.undo

    def faulty(entries: Any) -> None:
        undo(entries[1:] if len(entries) > 2 else entries)

    patch.setattr(histories.State, "undo", staticmethod(faulty))


def rights_of_now(patch: pytest.MonkeyPatch) -> None:
    """What one may now decides, not what one might there."""

    def faulty(self: Law, device: bytes, place: Place, right: Right) -> bool:
        return self.may(device, right) and not self.muted_at(device, place)

    patch.setattr(Law, "may_at", faulty)


def rights_that_were_not_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Law, "_saw", lambda *_: True)


def removal_without_lengths(patch: pytest.MonkeyPatch) -> None:
    """What was written unheard before a removal counts."""
    end = sanctions._end

    def faulty(state: Any, device: bytes, place: Place, length: int) -> None:
        end(state, device, place, max(length, 10_000))

    patch.setattr(sanctions, "_end", faulty)


def words_of_the_removed_stay(patch: pytest.MonkeyPatch) -> None:
    """What the rules let count once stays, reactions and all."""
    patch.setattr(
        sayings.Sayings, "judge", lambda *_, **__: effects.Outcome((), 0, refused=0)
    )


def changes_of_the_unseen(patch: pytest.MonkeyPatch) -> None:
    def faulty(*args: Any) -> Any:
        return args[4]

    patch.setattr(sayings.Sayings, "_seen_targets", faulty)


def links_forgotten_at_a_start(patch: pytest.MonkeyPatch) -> None:
    resume = Causality.resume

    def faulty(self: Any, writer: bytes, floor: int, base: Any, steps: Any) -> None:
        del base
        resume(self, writer, floor, (), steps)

    patch.setattr(Causality, "resume", faulty)


def void_counts_after_a_start(patch: pytest.MonkeyPatch) -> None:
    load = RoomView.load

    def faulty(self: RoomView, connection: Any) -> None:
        load(self, connection)
        self.law._firsts.update(dict.fromkeys(self.law._firsts, 0))
        connection.execute("UPDATE content SET shown = 1")

    patch.setattr(RoomView, "load", faulty)


def first_turn_wins(patch: pytest.MonkeyPatch) -> None:
    """Of several turns of the key the first to come stays current."""
    epoch = Law.epoch.fget
    assert epoch is not None
    kept: dict[int, Any] = {}

    def faulty(self: Law) -> Any:
        return kept.setdefault(id(self), epoch(self)) or epoch(self)

    patch.setattr(Law, "epoch", property(faulty))


def order_of_keys_at_a_tie(patch: pytest.MonkeyPatch) -> None:
    """The turn of the key with the higher id is current, wherever it stands."""
    judge: Mapping[Any, Any] = judgement._JUDGES
    rotate = judge[Rotate]

    def faulty(case: Case, body: Rotate) -> Effect | None:
        before = case.state.room.epoch
        effect: Effect | None = rotate(case, body)
        if effect is not None and before is not None and before.id > body.epoch:
            case.state.put_room(replace(case.state.room, epoch=before))
        return effect

    patch.setitem(judgement._JUDGES, Rotate, faulty)


def mute_for_the_future_only(patch: pytest.MonkeyPatch) -> None:
    """Who had not heard of a mute goes on speaking."""

    def faulty(self: Law, device: bytes, place: Place) -> bool:
        member = self._state.owner_of(device)
        until = 0
        for muting in member.mutes if member is not None else ():
            if muting.since < place and self._saw(device, place, muting.since):
                until = muting.until_ms
        return place.clock < until

    patch.setattr(Law, "muted_at", faulty)


def confirmed_too_far(patch: pytest.MonkeyPatch) -> None:
    """What the one said last is confirmed, whoever has heard it."""

    def faulty(self: Linearizer, stays: Any) -> int:
        del stays
        return self.clock

    patch.setattr(linearizer.Linearizer, "_confirmed", faulty)


FAULTS: tuple[Plant, ...] = (
    acts_by_arrival,
    changes_of_the_unseen,
    confirmed_too_far,
    first_turn_wins,
    last_edit_by_arrival,
    links_forgotten_at_a_start,
    mute_for_the_future_only,
    one_too_few_undone,
    order_of_keys_at_a_tie,
    removal_without_lengths,
    rights_of_now,
    rights_that_were_not_known,
    void_counts_after_a_start,
    words_of_the_removed_stay,
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    first = FIRST_SEEDS.get(plant.__name__, 0)
    for number in range(MAX_SEEDS):
        try:
            run((first + number) % MAX_SEEDS)
        except Exception:  # noqa: BLE001 - whatever a fault breaks, it is found
            return
    pytest.fail("no seed finds it")
