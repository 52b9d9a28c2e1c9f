"""The open room: its head, its messages and members, and what can be done in it.

Fetches history in pages at both ends, shows an own message at once and tells the
truth about it, decides what counts as read, and keeps the draft. Which room is open is
decided by :class:`ui.session.Session`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import MemberSnapshot, MessageSnapshot, RoomSnapshot
from ui import format as texts
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.models.members import MemberListModel
from ui.models.messages import MAX_LOADED, MessageListModel
from ui.models.paging import PAGE, NewerPages
from ui.models.rooms import RoomListModel

MAX_TEXT_BYTES = 65536
"""Longest message, as UTF-8."""
MAX_NAMED = 1000
"""Messages that one event names; then there may be more that changed."""
PENDING = "pending:"
"""Begins the names of messages that are not stored yet."""


def _is_pending(message_id: str) -> bool:
    """Whether the core does not know the message yet."""
    return message_id.startswith(PENDING)


def _ignore(error: UserFacingError) -> None:
    """For what is asked again at the next event anyway."""
    del error


class Conversation(QObject):
    """View model of the room that is open.

    Signals:
        changed: Name, kind, numbers or rights of the room changed.
        opened: Another room is open, or none.
        draftChanged: The draft was changed from here, not by the composer.
        followingChanged: Whether the newest message is in view, or how many are not.
        loadingChanged: A page of history is on its way, or arrived.
        arrived: Messages of others came while the room was in view: who, what.
        scrollToNewest: The view should go to the newest message.
        told: Something went wrong; a sentence.
    """

    changed = Signal()
    opened = Signal()
    draftChanged = Signal()
    followingChanged = Signal()
    loadingChanged = Signal()
    arrived = Signal(str, str)
    scrollToNewest = Signal()
    told = Signal(str)

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
        self._room: RoomSnapshot | None = None
        self._messages = MessageListModel(now_ms=now_ms, parent=self)
        self._members = MemberListModel(parent=self)
        self._me = ""
        self._following = True
        self._missed = 0
        self._in_view = True
        self._page: Job | None = None
        self._reading: Job | None = None
        self._ordering: Job | None = None
        self._changing: Job | None = None
        self._stale: dict[str, None] = {}
        self._loaded = False
        self._exhausted = False
        self._newer = NewerPages()
        self._pending_count = 0

    # What QML sees ---------------------------------------------------------

    def _get_room(self) -> str:
        return self._room.room if self._room else ""

    def _get_name(self) -> str:
        if self._room is None:
            return ""
        return texts.clean_name(self._room.name) or self.tr("Room without a name")

    def _get_kind(self) -> str:
        return self._room.kind if self._room else "group"

    def _get_can_write(self) -> bool:
        return self._room is not None and self._room.can_write

    def _get_farewell(self) -> str:
        return self._room.farewell if self._room is not None else ""

    def _get_member_count(self) -> int:
        return self._room.members if self._room else 0

    def _get_subtitle(self) -> str:
        if self._room is None:
            return ""
        members = texts.member_count(self._room.members)
        if self._room.members <= 1:
            return self.tr("Only you so far")
        if self._room.peers == 0:
            return self.tr("{0} \u00b7 not connected").format(members)
        connected = self.tr("%n connected", "", self._room.peers)
        return f"{members} \u00b7 {connected}"

    def _get_draft(self) -> str:
        return self._rooms.draft(self._get_room())

    room = Property(str, _get_room, notify=opened)
    name = Property(str, _get_name, notify=changed)
    initials = Property(str, lambda s: texts.initials(s._get_name()), notify=changed)
    colour = Property(int, lambda s: texts.colour_index(s._get_room()), notify=opened)
    kind = Property(str, _get_kind, notify=changed)
    canWrite = Property(bool, _get_can_write, notify=changed)
    farewell = Property(str, _get_farewell, notify=changed)
    memberCount = Property(int, _get_member_count, notify=changed)
    subtitle = Property(str, _get_subtitle, notify=changed)
    draft = Property(str, _get_draft, notify=draftChanged)
    messages = Property(QObject, lambda s: s._messages, constant=True)
    members = Property(QObject, lambda s: s._members, constant=True)
    loaded = Property(bool, lambda s: s._loaded, notify=loadingChanged)
    loading = Property(bool, lambda s: s._page is not None, notify=loadingChanged)
    complete = Property(bool, lambda s: s._exhausted, notify=loadingChanged)
    missed = Property(int, lambda s: s._missed, notify=followingChanged)
    atNewest = Property(
        bool,
        lambda s: s._following and not s._newer,
        notify=followingChanged,
    )

    # What the session tells us ----------------------------------------------

    def attach(self, core: Core | None, *, me: str) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core
        self._me = me

    def open(self, room: RoomSnapshot | None) -> None:
        """Show another room, or none."""
        self._cancel_page()
        self._room = room
        self._messages.clear()
        self._members.replace_all([])
        self._newer.clear()
        self._stale.clear()
        self._loaded = self._exhausted = False
        self._missed, self._following = 0, True
        self._rooms.select(self._get_room())
        self.opened.emit()
        self.changed.emit()
        self.draftChanged.emit()
        self.followingChanged.emit()
        self.loadingChanged.emit()
        if room is not None:
            self._load_newest(unread=room.unread)
            self._fetch_members()

    def take_room(self, room: RoomSnapshot) -> None:
        """The core told something new about the open room."""
        before, self._room = self._room, room
        if before != room:
            self.changed.emit()
            self._mark_read_if_seen()

    def take_messages(self, messages: list[MessageSnapshot]) -> None:
        """Messages of the open room were stored."""
        if not self._loaded:
            return
        if self._newer:
            known = [m for m in messages if m.id in self._messages]
            self._messages.receive(known)
            missed = [m for m in messages if m.id not in self._messages]
            for message in missed:
                self._newer.arrive(message.id)
            self._count_missed(missed)
            return
        seen = self._following and self._in_view
        added = self._messages.receive(messages)
        others = [message for message in added if not message.mine]
        if others and not seen and not self._messages.fresh_id:
            self._messages.mark_fresh(others[0].id)
        if not self._following:
            self._count_missed(added)
        else:
            self._messages.trim_oldest()
            if added:
                self.scrollToNewest.emit()
        if added and not self._is_newest(added):
            self._check_order()
        for message in others[-3:]:
            self.arrived.emit(texts.clean_name(message.author_name), message.text)
        self._mark_read_if_seen()

    def take_delivery(self, message_id: str, delivered_to: int) -> None:
        """More devices hold an own message."""
        self._messages.deliver(message_id, delivered_to)

    def take_changes(self, ids: tuple[str, ...]) -> None:
        """Messages of the open room look different, or are gone.

        Args:
            ids: Which; when they are very many, only some of them.
        """
        if len(ids) >= MAX_NAMED:
            ids = tuple(entry.message.id for entry in self._messages.entries)
        known = (id for id in ids if id in self._messages and not _is_pending(id))
        self._stale.update(dict.fromkeys(known))
        self._fetch_stale()

    def refresh_members(self) -> None:
        """The members of the open room changed."""
        if self._room is not None:
            self._fetch_members()

    def set_in_view(self, in_view: bool) -> None:
        """Whether the window is active, so that what it shows counts as seen."""
        self._in_view = in_view
        self._mark_read_if_seen()

    def notice_time(self) -> None:
        """The clock went on."""
        self._messages.notice_time()

    # What a person does -------------------------------------------------------

    @Slot(str, result=bool)
    def send(self, text: str) -> bool:
        """Send what was typed; False when it must stay in the composer."""
        text = text.strip("\n").rstrip()
        if self._core is None or self._room is None or not text.strip():
            return False
        if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
            self.told.emit(self.tr("This message is too long to be sent."))
            return False
        core, room = self._core, self._room.room
        self._pending_count += 1
        pending = MessageSnapshot(
            id=f"{PENDING}{self._pending_count}",
            room=room,
            author=self._me,
            author_name="",
            text=text,
            sent_at=self._now_ms(),
            mine=True,
        )
        if self._newer:
            self._load_newest(unread=0)
        self._messages.mark_fresh("")
        self._messages.add_pending(pending)
        self.scrollToNewest.emit()

        def stored(message: MessageSnapshot) -> None:
            if self._get_room() == room:
                self._messages.settle(pending.id, message)

        def failed(error: UserFacingError) -> None:
            if self._get_room() == room:
                self._messages.fail(pending.id, error.sentence)
            else:
                self.told.emit(error.sentence)
                self._rooms.set_draft(room, text)

        self._bridge.run(core.send(room, text), done=stored, failed=failed)
        self.setDraft("")
        return True

    @Slot(str)
    def retry(self, message_id: str) -> None:
        """Send a failed message again."""
        text = self._messages.discard(message_id)
        if text:
            self.send(text)

    @Slot(str)
    def discard(self, message_id: str) -> None:
        """Put a failed message's text back into the composer."""
        text = self._messages.discard(message_id)
        if text:
            self.setDraft(text)
            self.draftChanged.emit()

    @Slot(str)
    def setDraft(self, text: str) -> None:
        """Keep what is typed for this room."""
        if self._room is not None:
            self._rooms.set_draft(self._room.room, text)

    @Slot(str)
    def expand(self, message_id: str) -> None:
        """Show all of a long message."""
        self._messages.expand(message_id)

    @Slot(bool)
    def setFollowing(self, following: bool) -> None:
        """Whether the view shows the newest row that is loaded."""
        if following == self._following:
            return
        self._following = following
        if following and not self._newer:
            self._missed = 0
            self._mark_read_if_seen()
        self.followingChanged.emit()

    @Slot()
    def jumpToNewest(self) -> None:
        """Show the newest message, wherever the view is."""
        if self._newer:
            self._load_newest(unread=self._missed)
        self._missed = 0
        self._following = True
        self.followingChanged.emit()
        self.scrollToNewest.emit()
        self._mark_read_if_seen()

    @Slot()
    def loadOlder(self) -> None:
        """The view nears the oldest message it has."""
        entries = self._messages.entries
        if (
            self._core is None
            or self._room is None
            or self._page is not None
            or self._exhausted
            or not entries
        ):
            return
        room, before = self._room.room, entries[-1].message.id

        def loaded(messages: list[MessageSnapshot]) -> None:
            self._page = None
            self._exhausted = len(messages) < PAGE
            self._messages.add_older(messages)
            self._let_newest_go()
            self.loadingChanged.emit()

        self._start_page(self._core, room, before, loaded)

    @Slot()
    def loadNewer(self) -> None:
        """The view nears the newest message it has, which is not the last one."""
        if self._core is None or self._room is None or self._page is not None:
            return
        if not self._newer:
            return

        def loaded(messages: list[MessageSnapshot]) -> None:
            self._page = None
            self._newer.pop()
            self._messages.add_newer(messages)
            if self._messages.trim_oldest():
                self._exhausted = False
            self.loadingChanged.emit()
            self.followingChanged.emit()

        self._start_page(self._core, self._room.room, self._newer.next, loaded)

    # Inside -------------------------------------------------------------------

    def _load_newest(self, *, unread: int) -> None:
        if self._core is None or self._room is None:
            return
        self._cancel_page()
        self._newer.clear()

        def loaded(messages: list[MessageSnapshot]) -> None:
            self._page = None
            waiting = [e.message for e in self._messages.entries if e.pending]
            self._messages.load(messages, unread=unread)
            for message in reversed(waiting):
                self._messages.add_pending(message)
            self._loaded = True
            self._exhausted = len(messages) < PAGE
            self.loadingChanged.emit()
            self.followingChanged.emit()
            self.scrollToNewest.emit()
            self._mark_read_if_seen()

        self._start_page(self._core, self._room.room, None, loaded)

    def _start_page(
        self,
        core: Core,
        room: str,
        before: str | None,
        loaded: Callable[[list[MessageSnapshot]], None],
    ) -> None:
        def failed(error: UserFacingError) -> None:
            self._page = None
            self.loadingChanged.emit()
            self.told.emit(error.sentence)

        self._page = self._bridge.run(
            core.history(room, limit=PAGE, before=before), done=loaded, failed=failed
        )
        self.loadingChanged.emit()

    def _is_newest(self, added: list[MessageSnapshot]) -> bool:
        """Whether the messages just added are the newest in this very order."""
        settled = (e for e in self._messages.entries if not e.pending)
        newest = [entry.message.id for entry in islice(settled, len(added))]
        return newest == [message.id for message in reversed(added)]

    def _check_order(self) -> None:
        """Ask the core where messages belong that came late or from a wrong clock."""
        if self._core is None or self._room is None or self._ordering is not None:
            return
        room = self._room.room

        def told(messages: list[MessageSnapshot]) -> None:
            self._ordering = None
            changed = self._get_room() == room and self._messages.agree(messages)
            if changed and self._following:
                self.scrollToNewest.emit()

        def failed(error: UserFacingError) -> None:
            del error
            self._ordering = None

        self._ordering = self._bridge.run(
            self._core.history(room, limit=2 * PAGE), done=told, failed=failed
        )

    def _let_newest_go(self) -> None:
        """Trim whole pages at the new end and remember how to fetch them again."""
        while len(self._messages.entries) >= MAX_LOADED + PAGE:
            self._newer.push(self._messages.trim_newest(PAGE))
        self.followingChanged.emit()

    def _cancel_page(self) -> None:
        if self._page is not None:
            self._page.cancel()
            self._page = None

    def _fetch_stale(self) -> None:
        """Ask for what changed, some at a time; what is gone goes here as well."""
        if self._core is None or self._room is None or self._changing is not None:
            return
        wanted = list(islice(self._stale, PAGE))
        if not wanted:
            return
        for id in wanted:
            del self._stale[id]
        room = self._room.room

        def fetched(messages: list[MessageSnapshot]) -> None:
            self._changing = None
            if self._get_room() == room:
                self._messages.change(messages, gone=wanted)
            self._fetch_stale()

        def failed(error: UserFacingError) -> None:
            del error
            self._changing = None

        self._changing = self._bridge.run(
            self._core.messages(room, wanted), done=fetched, failed=failed
        )

    def _fetch_members(self) -> None:
        if self._core is None or self._room is None:
            return
        room = self._room.room

        def fetched(members: list[MemberSnapshot]) -> None:
            if self._get_room() == room:
                self._members.show(members)

        self._bridge.run(self._core.members(room), done=fetched, failed=_ignore)

    def _count_missed(self, messages: list[MessageSnapshot]) -> None:
        others = sum(1 for message in messages if not message.mine)
        if others:
            self._missed += others
            self.followingChanged.emit()

    def _mark_read_if_seen(self) -> None:
        seen = self._in_view and self._following and self._loaded and not self._newer
        if self._core is None or self._room is None or not seen:
            return
        if self._room.unread == 0 or (self._reading and self._reading.running):
            return
        self._reading = self._bridge.run(
            self._core.mark_read(self._room.room), failed=_ignore
        )
