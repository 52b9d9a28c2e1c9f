"""The core of a drive's blobs, as it follows from the core of its database.

A reader knows only the drive's key; the manifest that belongs to it says who may sign
the blobs, so that nobody has to tell where they are. Follows npm hyperdrive 13.3.4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from net.crypto import blake2b_256, namespace
from store.hypercore.manifest import Manifest, create_manifest

BLOBS: Final = namespace("hyperdrive", 0)


def contents_manifest(manifest: Manifest, key: bytes) -> Manifest | None:
    """The manifest of the blobs.

    Args:
        manifest: Of the database's core.
        key: Of the database's core.

    Returns:
        None for version 0, where blobs have a core of their own.
    """
    if manifest.version < 1:
        return None
    signers = [
        replace(signer, namespace=blake2b_256(BLOBS, key, signer.namespace))
        for signer in manifest.signers
    ]
    return create_manifest(
        signers,
        quorum=manifest.quorum,
        version=manifest.version,
        allow_patch=manifest.allow_patch,
    )
