"""A room's sessions with its connected peers: the machine's effects, carried out.

``RoomLinks`` belongs to one room and hears what changes in it; each ``Link`` joins one
``Session`` to one channel, and to the channels of the logs that the session wants open.
A peer that breaks the protocol loses this room on this connection, and nobody else is
touched.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from app.errors import UserFacingError
from app.network import Peer
from app.rooms import asides, keys
from app.rooms.asides import Aside
from app.rooms.effects import (
    Acknowledged,
    Attach,
    CheckSigned,
    Detach,
    Ended,
    FindRemoval,
    Proven,
    Released,
    RemovalTold,
    Send,
    ShowHead,
    StopVisit,
    Terms,
    Visit,
)
from app.rooms.facts import RoomFacts
from app.rooms.hole_lists import AskHoles
from app.rooms.messages import HAVE, MESSAGE_COUNT, PROTOCOL
from app.rooms.removals import find_evidence
from app.rooms.replication import Session
from app.rooms.roles import Kind
from app.rooms.sources import Sources
from app.rooms.visits import Errand, Visits
from app.tasks import Tasks
from app.traffic import LastMinute
from net.errors import LocalProtocolError, NetError
from net.mux import ChannelTraffic
from store.errors import StoreError

if TYPE_CHECKING:
    from app.profile import Profile
    from app.rooms.logs import OpenLog
    from app.rooms.room import Room
    from net.mux import Channel
    from store.hypercore.replication import Attachment

_LOG = logging.getLogger("covey.room")

MAX_ASKED = 2
"""Peers that are asked for the same holes at a time."""
MAX_LAST_BYTES = 512 * 1024
"""Sent at most before the channel of a log is closed."""
MAX_COMPARED = 16
"""Times that what a peer has is counted on one connection."""
SHOWN_ID_CHARACTERS = 8
"""Of a room's id, to tell rooms apart in a report."""
REOPEN_S = 30.0
"""After so long a room is tried again with a peer that did not answer."""


class LogLink:
    """One log on one connection: wanted, and open as soon as its core is."""

    def __init__(self, link: Link, effect: Attach) -> None:
        self._link = link
        self._effect = effect
        self._log: OpenLog | None = None
        self._attachment: Attachment | None = None
        self._over = False

    def open(self) -> None:
        """Attach the core, at once when it is open already."""
        logs = self._link.room.logs
        channel = logs.channel_of(self._effect.writer)
        self._link.peer.mux.count(*channel, self._link.traffic)
        log = logs.borrow_open(self._effect.writer)
        if log is not None:
            self._attach(log)
        else:
            self._link.tasks.spawn(self._open())

    def close(self) -> None:
        """Close the channel and let the core go."""
        self._over = True
        channel_id = self._link.room.logs.channel_of(self._effect.writer)
        self._link.peer.mux.count(*channel_id, None)
        if self._attachment is not None:
            if (channel := self._attachment.link) is not None:
                # What was written while the peer might still have it leaves first.
                channel.serve(MAX_LAST_BYTES, time.monotonic())
            self._attachment.close()
        elif not self._link.peer.mux.closed:
            # The peer's open may have been put off until the core is.
            self._refuse()
        if self._log is not None:
            self._link.room.logs.give_back(self._log)

    async def _open(self) -> None:
        writer = self._effect.writer
        try:
            log = await self._link.room.logs.borrow(writer)
        except StoreError as error:
            _LOG.error("a log could not be opened: %s", error)
            self._link.log_failed(writer)
            return
        if self._over:
            self._link.room.logs.give_back(log)
        else:
            self._attach(log)

    def _refuse(self) -> None:
        channel = self._link.room.logs.channel_of(self._effect.writer)
        self._link.peer.mux.reject(*channel)

    def _attach(self, log: OpenLog) -> None:
        self._log = log
        try:
            attachment = log.attach(self._link.peer, upload=self._effect.upload)
        except (StoreError, NetError) as error:
            # It was frozen just now, or the connection has no channel left.
            _LOG.info("a log could not be offered: %s", error)
            self._link.log_failed(self._effect.writer)
            return
        self._attachment = attachment
        attachment.on_close.append(self._closed)

    def _closed(self, attachment: Attachment) -> None:
        if self._over:
            return
        if attachment.closed:
            self._link.log_failed(self._effect.writer)
        else:
            self._link.log_closed(self._effect.writer)


class Link:
    """One room on one connection."""

    def __init__(self, links: RoomLinks, peer: Peer, session: Session) -> None:
        self.peer = peer
        self.session = session
        self.room = links.room
        self.tasks = links.tasks
        self.traffic = links.traffic
        self.proven: Proven | None = None
        self._links = links
        self._channel: Channel | None = None
        self._logs: dict[bytes, LogLink] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._aside: Aside | None = None
        self._heard_count = 0
        self._visit: tuple[Errand, asyncio.Task[None]] | None = None
        self._pumping = False
        self._over = False

    def open(self, channel_id: bytes) -> None:
        """Open the channel; the rest follows from what comes."""
        handlers = [partial(self._receive, kind) for kind in range(MESSAGE_COUNT)]
        self.peer.mux.count(PROTOCOL, channel_id, self.traffic)
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

    def facts_changed(self, facts: RoomFacts) -> None:
        """See ``RoomListener.facts_changed``."""
        self.session.facts_changed(facts, self._links.now())
        self.pump()
        self._speak_aside()

    def log_asked(self, writer: bytes) -> bool:
        """The peer opens the channel of a log."""
        answered = self.session.log_asked(writer, self._links.now())
        self.pump()
        return answered

    def log_closed(self, writer: bytes) -> None:
        """The peer closed the channel of a log."""
        self.session.log_closed(writer, self._links.now())
        self.pump()

    def log_failed(self, writer: bytes) -> None:
        """A log cannot be opened, or the peer broke its protocol."""
        self.session.log_failed(writer, self._links.now())
        self.pump()

    def _receive(self, kind: int, data: bytes) -> None:
        self.session.receive(kind, data, self._links.now())
        self.pump()
        if kind == HAVE and not self._over:
            self._compare_lengths()

    def _compare_lengths(self) -> None:
        """See, at the beginning, whether much is lacking here that the peer has."""
        if self._aside is not None and self._heard_count < MAX_COMPARED:
            self._heard_count += 1
            self.room.previews.lacked(self.session.lacked_count)

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
        elif isinstance(effect, Attach):
            log = self._logs[effect.writer] = LogLink(self, effect)
            log.open()
        elif isinstance(effect, Detach):
            self._logs.pop(effect.writer).close()
        elif isinstance(effect, Visit):
            errand = Errand(self.room.logs, self.room.row.key, self.peer, effect)
            self._visit = errand, self.tasks.spawn(self._run_visit(errand))
        elif isinstance(effect, StopVisit):
            if self._visit is not None:
                errand, task = self._visit
                errand.leave()
                task.cancel()
        elif isinstance(effect, ShowHead):
            self.tasks.spawn(self._show(effect.writer))
        elif isinstance(effect, CheckSigned):
            self.tasks.spawn(self._check(effect))
        elif isinstance(effect, Proven):
            self.proven = effect
            links.room.set_online(effect.device, online=True)
            links.room.gaps.retry()
            links.introduce(effect, self.tasks)
            if links.knows(self.peer):
                links.on_known(self.peer)
            self._speak_aside()
        elif isinstance(effect, Acknowledged):
            self.tasks.spawn(links.record_held(effect))
        elif isinstance(effect, FindRemoval):
            self.tasks.spawn(self._part(effect.device))
        elif isinstance(effect, RemovalTold) and self.proven is not None:
            device = self.proven.device
            self.tasks.spawn(self.room.removal_told(device, effect.data))
        elif isinstance(effect, Released):
            links.released(self, effect.writer)
        elif isinstance(effect, Ended):
            self._end(effect)

    def _speak_aside(self) -> None:
        """Ask the peer, once proven, for what is lacking here; answer it as well."""
        if self._over or self.proven is None:
            return
        if self._aside is None:
            room = self.room
            aside_id = keys.aside_id(room.row.key, self.peer.handshake_hash)
            self.peer.mux.count(asides.PROTOCOL, aside_id, self.traffic)
            try:
                self._aside = Aside(
                    room, self._is_served, room.row.key, self.peer, self.proven
                )
            except NetError as error:
                _LOG.info("a peer cannot be asked for keys: %s", error)
                return
            room.previews.came(self._aside)
        self._aside.want_keys(self.room.facts.missing_keys)
        self._aside.member_changed()

    def ask_holes(self, ask: AskHoles) -> bool:
        """Ask the peer for holes of a log, if it says that it has more of that.

        Strangers are asked by who knows nobody yet only: a lie costs words of others.
        """
        return (
            self._aside is not None
            and (self.session.is_member or not self.room.is_member)
            and self.session.remote_length(ask.writer) > ask.start
            and self._aside.ask_holes(ask)
        )

    @property
    def open_count(self) -> int:
        """Logs that are open with the peer, or shall be."""
        return len(self._logs)

    @property
    def is_heard(self) -> bool:
        """True while questions reach a member here."""
        return self._aside is not None and self._is_served()

    def ask_wake(self) -> None:
        """Ask the peer to wake this device."""
        if self._aside is not None:
            self._aside.want_wake()

    def _is_served(self) -> bool:
        return not self._over and self.session.is_member

    def _end(self, effect: Ended) -> None:
        if self._over:
            return
        self._over = True
        if self._aside is not None:
            self.room.previews.gone(self._aside)
            self._aside.close()
        if effect.fault:
            _LOG.warning("a peer broke the room's protocol: %s", effect.reason)
        if self._timer is not None:
            self._timer.cancel()
        if self._channel is not None:
            self._channel.close()
        if self.proven is not None:
            self._links.room.set_online(self.proven.device, online=False)
        self._links.ended(self, effect)

    async def _run_visit(self, errand: Errand) -> None:
        try:
            await self._links.visits.make(errand)
        except (StoreError, OSError) as error:
            _LOG.info("a stranger's log could not be fetched: %s", error)
        self.session.visit_over(errand.wanted, self._links.now())
        self.pump()

    async def _show(self, writer: bytes) -> None:
        head = await self.room.logs.signed_head(writer)
        if head is not None:
            self.session.show(head)
            self.pump()

    async def _part(self, device: bytes) -> None:
        try:
            evidence = await find_evidence(self.room, device)
        except (StoreError, UserFacingError) as error:
            _LOG.info("a removal could not be shown: %s", error)
            evidence = None
        self.session.part(evidence)
        self.pump()

    async def _check(self, effect: CheckSigned) -> None:
        await self.room.logs.check_signed(effect.head)

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
        tasks: The work in hand.
        traffic: What all channels of the room carried.
        visits: Those of the whole profile.
        on_known: Called when a peer proved a device that was let in.
    """

    def __init__(
        self,
        room: Room,
        profile: Profile,
        on_farewell: Callable[[Room], None],
        on_known: Callable[[Peer], None],
        visits: Visits,
    ) -> None:
        self.room = room
        self.visits = visits
        self.links: dict[Peer, Link] = {}
        self.tasks = Tasks(_LOG, "the work for a peer failed")
        self.traffic = ChannelTraffic()
        self._minute = LastMinute(self._counts(), self.now())
        self._profile = profile
        self._on_farewell = on_farewell
        self.on_known = on_known
        self._sources = Sources()
        self._peers: set[Peer] = set()
        self._devices: dict[Peer, bytes] = {}
        self._parted: set[Peer] = set()
        self._reopening: set[asyncio.TimerHandle] = set()
        room.listener = self
        room.gaps.on_ask = self._ask_holes

    @staticmethod
    def now() -> float:
        """The loop's clock."""
        return asyncio.get_running_loop().time()

    def sample(self) -> None:
        """Remember what was carried so far; see ``LastMinute``."""
        self._minute.sample(self._counts(), self.now())

    def facts(self) -> dict[str, Any]:
        """What the doctor tells of the room: nothing by which others know it."""
        links = self.links.values()
        return {
            "room": self.room.id[:SHOWN_ID_CHARACTERS],
            "members": self.room.facts.present_count,
            "writers": len(self.room.heads),
            "logsOpen": self.room.logs.open_count,
            "connections": sum(link.session.is_member for link in links),
            "channels": sum(link.open_count for link in links),
            "lastMinute": self._minute.rise(self._counts(), self.now()),
        }

    def _counts(self) -> dict[str, int]:
        traffic = self.traffic
        return {
            "messagesSent": traffic.messages_sent,
            "bytesSent": traffic.bytes_sent,
            "messagesReceived": traffic.messages_received,
            "bytesReceived": traffic.bytes_received,
        }

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

    def log_asked(self, peer: Peer, discovery_key: bytes) -> bool:
        """A peer opens the channel of a core; True when it is a log for it."""
        link = self.links.get(peer)
        writer = self.room.logs.writer_of(discovery_key)
        return link is not None and writer is not None and link.log_asked(writer)

    async def stop(self) -> None:
        """Let the work in hand end."""
        for handle in self._reopening:
            handle.cancel()
        for peer in tuple(self.links):
            self.detach(peer, closed=True)
        await self.tasks.finish()

    def ended(self, link: Link, effect: Ended) -> None:
        """A session is over."""
        if self.links.get(link.peer) is link:
            del self.links[link.peer]
        if link.peer in self._peers:
            if link.proven is not None:
                self._devices[link.peer] = link.proven.device
            if effect.reason in ("bye", "removed"):
                self._parted.add(link.peer)
                if effect.reason == "bye" and link.proven is not None:
                    self._dismissed(link.proven)
                elif self.room.is_member:
                    # It may have been let in again while it was told.
                    self._open_again(self.room.facts)
            elif effect.reason in ("silent", "stranger"):
                self._reopen_later(link.peer)
        if self.room.left and effect.reason == "bye":
            self._on_farewell(self.room)

    def _dismissed(self, proven: Proven) -> None:
        """A device wants to hear no more of the room."""
        fact = self.room.facts.devices.get(proven.device)
        if self.room.on_dismissed is not None and fact is not None and fact.present:
            self.room.on_dismissed(proven.device)

    def introduce(self, proven: Proven, tasks: Tasks) -> None:
        """Hear a further device of this person in the room of all of them.

        One that the identity itself attested lets itself in, so it is told all; any
        other is asked only, until it is known that a device let it in.
        """
        room = self.room
        if room.row.kind != Kind.PERSONAL.word or proven.identity != room.identity:
            return
        if proven.device not in room.facts.devices:
            identity = proven.identity if proven.rooted else b""
            tasks.spawn(room.introduce(proven.device, identity))

    def released(self, link: Link, writer: bytes) -> None:
        """A session fetches a log no more: others may."""
        for other in tuple(self.links.values()):
            if other is not link:
                other.session.sources_freed(self.now(), writer)
                other.pump()

    def _ask_holes(self, ask: AskHoles, tries: int) -> None:
        """Ask some of the peers, others each time."""
        links = list(self.links.values())
        start = tries % max(len(links), 1)
        asked = 0
        for link in links[start:] + links[:start]:
            asked += link.ask_holes(ask)
            if asked >= MAX_ASKED:
                return

    def _reopen_later(self, peer: Peer) -> None:
        """Try again with a peer that was silent, if it is still connected."""

        def reopen() -> None:
            self._reopening.discard(handle)
            if peer in self._peers:
                self._open(peer)

        handle = asyncio.get_running_loop().call_later(REOPEN_S, reopen)
        self._reopening.add(handle)

    async def record_held(self, effect: Acknowledged) -> None:
        """A peer acknowledged blocks of this device."""
        await self.room.receipts.record(effect.device, effect.length)
        own = self.room.heads.get(self.room.device)
        if self.room.left and own is not None and effect.length >= own.length:
            self._on_farewell(self.room)

    def ask_wake(self, turn: int) -> None:
        """See ``RoomListener.ask_wake``."""
        links = [link for link in self.links.values() if link.is_heard]
        if links:
            links[turn % len(links)].ask_wake()

    def told(self, writer: bytes) -> dict[bytes, int]:
        """See ``RoomListener.told``."""
        found: dict[bytes, int] = {}
        for link in self.links.values():
            device = link.session.remote_device
            length = link.session.told_length(writer)
            if length > found.get(device, 0):
                found[device] = length
        return found

    def head_changed(self, writer: bytes, *, quiet: bool) -> None:
        """See ``RoomListener.head_changed``."""
        for link in tuple(self.links.values()):
            link.session.head_changed(writer, self.now(), quiet=quiet)
            link.pump()

    def log_mended(self, writer: bytes) -> None:
        """See ``RoomListener.log_mended``."""
        for link in tuple(self.links.values()):
            link.session.log_mended(writer, self.now())
            link.pump()

    def facts_changed(self, facts: RoomFacts) -> None:
        """See ``RoomListener.facts_changed``."""
        for link in tuple(self.links.values()):
            link.facts_changed(facts)
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
            sources=self._sources,
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
