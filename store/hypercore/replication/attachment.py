"""One core on one connection: its channel, opened, answered, closed, opened again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from store.errors import RemoteProtocolError
from store.hypercore.capabilities import capability
from store.hypercore.messages import (
    PROTOCOL,
    PROTOCOL_ALIASES,
    ChannelHandshake,
    MessageKind,
    decode_handshake,
    encode_handshake,
)
from store.hypercore.replication.connection import SHARES
from store.hypercore.replicator import Peer

if TYPE_CHECKING:
    from net.mux import Channel
    from store.hypercore.replication.connection import ReplicaConnection
    from store.hypercore.replication.replication import Replication


class Link:
    """One channel of an attachment, from its opening to its end."""

    def __init__(self, attachment: Attachment) -> None:
        self.attachment = attachment
        self.opened_at = time.monotonic()
        self.closing_code: str | None = None
        self._replication = attachment.replication
        connection = attachment.connection
        self.peer = Peer(
            self,
            connection.remote_public_key,
            allow_upload=attachment.upload,
            allow_download=attachment.download,
        )
        handlers = [partial(self._on_message, kind) for kind in MessageKind]
        self.channel: Channel = connection.mux.create_channel(
            PROTOCOL,
            self._replication.discovery_key,
            aliases=PROTOCOL_ALIASES,
            handshake=encode_handshake(
                ChannelHandshake(self._proof(of_initiator=connection.is_initiator))
            ),
            messages=handlers,
            on_open=self._on_open,
            on_close=self._on_close,
            on_drain=attachment.share.wake,
        )
        self.send = self.channel.send

    @property
    def has_work(self) -> bool:
        """Requests of the peer wait."""
        return self.peer.has_work

    def serve(self, budget_bytes: int, now: float) -> int:
        """Answer some of them."""
        try:
            return self._replication.serve(self.peer, budget_bytes, now)
        except RemoteProtocolError as error:
            self.close(error.code)
            return 0

    def close(self, code: str | None) -> None:
        """Close the channel; with a code it stays closed on this connection."""
        if code is not None and self.closing_code is None:
            self.closing_code = code
            self._replication.note_fault(self.peer, code)
        self.channel.close()

    def _proof(self, *, of_initiator: bool) -> bytes:
        return capability(
            self._replication.key,
            self.attachment.connection.handshake_hash,
            is_initiator=of_initiator,
        )

    def _on_open(self, handshake: bytes) -> None:
        try:
            told = decode_handshake(handshake)
        except RemoteProtocolError as error:
            self.close(error.code)
            return
        theirs = self._proof(of_initiator=not self.attachment.connection.is_initiator)
        if told.capability != theirs:
            self.close("invalid-capability")
            return
        self._replication.opened(self, seeks=told.seeks)

    def _on_message(self, kind: MessageKind, message: bytes) -> None:
        if not self.peer.opened:
            return
        try:
            self._replication.receive(self, kind, message)
        except RemoteProtocolError as error:
            self.close(error.code)

    def _on_close(self) -> None:
        self.attachment.share.remove(self)
        self._replication.link_closed(self)
        self.attachment.link_closed(self)


class Attachment:
    """One core replicated over one connection.

    Attributes:
        connection: Over which.
        upload: We answer requests.
        download: We ask.
        on_close: Called with the attachment each time its channel has gone.
        closed: Nothing more comes of it: it was closed, or the connection ended, or
            the peer broke the protocol.
        fault: What the peer did wrong, if that ended it.
    """

    def __init__(
        self,
        replication: Replication,
        connection: ReplicaConnection,
        *,
        upload: bool,
        download: bool,
    ) -> None:
        self.replication = replication
        self.connection = connection
        self.upload = upload
        self.download = download
        self.on_close: list[Callable[[Attachment], object]] = []
        self.closed = False
        self.fault: str | None = None
        self.link: Link | None = None
        self.share = SHARES.join(connection, self)
        connection.mux.pair(PROTOCOL, replication.discovery_key, self._on_pair)

    @property
    def opened(self) -> bool:
        """The channel is open on both sides."""
        return self.link is not None and self.link.peer.opened

    @property
    def peer(self) -> Peer | None:
        """The other side, while the channel is open."""
        return self.link.peer if self.link is not None and self.opened else None

    def open(self) -> None:
        """Open the channel, if it is not and the connection has one left."""
        mux = self.connection.mux
        if self.closed or self.link is not None:
            return
        if mux.closed:
            self._end()
        elif mux.has_channel_room and not mux.is_open(
            PROTOCOL, self.replication.discovery_key
        ):
            self.link = Link(self)

    def close(self) -> None:
        """Close the channel for good; harmless when done twice."""
        if self.closed:
            return
        link = self.link
        self._end()
        if link is not None:
            link.channel.close()

    def link_closed(self, link: Link) -> None:
        """The channel is gone (for ``Link``)."""
        if self.link is link:
            self.link = None
        self.fault = link.closing_code
        if self.fault is not None or self.connection.mux.closed:
            self._end()
        elif not self.closed and self._shall_reopen(link):
            self.open()
        for callback in list(self.on_close):
            callback(self)

    def _shall_reopen(self, link: Link) -> bool:
        """The other side closed because it wants nothing, but we do."""
        peer = link.peer
        return (
            link.channel.closed_by_remote
            and peer.opened
            and peer.synced
            and not peer.remote_downloading
            and peer.remote_uploading
            and self.download
            and self.replication.downloading
        )

    def _on_pair(self, channel_id: bytes) -> None:
        del channel_id
        self.open()

    def _end(self) -> None:
        self.closed = True
        mux = self.connection.mux
        if not mux.closed:
            mux.unpair(PROTOCOL, self.replication.discovery_key)
        SHARES.leave(self.connection, self)
        self.replication.detached(self)
