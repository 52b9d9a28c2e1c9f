"""The invented core's part about who is who in a room: see :mod:`ui.sample`.

Ranks, mutes, bans, invites and requests are kept as :class:`ui.surroundings.Rule`
promises them; whoever is senior by rank may do everything to juniors.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from app.errors import UserFacingError
from app.events import DeviceForked, MembersChanged, RequestsChanged
from app.snapshots import (
    InviteSnapshot,
    MemberSnapshot,
    PersonSnapshot,
    RequestSnapshot,
    RoomDetails,
)
from ui.bridge import Mailbox

if TYPE_CHECKING:
    from ui.sample import SampleRoom

LINK = (
    "covey://join/yq7r3kbnmtqwx5z1n8ohcdfsg46pjue9ay7w3rkbnmtqwx5z1n8ohcdfsg46pjue9a"
    "y7w3rkbnmtqwx5z1n8ohcdfsg46"
)
RANKS = ("reader", "member", "moderator", "admin", "owner")


@dataclass(slots=True)
class SampleDoor:
    """What stands about one room besides its messages and members."""

    description: str = ""
    retention_ms: int = 0
    admits_from: str = "reader"
    muted: dict[str, int] = field(default_factory=dict)
    banned: dict[str, MemberSnapshot] = field(default_factory=dict)
    invites: list[InviteSnapshot] = field(default_factory=list)
    requests: list[RequestSnapshot] = field(default_factory=list)
    keys_turned: int = 0


class SampleRule(ABC):
    """Rules over rooms of one process's memory.

    Attributes:
        doors: What stands about each room.
        exports: Files that were asked for, in order.
    """

    me: str
    now_ms: int
    _mail: Mailbox

    def __init__(self) -> None:
        self.doors: dict[str, SampleDoor] = {}
        self.exports: list[str] = []

    @abstractmethod
    def _room(self, room: str) -> SampleRoom:
        """A room of the world."""

    @abstractmethod
    def _refuse(self) -> None:
        """Fail, when everything shall."""

    @abstractmethod
    def _change(self, room: str, **changes: object) -> None:
        """The room looks different now."""

    def door(self, room: str) -> SampleDoor:
        """What stands about a room."""
        self._room(room)
        return self.doors.setdefault(room, SampleDoor())

    async def details(self, room: str) -> RoomDetails:
        """Everything, with what one's rank allows."""
        door, members = self.door(room), self._room(room).members
        mine = next((it.role for it in members if it.me), "")
        rank = RANKS.index(mine) if mine in RANKS else -1
        high = rank >= RANKS.index("moderator")
        may = ["settings", "approve", "rotate", "pin", "delete"]
        return RoomDetails(
            room,
            door.description,
            door.retention_ms,
            door.admits_from,
            mine,
            tuple(may if rank >= 3 else may[1:] if high else may[2:3] if rank else ()),
            RANKS[:rank] if rank >= 3 else RANKS[: min(rank + 1, 2)],
            (
                *(self._person(door, it, rank, banned=False) for it in members),
                *(
                    self._person(door, it, rank, banned=True)
                    for it in door.banned.values()
                ),
            ),
            tuple(reversed(door.invites)),
        )

    def _person(
        self, door: SampleDoor, member: MemberSnapshot, rank: int, *, banned: bool
    ) -> PersonSnapshot:
        theirs = RANKS.index(member.role)
        may: list[str] = []
        if not member.me and rank > theirs and rank >= RANKS.index("moderator"):
            may = ["role", "mute", "remove"] if rank >= 3 else ["mute", "remove"]
        return PersonSnapshot(
            member.identity_key,
            member.name,
            member.role,
            present=not banned,
            banned=banned,
            muted_until=door.muted.get(member.identity_key, 0),
            may=tuple(may),
            roles=() if "role" not in may else RANKS if rank == 4 else RANKS[:rank],
        )

    async def invite(
        self,
        room: str,
        *,
        role: str = "member",
        expires_ms: int | None = None,
        uses: int | None = None,
        approval: bool = False,
    ) -> str:
        """A link that leads nowhere, and its place among the invites."""
        self._refuse()
        door = self.door(room)
        door.invites.append(
            InviteSnapshot(
                f"{len(door.invites) + 1:064x}",
                role,
                None if expires_ms is None else self.now_ms + expires_ms,
                uses or 0,
                0,
                approval,
                "",
                self.me,
                mine=True,
                may_close=True,
            )
        )
        return LINK

    async def revoke(self, link: str) -> None:
        """Close the newest invite: all have one link."""
        assert link == LINK
        for door in self.doors.values():
            if door.invites:
                door.invites.pop()

    async def close_invite(self, room: str, key: str) -> None:
        """Close it."""
        self._refuse()
        door = self.door(room)
        door.invites = [it for it in door.invites if it.key != key]

    async def requests(self, room: str) -> list[RequestSnapshot]:
        """Those of :meth:`knock`, until they are answered."""
        return list(self.door(room).requests)

    async def approve(self, room: str, id: str) -> None:
        """Let in."""
        request = self._answered(room, id)
        self._room(room).members.append(
            MemberSnapshot(
                request.identity_key, request.name, request.role, 1, online=True
            )
        )
        self._changed_members(room)

    async def deny(self, room: str, id: str) -> None:
        """Decline."""
        self._answered(room, id)

    def _answered(self, room: str, id: str) -> RequestSnapshot:
        self._refuse()
        door = self.door(room)
        request = next(it for it in door.requests if it.id == id)
        door.requests.remove(request)
        self._mail.post(RequestsChanged(room))
        return request

    async def set_role(self, room: str, member: str, role: str) -> None:
        """Change a rank."""
        self._refuse()
        self._room(room).members[:] = [
            replace(it, role=role) if it.identity_key == member else it
            for it in self._room(room).members
        ]
        self._changed_members(room)

    def fork(self, room: str, member: str) -> None:
        """A device of somebody's is shown to have written two histories."""
        self._room(room).members[:] = [
            replace(it, forked=1) if it.identity_key == member else it
            for it in self._room(room).members
        ]
        [name] = [it.name for it in self._room(room).members if it.forked]
        sentence = f"A device of {name} has written two histories of this room."
        self._mail.post(DeviceForked(room, member, name, False, False, sentence))
        self._mail.post(MembersChanged(room))

    async def kick(self, room: str, member: str) -> None:
        """Remove."""
        self._refuse()
        self._take_out(room, member)

    async def ban(self, room: str, member: str) -> None:
        """Remove for good."""
        self._refuse()
        self.door(room).banned[member] = self._take_out(room, member)

    def _take_out(self, room: str, member: str) -> MemberSnapshot:
        members = self._room(room).members
        gone = next(it for it in members if it.identity_key == member)
        members.remove(gone)
        self._changed_members(room)
        return gone

    async def unban(self, room: str, member: str) -> None:
        """Lift a ban."""
        self._refuse()
        del self.door(room).banned[member]
        self._mail.post(MembersChanged(room))

    async def mute(
        self, room: str, member: str, *, until_ms: int | None = None
    ) -> None:
        """Mute until then."""
        self._refuse()
        self.door(room).muted[member] = (1 << 53) if until_ms is None else until_ms
        self._mail.post(MembersChanged(room))

    async def rotate_key(self, room: str) -> None:
        """Count it."""
        self._refuse()
        self.door(room).keys_turned += 1

    async def configure(
        self,
        room: str,
        *,
        name: str | None = None,
        description: str | None = None,
        retention_ms: int | None = None,
        admits_from: str | None = None,
    ) -> None:
        """Change what is given."""
        self._refuse()
        door = self.door(room)
        if description is not None:
            door.description = description
        if retention_ms is not None:
            door.retention_ms = retention_ms
        if admits_from is not None:
            door.admits_from = admits_from
        self._change(room, **({} if name is None else {"name": name}))

    async def audit(self, room: str, file: str) -> dict[str, Any]:
        """Say so; nothing is written."""
        self._refuse()
        self._room(room)
        self.exports.append(file)
        return {"lines": 12, "bytes": 5300}

    # The other side -----------------------------------------------------------

    def knock(self, room: str, name: str, key: str, *, role: str = "member") -> None:
        """Somebody with an invite that asks for approval waits."""
        if any(it.name == name for it in self.door(room).requests):
            raise UserFacingError("twice", "They wait already.")
        self.door(room).requests.append(
            RequestSnapshot(f"{len(name):04x}{key}"[:64], room, name, key, role)
        )
        self._mail.post(RequestsChanged(room))

    def stranger(self, name: str) -> MemberSnapshot:
        """Somebody who is not in a room."""
        key = hashlib.blake2b(name.encode(), digest_size=32).hexdigest()
        return MemberSnapshot(key, name, "member", 1, online=False)

    def _changed_members(self, room: str) -> None:
        self._change(room, members=len(self._room(room).members))
        self._mail.post(MembersChanged(room))
