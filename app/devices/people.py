"""Contacts and blocked people, the same on all devices of a person.

``People`` levels the contacts of this device (``app/contacts``) with what the devices
told each other: what a person changed here is told, everything else follows. Who was
only asked, or asks, is no matter of the other devices: they hear that themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from app.devices.records import BlockRecord, ContactRecord, Record, Records
from store.contacts import ACCEPTED, BLOCKED, ContactRow

_SHARED = (ACCEPTED, BLOCKED)


class Contacts(Protocol):
    """The contacts of this device."""

    @property
    def rows(self) -> list[ContactRow]:
        """Everybody."""

    def get(self, identity: bytes) -> ContactRow | None:
        """What is known of somebody."""

    async def keep(self, row: ContactRow) -> None:
        """Store somebody as they are now; raises ``StoreError``."""

    async def forget(self, identity: bytes) -> None:
        """Know somebody no more; raises ``StoreError``."""


class People:
    """Keeps the contacts of this device and those of the others level."""

    def __init__(
        self, contacts: Contacts, say: Callable[[Record], Awaitable[bool]]
    ) -> None:
        """Begin; what is here and nowhere told is told.

        Args:
            contacts: Of this device, started.
            say: Tells the other devices; False when that must wait.
        """
        self._contacts = contacts
        self._say = say
        self._before: dict[bytes, str] | None = None

    async def level(self, records: Records) -> None:
        """Tell what changed here, and follow what changed elsewhere."""
        here = self._here()
        before, known = self._before, {*here, *records.people, *(self._before or {})}
        for identity in known:
            mine, theirs = here.get(identity), _state(records, identity)
            if mine == theirs:
                continue
            if before is None:
                changed_here = identity not in records.people
            else:
                changed_here = mine != before.get(identity)
            if changed_here:
                if not await self._tell(identity, mine, records):
                    # Told the next time: it counts as changed until then.
                    return
            else:
                await self._follow(identity, theirs, records)
                if theirs is None:
                    here.pop(identity, None)
                else:
                    here[identity] = theirs
        # Not as it is now: what a person changed meanwhile is still to be told.
        self._before = here

    def _here(self) -> dict[bytes, str]:
        rows = self._contacts.rows
        return {row.identity: row.state for row in rows if row.state in _SHARED}

    async def _tell(self, identity: bytes, mine: str | None, records: Records) -> bool:
        row = self._contacts.get(identity)
        name = row.name if row is not None else ""
        said: list[Record] = []
        if (mine == BLOCKED) != (identity in records.blocked):
            said.append(BlockRecord(identity, mine == BLOCKED))
        if mine == ACCEPTED and identity not in records.contacts:
            said.append(ContactRecord(identity, name))
        elif mine is None and identity in records.contacts:
            said.append(ContactRecord(identity, name, removed=True))
        for record in said:
            if not await self._say(record):
                return False
        return True

    async def _follow(
        self, identity: bytes, theirs: str | None, records: Records
    ) -> None:
        row = self._contacts.get(identity)
        if theirs is None:
            if row is not None and row.state in _SHARED:
                await self._contacts.forget(identity)
            return
        if row is None:
            known = records.contacts.get(identity)
            name = known.name if known is not None else ""
            row = ContactRow(identity, name, theirs, "", "", None, 0)
        await self._contacts.keep(replace(row, state=theirs, link=""))


def _state(records: Records, identity: bytes) -> str | None:
    """What the devices say of somebody."""
    if identity in records.blocked:
        return BLOCKED
    return ACCEPTED if identity in records.contacts else None
