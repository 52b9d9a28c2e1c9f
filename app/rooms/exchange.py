"""Rooms and the network: which topics are joined, and who is told about what.

For each room its topic is announced and looked up; for each invite somebody may come
with, its rendezvous is announced. On every connection the initiator opens its rooms,
under names only fellow members recognise; a room that comes later is opened by
whichever side got it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from app.doctor import clock_sentence
from app.errors import UserFacingError
from app.faults import explained
from app.network import Network, Peer
from app.rooms import invitations, keys
from app.rooms.admission import Guest, Host
from app.rooms.invitations import REFUSAL_SENTENCES, SECRET_BYTES, Link, Refusal
from app.rooms.links import RoomLinks
from app.rooms.operations import Body, Invite
from app.rooms.roles import ROLE_WORDS, may_invite
from app.rooms.room import Room, Surroundings
from app.rooms.view import RoomView
from app.snapshots import NetworkSnapshot
from store import rooms as stored_rooms
from store.database import Connection
from store.rooms import RoomRow

_LOG = logging.getLogger("covey.exchange")

DEFAULT_EXPIRY_MS = 24 * 60 * 60 * 1000
MAX_EXPIRY_MS = 10 * 365 * 24 * 60 * 60 * 1000
MAX_USES = 10_000
MAX_PEERS = 256
"""Connections on which rooms are talked about."""
MAX_JOINS = 16
"""Attempts to be let in at one time."""
JOIN_LIMIT_S = 60.0
EXPIRED_LIMIT_S = 5.0
FIRST_SYNC_LIMIT_S = 15.0
"""How long a newcomer waits for the entries that make it a member."""
LOOK_AGAIN_S = (1.0, 2.0, 4.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Pauses between look-ups for members of a room while none is connected.

Two that start at one moment can miss each other's announcement, and the swarm itself
looks again after ten minutes only.
"""
ASK_AGAIN_S = (0.3, 0.7, 1.0, 2.0, 4.0, 8.0, 15.0)
"""The same for a newcomer that waits to be let in."""
FAREWELL_LIMIT_MS = 30 * 24 * 60 * 60 * 1000
"""How long a room that was left waits for somebody to tell."""


class _Attached:
    """A room with its links, its host and the invites it waits for."""

    def __init__(self, room: Room, links: RoomLinks, host: Host) -> None:
        self.room = room
        self.links = links
        self.host = host
        self.invites: set[bytes] = set()
        self.looks = 0
        self.timer: asyncio.TimerHandle | None = None


class Exchange:
    """Connects the rooms of one profile with the network."""

    def __init__(
        self,
        surroundings: Surroundings,
        network: Network | None,
        rooms: dict[bytes, Room],
        forget: Callable[[Room], Awaitable[None]],
        *,
        on_network: Callable[[], None],
    ) -> None:
        """Prepare; ``start`` reaches out.

        Args:
            surroundings: Profile, clock, entropy and events.
            network: None to stay alone.
            rooms: The messenger's, by room id.
            forget: Removes a room for good.
            on_network: Called when the network's snapshot changed.
        """
        self._around = surroundings
        self._network = network
        self._rooms = rooms
        self._forget = forget
        self._on_network = on_network
        self._attached: dict[bytes, _Attached] = {}
        self._peers: set[Peer] = set()
        self._guests: set[Guest] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to reach the network."""
        if self._network is not None:
            await self._network.start(self)

    async def stop(self) -> None:
        """Leave the network and let the work in hand end."""
        for guest in tuple(self._guests):
            guest.close()
        for attached in self._attached.values():
            if attached.timer is not None:
                attached.timer.cancel()
            await attached.links.stop()
        if self._network is not None:
            await self._network.stop()
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def add_room(self, room: Room) -> None:
        """Meet the room's members, here and at every connection there is."""
        links = RoomLinks(room, self._around.profile, self._said_farewell)
        attached = _Attached(room, links, Host(room, self._around, self._spawn))
        self._attached[room.row.room] = attached
        room.on_facts = lambda: self._facts_changed(attached)
        if self._network is not None:
            topic = keys.room_topic(room.row.key)
            self._network.join(topic, server=True, client=True)
        for peer in tuple(self._peers):
            links.attach(peer, open_now=True)
        self._facts_changed(attached)
        self._look_later(attached)
        gone = room.row.left_at
        if gone is not None and self._around.now_ms() - gone > FAREWELL_LIMIT_MS:
            self._said_farewell(room)

    def remove_room(self, room: Room) -> None:
        """Meet its members no more."""
        attached = self._attached.pop(room.row.room, None)
        if attached is None:
            return
        room.on_facts = None
        if attached.timer is not None:
            attached.timer.cancel()
        for peer in tuple(self._peers):
            attached.links.detach(peer, closed=False)
        self._serve_invites(attached, set())
        if self._network is not None:
            self._network.leave(keys.room_topic(room.row.key))

    def network_snapshot(self) -> NetworkSnapshot:
        """The truth about the network."""
        if self._network is None:
            return NetworkSnapshot(
                state="offline", nodes=0, firewall="unknown", public_address=None
            )
        snapshot = self._network.snapshot(self._name_of)
        wrong = clock_sentence(self._around.now_ms())
        return replace(snapshot, sentence=wrong) if wrong else snapshot

    async def facts(self) -> dict[str, Any]:
        """What the doctor wants to know of the network."""
        return await self._network.facts() if self._network is not None else {}

    # what the network tells

    def peer_connected(self, peer: Peer) -> None:
        """See ``NetworkListener``."""
        if len(self._peers) >= MAX_PEERS:
            peer.destroy("too many connections")
            return
        self._peers.add(peer)
        for attached in tuple(self._attached.values()):
            attached.links.attach(peer, open_now=peer.is_initiator)
            for invite_key in attached.invites:
                attached.host.attach(peer, invite_key)
        for guest in tuple(self._guests):
            guest.attach(peer)
        self._on_network()

    def peer_disconnected(self, peer: Peer) -> None:
        """See ``NetworkListener``."""
        self._peers.discard(peer)
        for attached in tuple(self._attached.values()):
            attached.links.detach(peer, closed=True)
        self._on_network()

    def network_changed(self) -> None:
        """See ``NetworkListener``."""
        self._on_network()

    # what the messenger asks

    async def invite(
        self, room: Room, *, role: str, expires_ms: int | None, uses: int | None
    ) -> str:
        """Make an invite; see ``Messenger.invite``."""
        wanted = ROLE_WORDS.get(role)
        if wanted is None:
            raise UserFacingError(
                "unknown-role", f"There is no role {role}: use {', '.join(ROLE_WORDS)}."
            )
        lasts_ms = DEFAULT_EXPIRY_MS if expires_ms is None else expires_ms
        count = 1 if uses is None else uses
        if not 0 < lasts_ms <= MAX_EXPIRY_MS or not 0 <= count <= MAX_USES:
            raise UserFacingError(
                "bad-invite-options",
                f"An invite lasts up to ten years and lets in up to {MAX_USES} people.",
            )
        # The link says whole seconds; round up, so that a short one is none.
        expires_at_s = -(-(self._around.now_ms() + lasts_ms) // 1000)
        link = Link(self._around.entropy(SECRET_BYTES), room.row.room, expires_at_s)

        def body(view: RoomView) -> Body:
            member = view.require_member()
            if not may_invite(view.state.kind, member.role, wanted):
                raise UserFacingError(
                    "not-allowed", "Your role in this room does not allow that."
                )
            return Invite(link.key_pair.public_key, wanted, expires_at_s * 1000, count)

        await room.write(body)
        return link.encode()

    async def join(self, text: str, *, timeout_s: float | None) -> RoomRow:
        """Join by a link; see ``Messenger.join``."""
        link = invitations.decode_link(text)
        known = self._rooms.get(link.room)
        if known is not None and not known.left and known.is_member:
            return known.row
        if len(self._guests) >= MAX_JOINS:
            raise UserFacingError("too-many", "Too many invites are being tried.")
        admitted = await self._ask_within(link, timeout_s)
        now_ms = self._around.now_ms()

        def work(connection: Connection) -> RoomRow:
            row = stored_rooms.add_room(
                connection,
                room=link.room,
                key=admitted.room_key,
                founder=admitted.founder,
                name=admitted.name,
                kind=admitted.kind.word,
                joined_at=now_ms,
            )
            RoomView(row, self._around.profile.device).restore(connection)
            return row

        with explained():
            return await asyncio.wrap_future(self._around.profile.database.write(work))

    async def first_sync(self, room: Room) -> None:
        """Wait until the room's entries say that this profile is a member."""
        try:
            async with asyncio.timeout(FIRST_SYNC_LIMIT_S):
                await room.wait_member()
        except TimeoutError:
            raise UserFacingError(
                "not-synchronised",
                "You were let in, but the room's messages have not come yet: they will"
                " when a member is online.",
            ) from None

    async def _ask_within(
        self, link: Link, timeout_s: float | None
    ) -> invitations.Admitted:
        """Ask; an invite that is over by this clock is not waited for long.

        The clock may be wrong, so a member decides when one is there.
        """
        limit_s = JOIN_LIMIT_S if timeout_s is None else timeout_s
        over = 0 < link.expires_at_s * 1000 < self._around.now_ms()
        try:
            return await self._ask_to_be_let_in(
                link, min(limit_s, EXPIRED_LIMIT_S) if over else limit_s
            )
        except UserFacingError as error:
            if over and error.code in ("nobody-online", "no-network"):
                raise UserFacingError(*REFUSAL_SENTENCES[Refusal.EXPIRED]) from error
            raise

    async def _ask_to_be_let_in(
        self, link: Link, limit_s: float
    ) -> invitations.Admitted:
        if self._network is None:
            raise UserFacingError("no-network", "The network cannot be used.")
        guest = Guest(link, self._around.profile)
        self._guests.add(guest)
        self._network.join(guest.topic, server=False, client=True)
        try:
            for peer in tuple(self._peers):
                guest.attach(peer)
            async with asyncio.timeout(limit_s):
                return await self._answer_to(guest)
        except TimeoutError:
            raise self._nobody_answered() from None
        finally:
            self._guests.discard(guest)
            guest.close()
            self._network.leave(guest.topic)

    async def _answer_to(self, guest: Guest) -> invitations.Admitted:
        """Wait for an answer; look again now and then, for members who just came."""
        assert self._network is not None
        for pause_s in itertools.chain(ASK_AGAIN_S, itertools.repeat(ASK_AGAIN_S[-1])):
            await asyncio.wait((guest.result,), timeout=pause_s)
            if guest.result.done():
                break
            self._network.refresh(guest.topic)
        return guest.result.result()

    def _nobody_answered(self) -> UserFacingError:
        snapshot = self.network_snapshot()
        if snapshot.state != "online":
            return UserFacingError(
                "no-network",
                snapshot.sentence
                or "The network cannot be reached: check that this computer is online.",
            )
        return UserFacingError(
            "nobody-online",
            "Nobody who could let you in is online now: try again when a member is.",
        )

    # inside

    def _look_later(self, attached: _Attached) -> None:
        """Look for members again after a while, as long as none is connected."""
        pause_s = LOOK_AGAIN_S[min(attached.looks, len(LOOK_AGAIN_S) - 1)]
        loop = asyncio.get_running_loop()
        attached.timer = loop.call_later(pause_s, self._look, attached)

    def _look(self, attached: _Attached) -> None:
        room = attached.room
        # A newcomer knows of nobody yet, itself included.
        alone = room.is_member and room.facts.present_count == 1
        if room.online or alone:
            attached.looks = 0
        elif self._network is not None:
            attached.looks += 1
            self._network.refresh(keys.room_topic(room.row.key))
        self._look_later(attached)

    def _facts_changed(self, attached: _Attached) -> None:
        room = attached.room
        wanted = set(room.facts.invites) if not room.left and room.is_member else set()
        self._serve_invites(attached, wanted)

    def _serve_invites(self, attached: _Attached, wanted: set[bytes]) -> None:
        """Wait for newcomers with exactly these invites."""
        for invite_key in attached.invites - wanted:
            for peer in self._peers:
                attached.host.detach(peer, invite_key)
            if self._network is not None:
                self._network.leave(invitations.rendezvous(invite_key))
        for invite_key in wanted - attached.invites:
            for peer in self._peers:
                attached.host.attach(peer, invite_key)
            if self._network is not None:
                topic = invitations.rendezvous(invite_key)
                self._network.join(topic, server=True, client=False)
        attached.invites = wanted

    def _said_farewell(self, room: Room) -> None:
        self._spawn(self._forget_room(room))

    async def _forget_room(self, room: Room) -> None:
        await self._forget(room)

    def _name_of(self, public_key: bytes) -> str:
        """Who is at the other end of a connection, as far as it proved that."""
        for attached in self._attached.values():
            for peer, link in attached.links.links.items():
                if peer.remote_public_key == public_key and link.proven is not None:
                    member = attached.room.facts.member_of(link.proven.device)
                    if member is not None:
                        return member.name
        return ""

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._work_done)

    def _work_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("work for the network failed", exc_info=error)
