"""What waits for its time in the open room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from PySide6.QtCore import QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import ScheduledSnapshot
from ui import format as texts
from ui.bridge import Bridge
from ui.gateway import Core
from ui.models.rows import RowModel

MORNING_HOUR = 9


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """One message that waits."""

    scheduledId: str
    text: str
    when: str
    problem: str


class ScheduledModel(RowModel[ScheduledRow]):
    """What waits, the next first.

    Signals:
        kept: A message was kept for later.
        told: Something went wrong; a sentence.
    """

    kept = Signal()
    told = Signal(str)

    def __init__(
        self,
        *,
        bridge: Bridge,
        now_ms: Callable[[], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(ScheduledRow, parent)
        self._bridge = bridge
        self._now_ms = now_ms
        self._core: Core | None = None
        self._room = ""

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core

    def enter(self, room: str) -> None:
        """Another room is open."""
        self._room = room
        self.replace_all([])
        self.refresh()

    def refresh(self) -> None:
        """Ask the core what waits."""
        if self._core is None or not self._room:
            return
        room = self._room

        def done(found: list[ScheduledSnapshot]) -> None:
            if room == self._room:
                rows = [_row(it) for it in found]
                if rows != list(self._rows):
                    self.replace_all(rows)

        self._bridge.run(self._core.scheduled(room), done=done, failed=self._tell)

    @Slot(str, float, str)
    def add(self, text: str, send_at: float, reply_to: str) -> None:
        """Keep a message until its time."""
        if self._core is None or not text.strip():
            return
        kept = self._core.schedule(
            *(self._room, text.strip()),
            send_at=int(send_at),
            reply_to=reply_to or None,
        )
        self._bridge.run(kept, done=lambda _: self.kept.emit(), failed=self._tell)

    @Slot(str)
    def cancel(self, scheduled_id: str) -> None:
        """Do not send what waits."""
        if self._core is not None:
            self._bridge.run(
                self._core.cancel_scheduled(scheduled_id), failed=self._tell
            )

    @Slot(result=list)
    def proposals(self) -> list[dict[str, object]]:
        """Times that people often mean, each with its name."""
        now = datetime.fromtimestamp(self._now_ms() / 1000)
        morning = now.replace(hour=MORNING_HOUR, minute=0, second=0, microsecond=0)
        monday = morning + timedelta(days=7 - now.weekday())
        found = [
            (self.tr("In one hour"), now + timedelta(hours=1)),
            (self.tr("Tomorrow morning"), morning + timedelta(days=1)),
            (self.tr("Monday morning"), monday),
        ]
        return [
            {
                "label": label,
                "at": at.timestamp() * 1000,
                "when": texts.full_time(int(at.timestamp() * 1000)),
            }
            for label, at in found
        ]

    @Slot(str, str, result=float)
    def instant(self, day: str, time: str) -> float:
        """A day (``2026-11-28``) and time (``9:30``); 0 when it is none or past."""
        try:
            at = datetime.strptime(f"{day.strip()} {time.strip()}", "%Y-%m-%d %H:%M")
            at_ms = at.timestamp() * 1000
        except (ValueError, OverflowError, OSError):
            return 0.0
        return at_ms if at_ms > self._now_ms() else 0.0

    @Slot(float, result=str)
    def named(self, at_ms: float) -> str:
        """An instant in words."""
        return texts.full_time(int(at_ms))

    @Slot(result=list)
    def tomorrow(self) -> list[str]:
        """Day and time to begin with, as typed."""
        at = datetime.fromtimestamp(self._now_ms() / 1000) + timedelta(days=1)
        return [at.strftime("%Y-%m-%d"), f"{MORNING_HOUR:02}:00"]

    def _tell(self, error: UserFacingError) -> None:
        self.told.emit(error.sentence)


def _row(message: ScheduledSnapshot) -> ScheduledRow:
    return ScheduledRow(
        scheduledId=message.id,
        text=texts.preview(message.text),
        when=texts.full_time(message.send_at),
        problem=message.problem,
    )
