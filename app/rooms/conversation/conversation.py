"""What clients say in a room; what they read and change of it stands beside.

``Conversation`` belongs to one room and lives on the network's loop. It checks what a
person wrote, makes contents of it and hands these to the room; what a page shows comes
from ``store/contents``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.rooms.conversation.changing import Changing
from app.rooms.conversation.mentions import mentioned
from app.rooms.conversation.reading import Reading
from app.rooms.conversation.words import (
    clean_lifetime,
    clean_poll,
    clean_text,
    require_readable,
)
from app.rooms.operations import Message, Poll
from app.snapshots import MessageSnapshot
from store import contents, drafts

if TYPE_CHECKING:
    from app.rooms.room import Room


class Conversation:
    """Speaks in one room.

    Attributes:
        reading: What is read.
        changing: What is said of messages.
    """

    def __init__(self, room: Room) -> None:
        """Speak in a room that is loaded."""
        self._room = room
        self.reading = Reading(room)
        self.changing = Changing(room, self.reading)

    async def send(
        self,
        text: str,
        *,
        reply_to: str | None = None,
        thread: str | None = None,
        mentions: Sequence[str] = (),
        lifetime_ms: int | None = None,
    ) -> MessageSnapshot:
        """Write a message; returns once it is durable.

        Args:
            text: The words; ``@name`` and ``@identity`` call members.
            reply_to: Id of the message it answers.
            thread: Id of a message on which, or beside which, it hangs.
            mentions: Identity keys or names of further members it calls.
            lifetime_ms: It disappears so long after it was sent.

        Raises:
            UserFacingError: ``empty-message``, ``bad-text``, ``too-large``,
                ``bad-lifetime``, ``unknown-message``, ``unknown-member``,
                ``too-many-mentions``; and as ``say``.
        """
        body = await self.compose(
            text,
            reply_to=reply_to,
            thread=thread,
            mentions=mentions,
            lifetime_ms=lifetime_ms,
        )
        return await self.say(body)

    async def compose(
        self,
        text: str,
        *,
        reply_to: str | None = None,
        thread: str | None = None,
        mentions: Sequence[str] = (),
        lifetime_ms: int | None = None,
    ) -> Message:
        """A message that is not said yet; see ``send``."""
        words = clean_text(text)
        lifetime_ms = clean_lifetime(lifetime_ms)
        reply = None if reply_to is None else await self.reading.id_of(reply_to)
        root = None if thread is None else await self._root(thread)
        return Message(
            words,
            reply,
            root,
            self.called(words, mentions),
            lifetime_ms=lifetime_ms,
        )

    async def poll(
        self,
        question: str,
        options: Sequence[str],
        *,
        multiple: bool = False,
        closes_at: int | None = None,
    ) -> MessageSnapshot:
        """Ask something with answers to choose from.

        Args:
            question: What is asked.
            options: The answers.
            multiple: Several may be chosen.
            closes_at: When votes end, in ms since 1970; None for never.

        Raises:
            UserFacingError: ``bad-poll``, ``empty-message``, ``bad-text``,
                ``too-large``; and as ``say``.
        """
        now_ms = self._room.now_ms()
        body = clean_poll(
            question, options, multiple=multiple, closes_at=closes_at, now_ms=now_ms
        )
        return await self.say(body)

    async def forward(self, id: str, to: Conversation) -> MessageSnapshot:
        """Say a message of this room again in another one, naming who wrote it.

        Raises:
            UserFacingError: ``unknown-message``, ``not-forwardable``; and as ``say``.
        """
        row = await self.reading.row_of(id)
        if row.kind != contents.MESSAGE or row.deleted or row.wiped:
            raise UserFacingError(
                "not-forwardable", "Only messages that can be read can be forwarded."
            )
        found = self.reading.snapshot(row)
        source = row.forwarded_from or found.author_name or found.author[:8]
        body = Message(row.text, forwarded_from=source)
        require_readable(body, "not-forwardable", "The message cannot be forwarded.")
        return await to.say(body)

    async def say(self, body: Message | Poll) -> MessageSnapshot:
        """Write a message or poll; returns once it is durable.

        Raises:
            UserFacingError: ``read-only``, ``not-a-member``, ``muted``, ``disk``,
                ``stored-only``.
        """
        written = await self._room.say(body)
        for row in written.applied.messages:
            if row.sequence == written.sequence:
                return (await self.reading.fresh([row]))[0]
        # It counts for nobody, as a removal came in between: shown to its author.
        found = await self.reading.row(written.applied.ids[written.sequence])
        assert found is not None, "what was just written is there"
        return self.reading.snapshot(found)

    async def draft(self) -> str:
        """What is written and not said yet; mostly empty."""
        row = self._room.row.row
        return await self._room.read(lambda connection: drafts.draft(connection, row))

    async def set_draft(self, text: str) -> None:
        """Keep what is written and not said yet; empty for nothing.

        Raises:
            UserFacingError: ``too-large``, ``bad-text``, ``disk``.
        """
        kept = clean_text(text) if text.strip() else ""
        row = self._room.row.row
        await self._room.transact(
            lambda connection, _: drafts.set_draft(connection, row, kept)
        )

    async def message_id(self, text: str) -> bytes:
        """The id of a message by it, or an unambiguous prefix of it, in hex.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        return await self.reading.id_of(text)

    def called(self, text: str, named: Sequence[str] = ()) -> tuple[bytes, ...]:
        """Identities that a text calls, and those named beside it.

        Raises:
            UserFacingError: ``unknown-member``, ``ambiguous``, ``too-many-mentions``.
        """
        find = self._room.moderation.find
        beside = [find(member).identity for member in named]
        return mentioned(text, self._room.facts.members, beside)

    async def wait_delivered(self, id: str, *, timeout_s: float | None = None) -> int:
        """Wait until another device holds an own message; returns how many do.

        Raises:
            UserFacingError: ``unknown-message``, ``not-delivered`` after the time.
        """
        found = await self.reading.row(await self.reading.id_of(id))
        if found is None or found.device != self._room.device:
            raise UserFacingError("unknown-message", "That message is not yours.")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._room.receipts.wait_held(found)
        except TimeoutError:
            raise UserFacingError(
                "not-delivered",
                "The message is stored, but no other device has it yet: it will be"
                " sent when a member is online.",
            ) from None

    async def _root(self, id: str) -> bytes:
        """The root of the thread on which a message hangs, or begins."""
        row = await self.reading.row_of(id)
        return row.thread or row.id
