"""Conversations from outside: the methods of ``app/conversations.py`` as calls.

The part of ``Client`` that asks the core to say, change and read messages, and what the
core takes in these calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from app.snapshots import (
    MessageSnapshot,
    ResponseSnapshot,
    ScheduledSnapshot,
    SharingSnapshot,
)

CALLS: Final[dict[str, dict[str, Any]]] = {
    "send": {
        "room": str,
        "text": str,
        "reply_to": str | None,
        "thread": str | None,
        "mentions": list[str],
        "lifetime_ms": int | None,
    },
    "poll": {
        "room": str,
        "question": str,
        "options": list[str],
        "multiple": bool,
        "closes_at": int | None,
    },
    "forward": {"room": str, "id": str, "to": str},
    "edit": {"room": str, "id": str, "text": str, "mentions": list[str]},
    "delete": {"room": str, "ids": list[str]},
    "react": {"room": str, "id": str, "emoji": str, "on": bool},
    "pin": {"room": str, "id": str, "on": bool},
    "vote": {"room": str, "id": str, "choices": list[int]},
    "wait_delivered": {"room": str, "id": str, "timeout_s": float | None},
    "history": {
        "room": str,
        "limit": int,
        "before": str | None,
        "after": str | None,
        "around": str | None,
        "thread": str | None,
        "pinned": bool,
    },
    "message": {"room": str, "id": str},
    "messages": {"room": str, "ids": list[str]},
    "responses": {"room": str, "id": str},
    "schedule": {
        "room": str,
        "text": str,
        "send_at": int,
        "reply_to": str | None,
        "thread": str | None,
        "mentions": list[str],
        "lifetime_ms": int | None,
    },
    "scheduled": {"room": str | None},
    "cancel_scheduled": {"id": str},
    "draft": {"room": str},
    "set_draft": {"room": str, "text": str},
    "set_typing": {"room": str, "typing": bool},
    "set_active": {"active": bool},
    "sharing": {},
    "set_sharing": {"typing": bool | None, "presence": bool | None},
    "mark_read": {"room": str, "up_to": str | None},
}
"""Methods of ``Conversations`` that clients may call, with their arguments' types."""


class RemoteConversations(ABC):
    """Talks in the rooms of the core's profile."""

    @abstractmethod
    async def _call(self, kind: Any, call: str, /, **arguments: Any) -> Any:
        """Ask the core, and read the answer as a value of that kind."""

    async def send(
        self,
        room: str,
        text: str,
        *,
        reply_to: str | None = None,
        thread: str | None = None,
        mentions: Sequence[str] = (),
        lifetime_ms: int | None = None,
    ) -> MessageSnapshot:
        """Write a message; see ``Conversations.send``."""
        return await self._message(
            "send",
            room=room,
            text=text,
            reply_to=reply_to,
            thread=thread,
            mentions=list(mentions),
            lifetime_ms=lifetime_ms,
        )

    async def poll(
        self,
        room: str,
        question: str,
        options: Sequence[str],
        *,
        multiple: bool = False,
        closes_at: int | None = None,
    ) -> MessageSnapshot:
        """Ask something with answers to choose from; see ``Conversations.poll``."""
        return await self._message(
            "poll",
            room=room,
            question=question,
            options=list(options),
            multiple=multiple,
            closes_at=closes_at,
        )

    async def forward(self, room: str, id: str, to: str) -> MessageSnapshot:
        """Say a message of one room again in another."""
        return await self._message("forward", room=room, id=id, to=to)

    async def edit(
        self, room: str, id: str, text: str, *, mentions: Sequence[str] = ()
    ) -> MessageSnapshot:
        """Say an own message in other words."""
        return await self._message(
            "edit", room=room, id=id, text=text, mentions=list(mentions)
        )

    async def delete(self, room: str, ids: Sequence[str]) -> None:
        """Let messages go everywhere: all of these, or none when one may not."""
        await self._call(None, "delete", room=room, ids=list(ids))

    async def react(
        self, room: str, id: str, emoji: str, *, on: bool = True
    ) -> MessageSnapshot:
        """Put a sign under a message, or take it away."""
        return await self._message("react", room=room, id=id, emoji=emoji, on=on)

    async def pin(self, room: str, id: str, *, on: bool = True) -> MessageSnapshot:
        """Put a message where all find it, or take it away from there."""
        return await self._message("pin", room=room, id=id, on=on)

    async def vote(self, room: str, id: str, choices: Sequence[int]) -> MessageSnapshot:
        """Choose among the answers of a poll, by their numbers from 0 on."""
        return await self._message("vote", room=room, id=id, choices=list(choices))

    async def wait_delivered(
        self, room: str, id: str, *, timeout_s: float | None = None
    ) -> int:
        """Wait until another device holds an own message; returns how many do."""
        count: int = await self._call(
            int, "wait_delivered", room=room, id=id, timeout_s=timeout_s
        )
        return count

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
        """Messages oldest first; see ``Conversations.history``."""
        found: list[MessageSnapshot] = await self._call(
            list[MessageSnapshot],
            "history",
            room=room,
            limit=limit,
            before=before,
            after=after,
            around=around,
            thread=thread,
            pinned=pinned,
        )
        return found

    async def message(self, room: str, id: str) -> MessageSnapshot:
        """One message, by its id or the beginning of it."""
        return await self._message("message", room=room, id=id)

    async def messages(self, room: str, ids: Sequence[str]) -> list[MessageSnapshot]:
        """Messages by their whole ids; those that are gone are left out."""
        found: list[MessageSnapshot] = await self._call(
            list[MessageSnapshot], "messages", room=room, ids=list(ids)
        )
        return found

    async def schedule(
        self,
        room: str,
        text: str,
        *,
        send_at: int,
        reply_to: str | None = None,
        thread: str | None = None,
        mentions: Sequence[str] = (),
        lifetime_ms: int | None = None,
    ) -> ScheduledSnapshot:
        """Keep a message until its time; see ``Conversations.schedule``."""
        found: ScheduledSnapshot = await self._call(
            ScheduledSnapshot,
            "schedule",
            room=room,
            text=text,
            send_at=send_at,
            reply_to=reply_to,
            thread=thread,
            mentions=list(mentions),
            lifetime_ms=lifetime_ms,
        )
        return found

    async def scheduled(self, room: str | None = None) -> list[ScheduledSnapshot]:
        """What waits for its time, and what could not be sent; by time."""
        found: list[ScheduledSnapshot] = await self._call(
            list[ScheduledSnapshot], "scheduled", room=room
        )
        return found

    async def cancel_scheduled(self, id: str) -> None:
        """Do not send what waits."""
        await self._call(None, "cancel_scheduled", id=id)

    async def draft(self, room: str) -> str:
        """What is written in a room and not said yet; mostly empty."""
        text: str = await self._call(str, "draft", room=room)
        return text

    async def set_draft(self, room: str, text: str) -> None:
        """Keep what is written in a room and not said yet; empty for nothing."""
        await self._call(None, "set_draft", room=room, text=text)

    async def set_typing(self, room: str, *, typing: bool = True) -> None:
        """This person writes in a room; see ``Conversations.set_typing``."""
        await self._call(None, "set_typing", room=room, typing=typing)

    async def set_active(self, *, active: bool) -> None:
        """This person is at the computer, or away."""
        await self._call(None, "set_active", active=active)

    async def sharing(self) -> SharingSnapshot:
        """What the members of all rooms may see of this person."""
        found: SharingSnapshot = await self._call(SharingSnapshot, "sharing")
        return found

    async def set_sharing(
        self, *, typing: bool | None = None, presence: bool | None = None
    ) -> SharingSnapshot:
        """Let others see more or less of this person."""
        found: SharingSnapshot = await self._call(
            SharingSnapshot, "set_sharing", typing=typing, presence=presence
        )
        return found

    async def responses(self, room: str, id: str) -> list[ResponseSnapshot]:
        """Who put what under a message; see ``Conversations.responses``."""
        found: list[ResponseSnapshot] = await self._call(
            list[ResponseSnapshot], "responses", room=room, id=id
        )
        return found

    async def mark_read(self, room: str, *, up_to: str | None = None) -> None:
        """Count what arrived in a room as read, up to a message or all of it."""
        await self._call(None, "mark_read", room=room, up_to=up_to)

    async def _message(self, call: str, **arguments: Any) -> MessageSnapshot:
        found: MessageSnapshot = await self._call(MessageSnapshot, call, **arguments)
        return found
