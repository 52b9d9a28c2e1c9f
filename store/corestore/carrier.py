"""The channel that carries the heads of one connection's two sides.

The corestores that replicate over a connection share one channel and one table: a log
that several of them have counts as the first one's. Leaves what follows from heads to
``link``.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from store.corestore.heads import PROTOCOL, HeadsTable, LogHead
from store.errors import RemoteProtocolError

if TYPE_CHECKING:
    from net.mux import Channel
    from store.hypercore.replication import ReplicaConnection

HEADS_PATIENCE_S: Final = 5.0
"""How long a peer's heads are waited for before channels are opened without them."""

TELL_PAUSE_S: Final = 0.02
"""Least time between two messages about changes."""

MAX_REOPENS: Final = 16
"""How often one peer may begin anew to tell its heads: each time all are told again."""


class PeerKind(Enum):
    """What the peer is, as far as it is known."""

    UNKNOWN = "unknown"
    COVEY = "covey"
    PLAIN = "plain"
    """It does not speak of heads: npm, or nobody replicates there yet."""


class Teller(Protocol):
    """A corestore that has heads to tell and wants to know the peer's."""

    def tell_all(self) -> None:
        """Call ``set_head`` for every log, and ``told_all`` then."""

    def heads_begun(self) -> None:
        """The peer tells its heads from now on."""

    def heads_lost(self) -> None:
        """The peer is a plain one from now on, and the table an empty one."""

    def heads_changed(self, keys: set[bytes]) -> None:
        """The peer told news of these logs."""

    def connection_ended(self) -> None:
        """There is nothing more to do."""


class HeadsCarrier:
    """Exchanges heads over one connection.

    Attributes:
        kind: What is at the other end.
        table: The heads of both sides.
    """

    def __init__(self, connection: ReplicaConnection) -> None:
        self.kind = PeerKind.UNKNOWN
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.table = self._new_table()
        self._tellers: list[Teller] = []
        self._owners: dict[bytes, Teller] = {}
        self._busy: set[Teller] = set()
        self._silent = False
        self._channel: Channel | None = None
        self._opened_at = self._loop.time()
        self._telling: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._reopens_left = MAX_REOPENS
        connection.mux.pair(PROTOCOL, b"", self._on_pair)
        self._open()

    @property
    def out_of_patience(self) -> bool:
        """The peer has had time enough to tell every log."""
        return self._loop.time() - self._opened_at >= HEADS_PATIENCE_S

    def join(self, teller: Teller) -> None:
        """Carry the heads of one more corestore."""
        self._tellers.append(teller)

    def leave(self, teller: Teller) -> None:
        """Carry them no more; their logs have been forgotten one by one."""
        self._tellers.remove(teller)
        self._busy.discard(teller)
        self._schedule()

    def begin(self, teller: Teller) -> None:
        """A corestore goes through its logs: wait with telling until it is done."""
        self._busy.add(teller)

    def told_all(self, teller: Teller, *, whole: bool) -> None:
        """It has set the heads of its logs, ``whole`` if of all of them."""
        self._busy.discard(teller)
        self._silent = self._silent or not whole
        if not self._busy and not self._silent:
            self.table.finish_telling()
        self._schedule()

    def set_head(self, teller: Teller, key: bytes, head: LogHead) -> None:
        """Take up a log, or its new head, and tell it soon."""
        if self._owners.setdefault(key, teller) is teller:
            self.table.set_head(key, head)
            self._schedule()

    def forget(self, teller: Teller, key: bytes) -> None:
        """A log is gone."""
        if self._owners.get(key) is teller:
            del self._owners[key]
            self.table.forget(key)
            self._schedule()

    def release(self, key: bytes) -> None:
        """A log has no channel of its own any more, which told its changes."""
        self.table.release(key)
        self._schedule()

    def close(self) -> None:
        """Tell nothing more."""
        if self._telling is not None:
            self._telling.cancel()
        mux = self._connection.mux
        if not mux.closed:
            mux.unpair(PROTOCOL, b"")
            if self._channel is not None:
                self._channel.close()

    def _new_table(self) -> HeadsTable:
        connection = self._connection
        return HeadsTable(
            connection.handshake_hash, is_initiator=connection.is_initiator
        )

    def _open(self) -> None:
        mux = self._connection.mux
        if mux.closed or mux.is_open(PROTOCOL):
            return
        self._channel = mux.create_channel(
            PROTOCOL,
            messages=[self._on_message],
            on_open=self._on_open,
            on_close=self._on_close,
        )

    def _on_pair(self, channel_id: bytes) -> None:
        del channel_id
        if self._reopens_left:
            self._reopens_left -= 1
            self._open()

    def _on_open(self, handshake: bytes) -> None:
        del handshake
        again = self.kind is PeerKind.PLAIN
        self.kind = PeerKind.COVEY
        self._opened_at = self._loop.time()
        for teller in list(self._tellers):
            teller.heads_begun()
            if again:
                teller.tell_all()
        self._schedule()

    def _on_close(self) -> None:
        self._channel = None
        if self._connection.mux.closed:
            # The mux closes the other channels itself, and only then there is peace.
            for teller in self._tellers:
                self._loop.call_soon(teller.connection_ended)
        elif self._tellers:
            self.kind = PeerKind.PLAIN
            self.table = self._new_table()
            self._owners.clear()
            for teller in list(self._tellers):
                teller.heads_lost()

    def _on_message(self, message: bytes) -> None:
        if self._channel is None:
            return
        try:
            self.table.receive(message)
        except RemoteProtocolError:
            self._channel.close()
            return
        changed = set(self.table.take_changed())
        for teller in list(self._tellers):
            teller.heads_changed(changed)

    def _schedule(self) -> None:
        if self._telling is None and self._tellers:
            at = max(self._loop.time(), self._told_at + TELL_PAUSE_S)
            self._telling = self._loop.call_at(at, self._tell)

    def _tell(self) -> None:
        self._telling = None
        channel = self._channel
        if self._busy or channel is None or not channel.opened:
            return
        messages = self.table.messages_to_send()
        if messages:
            self._told_at = self._loop.time()
            channel.cork()
            for message in messages:
                channel.send(0, message)
            channel.uncork()
