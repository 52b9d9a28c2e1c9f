"""A room's sessions with its connected peers: the machine's effects, carried out.

``RoomLinks`` belongs to one room and hears what changes in it; each ``Link`` joins one
``Session`` to one channel. A peer that breaks the protocol loses this room on this
connection, and nobody else is touched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.network import Peer
from app.rooms import keys
from app.rooms.effects import (
    Acknowledged,
    Ended,
    Proven,
    ReadEntries,
    Released,
    Send,
    StoreEntries,
    Terms,
)
from app.rooms.messages import MESSAGE_COUNT, PROTOCOL
from app.rooms.replication import MAX_READ_BYTES, Claims, Session
from app.rooms.view import Applied, RoomFacts
from app.tasks import Tasks
from net.errors import LocalProtocolError, NetError
from net.errors import RemoteProtocolError as NetProtocolError
from store.errors import RemoteProtocolError, StoreError

if TYPE_CHECKING:
    from app.profile import Profile
    from app.rooms.room import Room
    from net.mux import Channel

_LOG = logging.getLogger("covey.room")

REOPEN_S = 30.0
"""After so long a room is tried again with a peer that did not answer."""


class Link:
    """One room on one connection."""

    def __init__(self, links: RoomLinks, peer: Peer, session: Session) -> None:
        self.peer = peer
        self.session = session
        self.proven: Proven | None = None
        self._links = links
        self._channel: Channel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._over = False

    def open(self, channel_id: bytes) -> None:
        """Open the channel; the rest follows from what comes."""
        handlers = [partial(self._receive, kind) for kind in range(MESSAGE_COUNT)]
        self._channel = self.peer.mux.create_channel(
            PROTOCOL,
            channel_id,
            messages=handlers,
            handshake=self.session.handshake,
            on_open=self._opened,
            on_close=self._closed,
        )
        self.pump()

    def pump(self) -> None:
        """Do what the session wants done."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while (effect := self.session.next_effect()) is not None:
                self._do(effect)
        finally:
            self._pumping = False
        self._arm()

    def _receive(self, kind: int, data: bytes) -> None:
        self.session.receive(kind, data, self._links.now())
        self.pump()

    def _opened(self, handshake: bytes) -> None:
        self.session.remote_opened(handshake)
        self.pump()

    def _closed(self) -> None:
        self.session.channel_closed()
        self.pump()

    def _do(self, effect: object) -> None:
        links = self._links
        if isinstance(effect, Send):
            if self._channel is not None and not self._channel.closed:
                self._channel.send(effect.kind, effect.data)
        elif isinstance(effect, StoreEntries):
            links.tasks.spawn(self._store(effect))
        elif isinstance(effect, ReadEntries):
            links.tasks.spawn(self._read(effect))
        elif isinstance(effect, Proven):
            self.proven = effect
            links.room.set_online(effect.device, online=True)
            if links.knows(self.peer):
                links.on_known(self.peer)
        elif isinstance(effect, Acknowledged):
            links.tasks.spawn(links.record_held(effect))
        elif isinstance(effect, Released):
            links.released(self, effect.writer)
        elif isinstance(effect, Ended):
            self._end(effect)

    def _end(self, effect: Ended) -> None:
        if self._over:
            return
        self._over = True
        if effect.fault:
            _LOG.warning("a peer broke the room's protocol: %s", effect.reason)
        if self._timer is not None:
            self._timer.cancel()
        if self._channel is not None:
            self._channel.close()
        if self.proven is not None:
            self._links.room.set_online(self.proven.device, online=False)
        self._links.ended(self, effect)

    async def _store(self, effect: StoreEntries) -> None:
        failed, count, held = "", 0, False
        try:
            applied = await self._links.room.put(effect.writer, effect.entries)
            count, held = len(applied.entries), applied.held
        except (RemoteProtocolError, NetProtocolError) as error:
            failed = error.code
        except (StoreError, UserFacingError) as error:
            # The disk refused: what was not stored is asked for again later.
            _LOG.error("entries could not be stored: %s", error)
            self.session.channel_closed()
        self.session.put_done(
            effect,
            self._links.now(),
            stored_count=count,
            held=held,
            failed=failed,
        )
        self.pump()

    async def _read(self, effect: ReadEntries) -> None:
        want = effect.want
        try:
            entries = await self._links.room.read_entries(
                want.writer, want.start, want.end, max_bytes=MAX_READ_BYTES
            )
        except (StoreError, UserFacingError) as error:
            # The peer shall ask somebody else now rather than wait for an answer.
            _LOG.error("entries could not be read: %s", error)
            self.session.channel_closed()
        else:
            self.session.entries_read(want, entries)
        self.pump()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.session.get_timer()
        if due is not None and not self._over:
            self._timer = asyncio.get_running_loop().call_at(due, self._handle_timer)

    def _handle_timer(self) -> None:
        self.session.handle_timer(self._links.now())
        self.pump()


class RoomLinks:
    """Everybody this room is talked about with.

    Attributes:
        room: The room.
        links: By peer.
        on_known: Called when a peer proved a device that was let in.
    """

    def __init__(
        self,
        room: Room,
        profile: Profile,
        on_farewell: Callable[[Room], None],
        on_known: Callable[[Peer], None],
    ) -> None:
        self.room = room
        self.links: dict[Peer, Link] = {}
        self._profile = profile
        self._on_farewell = on_farewell
        self.on_known = on_known
        self._claims = Claims()
        self._peers: set[Peer] = set()
        self._devices: dict[Peer, bytes] = {}
        self._parted: set[Peer] = set()
        self._reopening: set[asyncio.TimerHandle] = set()
        self.tasks = Tasks(_LOG, "the work for a peer failed")
        room.listener = self

    @staticmethod
    def now() -> float:
        """The loop's clock."""
        return asyncio.get_running_loop().time()

    def knows(self, peer: Peer) -> bool:
        """True once the peer proved a device that was let into the room."""
        link = self.links.get(peer)
        proven = link.proven if link is not None else None
        device = self._devices.get(peer) if proven is None else proven.device
        fact = self.room.facts.devices.get(device) if device is not None else None
        return fact is not None and fact.identity != b""

    def attach(self, peer: Peer, *, open_now: bool) -> None:
        """Be ready for the room on a connection, and perhaps open it at once."""
        self._peers.add(peer)
        channel_id = self._channel_id(peer)
        peer.mux.pair(PROTOCOL, channel_id, lambda _: self._open(peer))
        if open_now:
            self._open(peer)

    def detach(self, peer: Peer, *, closed: bool) -> None:
        """The connection is gone, or the room is."""
        self._peers.discard(peer)
        self._devices.pop(peer, None)
        self._parted.discard(peer)
        link = self.links.get(peer)
        if link is not None:
            if closed:
                link.session.channel_closed()
            else:
                link.session.say_bye()
            link.pump()
        if not closed:
            peer.mux.unpair(PROTOCOL, self._channel_id(peer))

    async def stop(self) -> None:
        """Let the work in hand end."""
        for handle in self._reopening:
            handle.cancel()
        for peer in tuple(self.links):
            self.detach(peer, closed=True)
        await self.tasks.finish()

    def ended(self, link: Link, effect: Ended) -> None:
        """A session is over: others may ask for what it had asked for."""
        if self.links.get(link.peer) is link:
            del self.links[link.peer]
        if self._claims.release_all(link.session):
            for other in tuple(self.links.values()):
                other.session.claims_released(self.now())
                other.pump()
        if link.peer in self._peers:
            if link.proven is not None:
                self._devices[link.peer] = link.proven.device
            if effect.reason in ("bye", "removed"):
                self._parted.add(link.peer)
            elif effect.reason in ("silent", "stranger"):
                self._reopen_later(link.peer)
        if self.room.left and effect.reason == "bye":
            self._on_farewell(self.room)

    def released(self, link: Link, writer: bytes) -> None:
        """A session asks for a log no more: another peer may have more of it."""
        for other in tuple(self.links.values()):
            if other is not link:
                other.session.claims_released(self.now(), writer)
                other.pump()

    def _reopen_later(self, peer: Peer) -> None:
        """Try again with a peer that was silent, if it is still connected."""

        def reopen() -> None:
            self._reopening.discard(handle)
            if peer in self._peers:
                self._open(peer)

        handle = asyncio.get_running_loop().call_later(REOPEN_S, reopen)
        self._reopening.add(handle)

    async def record_held(self, effect: Acknowledged) -> None:
        """A peer acknowledged entries of this device."""
        await self.room.record_held(effect.device, effect.length)
        own = self.room.heads.get(self.room.device)
        if self.room.left and own is not None and effect.length >= own.length:
            self._on_farewell(self.room)

    def entries_stored(self, applied: Applied) -> None:
        """See ``RoomListener.entries_stored``."""
        if not applied.entries:
            return
        start = applied.entries[0].sequence
        entries = [entry.data for entry in applied.entries]
        for link in tuple(self.links.values()):
            link.session.entries_stored(applied.writer, start, entries, self.now())
            link.pump()

    def facts_changed(self, facts: RoomFacts) -> None:
        """See ``RoomListener.facts_changed``."""
        for link in tuple(self.links.values()):
            link.session.facts_changed(facts, self.now())
            link.pump()
        if self.room.is_member:
            self._open_again(facts)

    def _open_again(self, facts: RoomFacts) -> None:
        """Talk again to those who were let in again while still connected."""
        for peer in tuple(self._parted):
            fact = facts.devices.get(self._devices.get(peer, b""))
            if fact is not None and fact.present:
                self._parted.discard(peer)
                self._open(peer)

    def _open(self, peer: Peer) -> None:
        if peer in self.links:
            return
        terms = Terms(
            room=self.room.row.room,
            room_key=self.room.row.key,
            handshake_hash=peer.handshake_hash,
            is_initiator=peer.is_initiator,
            device=self._profile.device,
            proof=self._profile.proof,
        )
        session = Session(
            terms,
            heads=self.room.heads,
            facts=self.room.facts,
            claims=self._claims,
            now=self.now(),
        )
        link = Link(self, peer, session)
        self.links[peer] = link
        self._parted.discard(peer)
        try:
            link.open(self._channel_id(peer))
        except (LocalProtocolError, NetError) as error:
            _LOG.info("a room could not be opened: %s", error)
            session.channel_closed()
            link.pump()

    def _channel_id(self, peer: Peer) -> bytes:
        return keys.channel_id(self.room.row.key, peer.handshake_hash)
