"""What is being written: an answer, an edit, a draft; and that it is being written.

The draft is shown by the room list at once and kept by the core a moment later. What is
typed stays in the composer itself; sending is :class:`ui.models.conversation
.Conversation`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Property, QElapsedTimer, QObject, QTimer, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import MemberSnapshot, MessageSnapshot
from ui import format as texts
from ui.bridge import Bridge
from ui.gateway import Core
from ui.models.completing import Completions
from ui.models.message_rows import words
from ui.models.messages import MessageListModel
from ui.models.rooms import RoomListModel

KEEP_AFTER_MS = 700
"""A draft goes to the core when nothing was typed for so long."""
TYPING_EVERY_MS = 4000
"""How often the core is told that somebody still writes."""


class Composing(QObject):
    """The state of the composer of the open room.

    Signals:
        modeChanged: An answer or an edit began or ended.
        draftChanged: The composer should show :attr:`text`.
        lifetimeChanged: Messages disappear after another time from now on.
        told: Something went wrong; a sentence.
    """

    modeChanged = Signal()
    draftChanged = Signal()
    lifetimeChanged = Signal()
    told = Signal(str)

    def __init__(
        self,
        *,
        bridge: Bridge,
        rooms: RoomListModel,
        messages: MessageListModel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._rooms = rooms
        self._messages = messages
        self._core: Core | None = None
        self._room = ""
        self._mode = ""
        self._target: MessageSnapshot | None = None
        self._lifetimes: dict[str, int] = {}
        self._unkept: dict[str, str] = {}
        self._typing = False
        self._completions = Completions(parent=self)
        self._keeper = QTimer(self)
        self._keeper.setSingleShot(True)
        self._keeper.setInterval(KEEP_AFTER_MS)
        self._keeper.timeout.connect(self._keep_drafts)
        self._since_told = QElapsedTimer()

    mode = Property(str, lambda s: s._mode, notify=modeChanged)
    targetId = Property(
        str, lambda s: s._target.id if s._target else "", notify=modeChanged
    )
    targetText = Property(
        str,
        lambda s: texts.preview(words(s._target)) if s._target else "",
        notify=modeChanged,
    )
    completions = Property(QObject, lambda s: s._completions, constant=True)

    def _get_target_author(self) -> str:
        if self._target is None:
            return ""
        if self._target.mine:
            return self.tr("You")
        return texts.clean_name(self._target.author_name) or self.tr("Somebody")

    targetAuthor = Property(str, _get_target_author, notify=modeChanged)
    lifetime = Property(
        float, lambda s: float(s._lifetimes.get(s._room, 0)), notify=lifetimeChanged
    )

    @property
    def editing(self) -> bool:
        """Whether what is typed replaces a message."""
        return self._mode == "edit"

    @property
    def lifetime_ms(self) -> int | None:
        """After how long messages of this room disappear; None for never."""
        return self._lifetimes.get(self._room) or None

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core

    def enter(self, room: str) -> None:
        """Another room is open, or none."""
        self._stop_typing()
        self._keep_drafts()
        self._room = room
        self._set_mode("", None)
        self._completions.clear()
        self._completions.set_members([])
        self.lifetimeChanged.emit()
        if room:
            self._fetch_draft()

    def set_members(self, members: Iterable[MemberSnapshot]) -> None:
        """Who can be called with an ``@``."""
        self._completions.set_members(members)

    # What a person does -----------------------------------------------------

    @Slot(str)
    def reply(self, message_id: str) -> None:
        """Answer a message."""
        message = self._find(message_id)
        if message is not None and not message.deleted:
            if self.editing:
                self.cancel()
            self._set_mode("reply", message)

    @Slot(str)
    def edit(self, message_id: str) -> None:
        """Say an own message in other words."""
        message = self._find(message_id)
        if message is not None and message.mine and not message.deleted:
            self._set_mode("edit", message)
            self.draftChanged.emit()

    @Slot(result=bool)
    def editLast(self) -> bool:
        """Edit the newest own message that is loaded; False when there is none."""
        for row in self._messages.rows:
            if row.canEdit:
                self.edit(row.messageId)
                return True
        return False

    @Slot()
    def cancel(self) -> None:
        """Neither answer nor edit; the draft comes back."""
        was_editing = self.editing
        self._set_mode("", None)
        if was_editing:
            self.draftChanged.emit()

    @Slot(float)
    def setLifetime(self, lifetime_ms: float) -> None:
        """Let what is said in this room from now on disappear; 0 for never."""
        self._lifetimes[self._room] = int(lifetime_ms)
        self.lifetimeChanged.emit()

    def text(self) -> str:
        """What the composer should hold."""
        if self.editing and self._target is not None:
            return self._target.text
        return self._rooms.draft(self._room)

    def take_reply(self) -> str:
        """The message that what is sent now answers, if any; the answer is begun."""
        answered = self._target.id if self._mode == "reply" and self._target else ""
        self._set_mode("", None)
        return answered

    def finish_edit(self, text: str) -> None:
        """Replace the words of the message that is edited."""
        target = self._target
        room = self._room
        self._set_mode("", None)
        self.draftChanged.emit()
        if self._core is None or target is None or target.text == text:
            return

        def done(message: MessageSnapshot) -> None:
            if self._room == room:
                self._messages.change([message])

        def failed(error: UserFacingError) -> None:
            self.told.emit(error.sentence)

        self._bridge.run(
            self._core.edit(room, target.id, text), done=done, failed=failed
        )

    def keep(self, text: str) -> None:
        """What is typed changed: keep it, and let others know that one writes."""
        if not self._room or self.editing or text == self._rooms.draft(self._room):
            return
        self._rooms.set_draft(self._room, text)
        self._unkept[self._room] = text
        self._keeper.start()
        if text.strip():
            self._tell_typing()
        else:
            self._stop_typing()

    # Inside -----------------------------------------------------------------

    def _find(self, message_id: str) -> MessageSnapshot | None:
        at = self._messages.find(message_id)
        if at < 0 or not self._messages.entries[at].settled:
            return None
        return self._messages.entries[at].message

    def _set_mode(self, mode: str, target: MessageSnapshot | None) -> None:
        if (mode, target) != (self._mode, self._target):
            self._mode, self._target = mode, target
            self.modeChanged.emit()

    def _fetch_draft(self) -> None:
        if self._core is None or self._rooms.draft(self._room):
            return
        room = self._room

        def fetched(text: str) -> None:
            untouched = room not in self._unkept and not self._rooms.draft(room)
            if text and untouched:
                self._rooms.set_draft(room, text)
                if room == self._room:
                    self.draftChanged.emit()

        self._bridge.run(self._core.draft(room), done=fetched, failed=_ignore)

    def _keep_drafts(self) -> None:
        unkept, self._unkept = self._unkept, {}
        if self._core is not None:
            for room, text in unkept.items():
                self._bridge.run(self._core.set_draft(room, text), failed=_ignore)

    def _tell_typing(self) -> None:
        if self._core is None:
            return
        if self._typing and self._since_told.elapsed() < TYPING_EVERY_MS:
            return
        self._typing = True
        self._since_told.start()
        self._bridge.run(self._core.set_typing(self._room), failed=_ignore)

    def _stop_typing(self) -> None:
        if self._typing and self._core is not None and self._room:
            stop = self._core.set_typing(self._room, typing=False)
            self._bridge.run(stop, failed=_ignore)
        self._typing = False


def _ignore(error: UserFacingError) -> None:
    """For what is a help only: the draft is still in the window."""
    del error
