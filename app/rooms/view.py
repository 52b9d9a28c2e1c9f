"""One room as its logs make it: blocks in, members and messages out.

A ``RoomView`` lives in the database's writer thread: every method gets the connection
of the current transaction. It takes each log from its beginning and keeps how far it is
in the same transaction as what came of it; the blocks themselves are kept by their
Hypercores, which committed them before. What the network's side needs to know comes
out as frozen ``RoomFacts``. When a transaction fails, throw the view away and load
another.

Leaves the cores to ``app.rooms.logs``, causes and order to ``app.rooms.timeline``, who
may do what to ``app.rooms.law``, keys to ``app.rooms.room_keys``, what is said to
``app.rooms.sayings`` and talking to peers to ``app.rooms.replication``.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from app.errors import UserFacingError
from app.rooms.facts import RoomFacts, room_facts
from app.rooms.firsts import decode_firsts, encode_firsts
from app.rooms.frozen import clipped, frozen_lengths
from app.rooms.law import Act, Host, Law, Member, authentic
from app.rooms.operations import (
    ACT_TYPES,
    Acknowledge,
    Admit,
    Body,
    Deleted,
    Operation,
    Rest,
    Rotate,
    decode_operation,
)
from app.rooms.outlook import Outlook, not_a_member
from app.rooms.removals import Removal, decode_removal, seen_from
from app.rooms.roles import Right
from app.rooms.room_keys import RoomKeys
from app.rooms.sayings import Sayings
from app.rooms.timeline import Held, Timeline
from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from store import acts as stored_acts
from store import contents, rooms
from store.acts import StoredAct
from store.autobase import Entry, Link, Place
from store.contents import MessageRow, Outcome
from store.contents.resting import said_after
from store.contents.wiping import Block
from store.database import Connection
from store.errors import LocalProtocolError
from store.holes import Hole
from store.rooms import RoomRow

_LOG = logging.getLogger("covey.room")

MAX_GUESTS = 64
"""Devices of which the rules know nothing yet that are heard."""
SETTLE_ENTRIES = 256
"""After so many entries it is looked what is confirmed; more in rooms of many logs."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a transaction did to a room."""

    writer: bytes
    length: int = 0
    """How much of the writer's log is derived now."""
    messages: tuple[MessageRow, ...] = ()
    """New ones that the rules allow."""
    ids: Mapping[int, bytes] = field(default_factory=dict)
    """Of what this device wrote: names by numbers in its log."""
    changed: tuple[bytes, ...] = ()
    """Ids of older messages that look different now."""
    changed_count: int = 0
    """How many these are; not all of them are named."""
    facts: RoomFacts | None = None
    """When they changed."""
    outlook: Outlook | None = None
    """When it changed."""
    held: Held | None = None
    """Why what follows is not derived."""
    heard: int = 0
    """How much of this device's log the writer's last entry had seen."""
    unheard: bool = False
    """Others said what this device has not acknowledged."""
    clear: bool = False
    """There are blocks whose words are deleted, or wanted again."""
    false_hole: Hole | None = None
    """With ``Held.HOLE``: what cannot be and is forgotten."""
    doubtful: Hole | None = None
    """With ``Held.CAUSES``: what links to them, as somebody told."""
    woken: tuple[bytes, ...] = ()
    """Logs that waited for these blocks and may go on."""


@dataclass(slots=True)
class _Portion:
    """What the entries of one transaction are."""

    acts: list[tuple[Act, bytes]] = field(default_factory=list)
    """With their bytes."""
    said: list[tuple[bytes, Entry, Operation]] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True)
class _News:
    """What looks different, from several outcomes."""

    changed: dict[bytes, None] = field(default_factory=dict)
    count: int = 0
    clear: bool = False

    def add(self, outcome: Outcome) -> None:
        """Put one more outcome to the others."""
        self.changed.update(dict.fromkeys(outcome.messages))
        self.count += outcome.count
        self.clear = self.clear or outcome.clear or outcome.reread


class _Rights(NamedTuple):
    """What this device may do, until an act comes."""

    all: frozenset[Right]
    muted_until_ms: int
    is_member: bool
    epoch: bytes
    farewell: str


class RoomView:
    """The writer thread's side of one room.

    Attributes:
        row: The room as stored.
        own: Key of this device.
        law: Who may do what.
        keys: The room's keys.
        refused_count: Entries that meant nothing or were forged.
        frozen: Where logs end whose devices wrote two histories, by writer.
    """

    def __init__(
        self, row: RoomRow, device: KeyPair, *, entropy: Callable[[int], bytes]
    ) -> None:
        """Make an empty view; ``load`` it first.

        Args:
            row: The room as stored.
            device: This device's key pair.
            entropy: Gives random bytes.
        """
        self.row = row
        self.refused_count = 0
        self.keys = RoomKeys(row, device)
        self.own = device.public_key
        self.frozen: dict[bytes, int] = {}
        self._device = device
        self._entropy = entropy
        self._timeline = Timeline(row, self.own, self.keys.ring)
        self.law = Law(row.founder, first_that_saw=self._first_that_saw)
        self._sayings = Sayings(row, self._timeline.entry)
        self._identities: dict[bytes, bytes] = {}
        self._unsettled = 0
        self._said_clock = 0
        self._told_out: Removal | None = None
        self._rights: _Rights | None = None
        self._guests: dict[bytes, bytes] = {}

    def load(self, connection: Connection) -> None:
        """Take in what is stored."""
        row = self.row.row
        saved, firsts = rooms.order(connection, row)
        self.keys.load(connection)
        self.frozen = frozen_lengths(rooms.forks(connection, row))
        self._timeline.load(connection, saved, self.frozen)
        self.law = Law(
            self.row.founder,
            first_that_saw=self._first_that_saw,
            firsts=decode_firsts(firsts) if firsts else None,
        )
        self._identities = rooms.identities(connection, row)
        acts = []
        for stored in stored_acts.every(connection, row):
            operation = decode_operation(stored.data)
            assert isinstance(operation.body, ACT_TYPES)
            if isinstance(operation.body, Rotate):
                self.keys.know(operation.body)
            acts.append(
                Act(
                    stored.place,
                    operation.sent_at,
                    clipped(operation.body, self.frozen),
                    stored.seen,
                    stored.clocks,
                )
            )
        self.law.add(acts)
        self._said_clock = self._said(connection, acts)
        told = rooms.told_removal(connection, row)
        self._told_out = decode_removal(told) if told else None
        self._rights = None
        linearizer = self._timeline.linearizer
        # Also logs of those whom nobody let in: nothing of them counts.
        for device in dict.fromkeys((*self.law.devices, *linearizer.writers)):
            linearizer.count(device, self.law.spans(device))
        self._take_changes()
        self._settle_law()

    def _said(self, connection: Connection, acts: Iterable[Act]) -> int:
        """A clock behind the last turn of the key, if anything was said since."""
        clocks = [a.place.clock for a in acts if not isinstance(a.body, Rotate)]
        epoch = self.law.epoch
        since = epoch.place.clock if epoch is not None else 0
        said = said_after(connection, self.row.row, since)
        return max((*clocks, said or 0), default=0)

    def successor(self) -> RoomView:
        """An empty view to take the place of this one, when all is derived anew."""
        fresh = RoomView(self.row, self._device, entropy=self._entropy)
        fresh._guests = self._guests
        return fresh

    def freeze(self, writer: bytes, length: int, *, now_ms: int) -> Applied:
        """Let a log end at a length, of which no more is derived.

        Raises:
            LocalProtocolError: ``taken``: more is derived; all is to be derived anew.
        """
        self._timeline.linearizer.freeze(writer, length)
        self.frozen[writer] = length
        return self.as_it_is(now_ms=now_ms)

    def as_it_is(self, *, now_ms: int) -> Applied:
        """All that the loop is to know, as if everything had changed."""
        return Applied(
            self.own,
            self.length(self.own),
            changed_count=1,
            facts=self.facts(now_ms),
            outlook=self.outlook(),
            unheard=self.is_unheard,
            clear=True,
            woken=self._timeline.woken(),
        )

    def length(self, writer: bytes) -> int:
        """How much of a log is derived."""
        return self._timeline.linearizer.length(writer)

    @property
    def confirmed_clock(self) -> int:
        """Up to where nothing can come in or go out any more; 0 when unknown."""
        return self._timeline.linearizer.confirmed

    def seen(self, device: bytes) -> Mapping[bytes, int]:
        """How much of every other log the last entry of a device had seen."""
        return self._timeline.seen(device)

    def last_clock(self, device: bytes) -> int:
        """The clock of the last entry of a device that is here; 0 without one."""
        linearizer = self._timeline.linearizer
        return linearizer.clock_of(device, linearizer.length(device))

    def unconfirmed_count(self, clock: int) -> int:
        """How many entries behind a clock are not confirmed."""
        tail = self._timeline.linearizer.order.tail
        return len(tail) - bisect_right(tail, clock, key=lambda place: place.clock)

    def holders(self, writer: bytes) -> dict[bytes, int]:
        """How much of a log the last entry of each device had seen: so much is held."""
        seen = self._timeline.linearizer.causality.current
        return {device: seen(device, writer) for device in self.law.devices}

    @property
    def is_unheard(self) -> bool:
        """True when somebody said what this device has not acknowledged."""
        return self._timeline.is_unheard

    def named(
        self, connection: Connection, writer: bytes, sequence: int
    ) -> Deleted | None:
        """An entry as a deletion names it; None when its block is not here."""
        return self._sayings.named(connection, self.keys.ring, writer, sequence)

    # Writing.

    def may_delete(self, author: bytes) -> bool:
        """Whether an entry written now may delete what a person wrote, by identity."""
        clock = self._timeline.linearizer.clock + 1
        place = Place(clock, self.own, self.length(self.own))
        return self.law.may_delete_at(self.own, place, author)

    def links(self) -> tuple[Link, ...]:
        """What an entry that is written now links to."""
        return self._timeline.linearizer.links(self.own)

    def cuts(self, devices: Iterable[bytes]) -> tuple[tuple[bytes, int], ...]:
        """How much of these logs an entry that is written now will have seen.

        Of the own log, itself as well.
        """
        links = self.links()
        return tuple(
            (device, self._timeline.would_see(links, device) + (device == self.own))
            for device in devices
        )

    def rotation(self) -> Rotate:
        """A new key for every device that is in."""
        inside = [device for device in self.law.devices if self.law.is_inside(device)]
        return self.keys.rotation(inside, entropy=self._entropy)

    def draft(self, body: Body | Operation, *, now_ms: int, behind: int = 0) -> bytes:
        """A block of this device, above everything that is here.

        Args:
            body: What it says; with the time when that was said, if not now.
            now_ms: The wall clock.
            behind: How many drafts are written before it and not derived yet.

        Returns:
            It, sealed for its place: so many behind what is derived.

        Raises:
            UserFacingError: ``too-many-changes``: this device's acts are full.
            UserFacingError: ``no-room-key``: the key in use is not here, and this does
                not turn it.
        """
        if isinstance(body, ACT_TYPES) and not self.law.may_still_act(self.own, body):
            raise UserFacingError(
                "too-many-changes",
                "This device has changed this room too often: let another member"
                " do it.",
            )
        outlook = self.outlook()
        if outlook.seal is None and isinstance(body, Rotate):
            # Perhaps nobody has the key in use; a turn says nothing that is secret.
            newest = self.keys.ring.ids[-1]
            outlook = replace(outlook, seal=partial(self._seal, newest))
        return outlook.draft(body, now_ms=now_ms, behind=behind)

    def outlook(self) -> Outlook:
        """How an entry is written now."""
        law, own = self.law, self.own
        if self._rights is None:
            member = law.member_of(own)
            self._rights = _Rights(
                frozenset(right for right in Right if law.may(own, right)),
                law.muted_until_ms(member.identity) if member is not None else 0,
                self._is_in,
                law.epoch.id if law.epoch is not None else self.keys.first,
                "" if self._is_in else self._farewell(),
            )
        rights = self._rights
        linearizer = self._timeline.linearizer
        here = rights.epoch in self.keys.ring
        return Outlook(
            linearizer.length(own),
            linearizer.clock,
            linearizer.links(own),
            partial(self._seal, rights.epoch) if here else None,
            rights.is_member,
            rights.all,
            rights.muted_until_ms,
            rights.farewell,
        )

    def _seal(self, epoch: bytes, entry: bytes, sequence: int) -> bytes:
        return self.keys.ring.seal(
            entry,
            epoch=epoch,
            writer=self.own,
            sequence=sequence,
            entropy=self._entropy,
        )

    # Taking in.

    def derive(
        self,
        connection: Connection,
        writer: bytes,
        start: int,
        blocks: Sequence[bytes | None],
        *,
        now_ms: int,
    ) -> Applied:
        """Derive what blocks of a log mean, as far as they may be taken.

        What was derived before is left out, and nothing is derived after a gap. The
        log was begun (``store.rooms.begin_log``), and the blocks are in its core.

        Args:
            connection: The transaction's.
            writer: Whose log.
            start: The first block's place in it.
            blocks: As they stand in the log; None where there is a hole.
            now_ms: The wall clock.
        """
        # Less than is derived, where a block was damaged: it is taken again then.
        length = self.length(writer)
        fresh = blocks[length - start :] if start <= length else ()
        derived = rooms.derived(connection, self.row.row, writer)
        before = self._wants()
        portion = _Portion()

        def sink(block: bytes, entry: Entry) -> None:
            portion.count += 1
            if entry.sequence >= derived and entry.payload:
                self._sort(portion, block, entry)

        held = self._timeline.take(
            connection, writer, length, fresh, sink, now_ms=now_ms
        )
        applied = Applied(writer, self.length(writer), held=held)
        if held is Held.HOLE:
            applied = replace(applied, false_hole=self._timeline.false_hole)
        if held is Held.CAUSES:
            applied = replace(applied, doubtful=self._timeline.doubtful.get(writer))
        if portion.count:
            applied = self._apply(connection, applied, portion, now_ms=now_ms)
        if applied.facts is None and self._wants() != before:
            applied = replace(applied, facts=self.facts(now_ms))
        return applied

    @property
    def timeline(self) -> Timeline:
        """What is taken of each log."""
        return self._timeline

    def reread(self, connection: Connection, blocks: Iterable[Block]) -> Applied:
        """Put words back that were deleted by what counts no more.

        What stood in a block that was cleared meanwhile stays gone.
        """
        row = self.row.row
        found: dict[bytes, list[tuple[Entry, Operation]]] = {}
        for block in blocks:
            entry = self._timeline.entry(connection, block.writer, block.sequence)
            operation = (
                self._read(entry) if entry is not None and entry.payload else None
            )
            if entry is not None and operation is not None:
                found.setdefault(block.writer, []).append((entry, operation))
            else:
                contents.give_up(connection, row, [block])
        news = _News()
        for writer, said in found.items():
            news.add(self._sayings.restore(connection, writer, said))
        return Applied(
            self.own,
            self.length(self.own),
            changed=tuple(news.changed),
            changed_count=news.count,
        )

    def take_keys(
        self, connection: Connection, keys: Iterable[bytes], *, now_ms: int
    ) -> Applied:
        """Keep keys that a peer says are the room's, if they are missing."""
        if not self.keys.add(connection, keys, asked=True):
            return Applied(self.own, self.length(self.own))
        self._timeline.key_came()
        return Applied(
            self.own,
            self.length(self.own),
            facts=self.facts(now_ms),
            outlook=self.outlook(),
            woken=self._timeline.woken(),
        )

    def introduce(self, device: bytes, identity: bytes, *, now_ms: int) -> Applied:
        """Hear a device of which the rules may not know yet that it belongs here.

        Args:
            device: Its key, proven.
            identity: Whose it is; empty when it may be asked but told nothing.
            now_ms: The wall clock.
        """
        if device in self.law.devices or len(self._guests) >= MAX_GUESTS:
            return Applied(self.own, self.length(self.own))
        self._guests[device] = identity
        return Applied(self.own, self.length(self.own), facts=self.facts(now_ms))

    def admission_verdict(self, body: Admit, *, now_ms: int) -> str:
        """Whether a newcomer may be let in: ``open``, or as ``Law`` says.

        ``yours`` is said also to who was let in before and did not hear it: an invite
        need not be spent.
        """
        if not authentic(self.row.room, self.own, body):
            return "unknown"
        device, identity = body.proof.device, body.proof.identity
        verdict = self.law.invite_verdict(
            body.invite_key, identity=identity, device=device, now_ms=now_ms
        )
        if verdict == "open" and self.law.is_inside(device):
            member = self.law.member_of(device)
            mine = member is not None and member.identity == identity
            return "yours" if mine else "closed"
        if verdict == "open" and not self.law.may_admit(self.own, body.invite_key):
            return "closed"
        return verdict

    def require_member(self) -> Member:
        """This person as a member.

        Raises:
            UserFacingError: ``not-a-member``.
        """
        member = self.law.member_of(self.own)
        if member is None or not self._is_in:
            raise not_a_member(self._farewell())
        return member

    @property
    def _is_in(self) -> bool:
        return self._told_out is None and self.law.is_inside(self.own)

    def _farewell(self) -> str:
        return self.facts(0).farewell

    def hear_removal(
        self, connection: Connection, removal: Removal, teller: bytes, *, now_ms: int
    ) -> Applied:
        """Hear that this person was removed, by an act that is not here yet.

        It is believed if its author is senior as far as known here; otherwise if it is
        shown by somebody else who is in.

        Args:
            connection: The transaction's.
            removal: What was shown, and proven to stand in its author's log.
            teller: The device that showed it, proven.
            now_ms: The wall clock.
        """
        law, same = self.law, Applied(self.own, self.length(self.own))
        me, author = law.member_of(self.own), law.member_of(removal.writer)
        if me is None or not self._is_in:
            return same
        if self.length(removal.writer) > removal.sequence:
            # It is here, and the rules do not let it count.
            return same
        by = author.identity if author is not None else b""
        witness = law.member_of(teller)
        seen = witness is not None and law.is_inside(teller) and witness.identity != by
        if by != me.identity and not law.outranks(by, me.identity) and not seen:
            return same
        self._hear_out(connection, removal)
        facts = self.facts(now_ms)
        return replace(same, facts=facts, outlook=self.outlook())

    def _hear_out(self, connection: Connection, told: Removal | None) -> None:
        self._told_out, self._rights = told, None
        rooms.tell_removal(
            connection, self.row.row, told.encode() if told is not None else b""
        )

    def block_key(self, block: bytes, place: Place) -> bytes:
        """The key of one block, to show it to somebody who has no other."""
        return self.keys.ring.block_key(
            block, writer=place.writer, sequence=place.sequence
        )

    def facts(self, now_ms: int) -> RoomFacts:
        """What the rules say, frozen; the time tells which invites are open."""
        lacked, missing = self._wants()
        facts = room_facts(
            self.law,
            self.row.name,
            lacked=lacked,
            missing_keys=missing,
            first_epoch=self.keys.first,
            clock=self._timeline.linearizer.clock,
            said_clock=self._said_clock,
            confirmed_clock=self.confirmed_clock,
            now_ms=now_ms,
            guests=self._guests,
            frozen=self.frozen,
        )
        return seen_from(facts, self.law, self.own, self._told_out)

    def _wants(self) -> tuple[dict[bytes, int], tuple[bytes, ...]]:
        """What is asked for that the rules do not tell of."""
        return self._timeline.lacked(self.law.wanted_length), self.keys.ring.missing

    def _sort(self, portion: _Portion, block: bytes, entry: Entry) -> None:
        """Tell acts and contents apart, and leave out what means nothing."""
        operation = self._read(entry)
        if operation is None:
            self.refused_count += 1
            return
        body = operation.body
        if not isinstance(body, Rotate):
            self._said_clock = max(self._said_clock, entry.clock)
        if not isinstance(body, ACT_TYPES):
            portion.said.append((block, entry, operation))
            return
        seen = self._timeline.seen(entry.writer)
        clocks: dict[bytes, int] = {}
        if isinstance(body, Rest):
            linearizer = self._timeline.linearizer
            length = linearizer.causality.seen(
                entry.writer, entry.sequence, body.device
            )
            clocks[body.device] = linearizer.clock_of(body.device, length)
        body = clipped(body, self.frozen)
        act = Act(entry.place, operation.sent_at, body, seen, clocks)
        portion.acts.append((act, entry.payload))

    def _read(self, entry: Entry) -> Operation | None:
        """The operation of an entry, or None when it means nothing."""
        try:
            operation = decode_operation(entry.payload)
        except RemoteProtocolError:
            return None
        body = operation.body
        if isinstance(body, Acknowledge):
            return None
        # The first key never comes back: whoever was in holds it.
        if isinstance(body, Rotate) and body.epoch == self.keys.first:
            return None
        if not authentic(self.row.room, entry.writer, body):
            return None
        return operation

    def _apply(
        self,
        connection: Connection,
        applied: Applied,
        portion: _Portion,
        *,
        now_ms: int,
    ) -> Applied:
        """Keep what new entries of a log mean."""
        row, writer = self.row.row, applied.writer
        rooms.set_derived(connection, row, writer, applied.length)
        news = _News()
        told = self._told_out
        if told and told.writer == writer and told.sequence < applied.length:
            # From here on the rules say what it means.
            self._hear_out(connection, None)
        self._judge(connection, portion, news)
        # Its first entry that had seen its being let in may be among these.
        self._recount(writer)
        self._identify(connection, writer, news)
        messages: Sequence[MessageRow] = ()
        ids: dict[int, bytes] = {}
        if said := portion.said:
            linearizer = self._timeline.linearizer
            news.add(self._sayings.put(connection, self.law, linearizer, writer, said))
            start = said[0][1].sequence
            messages = contents.own_between(
                connection, row, writer, start, applied.length
            )
            if writer == self.own:
                ids = {it.sequence: self._sayings.id_of(it, b) for b, it, _ in said}
        heard = told is not self._told_out
        facts = self.facts(now_ms) if portion.acts or heard else None
        if facts is not None:
            rooms.set_title(connection, row, name=facts.name, kind=facts.kind.word)
        self._settle(connection, portion.count)
        return replace(
            applied,
            heard=self._timeline.linearizer.causality.current(writer, self.own),
            messages=tuple(messages),
            ids=ids,
            changed=tuple(news.changed),
            changed_count=news.count,
            facts=facts,
            outlook=self.outlook(),
            unheard=self._timeline.is_unheard,
            clear=news.clear,
            woken=self._timeline.woken(),
        )

    def _judge(self, connection: Connection, portion: _Portion, news: _News) -> None:
        """Let acts take effect, also on what was said before."""
        for act, data in portion.acts:
            stored = StoredAct(act.place, act.seen, act.clocks, data)
            stored_acts.add(connection, self.row.row, stored)
            body = act.body
            if isinstance(body, Rotate) and self.keys.take(connection, body):
                self._timeline.key_came()
        changes = self.law.add(act for act, _ in portion.acts)
        if portion.acts:
            self._rights = None
        for device, number in changes.devices.items():
            self._recount(device)
            if self.length(device):
                self._identify(connection, device, news)
                news.add(
                    self._sayings.judge(connection, self.law, device, sequence=number)
                )

    def _recount(self, device: bytes) -> None:
        """Tell the order which entries of a log count."""
        try:
            self._timeline.linearizer.count(device, self.law.spans(device))
        except LocalProtocolError as error:
            # Two sides that ended each other have met: their entries have no place in
            # the order any more, which is asked for memory's sake only.
            _LOG.info("a settled part of a room's history changed: %s", error)

    def _identify(self, connection: Connection, device: bytes, news: _News) -> None:
        """Remember whose device it is, once that is known."""
        known = self.law.devices.get(device)
        if known is None or self._identities.get(device) == known.identity:
            return
        self._identities[device] = known.identity
        row = self.row.row
        news.add(contents.set_identity(connection, row, device, known.identity))

    def _settle(self, connection: Connection, count: int) -> None:
        """Now and then see what is confirmed, and save what is known."""
        linearizer = self._timeline.linearizer
        self._take_changes()
        self._unsettled += count
        if self._unsettled < max(SETTLE_ENTRIES, len(self.law.devices)):
            return
        self._unsettled = 0
        linearizer.settle(self.law.stays(), self.law.reaches())
        self._settle_law()
        if self._timeline.is_unsaved:
            rooms.save_order(
                connection,
                self.row.row,
                timeline=self._timeline.save(),
                firsts=encode_firsts(self.law.firsts),
            )

    def _settle_law(self) -> None:
        if clock := self.confirmed_clock:
            self.law.settle(Place(clock + 1, b"", 0))

    def _take_changes(self) -> None:
        try:
            self._timeline.linearizer.take_changes()
        except LocalProtocolError as error:
            _LOG.info("an entry came where all was settled: %s", error)

    def _first_that_saw(self, device: bytes, host: Host) -> int | None:
        return self._timeline.linearizer.causality.first_that_saw(device, *host)
