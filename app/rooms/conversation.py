"""What clients say in a room, and what they read of it.

``Conversation`` belongs to one room and lives on the network's loop. It checks what a
person wrote, makes contents of it and hands these to the room; what a page shows comes
from ``store/contents``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.rooms.operations import MAX_TEXT_BYTES, Body, Message
from app.rooms.view import RoomView
from app.snapshots import MessageSnapshot
from store import contents
from store.contents import MessageRow

if TYPE_CHECKING:
    from app.rooms.room import Room

MAX_HISTORY_BYTES = 4 * 1024 * 1024
"""Text given in one answer."""


class Conversation:
    """Speaks and reads in one room."""

    def __init__(self, room: Room) -> None:
        """Speak in a room that is loaded."""
        self._room = room

    async def send(self, text: str, *, reply_to: str | None = None) -> MessageSnapshot:
        """Write a message; returns once it is durable.

        Raises:
            UserFacingError: ``empty-message``, ``too-large``, ``read-only``,
                ``not-a-member``, ``unknown-message``, ``disk``, ``stored-only``.
        """
        reply = None if reply_to is None else await self.message_id(reply_to)
        body = Message(_clean_text(text), reply)

        def check(view: RoomView) -> Body:
            view.require_writer()
            return body

        written = await self._room.write(check, alone=False)
        for row in written.applied.messages:
            if row.sequence == written.sequence:
                return self._room.message(row)
        # It counts for nobody, as a removal came in between: shown to its author.
        found = await self._find(written.applied.ids[written.sequence])
        assert found is not None, "what was just written is there"
        return self._room.message(found)

    async def history(
        self, *, limit: int = 50, before: str | None = None
    ) -> list[MessageSnapshot]:
        """Messages oldest first, the newest ``limit`` of those before ``before``.

        Fewer are given when their text is larger than ``MAX_HISTORY_BYTES``.
        """
        bound = None if before is None else await self.message_id(before)
        row = self._room.row.row
        found = await self._room.read(
            lambda connection: contents.page(connection, row, limit=limit, before=bound)
        )
        kept: list[MessageSnapshot] = []
        size_bytes = 0
        for message in reversed(found):
            size_bytes += len(message.text.encode())
            if kept and size_bytes > MAX_HISTORY_BYTES:
                break
            kept.append(self._room.message(message))
        return kept[::-1]

    async def wait_delivered(self, id: str, *, timeout_s: float | None = None) -> int:
        """Wait until another device holds an own message; returns how many do.

        Raises:
            UserFacingError: ``unknown-message``, ``not-delivered`` after the time.
        """
        found = await self._find(await self.message_id(id))
        if found is None or found.device != self._room.device:
            raise UserFacingError("unknown-message", "That message is not yours.")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._room.wait_held(found)
        except TimeoutError:
            raise UserFacingError(
                "not-delivered",
                "The message is stored, but no other device has it yet: it will be"
                " sent when a member is online.",
            ) from None

    async def message_id(self, text: str) -> bytes:
        """The id of a message by it, or an unambiguous prefix of it, in hex.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        unknown = UserFacingError(
            "unknown-message", f"There is no message {text} here."
        )
        try:
            prefix = bytes.fromhex(text[: len(text) // 2 * 2])
        except ValueError:
            raise unknown from None
        if not 2 <= len(prefix) <= 32:
            raise unknown
        row = self._room.row.row
        found = await self._room.read(
            lambda connection: contents.ids_with_prefix(connection, row, prefix)
        )
        matching = [id for id in found if id.hex().startswith(text.lower())]
        if len(matching) != 1:
            raise unknown
        return matching[0]

    async def _find(self, id: bytes) -> MessageRow | None:
        row = self._room.row.row
        return await self._room.read(
            lambda connection: contents.message(connection, row, id)
        )


def _clean_text(text: str) -> str:
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise UserFacingError(
            "bad-text", "The message has characters that cannot be sent."
        ) from None
    if not text.strip():
        raise UserFacingError("empty-message", "The message is empty.")
    if size_bytes > MAX_TEXT_BYTES:
        raise UserFacingError(
            "too-large",
            f"The message has {size_bytes} bytes; {MAX_TEXT_BYTES} may be sent.",
        )
    return text
