"""The seam between the face and the core: what ``ui`` needs of a client.

``ui`` owns these shapes and :mod:`app.client` fits them; tests and the gallery put
objects of their own in its place. How a core is started, found and spoken to stays
in ``app``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from app.events import Event
from app.snapshots import (
    MemberSnapshot,
    NetworkSnapshot,
    ProfileSnapshot,
    RoomSnapshot,
)
from ui.surroundings import Keeping, Lookup, Oneself, People, Rule
from ui.talk import Talk


class Core(Talk, Rule, People, Keeping, Lookup, Oneself, Protocol):
    """A running core as its clients see it.

    Every method may raise :class:`app.errors.UserFacingError`, whose sentence is fit
    for a person, and may be cancelled at any await without harm to the core.
    """

    async def profile(self) -> ProfileSnapshot:
        """Who this profile is."""

    async def network(self) -> NetworkSnapshot:
        """The state of the connection to the network."""

    async def rooms(self) -> list[RoomSnapshot]:
        """All rooms, in no particular order."""

    async def members(self, room: str) -> list[MemberSnapshot]:
        """The members of a room."""

    async def create_room(self, name: str, *, kind: str = "group") -> RoomSnapshot:
        """Make a room; returns once it is durable."""

    async def join(self, link: str, *, timeout_s: float | None = None) -> RoomSnapshot:
        """Join by link; returns once a member who is online admitted us."""

    async def leave(self, room: str) -> None:
        """Leave a room and forget it."""

    def events(self) -> AsyncIterator[Event]:
        """What happens from now on, in order; ends when the core does."""

    async def recovery_phrase(self) -> str:
        """The 24 words of this identity, separated by spaces."""

    async def close(self) -> None:
        """Let go of the core; one this window started ends with it."""


class Gateway(Protocol):
    """The way to the core of one profile."""

    def profile_exists(self) -> bool:
        """Whether the folder holds a profile, so that nothing has to be asked."""

    async def open(self, *, passphrase: str | None = None) -> Core:
        """Connect to the profile's core, starting one when none runs.

        Raises:
            UserFacingError: With code ``passphrase-needed`` or ``wrong-passphrase``
                when the profile is locked, else whatever went wrong.
        """

    async def create(self, name: str, *, phrase: str | None = None) -> Core:
        """Make the profile, from the 24 words when given, then open it."""
