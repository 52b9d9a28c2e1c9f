"""Tells members who have not got a room's logs yet what stands in it, a page at a time.

Answers the questions of ``app/rooms/pages.py``, for devices of members only and not too
often; whoever asks and what becomes of it is the business of ``app/rooms/previews.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from app.errors import UserFacingError
from app.rooms.facts import RoomFacts
from app.rooms.page_responses import told_poll, told_reactions
from app.rooms.pages import (
    MAX_LENGTHS,
    MAX_MEMBERS,
    MAX_PAGE_BYTES,
    MAX_ROWS,
    AskPage,
    Page,
    PageMember,
    PageRoom,
    PageRow,
    sign_page,
)
from app.tasks import Tasks
from net.crypto import KeyPair
from store import contents, rooms
from store.contents import MessageRow, Reaction, Tally
from store.database import Connection

if TYPE_CHECKING:
    from app.rooms.room import Room

_LOG = logging.getLogger("covey.room")

MAX_PAGES_AT_ONCE = 20
"""Pages that one device gets one after the other."""
PAGES_PER_S = 2.0
"""How fast it may ask for more after these."""
MAX_ASKERS = 256
"""Devices whose questions are counted; who asked longest ago is forgotten."""
_SIGNED_BYTES = 64 + 16
"""Of a page beside its statement."""

Lengths = Mapping[bytes, int]
"""How much of each log is understood, by device."""


class _Found(NamedTuple):
    """Messages as they stand here, and what stands under them, by their ids."""

    rows: list[MessageRow]
    lengths: Lengths
    signs: Mapping[bytes, tuple[Reaction, ...]]
    tallies: Mapping[bytes, Tally]


class _Budget:
    """How many pages each device may still have."""

    def __init__(self) -> None:
        self._left: dict[bytes, tuple[float, float]] = {}

    def take(self, device: bytes, now: float) -> bool:
        """True when the device may have one more page."""
        left, since = self._left.pop(device, (float(MAX_PAGES_AT_ONCE), now))
        left = min(float(MAX_PAGES_AT_ONCE), left + (now - since) * PAGES_PER_S)
        allowed = left >= 1
        self._left[device] = (left - 1 if allowed else left, now)
        if len(self._left) > MAX_ASKERS:
            del self._left[next(iter(self._left))]
        return allowed


class PageSource:
    """Gives pages of one room."""

    def __init__(self, room: Room, device: KeyPair, tasks: Tasks) -> None:
        """Begin.

        Args:
            room: The room, loaded before anybody asks.
            device: This device's key pair: it signs what is told.
            tasks: Owns the answers under way.
        """
        self._room = room
        self._device = device
        self._tasks = tasks
        self._budget = _Budget()
        self._busy: set[bytes] = set()

    def give(self, ask: AskPage, asker: bytes, send: Callable[[bytes], None]) -> None:
        """Answer a question, if this device knows the room well enough itself.

        Args:
            ask: The question.
            asker: Key of the device that asked; a member's.
            send: Sends the page, if the asker is still a member then.
        """
        room = self._room
        if not room.is_member or room.left or room.previews.is_active:
            return
        now = asyncio.get_running_loop().time()
        if asker in self._busy or not self._budget.take(asker, now):
            return
        self._busy.add(asker)
        self._tasks.spawn(self._give(ask, asker, send))

    async def _give(
        self, ask: AskPage, asker: bytes, send: Callable[[bytes], None]
    ) -> None:
        try:
            page = await self._page(ask, asker)
        except UserFacingError as error:
            _LOG.info("a page could not be read for a member: %s", error.code)
            return
        finally:
            self._busy.discard(asker)
        if page is not None:
            room = self._room.row.room
            send(sign_page(page, room=room, asker=asker, device=self._device))

    async def _page(self, ask: AskPage, asker: bytes) -> Page | None:
        """What was asked for; None when the place is not known here."""
        row, limit = self._room.row.row, min(ask.limit, MAX_ROWS)

        def look(connection: Connection) -> _Found | None:
            before = ask.before or None
            if before and contents.place(connection, row, before) is None:
                return None
            found = contents.page(connection, row, limit=limit + 1, before=before)
            # Read last: they must reach beyond whatever made the messages so.
            logs = [] if before else rooms.logs(connection, row)
            lengths = {log.writer: log.derived for log in logs if log.derived}
            signs = contents.reactions(connection, found)
            return _Found(found, lengths, signs, contents.tallies(connection, found))

        read = await self._room.read(look)
        if read is None:
            return None
        found, lengths, facts = read.rows, read.lengths, self._room.facts
        person = facts.devices.get(asker)
        who = person.identity if person is not None else b""
        told = None if ask.before else self._told(facts, asker, found, lengths)
        head = Page(ask.number, ask.before, (), older=True, room=told)
        left = MAX_PAGE_BYTES - _SIGNED_BYTES - len(head.encode())
        rows: list[PageRow] = []
        for message in reversed(found[-limit:] if limit else ()):
            if message.wiped and not message.deleted:
                # Its words are lacking here for now: somebody else has them.
                continue
            one = replace(
                _told_row(facts, message),
                reactions=told_reactions(read.signs.get(message.id, ()), who),
                poll=told_poll(message, read.tallies.get(message.id), who),
            )
            # With the length of the row before it.
            left -= len(one.encode()) + 4
            if left < 0:
                break
            rows.append(one)
        older = len(found) > limit or left < 0
        return Page(ask.number, ask.before, tuple(rows[::-1]), older, told)

    def _told(
        self,
        facts: RoomFacts,
        asker: bytes,
        rows: Iterable[MessageRow],
        lengths: Lengths,
    ) -> PageRoom | None:
        """What the room is; None when the asker is in no more."""
        member = facts.member_of(asker)
        if member is None or not member.present:
            return None
        mine = self._room.identity
        present = [m for m in facts.members.values() if m.present]
        present.sort(key=lambda m: (m.identity != mine, -m.role))
        named = {message.device for message in rows}
        order = sorted(lengths, key=lambda w: (w not in named, -lengths[w]))
        return PageRoom(
            facts.name,
            facts.kind,
            member.role,
            facts.present_count,
            tuple(PageMember(m.identity, m.role, m.name) for m in present)[
                :MAX_MEMBERS
            ],
            tuple((writer, lengths[writer]) for writer in order[:MAX_LENGTHS]),
        )


def _told_row(facts: RoomFacts, message: MessageRow) -> PageRow:
    author = facts.member_of(message.device)
    return PageRow(
        message.id,
        message.device,
        message.sequence,
        message.clock,
        message.kind,
        message.sent_at,
        author.name if author is not None else "",
        "" if message.deleted else message.text,
        identity=author.identity if author is not None else None,
        reply_to=message.reply_to,
        thread=message.thread,
        edited_at=message.edited_at,
        deleted=message.deleted,
        pinned=message.pinned,
        forwarded_from=message.forwarded_from,
        expires_at=message.expires_at,
    )
