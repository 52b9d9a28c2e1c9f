"""What a session knows of its core and of itself, and what it refuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from net.crypto import KeyPair
from store.errors import EnvironmentFault, LocalProtocolError
from store.hypercore.capabilities import encode_id
from store.hypercore.core import Core
from store.hypercore.encryption import BlockEncryption, DefaultEncryption
from store.hypercore.manifest import Manifest
from store.hypercore.records import Head

if TYPE_CHECKING:
    from store.hypercore.replication import PeerInfo


class SessionFacts:
    """The part of ``Hypercore`` that answers at once."""

    def __init__(
        self,
        core: Core,
        *,
        encryption_key: bytes | None = None,
        is_block_key: bool = False,
        encryption: BlockEncryption | None = None,
        writable: bool = True,
        push: bool = False,
        snapshot: Head | None = None,
        kept_length: int | None = None,
        on_last_closed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Hold a session on an open core; ``open`` and ``Corestore.get`` do that.

        Args:
            core: Open.
            encryption_key: 32 bytes that encrypt blocks.
            is_block_key: The key encrypts blocks as it is, whatever the core.
            encryption: Encrypts blocks in another way.
            writable: False refuses to write even where the key is known.
            push: Take blocks that peers send unasked, and send what is appended to
                peers that do.
            snapshot: The state this session is to stay at.
            kept_length: Blocks of it that were not cut off since; all unless given.
            on_last_closed: Awaited when the last session of the core has closed.
        """
        core.check_open()
        self._core = core
        self._encryption_key = encryption_key
        self._is_block_key = is_block_key
        self._encryption = encryption
        self._may_write = writable
        self._push = push
        self._snapshot = snapshot
        if kept_length is None:
            kept_length = snapshot.length if snapshot else 0
        self._kept_length = kept_length
        self._on_last_closed = on_last_closed
        self._closed = False

    @property
    def core(self) -> Core:
        """The kernel, for parts of the store that stand beside this one."""
        return self._core

    @property
    def key(self) -> bytes:
        """Who knows these 32 bytes may read and replicate."""
        return self._core.state.key

    @property
    def discovery_key(self) -> bytes:
        """Where peers meet, 32 bytes; tells nothing of the key."""
        return self._core.state.discovery_key

    @property
    def id(self) -> str:
        """The key as people write it, 52 characters."""
        return encode_id(self.key)

    @property
    def key_pair(self) -> KeyPair | None:
        """Whose signature is made here."""
        return self._core.state.key_pair

    @property
    def manifest(self) -> Manifest | None:
        """Who may sign; None while not known."""
        return self._core.state.manifest

    @property
    def length(self) -> int:
        """Blocks of the log, stored here or not."""
        return self._head.length

    @property
    def contiguous_length(self) -> int:
        """Blocks stored here from the start on without a gap."""
        end = self.length if self._snapshot is None else self._kept_length
        return min(self._core.state.contiguous_length, end)

    @property
    def remote_contiguous_length(self) -> int:
        """The longest such stretch that a peer has told of."""
        core = self._core
        return core.replication.remote_contiguous_length if core.replicating else 0

    @property
    def byte_length(self) -> int:
        """Bytes of the log without padding."""
        head = self._head
        return max(0, head.byte_length - self.padding * head.length)

    @property
    def fork(self) -> int:
        """How often the log was truncated."""
        return self._head.fork

    @property
    def padding(self) -> int:
        """Bytes that encryption adds to each block."""
        encryption = self._block_encryption()
        return 0 if encryption is None else encryption.padding_bytes

    @property
    def encrypted(self) -> bool:
        """True when blocks are encrypted and this session can read them."""
        return self._encryption_key is not None or self._encryption is not None

    @property
    def writable(self) -> bool:
        """True when this session can append."""
        return (
            self._may_write
            and self._snapshot is None
            and not self._closed
            and self._core.state.writable
            and not self._core.state.frozen
        )

    @property
    def readable(self) -> bool:
        """True until the session is closed."""
        return not self._closed

    @property
    def closed(self) -> bool:
        """True when the session is closed."""
        return self._closed

    @property
    def frozen(self) -> bool:
        """True when the log was found to have two histories."""
        return self._core.state.frozen

    @property
    def peers(self) -> list[PeerInfo]:
        """Those who replicate this log with us now."""
        return self._core.replication.peers if self._core.replicating else []

    @property
    def _head(self) -> Head:
        return self._core.state.head if self._snapshot is None else self._snapshot

    def _block_encryption(self) -> BlockEncryption | None:
        if self._encryption is None and self._encryption_key is not None:
            state = self._core.state
            encryption = DefaultEncryption(
                self._encryption_key,
                state.key,
                is_block_key=self._is_block_key,
                compat=state.compat,
            )
            if state.manifest is None:
                return encryption
            self._encryption = encryption
        return self._encryption

    def _check(self, *, writing: bool = False, whole: bool = False) -> None:
        if self._closed:
            self._core.check_open()
            raise LocalProtocolError("the session is closed", code="session-closed")
        if writing and (not self._may_write or self._snapshot is not None):
            raise LocalProtocolError(
                "this session is for reading only", code="not-writable"
            )

        if whole and self._core.state.needs_repair:
            raise EnvironmentFault(
                "the tree is damaged here and not yet repaired", code="needs-repair"
            )

    def _check_index(self, index: int) -> None:
        self._check()
        if index < 0:
            raise LocalProtocolError("blocks count from 0", code="bad-argument")
        self._check_kept(index + 1)

    def _check_kept(self, length: int) -> None:
        """Refuse what a snapshot never had, or what was cut off since."""
        if self._snapshot is not None and length > self._kept_length:
            raise LocalProtocolError(
                f"block {length - 1} is not in this snapshot",
                code="snapshot-not-available",
            )
