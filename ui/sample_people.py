"""The invented core's part about people and what a window keeps: :mod:`ui.sample`."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.events import ContactsChanged, RoomChanged
from app.snapshots import ContactSnapshot, RoomSnapshot
from ui.bridge import Mailbox

if TYPE_CHECKING:
    from ui.sample import SampleRoom

KEY_LETTERS = 64


class SamplePeople(ABC):
    """Knows people in one process's memory.

    Attributes:
        known: By identity key.
        kept: What the window keeps, by name.
        greetings: What was said to whom was asked.
    """

    now_ms: int
    _mail: Mailbox

    def __init__(self) -> None:
        self.known: dict[str, ContactSnapshot] = {}
        self.kept: dict[str, str] = {}
        self.greetings: dict[str, str] = {}

    @abstractmethod
    def add_room(
        self, name: str, *, kind: str = "group", people: tuple[str, ...] = ()
    ) -> SampleRoom:
        """Put a room into the world."""

    @abstractmethod
    def _refuse(self) -> None:
        """Fail, when everything shall."""

    async def dm(
        self, who: str, *, greeting: str = "", timeout_s: float | None = None
    ) -> RoomSnapshot:
        """Ask, or go on with whom is known."""
        del timeout_s
        self._refuse()
        if len(who) != KEY_LETTERS:
            raise UserFacingError("unknown-person", "Nobody here is called that.")
        found = self.known.get(who)
        if found is None:
            found = self.meet("Somebody", "calling", key=who)
        self.greetings[who] = greeting
        return self._direct(found)

    async def contacts(self) -> list[ContactSnapshot]:
        """All of them."""
        return list(self.known.values())

    async def accept_contact(
        self, who: str, *, timeout_s: float | None = None
    ) -> RoomSnapshot:
        """Let them write."""
        del timeout_s
        self._refuse()
        self._level(who, "accepted")
        return self._direct(self.known[who])

    async def decline_contact(self, who: str) -> None:
        """Do not."""
        self._refuse()
        self._level(who, "declined")

    async def block_contact(self, who: str) -> None:
        """Hear nothing more."""
        self._refuse()
        self._level(who, "blocked")

    async def unblock_contact(self, who: str) -> None:
        """Forget them."""
        self._refuse()
        del self.known[who]
        self._mail.post(ContactsChanged())

    async def safety_number(self, who: str) -> str:
        """Sixty digits made of the key."""
        self._refuse()
        digits = str(int(hashlib.blake2b(who.encode()).hexdigest(), 16))
        return " ".join(digits[at : at + 5] for at in range(0, 60, 5))

    async def preference(self, name: str) -> str:
        """What is kept."""
        return self.kept.get(name, "")

    async def set_preference(self, name: str, value: str) -> None:
        """Keep it."""
        self.kept[name] = value

    # The other side -----------------------------------------------------------

    def meet(
        self, name: str, state: str, greeting: str = "", *, key: str = ""
    ) -> ContactSnapshot:
        """Somebody is known now, in one of the states of contacts."""
        key = key or hashlib.blake2b(name.encode(), digest_size=32).hexdigest()
        self.known[key] = ContactSnapshot(
            key, name, state, greeting, None, self.now_ms + len(self.known)
        )
        self._mail.post(ContactsChanged())
        return self.known[key]

    def _level(self, who: str, state: str) -> None:
        self.known[who] = replace(self.known[who], state=state)
        self._mail.post(ContactsChanged())

    def _direct(self, contact: ContactSnapshot) -> RoomSnapshot:
        room = self.add_room(contact.name, kind="direct", people=(contact.name,))
        self.known[contact.identity_key] = replace(contact, room=room.snapshot.room)
        self._mail.post(RoomChanged(room.snapshot))
        self._mail.post(ContactsChanged())
        return room.snapshot
