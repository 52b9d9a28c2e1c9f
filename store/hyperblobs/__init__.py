"""Hyperblobs: byte blobs on one hypercore."""

from __future__ import annotations

from store.hyperblobs.blob_id import BlobId
from store.hyperblobs.block_map import MapEntry
from store.hyperblobs.hyperblobs import BlobWriter, Hyperblobs

__all__ = ["BlobId", "BlobWriter", "Hyperblobs", "MapEntry"]
