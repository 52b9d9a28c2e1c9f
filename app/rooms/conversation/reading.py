"""What clients read of a room: pages, threads, pins, single messages.

``Reading`` belongs to one room and lives on the network's loop; rows come from
``store/contents``, and what stands around those of one answer (reactions, votes,
previews, threads) is read in the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.errors import UserFacingError
from app.rooms.conversation.words import MAX_HISTORY_BYTES
from app.snapshots import (
    MessageSnapshot,
    PollOptionSnapshot,
    PollSnapshot,
    PreviewSnapshot,
    ReactionSnapshot,
    ResponseSnapshot,
)
from store import contents
from store.contents import MessageRow, Preview, Reaction, Tally, ThreadSize
from store.database import Connection

if TYPE_CHECKING:
    from app.rooms.room import Room

MAX_REACTIONS_SHOWN: Final = 64
"""Different signs shown under one message: those that came first."""
MAX_ASKED: Final = 50
"""Messages that are asked for by their ids at once: all of them fit in an answer."""

MAX_RESPONSES_TOLD: Final = 1_000
"""People told of who put something under one message."""

_NO_TALLY = Tally((), ())


@dataclass(frozen=True, slots=True)
class Context:
    """What stands around the messages of one answer, by their ids."""

    reactions: Mapping[bytes, tuple[Reaction, ...]] = field(default_factory=dict)
    tallies: Mapping[bytes, Tally] = field(default_factory=dict)
    previews: Mapping[bytes, Preview] = field(default_factory=dict)
    threads: Mapping[bytes, ThreadSize] = field(default_factory=dict)


_NOTHING = Context()


def read_context(
    connection: Connection, room: int, rows: Sequence[MessageRow]
) -> Context:
    """What stands around messages of one room."""
    answered = (row.reply_to for row in rows if row.reply_to is not None)
    return Context(
        contents.reactions(connection, rows),
        contents.tallies(connection, rows),
        contents.previews(connection, room, answered),
        contents.thread_sizes(connection, room, [row.id for row in rows]),
    )


class Reading:
    """Reads one room."""

    def __init__(self, room: Room) -> None:
        """Read a room that is loaded."""
        self._room = room

    async def responses(self, id: str) -> list[ResponseSnapshot]:
        """Who put what under a message, or chose what in a poll, by name.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        found, members = await self.row_of(id), self._room.facts.members
        signs, tally = await self._room.read(
            lambda connection: (
                contents.reactions(connection, [found]).get(found.id, ()),
                contents.tallies(connection, [found]).get(found.id, _NO_TALLY),
            )
        )
        emojis: dict[bytes, list[str]] = {}
        for sign in signs:
            for who in sign.identities:
                emojis.setdefault(who, []).append(sign.emoji)
        votes = dict(tally.votes)
        told = [
            ResponseSnapshot(
                identity_key=who.hex(),
                name=members[who].name if who in members else "",
                me=who == self._room.identity,
                emojis=tuple(emojis.get(who, ())[:MAX_REACTIONS_SHOWN]),
                choices=votes.get(who, ()),
            )
            for who in {**emojis, **votes}
        ]
        told.sort(key=lambda it: (it.name.casefold(), it.identity_key))
        return told[:MAX_RESPONSES_TOLD]

    async def history(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        thread: str | None = None,
        pinned: bool = False,
    ) -> list[MessageSnapshot]:
        """Messages oldest first: the newest ``limit``, or those at one of them.

        Fewer are given when their words are larger than ``MAX_HISTORY_BYTES``: those
        that are furthest from where the page begins are left out.

        Args:
            limit: At most this many.
            before: Id of a message; the page ends before it.
            after: Id of a message; the page begins behind it.
            around: Id of a message in the middle of the page.
            thread: Id of a message; only what hangs on it.
            pinned: Only what is pinned; without any of the four before.

        Raises:
            UserFacingError: ``unknown-message``, ``bad-page``.
        """
        given = [it for it in (before, after, around) if it is not None]
        if len(given) > 1 or (pinned and (given or thread is not None)):
            raise UserFacingError("bad-page", "A page begins at one message only.")
        ids = [None if it is None else await self.id_of(it) for it in (before, after)]
        middle = None if around is None else await self.id_of(around)
        root = None if thread is None else await self.id_of(thread)
        if after is None and middle is None and root is None and not pinned:
            mixed = await self._room.previews.page(limit=limit, before=ids[0])
            if mixed is not None:
                together = mixed.together(await self.of_rows(mixed.rows))
                return _bounded(together[::-1])[::-1]
        row = self._room.row.row

        def look(connection: Connection) -> list[MessageRow]:
            if pinned:
                return contents.pins(connection, row, limit=limit)
            anchors = {"before": ids[0], "after": ids[1], "around": middle}
            if root is None:
                return contents.page(connection, row, limit=limit, **anchors)
            return contents.thread(connection, row, root, limit=limit, **anchors)

        found = await self._read(look)
        if after is not None:
            return _bounded(found)
        if middle is not None:
            # Where it stood, when it is hidden or gone.
            at = next(
                (at for at, it in enumerate(found) if it.id == middle.hex()),
                len(found) // 2,
            )
            kept = _bounded(found[at:])
            rest = MAX_HISTORY_BYTES - sum(map(_weight, kept))
            return _bounded(found[:at][::-1], rest)[::-1] + kept
        return _bounded(found[::-1])[::-1]

    async def one(self, id: str) -> MessageSnapshot:
        """One message by its id, or the beginning of it.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        return (await self.of_rows([await self.row_of(id)]))[0]

    async def several(self, ids: Sequence[str]) -> list[MessageSnapshot]:
        """Messages by whole ids; what is gone or hidden is left out.

        Raises:
            UserFacingError: ``too-many``, ``unknown-message``: that is no id.
        """
        if len(ids) > MAX_ASKED:
            raise UserFacingError(
                "too-many", f"At most {MAX_ASKED} messages can be asked for at once."
            )
        try:
            wanted = list(dict.fromkeys(bytes.fromhex(id) for id in ids))
        except ValueError:
            raise _unknown("of that id") from None
        row = self._room.row.row

        def look(connection: Connection) -> list[MessageRow]:
            found = (contents.message(connection, row, id) for id in wanted)
            return [it for it in found if it is not None and _is_listed(it)]

        found = await self._read(look)
        here = {message.id for message in found}
        told = (self._room.previews.one(id) for id in wanted if id.hex() not in here)
        return found + [message for message in told if message is not None]

    async def of_rows(self, rows: Iterable[MessageRow]) -> list[MessageSnapshot]:
        """Rows as clients see them, with what stands around them now."""
        kept = list(rows)
        return await self._read(lambda _: kept)

    async def fresh(self, rows: Sequence[MessageRow]) -> list[MessageSnapshot]:
        """Rows that have just come: nobody can have said anything of them yet."""
        answered = [row.reply_to for row in rows if row.reply_to is not None]
        if not answered:
            return [self.snapshot(row) for row in rows]
        room = self._room.row.row
        previews = await self._room.read(
            lambda connection: contents.previews(connection, room, answered)
        )
        context = Context(previews=previews)
        return [self.snapshot(row, context) for row in rows]

    async def row_of(self, id: str) -> MessageRow:
        """A message that can be seen, by its id or the beginning of it.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        found = await self.row(await self.id_of(id))
        if found is None or not _is_listed(found):
            raise _unknown(id)
        return found

    async def row(self, id: bytes) -> MessageRow | None:
        """A message as it is stored, shown or not."""
        row = self._room.row.row
        return await self._room.read(
            lambda connection: contents.message(connection, row, id)
        )

    async def id_of(self, text: str) -> bytes:
        """The id of a message by it, or an unambiguous prefix of it, in hex.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        try:
            prefix = bytes.fromhex(text[: len(text) // 2 * 2])
        except ValueError:
            raise _unknown(text) from None
        if not 2 <= len(prefix) <= 32:
            raise _unknown(text)
        row = self._room.row.row
        found = await self._room.read(
            lambda connection: contents.ids_with_prefix(connection, row, prefix)
        )
        told = self._room.previews.find_ids(text)
        matching = {id for id in (*found, *told) if id.hex().startswith(text.lower())}
        if len(matching) != 1:
            raise _unknown(text)
        return matching.pop()

    def snapshot(self, row: MessageRow, context: Context = _NOTHING) -> MessageSnapshot:
        """A stored message as clients show it.

        Args:
            row: It.
            context: What stands around it; nothing when it is not known.
        """
        room = self._room
        author, author_name = self._author(row.device, row.identity)
        thread = context.threads.get(row.id)
        reply = context.previews.get(row.reply_to) if row.reply_to else None
        reactions = context.reactions.get(row.id, ())[:MAX_REACTIONS_SHOWN]
        return MessageSnapshot(
            id=row.id.hex(),
            room=room.id,
            author=author,
            author_name=author_name,
            text=row.text,
            sent_at=row.sent_at,
            mine=self.is_mine(row),
            delivered_to=room.receipts.delivered_to(row),
            reply_to=row.reply_to.hex() if row.reply_to else None,
            edited=row.edited_at is not None and not row.deleted,
            deleted=row.deleted,
            kind=_KINDS.get(row.kind, "newer"),
            pinned=row.pinned and not row.deleted,
            thread=row.thread.hex() if row.thread else None,
            thread_size=thread.count if thread else 0,
            thread_last_at=thread.last_sent_at if thread else None,
            reply=self._preview(reply) if reply else None,
            mentions=tuple(who.hex() for who in row.mentions),
            mentions_me=room.identity in row.mentions,
            reactions=tuple(
                ReactionSnapshot(
                    it.emoji, len(it.identities), room.identity in it.identities
                )
                for it in reactions
            ),
            poll=self._poll(row, context.tallies.get(row.id, _NO_TALLY)),
            forwarded_from=row.forwarded_from,
            expires_at=row.expires_at,
        )

    def is_mine(self, row: MessageRow) -> bool:
        """Whether this person wrote a message, on whatever device."""
        return row.device == self._room.device or row.identity == self._room.identity

    def _author(self, device: bytes, identity: bytes | None) -> tuple[str, str]:
        fact = self._room.facts.member_of(device)
        if fact is not None:
            return fact.identity.hex(), fact.name
        return (identity or device).hex(), ""

    def _preview(self, preview: Preview) -> PreviewSnapshot:
        author, author_name = self._author(preview.device, preview.identity)
        return PreviewSnapshot(
            preview.id.hex(), author, author_name, preview.text, preview.deleted
        )

    def _poll(self, row: MessageRow, tally: Tally) -> PollSnapshot | None:
        if row.poll is None or row.deleted:
            return None
        options = row.poll.options
        counts = tally.counts or (0,) * len(options)
        mine = dict(tally.votes).get(self._room.identity, ())
        return PollSnapshot(
            options=tuple(
                PollOptionSnapshot(text, count, at in mine)
                for at, (text, count) in enumerate(zip(options, counts, strict=False))
            ),
            multiple=row.poll.multiple,
            closes_at=row.poll.closes_at,
            voters=len(tally.votes),
        )

    async def _read(
        self, look: Callable[[Connection], list[MessageRow]]
    ) -> list[MessageSnapshot]:
        """Rows and what stands around them, in one moment."""
        room = self._room.row.row

        def work(connection: Connection) -> tuple[list[MessageRow], Context]:
            rows = look(connection)
            return rows, read_context(connection, room, rows)

        rows, context = await self._room.read(work)
        return [self.snapshot(row, context) for row in rows]


_KINDS = {contents.MESSAGE: "message", contents.POLL: "poll"}


def _is_listed(row: MessageRow) -> bool:
    return row.shown and not row.expired


def _bounded(
    found: Sequence[MessageSnapshot], most: int = MAX_HISTORY_BYTES
) -> list[MessageSnapshot]:
    """The first of them that fit, but one at least when anything may be given."""
    kept: list[MessageSnapshot] = []
    size_bytes = 0
    for message in found:
        size_bytes += _weight(message)
        if size_bytes > most and (kept or most < MAX_HISTORY_BYTES):
            break
        kept.append(message)
    return kept


def _weight(message: MessageSnapshot) -> int:
    """About how many bytes others chose for a message."""
    size_bytes = len(message.text.encode()) + 64 * len(message.mentions)
    size_bytes += sum(len(it.emoji.encode()) for it in message.reactions)
    if message.reply is not None:
        size_bytes += len(message.reply.text.encode())
    if message.poll is not None:
        size_bytes += sum(len(it.text.encode()) for it in message.poll.options)
    return size_bytes


def _unknown(text: str) -> UserFacingError:
    return UserFacingError("unknown-message", f"There is no message {text} here.")
