"""The delivery ledger of one message: who has it, and whom it waits for."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import DeliverySnapshot, MemberDelivery
from ui import format as texts
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.models.rows import RowModel


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One member."""

    name: str
    initials: str
    colour: int
    me: bool
    state: str
    """``holds``, ``coming`` or ``waiting``."""
    detail: str
    """The core's sentence on this member."""
    share: str
    """How many of their devices hold it."""


class DeliveryLedger(RowModel[DeliveryRow]):
    """Where one message is; followed while it is shown.

    Signals:
        changed: The sentence on the whole, or whether it is being asked, changed.
        told: Something went wrong; a sentence.
    """

    changed = Signal()
    told = Signal(str)

    def __init__(self, *, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(DeliveryRow, parent)
        self._bridge = bridge
        self._core: Core | None = None
        self._room = ""
        self._message = ""
        self._sentence = ""
        self._job: Job | None = None

    sentence = Property(str, lambda s: s._sentence, notify=changed)
    loading = Property(bool, lambda s: s._job is not None, notify=changed)

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core

    def enter(self, room: str) -> None:
        """Another room is open."""
        self._room = room
        self.close()

    @Slot(str)
    def open(self, message_id: str) -> None:
        """Show where a message is."""
        self.close()
        self._message = message_id
        self._ask()

    @Slot()
    def close(self) -> None:
        """Nobody looks any more."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._message = self._sentence = ""
        self.replace_all([])
        self.changed.emit()

    def refresh(self, message_id: str) -> None:
        """More devices hold a message."""
        if message_id == self._message and self._job is None:
            self._ask()

    def _ask(self) -> None:
        if self._core is None or not self._message:
            return

        def done(told: DeliverySnapshot) -> None:
            self._job = None
            self._sentence = told.sentence
            rows = [self._row(it) for it in told.members]
            if told.left_out:
                self._sentence += " " + self.tr(
                    "%n member(s) not shown", "", told.left_out
                )
            if rows != list(self._rows):
                self.replace_all(rows)
            self.changed.emit()

        def failed(error: UserFacingError) -> None:
            self._job = None
            self._sentence = error.sentence
            self.changed.emit()

        asked = self._core.delivery(self._room, self._message)
        self._job = self._bridge.run(asked, done=done, failed=failed)
        self.changed.emit()

    def _row(self, member: MemberDelivery) -> DeliveryRow:
        name = texts.clean_name(member.name) or self.tr("Somebody")
        states = {device.state for device in member.devices}
        state = "holds" if member.holding else "waiting"
        if not member.holding and "coming" in states:
            state = "coming"
        count = len(member.devices)
        return DeliveryRow(
            name=self.tr("{0} (you)").format(name) if member.me else name,
            initials=texts.initials(name),
            colour=texts.colour_index(member.identity_key),
            me=member.me,
            state=state,
            detail=member.sentence,
            share=f"{member.holding}/{count}" if count > 1 else "",
        )
