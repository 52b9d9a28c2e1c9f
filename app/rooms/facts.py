"""Who is who in a room, frozen at one moment: what leaves the writer thread.

Also for which invites a room waits at a rendezvous. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from app.rooms.roles import Kind, Role
from app.rooms.rules import InviteState

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
    present: bool


@dataclass(frozen=True, slots=True)
class DeviceFact:
    """One device that was let in."""

    identity: bytes
    present: bool
    wanted_length: int | None
    """How far its log counts; None for all of it."""


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """Who is who, frozen at one moment."""

    kind: Kind
    name: str
    members: dict[bytes, MemberFact] = field(default_factory=dict)
    devices: dict[bytes, DeviceFact] = field(default_factory=dict)
    present_count: int = 0
    invites: tuple[bytes, ...] = ()
    """Invite keys worth waiting for: open ones, and ended ones to say so."""
    invites_until_ms: int | None = None
    """When time alone changes that; None for never."""

    def member_of(self, device: bytes) -> MemberFact | None:
        """The person a device belongs to, present or not."""
        fact = self.devices.get(device)
        return self.members.get(fact.identity) if fact else None


def served_invites(invites: Iterable[InviteState], now_ms: int) -> tuple[bytes, ...]:
    """For which invites to wait: open ones, newest first from each creator in turn.

    What room is left goes to those that ended within ``ENDED_SERVED_MS``.
    """
    open_by_creator: dict[bytes, list[bytes]] = {}
    ended: list[bytes] = []
    for state in reversed(list(invites)):
        since_ms = state.ended_ms(now_ms)
        if since_ms is None:
            mine = open_by_creator.setdefault(state.creator, [])
            if len(mine) < MAX_SERVED_INVITES:
                mine.append(state.invite.invite_key)
        elif now_ms - since_ms < ENDED_SERVED_MS and len(ended) < MAX_SERVED_INVITES:
            ended.append(state.invite.invite_key)
    turns = zip_longest(*open_by_creator.values())
    served = [key for turn in turns for key in turn if key is not None]
    return tuple((served + ended)[:MAX_SERVED_INVITES])


def served_until_ms(invites: Iterable[InviteState], now_ms: int) -> int | None:
    """When ``served_invites`` says something else because time went by."""
    times = []
    for state in invites:
        since_ms = state.ended_ms(now_ms)
        if since_ms is not None:
            times.append(since_ms + ENDED_SERVED_MS)
        elif state.invite.expires_at:
            times.append(state.invite.expires_at + 1)
    return min((time for time in times if time > now_ms), default=None)
