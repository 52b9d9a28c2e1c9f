"""The room list: one row a room, the one with the newest message on top."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    waiting: int
    """People who wait to be let in."""
    peers: int
    preview: str
    """Last message on one line, or the draft."""
    draft: bool
    """Whether ``preview`` is a draft."""
    time: str
    selected: bool
    sorted_at: int
    """Milliseconds since the epoch by which the list is sorted."""


class RoomListModel(RowModel[RoomRow]):
    """All rooms of the profile; moved by :class:`app.events.RoomChanged`.

    Signals:
        unreadChanged: The sum of unread messages changed.
    """

    unreadChanged = Signal()

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

    @property
    def selected(self) -> str:
        """Id of the room that is open, or empty."""
        return self._selected

    def snapshot(self, room: str) -> RoomSnapshot | None:
        """The newest that is known of a room."""
        return self._snapshots.get(room)

    def _unread(self) -> int:
        return sum(snapshot.unread for snapshot in self._snapshots.values())

    unread = Property(int, _unread, notify=unreadChanged)

    def reset(self, snapshots: Iterable[RoomSnapshot]) -> None:
        """Show these rooms and no others."""
        self._snapshots = {snapshot.room: snapshot for snapshot in snapshots}
        rows = [self._row(snapshot) for snapshot in self._snapshots.values()]
        rows.sort(key=_order)
        self.replace_all(rows)
        self.unreadChanged.emit()

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

    def set_draft(self, room: str, text: str) -> None:
        """Keep an unsent text; the list shows it while another room is open."""
        if text.strip():
            self._drafts[room] = text
        else:
            self._drafts.pop(room, None)
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
            waiting=self._waiting.get(snapshot.room, 0),
            peers=snapshot.peers,
            preview=texts.preview(draft) if shows_draft else self._last_line(snapshot),
            draft=shows_draft,
            time=texts.list_time(last.sent_at, self._today) if last else "",
            selected=snapshot.room == self._selected,
            sorted_at=max(
                last.sent_at if last else 0, self._arrivals.get(snapshot.room, 0)
            ),
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


def _order(row: RoomRow) -> tuple[int, str]:
    return (-row.sorted_at, row.room)
