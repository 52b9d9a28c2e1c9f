"""Who is who in a room, frozen at one moment: what leaves the writer thread.

Also for which invites a room waits at a rendezvous. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from app.rooms.law import Law
from app.rooms.roles import Kind, Role

MAX_SERVED_INVITES = 64
"""Invites for which a room waits at a rendezvous."""
ENDED_SERVED_MS = 24 * 3600 * 1000
"""So long a spent or expired invite is waited for, to say so."""


@dataclass(frozen=True, slots=True)
class MemberFact:
    """One person who is or was in the room."""

    identity: bytes
    name: str
    role: Role
    devices: tuple[bytes, ...]
    """Those that are in."""
    present: bool
    banned: bool = False
    muted_until_ms: int = 0
    """0 for not."""
    forked_count: int = 0
    """Devices of theirs that were shown to have written two histories."""


@dataclass(frozen=True, slots=True)
class DeviceFact:
    """One device that was let in, or to whose log somebody links."""

    identity: bytes
    """Empty while it is not known."""
    present: bool
    wanted_length: int | None
    """How far its log counts; None for all of it."""
    resting: bool = False
    """It was silent for long: nothing waits for it, and what it writes is void."""
    forked: bool = False
    """It was shown to have written two histories: its log ends where they part."""


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """Who is who, frozen at one moment."""

    kind: Kind
    name: str
    description: str = ""
    retention_ms: int = 0
    """Messages vanish after this long; 0 for never."""
    members: dict[bytes, MemberFact] = field(default_factory=dict)
    devices: dict[bytes, DeviceFact] = field(default_factory=dict)
    present_count: int = 0
    invites: tuple[bytes, ...] = ()
    """Invite keys worth waiting for: open ones, and ended ones to say so."""
    invites_until_ms: int | None = None
    """When time alone changes that; None for never."""
    missing_keys: tuple[bytes, ...] = ()
    """Epochs whose keys are asked for."""
    epoch: bytes = b""
    """Names the key that is used now."""
    epoch_since_ms: int = 0
    """Clock of the act that brought it; of the beginning for the first one."""
    epoch_used: bool = False
    """Something was said since; acknowledgements do not wear a key out."""
    stale_epoch: bool = False
    """Somebody who is out holds the key that is used now."""
    confirmed_clock: int = 0
    """Up to where the history can never change any more."""
    farewell: str = ""
    """How this person came to be out, as a sentence; empty while it is in."""
    knows_itself_only: bool = False
    """Of a personal room that this device let itself into, and no other so far."""

    def called(self, me: bytes) -> str:
        """What one member calls the room: a room of two by the other one's name."""
        if self.kind is Kind.DIRECT:
            others = [m.name for m in self.members.values() if m.identity != me]
            return others[0] if others else self.name
        return self.name

    def member_of(self, device: bytes) -> MemberFact | None:
        """The person a device belongs to, present or not."""
        fact = self.devices.get(device)
        return self.members.get(fact.identity) if fact else None


def room_facts(
    law: Law,
    name: str,
    *,
    lacked: Mapping[bytes, int],
    missing_keys: tuple[bytes, ...],
    first_epoch: bytes,
    clock: int,
    said_clock: int,
    confirmed_clock: int,
    now_ms: int,
    guests: Mapping[bytes, bytes] | None = None,
    frozen: Mapping[bytes, int] | None = None,
) -> RoomFacts:
    """What the rules say, frozen.

    Args:
        law: They.
        name: The room's, while they know none.
        lacked: Logs that are wanted though the rules do not say so, and how far.
        missing_keys: Epochs whose keys are not here.
        first_epoch: Names the room's first key.
        clock: The highest of all entries.
        said_clock: The highest of those that say more than that they heard, turns of
            the key left out.
        confirmed_clock: Up to where the history can never change any more.
        now_ms: Tells which invites are open.
        guests: Devices of which the rules may not know yet that they belong here, and
            whose they are; nobody's those that may be asked but told nothing.
        frozen: Lengths at which logs end whose devices wrote two histories.
    """
    frozen = frozen or {}
    forked = Counter(
        law.devices[device].identity for device in frozen if device in law.devices
    )
    members = {
        key: MemberFact(
            key,
            member.name,
            member.role,
            member.devices,
            member.present,
            banned=member.banned is not None,
            muted_until_ms=law.muted_until_ms(key),
            forked_count=forked[key],
        )
        for key, member in law.members.items()
    }
    devices = _device_facts(law, lacked, guests or {}, frozen)
    room, epoch = law.room, law.epoch
    since_ms = _first_clock(law, clock) if epoch is None else epoch.place.clock
    return RoomFacts(
        kind=room.kind,
        name=room.name or name,
        description=room.description,
        retention_ms=room.retention_ms,
        members=members,
        devices=devices,
        present_count=room.present_count,
        invites=served_invites(law, now_ms),
        invites_until_ms=served_until_ms(law, now_ms),
        missing_keys=missing_keys,
        epoch=first_epoch if epoch is None else epoch.id,
        epoch_since_ms=since_ms,
        epoch_used=said_clock > since_ms,
        stale_epoch=law.stale_epoch,
        confirmed_clock=confirmed_clock,
        # The founder's device and this one.
        knows_itself_only=room.kind is Kind.PERSONAL and len(law.devices) <= 2,
    )


def _first_clock(law: Law, default: int) -> int:
    """The clock of the act by which the first member came."""
    joined = (member.joined.clock for member in law.members.values())
    return min(joined, default=default)


def _device_facts(
    law: Law,
    lacked: Mapping[bytes, int],
    guests: Mapping[bytes, bytes],
    frozen: Mapping[bytes, int],
) -> dict[bytes, DeviceFact]:
    """Every device that is heard; see ``room_facts``."""
    devices = {
        key: DeviceFact(
            device.identity,
            law.is_inside(key),
            law.wanted_length(key),
            resting=device.resting,
        )
        for key, device in law.devices.items()
    }
    for key, length in lacked.items():
        known = devices.get(key)
        identity = known.identity if known is not None else b""
        devices[key] = DeviceFact(identity, present=False, wanted_length=length)
    for key in law.perhaps_in:
        known = devices.get(key)
        identity = known.identity if known is not None else b""
        devices[key] = DeviceFact(identity, present=False, wanted_length=None)
    for key, identity in guests.items():
        if key not in law.devices:
            devices[key] = DeviceFact(
                identity, present=bool(identity), wanted_length=None
            )
    for key in frozen.keys() & devices.keys():
        fact, length = devices[key], frozen[key]
        wanted = length if fact.wanted_length is None else fact.wanted_length
        devices[key] = replace(fact, wanted_length=min(wanted, length), forked=True)
    return devices


def served_invites(law: Law, now_ms: int) -> tuple[bytes, ...]:
    """For which invites to wait: open ones, newest first from each creator in turn.

    What room is left goes to those that ended within ``ENDED_SERVED_MS``.
    """
    open_by_creator: dict[bytes, list[bytes]] = {}
    ended: list[bytes] = []
    for key, state in reversed(list(law.invites.items())):
        since_ms = law.invite_ended_ms(key, now_ms)
        if since_ms is None:
            mine = open_by_creator.setdefault(state.creator, [])
            if len(mine) < MAX_SERVED_INVITES:
                mine.append(key)
        elif now_ms - since_ms < ENDED_SERVED_MS and len(ended) < MAX_SERVED_INVITES:
            ended.append(key)
    turns = zip_longest(*open_by_creator.values())
    served = [key for turn in turns for key in turn if key is not None]
    return tuple((served + ended)[:MAX_SERVED_INVITES])


def served_until_ms(law: Law, now_ms: int) -> int | None:
    """When ``served_invites`` says something else because time went by."""
    times = []
    for key, state in law.invites.items():
        since_ms = law.invite_ended_ms(key, now_ms)
        if since_ms is not None:
            times.append(since_ms + ENDED_SERVED_MS)
        elif state.invite.expires_at:
            times.append(state.invite.expires_at + 1)
    return min((time for time in times if time > now_ms), default=None)
