"""What is known of one peer of one core, and what was asked of it.

State only: it is moved by the parts of the replicator. Everything in it that the peer
controls is bounded by the part that writes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from store.hypercore.replicator.availability import Availability
from store.hypercore.replicator.pace import Pace
from store.hypercore.replicator.wants import LocalWants, RemoteWants

if TYPE_CHECKING:
    from store.hypercore.messages import Sync
    from store.hypercore.records import Proof, Request
    from store.hypercore.replicator.interfaces import PeerLink

MAX_WAITING_REQUESTS: Final = 2048
"""Requests of a peer that wait to be answered; one more ends its channel."""

MAX_WAITING_WANTS: Final = 512
"""Wants of a peer that wait to be answered; further ones are not heeded."""


class AskKind(IntEnum):
    """What an ask is for; what comes with it besides is in its request."""

    BLOCK = 0
    HASH = 1
    UPGRADE = 2
    MANIFEST = 3
    REORG = 4


class Ask:
    """One request of ours that is not answered yet."""

    __slots__ = (
        "id",
        "index",
        "kind",
        "levels",
        "optimistic",
        "path",
        "peer",
        "request",
        "sent_at",
        "stray",
    )

    def __init__(
        self,
        peer: Peer,
        kind: AskKind,
        request: Request,
        now: float,
        *,
        index: int = 0,
    ) -> None:
        self.peer = peer
        self.kind = kind
        self.request = request
        self.sent_at = now
        self.index = index
        self.levels = 0
        """Of a block's path that are asked for."""
        self.path: Sequence[int] = ()
        """The nodes that its answer will bring."""
        self.optimistic = False
        """It counts on hashes that earlier asks to the same peer bring."""
        self.stray = False
        """The peer stalled; others were asked, and a late answer is welcome."""
        self.id = 0


class Waiting:
    """A request of the peer's that waits for its answer; number 0 may be a push."""

    __slots__ = ("id", "is_push", "loads", "request")

    def __init__(self, number: int, request: Request, *, is_push: bool = False) -> None:
        self.id = number
        self.request = request
        self.is_push = is_push
        self.loads = 0


@dataclass(slots=True)
class PeerCounters:
    """Figures of one peer."""

    downloaded_blocks: int = 0
    downloaded_bytes: int = 0
    uploaded_blocks: int = 0
    uploaded_bytes: int = 0
    raced: int = 0
    """Blocks asked for that another peer had been asked for already."""
    refused: int = 0
    """Answers that it has not what was asked for."""
    invalid_data: int = 0
    invalid_requests: int = 0
    out_of_order: int = 0
    """Answers that came before those they count on, and were asked for anew."""


class Peer:
    """One peer of one core."""

    __slots__ = (
        "_free_ids",
        "_next_id",
        "accused_code",
        "accused_until",
        "allow_download",
        "allow_upload",
        "asks",
        "closed",
        "counters",
        "delayed",
        "downloaded",
        "exhausted_at",
        "expected",
        "forgive_at",
        "has",
        "in_order",
        "last_extension_received",
        "last_extension_sent",
        "link",
        "loading",
        "loads",
        "local_wants",
        "normal",
        "opened",
        "pace",
        "paused",
        "public_key",
        "pushed_length",
        "refusals",
        "remote_acked",
        "remote_allow_push",
        "remote_can_upgrade",
        "remote_downloading",
        "remote_fork",
        "remote_has_manifest",
        "remote_length",
        "remote_seeks",
        "remote_uploading",
        "remote_wants",
        "sent_sync",
        "synced",
        "told_contiguous",
        "unverified",
        "uploaded",
        "urgent",
        "waiting",
        "waiting_wants",
    )

    def __init__(
        self,
        link: PeerLink,
        public_key: bytes,
        *,
        allow_upload: bool = True,
        allow_download: bool = True,
    ) -> None:
        self.link = link
        self.public_key = public_key
        self.allow_upload = allow_upload
        self.allow_download = allow_download
        self.opened = False
        self.closed = False
        self.paused = False
        self.accused_code: str | None = None
        self.accused_until = 0.0
        self.counters = PeerCounters()
        self._set_remote()
        self._set_asking()
        self._set_answering()

    def _set_remote(self) -> None:
        self.synced = False
        self.remote_fork = 0
        self.remote_length = 0
        self.remote_acked = 0
        self.remote_can_upgrade = False
        self.remote_uploading = True
        self.remote_downloading = True
        self.remote_has_manifest = False
        self.remote_allow_push = False
        self.remote_seeks = False
        self.has = Availability()
        self.remote_wants = RemoteWants()
        self.sent_sync: Sync | None = None
        self.told_contiguous = 0
        self.pushed_length = 0
        self.last_extension_sent = ""
        self.last_extension_received = ""

    def _set_asking(self) -> None:
        self.pace = Pace()
        self.local_wants = LocalWants()
        self.asks: dict[int, Ask] = {}
        self._free_ids: list[int] = []
        self._next_id = 1
        # Nodes that answers on their way will bring.
        self.expected: set[int] = set()
        self.in_order = True
        self.exhausted_at = -1
        self.refusals = 0
        self.forgive_at: float | None = None
        self.unverified: deque[tuple[Ask | None, Proof]] = deque()
        self.loads = 0
        self.downloaded: list[tuple[int, int]] = []

    def _set_answering(self) -> None:
        self.waiting: dict[int, Waiting] = {}
        self.normal: deque[Waiting] = deque()
        self.urgent: list[Waiting] = []
        self.waiting_wants: dict[tuple[int, int, bool], None] = {}
        self.delayed: deque[tuple[float, int]] = deque()
        # The request that waits for the disk, and the others behind it.
        self.loading: Waiting | None = None
        self.uploaded: list[tuple[int, int]] = []

    @property
    def active(self) -> bool:
        """It may be asked for something."""
        return (
            self.synced
            and self.allow_download
            and self.remote_uploading
            and not self.paused
            and not self.closed
        )

    @property
    def has_work(self) -> bool:
        """Something of it waits to be answered."""
        return bool(
            (self.normal or self.urgent or self.waiting_wants) and self.loading is None
        )

    def number(self, ask: Ask) -> None:
        """Give an ask its number and book it."""
        if self._free_ids:
            ask.id = self._free_ids.pop()
        else:
            ask.id = self._next_id
            self._next_id += 1
        self.asks[ask.id] = ask

    def answered(self, ask: Ask) -> None:
        """The ask is over and its number free."""
        del self.asks[ask.id]
        self._free_ids.append(ask.id)

    def withdrawn(self, ask: Ask) -> None:
        """The ask was cancelled: an answer may still come, so its number is spent."""
        del self.asks[ask.id]
