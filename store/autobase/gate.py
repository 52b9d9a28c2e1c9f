"""Causes first: an entry is taken when everything that it links to has been.

Logs are offered in order, each by itself. A log whose next entry links to what is not
here waits, and is named again when that has come; nothing of it is kept meanwhile. So
whoever links to what does not exist holds up nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from store.autobase.entry import Entry, Link
from store.errors import LocalProtocolError


class Verdict(Enum):
    """What becomes of an entry that is offered."""

    TAKEN = "taken"
    WAITING = "waiting"
    """It links to what is not here; its log is among ``woken`` when it may go on."""
    EARLY = "early"
    """It is dated beyond the horizon: offer it again when that has moved."""
    FALSE = "false"
    """Its clock is not above that of all it had seen: its writer breaks the rules, and
    can be shown to."""
    FROZEN = "frozen"
    """Its log takes nothing more."""


class Gate:
    """How far each log was taken, and what waits for what.

    Attributes:
        lengths: Entries taken of each log.
        clocks: Of the last one taken of each.
    """

    def __init__(self) -> None:
        self.lengths: dict[bytes, int] = {}
        self.clocks: dict[bytes, int] = {}
        self._waiting: dict[bytes, dict[bytes, int]] = {}
        self._woken: dict[bytes, None] = {}

    def offer(
        self, entry: Entry, *, horizon: int, clock_of: Callable[[Link], int]
    ) -> Verdict:
        """Take the next entry of a log, if it may be taken.

        Args:
            entry: The one whose number is the log's length here.
            horizon: Clock of the latest entries that count yet.
            clock_of: Of the last entry of what was taken and is linked to.

        Raises:
            LocalProtocolError: ``bad-argument``: it is not the next one.
        """
        writer = entry.writer
        if entry.sequence != self.lengths.get(writer, 0):
            raise LocalProtocolError("not the next entry", code="bad-argument")
        if entry.clock <= self.clocks.get(writer, 0):
            return Verdict.FALSE
        if entry.clock > horizon:
            return Verdict.EARLY
        for other, length in entry.links:
            if length > self.lengths.get(other, 0):
                self._waiting.setdefault(other, {})[writer] = length
                return Verdict.WAITING
        if any(clock_of(link) >= entry.clock for link in entry.links):
            return Verdict.FALSE
        self.lengths[writer] = entry.sequence + 1
        self.clocks[writer] = entry.clock
        self._wake(writer)
        return Verdict.TAKEN

    def woken(self) -> list[bytes]:
        """The logs that may have waited long enough, since last asked."""
        woken, self._woken = list(self._woken), {}
        return woken

    def release(self, writer: bytes) -> None:
        """Let every log go on that waits for this one: it need not wait any more."""
        self._woken.update(dict.fromkeys(self._waiting.pop(writer, ())))

    def _wake(self, writer: bytes) -> None:
        waiting = self._waiting.get(writer)
        if not waiting:
            return
        for other, length in list(waiting.items()):
            if length <= self.lengths[writer]:
                del waiting[other]
                self._woken[other] = None
        if not waiting:
            del self._waiting[writer]
