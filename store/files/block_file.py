"""A file of the user as the blocks of one hypercore: where it lies, without a copy.

Block i is bytes ``i * 64 KiB`` on. With an encryption the tree is over the encrypted
blocks (8 + n bytes) while the file holds the plain ones; both are made from each other
whenever they pass. Fits ``BlockPlace`` of ``store/hypercore``, whose kernel checks what
is read against the tree before anybody sees it. Everything here blocks and is called in
the database's threads.

A file is *settled* when all of it is there: shared by the user, or fetched to the end.
Such a file is only read; as soon as it looks different from outside, or a block fails
its hash, nothing is read any more until its owner has looked through it whole. A file
that is still *partial* is ours: it is written, and what fails its hash is fetched anew.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from store.errors import EnvironmentFault, RemoteProtocolError, StoreError
from store.files.descriptors import (
    open_to_read,
    open_to_write,
    read_at,
    rename_without_overwriting,
    sync_data,
    write_at,
)
from store.files.fingerprint import (
    CHANGED,
    GONE,
    Fingerprint,
    fault,
    fingerprint_of,
    look_at,
)

if TYPE_CHECKING:
    from store.hypercore.encryption import BlockEncryption

BLOCK_BYTES = 64 * 1024
"""Bytes of the file in each block but the last."""
MAX_FILE_BLOCKS = 1 << 24
MAX_FILE_BYTES = MAX_FILE_BLOCKS * BLOCK_BYTES
"""1 TiB."""


class Condition(Enum):
    """How a file was found when it was last looked at."""

    PARTIAL = "partial"
    """Being fetched: only what has arrived is there."""
    COMPLETE = "complete"
    CHANGED = "changed"
    """Other bytes than those of the tree: not served."""
    GONE = "gone"
    """Not there, or on a disk that is not."""


class Owner(Protocol):
    """Who is told what became of a file, in whichever thread found it."""

    def condition_changed(self, condition: Condition) -> None:
        """The file was found in another condition than before."""
        ...

    def content_unknown(self) -> None:
        """The file looks different, and nobody has read it through since.

        Called each time that somebody wants a block of it.
        """
        ...

    def write_failed(self, error: StoreError) -> None:
        """Blocks that arrived could not be kept."""
        ...


def block_count(size: int) -> int:
    """Blocks of a file of so many bytes; an empty file has one, which is empty."""
    return max(1, -(-size // BLOCK_BYTES))


def block_size(index: int, size: int) -> int:
    """Bytes of the file in block ``index``."""
    return min(BLOCK_BYTES, size - index * BLOCK_BYTES)


class BlockFile:
    """One file as blocks.

    Attributes:
        condition: How it was found last; reading tries again what is gone.
        path: Where the bytes lie.
        size: Bytes of the file; None while not known.
        owner: Told what becomes of the file.
    """

    def __init__(
        self,
        path: str,
        *,
        size: int | None,
        encryption: BlockEncryption | None = None,
        sound: Fingerprint | None = None,
        inode: int | None = None,
        synced: bool = True,
    ) -> None:
        """Describe a file; nothing is opened.

        Args:
            path: Absolute.
            size: Bytes, if known.
            encryption: How the tree's blocks are made from the file's.
            sound: How the settled file looked when its bytes were known to be right;
                None for a file that is still partial.
            inode: The partial file's; another file in its place is not touched.
            synced: Whether written blocks reach the disk before ``write`` returns.
        """
        self.path = path
        self.size = size
        self.condition = Condition.COMPLETE if sound else Condition.PARTIAL
        self.owner: Owner | None = None
        self._encryption = encryption
        self._padding = encryption.padding_bytes if encryption else 0
        self._synced = synced
        self._sound = sound
        self._condemned: Fingerprint | None = None
        self._inode = inode
        # Held while the path is used, so that nobody finds it between two names.
        self._naming = threading.Lock()

    @property
    def settled(self) -> bool:
        """Whether the file is the user's, and only read."""
        return self._sound is not None

    def read(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """Read blocks as the tree has them; a block cut short comes back shorter.

        Raises:
            EnvironmentFault: The file is gone (``file-gone``), not what it was
                (``file-changed``), or the system refuses.
        """
        try:
            with self._naming:
                descriptor = open_to_read(self.path)
        except EnvironmentFault:
            self._find(Condition.GONE)
            raise
        try:
            self._check(fingerprint_of(os.fstat(descriptor)))
            return {
                index: self._stored(
                    index, read_at(descriptor, BLOCK_BYTES, index * BLOCK_BYTES)
                )
                for index in sorted(indexes)
            }
        except OSError as error:
            self._find(Condition.GONE)
            raise fault(error) from error
        finally:
            os.close(descriptor)

    def write(self, blocks: Mapping[int, bytes]) -> None:
        """Write blocks that the tree has vouched for to where they belong.

        Raises:
            RemoteProtocolError: They are no blocks of a file, or not of this key: who
                made the tree did it wrong (``not-a-file-block``).
            EnvironmentFault: The disk is full, the file was taken away, it is settled.
        """
        try:
            plain = {index: self._plain(index, blocks[index]) for index in blocks}
            if self.settled:
                raise EnvironmentFault("the file is the user's now", code=CHANGED)
            self._write_plain(plain)
        except StoreError as error:
            if self.owner is not None:
                self.owner.write_failed(error)
            raise

    def clear(self, start: int, end: int) -> int:
        """Give up blocks; returns the bytes freed, which are none.

        What lies in a file of the user stays, and in a partial one the same bytes are
        written over when they are fetched again.
        """
        del start, end
        return 0

    def damaged(self, indexes: Iterable[int]) -> bool:
        """Hear that blocks failed their hash; tells whether to fetch them anew."""
        del indexes
        if not self.settled:
            return True
        try:
            self.condemn(look_at(self.path))
        except EnvironmentFault:
            self._find(Condition.GONE)
        return False

    def settle(self, sound: Fingerprint) -> None:
        """Hold the file complete and right as it looks now."""
        self._sound = sound
        self._condemned = None
        self._find(Condition.COMPLETE)

    def condemn(self, look: Fingerprint) -> None:
        """Hold the file, as it looks now, for changed."""
        self._condemned = look
        self._find(Condition.CHANGED)

    def move(self, destination: str, *, overwrite: bool) -> None:
        """Give the file another name in its folder; no byte is copied.

        Raises:
            EnvironmentFault: There is such a file already (``destination-exists``), or
                the system refuses.
        """
        with self._naming:
            if overwrite:
                try:
                    os.replace(self.path, destination)
                except OSError as error:
                    raise fault(error) from error
            else:
                rename_without_overwriting(self.path, destination)
            self.path = destination

    def look(self) -> Condition:
        """Look from outside, without reading, and say how the file is."""
        try:
            with self._naming:
                look = look_at(self.path)
        except EnvironmentFault:
            return self._find(Condition.GONE)
        found = self._find(self._judge(look))
        unknown = found is Condition.CHANGED and look != self._condemned
        if unknown and self.owner is not None:
            self.owner.content_unknown()
        return found

    def look_again(self) -> Fingerprint | None:
        """How the file looks from outside; None, and held for gone, when it is."""
        try:
            with self._naming:
                return look_at(self.path)
        except EnvironmentFault:
            self._find(Condition.GONE)
            return None

    def begin_anew(self, inode: int) -> None:
        """Go on with an empty partial file in the place of one that was taken away."""
        self._inode = inode
        self._find(Condition.PARTIAL)

    def _judge(self, look: Fingerprint) -> Condition:
        """What a look from outside says."""
        sound = self._sound
        if sound is None:
            ours = self._inode in (None, look.inode)
            return Condition.PARTIAL if ours else Condition.GONE
        if sound.matches(look) and look != self._condemned:
            return Condition.COMPLETE
        return Condition.CHANGED

    def _check(self, look: Fingerprint) -> None:
        """Refuse a file that is not what it was."""
        found = self._find(self._judge(look))
        if found is Condition.GONE:
            raise EnvironmentFault("another file has taken its place", code=GONE)
        if found is Condition.CHANGED:
            if look != self._condemned and self.owner is not None:
                self.owner.content_unknown()
            raise EnvironmentFault("the file is not what was shared", code=CHANGED)

    def _find(self, condition: Condition) -> Condition:
        before, self.condition = self.condition, condition
        if before is not condition and self.owner is not None:
            self.owner.condition_changed(condition)
        return condition

    def _stored(self, index: int, plain: bytes) -> bytes:
        if self._encryption is None:
            return plain
        return self._encryption.encrypt(index, plain, 0)

    def _plain(self, index: int, stored: bytes) -> bytes:
        """The file's bytes in a block; refuses what could not be served again."""
        size = len(stored) - self._padding
        if self.size is None:
            right = 0 <= size <= BLOCK_BYTES
        else:
            right = size == block_size(index, self.size)
        if right and self._encryption is not None:
            # Only the padding of fork 0 is made again when the block is served.
            padding = self._encryption.encrypt(index, b"", 0)
            right = stored[: self._padding] == padding
        if not right:
            raise RemoteProtocolError(
                f"block {index} is no block of such a file", code="not-a-file-block"
            )
        if self._encryption is None:
            return stored
        return self._encryption.decrypt(index, stored)

    def _write_plain(self, blocks: Mapping[int, bytes]) -> None:
        try:
            with self._naming:
                descriptor = open_to_write(self.path)
            try:
                self._check(fingerprint_of(os.fstat(descriptor)))
                for run in runs(blocks):
                    data = b"".join([blocks[index] for index in run])
                    write_at(descriptor, data, run[0] * BLOCK_BYTES)
                if self._synced:
                    sync_data(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            verdict = fault(error)
            if verdict.code == GONE:
                self._find(Condition.GONE)
            raise verdict from error


def runs(indexes: Iterable[int]) -> list[list[int]]:
    """Sort indexes and cut them into runs without gaps."""
    found: list[list[int]] = []
    for index in sorted(indexes):
        if found and found[-1][-1] == index - 1:
            found[-1].append(index)
        else:
            found.append([index])
    return found
