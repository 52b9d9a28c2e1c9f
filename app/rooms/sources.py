"""From whom each log of a room is fetched, so that not everybody sends it.

Shared by the room's sessions, each of which asks for a place before it fetches.
"""

from __future__ import annotations

from collections.abc import Hashable


class Sources:
    """From whom each log is fetched, so that not everybody sends it."""

    def __init__(self) -> None:
        self._taken: dict[bytes, set[Hashable]] = {}

    def take(self, writer: bytes, fetcher: Hashable, limit: int) -> bool:
        """True when this fetcher may fetch a log, as one of so many."""
        taken = self._taken.setdefault(writer, set())
        if fetcher not in taken and len(taken) >= limit:
            return False
        taken.add(fetcher)
        return True

    def release(self, writer: bytes, fetcher: Hashable) -> bool:
        """Give a place back; True when the fetcher had one."""
        taken = self._taken.get(writer)
        if taken is None or fetcher not in taken:
            return False
        taken.remove(fetcher)
        if not taken:
            del self._taken[writer]
        return True
