"""How much of the acts of an export is kept while they are judged: it has a limit.

The rules keep what acts name, and for every act about somebody, so that it can be
undone, all that was said of that person before. The unit is about a hundred bytes.
"""

from __future__ import annotations

from typing import Final

from app.rooms.operations import acts

MAX_WEIGHT: Final = 2_000_000
EARLIER_PER_UNIT: Final = 8
"""Earlier acts about the same person or device that weigh as much as one key."""


class Weight:
    """The sum over the acts that were added.

    Attributes:
        total: In units.
    """

    def __init__(self) -> None:
        self.total = 0
        self._about: dict[bytes, int] = {}

    def add(self, body: acts.Act, steps: int) -> None:
        """Count one more act.

        Args:
            body: What it says.
            steps: Lengths of logs that it had seen more of than the act before.
        """
        self.total += steps + _named(body)
        target = _target(body)
        if target is not None:
            earlier = self._about.get(target, 0)
            self._about[target] = earlier + 1
            self.total += earlier // EARLIER_PER_UNIT

    @property
    def is_too_much(self) -> bool:
        """True beyond the limit."""
        return self.total > MAX_WEIGHT


def _named(body: acts.Act) -> int:
    if isinstance(body, acts.Rotate):
        return len(body.devices)
    if isinstance(body, acts.SetRole | acts.Remove | acts.Mute):
        return len(body.cuts)
    if isinstance(body, acts.Settings):
        return len(body.description or "") // 32
    return 0


def _target(body: acts.Act) -> bytes | None:
    if isinstance(body, acts.SetRole | acts.Remove | acts.Mute | acts.Unban):
        return body.identity
    if isinstance(body, acts.Admit | acts.AddDevice):
        return body.proof.identity
    if isinstance(body, acts.RemoveDevice | acts.Rest | acts.Wake):
        return body.device
    return None
