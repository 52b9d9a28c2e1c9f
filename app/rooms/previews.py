"""What is shown of a room whose logs are still on their way here.

A device that was just let in, or that comes back after a long time, asks a member it is
connected with for the newest messages, and for older ones as somebody scrolls back
(``app/rooms/pages.py``). These are shown as not verified, in the name of who told them.
Each gives way to what the logs say as soon as that is here; when everything told of has
come, the rest is dropped, and what turned out false is said, with who said it.

Lives on the network's loop and keeps nothing on the disk: the logs do.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol

from app.errors import UserFacingError
from app.events import Event, HistoryDoubted, MessagesChanged
from app.rooms.doubts import Logs, Told, doubt_sentence, is_false
from app.rooms.page_responses import poll_snapshot, reaction_snapshots
from app.rooms.pages import MAX_ROWS, AskPage, Page, PageRoom, PageRow, open_page
from app.rooms.roles import Kind, may_write
from app.snapshots import MemberSnapshot, MessageSnapshot, RoomSnapshot
from app.tasks import Tasks
from net.errors import RemoteProtocolError
from store import contents
from store.autobase import Place
from store.contents import MessageRow
from store.contents.standing import Standing, page_between, standing
from store.database import Connection

if TYPE_CHECKING:
    from app.rooms.room import Room

_LOG = logging.getLogger("covey.room")

FIRST_ROWS: Final = 50
"""Messages of the page asked for first."""
MAX_TOLD: Final = 5_000
"""Messages kept that are not verified."""
MAX_TOLD_BYTES: Final = 8 * 1024 * 1024
"""The same in bytes of their text."""
MAX_QUESTIONS: Final = 64
"""Questions whose answers may still come."""
MIN_BEHIND: Final = 500
"""So many blocks are fetched without asking for a page, and waited for by who joins."""
NEXT_S = 1.0
"""After so long without an answer another member is asked as well."""
ASK_LIMIT_S = 3.0
"""How long somebody who scrolls back waits for an older page."""
STALL_S = 120.0
"""After so long without any progress a member believes the logs alone."""
SEND_LIMIT_S = 30.0
"""How long a message waits until this device may write."""
MAX_EVIDENCE: Final = 4
"""Pages kept in which something was made up."""
MAX_NAMED: Final = 100
"""Messages named to clients as changed."""


class Source(Protocol):
    """A proven peer that may tell pages."""

    device: bytes
    identity: bytes

    def ask_page(self, ask: AskPage) -> None:
        """Send a question as soon as possible."""


@dataclass(slots=True)
class _Question:
    source: Source
    before: bytes
    answered: asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class Mixed:
    """A page of messages of which some are verified and some only told."""

    rows: list[MessageRow]
    """The verified ones, oldest first."""
    told: list[tuple[Place, MessageSnapshot]]
    """The others."""

    def together(self, shown: Sequence[MessageSnapshot]) -> list[MessageSnapshot]:
        """Everything in order.

        Args:
            shown: What ``rows`` look like.
        """
        placed = [(r.place, s) for r, s in zip(self.rows, shown, strict=True)]
        return [snapshot for _, snapshot in sorted(placed + self.told, key=_first)]


class Previews:
    """What others told of one room, until its logs say so.

    Attributes:
        told: What the room is, as told; None while nothing is shown.
        refuted_count: Messages that turned out to be made up.
        evidence: The last pages with such ones, signed by whoever told them.
    """

    def __init__(
        self, room: Room, publish: Callable[[Event], None], now_ms: Callable[[], int]
    ) -> None:
        """Begin with nothing to show.

        Args:
            room: The room, loaded before anybody comes.
            publish: Tells clients.
            now_ms: The wall clock.
        """
        self.told: PageRoom | None = None
        self.refuted_count = 0
        self.evidence: list[bytes] = []
        self._room = room
        self._publish = publish
        self._now_ms = now_ms
        self._sources: dict[Source, None] = {}
        self._source_news = asyncio.Event()
        self._questions: dict[int, _Question] = {}
        self._number = 0
        self._asking: asyncio.Task[None] | None = None
        self._lags = False
        self._giver: Source | None = None
        self._rows: dict[bytes, Told] = {}
        self._order: list[PageRow] = []
        self._bytes = 0
        self._at_start = False
        self._behind: dict[bytes, int] = {}
        self._stall: asyncio.TimerHandle | None = None
        self._tasks = Tasks(_LOG, "unverified messages could not be dealt with")

    @property
    def is_active(self) -> bool:
        """True while messages are shown that are not verified."""
        return self.told is not None

    @property
    def is_long(self) -> bool:
        """True while so much is on its way that nobody should wait for it."""
        derived = self._room.logs.derived
        return self.is_active and (
            sum(n - derived.get(writer, 0) for writer, n in self._behind.items())
            > MIN_BEHIND
        )

    @property
    def is_verifying(self) -> bool:
        """True while the room's history is not known here by its logs."""
        return self.is_active or self._unheard

    def added(self, known: RoomSnapshot, last: Place | None) -> RoomSnapshot:
        """The room's line in the list, with what was told.

        Args:
            known: The line by what is verified.
            last: Where its last message stands.
        """
        if not self.is_verifying:
            return known
        newest, told = self._newest(), self.told
        if newest is not None and (last is None or last < newest.place):
            known = replace(known, last_message=self._snapshot(newest))
        if told is not None and not self._room.is_member:
            # The room's acts say nothing of these yet.
            known = replace(
                known,
                name=self._room_name(told) or known.name,
                kind=told.kind.word,
                members=told.member_count,
                can_write=may_write(told.kind, told.role),
            )
        return replace(
            known,
            verifying=True,
            verified_share=self.share,
            trusted_name=self.trusted_name,
        )

    @property
    def share(self) -> float:
        """How much of what was told of is verified, from 0 to 1."""
        if not self.is_verifying:
            return 1.0
        told, derived = self.told, self._room.logs.derived
        whole = sum(length for _, length in told.lengths) if told is not None else 0
        if told is None or not whole:
            return 0.0
        done = sum(min(derived.get(w, 0), length) for w, length in told.lengths)
        return done / whole

    @property
    def trusted_name(self) -> str:
        """Who is believed meanwhile; empty when nobody is."""
        if self._giver is None or self.told is None:
            return ""
        return self._name(self._giver.identity)

    def members(self) -> list[MemberSnapshot]:
        """The members as told; not all of them where there are many."""
        told, online = self.told, {s.identity for s in self._sources}
        mine = self._room.identity
        return [
            MemberSnapshot(
                identity_key=member.identity.hex(),
                name=member.name,
                role=member.role.word,
                devices=1,
                online=member.identity == mine or member.identity in online,
                me=member.identity == mine,
            )
            for member in sorted(
                told.members if told is not None else (),
                key=lambda m: (-m.role, m.name.casefold(), m.identity),
            )
        ]

    async def wait_writable(self) -> None:
        """Wait until this device is a member as far as it knows.

        Raises:
            UserFacingError: ``not-synchronised`` after a while.
        """
        if not self._unheard:
            return
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self._room.wait_member()
        except TimeoutError:
            raise UserFacingError(
                "not-synchronised",
                "This room's history is still being verified: you can write as soon as"
                " it shows that you were let in.",
            ) from None

    async def stop(self) -> None:
        """Ask and show nothing more."""
        if self._stall is not None:
            self._stall.cancel()
        await self._tasks.cancel()

    # Those who can be asked.

    def came(self, source: Source) -> None:
        """Somebody can be asked from now on."""
        self._sources[source] = None
        self._source_news.set()
        if self._unheard:
            self._ask_first()

    def gone(self, source: Source) -> None:
        """Somebody cannot be asked any more."""
        self._sources.pop(source, None)
        for number, question in tuple(self._questions.items()):
            if question.source is source:
                del self._questions[number]
                _settle(question.answered, answered=False)

    def lacked(self, count: int) -> None:
        """A member has so many blocks more than are here."""
        if self._lags or self.is_active or not self._room.is_member:
            return
        if count > MIN_BEHIND:
            self._lags = True
            if self._asking is not None:
                # It waits for somebody new; those who are here may be asked again.
                self._asking.cancel()
            self._asking = self._tasks.spawn(self._find_first())

    def page_came(self, source: Source, data: bytes) -> bool:
        """A peer told a page; False when it broke the rules."""
        if all(question.source is not source for question in self._questions.values()):
            # It answers nothing: not worth looking at.
            return True
        room = self._room
        try:
            page = open_page(
                data, room=room.row.room, asker=room.device, device=source.device
            )
        except RemoteProtocolError as error:
            _LOG.warning("a page of messages was refused: %s", error)
            return False
        question = self._questions.pop(page.number, None)
        if question is None or question.source is not source:
            return True
        if page.before != question.before:
            return False
        used = self._use(source, page, data)
        _settle(question.answered, answered=used)
        return True

    def _ask_first(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = self._tasks.spawn(self._find_first())

    async def _find_first(self) -> None:
        """Ask one after the other for the newest page, until somebody tells it."""
        asked: set[Source] = set()
        while not self.is_active and (self._unheard or self._lags):
            self._source_news.clear()
            source = next((s for s in self._sources if s not in asked), None)
            if source is None:
                asked &= self._sources.keys()
                await self._source_news.wait()
                continue
            asked.add(source)
            await self._ask(source, b"", FIRST_ROWS, NEXT_S)

    async def _ask(
        self, source: Source, before: bytes, limit: int, limit_s: float
    ) -> bool:
        """Ask for a page; True when it came and something of it is shown."""
        self._number += 1
        answered = asyncio.get_running_loop().create_future()
        self._questions[self._number] = _Question(source, before, answered)
        if len(self._questions) > MAX_QUESTIONS:
            _settle(
                self._questions.pop(next(iter(self._questions))).answered,
                answered=False,
            )
        source.ask_page(AskPage(self._number, limit, before))
        # Whoever is late is heard nevertheless.
        await asyncio.wait((answered,), timeout=limit_s)
        return answered.done() and answered.result()

    # What is told.

    def _use(self, source: Source, page: Page, data: bytes) -> bool:
        """Show a page; False when it is of no use any more."""
        if not page.before:
            if self.is_active or page.room is None:
                return False
            if not (self._unheard or self._lags):
                return False
            self._begin(source, page.room)
        elif not self._order or page.before != self._order[0].id:
            return False
        elif page.rows and page.rows[-1].place >= self._order[0].place:
            _LOG.warning("a page of older messages holds newer ones")
            return False
        fresh = [row for row in page.rows if row.id not in self._rows]
        for row in fresh:
            first = not page.before
            self._rows[row.id] = Told(row, source.identity, first, data)
            self._bytes += len(row.encode())
        self._order[:0] = fresh
        self._at_start = not page.older
        if not page.before:
            self._room.preview_changed()
            self._review(self._room.logs.derived)
        return bool(fresh) or self._at_start

    def _begin(self, source: Source, told: PageRoom) -> None:
        """Show what a member tells from here on."""
        self.told, self._giver, self._lags = told, source, False
        derived = self._room.logs.derived
        self._behind = {w: n for w, n in told.lengths if derived.get(w, 0) < n}
        self._progressed()

    def derived(self, writer: bytes, length: int) -> None:
        """More of a log is understood here, or who is who changed."""
        if not self.is_active:
            return
        if (wanted := self._behind.get(writer)) is not None:
            self._progressed()
            if length >= wanted:
                del self._behind[writer]
        self._review({writer: length})

    def _review(self, reached: Mapping[bytes, int]) -> None:
        """End when everything that was told of is here.

        Args:
            reached: How much of each log is understood.
        """
        if not self._room.is_member:
            return
        if not any(self._is_behind(w, reached.get(w)) for w in self._behind):
            self._end()

    def _is_behind(self, writer: bytes, length: int | None) -> bool:
        """True while more of a log will come, as far as the rules know it."""
        room = self._room
        fact, head = room.facts.devices.get(writer), room.heads.get(writer)
        # All others are let in by what stands in those that are known.
        if fact is None or (head is not None and head.forked):
            return False
        wanted = self._behind[writer]
        if fact.wanted_length is not None:
            wanted = min(wanted, fact.wanted_length)
        known = room.logs.derived.get(writer, 0) if length is None else length
        return known < wanted

    def _progressed(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(STALL_S, self._stalled)

    def _stalled(self) -> None:
        """Nobody brings what was told of."""
        if self._room.is_member:
            self._end()
        else:
            self._progressed()

    def _end(self) -> None:
        """Show what is verified, and find out what was not true."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        told, behind = list(self._rows.values()), set(self._behind)
        names = {one.source: self._name(one.source) for one in told}
        self.told, self._giver, self._at_start, self._bytes = None, None, False, 0
        self._rows, self._order, self._behind = {}, [], {}
        for question in self._questions.values():
            _settle(question.answered, answered=False)
        self._questions.clear()
        self._room.preview_changed()
        ids = tuple(one.row.id.hex() for one in told[:MAX_NAMED])
        self._publish(MessagesChanged(self._room.id, ids))
        self._tasks.spawn(self._judge(told, behind, names))

    async def _judge(
        self, told: list[Told], behind: set[bytes], names: dict[bytes, str]
    ) -> None:
        """Hold everything that was told against what is here now."""
        room, row = self._room, self._room.row.row

        def look(connection: Connection) -> list[Standing | None]:
            return [standing(connection, row, one.row.id, one.row.text) for one in told]

        found = await room.read(look)
        logs = Logs(room.facts, room.heads, room.logs.derived)
        false: dict[bytes, int] = {}
        for one, stands in zip(told, found, strict=True):
            if is_false(one, stands, logs, behind):
                false[one.source] = false.get(one.source, 0) + 1
                if one.page not in self.evidence:
                    self.evidence = [*self.evidence, one.page][-MAX_EVIDENCE:]
        for source, count in false.items():
            self.refuted_count += count
            name = names[source]
            _LOG.warning("%d messages that a member told are not in the logs", count)
            self._publish(
                HistoryDoubted(
                    self._room.id,
                    source.hex(),
                    name,
                    count,
                    doubt_sentence(name, count),
                )
            )

    # What is shown.

    async def page(self, *, limit: int, before: bytes | None) -> Mixed | None:
        """A page of what is verified and what is told; None where it must be the first.

        Args:
            limit: At most so many.
            before: Id of a message; the page ends before it.
        """
        row = self._room.row.row
        below: Place | None = None

        if before is not None and self.is_active:
            known = self._rows.get(before)
            below = known.row.place if known is not None else None
            if below is None:
                below = await self._room.read(
                    lambda connection: contents.place(connection, row, before)
                )
        while self.is_active:
            floor = self._floor
            if below is not None and floor is not None and below < floor:
                return None
            verified = await self._room.read(
                partial(page_between, room=row, floor=floor, below=below, limit=limit)
            )
            mixed = self._mixed(verified, below, limit)
            count = len(mixed.rows) + len(mixed.told)
            if count >= limit or floor is None or not await self._ask_older():
                return mixed if count else None
        return None

    def one(self, id: bytes) -> MessageSnapshot | None:
        """A message that is only told; None when there is none of that id."""
        known = self._rows.get(id)
        if known is None or not self._is_waiting(known.row):
            return None
        return self._snapshot(known.row)

    def find_ids(self, prefix: str) -> list[bytes]:
        """Ids of messages that are only told, by their beginning in hex."""
        return [id for id in self._rows if id.hex().startswith(prefix.lower())]

    @property
    def _floor(self) -> Place | None:
        """From where on nothing is left out; None when nothing is at all."""
        return self._order[0].place if self._order and not self._at_start else None

    async def _ask_older(self) -> bool:
        """Ask for what stands before everything that was told."""
        if len(self._rows) >= MAX_TOLD or self._bytes >= MAX_TOLD_BYTES:
            return False
        before = self._order[0].id
        for source in sorted(self._sources, key=lambda s: s is not self._giver):
            if await self._ask(source, before, MAX_ROWS, ASK_LIMIT_S):
                return True
            if not self.is_active or self._order[0].id != before:
                return self.is_active
        return False

    def _mixed(
        self, verified: list[MessageRow], below: Place | None, limit: int
    ) -> Mixed:
        end = len(self._order)
        if below is not None:
            end = bisect_left(self._order, below, key=attrgetter("place"))
        here = {row.id for row in verified}
        told: list[PageRow] = []
        for row in reversed(self._order[:end]):
            if len(told) >= limit:
                break
            if row.id not in here and self._is_waiting(row):
                told.append(row)
        places = sorted([row.place for row in verified] + [row.place for row in told])[
            -limit:
        ]
        least = places[0] if places else None
        return Mixed(
            [row for row in verified if least is not None and row.place >= least],
            [
                (row.place, self._snapshot(row))
                for row in reversed(told)
                if least is not None and row.place >= least
            ],
        )

    def _is_waiting(self, row: PageRow) -> bool:
        """True while the logs do not say yet what the message is."""
        over = row.expires_at is not None and row.expires_at <= self._now_ms()
        return not over and row.sequence >= self._room.logs.derived.get(row.device, 0)

    def _snapshot(self, row: PageRow) -> MessageSnapshot:
        room = self._room
        author = row.identity if row.identity is not None else row.device
        return MessageSnapshot(
            id=row.id.hex(),
            room=room.id,
            author=author.hex(),
            author_name=row.author,
            text=row.text,
            sent_at=row.sent_at,
            mine=row.identity == room.identity,
            reply_to=row.reply_to.hex() if row.reply_to else None,
            edited=row.edited_at is not None,
            deleted=row.deleted,
            verified=False,
            kind=_KINDS.get(row.kind, "newer"),
            pinned=row.pinned,
            thread=row.thread.hex() if row.thread else None,
            forwarded_from=row.forwarded_from,
            expires_at=row.expires_at,
            reactions=reaction_snapshots(row.reactions),
            poll=poll_snapshot(row.poll),
        )

    def _newest(self) -> PageRow | None:
        """The newest message that is only told."""
        return next((r for r in reversed(self._order) if self._is_waiting(r)), None)

    def _room_name(self, told: PageRoom) -> str:
        """What this person calls the room: one of two by the other one's name."""
        if told.kind is not Kind.DIRECT:
            return told.name
        others = (m.name for m in told.members if m.identity != self._room.identity)
        return next(others, told.name)

    @property
    def _unheard(self) -> bool:
        """True until this device has heard that it was ever let in."""
        me = self._room.facts.devices.get(self._room.device)
        return me is None or not me.identity

    def _name(self, identity: bytes) -> str:
        """What a member is called, by the room's acts or as it says itself."""
        known = self._room.facts.members.get(identity)
        if known is not None:
            return known.name
        told: Iterable[tuple[bytes, str]] = (
            (m.identity, m.name) for m in (self.told.members if self.told else ())
        )
        return dict(told).get(identity, identity.hex()[:8])


_KINDS = {contents.MESSAGE: "message", contents.POLL: "poll"}


def _settle(future: asyncio.Future[bool], *, answered: bool) -> None:
    if not future.done():
        future.set_result(answered)


def _first(pair: tuple[Place, MessageSnapshot]) -> Place:
    return pair[0]
