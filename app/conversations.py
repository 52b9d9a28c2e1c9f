"""What the messenger offers of conversations: saying, changing and reading messages.

The part of ``Messenger`` that finds the room and leaves the rest to its
``Conversation``; ``app/remote_conversations.py`` has the same methods outside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.snapshots import (
    MessageSnapshot,
    ResponseSnapshot,
    ScheduledSnapshot,
    SharingSnapshot,
)

if TYPE_CHECKING:
    from app.consent import Consent
    from app.rooms.room import Room
    from app.schedule import Schedule


class Conversations(ABC):
    """Talks in the rooms of one profile."""

    _schedule: Schedule
    """What waits for its time."""
    _consent: Consent
    """What others may see."""

    @abstractmethod
    def _find(self, text: str) -> Room:
        """The room of that id, prefix or name."""

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
        """Write a message; returns once it is durable.

        Args:
            room: Which room.
            text: The words; ``@name`` and ``@identity`` call members.
            reply_to: Id of the message it answers.
            thread: Id of a message on which, or beside which, it hangs.
            mentions: Identity keys or names of further members it calls.
            lifetime_ms: It disappears so long after it was sent.

        Raises:
            UserFacingError: ``empty-message``, ``bad-text``, ``too-large``,
                ``read-only``, ``muted``, ``not-a-member``, ``unknown-message``,
                ``unknown-member``, ``too-many-mentions``, ``bad-lifetime``, ``disk``;
                ``stored-only``: it is shown and sent once the disk has room.
        """
        return await self._find(room).conversation.send(
            text,
            reply_to=reply_to,
            thread=thread,
            mentions=mentions,
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
        """Ask something with 2 to 20 answers to choose from.

        Args:
            room: Which room.
            question: What is asked.
            options: The answers.
            multiple: Several may be chosen.
            closes_at: When votes end; None for never.

        Raises:
            UserFacingError: ``bad-poll``; and as for ``send``.
        """
        return await self._find(room).conversation.poll(
            question, options, multiple=multiple, closes_at=closes_at
        )

    async def forward(self, room: str, id: str, to: str) -> MessageSnapshot:
        """Say a message of one room again in another, naming who wrote it first.

        Raises:
            UserFacingError: ``not-forwardable``; and as for ``send``.
        """
        target = self._find(to).conversation
        return await self._find(room).conversation.forward(id, target)

    async def edit(
        self, room: str, id: str, text: str, *, mentions: Sequence[str] = ()
    ) -> MessageSnapshot:
        """Say an own message in other words; see ``send``.

        Raises:
            UserFacingError: ``not-allowed``, ``not-editable``, ``deleted-message``,
                ``too-many-changes``; and as for ``send``.
        """
        conversation = self._find(room).conversation
        return await conversation.changing.edit(
            id, text, lambda words: conversation.called(words, mentions)
        )

    async def delete(self, room: str, ids: Sequence[str]) -> None:
        """Let messages go everywhere: all of these, or none when one may not.

        Raises:
            UserFacingError: ``unknown-message``, ``not-allowed``, ``too-many``,
                ``not-a-member``, ``disk``.
        """
        await self._find(room).conversation.changing.delete(ids)

    async def react(
        self, room: str, id: str, emoji: str, *, on: bool = True
    ) -> MessageSnapshot:
        """Put a sign under a message, or take it away.

        Raises:
            UserFacingError: ``bad-emoji``, ``deleted-message``, ``too-many-changes``;
                and as for ``send``.
        """
        return await self._find(room).conversation.changing.react(id, emoji, on=on)

    async def pin(self, room: str, id: str, *, on: bool = True) -> MessageSnapshot:
        """Put a message where all find it, or take it away from there.

        Raises:
            UserFacingError: ``deleted-message``, ``too-many-changes``; and as for
                ``send``.
        """
        return await self._find(room).conversation.changing.pin(id, on=on)

    async def vote(self, room: str, id: str, choices: Sequence[int]) -> MessageSnapshot:
        """Choose among the answers of a poll, in place of what was chosen before.

        Args:
            room: Which room.
            id: Of the poll.
            choices: Numbers of answers from 0 on; none takes the vote back.

        Raises:
            UserFacingError: ``not-a-poll``, ``poll-closed``, ``bad-vote``,
                ``deleted-message``, ``too-many-changes``; and as for ``send``.
        """
        return await self._find(room).conversation.changing.vote(id, choices)

    async def wait_delivered(
        self, room: str, id: str, *, timeout_s: float | None = None
    ) -> int:
        """Wait until another device holds an own message; returns how many do.

        Raises:
            UserFacingError: ``not-delivered`` after the time, ``unknown-message``.
        """
        return await self._find(room).conversation.wait_delivered(
            id, timeout_s=timeout_s
        )

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
        """Messages oldest first: the newest ``limit``, or those at one of them.

        Args:
            room: Which room.
            limit: At most this many, and never more than 1,000; fewer when their words
                are large.
            before: Id of a message; the page ends before it.
            after: Id of a message; the page begins behind it.
            around: Id of a message in the middle of the page.
            thread: Id of a message; only what hangs on it.
            pinned: Only what is pinned; without any of the four before.

        Raises:
            UserFacingError: ``unknown-message``, ``bad-page``.
        """
        return await self._find(room).conversation.reading.history(
            limit=limit,
            before=before,
            after=after,
            around=around,
            thread=thread,
            pinned=pinned,
        )

    async def message(self, room: str, id: str) -> MessageSnapshot:
        """One message, by its id or the beginning of it.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        return await self._find(room).conversation.reading.one(id)

    async def messages(self, room: str, ids: Sequence[str]) -> list[MessageSnapshot]:
        """Messages by their whole ids; those that are gone or hidden are left out.

        At most 50 can be asked for at once.

        Raises:
            UserFacingError: ``too-many``, ``unknown-message``.
        """
        return await self._find(room).conversation.reading.several(ids)

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
        """Keep a message until its time; it is sent then, or once a core runs.

        Args:
            room: Which room.
            text: See ``send``, as for what follows.
            send_at: When, at most ten years ahead.
            reply_to: See ``send``.
            thread: See ``send``.
            mentions: See ``send``.
            lifetime_ms: It disappears so long after it was sent.

        Raises:
            UserFacingError: ``bad-time``, ``too-many``; and as for ``send``.
        """
        found = self._find(room)
        body = await found.conversation.compose(
            text,
            reply_to=reply_to,
            thread=thread,
            mentions=mentions,
            lifetime_ms=lifetime_ms,
        )
        return await self._schedule.add(found, body, send_at=send_at)

    async def scheduled(self, room: str | None = None) -> list[ScheduledSnapshot]:
        """What waits for its time, and what could not be sent; by time."""
        return await self._schedule.all(None if room is None else self._find(room))

    async def cancel_scheduled(self, id: str) -> None:
        """Do not send what waits.

        Raises:
            UserFacingError: ``unknown-message``: it is not there, or was sent.
        """
        await self._schedule.cancel(id)

    async def draft(self, room: str) -> str:
        """What is written in a room and not said yet; mostly empty."""
        return await self._find(room).conversation.draft()

    async def set_draft(self, room: str, text: str) -> None:
        """Keep what is written in a room and not said yet; empty for nothing.

        Raises:
            UserFacingError: ``too-large``, ``bad-text``, ``disk``.
        """
        await self._find(room).conversation.set_draft(text)

    async def set_typing(self, room: str, *, typing: bool = True) -> None:
        """This person writes in a room; to be repeated every few seconds.

        Members who are connected see it if the person lets them: see ``set_sharing``.
        """
        self._find(room).signals.write(on=typing)

    async def set_active(self, *, active: bool) -> None:
        """This person is at the computer, or away; others see it as for ``typing``."""
        self._consent.set_active(active=active)

    async def sharing(self) -> SharingSnapshot:
        """What the members of all rooms may see of this person."""
        return self._consent.snapshot()

    async def set_sharing(
        self, *, typing: bool | None = None, presence: bool | None = None
    ) -> SharingSnapshot:
        """Let others see more or less of this person.

        Args:
            typing: That one writes; None for as it is.
            presence: Whether one is at the computer.

        Raises:
            UserFacingError: ``disk``.
        """
        return await self._consent.change(typing=typing, presence=presence)

    async def responses(self, room: str, id: str) -> list[ResponseSnapshot]:
        """Who put which signs under a message, or chose what in a poll, by name.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        return await self._find(room).conversation.reading.responses(id)

    async def mark_read(self, room: str, *, up_to: str | None = None) -> None:
        """Count what arrived in a room as read, up to a message or all of it.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        found = self._find(room)
        reading = found.conversation.reading
        await found.mark_read(
            up_to=None if up_to is None else await reading.id_of(up_to)
        )
