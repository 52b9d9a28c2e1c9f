"""The whole messenger without a face: one core process per profile.

from app import Messenger

async with Messenger.connect(profile) as me:
    await me.send(room, "hello")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.errors import UserFacingError
    from app.messenger import Messenger

__all__ = ["Messenger", "UserFacingError"]

_HOMES = {"Messenger": "app.messenger", "UserFacingError": "app.errors"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
