"""Writing to one person: what the messenger offers of contacts and rooms of two.

``app/remote_directs.py`` has the same methods outside the core. Whoever is asked
decides (``app/contacts``); until then what is written waits in the room of two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from app.contacts.calls import MAX_GREETING_BYTES
from app.contacts.contacts import Contacts
from app.errors import UserFacingError
from app.faults import explained
from app.rooms.roles import Kind
from app.snapshots import ContactSnapshot, RoomSnapshot
from store.contacts import ACCEPTED, ASKING, BLOCKED, CALLING, DECLINED, ContactRow

if TYPE_CHECKING:
    from app.profile import Profile
    from app.rooms.room import Room

INVITE_MS = 30 * 24 * 3_600_000
"""How long somebody has time to decide."""
MAX_MOVED = 1_000
"""Messages written again where two who called each other come together."""
MIN_PREFIX = 8
"""Letters of an identity key that name somebody."""


class Directs(ABC):
    """Rooms of two, and who may ask for one."""

    _contacts: Contacts
    _profile: Profile
    _rooms: dict[bytes, Room]

    @abstractmethod
    async def _begin_room(self, name: str, kind: Kind) -> Room:
        """Make a room with this profile as its owner."""

    @abstractmethod
    async def join(self, link: str, *, timeout_s: float | None = None) -> RoomSnapshot:
        """Join a room by its invite link."""

    @abstractmethod
    async def invite(
        self,
        room: str,
        *,
        role: str = "member",
        expires_ms: int | None = None,
        uses: int | None = None,
        approval: bool = False,
    ) -> str:
        """Make an invite and return its link."""

    @abstractmethod
    async def leave(self, room: str) -> None:
        """Leave a room and forget it."""

    async def dm(
        self, who: str, *, greeting: str = "", timeout_s: float | None = None
    ) -> RoomSnapshot:
        """The room of this person and another one, made when there is none.

        Whoever asked already is thereby accepted.

        Args:
            who: Identity key, or the name or a prefix of the key of a contact or of a
                member of a common room.
            greeting: What a person reads who is asked.
            timeout_s: How long to wait for who asked first.

        Raises:
            UserFacingError: ``unknown-person``, ``ambiguous``, ``not-allowed``,
                ``too-large``, ``too-many``, ``blocked``, ``disk``; and those of
                ``join``.
        """
        if len(greeting.encode()) > MAX_GREETING_BYTES:
            raise UserFacingError("too-large", "The greeting is too long.")
        identity, name = self._person(who)
        if identity == self._profile.identity_key:
            raise UserFacingError("not-allowed", "That is yourself.")
        room = self._direct_room(identity)
        if room is not None:
            return room.snapshot()
        row = self._contacts.get(identity)
        if row is not None and row.state == BLOCKED:
            raise UserFacingError("blocked", f"You have blocked {row.name}.")
        if row is not None and row.state in (ASKING, DECLINED) and row.link:
            return await self.accept_contact(identity.hex(), timeout_s=timeout_s)
        if not self._contacts.may_call:
            raise UserFacingError(
                "too-many", "Too many people have not answered yet: wait for some."
            )
        room = await self._begin_room(name or identity.hex()[:8], Kind.DIRECT)
        link = await self.invite(room.id, expires_ms=INVITE_MS, uses=1)
        with explained():
            await self._contacts.keep(
                ContactRow(identity, name, CALLING, link, greeting, room.row.room, 0)
            )
        return room.snapshot()

    async def contacts(self) -> list[ContactSnapshot]:
        """Everybody who is a contact, asks to be one, or is blocked."""
        found = []
        with explained():
            await self._contacts.settle()
        for row in self._contacts.rows:
            room = self._direct_room(row.identity)
            found.append(
                ContactSnapshot(
                    identity_key=row.identity.hex(),
                    name=row.name or row.identity.hex()[:8],
                    state=row.state,
                    greeting=row.greeting,
                    room=room.id if room is not None else None,
                    changed_at=row.at,
                )
            )
        return found

    async def accept_contact(
        self, who: str, *, timeout_s: float | None = None
    ) -> RoomSnapshot:
        """Agree to write with somebody who asked; enters the room of two.

        Raises:
            UserFacingError: ``unknown-person``, ``ambiguous``, and those of ``join``:
                who asked need not be online later on, only another try.
        """
        row = self._asking(who)
        with explained():
            await self._contacts.keep(replace(row, state=ACCEPTED))
        room = await self.join(row.link, timeout_s=timeout_s)
        with explained():
            entered = bytes.fromhex(room.room)
            await self._contacts.keep(replace(row, state=ACCEPTED, room=entered))
        return room

    async def decline_contact(self, who: str) -> None:
        """Do not write with somebody who asked, who is not told."""
        row = self._asking(who)
        with explained():
            await self._contacts.keep(replace(row, state=DECLINED))

    async def block_contact(self, who: str) -> None:
        """Hear nothing of somebody any more, who is not told; leaves the room of two.

        In rooms with others they are seen as before.
        """
        identity, name = self._person(who)
        if identity == self._profile.identity_key:
            raise UserFacingError("not-allowed", "That is yourself.")
        with explained():
            await self._contacts.keep(
                ContactRow(identity, name, BLOCKED, "", "", None, 0)
            )
        room = self._direct_room(identity)
        if room is not None:
            await self.leave(room.id)

    async def unblock_contact(self, who: str) -> None:
        """Let somebody ask again."""
        identity, _ = self._person(who)
        row = self._contacts.get(identity)
        if row is None or row.state != BLOCKED:
            raise UserFacingError("unknown-person", f"{who} is not blocked.")
        with explained():
            await self._contacts.forget(identity)

    async def _agreed(self, row: ContactRow) -> None:
        """Both want it: enter the other's room, and give up the own one.

        What was written there meanwhile is written again.
        """
        mine = self._direct_room(row.identity)
        entered = await self.join(row.link)
        if mine is None or mine.id == entered.room or mine.facts.present_count > 1:
            return
        theirs = self._rooms[bytes.fromhex(entered.room)]
        await theirs.wait_member()
        for message in await mine.conversation.reading.history(limit=MAX_MOVED):
            if message.text and not message.deleted:
                await theirs.conversation.send(message.text)
        await self.leave(mine.id)

    def _name_in_room(self, identity: bytes) -> str | None:
        room = self._direct_room(identity)
        member = None if room is None else room.facts.members.get(identity)
        return None if member is None else member.name

    def _asking(self, who: str) -> ContactRow:
        identity, _ = self._person(who)
        row = self._contacts.get(identity)
        if row is None or row.state not in (ASKING, DECLINED, ACCEPTED) or not row.link:
            raise UserFacingError("unknown-person", f"{who} has not asked to write.")
        return row

    def _direct_room(self, identity: bytes) -> Room | None:
        """The room of two with somebody, joined by them or not."""
        row = self._contacts.get(identity)
        for room in self._rooms.values():
            if room.left or room.facts.kind is not Kind.DIRECT:
                continue
            if identity in room.facts.members:
                return room
            alone = room.facts.present_count <= 1
            if row is not None and row.room == room.row.room and alone:
                return room
        return None

    def _person(self, who: str) -> tuple[bytes, str]:
        """Identity and name of somebody, by what a person typed.

        Raises:
            UserFacingError: ``unknown-person``, ``ambiguous``.
        """
        known: dict[bytes, str] = {}
        for room in self._rooms.values():
            for member in room.facts.members.values():
                known[member.identity] = member.name
        for row in self._contacts.rows:
            if row.name or row.identity not in known:
                known[row.identity] = row.name
        lowered = who.lower()
        found = [key for key, name in known.items() if name == who]
        if not found and len(lowered) >= MIN_PREFIX:
            found = [key for key in known if key.hex().startswith(lowered)]
        if len(found) > 1:
            raise UserFacingError(
                "ambiguous", f"Several people are called {who}: use the identity key."
            )
        if found:
            return found[0], known[found[0]]
        try:
            identity = bytes.fromhex(lowered)
        except ValueError:
            identity = b""
        if len(identity) != 32:
            raise UserFacingError(
                "unknown-person",
                f"Nobody called {who} is known here: use their identity key, which"
                " covey whoami shows them.",
            )
        return identity, ""
