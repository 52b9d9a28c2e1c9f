"""Who is who in a room: the same answer wherever the same entries are known.

``RoomState`` is a fold over the rule operations of all logs in one order, (clock,
writer, sequence). Each is judged by the state before it and either takes effect or is
void; nothing here depends on when something arrived. A late operation that belongs
earlier makes the fold start again.

A removal names how much of each log of the removed person still counts, so that what
is written afterwards is void even when it is dated back. A change of rank does the
same: beyond the length it names, what is dated before it has the lower of both ranks.
What a fold cannot settle is two members that act on the same thing while they cannot
reach each other: the earlier in the order wins, everywhere, once they meet.

Whether an invite has expired is judged by the wall clock of the member who admits, not
by the order's clock, which anybody may pull ahead a little.

Signatures are verified once, by ``authentic``, before an operation reaches the fold;
the clocks of one log rise, and its operations are limited, by ``app/rooms/view.py``.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.identity import verify_proof
from app.rooms.operations import (
    MAX_CUT_DEVICES,
    Admit,
    Body,
    Found,
    Invite,
    Operation,
    Remove,
    SetRole,
)
from app.rooms.roles import (
    Kind,
    Role,
    may_invite,
    may_remove,
    may_set_role,
    may_write,
)
from net.crypto import namespace, verify

MAX_MEMBERS = 10_000
MAX_INVITES = 10_000
"""Invites a room remembers, spent ones included."""

_ADMIT = namespace("covey/room", 6)

Place = tuple[int, bytes, int]
"""(clock, writer, sequence): an operation's place in the one order."""


@dataclass(frozen=True, slots=True, order=True)
class Placed:
    """A rule operation and its place."""

    place: Place
    operation: Operation = field(compare=False)

    @property
    def writer(self) -> bytes:
        """The device that signed it."""
        return self.place[1]


@dataclass(slots=True)
class Span:
    """A stretch of a device's log that counts."""

    since: Place
    """Where its device was let in."""
    length: int | None = None
    """Entries at or beyond this sequence are void; None while it is open."""


@dataclass(slots=True)
class DeviceState:
    """One device that was let in."""

    identity: bytes
    spans: list[Span]

    def counts(self, place: Place) -> bool:
        """True when this device's entry at a place counts."""
        return any(
            place > span.since and (span.length is None or place[2] < span.length)
            for span in self.spans
        )

    @property
    def wanted_length(self) -> int | None:
        """How far its log is worth fetching; None for all of it."""
        lengths = [span.length for span in self.spans]
        return None if None in lengths else max(n for n in lengths if n is not None)


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank somebody got."""

    since: Place
    role: Role
    cuts: Mapping[bytes, int] | None = None
    """How much of each device's log was written before; None for all there is."""


@dataclass(slots=True)
class MemberState:
    """One person who is or was in the room."""

    identity: bytes
    name: str
    role: Role
    devices: list[bytes]
    present: bool = True
    ranks: list[Rank] = field(default_factory=list)
    """Every rank this person has had, oldest first."""
    barred: Place | None = None
    """Where somebody else removed this person last: older invites do not hold."""

    def cap_at(self, place: Place) -> Role:
        """The lowest rank set later by somebody who had not seen this entry."""
        return min(
            (
                rank.role
                for rank in self.ranks
                if rank.since > place
                and rank.cuts is not None
                and place[2] >= rank.cuts.get(place[1], 0)
            ),
            default=Role.OWNER,
        )

    def role_at(self, place: Place) -> Role | None:
        """The rank by which an entry of this person is judged; None before any."""
        role: Role | None = None
        for rank in self.ranks:
            if rank.since > place:
                break
            role = rank.role
        return None if role is None else min(role, self.cap_at(place))


@dataclass(slots=True)
class InviteState:
    """One invite and who came by it."""

    invite: Invite
    creator: bytes
    since: Place
    used_by: list[bytes] = field(default_factory=list)
    """Devices let in."""
    closed: bool = False
    """Its creator was removed."""
    touched_ms: int = 0
    """When it was used last or closed, as who did that says."""

    @property
    def spent(self) -> bool:
        """True when it lets nobody in any more, whatever the time."""
        return self.closed or 0 < self.invite.uses <= len(self.used_by)

    def ended_ms(self, now_ms: int) -> int | None:
        """Since when it lets nobody in; None while it does."""
        if self.spent:
            return self.touched_ms
        expires_at = self.invite.expires_at
        return expires_at if expires_at and now_ms > expires_at else None


def admission_signable(
    room: bytes, invite_key: bytes, identity: bytes, device: bytes
) -> bytes:
    """What the invite's key signs to let one device in."""
    return _ADMIT + room + invite_key + identity + device


def authentic(room: bytes, writer: bytes, body: Body) -> bool:
    """True when every signature inside an operation holds."""
    if isinstance(body, Found):
        return verify_proof(body.proof, expected_device=writer)
    if isinstance(body, Admit):
        proof = body.proof
        signable = admission_signable(
            room, body.invite_key, proof.identity, proof.device
        )
        return verify(signable, body.signature, body.invite_key) and verify_proof(proof)
    return True


class RoomState:
    """The outcome of all rule operations seen so far.

    Attributes:
        kind: Group or broadcast.
        name: The room's name.
        members: Everybody who is or was in it, by identity.
        devices: Every device that was let in, by key.
        invites: By invite key.
    """

    def __init__(self, founder: bytes) -> None:
        """Begin with nothing but the founder's device.

        Args:
            founder: Device key, bound by the room's id.
        """
        self.founder = founder
        self._placed: list[Placed] = []
        self._limits: dict[Place, Role] = {}
        self._clear()

    def _clear(self) -> None:
        self.kind = Kind.GROUP
        self.name = ""
        self.founded = False
        self.members: dict[bytes, MemberState] = {}
        self.present_count = 0
        self.devices: dict[bytes, DeviceState] = {
            self.founder: DeviceState(b"", [Span((-1, b"", 0))])
        }
        self.invites: dict[bytes, InviteState] = {}

    def add(self, operations: Iterable[Placed]) -> set[bytes]:
        """Fold authentic operations in.

        Returns:
            The devices whose earlier entries may be judged otherwise now.
        """
        again = False
        affected: set[bytes] = set()
        before: dict[bytes, object] | None = None
        for placed in operations:
            body = placed.operation.body
            late = bool(self._placed) and placed < self._placed[-1]
            # What was done beyond the named end of a log must be undone.
            backward = isinstance(body, Remove | SetRole)
            if before is None and (late or backward):
                before = self._standings()
            if late:
                insort(self._placed, placed)
                again = True
                continue
            self._placed.append(placed)
            if again or not self._apply(placed):
                continue
            again = backward
            if isinstance(body, Admit):
                affected.add(body.proof.device)
        if again and before is not None:
            self._fold_anew()
            after = self._standings()
            affected |= {
                device
                for device in before.keys() | after.keys()
                if before.get(device) != after.get(device)
            }
        return affected

    def _standings(self) -> dict[bytes, object]:
        """By what each device's entries are judged."""
        standings: dict[bytes, object] = {}
        for key, device in self.devices.items():
            member = self.members.get(device.identity)
            spans = tuple((span.since, span.length) for span in device.spans)
            ranks = tuple(member.ranks) if member is not None else ()
            standings[key] = (self.kind, spans, ranks)
        return standings

    def _fold_anew(self) -> None:
        """Fold everything, leaving out what stands beyond the end of its log.

        A removal may end a log before operations that order earlier, and a change of
        rank may lower the rank of some; each round finds those, and the rounds end
        because the void only grow and the ranks only fall.
        """
        void: set[Place] = set()
        self._limits = {}
        while True:
            self._clear()
            effective = [
                placed
                for placed in self._placed
                if placed.place not in void and self._apply(placed)
            ]
            beyond = set()
            lowered = {}
            for placed in effective:
                if isinstance(placed.operation.body, Found):
                    continue
                place = placed.place
                if not self.devices[placed.writer].counts(place):
                    beyond.add(place)
                actor = self.member_of(placed.writer)
                cap = actor.cap_at(place) if actor is not None else Role.OWNER
                if cap < self._limits.get(place, Role.OWNER):
                    lowered[place] = cap
            if not beyond and not lowered:
                return
            void |= beyond
            self._limits.update(lowered)

    def member_of(self, device: bytes) -> MemberState | None:
        """The person a device belongs to, present or not."""
        state = self.devices.get(device)
        return self.members.get(state.identity) if state else None

    def shows(self, device: bytes, clock: int, sequence: int) -> bool:
        """True when the rules allow the message at this place of a log."""
        place = (clock, device, sequence)
        state = self.devices.get(device)
        if state is None or not state.counts(place):
            return False
        member = self.members.get(state.identity)
        rank = member.role_at(place) if member is not None else None
        return rank is not None and may_write(self.kind, rank)

    def invite_verdict(
        self, invite_key: bytes, *, identity: bytes, device: bytes, now_ms: int
    ) -> str:
        """Whether an invite lets a device in: ``open`` or why not.

        Args:
            invite_key: Names the invite.
            identity: Who wants to come in.
            device: With which device.
            now_ms: Wall clock of the member who admits.

        Returns:
            ``open``, ``yours`` (this device came by it already), ``unknown``,
            ``closed``, ``expired``, ``used`` or ``full``.
        """
        state = self.invites.get(invite_key)
        if state is None:
            return "unknown"
        if device in state.used_by:
            member = self.member_of(device)
            return "yours" if member is not None and member.present else "closed"
        invite = state.invite
        known = self.members.get(identity)
        barred = known.barred if known is not None and not known.present else None
        if state.closed or (barred is not None and state.since < barred):
            return "closed"
        if invite.expires_at and now_ms > invite.expires_at:
            return "expired"
        if state.spent:
            return "used"
        return "full" if self.present_count >= MAX_MEMBERS else "open"

    def _apply(self, placed: Placed) -> bool:
        """Let one operation take effect; False when it is void."""
        body = placed.operation.body
        device = self.devices.get(placed.writer)
        if device is None or not device.counts(placed.place):
            return False
        if isinstance(body, Found):
            return self._found(placed, body)
        actor = self.members.get(device.identity)
        if actor is None or not actor.present:
            return False
        role = min(actor.role, self._limits.get(placed.place, Role.OWNER))
        if isinstance(body, Invite):
            return self._invite(placed, actor, role, body)
        if isinstance(body, Admit):
            return self._admit(placed, body)
        if isinstance(body, SetRole):
            return self._set_role(placed, actor, role, body)
        if isinstance(body, Remove):
            return self._remove(placed, actor, role, body)
        return False

    def _found(self, placed: Placed, body: Found) -> bool:
        if self.founded or placed.writer != self.founder or placed.place[2] != 0:
            return False
        self.founded = True
        self.kind, self.name = body.kind, body.name
        identity = body.proof.identity
        self.devices[self.founder].identity = identity
        self.members[identity] = MemberState(
            identity,
            body.founder_name,
            Role.OWNER,
            [self.founder],
            ranks=[Rank(placed.place, Role.OWNER)],
        )
        self.present_count = 1
        return True

    def _invite(
        self, placed: Placed, actor: MemberState, role: Role, body: Invite
    ) -> bool:
        if body.invite_key in self.invites or len(self.invites) >= MAX_INVITES:
            return False
        if not may_invite(self.kind, role, body.role):
            return False
        self.invites[body.invite_key] = InviteState(body, actor.identity, placed.place)
        return True

    def _admit(self, placed: Placed, body: Admit) -> bool:
        device = body.proof.device
        admitted_ms = placed.operation.sent_at
        verdict = self.invite_verdict(
            body.invite_key,
            identity=body.proof.identity,
            device=device,
            now_ms=admitted_ms,
        )
        if verdict != "open":
            return False
        known = self.devices.get(device)
        if known is not None and known.identity != body.proof.identity:
            return False
        invite = self.invites[body.invite_key]
        member = self.members.get(body.proof.identity)
        if member is None:
            member = MemberState(body.proof.identity, body.name, invite.invite.role, [])
            self.members[member.identity] = member
            self.present_count += 1
            member.ranks.append(Rank(placed.place, member.role))
        elif not member.present:
            member.present, member.name = True, body.name
            member.role = invite.invite.role
            self.present_count += 1
            member.ranks.append(Rank(placed.place, member.role))
        elif known is not None or len(member.devices) >= MAX_CUT_DEVICES:
            return False
        invite.used_by.append(device)
        invite.touched_ms = admitted_ms
        if device not in member.devices:
            member.devices.append(device)
        state = self.devices.setdefault(device, DeviceState(member.identity, []))
        state.spans.append(Span(placed.place))
        return True

    def _set_role(
        self, placed: Placed, actor: MemberState, role: Role, body: SetRole
    ) -> bool:
        target = self.members.get(body.identity)
        if target is None or not target.present:
            return False
        if not may_set_role(role, target.role, body.role):
            return False
        cuts = dict(body.cuts)
        if target is actor:
            cuts[placed.writer] = placed.place[2] + 1
        target.role = body.role
        target.ranks.append(Rank(placed.place, body.role, cuts))
        return True

    def _remove(
        self, placed: Placed, actor: MemberState, role: Role, body: Remove
    ) -> bool:
        target = self.members.get(body.identity)
        if target is None or not target.present:
            return False
        if target is not actor and not may_remove(role, target.role):
            return False
        if target is not actor:
            target.barred = placed.place
        target.present = False
        self.present_count -= 1
        cuts = dict(body.cuts)
        if target is actor:
            cuts[placed.writer] = placed.place[2] + 1
        for device in target.devices:
            span = self.devices[device].spans[-1]
            if span.length is None:
                span.length = cuts.get(device, 0)
        for invite in self.invites.values():
            if invite.creator == target.identity:
                invite.closed = True
                invite.touched_ms = placed.operation.sent_at
        return True
