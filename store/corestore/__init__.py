"""Corestore: many hypercores under one key and one replication stream."""

from __future__ import annotations

from store.corestore.corestore import CoreEntry, Corestore, StoreAttachment

__all__ = ["CoreEntry", "Corestore", "StoreAttachment"]
