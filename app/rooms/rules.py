"""Who is who in a room: the same answer wherever the same entries are known.

``RoomState`` is a fold over the rule operations of all logs in one order, (clock,
writer, sequence). Each is judged by the state before it and either takes effect or is
void; nothing here depends on when something arrived. A late operation that belongs
earlier makes the fold start again.

A removal names how much of each log of the removed person still counts, so that what
is written afterwards is void even when it is dated back. What a fold cannot settle is
two members that act on the same thing while they cannot reach each other: the earlier
in the order wins, everywhere, once they meet.

Signatures are verified once, by ``authentic``, before an operation reaches the fold.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
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

    from_clock: int
    length: int | None = None
    """Entries at or beyond this sequence are void; None while it is open."""


@dataclass(slots=True)
class DeviceState:
    """One device that was let in."""

    identity: bytes
    spans: list[Span]

    def counts(self, clock: int, sequence: int) -> bool:
        """True when an entry with this clock and sequence counts."""
        return any(
            clock >= span.from_clock and (span.length is None or sequence < span.length)
            for span in self.spans
        )

    @property
    def wanted_length(self) -> int | None:
        """How far its log is worth fetching; None for all of it."""
        lengths = [span.length for span in self.spans]
        return None if None in lengths else max(n for n in lengths if n is not None)


@dataclass(slots=True)
class MemberState:
    """One person who is or was in the room."""

    identity: bytes
    name: str
    role: Role
    devices: list[bytes]
    present: bool = True
    ranks: list[tuple[Place, Role]] = field(default_factory=list)
    """Every rank this person has had, oldest first."""


@dataclass(slots=True)
class InviteState:
    """One invite and who came by it."""

    invite: Invite
    creator: bytes
    used_by: list[bytes] = field(default_factory=list)
    """Devices let in."""
    closed: bool = False
    """Its creator was removed."""


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
        self._clear()

    def _clear(self) -> None:
        self.kind = Kind.GROUP
        self.name = ""
        self.founded = False
        self.members: dict[bytes, MemberState] = {}
        self.present_count = 0
        self.devices: dict[bytes, DeviceState] = {
            self.founder: DeviceState(b"", [Span(0)])
        }
        self.invites: dict[bytes, InviteState] = {}

    def add(self, operations: Iterable[Placed]) -> bool:
        """Fold authentic operations in.

        Returns:
            True when an earlier decision may have changed, so that what was derived
            from the state must be derived anew.
        """
        again = False
        changed = False
        for placed in operations:
            if self._placed and placed < self._placed[-1]:
                insort(self._placed, placed)
                again = True
                continue
            self._placed.append(placed)
            if not again and self._apply(placed):
                # What was done with a log beyond its end must be undone.
                again = isinstance(placed.operation.body, Remove)
                changed |= isinstance(placed.operation.body, SetRole)
        if again:
            self._fold_anew()
        return again or changed

    def _fold_anew(self) -> None:
        """Fold everything, leaving out what stands beyond the end of its log.

        A removal may end a log before operations that order earlier; each round voids
        those it finds, and the rounds end because the void only grow.
        """
        void: set[Place] = set()
        while True:
            self._clear()
            effective = [
                placed
                for placed in self._placed
                if placed.place not in void and self._apply(placed)
            ]
            beyond = {
                placed.place
                for placed in effective
                if not isinstance(placed.operation.body, Found)
                and not self.devices[placed.writer].counts(
                    placed.place[0], placed.place[2]
                )
            }
            if not beyond:
                return
            void |= beyond

    def member_of(self, device: bytes) -> MemberState | None:
        """The person a device belongs to, present or not."""
        state = self.devices.get(device)
        return self.members.get(state.identity) if state else None

    def shows(self, device: bytes, clock: int, sequence: int) -> bool:
        """True when the rules allow the message at this place of a log."""
        state = self.devices.get(device)
        if state is None or not state.counts(clock, sequence):
            return False
        member = self.members.get(state.identity)
        if member is None:
            return False
        place = (clock, device, sequence)
        rank: Role | None = None
        for since, role in member.ranks:
            if since > place:
                break
            rank = role
        return rank is not None and may_write(self.kind, rank)

    def invite_verdict(self, invite_key: bytes, device: bytes, clock: int) -> str:
        """Whether an invite lets a device in: ``open`` or why not.

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
        if state.closed:
            return "closed"
        if invite.expires_at and clock > invite.expires_at:
            return "expired"
        if invite.uses and len(state.used_by) >= invite.uses:
            return "used"
        return "full" if self.present_count >= MAX_MEMBERS else "open"

    def _apply(self, placed: Placed) -> bool:
        """Let one operation take effect; False when it is void."""
        body = placed.operation.body
        clock, writer, sequence = placed.place
        device = self.devices.get(writer)
        if device is None or not device.counts(clock, sequence):
            return False
        if isinstance(body, Found):
            return self._found(placed, body)
        actor = self.members.get(device.identity)
        if actor is None or not actor.present:
            return False
        if isinstance(body, Invite):
            return self._invite(actor, body)
        if isinstance(body, Admit):
            return self._admit(placed, body)
        if isinstance(body, SetRole):
            return self._set_role(placed, actor, body)
        if isinstance(body, Remove):
            return self._remove(placed, actor, body)
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
            ranks=[(placed.place, Role.OWNER)],
        )
        self.present_count = 1
        return True

    def _invite(self, actor: MemberState, body: Invite) -> bool:
        if body.invite_key in self.invites or len(self.invites) >= MAX_INVITES:
            return False
        if not may_invite(self.kind, actor.role, body.role):
            return False
        self.invites[body.invite_key] = InviteState(body, actor.identity)
        return True

    def _admit(self, placed: Placed, body: Admit) -> bool:
        clock = placed.place[0]
        device = body.proof.device
        if self.invite_verdict(body.invite_key, device, clock) != "open":
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
            member.ranks.append((placed.place, member.role))
        elif not member.present:
            member.present, member.name = True, body.name
            member.role = invite.invite.role
            self.present_count += 1
            member.ranks.append((placed.place, member.role))
        elif known is not None or len(member.devices) >= MAX_CUT_DEVICES:
            return False
        invite.used_by.append(device)
        if device not in member.devices:
            member.devices.append(device)
        state = self.devices.setdefault(device, DeviceState(member.identity, []))
        state.spans.append(Span(clock))
        return True

    def _set_role(self, placed: Placed, actor: MemberState, body: SetRole) -> bool:
        target = self.members.get(body.identity)
        if target is None or not target.present:
            return False
        if not may_set_role(actor.role, target.role, body.role):
            return False
        target.role = body.role
        target.ranks.append((placed.place, body.role))
        return True

    def _remove(self, placed: Placed, actor: MemberState, body: Remove) -> bool:
        target = self.members.get(body.identity)
        if target is None or not target.present:
            return False
        if target is not actor and not may_remove(actor.role, target.role):
            return False
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
        return True
