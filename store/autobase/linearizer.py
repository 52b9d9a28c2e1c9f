"""One order out of many logs: entries in, changes of the order out.

    linearizer.receive(entry, horizon=now_ms + DAY_MS)
    for writer in linearizer.woken():  # their logs may go on
        ...
    reorder = linearizer.take_changes()

A machine without a disk. It keeps, for each entry, its place and what it added to what
its writer had seen; the entries themselves stay where they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from store.autobase.causality import Causality, OldLinks
from store.autobase.confirmation import Stay, confirmed_clock
from store.autobase.entry import MAX_LINKS, Entry, Link, Place
from store.autobase.gate import Gate, Verdict
from store.autobase.order import Order, Reorder
from store.autobase.saved import Saved, SavedLog
from store.autobase.spans import ALL, Spans, before, counts
from store.errors import LocalProtocolError
from store.hypercore.wire import MAX_SAFE_UINT


class Linearizer:
    """The history of one set of logs, void entries included: causes of what counts.

    Attributes:
        causality: What each entry had seen.
        order: All entries that count; as of the last ``take_changes``.
        clock: The highest of all that were taken.
        confirmed: Up to this clock nothing comes in or goes out any more, whatever
            anybody wrote unheard.
    """

    def __init__(
        self,
        frozen: Mapping[bytes, int] | None = None,
        *,
        saved: Saved | None = None,
        older_clock: Callable[[bytes, int], int] | None = None,
        old_links: OldLinks | None = None,
    ) -> None:
        """Begin without entries, or with those that another one had.

        Args:
            frozen: Lengths of logs whose writers were shown to have written two
                histories or clocks that do not rise: where they do (see ``freeze``).
                What others link to beyond is nothing, to everybody, whichever half of
                it they had seen.
            saved: What ``save`` gave.
            older_clock: Of an entry of a log, by number, that is confirmed and not the
                last one of these; 0 where nobody can tell. Asked for who links to
                what all others have left behind.
            old_links: Of entries that are confirmed, by log, from a number to before
                another: all that these link to. Asked for the same reason.
        """
        self._frozen = dict(frozen or {})
        self._old_links = old_links
        self.causality = Causality(self._linked_before if old_links else None)
        self.confirmed = 0
        self.order = Order()
        self.clock = 0
        self._gate = Gate()
        self._heads: dict[bytes, Place] = {}
        self._spans: dict[bytes, Spans] = {}
        self._taken: dict[bytes, list[Place]] = {}
        self._settled: dict[bytes, int] = {}
        self._settled_clocks: dict[bytes, int] = {}
        self._resumed = frozenset(saved.logs if saved is not None else ())
        self._older_clock = older_clock or _untold
        self._added: set[Place] = set()
        self._removed: set[Place] = set()
        if saved is not None:
            self._resume(saved)

    @property
    def writers(self) -> Iterable[bytes]:
        """Whose logs something was taken of."""
        return self._gate.lengths.keys()

    def length(self, writer: bytes) -> int:
        """How much of a log was taken."""
        return self._gate.lengths.get(writer, 0)

    def clock_of(self, writer: bytes, length: int) -> int:
        """The clock of the last entry before a length; 0 before the first."""
        confirmed = self._settled.get(writer, 0)
        if length > confirmed:
            return self._taken[writer][length - confirmed - 1].clock
        if length < confirmed:
            return self._older_clock(writer, length - 1) if length else 0
        return self._settled_clocks.get(writer, 0)

    def receive(self, entry: Entry, *, horizon: int) -> Verdict:
        """Take the next entry of a log, if it may be taken; see ``Gate.offer``."""
        if self._frozen:
            if entry.sequence >= self._frozen.get(entry.writer, entry.sequence + 1):
                return Verdict.FROZEN
            entry = entry._replace(links=tuple(self._clipped(entry.links)))
        verdict = self._gate.offer(entry, horizon=horizon, clock_of=self._linked_clock)
        if verdict is Verdict.TAKEN:
            self.causality.add(entry)
            self.clock = max(self.clock, entry.clock)
            place = entry.place
            self._behead(entry)
            self._heads[entry.writer] = place
            self._taken.setdefault(entry.writer, []).append(place)
            if counts(self._spans.get(entry.writer, ALL), place.sequence):
                self._added.add(place)
        return verdict

    def freeze(self, writer: bytes, length: int) -> None:
        """Let a log end at a length: what others link to beyond is nothing.

        Raises:
            LocalProtocolError: ``taken``: more of it was taken; begin anew.
        """
        if self.length(writer) > length:
            raise LocalProtocolError("more of the log was taken", code="taken")
        self._frozen[writer] = length
        self._gate.release(writer)

    def clipped(self, links: Iterable[Link]) -> tuple[Link, ...]:
        """Links without what lies beyond where a log was frozen."""
        return tuple(self._clipped(links))

    def woken(self) -> list[bytes]:
        """The logs that waited and may go on, since last asked."""
        return self._gate.woken()

    def links(self, writer: bytes) -> tuple[Link, ...]:
        """What an entry that a writer writes now links to: all that nobody linked to.

        Of more than ``MAX_LINKS`` the earliest come first, the others next time.
        """
        heads = sorted(it for it in self._heads.values() if it.writer != writer)
        first = heads[:MAX_LINKS]
        return tuple(sorted(Link(it.writer, it.sequence + 1) for it in first))

    def next_clock(self, now_ms: int) -> int:
        """The clock of an entry that is written now."""
        return max(now_ms, self.clock + 1)

    def would_see(self, writer: bytes, links: Iterable[Link], other: bytes) -> int:
        """How much of a log an entry with these links would have seen."""
        if other == writer:
            return self.length(writer)
        seen = self.causality.current(writer, other)
        for link in links:
            last = link.length - 1
            seen = max(seen, self.causality.seen(link.writer, last, other))
        return seen

    def count(self, writer: bytes, spans: Spans) -> None:
        """Let only some entries of a log count; the others have no place.

        Args:
            writer: Whose log.
            spans: ``ALL``, or what the rules left of it.

        Raises:
            LocalProtocolError: ``settled``: the rules contradict what they said when
                some of these entries were confirmed. All others are as they say.
        """
        old = self._spans.get(writer, ALL)
        if old == spans and writer in self._spans:
            return
        settled = self._settled.get(writer, 0)
        # After a restart nobody knows any more what counted there.
        resumed = writer in self._resumed and writer not in self._spans
        self._spans[writer] = spans
        for place in self._taken.get(writer, ()):
            counted, counting = (counts(it, place.sequence) for it in (old, spans))
            if counting and not counted:
                self._put(place)
            elif counted and not counting:
                self._take_out(place)
        if not resumed and before(old, settled) != before(spans, settled):
            raise LocalProtocolError("that part is confirmed", code="settled")

    def take_changes(self) -> Reorder:
        """What became of the order since last asked.

        Raises:
            LocalProtocolError: ``settled``: an entry stands where that was confirmed
                to be impossible; the stays were not what the rules say. It has no
                place; all others have theirs.
        """
        added, self._added = self._added, set()
        removed, self._removed = self._removed, set()
        floor = self.order.floor
        if floor is not None and any(it <= floor for it in added | removed):
            self.order.change(
                {it for it in added if it > floor},
                {it for it in removed if it > floor},
            )
            raise LocalProtocolError("that part is confirmed", code="settled")
        return self.order.change(added, removed)

    def settle(
        self, stays: Iterable[Stay], reaches: Iterable[tuple[int, bytes, int]] = ()
    ) -> Sequence[Place]:
        """Forget what will not change; what became so is given back, in order.

        That is what is confirmed, and more where somebody's end is contested: all but
        what they may yet have done unheard. Their entries find no place there then.

        Args:
            stays: Who may write when, as everything taken so far says; of those that
                ended, the ones whose end is contested or not ``confirmed``.
            reaches: Acts by which entries of a log beyond a length mean less, without
                being void: clock of the act, log, length.

        Raises:
            LocalProtocolError: ``bad-argument``: ``take_changes`` comes first.
        """
        if self._added or self._removed:
            raise LocalProtocolError("changes were not taken", code="bad-argument")
        floor = self.order.floor.clock if self.order.floor else 0
        stays = list(stays)
        # A stay that ended in the settled part has no say any more.
        asked = [stay for stay in stays if stay.end is None or stay.end > floor]
        clock = self._confirmed(asked)
        self.confirmed = max(
            self.confirmed, self._uncontested(stays, clock, tuple(reaches))
        )
        for writer, places in self._taken.items():
            if at := bisect_right(places, clock, key=_clock):
                self._settled[writer] = places[at - 1].sequence + 1
                self._settled_clocks[writer] = places[at - 1].clock
                del places[:at]
                self.causality.forget(writer, self._settled[writer])
        return self.order.settle(clock)

    def save(self) -> Saved:
        """What it takes to go on after a restart; see ``Linearizer``.

        What counts of each log (``count``) is for the rules to say again.
        """
        heads = {head.writer for head in self._heads.values()}
        logs: dict[bytes, SavedLog] = {}
        for writer, places in self._taken.items():
            confirmed = self._settled.get(writer, 0)
            base, steps = self.causality.saved(writer)
            clock = self._settled_clocks.get(writer, 0)
            clocks = [place.clock for place in places]
            logs[writer] = SavedLog(
                confirmed, clock, clocks, base, steps, writer in heads
            )
        order = self.order
        return Saved(order.settled, order.floor, logs, self.confirmed)

    def _resume(self, saved: Saved) -> None:
        self.order = Order(saved.places, saved.floor)
        self.confirmed = saved.confirmed
        for writer, log in saved.logs.items():
            places = [
                Place(clock, writer, sequence)
                for sequence, clock in enumerate(log.clocks, log.confirmed)
            ]
            last = places[-1] if places else Place(log.clock, writer, log.length - 1)
            self._taken[writer] = places
            self._added.update(places)
            if log.confirmed:
                self._settled[writer] = log.confirmed
                self._settled_clocks[writer] = log.clock
            self._gate.lengths[writer] = log.length
            self._gate.clocks[writer] = last.clock
            self.clock = max(self.clock, last.clock)
            self.causality.resume(writer, log.confirmed, log.base, log.steps)
            if log.is_head:
                self._heads[writer] = last

    def _confirmed(self, stays: Sequence[Stay]) -> int:
        sure = {stay: self._sure(stay) for stay in stays}
        clock, lower = confirmed_clock(sure), 0
        while lower != clock:
            lower = clock
            for stay in stays:
                # What ended it may yet turn out void: then what is void now counts.
                if stay.end is not None and stay.start <= clock < stay.end:
                    void = self._first_void(stay)
                    clock = min(clock, sure[stay], void.clock - 1 if void else clock)
        return clock

    def _uncontested(
        self,
        stays: Iterable[Stay],
        clock: int,
        reaches: Sequence[tuple[int, bytes, int]],
    ) -> int:
        """Up to where a clock holds whatever comes of those who may contest an end.

        Also an end that is settled may turn out void, if it stands behind.
        """
        stays = list(stays)
        ended = [stay for stay in stays if stay.end is not None]
        lower = -1
        while lower != clock:
            lower = clock
            gaps = {
                stay.writer
                for stay in stays
                if (stay.end is None or stay.is_open(clock))
                and self._has_gap(stay.writer)
            }
            for stay in stays:
                if gaps and stay.end is None:
                    clock = min(clock, self._heard_of(stay, gaps))
            for stay in ended:
                if stay.start <= clock and stay.is_open(clock):
                    clock = min(clock, self._unended(stay))
            for act, writer, length in reaches:
                if clock < act and length < self.length(writer):
                    settled = self._settled.get(writer, 0)
                    if length < settled:
                        return 0
                    first = self._taken[writer][length - settled]
                    clock = min(clock, first.clock - 1)
        return clock

    def _unended(self, stay: Stay) -> int:
        """Up to where nothing changes by somebody's stay turning out not to end.

        What does not count of theirs would, and take away what it had not seen. 0 also
        where it is forgotten what that is.
        """
        found = self._last(stay)
        settled = self._settled.get(stay.writer, 0)
        spans = self._spans.get(stay.writer, ALL)
        if found is None or (settled and not counts(spans, settled - 1)):
            return 0
        clock, last = found
        void = self._first_void(stay)
        if void is not None:
            clock, last = void.clock - 1, (stay.writer, void.sequence)
        for writer, settled in self._settled.items():
            if self.causality.seen(*last, writer) < settled:
                return 0
        return self._seen_up_to(clock, last)

    def _has_gap(self, writer: bytes) -> bool:
        """Whether some of a log that one goes on with does not count."""
        spans = self._spans.get(writer, ALL)
        return len(spans) > 1 or any(end is not None for _, end in spans)

    def _heard_of(self, stay: Stay, writers: Iterable[bytes]) -> int:
        """Up to where somebody has seen all that some wrote, whether it counts or not.

        What does not count may do something to others nevertheless.
        """
        found = self._last(stay)
        if found is None:
            return 0
        clock, last = MAX_SAFE_UINT, found[1]
        for writer in writers:
            settled = self._settled.get(writer, 0)
            if writer == stay.writer or writer not in self._taken:
                continue
            seen = self.causality.seen(*last, writer)
            if seen < settled:
                return 0
            if seen < self.length(writer):
                clock = min(clock, self._taken[writer][seen - settled].clock - 1)
        return clock

    def _first_void(self, stay: Stay) -> Place | None:
        """The first entry in a stay that does not count."""
        spans = self._spans.get(stay.writer, ALL)
        places = self._taken.get(stay.writer, ())
        at = bisect_right(places, stay.start, key=_clock)
        return next((it for it in places[at:] if not counts(spans, it.sequence)), None)

    def _sure(self, stay: Stay) -> int:
        """Up to which clock a writer will neither add nor take away anything."""
        frozen = self._frozen.get(stay.writer)
        if frozen is not None and self.length(stay.writer) >= frozen:
            return MAX_SAFE_UINT
        found = self._last(stay)
        if found is None:
            return 0
        return self._seen_up_to(*found)

    def _seen_up_to(self, clock: int, last: tuple[bytes, int]) -> int:
        """Up to where an entry had seen all that counts, a clock at most."""
        for writer, places in self._taken.items():
            # What is later than what is sure anyway lowers nothing.
            if places and places[0].clock <= clock:
                unseen = self._first_unseen(last, writer, places)
                if unseen is not None:
                    clock = min(clock, unseen.clock - 1)
        return clock

    def _last(self, stay: Stay) -> tuple[int, tuple[bytes, int]] | None:
        """The clock of the last that is known of a writer, and that entry.

        None where there is none, or it is forgotten what it had seen.
        """
        clock = self._gate.clocks.get(stay.writer, 0)
        if clock > stay.start:
            last = stay.writer, self.length(stay.writer) - 1
        elif stay.host is not None:
            # What it writes some day will at least have seen its being let in.
            clock, last = stay.start, stay.host
        else:
            return None
        if last[1] < self._settled.get(last[0], 0) - 1:
            # It was let in where all was settled.
            return None
        return clock, last

    def _first_unseen(
        self, entry: tuple[bytes, int], writer: bytes, places: Sequence[Place]
    ) -> Place | None:
        """The first one of a log that counts and that an entry had not seen."""
        seen = self.causality.seen(*entry, writer)
        if places[-1].sequence < seen:
            return None
        spans = self._spans.get(writer, ALL)
        # Places stand in a row without gaps.
        first = max(seen - places[0].sequence, 0)
        unseen = (places[at] for at in range(first, len(places)))
        return next((it for it in unseen if counts(spans, it.sequence)), None)

    def _linked_clock(self, link: Link) -> int:
        return self.clock_of(link.writer, link.length)

    def _linked_before(self, writer: bytes, start: int, end: int) -> Iterable[Link]:
        assert self._old_links is not None
        return self._clipped(self._old_links(writer, start, end))

    def _clipped(self, links: Iterable[Link]) -> Iterator[Link]:
        for writer, length in links:
            length = min(length, self._frozen.get(writer, length))
            if length:
                yield Link(writer, length)

    def _behead(self, entry: Entry) -> None:
        for writer, length in entry.links:
            head = self._heads.get(writer)
            if head is not None and head.sequence < length:
                del self._heads[writer]

    def _put(self, place: Place) -> None:
        if place in self._removed:
            self._removed.remove(place)
        else:
            self._added.add(place)

    def _take_out(self, place: Place) -> None:
        if place in self._added:
            self._added.remove(place)
        else:
            self._removed.add(place)


def _untold(writer: bytes, sequence: int) -> int:
    del writer, sequence
    return 0


def _clock(place: Place) -> int:
    return place.clock
