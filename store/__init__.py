"""What must survive: the encrypted database, logs and files.

The names below load their modules when they are first used, so that a program that
needs one of them pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.corestore import Corestore
    from store.hyperbee import Hyperbee
    from store.hypercore.session import Hypercore
    from store.hyperdrive import Hyperdrive

_HOMES = {
    "Corestore": "store.corestore",
    "Hyperbee": "store.hyperbee",
    "Hypercore": "store.hypercore.session",
    "Hyperdrive": "store.hyperdrive",
}

__all__ = ["Corestore", "Hyperbee", "Hypercore", "Hyperdrive"]


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
