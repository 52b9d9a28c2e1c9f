"""The root view model: from the first question to the open room.

Knows in which phase the window is, holds the models, and hands the core's events to
them. It never waits: work goes through :class:`ui.bridge.Bridge` and comes back as a
call.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Property, QObject, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication

from app.errors import UserFacingError
from app.events import (
    CoreStopped,
    DeviceForked,
    Event,
    MembersChanged,
    MessageDelivered,
    MessagesChanged,
    MessageStored,
    NetworkChanged,
    RoomChanged,
    RoomLeft,
    ScheduledChanged,
    TypingChanged,
)
from app.snapshots import (
    MessageSnapshot,
    NetworkSnapshot,
    ProfileSnapshot,
    RoomSnapshot,
)
from ui import format as texts
from ui.bridge import Bridge
from ui.gateway import Core, Gateway
from ui.models.around import Around
from ui.models.conversation import Conversation
from ui.models.doors import MAX_NAME_CHARS, Inviter, Joiner, RoomMaker
from ui.models.emoji import EmojiModel
from ui.models.network import NetworkView
from ui.models.rooms import RoomListModel
from ui.window_state import WindowState

PHRASE_WORDS = 24
LOCKED_CODES = ("passphrase-needed", "wrong-passphrase")


class Session(QObject):
    """What QML knows as ``covey``.

    The phases: ``starting``, ``welcome`` (no profile yet), ``locked`` (a passphrase
    is needed), ``phrase`` (the 24 words are shown), ``ready``, ``failed``.

    Signals:
        phaseChanged: The phase, its failure or ``busy`` changed.
        profileChanged: The name or key of the profile changed.
        bannerChanged: The sentence at the top of the window changed.
        roomOpened: A room was opened by a person or by entering it.
    """

    phaseChanged = Signal()
    profileChanged = Signal()
    bannerChanged = Signal()
    roomOpened = Signal()

    def __init__(
        self,
        *,
        gateway: Gateway,
        bridge: Bridge,
        state: WindowState,
        now_ms: Callable[[], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._gateway = gateway
        self._bridge = bridge
        self._state = state
        self._core: Core | None = None
        self._phase = "starting"
        self._failure = ""
        self._busy = False
        self._profile: ProfileSnapshot | None = None
        self._words: list[str] = []
        self._words_pending = False
        self._banner = ""
        self._banner_action = ""
        self._banner_tone = "bad"
        self._rooms = RoomListModel(now_ms=now_ms, parent=self)
        self._network = NetworkView(parent=self)
        self._conversation = Conversation(
            bridge=bridge, rooms=self._rooms, now_ms=now_ms, parent=self
        )
        self._emoji = EmojiModel(state=state, parent=self)
        self._maker = RoomMaker(bridge=bridge, parent=self)
        self._inviter = Inviter(bridge=bridge, parent=self)
        self._joiner = Joiner(bridge=bridge, parent=self)
        self._around = Around(
            bridge=bridge,
            rooms=self._rooms,
            state=state,
            now_ms=now_ms,
            parent=self,
        )
        self._clock = QTimer(self)
        self._clock.setInterval(30_000)
        self._clock.timeout.connect(self._notice_time)
        self._wire()

    def _wire(self) -> None:
        self._bridge.flushed.connect(self._take)
        self._bridge.ended.connect(self._lose_core)
        self._bridge.surprised.connect(self._tell_surprise)
        self._conversation.told.connect(self.tell)
        self._around.told.connect(self.tell)
        self._around.people.entered.connect(self._enter)
        self._around.preferences.profiled.connect(self._take_profile)
        self._maker.entered.connect(self._enter)
        self._joiner.entered.connect(self._enter)
        self._clock.start()

    # What QML sees ----------------------------------------------------------

    def _get_name(self) -> str:
        return texts.clean_name(self._profile.name) if self._profile else ""

    def _get_key(self) -> str:
        return self._profile.identity_key if self._profile else ""

    phase = Property(str, lambda s: s._phase, notify=phaseChanged)
    failure = Property(str, lambda s: s._failure, notify=phaseChanged)
    busy = Property(bool, lambda s: s._busy, notify=phaseChanged)
    words = Property(list, lambda s: s._words, notify=phaseChanged)
    name = Property(str, _get_name, notify=profileChanged)
    initials = Property(
        str, lambda s: texts.initials(s._get_name()), notify=profileChanged
    )
    identityKey = Property(str, _get_key, notify=profileChanged)
    colour = Property(
        int, lambda s: texts.colour_index(s._get_key()), notify=profileChanged
    )
    banner = Property(str, lambda s: s._banner, notify=bannerChanged)
    bannerTone = Property(str, lambda s: s._banner_tone, notify=bannerChanged)
    bannerAction = Property(str, lambda s: s._banner_action, notify=bannerChanged)
    rooms = Property(QObject, lambda s: s._rooms, constant=True)
    network = Property(QObject, lambda s: s._network, constant=True)
    conversation = Property(QObject, lambda s: s._conversation, constant=True)
    emoji = Property(QObject, lambda s: s._emoji, constant=True)
    maker = Property(QObject, lambda s: s._maker, constant=True)
    inviter = Property(QObject, lambda s: s._inviter, constant=True)
    joiner = Property(QObject, lambda s: s._joiner, constant=True)
    details = Property(QObject, lambda s: s._around.details, constant=True)
    finder = Property(QObject, lambda s: s._around.finder, constant=True)
    switcher = Property(QObject, lambda s: s._around.switcher, constant=True)
    preferences = Property(QObject, lambda s: s._around.preferences, constant=True)
    shelf = Property(QObject, lambda s: s._around.shelf, constant=True)
    people = Property(QObject, lambda s: s._around.people, constant=True)
    maxNameChars = Property(int, lambda _: MAX_NAME_CHARS, constant=True)

    @property
    def waits_for_a_person(self) -> bool:
        """Whether the next step is a person's, not the core's."""
        return self._phase != "starting" and not self._busy

    # Coming up ----------------------------------------------------------------

    def start(self) -> None:
        """Open the profile, or ask for a name when there is none."""
        if self._gateway.profile_exists():
            self._open()
        else:
            self._go("welcome")

    def _go(self, phase: str, *, failure: str = "", busy: bool = False) -> None:
        self._phase, self._failure, self._busy = phase, failure, busy
        self.phaseChanged.emit()

    def _open(self, *, passphrase: str | None = None) -> None:
        self._network.start()
        self._set_banner("")
        waiting = self._phase if self._phase in ("locked", "ready") else "starting"
        self._go(waiting, busy=True)
        self._bridge.run(
            self._gateway.open(passphrase=passphrase),
            done=self._greet,
            failed=self._fail_to_open,
        )

    def _fail_to_open(self, error: UserFacingError) -> None:
        if error.code in LOCKED_CODES:
            asked_before = self._phase == "locked"
            self._go("locked", failure=error.sentence if asked_before else "")
        else:
            self._network.stop(error.sentence)
            self._go("failed", failure=error.sentence)

    def _greet(self, core: Core) -> None:
        """A core answered: listen first, then ask how everything stands."""
        self._core = core
        self._bridge.watch(core.events())
        self._bridge.run(
            self._ask(core), done=self._settle_in, failed=self._fail_to_open
        )

    @staticmethod
    async def _ask(
        core: Core,
    ) -> tuple[ProfileSnapshot, NetworkSnapshot, list[RoomSnapshot]]:
        return await core.profile(), await core.network(), await core.rooms()

    def _settle_in(
        self, known: tuple[ProfileSnapshot, NetworkSnapshot, list[RoomSnapshot]]
    ) -> None:
        self._profile, network, rooms = known
        self._network.take(network)
        self._conversation.attach(self._core, me=self._profile.identity_key)
        for door in (self._maker, self._inviter, self._joiner):
            door.attach(self._core)
        self._rooms.reset(rooms)
        self._around.attach(self._core, me=self._profile.identity_key)
        self._around.settle_in([room.room for room in rooms])
        self.profileChanged.emit()
        opened = self._rooms.snapshot(self._rooms.selected)
        if opened is not None:
            self._conversation.open(opened)
        if self._state.phrase_seen() and not self._words_pending:
            self._be_ready()
        else:
            self.fetchPhrase()

    @Slot()
    def fetchPhrase(self) -> None:
        """Ask the core for the 24 words and show them."""
        if self._core is None:
            return

        def fetched(phrase: str) -> None:
            self._words = phrase.split()
            if self._phase == "ready":
                self.phaseChanged.emit()
            else:
                self._go("phrase")

        def failed(error: UserFacingError) -> None:
            self._go("ready")
            self.tell(error.sentence)

        self._bridge.run(self._core.recovery_phrase(), done=fetched, failed=failed)

    @Slot()
    def forgetPhrase(self) -> None:
        """The words are no longer shown: let them go."""
        self._words = []
        self.phaseChanged.emit()

    @Slot()
    def confirmPhrase(self) -> None:
        """The 24 words are written down."""
        self._state.keep_phrase_seen()
        self._words_pending = False
        self._words = []
        self._be_ready()

    def _be_ready(self) -> None:
        """Show the rooms and, until it was dismissed once, how the key is kept."""
        self._go("ready")
        warning = self._profile.warning if self._profile else ""
        if warning and not self._state.key_warning_seen():
            self._set_banner(warning, tone="warn")

    @Slot(str)
    def createProfile(self, name: str) -> None:
        """Make a new profile."""
        self._create(name, None)

    @Slot(str, str)
    def restoreProfile(self, name: str, phrase: str) -> None:
        """Make the profile again from its 24 words."""
        words = phrase.lower().split()
        if len(words) != PHRASE_WORDS:
            self._go(
                "welcome",
                failure=self.tr("These are {0} words; 24 are needed.").format(
                    len(words)
                ),
            )
            return
        self._create(name, " ".join(words))

    def _create(self, name: str, phrase: str | None) -> None:
        name = " ".join(name.split())[:MAX_NAME_CHARS]
        if not name or self._busy:
            return

        def created(core: Core) -> None:
            if phrase is None:
                self._words_pending = True
                self._state.keep_phrase_unseen()
            self._greet(core)

        def failed(error: UserFacingError) -> None:
            self._go("welcome", failure=error.sentence)

        self._go("welcome", busy=True)
        self._bridge.run(
            self._gateway.create(name, phrase=phrase), done=created, failed=failed
        )

    @Slot(str)
    def unlock(self, passphrase: str) -> None:
        """Try a passphrase."""
        if passphrase and not self._busy:
            self._open(passphrase=passphrase)

    @Slot()
    def retry(self) -> None:
        """Try again what failed: find or start the core."""
        if not self._busy:
            self._open()

    # What the core tells --------------------------------------------------------

    def _take(self, batch: list[Event]) -> None:
        rooms: dict[str, RoomSnapshot] = {}
        messages: list[MessageSnapshot] = []
        open_room = self._rooms.selected
        for event in batch:
            match event:
                case RoomChanged(room):
                    rooms[room.room] = room
                case RoomLeft(room_id):
                    rooms.pop(room_id, None)
                    self._drop_room(room_id)
                case MessageStored(message) if message.room == open_room:
                    messages.append(message)
                case MessageDelivered(room_id, message_id, count):
                    if room_id == open_room:
                        self._flush_messages(messages)
                        self._conversation.take_delivery(message_id, count)
                case MessagesChanged(room_id, ids) if room_id == open_room:
                    self._flush_messages(messages)
                    self._conversation.take_changes(ids)
                case TypingChanged(room_id, key, name, typing):
                    if room_id == open_room:
                        self._flush_messages(messages)
                        self._conversation.take_typing(key, name, typing=typing)
                case ScheduledChanged(room_id) if room_id == open_room:
                    self._conversation.take_scheduled()
                case MembersChanged(room_id) if room_id == open_room:
                    self._conversation.refresh_members()
                case DeviceForked(sentence=sentence):
                    self.tell(sentence)
                case NetworkChanged(network):
                    self._network.take(network)
                case CoreStopped(sentence):
                    self._lose_core(sentence)
                case _:
                    pass
        self._flush_messages(messages)
        if rooms:
            self._rooms.update(rooms.values())
        self._around.take(batch)
        if open_room in rooms:
            self._conversation.take_room(rooms[open_room])

    def _flush_messages(self, messages: list[MessageSnapshot]) -> None:
        if messages:
            self._conversation.take_messages(list(messages))
            messages.clear()

    def _drop_room(self, room: str) -> None:
        if room == self._rooms.selected:
            self._conversation.open(None)
        self._rooms.forget(room)

    def _lose_core(self, sentence: str = "") -> None:
        if self._core is None:
            return
        sentence = sentence or self.tr("Covey's core has ended.")
        self._core = None
        self._conversation.attach(None, me="")
        self._around.attach(None)
        for door in (self._maker, self._inviter, self._joiner):
            door.attach(None)
        self._network.stop(sentence)
        self._set_banner(sentence, action="restart")

    # What a person does -----------------------------------------------------------

    @Slot(str)
    def openRoom(self, room: str) -> None:
        """Show a room; an empty id shows none."""
        if room and room == self._rooms.selected:
            self.roomOpened.emit()
            return
        snapshot = self._rooms.snapshot(room)
        self._conversation.open(snapshot)
        if snapshot is not None:
            self.roomOpened.emit()

    @Slot(str, str)
    def openMessage(self, room: str, message_id: str) -> None:
        """Show a message where it was said."""
        if room != self._rooms.selected:
            self.openRoom(room)
        if room == self._rooms.selected:
            self._conversation.jump(message_id)

    @Slot(int)
    def openNeighbour(self, step: int) -> None:
        """Show the room above (-1) or below (1) the open one."""
        at = self._rooms.rowOf(self._rooms.selected)
        target = at + step if at >= 0 else 0
        room = self._rooms.roomAt(target)
        if room:
            self.openRoom(room)

    def _enter(self, room: RoomSnapshot) -> None:
        self._rooms.update([room])
        self.openRoom(room.room)

    @Slot(str)
    def leaveRoom(self, room: str) -> None:
        """Leave a room for good."""
        if self._core is None:
            return
        self._bridge.run(
            self._core.leave(room),
            done=lambda _: self._drop_room(room),
            failed=lambda error: self.tell(error.sentence),
        )

    @Slot(bool)
    def setActive(self, active: bool) -> None:
        """Whether the window is in front of somebody."""
        self._conversation.set_in_view(active)

    @Slot(str)
    def copy(self, text: str) -> None:
        """Put a text into the clipboard."""
        QGuiApplication.clipboard().setText(text)

    @Slot(result=str)
    def pasted(self) -> str:
        """The text in the clipboard."""
        return QGuiApplication.clipboard().text()

    def tell(self, sentence: str) -> None:
        """Show a sentence at the top of the window."""
        self._set_banner(sentence)

    @Slot()
    def dismissBanner(self) -> None:
        """The sentence has been read."""
        if self._banner_tone == "warn":
            self._state.keep_key_warning_seen()
        self._set_banner("")

    def _tell_surprise(self, line: str) -> None:
        del line
        self.tell(self.tr("Something unexpected went wrong. The log has the details."))

    def _take_profile(self, profile: ProfileSnapshot) -> None:
        self._profile = profile
        self.profileChanged.emit()

    def _set_banner(
        self, sentence: str, *, action: str = "", tone: str = "bad"
    ) -> None:
        self._banner, self._banner_action = sentence, action
        self._banner_tone = tone
        self.bannerChanged.emit()

    def _notice_time(self) -> None:
        self._rooms.notice_time()
        self._conversation.notice_time()

    # Going down -----------------------------------------------------------------

    async def stop(self) -> None:
        """End all work and let go of the core."""
        self._clock.stop()
        core, self._core = self._core, None
        await self._bridge.stop()
        if core is not None:
            await core.close()
