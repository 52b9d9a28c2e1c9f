"""The kernel that all sessions of a core share, on an event loop."""

from __future__ import annotations

from store.hypercore.core.cores import Cores
from store.hypercore.core.kernel import Accepted, Core, CoreListener
from store.hypercore.core.traffic import Traffic

__all__ = ["Accepted", "Core", "CoreListener", "Cores", "Traffic"]
