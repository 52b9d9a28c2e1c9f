"""The public face of Hyperbee, the only part of the package with an event loop."""

from __future__ import annotations

from store.hyperbee.hyperbee.batch import Batch
from store.hyperbee.hyperbee.bee import Hyperbee
from store.hyperbee.hyperbee.view import Snapshot, View
from store.hyperbee.hyperbee.watching import EntryWatcher, Watcher

__all__ = ["Batch", "EntryWatcher", "Hyperbee", "Snapshot", "View", "Watcher"]
