"""The kernel that all sessions of a core share, on an event loop."""

from __future__ import annotations

from store.hypercore.core.cores import Cores
from store.hypercore.core.disk import MAX_TRIES
from store.hypercore.core.kernel import Accepted, Core, CoreListener
from store.hypercore.core.traffic import Traffic

__all__ = ["MAX_TRIES", "Accepted", "Core", "CoreListener", "Cores", "Traffic"]
