"""The part of the seam that is about talking: what ``ui`` asks of a core in a room.

A piece of :class:`ui.gateway.Core`; :mod:`app.client` fits it, and so does
:mod:`ui.sample_talk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.snapshots import (
    DeliverySnapshot,
    MessageSnapshot,
    ResponseSnapshot,
    ScheduledSnapshot,
)


class Talk(Protocol):
    """Saying, changing and reading; failures are as for :class:`ui.gateway.Core`."""

    async def send(
        self,
        room: str,
        text: str,
        *,
        reply_to: str | None = None,
        thread: str | None = None,
        lifetime_ms: int | None = None,
    ) -> MessageSnapshot:
        """Write a message; returns once it is durable here."""

    async def edit(self, room: str, id: str, text: str) -> MessageSnapshot:
        """Say an own message in other words."""

    async def delete(self, room: str, ids: Sequence[str]) -> None:
        """Let messages go everywhere: all of these, or none when one may not."""

    async def react(
        self, room: str, id: str, emoji: str, *, on: bool = True
    ) -> MessageSnapshot:
        """Put a sign under a message, or take it away."""

    async def pin(self, room: str, id: str, *, on: bool = True) -> MessageSnapshot:
        """Put a message where all find it, or take it away from there."""

    async def poll(
        self,
        room: str,
        question: str,
        options: Sequence[str],
        *,
        multiple: bool = False,
        closes_at: int | None = None,
    ) -> MessageSnapshot:
        """Ask something with 2 to 20 answers to choose from."""

    async def vote(self, room: str, id: str, choices: Sequence[int]) -> MessageSnapshot:
        """Choose among the answers of a poll, in place of what was chosen before."""

    async def forward(self, room: str, id: str, to: str) -> MessageSnapshot:
        """Say a message of one room again in another, naming who wrote it first."""

    async def history(
        self,
        room: str,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        thread: str | None = None,
        pinned: bool = False,
    ) -> list[MessageSnapshot]:
        """Messages, oldest first: the newest, or those at one of them."""

    async def message(self, room: str, id: str) -> MessageSnapshot:
        """One message as it is now."""

    async def messages(self, room: str, ids: Sequence[str]) -> list[MessageSnapshot]:
        """At most 50 messages as they are now; those that are gone are left out."""

    async def responses(self, room: str, id: str) -> list[ResponseSnapshot]:
        """Who put which signs under a message, or chose what in a poll, by name."""

    async def delivery(self, room: str, id: str) -> DeliverySnapshot:
        """Which members' devices hold a message."""

    async def schedule(
        self, room: str, text: str, *, send_at: int, reply_to: str | None = None
    ) -> ScheduledSnapshot:
        """Keep a message until its time."""

    async def scheduled(self, room: str | None = None) -> list[ScheduledSnapshot]:
        """What waits for its time, and what could not be sent; by time."""

    async def cancel_scheduled(self, id: str) -> None:
        """Do not send what waits."""

    async def draft(self, room: str) -> str:
        """What is written in a room and not said yet; mostly empty."""

    async def set_draft(self, room: str, text: str) -> None:
        """Keep what is written in a room and not said yet; empty for nothing."""

    async def set_typing(self, room: str, *, typing: bool = True) -> None:
        """This person writes in a room; to be repeated every few seconds."""

    async def mark_read(self, room: str) -> None:
        """Count everything in the room as read."""
