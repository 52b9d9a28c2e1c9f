"""What a window keeps, from outside: ``app/preferences.py`` as calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

CALLS: Final[dict[str, dict[str, Any]]] = {
    "preference": {"name": str},
    "set_preference": {"name": str, "value": str},
}
"""Methods of ``Preferences`` that clients may call, with their arguments' types."""


class RemotePreferences(ABC):
    """Keeps texts for windows of the core's profile."""

    @abstractmethod
    async def _call(self, kind: Any, call: str, /, **arguments: Any) -> Any:
        """Ask the core, and read the answer as a value of that kind."""

    async def preference(self, name: str) -> str:
        """See ``Preferences.preference``."""
        kept: str = await self._call(str, "preference", name=name)
        return kept

    async def set_preference(self, name: str, value: str) -> None:
        """See ``Preferences.set_preference``."""
        await self._call(None, "set_preference", name=name, value=value)
