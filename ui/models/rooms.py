"""The room list: one row a room, the one with the newest message on top."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.snapshots import MessageSnapshot, RoomSnapshot
from ui import format as texts
from ui.models.rows import RowModel


@dataclass(frozen=True, slots=True)
class RoomRow:
    """What a row of the room list shows."""

    room: str
    name: str
    initials: str
    colour: int
    kind: str
    unread: int
    mentions: int
    """Unread messages that call this person."""
    marked: bool
    """To be read again."""
    pinned: bool
    archived: bool
    waiting: int
    """People who wait to be let in."""
    peers: int
    preview: str
    """Last message on one line, or the draft."""
    draft: bool
    """Whether ``preview`` is a draft."""
    typing: bool
    """Whether ``preview`` says who writes."""
    time: str
    selected: bool
    sorted_at: int
    """Milliseconds since the epoch by which the list is sorted."""


class RoomListModel(RowModel[RoomRow]):
    """All rooms of the profile; moved by :class:`app.events.RoomChanged`.

    Signals:
        unreadChanged: The sum of unread messages, or what is archived, changed.
        entered: Another room is open; its id.
    """

    unreadChanged = Signal()
    entered = Signal(str)

    def __init__(
        self, *, now_ms: Callable[[], int], parent: QObject | None = None
    ) -> None:
        super().__init__(RoomRow, parent)
        self._snapshots: dict[str, RoomSnapshot] = {}
        self._drafts: dict[str, str] = {}
        self._selected = ""
        self._now_ms = now_ms
        self._today = texts.local_day(now_ms())
        self._arrivals: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._typing: dict[str, dict[str, str]] = {}
        self._pinned: Container[str] = ()
        self._archived: Container[str] = ()
        self._marked: Container[str] = ()
        self._archive_shown = False

    @property
    def selected(self) -> str:
        """Id of the room that is open, or empty."""
        return self._selected

    def snapshot(self, room: str) -> RoomSnapshot | None:
        """The newest that is known of a room."""
        return self._snapshots.get(room)

    def _unread(self) -> int:
        return sum(snapshot.unread for snapshot in self._snapshots.values())

    def _archived_count(self) -> int:
        return sum(1 for room in self._snapshots if room in self._archived)

    def _archived_unread(self) -> int:
        return sum(
            it.unread for it in self._snapshots.values() if it.room in self._archived
        )

    unread = Property(int, _unread, notify=unreadChanged)
    archivedCount = Property(int, _archived_count, notify=unreadChanged)
    archivedUnread = Property(int, _archived_unread, notify=unreadChanged)
    archiveShown = Property(bool, lambda s: s._archive_shown, notify=unreadChanged)

    def reset(self, snapshots: Iterable[RoomSnapshot]) -> None:
        """Show these rooms and no others."""
        self._snapshots = {snapshot.room: snapshot for snapshot in snapshots}
        self._rebuild()

    def shelve(
        self,
        *,
        pinned: Container[str],
        archived: Container[str],
        marked: Container[str],
    ) -> None:
        """Let these rooms stand on top, be put away, be marked as unread."""
        self._pinned, self._archived, self._marked = pinned, archived, marked
        if not self._archived_count():
            self._archive_shown = False
        self._rebuild()

    @Slot(bool)
    def showArchive(self, shown: bool) -> None:
        """Show the rooms that are put away in place of the others."""
        self._archive_shown = shown
        self._rebuild()

    def _rebuild(self) -> None:
        rows = [
            self._row(snapshot)
            for snapshot in self._snapshots.values()
            if self._belongs(snapshot.room)
        ]
        rows.sort(key=_order)
        if [row.room for row in rows] == [row.room for row in self._rows]:
            for at, row in enumerate(rows):
                self.put(at, row)
        else:
            self.replace_all(rows)
        self.unreadChanged.emit()

    def _belongs(self, room: str) -> bool:
        return (room in self._archived) == self._archive_shown

    def update(self, snapshots: Iterable[RoomSnapshot]) -> None:
        """Add rooms or take over what changed of them, moving rows where needed."""
        for snapshot in snapshots:
            if snapshot.room not in self._snapshots:
                self._arrivals[snapshot.room] = self._now_ms()
            self._snapshots[snapshot.room] = snapshot
            self._place(snapshot)
        self.unreadChanged.emit()

    def forget(self, room: str) -> None:
        """A room is gone."""
        self._snapshots.pop(room, None)
        self._drafts.pop(room, None)
        self._arrivals.pop(room, None)
        self._waiting.pop(room, None)
        at = self._find(room)
        if at >= 0:
            self.remove(at)
        self.unreadChanged.emit()

    def select(self, room: str) -> None:
        """Mark the room that is open."""
        before, self._selected = self._selected, room
        for changed in {before, room}:
            self._refresh(changed)
        if room:
            self.entered.emit(room)

    def set_draft(self, room: str, text: str) -> None:
        """Keep an unsent text; the list shows it while another room is open."""
        if text.strip():
            self._drafts[room] = text
        else:
            self._drafts.pop(room, None)
        self._refresh(room)

    def set_typing(self, room: str, key: str, name: str, *, typing: bool) -> None:
        """Somebody writes in a room, or does not any more."""
        writers = self._typing.setdefault(room, {})
        if typing:
            writers[key] = name
        else:
            writers.pop(key, None)
        self._refresh(room)

    def set_waiting(self, room: str, count: int) -> None:
        """So many people wait to be let into a room."""
        if count != self._waiting.get(room, 0):
            self._waiting[room] = count
            self._refresh(room)

    def draft(self, room: str) -> str:
        """The unsent text of a room, or empty."""
        return self._drafts.get(room, "")

    def notice_time(self) -> None:
        """Say ``Yesterday`` where it has become true."""
        today = texts.local_day(self._now_ms())
        if today != self._today:
            self._today = today
            for room in list(self._snapshots):
                self._refresh(room)

    @Slot(int, result=str)
    def roomAt(self, at: int) -> str:
        """Id of the room in a row, or empty."""
        return self._rows[at].room if 0 <= at < len(self._rows) else ""

    @Slot(str, result=int)
    def rowOf(self, room: str) -> int:
        """Number of a room's row, or -1."""
        return self._find(room)

    def _find(self, room: str) -> int:
        for at, row in enumerate(self._rows):
            if row.room == room:
                return at
        return -1

    def _refresh(self, room: str) -> None:
        at = self._find(room)
        if at >= 0:
            self.put(at, self._row(self._snapshots[room]))

    def _place(self, snapshot: RoomSnapshot) -> None:
        row = self._row(snapshot)
        at = self._find(snapshot.room)
        if not self._belongs(snapshot.room):
            if at >= 0:
                self.remove(at)
            return
        if at < 0:
            target = sum(1 for other in self._rows if _order(other) <= _order(row))
            self.insert(target, [row])
            return
        target = sum(
            1
            for other in self._rows
            if other.room != row.room and _order(other) <= _order(row)
        )
        self.move(at, target)
        self.put(target, row)

    def _row(self, snapshot: RoomSnapshot) -> RoomRow:
        last = snapshot.last_message
        draft = self._drafts.get(snapshot.room, "")
        shows_draft = bool(draft) and snapshot.room != self._selected
        name = texts.clean_name(snapshot.name) or self.tr("Room without a name")
        return RoomRow(
            room=snapshot.room,
            name=name,
            initials=texts.initials(name),
            colour=texts.colour_index(snapshot.room),
            kind=snapshot.kind,
            unread=snapshot.unread,
            mentions=snapshot.mentions,
            marked=snapshot.room in self._marked,
            pinned=snapshot.room in self._pinned,
            archived=snapshot.room in self._archived,
            waiting=self._waiting.get(snapshot.room, 0),
            peers=snapshot.peers,
            preview=self._writers(snapshot.room)
            or (texts.preview(draft) if shows_draft else self._last_line(snapshot)),
            draft=shows_draft and not self._writers(snapshot.room),
            typing=bool(self._writers(snapshot.room)),
            time=texts.list_time(last.sent_at, self._today) if last else "",
            selected=snapshot.room == self._selected,
            sorted_at=max(
                last.sent_at if last else 0, self._arrivals.get(snapshot.room, 0)
            ),
        )

    def _writers(self, room: str) -> str:
        names = list(self._typing.get(room, {}).values())
        if not names:
            return ""
        if len(names) > 1:
            return self.tr("%n people are writing", "", len(names))
        return self.tr("{0} is writing\u2026").format(
            texts.clean_name(names[0]) or self.tr("Somebody")
        )

    def _last_line(self, snapshot: RoomSnapshot) -> str:
        last = snapshot.last_message
        if last is None:
            return self.tr("No messages yet")
        if last.deleted:
            return self.tr("Message deleted")
        if last.kind == "newer":
            return self.tr("Update Covey to see this message")
        return self._with_author(last)

    def _with_author(self, message: MessageSnapshot) -> str:
        author = (
            self.tr("You")
            if message.mine
            else texts.clean_name(message.author_name) or self.tr("Somebody")
        )
        return self.tr("{0}: {1}").format(author, texts.preview(message.text))


def _order(row: RoomRow) -> tuple[bool, int, str]:
    return (not row.pinned, -row.sorted_at, row.room)
