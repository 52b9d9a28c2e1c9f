"""What a window keeps for its person: short texts by name, encrypted like the rest.

``app/remote_preferences.py`` has the same methods outside the core. What a text says
is the window's business; other devices do not hear of it.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.faults import explained
from store.settings import get_setting, set_setting

if TYPE_CHECKING:
    from app.profile import Profile

MAX_PREFERENCE_BYTES = 64 * 1024
"""Longest text, as UTF-8."""
_NAME = re.compile(r"[a-z-]{1,40}")
_PREFIX = "window:"


class Preferences:
    """Keeps texts for windows."""

    _profile: Profile

    async def preference(self, name: str) -> str:
        """What is kept under a name; empty when nothing is.

        Raises:
            UserFacingError: ``bad-name``.
        """
        key = _key(name)
        database = self._profile.database
        with explained():
            kept = await asyncio.wrap_future(
                database.read(lambda connection: get_setting(connection, key))
            )
        return kept.decode("utf-8", "replace") if kept is not None else ""

    async def set_preference(self, name: str, value: str) -> None:
        """Keep a text under a name.

        Args:
            name: Small letters and hyphens, at most forty.
            value: At most ``MAX_PREFERENCE_BYTES``.

        Raises:
            UserFacingError: ``bad-name``, ``too-large``, ``disk``.
        """
        key, data = _key(name), value.encode("utf-8", "replace")
        if len(data) > MAX_PREFERENCE_BYTES:
            raise UserFacingError("too-large", "That is too long to be kept.")
        database = self._profile.database
        with explained():
            await asyncio.wrap_future(
                database.write(lambda connection: set_setting(connection, key, data))
            )


def _key(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UserFacingError("bad-name", "That is no name of a preference.")
    return _PREFIX + name
