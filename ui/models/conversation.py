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
from ui.models.acting import Actions
from ui.models.composing import Composing
from ui.models.delivery import DeliveryLedger
from ui.models.members import MemberListModel
from ui.models.messages import MAX_LOADED, MessageListModel
from ui.models.pins import PinnedModel
from ui.models.responses import Responses
from ui.models.rooms import RoomListModel
from ui.models.scheduled import ScheduledModel
from ui.models.typists import Typists

PAGE = 50
"""Messages fetched at once."""
MAX_TEXT_BYTES = 65536
"""Longest message, as UTF-8."""
MAX_NAMED = 1000
"""Messages that one event names; then there may be more that changed."""
_PINNING = ("moderator", "admin", "owner")
"""Ranks that may pin, and delete what juniors wrote."""
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
        selectionChanged: Other messages are chosen.
        threadChanged: Another thread is open, or the whole room.
        jumped: The view should show this row.
        arrived: Messages of others came while the room was in view: who, what.
        scrollToNewest: The view should go to the newest message.
        told: Something went wrong; a sentence.
    """

    changed = Signal()
    opened = Signal()
    draftChanged = Signal()
    followingChanged = Signal()
    selectionChanged = Signal()
    threadChanged = Signal()
    jumped = Signal(int)
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
        self._detached = False
        self._arrived_meanwhile = False
        self._thread = ""
        self._thread_title = ""
        self._rank = ""
        self._pending_count = 0
        self._make_parts()

    def _make_parts(self) -> None:
        """What belongs to the open room and has a face of its own."""
        bridge, now_ms = self._bridge, self._now_ms
        self._composing = Composing(
            bridge=bridge, rooms=self._rooms, messages=self._messages, parent=self
        )
        self._actions = Actions(bridge=bridge, messages=self._messages, parent=self)
        self._ledger = DeliveryLedger(bridge=bridge, parent=self)
        self._responses = Responses(bridge=bridge, messages=self._messages, parent=self)
        self._pins = PinnedModel(bridge=bridge, parent=self)
        self._scheduled = ScheduledModel(bridge=bridge, now_ms=now_ms, parent=self)
        self._typists = Typists(parent=self)
        self._composing.draftChanged.connect(self.draftChanged)
        for part in (self._composing, self._actions, self._ledger, self._scheduled):
            part.told.connect(self.told)

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
        return self._composing.text()

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
        lambda s: s._following and not s._detached,
        notify=followingChanged,
    )
    composing = Property(QObject, lambda s: s._composing, constant=True)
    actions = Property(QObject, lambda s: s._actions, constant=True)
    ledger = Property(QObject, lambda s: s._ledger, constant=True)
    responses = Property(QObject, lambda s: s._responses, constant=True)
    pins = Property(QObject, lambda s: s._pins, constant=True)
    scheduled = Property(QObject, lambda s: s._scheduled, constant=True)
    typists = Property(QObject, lambda s: s._typists, constant=True)
    threadRoot = Property(str, lambda s: s._thread, notify=threadChanged)
    threadTitle = Property(str, lambda s: s._thread_title, notify=threadChanged)
    selectedCount = Property(
        int, lambda s: len(s._messages.selected), notify=selectionChanged
    )
    canDeleteSelected = Property(
        bool,
        lambda s: all(it.mine or s._rules() for it in s._messages.selected),
        notify=selectionChanged,
    )
    canModerate = Property(bool, lambda s: s._rules(), notify=changed)
    canPin = Property(bool, lambda s: s._rank in _PINNING, notify=changed)
    canReact = Property(
        bool,
        lambda s: s._rank not in ("", "reader") or s._get_kind() == "broadcast",
        notify=changed,
    )

    def _rules(self) -> bool:
        """Whether messages of others may be deleted."""
        return self._rank in _PINNING and self._get_kind() in ("group", "broadcast")

    def take_typing(self, key: str, name: str, *, typing: bool) -> None:
        """Somebody began to write in the open room, or ended."""
        self._typists.take(key, name, typing=typing)

    def take_scheduled(self) -> None:
        """What waits for its time in the open room changed."""
        self._scheduled.refresh()

    # What the session tells us ----------------------------------------------

    def attach(self, core: Core | None, *, me: str) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core
        self._me = me
        for part in (self._composing, self._actions, self._ledger, self._scheduled):
            part.attach(core)
        self._pins.attach(core)
        self._responses.attach(core)

    def open(self, room: RoomSnapshot | None) -> None:
        """Show another room, or none."""
        self._cancel_page()
        self._room = room
        self._messages.clear()
        self._members.replace_all([])
        self._detached = False
        self._stale.clear()
        self._thread = self._thread_title = self._rank = ""
        self._messages.set_thread("")
        self._loaded = self._exhausted = False
        self._missed, self._following = 0, True
        self._rooms.select(self._get_room())
        self._composing.enter(self._get_room())
        for part in (self._actions, self._ledger, self._pins, self._scheduled):
            part.enter(self._get_room())
        self._responses.enter(self._get_room())
        self._typists.enter(self._get_room())
        self.selectionChanged.emit()
        self.threadChanged.emit()
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
        for message in messages:
            self._typists.forget(message.author)
        if self._thread:
            messages = [it for it in messages if it.thread == self._thread]
        if self._detached:
            self._messages.receive([m for m in messages if m.id in self._messages])
            missed = [m for m in messages if m.id not in self._messages]
            self._arrived_meanwhile = self._arrived_meanwhile or bool(missed)
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
        self._ledger.refresh(message_id)

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
        self._pins.refresh()

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
        if self._composing.editing:
            self._composing.finish_edit(text)
            return True
        reply_to = self._composing.take_reply()
        self._say(text, reply_to=reply_to or None, thread=self._thread or None)
        self.setDraft("")
        return True

    def _say(self, text: str, *, reply_to: str | None, thread: str | None) -> None:
        assert self._core is not None
        assert self._room is not None
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
            reply_to=reply_to,
            thread=thread,
        )
        if self._detached:
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

        sending = core.send(
            *(room, text),
            reply_to=reply_to,
            thread=thread,
            lifetime_ms=self._composing.lifetime_ms,
        )
        self._bridge.run(sending, done=stored, failed=failed)

    @Slot(str)
    def retry(self, message_id: str) -> None:
        """Send a failed message again."""
        failed = self._messages.take_failed(message_id)
        if failed is not None and self._core is not None:
            self._say(failed.text, reply_to=failed.reply_to, thread=failed.thread)

    @Slot(str)
    def discard(self, message_id: str) -> None:
        """Put a failed message's text back into the composer."""
        failed = self._messages.take_failed(message_id)
        if failed is not None:
            self.setDraft(failed.text)
            self.draftChanged.emit()

    @Slot(str)
    def setDraft(self, text: str) -> None:
        """Keep what is typed for this room."""
        self._composing.keep(text)

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
        if following and not self._detached:
            self._missed = 0
            self._mark_read_if_seen()
        self.followingChanged.emit()

    @Slot()
    def jumpToNewest(self) -> None:
        """Show the newest message, wherever the view is."""
        if self._detached:
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
        before = entries[-1].message.id

        def loaded(messages: list[MessageSnapshot], whole: bool) -> None:
            self._exhausted = whole
            self._messages.add_older(messages)
            self._let_newest_go()

        self._start_page(loaded, before=before)

    @Slot()
    def loadNewer(self) -> None:
        """The view nears the newest message it has, which is not the last one."""
        if self._core is None or self._room is None or self._page is not None:
            return
        if not self._detached:
            return
        after = next((e.message.id for e in self._messages.entries if e.settled), None)
        if after is None:
            return
        self._arrived_meanwhile = False

        def loaded(messages: list[MessageSnapshot], whole: bool) -> None:
            self._messages.add_newer(messages)
            self._detached = not whole or self._arrived_meanwhile
            if self._messages.trim_oldest():
                self._exhausted = False
            self.followingChanged.emit()

        self._start_page(loaded, after=after)

    @Slot(str)
    def jump(self, message_id: str) -> None:
        """Show a message, wherever in the history it stands."""
        at = self._messages.find(message_id)
        if at >= 0:
            self.jumped.emit(at)
            return
        if self._core is None or self._room is None or _is_pending(message_id):
            return
        if self._thread:
            self._set_thread("")

        def loaded(messages: list[MessageSnapshot], whole: bool) -> None:
            del whole
            self._messages.load(messages)
            self._loaded, self._exhausted = True, False
            self._following, self._detached = False, True
            self.followingChanged.emit()
            at = self._messages.find(message_id)
            if at >= 0:
                self.jumped.emit(at)
            else:
                self.told.emit(self.tr("That message is not here any more."))

        self._cancel_page()
        self._start_page(loaded, around=message_id)

    @Slot(str)
    def openThread(self, root: str) -> None:
        """Show only what hangs on a message; empty shows the whole room again."""
        if self._room is None or root == self._thread or _is_pending(root):
            return
        self._set_thread(root)
        self._load_newest(unread=0)

    def _set_thread(self, root: str) -> None:
        at = self._messages.find(root)
        title = self._messages.entries[at].message.text if at >= 0 else ""
        self._thread, self._thread_title = root, texts.preview(title)
        self._messages.clear()
        self._messages.set_thread(root)
        self._loaded = False
        self._missed, self._following = 0, True
        self._composing.cancel()
        self.selectionChanged.emit()
        self.threadChanged.emit()
        self.followingChanged.emit()

    @Slot(str)
    def toggleSelected(self, message_id: str) -> None:
        """Choose a message, or not any more."""
        self._messages.toggle(message_id)
        self.selectionChanged.emit()

    @Slot()
    def selectNone(self) -> None:
        """No message is chosen any more."""
        self._messages.select_none()
        self.selectionChanged.emit()

    @Slot(result=list)
    def selectedIds(self) -> list[str]:
        """The chosen messages, oldest first."""
        return [it.id for it in self._messages.selected]

    @Slot(result=str)
    def selectedText(self) -> str:
        """What the chosen messages say, as one would quote a conversation."""
        chosen = self._messages.selected
        if len(chosen) == 1:
            return chosen[0].text
        lines = (
            f"{texts.clean_name(it.author_name)}, {texts.full_time(it.sent_at)}:\n"
            + it.text
            for it in chosen
            if it.text
        )
        return "\n\n".join(lines)

    # Inside -------------------------------------------------------------------

    def _load_newest(self, *, unread: int) -> None:
        if self._core is None or self._room is None:
            return
        self._cancel_page()
        self._detached = False

        def loaded(messages: list[MessageSnapshot], whole: bool) -> None:
            waiting = [e.message for e in self._messages.entries if e.pending]
            self._messages.load(messages, unread=unread)
            for message in reversed(waiting):
                self._messages.add_pending(message)
            self._loaded = True
            self._exhausted = whole
            self.followingChanged.emit()
            self.scrollToNewest.emit()
            self._mark_read_if_seen()

        self._start_page(loaded)

    def _start_page(
        self,
        loaded: Callable[[list[MessageSnapshot], bool], None],
        *,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
    ) -> None:
        """Ask for a page; ``loaded`` gets it, and whether nothing is beyond it."""
        assert self._core is not None
        assert self._room is not None
        core, room, thread = self._core, self._room.room, self._thread or None

        async def ask() -> tuple[list[MessageSnapshot], bool]:
            found = await core.history(
                *(room,),
                limit=PAGE,
                before=before,
                after=after,
                around=around,
                thread=thread,
            )
            whole = len(found) < PAGE
            if thread is not None and whole and after is None:
                found = [*await core.messages(room, [thread]), *found]
            return found, whole

        def done(answer: tuple[list[MessageSnapshot], bool]) -> None:
            self._page = None
            loaded(*answer)
            self.loadingChanged.emit()
            self.selectionChanged.emit()

        def failed(error: UserFacingError) -> None:
            self._page = None
            self.loadingChanged.emit()
            self.told.emit(error.sentence)

        self._page = self._bridge.run(ask(), done=done, failed=failed)
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

        thread = self._thread or None
        asked = self._core.history(room, limit=2 * PAGE, thread=thread)
        self._ordering = self._bridge.run(asked, done=told, failed=failed)

    def _let_newest_go(self) -> None:
        """Trim whole pages at the new end and remember how to fetch them again."""
        while len(self._messages.entries) >= MAX_LOADED + PAGE:
            self._messages.trim_newest(PAGE)
            self._detached = True
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
                self.selectionChanged.emit()
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
                self._take_members(members)

        self._bridge.run(self._core.members(room), done=fetched, failed=_ignore)

    def _take_members(self, members: list[MemberSnapshot]) -> None:
        names = {it.identity_key: texts.clean_name(it.name) for it in members}
        devices = sum(it.devices for it in members) - 1
        self._messages.set_people(names, device_count=max(0, devices))
        self._composing.set_members(members)
        self._rank = next((it.role for it in members if it.me), "")
        self.changed.emit()

    def _count_missed(self, messages: list[MessageSnapshot]) -> None:
        others = sum(1 for message in messages if not message.mine)
        if others:
            self._missed += others
            self.followingChanged.emit()

    def _mark_read_if_seen(self) -> None:
        seen = self._in_view and self._following and self._loaded and not self._detached
        if self._core is None or self._room is None or not seen:
            return
        if self._room.unread == 0 or (self._reading and self._reading.running):
            return
        self._reading = self._bridge.run(
            self._core.mark_read(self._room.room), failed=_ignore
        )
