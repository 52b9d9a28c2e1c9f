"""Finding what was said: a query with filters, and the messages that fit it.

Every change of the query or a filter asks anew after a short pause, and what an older
question still brings is dropped. Opening what was found is the session's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Property, QObject, QTimer, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import MemberSnapshot, SearchHit
from ui import format as texts
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.models.rooms import RoomListModel
from ui.models.rows import RowModel

PAGE = 30
MAX_HITS = 600
"""Hits that are held; who needs more asks more closely."""
MAX_PEOPLE = 300
"""People to choose from."""
MAX_QUERY_CHARS = 200
PAUSE_MS = 90
INDEXING_MS = 1500
"""How often a search is repeated while the index is being built."""
_DAY = 86_400_000
SPANS_DAYS = (0, 1, 7, 31, 366)
"""How old a message may be; 0 for any age."""

Answer = tuple[list[SearchHit], bool]


@dataclass(frozen=True, slots=True)
class HitRow:
    """One message that was found."""

    messageId: str
    room: str
    roomName: str
    author: str
    initials: str
    colour: int
    time: str
    html: str
    """The part of the text around what was found, which is within ``<b>``."""
    plain: str


class Finder(QObject):
    """View model of the search.

    Signals:
        changed: Anything but the hits changed.
    """

    changed = Signal()

    def __init__(
        self,
        *,
        bridge: Bridge,
        rooms: RoomListModel,
        now_ms: Callable[[], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._rooms = rooms
        self._now_ms = now_ms
        self._core: Core | None = None
        self._open = False
        self._query = ""
        self._room = ""
        self._author = ""
        self._span = 0
        self._people: list[tuple[str, str]] = []
        self._hits: RowModel[HitRow] = RowModel(HitRow, self)
        self._job: Job | None = None
        self._cursor: int | None = None
        self._whole = True
        self._asked = False
        self._failure = ""
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        self._again = QTimer(self, singleShot=True, interval=INDEXING_MS)
        self._again.timeout.connect(self._ask)

    def _room_name(self) -> str:
        snapshot = self._rooms.snapshot(self._room)
        return texts.clean_name(snapshot.name) if snapshot is not None else ""

    open = Property(bool, lambda s: s._open, notify=changed)
    query = Property(str, lambda s: s._query, notify=changed)
    room = Property(str, lambda s: s._room, notify=changed)
    roomName = Property(str, _room_name, notify=changed)
    author = Property(int, lambda s: s._author_index(), notify=changed)
    authors = Property(list, lambda s: s._author_names(), notify=changed)
    span = Property(int, lambda s: s._span, notify=changed)
    filtered = Property(bool, lambda s: bool(s._author or s._span), notify=changed)
    busy = Property(bool, lambda s: s._job is not None, notify=changed)
    asked = Property(bool, lambda s: s._asked, notify=changed)
    indexing = Property(bool, lambda s: not s._whole, notify=changed)
    failure = Property(str, lambda s: s._failure, notify=changed)
    hits = Property(QObject, lambda s: s._hits, constant=True)
    maxQueryChars = Property(int, lambda _: MAX_QUERY_CHARS, constant=True)

    def _author_index(self) -> int:
        keys = [key for key, _ in self._people]
        return keys.index(self._author) + 1 if self._author in keys else 0

    def _author_names(self) -> list[str]:
        return [self.tr("Anybody"), *(name for _, name in self._people)]

    @property
    def found(self) -> Sequence[HitRow]:
        """What is shown, the newest first."""
        return self._hits.rows

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core
        if core is None:
            self._cancel()

    # What a person does ---------------------------------------------------------

    @Slot(str)
    def begin(self, room: str) -> None:
        """Open the search in a room, or everywhere when empty."""
        changed = not self._open or room != self._room
        self._open, self._room = True, room
        if changed:
            self._fetch_people()
            self._plan()
        self.changed.emit()

    @Slot()
    def end(self) -> None:
        """Close the search and forget it."""
        self._cancel()
        self._open, self._query, self._room = False, "", ""
        self._author, self._span, self._people = "", 0, []
        self._asked, self._failure = False, ""
        self._hits.replace_all([])
        self.changed.emit()

    @Slot(str)
    def ask(self, query: str) -> None:
        """Look for other words."""
        if query != self._query:
            self._query = query[:MAX_QUERY_CHARS]
            self._plan()

    @Slot(int)
    def setAuthor(self, at: int) -> None:
        """Only what one of ``authors`` wrote."""
        self._author = self._people[at - 1][0] if 0 < at <= len(self._people) else ""
        self._plan()

    @Slot(int)
    def setSpan(self, at: int) -> None:
        """Only what is not older than one of the spans."""
        self._span = at
        self._plan()

    @Slot()
    def more(self) -> None:
        """The view nears the end of what was found."""
        if self._job is None and self._cursor is not None:
            self._search(before=self._cursor)

    # Inside ---------------------------------------------------------------------

    def _plan(self) -> None:
        self._cancel()
        self._pause.start()
        self.changed.emit()

    def _cancel(self) -> None:
        self._pause.stop()
        self._again.stop()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _ask(self) -> None:
        if not self._open:
            return
        if not self._query.strip() and not self._author and not self._span:
            self._cursor, self._asked, self._failure = None, False, ""
            self._hits.replace_all([])
            self.changed.emit()
            return
        self._search(before=None)

    def _search(self, *, before: int | None) -> None:
        core = self._core
        if core is None:
            return
        query, room = self._query.strip(), self._room or None
        author = self._author or None
        days = SPANS_DAYS[self._span]
        since = self._now_ms() - days * _DAY if days else None

        async def work() -> Answer:
            hits = await core.search(
                query,
                room=room,
                author=author,
                since_ms=since,
                limit=PAGE,
                before=before,
            )
            return hits, await core.search_is_whole()

        def done(answer: Answer) -> None:
            self._job = None
            hits, self._whole = answer
            rows = [self._row(hit) for hit in hits]
            if before is None:
                self._hits.replace_all(rows)
            else:
                self._hits.insert(len(self._hits.rows), rows)
            full = len(hits) == PAGE and len(self._hits.rows) < MAX_HITS
            self._cursor = hits[-1].cursor if full else None
            self._asked, self._failure = True, ""
            if not self._whole and len(self._hits.rows) <= PAGE:
                self._again.start()
            self.changed.emit()

        def failed(error: UserFacingError) -> None:
            self._job, self._cursor = None, None
            self._asked, self._failure = True, error.sentence
            self._hits.replace_all([])
            self.changed.emit()

        self._job = self._bridge.run(work(), done=done, failed=failed)
        self.changed.emit()

    def _fetch_people(self) -> None:
        core, room = self._core, self._room
        if core is None:
            return
        rooms = [room] if room else [row.room for row in self._rooms.rows]

        async def work() -> dict[str, MemberSnapshot]:
            found: dict[str, MemberSnapshot] = {}
            for each in rooms:
                for member in await core.members(each):
                    found.setdefault(member.identity_key, member)
                if len(found) > MAX_PEOPLE:
                    break
            return found

        def done(found: dict[str, MemberSnapshot]) -> None:
            if self._room != room:
                return
            people = sorted(
                found.values(), key=lambda it: (not it.me, it.name.casefold())
            )
            self._people = [
                (
                    it.identity_key,
                    self.tr("You") if it.me else texts.clean_name(it.name),
                )
                for it in people[:MAX_PEOPLE]
            ]
            if self._author and not self._author_index():
                self._author = ""
                self._plan()
            self.changed.emit()

        self._bridge.run(work(), done=done, failed=lambda _: None)

    def _row(self, hit: SearchHit) -> HitRow:
        message = hit.message
        author = (
            self.tr("You")
            if message.mine
            else texts.clean_name(message.author_name) or self.tr("Somebody")
        )
        day = texts.local_day(self._now_ms())
        return HitRow(
            messageId=message.id,
            room=message.room,
            roomName=texts.clean_name(hit.room_name),
            author=author,
            initials=texts.initials(message.author_name),
            colour=texts.colour_index(message.author),
            time=texts.list_time(message.sent_at, day),
            html=marked(hit),
            plain=texts.preview(hit.snippet),
        )


def marked(hit: SearchHit) -> str:
    """The snippet as HTML that shows exactly its characters, with matches in bold."""
    pieces: list[str] = ["\u2026"] if hit.cut_before else []
    position = 0
    for start, end in hit.ranges:
        if not position <= start <= end <= len(hit.snippet):
            continue
        pieces.append(texts.escaped(_line(hit.snippet[position:start])))
        pieces.append(f"<b>{texts.escaped(_line(hit.snippet[start:end]))}</b>")
        position = end
    pieces.append(texts.escaped(_line(hit.snippet[position:])))
    return "".join([*pieces, "\u2026"] if hit.cut_after else pieces)


def _line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")
