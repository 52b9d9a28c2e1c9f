"""The people one knows: who asks to write, who may, who is blocked, and their keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import ContactSnapshot, RoomSnapshot
from ui import format as texts
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.images import qr_source
from ui.models.keeping import KeptSet
from ui.models.rows import RowModel

CONTACT_LINK = "covey://contact/"
MAX_GREETING_CHARS = 200
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One person."""

    key: str
    name: str
    initials: str
    colour: int
    state: str
    detail: str
    verified: bool
    room: str


class People(QObject):
    """View model of contacts, requests and the safety number.

    Signals:
        changed: Anything that is shown changed.
        told: Something was refused; a sentence.
        done: What was asked for is done; its name.
        entered: A room of two is there and should be opened; its snapshot.
    """

    changed = Signal()
    told = Signal(str)
    done = Signal(str)
    entered = Signal(object)

    def __init__(self, *, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._core: Core | None = None
        self._known: list[ContactSnapshot] = []
        self._me = ""
        self._job: Job | None = None
        self._busy = ""
        self._failure = ""
        self._compared = ("", "")
        self._number = ""
        self.verified = KeptSet("verified-people", bridge=bridge, parent=self)
        self.verified.changed.connect(self._show)
        self.verified.told.connect(self.told)
        self._asking: RowModel[ContactRow] = RowModel(ContactRow, self)
        self._contacts: RowModel[ContactRow] = RowModel(ContactRow, self)
        self._blocked: RowModel[ContactRow] = RowModel(ContactRow, self)

    busy = Property(str, lambda s: s._busy, notify=changed)
    failure = Property(str, lambda s: s._failure, notify=changed)
    asking = Property(QObject, lambda s: s._asking, constant=True)
    contacts = Property(QObject, lambda s: s._contacts, constant=True)
    blocked = Property(QObject, lambda s: s._blocked, constant=True)
    link = Property(str, lambda s: s._link(), notify=changed)
    qr = Property(str, lambda s: qr_source(s._link()) if s._me else "", notify=changed)
    comparedName = Property(str, lambda s: s._compared[1], notify=changed)
    comparedVerified = Property(
        bool, lambda s: s._compared[0] in s.verified, notify=changed
    )
    numbers = Property(list, lambda s: s._number.split(), notify=changed)
    maxGreetingChars = Property(int, lambda _: MAX_GREETING_CHARS, constant=True)

    def _link(self) -> str:
        return CONTACT_LINK + self._me if self._me else ""

    @property
    def reachable(self) -> Sequence[ContactRow]:
        """Those whom one may write to, or has asked."""
        return self._contacts.rows

    def attach(self, core: Core | None, *, me: str) -> None:
        """Use this core from now on; None while there is none."""
        self._core, self._me = core, me
        self.verified.attach(core)
        self.refresh()

    def refresh(self) -> None:
        """Ask who is known."""
        if self._core is not None:
            self._bridge.run(self._core.contacts(), done=self._take, failed=self._fail)
        self.changed.emit()

    # What a person does ---------------------------------------------------------

    @Slot()
    def reset(self) -> None:
        """Forget what was begun, as when a dialog opens or closes."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._busy = self._failure = ""
        self.changed.emit()

    @Slot(str, result=str)
    def keyIn(self, text: str) -> str:
        """The contact key in what was pasted, or empty."""
        text = text.strip().lower()
        text = text.removeprefix(CONTACT_LINK).rstrip("/")
        return text if _KEY.fullmatch(text) else ""

    @Slot(str, result=str)
    def complaint(self, text: str) -> str:
        """What is wrong with a contact link at first sight, or empty."""
        text = text.strip()
        if not text or self.keyIn(text):
            if text and self.keyIn(text) == self._me:
                return self.tr("This is your own key.")
            return ""
        if text.lower().startswith("covey://") and CONTACT_LINK not in text.lower():
            return self.tr("This is an invite link: use Join by link.")
        return self.tr(
            "A contact link begins with {0} or is a key of 64 letters."
        ).format(CONTACT_LINK)

    @Slot(str, str)
    def write(self, who: str, greeting: str) -> None:
        """Open the room of two with somebody, asking them first where need be."""
        who = self.keyIn(who) or who
        if self._core is not None and who:
            work = self._core.dm(who, greeting=greeting[:MAX_GREETING_CHARS])
            self._begin("write", work, self._enter)

    @Slot(str)
    def accept(self, who: str) -> None:
        """Let who asks write."""
        if self._core is not None:
            self._begin("accept", self._core.accept_contact(who), self._enter)

    @Slot(str)
    def decline(self, who: str) -> None:
        """Do not."""
        if self._core is not None:
            self._begin("decline", self._core.decline_contact(who), None)

    @Slot(str)
    def block(self, who: str) -> None:
        """Hear nothing more from somebody directly."""
        if self._core is not None:
            self._begin("block", self._core.block_contact(who), None)

    @Slot(str)
    def unblock(self, who: str) -> None:
        """Hear from somebody again."""
        if self._core is not None:
            self._begin("unblock", self._core.unblock_contact(who), None)

    @Slot(str, str)
    def compare(self, who: str, name: str) -> None:
        """Mean somebody by the safety number shown next."""
        self._compared, self._number, self._failure = (who, name), "", ""
        self.changed.emit()
        if self._core is not None:

            def told(number: str) -> None:
                self._number = number
                self.changed.emit()

            self._bridge.run(
                self._core.safety_number(who), done=told, failed=self._refused
            )

    @Slot(bool)
    def setVerified(self, verified: bool) -> None:
        """The numbers were compared and are alike, or that no longer counts."""
        if self._compared[0]:
            self.verified.put(self._compared[0], on=verified)
            self.changed.emit()

    # Inside ---------------------------------------------------------------------

    def _begin(
        self,
        name: str,
        work: Coroutine[Any, Any, Any],
        done: Callable[[RoomSnapshot], None] | None,
    ) -> None:
        self.reset()
        self._busy = name
        self.changed.emit()

        def finished(result: Any) -> None:
            self._job, self._busy = None, ""
            self.changed.emit()
            self.done.emit(name)
            if done is not None:
                done(result)
            self.refresh()

        self._job = self._bridge.run(work, done=finished, failed=self._refused)

    def _enter(self, room: RoomSnapshot) -> None:
        self.entered.emit(room)

    def _refused(self, error: UserFacingError) -> None:
        self._job, self._busy, self._failure = None, "", error.sentence
        self.changed.emit()

    def _fail(self, error: UserFacingError) -> None:
        self.told.emit(error.sentence)

    def _take(self, known: list[ContactSnapshot]) -> None:
        self._known = sorted(
            known, key=lambda it: (it.name.casefold(), it.identity_key)
        )
        self._show()

    def _show(self) -> None:
        for model, states in (
            (self._asking, ("asking",)),
            (self._contacts, ("accepted", "calling")),
            (self._blocked, ("blocked",)),
        ):
            rows = [self._row(it) for it in self._known if it.state in states]
            if rows != list(model.rows):
                model.replace_all(rows)
        self.changed.emit()

    def _row(self, contact: ContactSnapshot) -> ContactRow:
        name = texts.clean_name(contact.name) or self.tr("Somebody")
        details = {
            "asking": texts.preview(contact.greeting)
            or self.tr("Wants to write to you"),
            "calling": self.tr("Has not answered yet"),
            "blocked": self.tr("Cannot write to you directly"),
        }
        return ContactRow(
            key=contact.identity_key,
            name=name,
            initials=texts.initials(name),
            colour=texts.colour_index(contact.identity_key),
            state=contact.state,
            detail=details.get(contact.state, ""),
            verified=contact.identity_key in self.verified,
            room=contact.room or "",
        )
