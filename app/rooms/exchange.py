"""Rooms and the network: which topics are joined, and who is told about what.

For each room its topic is announced and looked up; for each invite somebody may come
with, or this profile was given, there is a door (``app/rooms/doors.py``). On every
connection the initiator opens its rooms, under names only fellow members recognise; a
room that comes later is opened by whichever side got it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from app.doctor import clock_sentence
from app.errors import UserFacingError
from app.events import RequestsChanged
from app.network import MAX_PEERS, Network, Peer
from app.rooms import invitations, keys, logs
from app.rooms.admission import REFUSALS, Host, Newcomer, Terms
from app.rooms.doors import Doors
from app.rooms.invitations import (
    MAX_LATER_KEYS,
    REFUSAL_SENTENCES,
    SECRET_BYTES,
    Link,
    Refusal,
)
from app.rooms.joining import Joining
from app.rooms.links import RoomLinks
from app.rooms.operations import Body, Invite
from app.rooms.roles import ROLE_WORDS, Kind, may_invite
from app.rooms.room import Room, Surroundings
from app.rooms.view import RoomView
from app.rooms.visits import Visits
from app.snapshots import NetworkSnapshot
from app.tasks import Tasks
from app.traffic import SAMPLE_S
from store.database import Connection

_LOG = logging.getLogger("covey.exchange")

DEFAULT_EXPIRY_MS = 24 * 60 * 60 * 1000
MAX_EXPIRY_MS = 10 * 365 * 24 * 60 * 60 * 1000
MAX_USES = 10_000
MAX_STRANGERS = MAX_PEERS // 2
"""Connections at one time on which nobody of a room has proven itself yet."""
STRANGER_LIMIT_S = 30.0
"""How long such a connection is kept."""
FIRST_SYNC_LIMIT_S = 15.0
"""How long a newcomer waits for the entries that make it a member."""
ASK_TWICE_S = 1.0
"""After so long without them, who was in the room before asks again to be let in."""
MAX_TOLD_ROOMS = 16
"""Rooms of which the doctor tells, those with most connections."""
ENOUGH_PEERS = 16
"""With so many connected no more are looked for: what one says reaches everybody by
others. In a room whose members all do that, each has about twenty."""
LOOK_AGAIN_S = (60.0, 120.0, 300.0)
"""Pauses between look-ups for members of a room while none is connected.

The swarm looks a few times in a topic's first minute, then every ten minutes.
"""
FAREWELL_LIMIT_MS = 30 * 24 * 60 * 60 * 1000
"""How long a room that was left waits for somebody to tell."""


class Beside(Protocol):
    """Somebody else who talks on the connections of the rooms."""

    def attach(self, peer: Peer) -> None:
        """There is a connection."""

    def detach(self, peer: Peer) -> None:
        """It is gone."""


class _Attached:
    """A room with its links, its host and the invites it waits for."""

    def __init__(self, room: Room, links: RoomLinks, host: Host) -> None:
        self.room = room
        self.links = links
        self.host = host
        self.topic = keys.room_topic(room.row.key)
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
        let_in_late: Callable[[Link, invitations.Admitted], Awaitable[None]],
        on_network: Callable[[], None],
        beside: Beside,
    ) -> None:
        """Prepare; ``start`` reaches out.

        Args:
            surroundings: Profile, clock, entropy and events.
            network: None to stay alone.
            rooms: The messenger's, by room id.
            forget: Removes a room for good.
            let_in_late: Enters a room for which nobody waits any more.
            on_network: Called when the network's snapshot changed.
            beside: Hears of every connection as well.
        """
        self._around = surroundings
        self._network = network
        self._rooms = rooms
        self._forget = forget
        self._on_network = on_network
        self._beside = beside
        self._attached: dict[bytes, _Attached] = {}
        self._peers: dict[Peer, asyncio.TimerHandle] = {}
        self._known: set[Peer] = set()
        self._online = False
        self._sampler: asyncio.TimerHandle | None = None
        self._visits = Visits(surroundings.profile.folder / "visits")
        self._tasks = Tasks(_LOG, "work for the network failed")
        self._doors = Doors(network, entropy=surroundings.entropy, tasks=self._tasks)
        self._joining = Joining(
            surroundings,
            network,
            self._doors,
            let_in_late=let_in_late,
            nobody=self._nobody_answered,
        )

    @property
    def doors(self) -> Doors:
        """Where this profile answers and asks by blind pairing."""
        return self._doors

    async def start(self) -> None:
        """Begin to reach the network."""
        await self._visits.sweep()
        self._sample()
        if self._network is not None:
            await self._network.start(self)

    async def stop(self) -> None:
        """Leave the network and let the work in hand end."""
        await self._joining.stop()
        await self._doors.stop()
        if self._sampler is not None:
            self._sampler.cancel()
        for timer in self._peers.values():
            timer.cancel()
        for attached in self._attached.values():
            attached.room.on_alone = None
            if attached.timer is not None:
                attached.timer.cancel()
            await attached.links.stop()
        if self._network is not None:
            await self._network.stop()
        await self._tasks.finish()

    def add_room(self, room: Room) -> None:
        """Meet the room's members, here and at every connection there is."""
        links = RoomLinks(
            room,
            self._around.profile,
            self._said_farewell,
            self._peer_known,
            self._visits,
        )
        host = Host(
            room,
            self._tasks,
            entropy=self._around.entropy,
            terms=partial(_terms, room, self._around.now_ms),
            later_keys=partial(_later_keys, room),
            on_waiting=lambda: self._around.publish(RequestsChanged(room.id)),
            now_ms=self._around.now_ms,
        )
        attached = _Attached(room, links, host)
        self._attached[room.row.room] = attached
        room.on_facts = lambda: self._facts_changed(attached)
        room.on_alone = lambda: self._gone(attached)
        if self._network is not None:
            self._network.join(attached.topic, server=True, client=True)
        for peer in tuple(self._peers):
            links.attach(peer, open_now=True)
        self._facts_changed(attached)
        gone = room.row.left_at
        if gone is not None and self._around.now_ms() - gone > FAREWELL_LIMIT_MS:
            self._said_farewell(room)

    def remove_room(self, room: Room) -> None:
        """Meet its members no more."""
        attached = self._attached.pop(room.row.room, None)
        if attached is None:
            return
        room.on_facts = room.on_alone = None
        if attached.timer is not None:
            attached.timer.cancel()
        for peer in tuple(self._peers):
            attached.links.detach(peer, closed=False)
        self._serve_invites(attached, set())
        if self._network is not None:
            self._network.leave(attached.topic)

    def open_room(self, room: Room) -> None:
        """Talk about a room on every connection, also where that had ended."""
        attached = self._attached[room.row.room]
        for peer in tuple(self._peers):
            attached.links.attach(peer, open_now=True)

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
        rooms = [attached.links.facts() for attached in self._attached.values()]
        rooms.sort(key=lambda room: -room["connections"])
        facts = await self._network.facts() if self._network is not None else {}
        return {**facts, "busiestRooms": rooms[:MAX_TOLD_ROOMS]}

    # what the network tells

    def peer_connected(self, peer: Peer) -> None:
        """See ``NetworkListener``."""
        if not self._make_place():
            peer.destroy("too many connections")
            return
        self._watch(peer)
        peer.mux.pair(logs.PROTOCOL, None, partial(self._log_asked, peer))
        for attached in tuple(self._attached.values()):
            attached.links.attach(peer, open_now=peer.is_initiator)
        self._doors.attach(peer)
        self._beside.attach(peer)
        self._on_network()

    def peer_disconnected(self, peer: Peer) -> None:
        """See ``NetworkListener``."""
        timer = self._peers.pop(peer, None)
        if timer is not None:
            timer.cancel()
        self._known.discard(peer)
        for attached in tuple(self._attached.values()):
            attached.links.detach(peer, closed=True)
        self._doors.detach(peer)
        self._beside.detach(peer)
        self._on_network()

    def network_changed(self) -> None:
        """See ``NetworkListener``."""
        online = self.network_snapshot().state == "online"
        if online and not self._online:
            # Those who were without a network have missed their turn.
            self._doors.refresh()
        self._online = online
        self._on_network()

    def wanted(self, topic: bytes) -> int:
        """See ``NetworkListener``: some of a room, or of those behind an invite."""
        for attached in self._attached.values():
            if attached.topic == topic:
                devices = attached.room.facts.devices
                # Whoever has the room's key can prove devices, but no membership.
                here = [devices.get(it) for it in attached.room.online]
                known = sum(1 for fact in here if fact is not None and fact.present)
                return max(ENOUGH_PEERS - known, 0)
        return ENOUGH_PEERS

    def _log_asked(self, peer: Peer, discovery_key: bytes) -> bool:
        """A peer opens a core's channel: answered for a log of a room it is in."""
        return any(
            attached.links.log_asked(peer, discovery_key)
            for attached in self._attached.values()
        )

    # what the messenger asks

    async def invite(
        self,
        room: Room,
        *,
        role: str,
        expires_ms: int | None,
        uses: int | None,
        approval: bool = False,
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
        secret = self._around.entropy(SECRET_BYTES)
        link = Link(secret, room.row.room, expires_at_s, approval=approval)

        def body(view: RoomView) -> Body:
            member = view.require_member()
            law = view.law
            # A room of two has no place for a third.
            full = law.kind is Kind.DIRECT and len(law.members) > 1
            if full or not may_invite(law.kind, member.role, wanted):
                raise UserFacingError(
                    "not-allowed", "Your role in this room does not allow that."
                )
            return Invite(
                link.key_pair.public_key,
                wanted,
                expires_at_s * 1000,
                count,
                approval=approval,
            )

        await room.write(body)
        return link.encode()

    def pending(self, room: Room) -> list[Newcomer]:
        """Who waits for a person of the room to decide, oldest first."""
        host = self._attached[room.row.room].host
        oldest = sorted(host.waiting.values(), key=lambda it: it.kept.since_ms)
        return [waiting.newcomer for waiting in oldest]

    async def approve(self, room: Room, id: bytes) -> None:
        """Let somebody in who waits; see ``pending``.

        Raises:
            UserFacingError: ``unknown-request``, or why the invite does not hold.
        """
        verdict = await self._attached[room.row.room].host.approve(id)
        if verdict == "failed":
            raise UserFacingError(
                "disk", "That could not be written: is the disk full?"
            )
        if verdict not in ("open", "yours"):
            reason = REFUSALS.get(verdict, Refusal.CLOSED)
            raise UserFacingError(*REFUSAL_SENTENCES[reason])

    def deny(self, room: Room, id: bytes) -> None:
        """Refuse somebody who waits; raises ``unknown-request``."""
        self._attached[room.row.room].host.deny(id)

    async def first_sync(self, room: Room, *, again: Link | None) -> None:
        """Wait until the room's entries say that this profile is a member.

        Not where much comes: then a member's word for the newest messages is enough.

        Args:
            room: The room one was let into.
            again: The link, when one was in the room before: a member that had not
                heard of one's going yet finds nothing to do, and must be asked again
                once it has.
        """
        try:
            async with asyncio.timeout(FIRST_SYNC_LIMIT_S):
                while again is not None and not await _member_soon(room):
                    await self._joining.ask_for(again, FIRST_SYNC_LIMIT_S)
                    self.open_room(room)
                await room.wait_joined()
        except TimeoutError:
            if room.previews.is_active:
                return
            raise UserFacingError(
                "not-synchronised",
                "You were let in, but the room's messages have not come yet: they will"
                " when a member is online.",
            ) from None

    async def ask(self, link: Link, *, timeout_s: float | None) -> invitations.Admitted:
        """Ask to be let in; see ``Messenger.join``."""
        return await self._joining.ask(link, timeout_s=timeout_s)

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

    def _sample(self) -> None:
        """Look at what rooms have carried, every few seconds."""
        for attached in self._attached.values():
            attached.links.sample()
        loop = asyncio.get_running_loop()
        self._sampler = loop.call_later(SAMPLE_S, self._sample)

    def _watch(self, peer: Peer) -> None:
        """Look after a while whether a connection is of use."""
        loop = asyncio.get_running_loop()
        self._peers[peer] = loop.call_later(STRANGER_LIMIT_S, self._judge, peer)

    def _peer_known(self, peer: Peer) -> None:
        if peer in self._peers:
            self._known.add(peer)

    def _judge(self, peer: Peer) -> None:
        """End a connection on which nobody proved itself: others need its place."""
        if any(attached.links.knows(peer) for attached in self._attached.values()):
            self._peer_known(peer)
        if peer in self._known:
            return
        waiting = any(attached.host.waits(peer) for attached in self._attached.values())
        if self._joining.expects_members or waiting:
            # It may be the member who lets us in, or wait for a person here.
            self._watch(peer)
            return
        self._drop(peer, "nobody of a room proved itself")

    def _make_place(self) -> bool:
        """Have a place for one more connection; False when all are taken for good."""
        strangers = [peer for peer in self._peers if peer not in self._known]
        full = len(self._peers) >= MAX_PEERS or len(strangers) >= MAX_STRANGERS
        if full and strangers:
            self._drop(strangers[0], "others need the place")
        return bool(strangers) or not full

    def _drop(self, peer: Peer, reason: str) -> None:
        _LOG.info("a stranger's connection is ended: %s", reason)
        peer.destroy(reason)
        self.peer_disconnected(peer)

    def _gone(self, attached: _Attached) -> None:
        """The last member who was connected is not any more."""
        attached.looks = 0
        self._look_later(attached)

    def _look_later(self, attached: _Attached) -> None:
        """Look for members again after a while, as long as none is connected."""
        if self._network is None or attached.timer is not None:
            return
        if not _misses_somebody(attached.room):
            return
        pause_s = LOOK_AGAIN_S[min(attached.looks, len(LOOK_AGAIN_S) - 1)]
        loop = asyncio.get_running_loop()
        attached.timer = loop.call_later(pause_s, self._look, attached)

    def _look(self, attached: _Attached) -> None:
        attached.timer = None
        if self._network is not None and _misses_somebody(attached.room):
            attached.looks += 1
            self._network.refresh(attached.topic)
        self._look_later(attached)

    def _facts_changed(self, attached: _Attached) -> None:
        room = attached.room
        wanted = set(room.facts.invites) if not room.left and room.is_member else set()
        self._serve_invites(attached, wanted)
        self._look_later(attached)

    def _serve_invites(self, attached: _Attached, wanted: set[bytes]) -> None:
        """Wait for newcomers with exactly these invites."""
        for invite_key in attached.invites - wanted:
            self._doors.release(attached.host.serve_no_more(invite_key))
        for invite_key in wanted - attached.invites:
            record = invitations.pairing_record(attached.room.row.room, invite_key)
            attached.host.serve(invite_key, self._doors.of(record.discovery_key))
        attached.invites = wanted
        attached.host.facts_changed()

    def _said_farewell(self, room: Room) -> None:
        self._tasks.spawn(self._forget_room(room))

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


async def _terms(room: Room, now_ms: Callable[[], int], newcomer: Newcomer) -> Terms:
    """What the room's acts say to a newcomer."""

    def look(_: Connection, view: RoomView) -> Terms:
        law, invite_key = view.law, newcomer.invite_key
        made = law.invites.get(invite_key)
        verdict = law.invite_verdict(
            invite_key,
            identity=newcomer.identity,
            device=newcomer.device,
            now_ms=now_ms(),
        )
        if made is None:
            return Terms(verdict)
        return Terms(
            verdict,
            role=made.invite.role,
            approval=made.invite.approval,
            may_admit=law.may_admit(view.own, invite_key),
        )

    return await room._transact(look)


async def _later_keys(room: Room) -> tuple[bytes, ...]:
    """The keys after the room's first that a newcomer begins with, newest first."""

    def look(_: Connection, view: RoomView) -> tuple[bytes, ...]:
        keys = [key for key in view.keys.ring.keys if key != room.row.key]
        used = view.keys.of((room.facts.epoch,))
        keys.sort(key=lambda key: key in used)
        return tuple(reversed(keys[-MAX_LATER_KEYS:]))

    return await room._transact(look)


def _misses_somebody(room: Room) -> bool:
    """Nobody is connected, though there are others as far as known."""
    # A newcomer knows of nobody yet, itself included.
    alone = room.is_member and room.facts.present_count == 1
    if room.row.kind == Kind.PERSONAL.word:
        # Others of this person may be anywhere, also unheard of after a restoration.
        alone = False
    return not room.online and not alone


async def _member_soon(room: Room) -> bool:
    try:
        async with asyncio.timeout(ASK_TWICE_S):
            await room.wait_member()
    except TimeoutError:
        return False
    return True
