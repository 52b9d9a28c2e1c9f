"""All acts in one order, judged one after the other; late ones undo what is behind.

An act may make void what stands before it: a removal ends a log where its author had
seen it, a lower rank judges what its author had not seen. Such an act and everything
from the first act that it might hit, which is told from the acts themselves, are
judged together, in rounds: first as if nothing were cut, then with the cuts of
whatever took effect, until a round gives the cuts that it began with. What owners do to
others is judged before what admins do, and so on, so that no senior's act is void by a
junior whom it ends. Stretches that overlap are one. So the outcome follows from the set
of acts alone, and only the stretch is judged again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from app.rooms.law.act import Act
from app.rooms.law.case import CUTTING, WEAK, Cut, Effect, open_case
from app.rooms.law.judgement import judge
from app.rooms.law.state import State, Undo
from app.rooms.operations.acts import (
    AddDevice,
    Admit,
    Found,
    Mute,
    Remove,
    RemoveDevice,
    Rest,
    SetRole,
    Wake,
)
from app.rooms.roles import Role
from store.autobase import Place

MAX_ROUNDS: Final = 8
"""After as many rounds all cuts of the last ones are taken together."""
UNITED_ROUNDS: Final = 4
_BINDING = (Found, Admit, AddDevice)
_GIVING = (*_BINDING, SetRole, Mute, Wake)
"""What an entry must have seen to count, or to be judged otherwise."""

Cuts = dict[bytes, list[Cut]]


@dataclass(slots=True)
class _Record:
    """An act that is not settled, and what it did."""

    act: Act
    effect: Effect | None = None
    undo: Undo = field(default_factory=list)
    doubtful: bool = False
    """Rounds did not end: whatever still comes may turn it."""

    @property
    def place(self) -> Place:
        return self.act.place


class _Stage(NamedTuple):
    """Rounds in which what ends or lowers somebody counts from some force on."""

    level: int
    lost: Set[Place] = frozenset()
    """Acts that are void."""
    cuts: Mapping[bytes, list[Cut]] = MappingProxyType({})
    """To begin with."""


class _Outcome(NamedTuple):
    """What rounds led to."""

    cuts: Cuts
    lost: Set[Place]
    held: int
    ended: bool
    """The last one gave the cuts that it began with."""


class History:
    """The acts that are not settled, in order, and the state behind the last."""

    def __init__(self, state: State) -> None:
        """Begin without acts.

        Args:
            state: Changed by what is added and undone.
        """
        self._state = state
        self._records: list[_Record] = []
        self._cutting: list[_Record] = []
        self._by_device: dict[bytes, list[_Record]] = {}
        self._bound: dict[bytes, list[tuple[Place, bytes]]] = {}
        self._doubt: Place | None = None
        self.floor: Place | None = None
        """Acts up to here are settled."""

    def change(
        self, added: Iterable[Act], removed: Iterable[Place]
    ) -> dict[Place, tuple[tuple[Act, Effect], ...]]:
        """Put acts in and take others out.

        Args:
            added: Behind the floor and not in yet.
            removed: Places of acts that are in.

        Returns:
            Acts that take effect now and did not, or did and do not; where they do
            otherwise than before, both.
        """
        start = len(self._records)
        before: dict[Place, tuple[Act, Effect]] = {}
        for place in removed:
            at = self._index(place)
            start = min(start, at)
            self._undo(start, before)
            self._take_out(at)
        for act in sorted(added, key=_place):
            at = len(self._records)
            if self._records and act.place < self._records[-1].place:
                at = self._index(act.place)
            if at < start:
                start = at
                self._undo(start, before)
            self._put_in(at, act)
        start = self._widened(start)
        self._undo(start, before)
        self._judge_from(start)
        doubtful = (it.place for it in self._records if it.doubtful)
        self._doubt = next(doubtful, None)
        changed: dict[Place, tuple[tuple[Act, Effect], ...]] = {}
        for record in self._records[start:]:
            old = before.pop(record.place, None)
            now = None if record.effect is None else (record.act, record.effect)
            if old != now:
                pairs = tuple(it for it in (old, now) if it is not None)
                changed[record.place] = pairs
        # What is left was taken out.
        return changed | {place: (old,) for place, old in before.items()}

    @property
    def doubt(self) -> Place | None:
        """The first act of a stretch whose rounds did not end, if there is one."""
        return self._doubt

    def settle(self, place: Place) -> None:
        """Forget how to undo what stands up to a place.

        A stretch is judged as one: of one that goes on behind the place nothing is
        forgotten, and nothing from the first act in doubt on.
        """
        count = bisect_right(self._records, place, key=_record_place)
        if (doubt := self.doubt) is not None:
            count = min(count, self._index(doubt))
        for first, last in self._stretches(0):
            if first < count <= last:
                count = first
        if count < len(self._records) and self._records[count].place <= place:
            if not count:
                return
            place = self._records[count - 1].place
        for record in self._records[:count]:
            mine = self._by_device[record.act.writer]
            del mine[0]
            if not mine:
                del self._by_device[record.act.writer]
        cutting = [it for it in self._records[:count] if _cuts(it)]
        del self._cutting[: len(cutting)]
        del self._records[:count]
        if self.floor is None or self.floor < place:
            self.floor = place

    def led_in(self, ends: Mapping[bytes, Place]) -> dict[bytes, tuple[Place, Place]]:
        """Devices that others would have let in if they had not been ended, and so on.

        Args:
            ends: By device, what may not stand.

        Returns:
            By device, the void act and which end it rests on.
        """
        roots = dict(ends)
        found: dict[bytes, tuple[Place, Place]] = {}
        for record in self._records:
            body, end = record.act.body, roots.get(record.act.writer)
            if end is None or record.effect is not None:
                continue
            unheard = not record.act.had_seen(end.writer, end.sequence)
            if unheard and isinstance(body, Admit | AddDevice):
                device = body.proof.device
                found.setdefault(device, (record.place, end))
                roots.setdefault(device, end)
        return found

    def void_gifts(self) -> Iterator[tuple[bytes, Place]]:
        """Devices, and void acts that would matter to them if they took effect."""
        for record in self._records:
            body = record.act.body
            if record.effect is not None or not isinstance(body, _GIVING):
                continue
            if isinstance(body, Wake):
                yield body.device, record.place
                continue
            named = body.proof if isinstance(body, _BINDING) else body
            for _, device in self._bound.get(named.identity, ()):
                yield device, record.place

    def places_of(self, writer: bytes, sequences: Set[int]) -> list[Place]:
        """Where some acts of one log stand, as far as they are in and not settled."""
        mine = self._by_device.get(writer, ())
        return [it.place for it in mine if it.place.sequence in sequences]

    def _index(self, place: Place) -> int:
        return bisect_left(self._records, place, key=_record_place)

    def _put_in(self, at: int, act: Act) -> None:
        record = _Record(act)
        self._records.insert(at, record)
        mine = self._by_device.setdefault(act.writer, [])
        mine.insert(_position(mine, act.place), record)
        if _cuts(record):
            self._cutting.insert(_position(self._cutting, act.place), record)
        if isinstance(act.body, _BINDING):
            proof = act.body.proof
            bound = self._bound.setdefault(proof.identity, [])
            bound.append((act.place, proof.device))

    def _take_out(self, at: int) -> None:
        record = self._records.pop(at)
        place = record.place
        mine = self._by_device[record.act.writer]
        del mine[_position(mine, place)]
        if not mine:
            del self._by_device[record.act.writer]
        if _cuts(record):
            del self._cutting[_position(self._cutting, place)]
        body = record.act.body
        if isinstance(body, _BINDING):
            self._bound[body.proof.identity].remove((place, body.proof.device))

    def _undo(self, start: int, before: dict[Place, tuple[Act, Effect]]) -> None:
        """Undo everything from an index on; note what had been in effect."""
        for record in reversed(self._records[start:]):
            if record.effect is not None:
                before.setdefault(record.place, (record.act, record.effect))
        self._undo_between(start, len(self._records))

    def _undo_between(self, start: int, end: int) -> None:
        for record in reversed(self._records[start:end]):
            self._state.undo(record.undo)
            record.undo, record.effect, record.doubtful = [], None, False

    def _first_hit(self, record: _Record) -> int | None:
        """The index of the first act that a cutting act might hit."""
        act = record.act
        hits = (
            self._hit(device, act.length_of(device), act.place)
            for device in self._devices_cut_by(act)
        )
        first = min((hit for hit in hits if hit is not None), default=None)
        return None if first is None else self._index(first)

    def _hit(self, device: bytes, length: int, place: Place) -> Place | None:
        """The first act of a device beyond a length and before a place."""
        mine = self._by_device.get(device)
        if mine is None:
            return None
        at = bisect_left(mine, length, key=_record_sequence)
        return mine[at].place if at < len(mine) and mine[at].place < place else None

    def _devices_cut_by(self, act: Act) -> Iterator[bytes]:
        body = act.body
        if isinstance(body, RemoveDevice | Rest):
            yield body.device
        elif isinstance(body, SetRole | Remove):
            for place, device in self._bound.get(body.identity, ()):
                if place < act.place:
                    yield device

    def _widened(self, start: int) -> int:
        """Go back to where no act from there on hits anything before."""
        for record in reversed(self._cutting):
            if start >= len(self._records) or record.place < self._records[start].place:
                break
            first = self._first_hit(record)
            if first is not None:
                start = min(start, first)
        return start

    def _stretches(self, start: int) -> list[tuple[int, int]]:
        """Where acts hit earlier ones: first and last index, apart, in order."""
        if start >= len(self._records):
            return []
        at = _position(self._cutting, self._records[start].place)
        found = []
        for record in self._cutting[at:]:
            first = self._first_hit(record)
            if first is not None:
                found.append((first, self._index(record.place)))
        joined: list[tuple[int, int]] = []
        for first, last in sorted(found):
            if joined and first <= joined[-1][1]:
                first, old = joined.pop()
                last = max(last, old)
            joined.append((first, last))
        return joined

    def _judge_from(self, start: int) -> None:
        for first, last in self._stretches(start):
            self._judge(start, first)
            self._settle_rounds(first, last + 1)
            start = last + 1
        self._judge(start, len(self._records))

    def _judge(self, start: int, end: int, cuts: Cuts | None = None) -> None:
        for record in self._records[start:end]:
            record.effect = judge(self._state, record.act, cuts)
            record.undo = self._state.take_undo()

    def _settle_rounds(self, start: int, end: int) -> None:
        """Judge a stretch, anew while what made others lose is void in the end itself.

        So nobody loses by an act that never counts, and that the stretch reaches
        further back for such an act changes nothing.
        """
        barred: frozenset[Place] = frozenset()
        for _ in range(MAX_ROUNDS):
            overruled, sure = self._settle_ranks(start, end, barred)
            if not overruled:
                break
            barred |= overruled
            self._undo_between(start, end)
        else:
            sure = False
            self._settle_ranks(start, end, barred)
        if not sure:
            for record in self._records[start:end]:
                record.doubtful = True

    def _settle_ranks(
        self, start: int, end: int, barred: frozenset[Place]
    ) -> tuple[frozenset[Place], bool]:
        """Judge a stretch, what the highest ranks do to others before the rest.

        Whose act ends or lowers somebody and does not count there in the rounds of its
        rank has lost: it is void in those that follow.

        Args:
            start: Index of the first act.
            end: The one behind the last.
            barred: Acts that are void.

        Returns:
            Acts that counted in the rounds of a rank, in which others lost, and are
            void in the end: those of the highest such rank; and whether all rounds
            ended.
        """
        sure, acted = True, list[frozenset[Place]]()
        level = int(Role.OWNER) if self._is_quarrel(start, end) else WEAK
        stage = _Stage(level, barred)
        while True:
            outcome = self._rounds(start, end, stage)
            sure = sure and outcome.ended
            # What is held back by its force decides where there is more to do.
            level = outcome.held if outcome.ended else stage.level - 1
            if level < WEAK:
                break
            if outcome.lost:
                acted.append(self._cutting_in_effect(start, end))
            self._undo_between(start, end)
            stage = _Stage(level, stage.lost | outcome.lost, outcome.cuts)
        still = self._cutting_in_effect(start, end)
        overruled = (counted - still for counted in acted)
        return next((places for places in overruled if places), frozenset()), sure

    def _cutting_in_effect(self, start: int, end: int) -> frozenset[Place]:
        """Where the acts stand that end or lower somebody now."""
        records = self._records[start:end]
        return frozenset(
            it.place for it in records if _cuts(it) and it.effect is not None
        )

    def _is_quarrel(self, start: int, end: int) -> bool:
        """Whether devices of several people end or lower somebody in a stretch."""
        cutting = (it for it in self._records[start:end] if _cuts(it))
        return len({it.act.writer for it in cutting}) > 1

    def _rounds(self, start: int, end: int, stage: _Stage) -> _Outcome:
        """Judge a stretch until its cuts are those that were begun with."""
        rounds: list[Cuts] = []
        applied: Cuts = dict(stage.cuts)
        for _ in range(MAX_ROUNDS):
            lost, held = self._judge_stage(start, end, stage, applied)
            cuts = self._collected(start, end)
            if cuts == applied:
                return _Outcome(applied, lost, held, ended=True)
            rounds.append(cuts)
            applied = cuts
            self._undo_between(start, end)
        united: Cuts = {}
        for cuts in rounds[-UNITED_ROUNDS:]:
            for device, its in cuts.items():
                known = united.setdefault(device, [])
                known.extend(cut for cut in its if cut not in known)
        lost, held = self._judge_stage(start, end, stage, united)
        return _Outcome(united, lost, held, ended=False)

    def _judge_stage(
        self, start: int, end: int, stage: _Stage, cuts: Cuts
    ) -> tuple[set[Place], int]:
        """One round.

        Returns:
            The acts whose authors do not count there, and the highest force of those
            that are held back; less than ``WEAK`` when none is.
        """
        state, held = self._state, WEAK - 1
        lost: set[Place] = set()
        for record in self._records[start:end]:
            if record.place in stage.lost:
                continue
            record.effect = judge(state, record.act, cuts)
            record.undo = state.take_undo()
            if not _cuts(record):
                continue
            if record.effect is None:
                if open_case(state, record.act, cuts) is None:
                    lost.add(record.place)
            elif record.effect.force < stage.level:
                held = max(held, record.effect.force)
                state.undo(record.undo)
                record.undo, record.effect = [], None
        return lost, held

    def _collected(self, start: int, end: int) -> Cuts:
        """The cuts of what took effect, as far as they might hit an act."""
        cuts: Cuts = {}
        for record in self._records[start:end]:
            if record.effect is None:
                continue
            for cut in record.effect.cuts:
                if self._hit(cut.device, cut.length, cut.place) is not None:
                    cuts.setdefault(cut.device, []).append(cut)
        return cuts


def _cuts(record: _Record) -> bool:
    return isinstance(record.act.body, CUTTING)


def _place(act: Act) -> Place:
    return act.place


def _record_place(record: _Record) -> Place:
    return record.act.place


def _record_sequence(record: _Record) -> int:
    return record.act.place.sequence


def _position(records: list[_Record], place: Place) -> int:
    return bisect_left(records, place, key=_record_place)
