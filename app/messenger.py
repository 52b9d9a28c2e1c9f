"""The messenger itself: the root object of the core process.

Owns the profile, the rooms and the network, and offers what every client offers:
``app/client.py`` has the same methods outside. All times in the interface are
milliseconds since 1970, keys and ids lower-case hex; a room is named by its id, an
unambiguous prefix of it, or its exact name. Every failure is a ``UserFacingError``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import profile as profiles
from app.client import Client, Connecting
from app.consent import Consent
from app.contacts.contacts import Contacts
from app.conversations import Conversations
from app.devices.devices import Devices
from app.directs import Directs
from app.doctor import examine
from app.errors import UserFacingError
from app.events import (
    ContactsChanged,
    CoreStopped,
    DeviceForked,
    Event,
    MembersChanged,
    MessagesChanged,
    MessageStored,
    NetworkChanged,
    RoomLeft,
)
from app.expiry import Expiry
from app.faults import explained
from app.hub import Hub
from app.moderations import Moderations
from app.own_devices import OwnDevices
from app.preferences import Preferences
from app.rooms import invitations, keys
from app.rooms.blocks import log_key
from app.rooms.exchange import Exchange
from app.rooms.invitations import Admitted
from app.rooms.logs import found_log
from app.rooms.operations import Found, Operation, encode_operation
from app.rooms.qr_codes import svg_code
from app.rooms.roles import KIND_WORDS, Kind
from app.rooms.room import Room, Surroundings
from app.rooms.seals import EpochSeal
from app.schedule import Schedule
from app.search import Searching
from app.search.answers import author_keys, search_hit
from app.snapshots import (
    DeliverySnapshot,
    MemberSnapshot,
    NetworkSnapshot,
    ProfileSnapshot,
    RequestSnapshot,
    RoomSnapshot,
    SearchHit,
)
from app.tasks import Tasks
from net.crypto import discovery_key
from store import rooms as stored_rooms
from store.autobase import encode_entry
from store.corestore import Corestore
from store.database import Connection
from store.rooms import NewRoom, RoomRow
from store.search import SearchQuery

if TYPE_CHECKING:
    from app.network import Network

_LOG = logging.getLogger("covey.messenger")

MAX_ROOMS = 1_000
MIN_PREFIX = 4
"""Letters of an id that name a room."""


class Messenger(Conversations, Moderations, Directs, OwnDevices, Preferences):
    """One profile at work; ``start`` and ``close`` it, or ``connect`` to one elsewhere.

    Attributes:
        hub: Events of everything that changes.
        stop_asked: Set once somebody asked the core to end.
    """

    def __init__(
        self,
        profile: profiles.Profile,
        network: Network | None = None,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Take over an opened profile; ``close`` closes it.

        Args:
            profile: Opened, with its lock.
            network: None to stay alone.
            entropy: Gives random bytes.
            now_ms: The wall clock.
        """
        self.hub = Hub()
        self.stop_asked = asyncio.Event()
        self._closed = False
        self._profile = profile
        self._entropy = entropy
        self._now_ms = now_ms
        corestore = Corestore.over(profile.database, primary_key=profile.primary_key)
        self._rooms: dict[bytes, Room] = {}
        self._consent = Consent(profile.database, self._rooms)
        self._around = Surroundings(
            profile, corestore, entropy, now_ms, self._publish, self._consent.sharing
        )
        self._searching = Searching(
            profile.folder, profile.database, key=profile.search_key
        )
        self._expiry = Expiry(profile.database, self._rooms, now_ms)
        self._schedule = Schedule(profile.database, self._rooms, now_ms, self._publish)
        self._changing = asyncio.Lock()
        self._tasks = Tasks(_LOG, "a room could not be added")
        self._contacts = Contacts(self._around, network, self._contacts_changed)
        self._contacts.name_in_room = self._name_in_room
        self._contacts.on_agreed = lambda row: self._tasks.spawn(self._agreed(row))
        self._exchange = Exchange(
            self._around,
            network,
            self._rooms,
            self._forget,
            let_in_late=self._let_in_late,
            on_network=self.publish_network,
            beside=self._contacts,
        )
        self._devices = Devices(
            self._around, network, self._exchange, self._rooms, self
        )

    @staticmethod
    def connect(
        profile: str | os.PathLike[str] | None = None, **options: Any
    ) -> Connecting:
        """A client of the core that runs for ``profile``, started when none does.

        Use it as ``async with Messenger.connect(profile) as me:``. Options are those of
        ``Client.connect``.
        """
        return Client.connect(profile, **options)

    async def start(self) -> None:
        """Load the rooms and begin to reach the network.

        Raises:
            UserFacingError: ``corrupt-profile``, ``disk`` or ``network``.
        """
        database = self._profile.database
        database.gather(asyncio.get_running_loop().call_soon)
        with explained():
            rows = await asyncio.wrap_future(database.read(stored_rooms.list_rooms))
            await self._consent.load()
            for row in rows:
                if not self._devices.is_personal(row):
                    await self._add_room(row)
            await self._devices.start(rows)
            self._searching.start()
            self._expiry.start()
            await self._exchange.start()
            await self._contacts.start()
            self._devices.follow_contacts(self._contacts)
            self._schedule.start()

    async def stop(self) -> None:
        """Ask the core to end; whoever runs it then calls ``close``."""
        self.stop_asked.set()

    async def close(self) -> None:
        """Say goodbye to peers, finish all writes, close the profile."""
        if self._closed:
            return
        self._closed = True
        self.stop_asked.set()
        await self._tasks.finish()
        await self._devices.stop()
        await self._schedule.stop()
        await self._expiry.stop()
        await self._contacts.stop()
        await self._exchange.stop()
        for room in self._rooms.values():
            await room.stop()
        await self._devices.close()
        await self._searching.stop()
        self.hub.close(CoreStopped("Covey's core has ended."))
        await self._around.corestore.close()
        await asyncio.to_thread(self._profile.close)

    async def profile(self) -> ProfileSnapshot:
        """Who this profile is."""
        return ProfileSnapshot(
            name=self._devices.name,
            identity_key=self._profile.identity_key.hex(),
            device_key=self._profile.device.public_key.hex(),
            path=str(self._profile.folder),
            warning=self._devices.warning or self._profile.warning,
        )

    async def network(self) -> NetworkSnapshot:
        """The truth about the connection to the network."""
        return self._exchange.network_snapshot()

    async def rooms(self) -> list[RoomSnapshot]:
        """Every room, the one with the newest message first."""
        found = [room.snapshot() for room in self._rooms.values() if not room.left]
        found.sort(
            key=lambda room: room.last_message.sent_at if room.last_message else 0,
            reverse=True,
        )
        return found

    async def members(self, room: str) -> list[MemberSnapshot]:
        """Everybody in a room, owners first."""
        return self._find(room).members()

    async def create_room(self, name: str, *, kind: str = "group") -> RoomSnapshot:
        """Make a room with this profile as its owner.

        Raises:
            UserFacingError: ``bad-name``, ``unknown-kind``, ``too-many``, ``disk``.
        """
        if kind not in KIND_WORDS:
            raise UserFacingError(
                "unknown-kind", f"There is no kind {kind}: use {', '.join(KIND_WORDS)}."
            )
        return (await self._begin_room(name, KIND_WORDS[kind])).snapshot()

    async def _begin_room(self, name: str, kind: Kind) -> Room:
        name = profiles.clean_name(name)
        self._require_space()
        room_key = self._entropy(keys.ROOM_KEY_BYTES)
        founder = self._profile.device.public_key
        now_ms = self._now_ms()
        found = Found(kind, name, self._profile.name, self._profile.proof)
        fresh = NewRoom(
            room=keys.room_id(room_key, founder),
            key=room_key,
            founder=founder,
            name=name,
            kind=kind.word,
            joined_at=now_ms,
        )

        async def keep() -> Room:
            # The room begins with its first block: without it there is none.
            block = EpochSeal(room_key, fresh.room).seal(
                encode_entry(now_ms, (), encode_operation(Operation(now_ms, found))),
                writer=founder,
                sequence=0,
                entropy=self._entropy,
            )
            device = self._profile.device
            await found_log(self._around.corestore, device, fresh, block)
            return await self._add_room(await self._store_room(fresh))

        return await self._owned(keep())

    async def invite(
        self,
        room: str,
        *,
        role: str = "member",
        expires_ms: int | None = None,
        uses: int | None = None,
        approval: bool = False,
    ) -> str:
        """Make an invite and return its link.

        Args:
            room: Which room.
            role: ``reader``, ``member``, ``moderator`` or ``admin``.
            expires_ms: How long it holds, in milliseconds; a day when None.
            uses: How many people it lets in; one when None, 0 for any number.
            approval: A person decides about each newcomer: see ``requests``.

        Raises:
            UserFacingError: ``unknown-role``, ``not-allowed``, ``bad-invite-options``.
        """
        return await self._exchange.invite(
            self._find(room),
            role=role,
            expires_ms=expires_ms,
            uses=uses,
            approval=approval,
        )

    async def revoke(self, link: str) -> None:
        """Let an invite let nobody in any more.

        Raises:
            UserFacingError: ``bad-invite``, ``unknown-room``, ``not-allowed``.
        """
        read = invitations.decode_link(link)
        moderation = self._find(read.room.hex()).moderation
        await moderation.close_invite(read.key_pair.public_key)

    async def invite_code(self, link: str) -> str:
        """The QR code of an invite link, an SVG picture; raises like ``join``."""
        return svg_code(link)

    async def requests(self, room: str) -> list[RequestSnapshot]:
        """Who waits to be let into a room by a person, oldest first."""
        found = self._find(room)
        return [
            RequestSnapshot(
                id=newcomer.id.hex(),
                room=found.id,
                name=newcomer.name,
                identity_key=newcomer.identity.hex(),
                role=newcomer.role.word,
            )
            for newcomer in self._exchange.pending(found)
        ]

    async def approve(self, room: str, id: str) -> None:
        """Let in who waits.

        Args:
            room: Which room.
            id: That of ``requests``, its beginning, or a name that one of them has.

        Raises:
            UserFacingError: ``unknown-request``, or why the invite does not hold.
        """
        found = self._find(room)
        await self._exchange.approve(found, self._request_id(found, id))

    async def deny(self, room: str, id: str) -> None:
        """Decline who waits; see ``approve``."""
        found = self._find(room)
        self._exchange.deny(found, self._request_id(found, id))

    async def join(self, link: str, *, timeout_s: float | None = None) -> RoomSnapshot:
        """Join a room by its invite link; returns once a member let this profile in.

        Raises:
            UserFacingError: ``bad-invite``, ``expired-invite``, ``used-invite``,
                ``unknown-invite``, ``closed-invite``, ``room-full``, ``declined``;
                ``nobody-online`` or ``waiting-approval`` after the time: what was asked
                is answered meanwhile, so join again later; ``no-network``.
        """
        read = invitations.decode_link(link)
        known = self._rooms.get(read.room)
        if known is not None and not known.left and known.is_known:
            return known.snapshot()
        if known is None:
            self._require_space()
        admitted = await self._exchange.ask(read, timeout_s=timeout_s)
        room = await self._owned(self._keep(read, admitted))
        await self._exchange.first_sync(room, again=read if known else None)
        room.publish_changed()
        return room.snapshot()

    async def leave(self, room: str) -> None:
        """Leave a room and forget it, once another member knows."""
        found = self._find(room)
        self._devices.room_leaving(found.row.room)
        try:
            told = await found.say_farewell()
        except UserFacingError:
            self._devices.room_kept(found.row.room)
            raise
        row = found.row.row
        left_at = self._now_ms()
        with explained():
            await asyncio.wrap_future(
                self._profile.database.write(
                    lambda connection: stored_rooms.set_left(connection, row, left_at)
                )
            )
        self._searching.room_left(found.row.room)
        self.hub.publish(RoomLeft(found.id))
        await self._devices.room_left(found.row.room)
        alone = not any(
            m.present and m.identity != self._profile.identity_key
            for m in found.facts.members.values()
        )
        if alone or not told:
            await self._forget(found)

    async def delivery(self, room: str, id: str) -> DeliverySnapshot:
        """Which members' devices hold a message, of whomever, and who brings it on.

        Raises:
            UserFacingError: ``unknown-message``.
        """
        return await self._find(room).receipts.delivery(id)

    async def search(
        self,
        query: str,
        *,
        room: str | None = None,
        author: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        has_file: bool | None = None,
        limit: int = 50,
        before: int | None = None,
        best: bool = False,
    ) -> list[SearchHit]:
        """Find messages, the newest first.

        Args:
            query: Words that must all be there, "phrases" too; the last word may be
                unfinished. When empty the rest alone decides.
            room: Only there; in all rooms when None.
            author: Only what somebody of that name, or identity key, wrote.
            since_ms: Only what was sent then or later.
            until_ms: Only what was sent before.
            has_file: True for messages with a file only.
            limit: At most this many, and never more than 200; fewer when their text
                is large.
            before: The cursor of a hit of the same search, to go on behind it; there
                is nothing more when nothing comes.
            best: Those that fit best among the newest 10,000 first.

        Raises:
            UserFacingError: ``unknown-room``, ``unknown-member``,
                ``search-unavailable``.
        """
        if room is None:
            asked = [known for known in self._rooms.values() if not known.left]
        else:
            asked = [self._find(room)]
        wanted = SearchQuery(
            query,
            rooms=() if room is None else (asked[0].row.room,),
            authors=(
                ()
                if author is None
                else author_keys((known.facts for known in asked), author)
            ),
            since_ms=since_ms,
            until_ms=until_ms,
            has_file=bool(has_file),
        )
        listed = {known.row.room: known.row.row for known in asked}
        found = await self._searching.search(
            wanted, listed, limit=limit, before=before, best=best
        )
        rooms = {known.row.room: known for known in asked}
        hits = []
        for one in found:
            known = rooms[one.room]
            name = known.facts.name or known.row.name
            hits.append(search_hit(known.message(one.message), name, one))
        return hits

    async def search_is_whole(self) -> bool:
        """False while the search index is being built: there may be more to find."""
        return self._searching.is_whole

    async def audit(self, room: str, file: str) -> dict[str, Any]:
        """Write every administrative act of a room, with its proofs, into a new file.

        Args:
            room: Which room.
            file: The file's absolute path.

        Raises:
            UserFacingError: ``file-exists``, ``file``, ``audit-incomplete``,
                ``too-large``, ``disk``.
        """
        # Seldom asked for: a start need not wait for it.
        from app.audit.source import export_room

        return await export_room(self._find(room), self._around, file)

    def events(self) -> AsyncIterator[Event]:
        """What changes from this call on; ends with ``CoreStopped``."""
        return self.hub.subscribe()

    async def recovery_phrase(self) -> str:
        """The 24 words; whoever has them is this person.

        Raises:
            UserFacingError: ``no-phrase``: another device linked this one.
        """
        if not self._profile.phrase:
            raise UserFacingError(
                "no-phrase",
                "The words are on the device that you began with, or on paper.",
            )
        return self._profile.phrase

    async def doctor(self) -> dict[str, Any]:
        """Facts about network, clock and profile, and one sentence of verdict."""
        return await examine(
            network=self._exchange.network_snapshot(),
            reachability=await self._exchange.facts(),
            database=self._profile.database,
            now_ms=self._now_ms(),
        )

    def _publish(self, event: Event) -> None:
        """Tell clients of a room's event, and the search where to look."""
        self.hub.publish(event)
        self._expiry.heard(event)
        if isinstance(event, MessageStored):
            self._searching.content_changed(bytes.fromhex(event.message.room))
            self._devices.content_changed(bytes.fromhex(event.message.room))
        elif isinstance(event, DeviceForked) and event.rewritten:
            # The numbers by which the index goes on are others' now.
            self._searching.room_left(bytes.fromhex(event.room))
            self._searching.content_changed(bytes.fromhex(event.room))
        elif isinstance(event, MembersChanged):
            self._devices.look()
        elif isinstance(event, MessagesChanged):
            self._searching.content_changed(bytes.fromhex(event.room))

    def _contacts_changed(self) -> None:
        self.hub.publish(ContactsChanged())
        self._devices.look()

    def publish_network(self) -> None:
        """Tell clients how the network is now."""
        self.hub.publish(NetworkChanged(self._exchange.network_snapshot()))

    @property
    def folder(self) -> Path:
        """The profile's folder."""
        return self._profile.folder

    def _require_space(self) -> None:
        if len(self._rooms) >= MAX_ROOMS:
            raise UserFacingError(
                "too-many", f"A profile has at most {MAX_ROOMS} rooms: leave one first."
            )

    async def _add_room(self, row: RoomRow) -> Room:
        room = Room(row, self._around)
        await room.load()
        self._rooms[row.room] = room
        self._exchange.add_room(room)
        self._devices.watch(room)
        self._searching.content_changed(row.room)
        return room

    async def follow_room(self, fresh: NewRoom) -> None:
        """See ``devices.Host``."""
        async with self._changing:
            known = self._rooms.get(fresh.room)
            if (known is not None and not known.left) or len(self._rooms) >= MAX_ROOMS:
                return
            row = await self._store_room(fresh)
            if known is not None:
                self._exchange.remove_room(known)
                await known.stop()
            room = await self._add_room(row)
        room.publish_changed()

    async def drop_room(self, room: Room) -> None:
        """See ``devices.Host``."""
        self._searching.room_left(room.row.room)
        self.hub.publish(RoomLeft(room.id))
        await self._forget(room)

    async def keep_row(self, fresh: NewRoom) -> RoomRow:
        """See ``devices.Host``."""
        return await self._store_room(fresh)

    async def _keep(self, link: invitations.Link, admitted: Admitted) -> Room:
        """The room one was let into, as a member's; the one there is, if any."""
        fresh = NewRoom(
            room=link.room,
            key=admitted.room_key,
            founder=admitted.founder,
            name=admitted.name,
            kind=admitted.kind.word,
            joined_at=self._now_ms(),
        )
        async with self._changing:
            known = self._rooms.get(link.room)
            if known is not None and not known.left:
                known.keys_came(admitted.keys)
                self._exchange.open_room(known)
                return known
            row = await self._store_room(fresh, admitted.keys)
            if known is not None:
                self._exchange.remove_room(known)
                await known.stop()
            return await self._add_room(row)

    async def _let_in_late(self, link: invitations.Link, admitted: Admitted) -> None:
        """Enter a room that a link led into when nobody waited any more."""
        if link.room in self._rooms or len(self._rooms) < MAX_ROOMS:
            await self._owned(self._keep(link, admitted))

    async def _store_room(
        self, fresh: NewRoom, later_keys: tuple[bytes, ...] = ()
    ) -> RoomRow:
        """Have a row for a room, its keys, and for this device's log in it."""
        own = self._profile.device.public_key

        def work(connection: Connection) -> RoomRow:
            row = stored_rooms.add_room(connection, fresh)
            stored_rooms.add_keys(connection, row.row, reversed(later_keys))
            stored_rooms.begin_log(
                connection,
                row.row,
                writer=own,
                discovery_key=discovery_key(log_key(own, row.key)),
            )
            return row

        return await asyncio.wrap_future(self._profile.database.write(work))

    async def _owned(self, work: Coroutine[Any, Any, Room]) -> Room:
        """Add a room to the database and here: both, even when the asker gives up."""

        async def whole() -> Room:
            room = await work
            room.publish_changed()
            await self._devices.room_entered(room)
            return room

        with explained():
            return await asyncio.shield(self._tasks.spawn(whole()))

    async def _forget(self, room: Room) -> None:
        """Remove a room with everything in it."""
        async with self._changing:
            if self._rooms.get(room.row.room) is not room:
                return
            del self._rooms[room.row.room]
            self._exchange.remove_room(room)
            row = room.row.row
            with explained():
                await room.purge()
                await asyncio.wrap_future(
                    self._profile.database.write(
                        lambda connection: stored_rooms.forget_room(
                            connection, row, self._profile.device.public_key
                        )
                    )
                )

    def _request_id(self, room: Room, text: str) -> bytes:
        """The id of that beginning among those who wait."""
        ids = [newcomer.id for newcomer in self._exchange.pending(room)]
        found = [id for id in ids if id.hex().startswith(text.lower())]
        if len(text) < MIN_PREFIX or not found:
            waiting = self._exchange.pending(room)
            found = [it.id for it in waiting if it.name == text]
        if not found:
            raise UserFacingError(
                "unknown-request", "Nobody waits to be let in under that name."
            )
        if len(found) > 1:
            raise UserFacingError("ambiguous", "Several wait under that name.")
        return found[0]

    def _find(self, text: str) -> Room:
        """The room of that id, prefix or name."""
        known = [room for room in self._rooms.values() if not room.left]
        lowered = text.lower()
        exact = [room for room in known if room.id == lowered]
        found = exact or [room for room in known if room.name == text]
        if not found and len(lowered) >= MIN_PREFIX:
            found = [room for room in known if room.id.startswith(lowered)]
        if not found:
            raise UserFacingError("unknown-room", f"There is no room {text}.")
        if len(found) > 1:
            raise UserFacingError(
                "ambiguous", f"Several rooms are called {text}: use the room's id."
            )
        return found[0]
