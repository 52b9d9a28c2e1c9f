"""The values that a Hyperbee's parts hand to each other, and what it asks of a log.

Follows npm hyperbee 2.27.3. Entries are named tuples, because reading makes them by the
ten thousand a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from store.hyperbee.blocks import Block

T = TypeVar("T")

Steps: TypeAlias = Generator[Sequence[int], "Block", T]
"""Work on a tree that may lack blocks.

It yields block numbers and is sent the first of them, decoded; the others are wishes:
blocks that will probably be asked for next, in that order. Whoever runs it may ignore
them. What it returns is the result.
"""


class Entry(NamedTuple):
    """A key with its value, as the bee's encodings decode them."""

    seq: int
    """The block that holds it."""
    key: Any
    value: Any
    """None when none was stored, or when it is being deleted."""


class HistoryEntry(NamedTuple):
    """One thing that was written."""

    type: Literal["put", "del"]
    seq: int
    key: Any
    value: Any


class Difference(NamedTuple):
    """What one key holds on two sides; never the same entry on both."""

    left: Entry | None
    right: Entry | None


class Metadata(NamedTuple):
    """What a bee says about itself in its first block."""

    content_feed: bytes | None = None
    """The key of the log that holds the contents, for drives."""
    user_data: bytes | None = None


class Header(NamedTuple):
    """The first block of a log."""

    protocol: str
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range of encoded keys."""

    lower: bytes | None = None
    lower_inclusive: bool = True
    upper: bytes | None = None
    upper_inclusive: bool = False

    def ends_before(self, key: bytes) -> bool:
        """Tells whether a key lies beyond the upper end."""
        if self.upper is None:
            return False
        return key > self.upper if self.upper_inclusive else key >= self.upper

    def starts_after(self, key: bytes) -> bool:
        """Tells whether a key lies below the lower end."""
        if self.lower is None:
            return False
        return key < self.lower if self.lower_inclusive else key <= self.lower


class Pages(Protocol):
    """Blocks that are in memory."""

    ahead: bool
    """Whether wishes are worth the work."""

    max_key_bytes: int
    """Nodes keep keys up to this length at hand."""

    def block(self, seq: int) -> Block | None:
        """The block, unless it has to be fetched."""
        ...

    def key(self, seq: int) -> bytes | None:
        """The key of the block, unless it has to be fetched."""
        ...


class Appended(Protocol):
    """What a log says after an append."""

    @property
    def length(self) -> int:
        """Blocks, with what was appended."""
        ...


class LogExtension(Protocol):
    """Messages of ours on the channels of a log."""

    def send(self, message: bytes, peer: Any) -> object:
        """To one peer."""
        ...

    def broadcast(self, message: bytes) -> object:
        """To all peers."""
        ...

    def close(self) -> object:
        """Hear no more."""
        ...


class LogDownload(Protocol):
    """Blocks on their way."""

    def close(self) -> object:
        """Want them no longer."""
        ...


class LogKernel(Protocol):
    """What lies below a log's sessions."""

    async def blocks(self, indexes: Sequence[int]) -> Mapping[int, bytes]:
        """Bring those of the blocks that are stored here into memory, in one go."""
        ...


class Log(Protocol):
    """What a bee needs of a hypercore; ``Hypercore`` fits."""

    @property
    def core(self) -> LogKernel:
        """Where blocks are read from, many at once."""
        ...

    @property
    def length(self) -> int:
        """Blocks."""
        ...

    @property
    def fork(self) -> int:
        """Grows when the log is truncated."""
        ...

    @property
    def contiguous_length(self) -> int:
        """Blocks from the first on that are stored here without a gap."""
        ...

    @property
    def writable(self) -> bool:
        """Whether this side may append."""
        ...

    async def append(self, blocks: list[bytes], /) -> Appended:
        """Append all or none; durable on return."""
        ...

    async def get(
        self, index: int, *, wait: bool = True, timeout_s: float | None = None
    ) -> bytes | None:
        """The block; None only without ``wait``."""
        ...

    async def update(self) -> bool:
        """Learn of a longer log, as far as peers are known."""
        ...

    async def clear(self, start: int, end: int | None = None) -> int:
        """Forget stored blocks."""
        ...

    def snapshot(self) -> Log:
        """The log as it is now."""
        ...

    def events(self) -> AsyncIterator[Any]:
        """What happens to it from now on; ends when it is closed."""
        ...

    def download(
        self, start: int = 0, end: int | None = None, *, blocks: Sequence[int] | None
    ) -> LogDownload:
        """Fetch blocks without waiting for them."""
        ...

    def extension(
        self, name: str, on_message: Callable[[bytes, Any], object]
    ) -> LogExtension:
        """Exchange messages with peers that know the extension too."""
        ...

    async def close(self) -> None:
        """End this session."""
        ...
