"""Sets of names that a window keeps with the core, such as the pinned rooms."""

from __future__ import annotations

import json

from PySide6.QtCore import QObject, Signal

from app.errors import UserFacingError
from ui.bridge import Bridge
from ui.gateway import Core

MAX_KEPT = 500
"""Names in one set; with more, the oldest go."""


class KeptSet(QObject):
    """A set of ids under one name; told at once, kept behind.

    Signals:
        changed: Something came or went.
        told: It could not be kept; a sentence.
    """

    changed = Signal()
    told = Signal(str)

    def __init__(
        self, name: str, *, bridge: Bridge, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._name = name
        self._bridge = bridge
        self._core: Core | None = None
        self._ids: dict[str, None] = {}

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    @property
    def ids(self) -> list[str]:
        """Those in it, the oldest first."""
        return list(self._ids)

    def attach(self, core: Core | None) -> None:
        """Use this core from now on, and take what it keeps."""
        self._core = core
        if core is not None:
            self._bridge.run(
                core.preference(self._name), done=self._take, failed=self._fail
            )

    def put(self, id: str, *, on: bool) -> None:
        """Let an id be in it, or not."""
        if (id in self._ids) == on:
            return
        if on:
            self._ids[id] = None
            while len(self._ids) > MAX_KEPT:
                del self._ids[next(iter(self._ids))]
        else:
            del self._ids[id]
        self.changed.emit()
        if self._core is not None:
            text = json.dumps(list(self._ids))
            self._bridge.run(
                self._core.set_preference(self._name, text), failed=self._fail
            )

    def _take(self, text: str) -> None:
        try:
            found = json.loads(text or "[]")
        except ValueError:
            found = []
        kept = found if isinstance(found, list) else []
        self._ids = dict.fromkeys(it for it in kept[-MAX_KEPT:] if isinstance(it, str))
        self.changed.emit()

    def _fail(self, error: UserFacingError) -> None:
        self.told.emit(error.sentence)
