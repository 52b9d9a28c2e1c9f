"""What people say of messages that are there: edits, deletions, reactions, pins, votes.

``Changing`` belongs to one room and lives on the network's loop. What would mean
nothing by the rules is refused here with a sentence; the rules themselves are kept by
whoever reads it (``app/rooms/sayings.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from app.errors import UserFacingError
from app.rooms.conversation.reading import Reading
from app.rooms.conversation.words import (
    MAX_DELETED_AT_ONCE,
    clean_choices,
    clean_text,
    require_readable,
)
from app.rooms.operations import Body, Delete, Deleted, Edit, Pin, React, Vote
from app.rooms.operations.contents import MAX_DELETED, MAX_DELETED_LINKS
from app.rooms.proposals import not_allowed
from app.rooms.roles import Right
from app.rooms.view import RoomView
from app.snapshots import MessageSnapshot
from store import contents
from store.contents import Block, MessageRow
from store.database import Connection

if TYPE_CHECKING:
    from app.rooms.room import Room

MAX_EDITS_NAMED: Final = 1_024
"""Edits of one message that its deletion names."""
_DELETIONS_AT_ONCE: Final = 16


class Changing:
    """Says something of the messages of one room."""

    def __init__(self, room: Room, reading: Reading) -> None:
        """Begin.

        Args:
            room: The room, loaded.
            reading: Of the same room.
        """
        self._room = room
        self._reading = reading

    async def edit(
        self, id: str, text: str, called: Callable[[str], tuple[bytes, ...]]
    ) -> MessageSnapshot:
        """Say an own message in other words.

        Args:
            id: Which one.
            text: The new words.
            called: Finds whom a text calls.

        Raises:
            UserFacingError: ``unknown-message``, ``deleted-message``, ``not-allowed``,
                ``too-many-changes``; of the words; and as ``Room.say``.
        """
        words = clean_text(text)
        row = await self._standing(id)
        if not self._reading.is_mine(row):
            raise UserFacingError(
                "not-allowed", "A message can be edited by who wrote it only."
            )
        if row.kind != contents.MESSAGE:
            raise UserFacingError("not-editable", "Only messages can be edited.")
        body = Edit(row.id, words, called(words))
        require_readable(body, "bad-text", "The message cannot be sent as it is.")
        await self._write(row, contents.EDIT, body, Right.POST)
        return await self._reading.one(row.id.hex())

    async def react(self, id: str, emoji: str, *, on: bool = True) -> MessageSnapshot:
        """Put a sign under a message, or take it away.

        Raises:
            UserFacingError: ``bad-emoji``, ``unknown-message``, ``deleted-message``,
                ``too-many-changes``; and as ``Room.say``.
        """
        row = await self._standing(id)
        body = React(row.id, emoji.strip(), on)
        require_readable(body, "bad-emoji", "That is no sign to react with.")
        me = self._room.identity
        found = await self._room.read(
            lambda connection: contents.reactions(connection, [row])
        )
        stands = any(
            it.emoji == body.emoji and me in it.identities
            for it in found.get(row.id, ())
        )
        if stands != on:
            await self._write(row, contents.REACT, body, Right.REACT)
        return await self._reading.one(row.id.hex())

    async def pin(self, id: str, *, on: bool = True) -> MessageSnapshot:
        """Put a message where all find it, or take it away from there.

        Raises:
            UserFacingError: ``unknown-message``, ``deleted-message``, ``not-allowed``,
                ``too-many-changes``; and as ``Room.say``.
        """
        row = await self._standing(id)
        if row.pinned != on:
            await self._write(row, contents.PIN, Pin(row.id, on), Right.PIN)
        return await self._reading.one(row.id.hex())

    async def vote(self, id: str, choices: Sequence[int]) -> MessageSnapshot:
        """Choose among the answers of a poll, in place of what was chosen before.

        Args:
            id: Of the poll.
            choices: Numbers of answers from 0 on; none takes the vote back.

        Raises:
            UserFacingError: ``not-a-poll``, ``poll-closed``, ``bad-vote``,
                ``unknown-message``, ``deleted-message``, ``too-many-changes``; and as
                ``Room.say``.
        """
        row = await self._standing(id)
        if row.poll is None:
            raise UserFacingError("not-a-poll", "That message is no poll.")
        chosen = clean_choices(row.poll, choices, now_ms=self._room.now_ms())
        await self._write(row, contents.VOTE, Vote(row.id, chosen), Right.POST)
        return await self._reading.one(row.id.hex())

    async def delete(self, ids: Sequence[str]) -> None:
        """Let messages go everywhere: all of these, or none when one may not.

        Raises:
            UserFacingError: ``too-many``, ``unknown-message``, ``not-allowed``,
                ``not-here``, ``not-a-member``, ``disk``.
        """
        if len(ids) > MAX_DELETED_AT_ONCE:
            raise UserFacingError(
                "too-many",
                f"At most {MAX_DELETED_AT_ONCE} messages can be deleted at once.",
            )
        rows = {}
        for id in ids:
            row = await self._reading.row_of(id)
            if not row.deleted:
                rows[row.id] = row
        if not rows:
            return
        authors = {row.identity or row.device for row in rows.values()}
        named = await self._room.transact(
            lambda connection, view: _named(connection, view, list(rows.values()))
        )
        if not rows.keys() <= {it.id for it in named}:
            raise UserFacingError(
                "not-here",
                "A message to delete is not wholly here: try again when another member"
                " is online.",
            )
        bodies = [Delete(portion) for portion in portions(named)]
        check = partial(_check_deletion, authors=authors)
        for start in range(0, len(bodies), _DELETIONS_AT_ONCE):
            await asyncio.gather(
                *(
                    self._room.write(partial(check, body=body), alone=False)
                    for body in bodies[start : start + _DELETIONS_AT_ONCE]
                )
            )

    async def _standing(self, id: str) -> MessageRow:
        row = await self._reading.row_of(id)
        if row.deleted:
            raise UserFacingError("deleted-message", "That message was deleted.")
        return row

    async def _write(
        self, row: MessageRow, kind: int, body: Body, right: Right
    ) -> None:
        room, device = self._room.row.row, self._room.device
        count = await self._room.read(
            lambda connection: contents.change_count(
                connection, room, row.id, device=device, kind=kind
            )
        )
        most = contents.MAX_EDITS if kind == contents.EDIT else contents.MAX_CHANGES
        if count >= most:
            raise UserFacingError(
                "too-many-changes", "That was changed too often on this device."
            )

        def check(view: RoomView) -> Body:
            # There, so that the entry links to the message: else it would mean nothing.
            view.outlook().require(right)
            return body

        await self._room.write(check, alone=False)


def portions(named: Sequence[Deleted]) -> list[tuple[Deleted, ...]]:
    """Entries as single deletions can name them, in order."""
    found: list[tuple[Deleted, ...]] = []
    portion: list[Deleted] = []
    links = 0
    for deleted in named:
        links += len(deleted.links)
        if len(portion) == MAX_DELETED or links > MAX_DELETED_LINKS:
            found.append(tuple(portion))
            portion, links = [], len(deleted.links)
        portion.append(deleted)
    if portion:
        found.append(tuple(portion))
    return found


def _check_deletion(view: RoomView, *, body: Delete, authors: set[bytes]) -> Body:
    """May these authors' messages be deleted now?"""
    view.require_member()
    if not all(view.may_delete(author) for author in authors):
        raise not_allowed()
    return body


def _named(
    connection: Connection, view: RoomView, rows: Sequence[MessageRow]
) -> list[Deleted]:
    """Messages and their edits, as a deletion names them."""
    room = view.row.row
    found: list[Deleted] = []
    for row in rows:
        blocks = [Block(row.device, row.sequence)]
        blocks += contents.edits(connection, room, row.id, limit=MAX_EDITS_NAMED)
        for block in blocks:
            deleted = view.named(connection, block.writer, block.sequence)
            if deleted is not None:
                found.append(deleted)
    return found
