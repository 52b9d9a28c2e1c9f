"""Hyperbee: a sorted map of keys and values in a hypercore."""

from __future__ import annotations

from store.hyperbee.encoding import Codec, SubEncoder
from store.hyperbee.hyperbee import (
    Batch,
    EntryWatcher,
    Hyperbee,
    Snapshot,
    View,
    Watcher,
)
from store.hyperbee.records import Difference, Entry, Header, HistoryEntry, Metadata

__all__ = [
    "Batch",
    "Codec",
    "Difference",
    "Entry",
    "EntryWatcher",
    "Header",
    "HistoryEntry",
    "Hyperbee",
    "Metadata",
    "Snapshot",
    "SubEncoder",
    "View",
    "Watcher",
]
