"""Who put which sign under a message, or chose what in a poll, by name."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Property, QObject, Signal, Slot

from app.errors import UserFacingError
from app.snapshots import PollSnapshot, ResponseSnapshot
from ui import format as texts
from ui.bridge import Bridge, Job
from ui.gateway import Core
from ui.models.messages import MessageListModel
from ui.models.rows import RowModel

MAX_NAMED = 3
"""Names in one line; the others are counted."""


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One person."""

    name: str
    initials: str
    colour: int
    detail: str
    """Their signs, or the answers they chose."""


class Responses(RowModel[ResponseRow]):
    """What people put under one message.

    Signals:
        changed: Another message is asked about, or the answer came.
    """

    changed = Signal()

    def __init__(
        self,
        *,
        bridge: Bridge,
        messages: MessageListModel,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(ResponseRow, parent)
        self._bridge = bridge
        self._messages = messages
        self._core: Core | None = None
        self._room = ""
        self._message = ""
        self._names_by_sign: dict[str, str] = {}
        self._job: Job | None = None

    messageId = Property(str, lambda s: s._message, notify=changed)
    namesBySign = Property(
        "QVariantMap",  # type: ignore[arg-type]
        lambda s: s._names_by_sign,
        notify=changed,
    )

    def attach(self, core: Core | None) -> None:
        """Use this core from now on; None while there is none."""
        self._core = core

    def enter(self, room: str) -> None:
        """Another room is open."""
        self._room = room
        self._forget("")

    @Slot(str)
    def look(self, message_id: str) -> None:
        """Ask about a message."""
        self._forget(message_id)
        if self._core is None:
            return

        def done(found: list[ResponseSnapshot]) -> None:
            self._job = None
            self._take(found)

        def failed(error: UserFacingError) -> None:
            del error
            self._job = None

        asked = self._core.responses(self._room, message_id)
        self._job = self._bridge.run(asked, done=done, failed=failed)

    def _forget(self, message_id: str) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._message, self._names_by_sign = message_id, {}
        self.replace_all([])
        self.changed.emit()

    def _take(self, found: list[ResponseSnapshot]) -> None:
        at = self._messages.find(self._message)
        poll = self._messages.entries[at].message.poll if at >= 0 else None
        self.replace_all([self._row(it, poll) for it in found])
        signs: dict[str, list[str]] = {}
        for it in found:
            for sign in it.emojis:
                signs.setdefault(sign, []).append(self._name(it))
        self._names_by_sign = {
            sign: self._listed(names) for sign, names in signs.items()
        }
        self.changed.emit()

    def _row(self, it: ResponseSnapshot, poll: PollSnapshot | None) -> ResponseRow:
        chosen = [
            texts.preview(poll.options[choice].text)
            for choice in it.choices
            if poll is not None and choice < len(poll.options)
        ]
        signs = [texts.clean_name(sign)[:16] for sign in it.emojis]
        return ResponseRow(
            name=self._name(it),
            initials=texts.initials(it.name),
            colour=texts.colour_index(it.identity_key),
            detail=" ".join(signs) if not chosen else ", ".join((*chosen, *signs)),
        )

    def _name(self, it: ResponseSnapshot) -> str:
        if it.me:
            return self.tr("You")
        return texts.clean_name(it.name) or self.tr("Somebody")

    def _listed(self, names: list[str]) -> str:
        shown = ", ".join(names[:MAX_NAMED])
        more = len(names) - MAX_NAMED
        if more <= 0:
            return shown
        return self.tr("{0} and %n other(s)", "", more).format(shown)
