"""Who might do what at each entry of a room, judged slowly from the entries themselves.

Walks the links to learn what each entry had seen, folds the acts that took effect, and
says by which rank every entry is to be judged. Shares no code with ``app/rooms/law``
but the names of ranks; which acts took effect is asked of a law that never forgot
anything, and for each of those it is checked here that its author might do it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from app.rooms.law import Act, Law
from app.rooms.operations import (
    AddDevice,
    Admit,
    Body,
    CloseInvite,
    Found,
    Invite,
    Mute,
    Pin,
    React,
    Remove,
    RemoveDevice,
    Rest,
    Rotate,
    SetRole,
    Settings,
    Unban,
    Wake,
    decode_operation,
)
from app.rooms.roles import Kind, Role
from net.errors import RemoteProtocolError
from store import acts as stored_acts
from store.autobase import Entry, Place, decode_entry
from tests.sim.rooms_world import Peer

READER, MEMBER, MODERATOR, ADMIN, OWNER = Role
LOWEST = {
    Invite: MEMBER,
    SetRole: READER,
    Remove: READER,
    Rotate: MEMBER,
    Mute: MODERATOR,
    Unban: MODERATOR,
    Settings: ADMIN,
    CloseInvite: READER,
}
"""Of authors of acts in groups; whom else's own rank is lowered or who leaves."""
FOR_OTHERS = {SetRole: ADMIN, Remove: MODERATOR, CloseInvite: MODERATOR}


@dataclass
class Person:
    """Everything that happened to one person, in order."""

    devices: set[bytes] = field(default_factory=set)
    ranks: list[tuple[Place, Role, bool, Act]] = field(default_factory=list)
    mutes: list[tuple[Place, int, Act]] = field(default_factory=list)


class Oracle:
    """The history of one peer that has everything."""

    def __init__(self, peer: Peer) -> None:
        self.entries: dict[tuple[bytes, int], Entry] = {}
        self.seen: dict[tuple[bytes, int], dict[bytes, int]] = {}
        self.bodies: dict[tuple[bytes, int], Body] = {}
        self._read(peer)
        self.effective = self._effective(peer)
        self.kind = Kind.GROUP
        self.owners: dict[bytes, bytes] = {}
        self.people: dict[bytes, Person] = {}
        self.starts: dict[bytes, list[Act]] = {}
        self.ends: dict[bytes, list[Act]] = {}
        self.invites: dict[bytes, Invite] = {}
        self.creators: dict[bytes, bytes] = {}
        for act in self.effective:
            self._fold(act)

    def _read(self, peer: Peer) -> None:
        for writer, log in peer.logs.items():
            for sequence, block in enumerate(log[: peer.view.length(writer)]):
                plain = peer.view.keys.ring.open(
                    block, writer=writer, sequence=sequence
                )
                entry = decode_entry(writer, sequence, plain)
                self.entries[writer, sequence] = entry
                try:
                    body = decode_operation(entry.payload).body
                except RemoteProtocolError:
                    continue
                self.bodies[writer, sequence] = body
        for entry in sorted(self.entries.values(), key=lambda it: it.place):
            seen = dict(self.seen.get((entry.writer, entry.sequence - 1), {}))
            seen[entry.writer] = entry.sequence
            for writer, length in entry.links:
                for other, n in self.seen[writer, length - 1].items():
                    seen[other] = max(seen.get(other, 0), n)
                seen[writer] = max(seen.get(writer, 0), length)
            self.seen[entry.writer, entry.sequence] = seen

    def _first_that_saw(self, device: bytes, host: tuple[bytes, int]) -> int | None:
        writer, sequence = host
        clock = self.entries[host].clock
        numbers = (
            at
            for (whose, at), seen in self.seen.items()
            if whose == device
            and seen.get(writer, 0) > sequence
            and self.entries[whose, at].clock > clock
        )
        return min(numbers, default=None)

    def _effective(self, peer: Peer) -> list[Act]:
        law = Law(peer.row.founder, first_that_saw=self._first_that_saw)
        found = []
        for stored in stored_acts.every(peer.connection, peer.row.row):
            operation = decode_operation(stored.data)
            place = stored.place
            seen = dict(self.seen[place.writer, place.sequence])
            # Of what is confirmed only the sum is kept: never less than was seen.
            mine = place.writer
            more = all(
                stored.seen.get(it, 0) >= n for it, n in seen.items() if it != mine
            )
            assert more, "what an entry had seen follows from its links"
            body = operation.body
            act = Act(place, operation.sent_at, body, seen, stored.clocks)  # type: ignore[arg-type]
            found.append(act)
        law.add(found)
        records = [it for it in law._history._records if it.effect is not None]
        self.light = {it.place for it in records if it.effect.force < 0}  # type: ignore[union-attr]
        return [it.act for it in records]

    def _fold(self, act: Act) -> None:
        body = act.body
        if isinstance(body, Found):
            self.kind = body.kind
            self._enter(body.proof.identity, body.proof.device, act, OWNER)
        elif isinstance(body, Invite):
            self.invites[body.invite_key] = body
            self.creators[body.invite_key] = self.owners[act.writer]
        elif isinstance(body, Admit):
            role = self.invites[body.invite_key].role
            self._enter(body.proof.identity, body.proof.device, act, role)
        elif isinstance(body, AddDevice):
            self._enter(body.proof.identity, body.proof.device, act, None)
        elif isinstance(body, Wake):
            self.starts[body.device].append(act)
        elif isinstance(body, SetRole):
            rank = (act.place, body.role, False, act)
            self.people[body.identity].ranks.append(rank)
        elif isinstance(body, Mute):
            mute = (act.place, body.until_ms, act)
            self.people[body.identity].mutes.append(mute)
        elif isinstance(body, Remove):
            for device, owner in self.owners.items():
                if owner == body.identity:
                    self.ends.setdefault(device, []).append(act)
            self.people[body.identity].devices.clear()
        elif isinstance(body, RemoveDevice | Rest):
            self.ends.setdefault(body.device, []).append(act)
            if isinstance(body, RemoveDevice):
                owner = self.owners[body.device]
                self.people[owner].devices.discard(body.device)

    def _enter(
        self, identity: bytes, device: bytes, act: Act, role: Role | None
    ) -> None:
        self.owners[device] = identity
        person = self.people.setdefault(identity, Person())
        if not person.devices and role is not None:
            person.ranks.append((act.place, role, True, act))
        person.devices.add(device)
        self.starts.setdefault(device, []).append(act)

    @property
    def epoch(self) -> bytes | None:
        """The key that was turned to last; None for the first one."""
        turns = [it.body.epoch for it in self.effective if isinstance(it.body, Rotate)]
        return turns[-1] if turns else None

    def is_contested(self, end: Place) -> bool:
        """True when somebody ended or lowered somebody at the same time."""
        for key, body in self.bodies.items():
            if isinstance(body, Remove | RemoveDevice | Rest | SetRole):
                place = self.entries[key].place
                known = self.saw(place, end) or self.saw(end, place)
                if place != end and not known:
                    return True
        return False

    def saw(self, place: Place, act: Place) -> bool:
        """Tells whether one entry had seen another."""
        seen = self.seen[place.writer, place.sequence]
        return seen.get(act.writer, 0) > act.sequence

    def rank(self, place: Place, *, spared: bool = False) -> Role | None:
        """By which rank an entry is judged; None when it does not count.

        Args:
            place: Where it stands.
            spared: It ends or lowers somebody: no junior's rest unheard voids that.
        """
        device = place.writer
        starts = [it.place for it in self.starts.get(device, ()) if it.place < place]
        founding = device == self.owners and place.sequence == 0
        if not starts and not founding:
            return None
        start = starts[-1]
        if not self.saw(place, start):
            return None
        for end in self.ends.get(device, ()):
            if spared and end.place in self.light and not self.saw(place, end.place):
                continue
            if start < end.place < place:
                return None
            if end.place > place and self._length(end, device) <= place.sequence:
                return None
        person = self.people[self.owners[device]]
        role: Role | None = None
        for since, given, fresh, act in person.ranks:
            if since < place:
                known = self.saw(place, since)
                if fresh or role is None or given <= role or known:
                    role = given
            elif not fresh and self._length(act, device) <= place.sequence:
                assert role is not None
                role = min(role, given)
        return role

    def _length(self, act: Act, device: bytes) -> int:
        own = device == act.place.writer
        return act.place.sequence + 1 if own else act.seen.get(device, 0)

    def muted(self, place: Place) -> bool:
        """True when an entry was written by somebody who was muted."""
        until = 0
        person = self.people[self.owners[place.writer]]
        for since, until_ms, act in person.mutes:
            if since < place:
                if until_ms >= until or self.saw(place, since):
                    until = until_ms
            elif self._length(act, place.writer) <= place.sequence:
                until = max(until, until_ms)
        return place.clock < until

    def may_say(self, place: Place, body: Body) -> bool:
        """Tells whether what an entry says counts, deletions aside."""
        role = self.rank(place)
        lowest = MEMBER if self.kind is Kind.GROUP else ADMIN
        if isinstance(body, React) and self.kind is Kind.BROADCAST:
            lowest = READER
        if isinstance(body, Pin):
            lowest = MODERATOR
        return role is not None and role >= lowest and not self.muted(place)

    def check_acts(self) -> None:
        """Nobody did what they had no right to do."""
        for act in self.effective:
            body, place = act.body, act.place
            if isinstance(body, Found):
                continue
            cutting = isinstance(body, Remove | RemoveDevice | SetRole | Rest)
            role = self.rank(place, spared=cutting)
            leaving = isinstance(body, Remove | RemoveDevice)
            if role is None and leaving:
                # One's own leaving ends the log with itself in it.
                continue
            assert role is not None, (place, body)
            mine = self.owners[place.writer]
            lowest = LOWEST.get(type(body), READER)
            whom = getattr(body, "identity", mine)
            if isinstance(body, CloseInvite):
                whom = self.creators[body.invite_key]
            if whom != mine:
                lowest = FOR_OTHERS.get(type(body), lowest)
            if self.kind is Kind.BROADCAST and isinstance(body, Invite | Rotate):
                lowest = ADMIN
            assert role >= lowest, (place, body, role)
