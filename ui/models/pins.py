"""What is pinned in the open room: the bar above the messages walks through it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject

from app.errors import UserFacingError
from app.snapshots import MessageSnapshot
from ui import format as texts
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.models.message_rows import words
from ui.models.rows import RowModel

MAX_PINS = 50
"""Pinned messages shown; the newest ones."""


@dataclass(frozen=True, slots=True)
class PinRow:
    """One pinned message."""

    messageId: str
    author: str
    text: str


class PinnedModel(RowModel[PinRow]):
    """Pinned messages, the newest first."""

    def __init__(self, *, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(PinRow, parent)
        self._bridge = bridge
        self._core: Core | None = None
        self._room = ""
        self._job: Job | None = None
        self._again = False

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core

    def enter(self, room: str) -> None:
        """Another room is open."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._room = room
        self.replace_all([])
        self.refresh()

    def refresh(self) -> None:
        """Messages changed: what is pinned may have, too."""
        if self._core is None or not self._room:
            return
        if self._job is not None:
            self._again = True
            return
        self._again = False

        def done(found: list[MessageSnapshot]) -> None:
            self._job = None
            rows = [self._row(it) for it in reversed(found)]
            if rows != list(self._rows):
                self.replace_all(rows)
            if self._again:
                self.refresh()

        def failed(error: UserFacingError) -> None:
            del error
            self._job = None

        asked = self._core.history(self._room, limit=MAX_PINS, pinned=True)
        self._job = self._bridge.run(asked, done=done, failed=failed)

    def _row(self, message: MessageSnapshot) -> PinRow:
        name = texts.clean_name(message.author_name) or self.tr("Somebody")
        return PinRow(
            messageId=message.id,
            author=self.tr("You") if message.mine else name,
            text=texts.preview(words(message)),
        )
