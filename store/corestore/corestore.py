"""``Corestore``: many hypercores in one place, known by name or by key.

Names give keys as npm corestore derives them, so that the same primary key makes the
same cores everywhere; a name keeps the core it was first given. All sessions of a core
share one kernel, whichever name, key or namespace they were opened by. Follows npm
corestore 7.12.5 in what can be done; how connections are used stands in ``link``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from net.crypto import KeyPair
from store.corestore.shelf import PRIMARY_KEY_BYTES, Shelf, check_primary_key
from store.database import Connection, Database, Synchronous
from store.errors import LocalProtocolError
from store.hypercore.capabilities import (
    ROOT_NAMESPACE,
    core_key_pair,
    decode_id,
    sub_namespace,
)
from store.hypercore.core import Core
from store.hypercore.depot import Depot
from store.hypercore.directory import StoreDirectory
from store.hypercore.encryption import BlockEncryption
from store.hypercore.manifest import Manifest
from store.hypercore.session import Hypercore

if TYPE_CHECKING:
    from store.corestore.link import StoreLink
    from store.hypercore.replication import ReplicaConnection

_PRIMARY_KEY = "corestore/primary-key"


class CoreEntry(NamedTuple):
    """One stored core."""

    key: bytes
    discovery_key: bytes
    fork: int
    length: int
    """Blocks."""
    contiguous_length: int


class StoreAttachment:
    """A corestore, or some of its cores, replicated over one connection."""

    def __init__(self, link: StoreLink) -> None:
        self._link = link

    @property
    def closed(self) -> bool:
        """True after ``close``, and when the connection has ended."""
        return self._link.closed

    @property
    def link(self) -> StoreLink:
        """What goes on over the connection, for the doctor."""
        return self._link

    async def close(self) -> None:
        """Replicate no more of it; the connection stays open. Harmless twice."""
        await self._link.remove_scope(self)


class Corestore:
    """A place for cores, or a namespace of one."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        namespace: bytes = ROOT_NAMESPACE,
        home: StoreDirectory | None = None,
        is_root: bool = True,
    ) -> None:
        """Use ``open``, ``over`` or ``namespace``."""
        self._shelf = shelf
        self._namespace = namespace
        self._home = home
        self._is_root = is_root
        self._sessions: list[Hypercore] = []
        self._kept_sessions = 1

    @classmethod
    async def open(
        cls,
        directory: str | Path,
        *,
        primary_key: bytes | None = None,
        storage_key: bytes | None = None,
        synchronous: Synchronous = Synchronous.FULL,
    ) -> Corestore:
        """Open the corestore of a folder, making both when they are missing.

        Args:
            directory: The folder.
            primary_key: 32 bytes from which names get their keys; drawn for a new
                corestore unless given, and kept in it.
            storage_key: 32 bytes that encrypt the folder's database; without it the
                database is a plain file.
            synchronous: What a finished append shall survive.

        Raises:
            EnvironmentFault: ``in-use``, or the disk refused.
            DatabaseCorruptError: The database is damaged.
            LocalProtocolError: ``bad-argument``: it is no primary key, or the folder
                has another one.
        """
        wanted = secrets.token_bytes(PRIMARY_KEY_BYTES)
        if primary_key is not None:
            wanted = check_primary_key(primary_key)
        home = await asyncio.to_thread(
            StoreDirectory,
            Path(directory),
            storage_key=storage_key,
            synchronous=synchronous,
        )
        try:
            stored = await asyncio.wrap_future(
                home.database.write(lambda connection: _keep_key(connection, wanted))
            )
            if primary_key is not None and stored != primary_key:
                raise LocalProtocolError(
                    "the folder holds another corestore", code="bad-argument"
                )
            return cls(Shelf(Depot(home.database), stored), home=home)
        except BaseException:
            await asyncio.to_thread(home.close)
            raise

    @classmethod
    def over(cls, database: Database, *, primary_key: bytes) -> Corestore:
        """A corestore in a database that somebody else opens and closes.

        Args:
            database: Open.
            primary_key: 32 bytes, kept by whoever has the database.
        """
        return cls(Shelf(Depot(database), primary_key))

    @property
    def depot(self) -> Depot:
        """The rows and the memory that all cores share."""
        return self._shelf.depot

    @property
    def closed(self) -> bool:
        """True after ``close`` of the root."""
        return self._shelf.closed

    @property
    def links(self) -> list[StoreLink]:
        """The connections it is replicated over, for the doctor."""
        return self._shelf.links

    def namespace(self, name: str | bytes) -> Corestore:
        """A corestore whose names are others; everything else is shared."""
        return Corestore(
            self._shelf,
            namespace=sub_namespace(self._namespace, name),
            is_root=False,
        )

    def key_pair(self, name: str | bytes) -> KeyPair:
        """The key pair that belongs to a name here."""
        return core_key_pair(self._shelf.primary_key, self._namespace, name)

    async def get(
        self,
        key: bytes | str | None = None,
        *,
        name: str | None = None,
        discovery_key: bytes | None = None,
        manifest: Manifest | None = None,
        key_pair: KeyPair | None = None,
        encryption_key: bytes | None = None,
        is_block_key: bool = False,
        encryption: BlockEncryption | None = None,
        writable: bool = True,
        allow_fork: bool | None = None,
        push: bool = False,
    ) -> Hypercore:
        """Open a session on a core, beginning the core when it is new.

        Args:
            key: The core's, 32 bytes or as people write it.
            name: In this namespace; the core is written here.
            discovery_key: In place of the key, for a core that is stored.
            manifest: Who may sign; decides the key if neither key nor a name that is
                known already does.
            key_pair: Whose signature is made here.
            encryption_key: 32 bytes that encrypt each block, for peers too.
            is_block_key: The key encrypts blocks as it is, whatever the core.
            encryption: Encrypts blocks in another way.
            writable: False refuses to write even where the key pair is known.
            allow_fork: Whether the core follows peers to a higher fork number, with
                all its sessions; as it is unless given.
            push: Take blocks that peers send unasked, and send what is appended to
                peers that do.

        Raises:
            LocalProtocolError: ``bad-argument``: these do not belong together;
                ``core-missing``: no core is stored under that discovery key;
                ``closed``.
            EnvironmentFault: The disk refused.
        """
        self._shelf.check_open()
        decoded = decode_id(key) if isinstance(key, str) else key
        if name is not None:
            if decoded is not None or discovery_key is not None:
                raise LocalProtocolError(
                    "a core has a name or a key, not both", code="bad-argument"
                )
            core = await self._named(name, manifest)
        else:
            if discovery_key is not None and decoded is None and manifest is None:
                decoded = await self._key_of(discovery_key)
            core = await self._shelf.open(decoded, key_pair=key_pair, manifest=manifest)
        if allow_fork is not None:
            core.allow_fork = allow_fork
        session = Hypercore(
            core,
            encryption_key=encryption_key,
            is_block_key=is_block_key,
            encryption=encryption,
            writable=writable,
            push=push,
        )
        self._sessions.append(session)
        if len(self._sessions) > 2 * self._kept_sessions:
            self._sessions = [each for each in self._sessions if not each.closed]
            self._kept_sessions = len(self._sessions)
        return session

    async def cores(self) -> list[CoreEntry]:
        """All cores stored here, of all namespaces, the oldest first."""
        self._shelf.check_open()
        return await self._shelf.cores.traffic.read(_entries)

    def replicate(
        self,
        connection: ReplicaConnection,
        *,
        cores: Iterable[Hypercore] | None = None,
    ) -> StoreAttachment:
        """Exchange cores over a connection, those opened later too, until it ends.

        Args:
            connection: Over which; several calls for one add up.
            cores: Only these; all cores of the corestore unless given.

        Raises:
            LocalProtocolError: ``closed``.
        """
        scope = None
        if cores is not None:
            scope = frozenset(core.discovery_key for core in cores)
        link = self._shelf.link(connection)
        attachment = StoreAttachment(link)
        link.add_scope(attachment, scope)
        return attachment

    async def close(self) -> None:
        """Close the sessions opened here; for the root, everything. Harmless twice."""
        sessions, self._sessions = self._sessions, []
        for session in sessions:
            await session.close()
        if not self._is_root:
            return
        await self._shelf.close()
        if self._home is not None:
            await asyncio.to_thread(self._home.close)

    async def __aenter__(self) -> Corestore:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _named(self, name: str, manifest: Manifest | None) -> Core:
        key_pair = self.key_pair(name)
        namespace = self._namespace
        traffic = self._shelf.cores.traffic
        known = await traffic.read(
            lambda connection: _core_of_name(connection, namespace, name)
        )
        if known is not None:
            return await self._shelf.open(known, key_pair=key_pair)
        core = await self._shelf.open(None, key_pair=key_pair, manifest=manifest)
        number = core.state.number
        # Held meanwhile: without a session it might be closed while this is written.
        core.session_count += 1
        try:
            await traffic.write(
                lambda connection: _keep_name(connection, namespace, name, number)
            )
        except BaseException:
            self._shelf.give_back(core)
            raise
        core.session_count -= 1
        return core

    async def _key_of(self, discovery_key: bytes) -> bytes:
        key = await self._shelf.cores.traffic.read(
            lambda connection: _core_of_discovery_key(connection, discovery_key)
        )
        if key is None:
            raise LocalProtocolError("no such core is stored", code="core-missing")
        return key


def _keep_key(connection: Connection, wanted: bytes) -> bytes:
    """Keep a primary key if there is none; returns the one that counts."""
    connection.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (_PRIMARY_KEY, wanted),
    )
    rows = connection.execute(
        "SELECT value FROM setting WHERE name = ?", (_PRIMARY_KEY,)
    ).fetchall()
    stored: bytes = rows[0][0]  # type: ignore[assignment]
    return stored


def _core_of_name(connection: Connection, namespace: bytes, name: str) -> bytes | None:
    key: bytes
    for (key,) in connection.execute(
        "SELECT key FROM core JOIN core_alias ON core.id = core_alias.core"
        " WHERE namespace = ? AND name = ?",
        (namespace, name),
    ):
        return key
    return None


def _core_of_discovery_key(
    connection: Connection, discovery_key: bytes
) -> bytes | None:
    key: bytes
    for (key,) in connection.execute(
        "SELECT key FROM core WHERE discovery_key = ?", (discovery_key,)
    ):
        return key
    return None


def _keep_name(
    connection: Connection, namespace: bytes, name: str, number: int
) -> None:
    connection.execute(
        "INSERT INTO core_alias (namespace, name, core) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (namespace, name, number),
    )


def _entries(connection: Connection) -> list[CoreEntry]:
    rows = connection.execute(
        "SELECT key, discovery_key, fork, length, contiguous FROM core ORDER BY id"
    )
    return [CoreEntry(*row) for row in rows]
