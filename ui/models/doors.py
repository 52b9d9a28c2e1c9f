"""The ways into a room: making one, inviting to one, joining one by its link."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import RoomSnapshot
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.images import qr_source

MAX_NAME_CHARS = 100
"""Longest room or profile name that can be typed."""

LINK_PREFIX = "covey://"


class Door(QObject):
    """What the three have in common: one piece of work, its progress and failure.

    Signals:
        changed: ``busy``, ``failure`` or a result changed.
        entered: A room is there and should be opened; its snapshot.
    """

    changed = Signal()
    entered = Signal(object)

    def __init__(self, *, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._core: Core | None = None
        self._job: Job | None = None
        self._failure = ""

    def attach(self, core: Core | None) -> None:
        """Use this core from now on."""
        self._core = core

    @Slot()
    def reset(self) -> None:
        """Forget what was begun, as when a dialog opens or closes."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._failure = ""
        self.changed.emit()

    def _fail(self, error: UserFacingError) -> None:
        self._job, self._failure = None, error.sentence
        self.changed.emit()

    def _enter(self, room: RoomSnapshot) -> None:
        self._job = None
        self.changed.emit()
        self.entered.emit(room)

    def _get_busy(self) -> bool:
        return self._job is not None

    def _get_failure(self) -> str:
        return self._failure

    busy = Property(bool, _get_busy, notify=changed)
    failure = Property(str, _get_failure, notify=changed)


class RoomMaker(Door):
    """Makes a room."""

    @Slot(str, str)
    def create(self, name: str, kind: str) -> None:
        """Make a room and enter it.

        Args:
            name: Its name, as typed.
            kind: ``group`` or ``broadcast``.
        """
        name = " ".join(name.split())[:MAX_NAME_CHARS]
        if self._core is None or self._job is not None or not name:
            return
        self._failure = ""
        self._job = self._bridge.run(
            self._core.create_room(name, kind=kind),
            done=self._enter,
            failed=self._fail,
        )
        self.changed.emit()


class Inviter(Door):
    """Makes an invite link for a room.

    Signals:
        made: ``link`` and ``qr`` changed.
    """

    made = Signal()

    def __init__(self, *, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(bridge=bridge, parent=parent)
        self._link = ""

    @Slot(str)
    def make(self, room: str) -> None:
        """Make a link for members; ``link`` holds it once it is there."""
        self._make(room, "", role="member")

    @Slot(str, str, int, int, bool)
    def remake(
        self, room: str, role: str, hours: int, uses: int, approval: bool
    ) -> None:
        """Make another link in place of the one shown, which ends.

        Args:
            room: Which room.
            role: As what newcomers come.
            hours: How long it holds; 0 for ever.
            uses: How many it lets in; 0 for any number.
            approval: Whether a person looks at each newcomer.
        """
        self._make(
            room,
            self._link,
            role=role,
            expires_ms=hours * 3_600_000 or None,
            uses=uses or None,
            approval=approval,
        )

    def _make(self, room: str, before: str, **wanted: Any) -> None:
        self.reset()
        self._link = ""
        self.made.emit()
        core = self._core

        async def work() -> str:
            assert core is not None
            if before:
                await core.revoke(before)
            return await core.invite(room, **wanted)

        if core is not None:
            self._job = self._bridge.run(work(), done=self._take, failed=self._fail)
        self.changed.emit()

    def _take(self, link: str) -> None:
        self._job, self._link = None, link
        self.made.emit()
        self.changed.emit()

    def _get_link(self) -> str:
        return self._link

    def _get_qr(self) -> str:
        return qr_source(self._link) if self._link else ""

    link = Property(str, _get_link, notify=made)
    qr = Property(str, _get_qr, notify=made)


class Joiner(Door):
    """Joins a room by its link."""

    @Slot(str, result=str)
    def complaint(self, link: str) -> str:
        """What is wrong with a link at first sight, as a sentence, or empty."""
        link = link.strip()
        if not link:
            return ""
        if not link.lower().startswith(LINK_PREFIX):
            return self.tr("An invite link begins with covey://")
        if len(link.split()) > 1:
            return self.tr("There is a space or line break inside this link.")
        if len(link) <= len(LINK_PREFIX) + 8:
            return self.tr("This link is too short: a part of it is missing.")
        return ""

    @Slot(str)
    def join(self, link: str) -> None:
        """Look for a member who is online and ask to be let in."""
        link = link.strip()
        if self._core is None or self._job is not None or not link:
            return
        self._failure = self.complaint(link)
        if not self._failure:
            self._job = self._bridge.run(
                self._core.join(link), done=self._enter, failed=self._fail
            )
        self.changed.emit()
