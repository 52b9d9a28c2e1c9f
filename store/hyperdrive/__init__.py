"""Hyperdrive: a file system on a hyperbee and hyperblobs."""

from __future__ import annotations

from store.hyperdrive.confined_folder import RefusedPathError
from store.hyperdrive.download import DriveDownload
from store.hyperdrive.drive_view import DriveView, NodeChange
from store.hyperdrive.entry import Entry, Node
from store.hyperdrive.hyperdrive import DriveBatch, DriveCheckout, Hyperdrive
from store.hyperdrive.local_folder import LocalFolder
from store.hyperdrive.mirror import Mirror, MirrorCounts, MirrorStep, Operation

__all__ = [
    "DriveBatch",
    "DriveCheckout",
    "DriveDownload",
    "DriveView",
    "Entry",
    "Hyperdrive",
    "LocalFolder",
    "Mirror",
    "MirrorCounts",
    "MirrorStep",
    "Node",
    "NodeChange",
    "Operation",
    "RefusedPathError",
]
