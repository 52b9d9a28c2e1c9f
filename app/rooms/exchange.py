"""Rooms and the network: which topics are joined, and who talks to whom about what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from app.errors import UserFacingError
from app.network import Network
from app.rooms.invitations import SECRET_BYTES, Link
from app.rooms.operations import Body, Invite
from app.rooms.roles import ROLE_WORDS, may_invite
from app.rooms.room import Room, Surroundings
from app.rooms.view import RoomView
from app.snapshots import NetworkSnapshot
from store.rooms import RoomRow

DEFAULT_EXPIRY_MS = 24 * 60 * 60 * 1000
MAX_EXPIRY_MS = 10 * 365 * 24 * 60 * 60 * 1000
MAX_USES = 10_000


class Exchange:
    """Connects the rooms of one profile with the network."""

    def __init__(
        self,
        surroundings: Surroundings,
        network: Network | None,
        rooms: dict[bytes, Room],
        forget: Callable[[Room], Awaitable[None]],
    ) -> None:
        self._around = surroundings
        self._network = network
        self._rooms = rooms
        self._forget = forget

    async def start(self) -> None:
        """Begin to reach the network."""

    async def stop(self) -> None:
        """Say goodbye."""

    def add_room(self, room: Room) -> None:
        """Meet the room's members."""

    def remove_room(self, room: Room) -> None:
        """Meet them no more."""

    def network_snapshot(self) -> NetworkSnapshot:
        """The truth about the network."""
        return NetworkSnapshot(
            state="offline", nodes=0, firewall="unknown", public_address=None
        )

    async def facts(self) -> dict[str, Any]:
        """What the doctor wants to know of the network."""
        return {}

    async def invite(
        self, room: Room, *, role: str, expires_ms: int | None, uses: int | None
    ) -> str:
        """Make an invite; see ``Messenger.invite``."""
        wanted = ROLE_WORDS.get(role)
        if wanted is None:
            raise UserFacingError(
                "unknown-role", f"There is no role {role}: use {', '.join(ROLE_WORDS)}."
            )
        lasts_ms = DEFAULT_EXPIRY_MS if expires_ms is None else expires_ms
        count = 1 if uses is None else uses
        if not 0 < lasts_ms <= MAX_EXPIRY_MS or not 0 <= count <= MAX_USES:
            raise UserFacingError(
                "bad-invite-options",
                f"An invite lasts up to ten years and lets in up to {MAX_USES} people.",
            )
        # Whole seconds, as the link says them.
        expires_at_s = (self._around.now_ms() + lasts_ms) // 1000
        link = Link(self._around.entropy(SECRET_BYTES), room.row.room, expires_at_s)

        def body(view: RoomView) -> Body:
            member = view.require_member()
            if not may_invite(view.state.kind, member.role, wanted):
                raise UserFacingError(
                    "not-allowed", "Your role in this room does not allow that."
                )
            return Invite(link.key_pair.public_key, wanted, expires_at_s * 1000, count)

        await room.write(body)
        return link.encode()

    async def join(self, link: str, *, timeout_s: float | None) -> RoomRow:
        """Join by a link; see ``Messenger.join``."""
        raise UserFacingError("no-network", "The network cannot be used.")
