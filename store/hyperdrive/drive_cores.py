"""The two cores of a drive, and when which of them can be known.

The database's core is the drive. The core of the contents follows from its manifest,
unless the database's header names another one; so a reader has to have that header
before it can find them. Follows npm hyperdrive 13.3.4.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee import Header, Metadata
from store.hyperbee.blocks import decode_header
from store.hyperblobs import Hyperblobs
from store.hypercore.manifest import is_compat
from store.hyperdrive.contents import contents_manifest

if TYPE_CHECKING:
    from store.corestore import Corestore, StoreAttachment
    from store.hypercore.manifest import Manifest
    from store.hypercore.replication import ReplicaConnection
    from store.hypercore.session import Hypercore

DB_NAME: Final = "db"
_KEY_BYTES: Final = 32


class DriveCores:
    """The cores of one drive.

    Attributes:
        db: The database's.
    """

    def __init__(
        self, corestore: Corestore, db: Hypercore, encryption_key: bytes | None
    ) -> None:
        self.db = db
        self._corestore = corestore
        self._encryption_key = encryption_key
        self._blobs: Hyperblobs | None = None
        self._opening = asyncio.Lock()

    @classmethod
    async def open(
        cls, corestore: Corestore, key: bytes | None, encryption_key: bytes | None
    ) -> DriveCores:
        """Open the database's core, and the other one if it is ours or known."""
        if key is None:
            db = await corestore.get(name=DB_NAME, encryption_key=encryption_key)
        else:
            db = await corestore.get(key=key, encryption_key=encryption_key)
        cores = cls(corestore, db, encryption_key)
        try:
            await cores.blobs(wait=False)
        except RemoteProtocolError:
            # The drive can still be asked for its entries.
            pass
        except BaseException:
            await cores.close()
            raise
        return cores

    def metadata(self) -> Metadata:
        """What the header of a new drive says."""
        if self._derived() is not None or self._blobs is None:
            return Metadata()
        return Metadata(content_feed=self._blobs.key)

    async def blobs(
        self, *, wait: bool = True, timeout_s: float | None = None
    ) -> Hyperblobs | None:
        """The contents; None only when not waiting and the header is not here.

        Raises:
            LocalProtocolError: Nobody sent the header in time (``request-timeout``).
            RemoteProtocolError: The header is none, or nothing tells where they are.
        """
        if self._blobs is not None:
            return self._blobs
        header = None
        if self.db.length > 0 or not self.db.writable:
            data = await self.db.get(0, wait=wait, timeout_s=timeout_s)
            if data is None:
                return None
            header = decode_header(data)
        async with self._opening:
            if self._blobs is None:
                self._blobs = Hyperblobs(await self._open(header))
            return self._blobs

    async def own_blobs(self) -> Hyperblobs:
        """The contents, to be written.

        Raises:
            LocalProtocolError: The drive is somebody else's (code ``not-writable``).
        """
        if not self.db.writable:
            raise LocalProtocolError("the drive is read-only", code="not-writable")
        blobs = await self.blobs()
        assert blobs is not None, "a drive of one's own knows where they are"
        return blobs

    async def _open(self, header: Header | None) -> Hypercore:
        key = header.metadata.content_feed if header and header.metadata else None
        if key is not None:
            if len(key) < _KEY_BYTES:
                raise RemoteProtocolError("the key of the contents is too short")
            return await self._corestore.get(
                key=key[:_KEY_BYTES], encryption_key=self._encryption_key
            )
        manifest = self._derived()
        if manifest is not None:
            return await self._corestore.get(
                manifest=manifest,
                key_pair=self.db.key_pair if self.db.writable else None,
                encryption_key=self._encryption_key,
            )
        if header is not None or not self.db.writable:
            raise RemoteProtocolError("nothing tells where the contents are")
        return await self._corestore.get(
            name=f"{self.db.id}/blobs", encryption_key=self._encryption_key
        )

    def _derived(self) -> Manifest | None:
        """The manifest of the contents as it follows from the database's."""
        manifest = self.db.manifest
        if manifest is None or is_compat(self.db.key, manifest):
            return None
        return contents_manifest(manifest, self.db.key)

    def replicate(self, connection: ReplicaConnection) -> StoreAttachment:
        """Exchange everything of the corestore with a peer."""
        return self._corestore.replicate(connection)

    async def close(self) -> None:
        """Close both."""
        if self._blobs is not None:
            await self._blobs.close()
        await self.db.close()

    async def purge(self) -> None:
        """Close both, and delete what of them is on this device."""
        blobs = None
        with suppress(RemoteProtocolError):
            # Else nothing tells where they are: then they are not here.
            blobs = await self.blobs(wait=False)
        if blobs is not None:
            await blobs.core.purge()
        await self.db.purge()
