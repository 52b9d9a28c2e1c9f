"""How many acts of one log count: a function of that log alone.

The first so many count, whatever becomes of them, and of the removals behind those a
few more, so that one can still leave or be alone. Acts that turn the key are fewer,
for each says to whom.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

from app.rooms.law.act import Act
from app.rooms.operations.acts import Remove, Rotate

MAX_ACTS: Final = 4_096
MAX_FOUNDER_ACTS: Final = 32_768
SPARE_REMOVALS: Final = 64
MAX_ROTATIONS: Final = 512
_PLAIN, _REMOVAL, _ROTATION = 0, 1, 2


class Quota:
    """Which acts of one log count."""

    def __init__(self, *, founding: bool) -> None:
        """Begin with none.

        Args:
            founding: It is the log of who began the room.
        """
        self._limit = MAX_FOUNDER_ACTS if founding else MAX_ACTS
        # Sequence times four, and the sort: in order of the log.
        self._counted = array("Q")
        self._rotation_count = 0

    def add(self, act: Act) -> tuple[bool, list[int]]:
        """Take an act in.

        Returns:
            Whether it counts, and the sequences of those that therefore do not.
        """
        sort = _PLAIN
        if isinstance(act.body, Remove):
            sort = _REMOVAL
        elif isinstance(act.body, Rotate):
            sort = _ROTATION
        sequence = act.place.sequence
        at = bisect_left(self._counted, sequence * 4)
        if at < len(self._counted) and self._counted[at] // 4 == sequence:
            return False, []
        self._counted.insert(at, sequence * 4 + sort)
        self._rotation_count += sort == _ROTATION
        if len(self._counted) <= self._limit and self._rotation_count <= MAX_ROTATIONS:
            return True, []
        out = self._trim()
        return sequence not in out, [it for it in out if it != sequence]

    def allows(self, *, removal: bool) -> bool:
        """True when one more act at the end of the log would count."""
        count = len(self._counted)
        return count < self._limit + (SPARE_REMOVALS if removal else 0)

    def _trim(self) -> list[int]:
        kept, out = array("Q"), []
        rotations = 0
        for item in self._counted:
            limit = self._limit
            if item % 4 == _REMOVAL:
                limit += SPARE_REMOVALS
            turns = item % 4 == _ROTATION
            if len(kept) >= limit or (turns and rotations >= MAX_ROTATIONS):
                out.append(item // 4)
                continue
            rotations += turns
            kept.append(item)
        self._counted, self._rotation_count = kept, rotations
        return out
