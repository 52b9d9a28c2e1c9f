"""The devices of one person: what they share, and how each follows the others.

``Devices`` belongs to the messenger and lives on the network's loop. It keeps the
personal room, writes into it what this device changes, and brings about here what the
others wrote: rooms joined and left, what was read, who belongs to this person. In every
room it lets the person's other devices in and puts revoked ones out, whoever of them is
first to know. Linking stands in ``app/devices/linking.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from app.devices import linking, pairing
from app.devices.faces import SETTING, Face, face_of
from app.devices.founding import ROOM_NAME, found_personal_room
from app.devices.pairing import Handover, LinkRequest
from app.devices.people import Contacts, People
from app.devices.records import (
    RECORD,
    DeviceRecord,
    ReadRecord,
    Record,
    Records,
    RoomLeftRecord,
    RoomRecord,
    SettingRecord,
    decode_record,
    encode_record,
)
from app.errors import UserFacingError
from app.events import DevicesChanged, Event
from app.faults import explained
from app.identity import attest_device, verify_proof
from app.network import Network
from app.profile import Profile, adopt, clean_name
from app.rooms import proposals
from app.rooms.blocks import log_key
from app.rooms.exchange import Exchange
from app.rooms.keys import room_id
from app.rooms.operations import AddDevice, Body
from app.rooms.roles import Kind
from app.rooms.room import Room, Surroundings
from app.rooms.view import RoomView
from app.snapshots import DeviceSnapshot
from app.tasks import Tasks
from net.crypto import discovery_key
from net.errors import RemoteProtocolError
from store import personal
from store import rooms as stored_rooms
from store.errors import StoreError
from store.rooms import NewRoom, RoomRow

_LOG = logging.getLogger("covey.devices")

MAX_CHAIN = 4
"""Links of the longest proof that is handed over: more would not fit its record."""
MIN_PREFIX = 4
"""Letters of a key that name a device."""


class Host(Protocol):
    """What the messenger does with its rooms."""

    async def follow_room(self, fresh: NewRoom) -> None:
        """Enter a room that this person is in on another device."""

    async def drop_room(self, room: Room) -> None:
        """Forget a room that this person left on another device."""

    async def keep_row(self, fresh: NewRoom) -> RoomRow:
        """Have a row for a room, and for this device's log in it."""


class Devices:
    """This person's devices, seen from one of them.

    Attributes:
        room: The personal room; None until ``start``, and while nobody's.
        records: What the devices have told each other.
    """

    def __init__(
        self,
        around: Surroundings,
        network: Network | None,
        exchange: Exchange,
        rooms: dict[bytes, Room],
        host: Host,
    ) -> None:
        """Know nothing yet; ``start`` first.

        Args:
            around: Profile, clock, entropy and events.
            network: None to stay alone.
            exchange: Connects rooms and people.
            rooms: The messenger's, by id.
            host: Enters and forgets rooms.
        """
        self.room: Room | None = None
        self.records = Records()
        self._around = around
        self._network = network
        self._exchange = exchange
        self._rooms = rooms
        self._host = host
        self._desk = linking.LinkDesk(exchange.doors, self._vouch, around.entropy)
        self._tasks = Tasks(_LOG, "devices could not follow each other")
        self._due = False
        self._running = False
        self._stopped = False
        self._to_read: set[bytes] = set()
        self._entering: set[bytes] = set()
        self._leaving: set[bytes] = set()
        self._reading = asyncio.Lock()
        self._doubted = False
        self._news = True
        self._people: People | None = None
        self._shown: dict[bytes, Face] = {}

    @property
    def profile(self) -> Profile:
        """This device's."""
        return self._around.profile

    @property
    def own(self) -> bytes:
        """This device's key."""
        return self.profile.device.public_key

    @property
    def revoked(self) -> bool:
        """True when another device of this person put this one out."""
        if self.room is None:
            return False
        fact = self.room.facts.devices.get(self.own)
        return fact is not None and not fact.present

    def is_personal(self, row: RoomRow) -> bool:
        """True for the room that this person's devices share."""
        return row.founder == self.profile.personal_founder

    @property
    def name(self) -> str:
        """What others see of this person."""
        return self.profile.name

    async def set_face(self, name: str | None, picture: bytes | None) -> None:
        """Be seen otherwise, in all rooms and from all devices.

        Args:
            name: None to keep it.
            picture: None to keep it, empty for none.

        Raises:
            UserFacingError: ``bad-name``, ``revoked``, ``not-a-member``, ``disk``.
        """
        self._require_right()
        before = face_of(self.records) or Face(self.profile.name)
        face = Face(
            before.name if name is None else clean_name(name),
            before.picture if picture is None else picture,
        )
        await self.say(SettingRecord(SETTING, face.encode()))
        with explained():
            await self.profile.rename(face.name)
        for known in tuple(self._rooms.values()):
            await self._show_face(known)

    async def _show_face(self, known: Room) -> None:
        """Let a room see this person as the devices agreed on."""
        face = face_of(self.records)
        id = known.row.room
        if face is None or known.left or not known.is_member:
            return
        if self._shown.get(id) == face:
            return
        try:
            await known.write_if(face.act)
        except UserFacingError as error:
            _LOG.info("a room could not be told of a name: %s", error.code)
            return
        self._shown[id] = face

    def follow_contacts(self, contacts: Contacts) -> None:
        """Level contacts with those of the other devices from now on.

        Args:
            contacts: Of this device, started; ``look`` when they change.
        """
        self._people = People(contacts, self._try)
        if self.room is not None:
            self.look()

    async def start(self, rows: Iterable[RoomRow]) -> None:
        """Open the personal room, founded when there is none.

        Args:
            rows: All rooms that are stored.
        """
        profile = self.profile
        if profile.awaits_link:
            return
        row = next((it for it in rows if self.is_personal(it)), None)
        if row is None:
            row = await self._found()
        await self._begin_founder(row)
        # What a room's logs say of it is not there before its first block is.
        row = replace(row, kind=Kind.PERSONAL.word)
        around = replace(self._around, publish=self._happened)
        room = self.room = Room(row, around)
        await room.load()
        heard = room.logs.on_head

        def on_head(writer: bytes, *, quiet: bool = False) -> None:
            heard(writer, quiet=quiet)
            self._news = True
            self.look()

        room.logs.on_head = on_head
        room.on_dismissed = self._dismissed
        try:
            await self._enter(room)
        except UserFacingError as error:
            # The disk may be full: all else works meanwhile.
            _LOG.error("this device could not show itself: %s", error.code)
        self._exchange.add_room(room)
        self.look()

    async def _found(self) -> RoomRow:
        """Keep the personal room, with its first block if the words are here."""
        profile = self.profile
        key, founder = profile.personal_key, profile.personal_founder
        if profile.phrase:
            await found_personal_room(self._around.corestore, profile.phrase)
        return await self._host.keep_row(
            NewRoom(
                room=room_id(key, founder),
                key=key,
                founder=founder,
                name=ROOM_NAME,
                kind=Kind.PERSONAL.word,
                joined_at=self._around.now_ms(),
            )
        )

    async def _begin_founder(self, row: RoomRow) -> None:
        """Look for the founder's block from the start: nothing else leads to it."""
        name = discovery_key(log_key(row.founder, row.key))
        await asyncio.wrap_future(
            self.profile.database.write(
                lambda connection: stored_rooms.begin_log(
                    connection, row.row, writer=row.founder, discovery_key=name
                )
            )
        )

    async def stop(self) -> None:
        """Let the work in hand end."""
        self._stopped = True
        await self._desk.stop()
        await self._tasks.finish()

    async def close(self) -> None:
        """Close the personal room, once the network is left."""
        if self.room is not None:
            await self.room.stop()

    # what a person asks

    def list(self) -> list[DeviceSnapshot]:
        """Every device of this person, revoked ones too, the oldest first."""
        room = self._require()
        found = []
        for record in self.records.devices.values():
            fact = room.facts.devices.get(record.device)
            mine = record.device == self.own
            found.append(
                DeviceSnapshot(
                    key=record.device.hex(),
                    name=record.name,
                    added_at=record.added_ms,
                    online=mine or record.device in room.online,
                    me=mine,
                    revoked=fact is not None and not fact.present,
                )
            )
        return sorted(found, key=lambda it: (it.added_at, it.key))

    def link(self) -> str:
        """Make a link by which one other device becomes this person's.

        Raises:
            UserFacingError: ``revoked``, ``not-a-member``, ``no-network``,
                ``not-allowed``: too many devices stand between this and the first.
        """
        self._require_right()
        if self._network is None:
            raise UserFacingError("no-network", "The network cannot be used.")
        return self._desk.make(self._around.now_ms()).encode()

    async def wait_linked(self, link: str) -> DeviceSnapshot:
        """Wait until a device came by a link; raises ``expired-link``."""
        key = await self._desk.wait(pairing.decode_device_link(link))
        return next(it for it in self.list() if it.key == key.hex())

    async def join(self, link: str, *, timeout_s: float | None = None) -> Handover:
        """Become a device of who made a link; then open the profile anew.

        Raises:
            UserFacingError: ``bad-link``, ``not-fresh``, ``expired-link``,
                ``nobody-online``, ``no-network``, ``disk``.
        """
        read = pairing.decode_device_link(link)
        if not self.profile.awaits_link:
            raise UserFacingError(
                "not-fresh",
                "This profile is somebody already: link a device that is new.",
            )
        if self._network is None:
            raise UserFacingError("no-network", "The network cannot be used.")
        limit_s = linking.JOIN_LIMIT_S if timeout_s is None else timeout_s
        handover = await linking.ask_who_i_am(
            read,
            self.profile,
            self._network,
            self._exchange.doors,
            entropy=self._around.entropy,
            limit_s=limit_s,
        )
        await asyncio.to_thread(
            adopt,
            self.profile,
            name=handover.name,
            proof=handover.proof,
            room_key=handover.room_key,
            founder=handover.founder,
        )
        return handover

    async def revoke(self, text: str) -> None:
        """Put a device out of everything, for ever.

        Args:
            text: Its key, a prefix of it, or its exact name.

        Raises:
            UserFacingError: ``unknown-device``, ``ambiguous``, ``not-allowed``,
                ``disk``.
        """
        room = self._require_right()
        key = self._find(text)
        await room.write(lambda view: proposals.device_removal(view, key))
        await room.turning.turn()
        for known in tuple(self._rooms.values()):
            await self._put_out(known, key)
        self._around.publish(DevicesChanged())

    async def say(self, record: Record) -> None:
        """Tell the other devices something.

        Raises:
            UserFacingError: ``not-a-member``, ``revoked``, ``disk``.
        """
        room = self._require()
        await room.say(encode_record(record))
        await self._read_records()

    @property
    def warning(self) -> str:
        """What the person must know of this device, else empty."""
        if self.revoked:
            return "Another of your devices has revoked this one: it hears nothing new."
        if self._doubted:
            return (
                "Another of your devices says that this one is revoked: it tells it"
                " nothing any more."
            )
        return ""

    # what happens here

    def watch(self, room: Room) -> None:
        """Hear what a person reads in a room here."""
        room.on_read = lambda up_to: self._read_here(room, up_to)
        id = room.row.room
        self._leaving.discard(id)
        if isinstance(self.records.rooms.get(id), RoomLeftRecord):
            # Come back to: what was said of leaving it is over once that is told.
            self._entering.add(id)

    async def room_entered(self, room: Room) -> None:
        """This person entered a room on this device."""
        row = room.row
        kind = room.facts.kind
        name = room.facts.name or row.name
        if await self._try(RoomRecord(row.room, row.key, row.founder, kind, name)):
            self._entering.discard(row.room)
        self.look()

    def room_leaving(self, room: bytes) -> None:
        """This person begins to leave a room here: it is not entered again by that.

        Others may hear of it, and the room be forgotten, before ``room_left``.
        """
        self._leaving.add(room)

    def room_kept(self, room: bytes) -> None:
        """Nothing came of leaving."""
        self._leaving.discard(room)

    async def room_left(self, room: bytes) -> None:
        """This person left a room on this device."""
        if await self._try(RoomLeftRecord(room)):
            self._leaving.discard(room)

    def content_changed(self, room: bytes) -> None:
        """Messages came in a room: they may have been read elsewhere."""
        if room in self.records.reads:
            self._to_read.add(room)
            self.look()

    def look(self) -> None:
        """See soon what must follow from what the devices told each other."""
        if self.room is None:
            return
        self._due = True
        if not self._running and not self._stopped:
            self._running = True
            self._tasks.spawn(self._follow())

    def _happened(self, event: Event) -> None:
        """Something changed in the personal room."""
        del event
        self._news = True
        self._around.publish(DevicesChanged())
        self.look()

    # inside

    def _dismissed(self, device: bytes) -> None:
        """One of this person's devices parted: nobody leaves this room otherwise."""
        _LOG.warning("device %s says that this one is revoked", device.hex()[:8])
        self._doubted = True
        self._around.publish(DevicesChanged())

    def _read_here(self, room: Room, up_to: bytes | None) -> None:
        if self.room is not None and not self._stopped:
            self._tasks.spawn(self._tell_read(room, up_to))

    async def _tell_read(self, room: Room, up_to: bytes | None) -> None:
        row, id = room.row.row, room.row.room
        place = await room.read(lambda it: personal.place_of(it, row, up_to))
        known = self.records.reads.get(id)
        if place is not None and (known is None or known < place):
            await self._try(ReadRecord(id, place))

    def _require(self) -> Room:
        if self.room is None:
            raise UserFacingError(
                "not-linked", "This profile is nobody's yet: link it to a device."
            )
        return self.room

    def _require_right(self) -> Room:
        room = self._require()
        if self.revoked:
            raise UserFacingError(
                "revoked", "Another of your devices has revoked this one."
            )
        if not room.is_member:
            raise UserFacingError(
                "not-a-member", "This device has not heard of your others yet."
            )
        return room

    def _find(self, text: str) -> bytes:
        known = self.records.devices.values()
        lowered = text.lower()
        found = [it.device for it in known if it.name == text]
        if len(lowered) >= MIN_PREFIX:
            found += [it.device for it in known if it.device.hex().startswith(lowered)]
        if not found:
            raise UserFacingError(
                "unknown-device", f"None of your devices is called {text}."
            )
        if len(set(found)) > 1:
            raise UserFacingError(
                "ambiguous", f"Several devices are called {text}: use the key."
            )
        return found[0]

    async def _vouch(self, request: LinkRequest) -> Handover:
        """Let a device in everywhere; see ``linking.Vouch``."""
        room = self._require_right()
        profile = self.profile
        if len(profile.proof.chain) >= MAX_CHAIN:
            raise UserFacingError(
                "not-allowed", "Link it from one of your older devices."
            )
        proof = attest_device(profile.proof, profile.device, request.device)
        await room.write(lambda _: AddDevice(proof))
        fact = room.facts.devices.get(request.device)
        if fact is None or not fact.present:
            raise UserFacingError("not-allowed", "This device cannot come in.")
        now_ms = self._around.now_ms()
        await self.say(DeviceRecord(request.device, proof, request.name, now_ms))
        self.look()
        return Handover(
            self.name, proof, profile.personal_key, profile.personal_founder
        )

    async def _try(self, record: Record) -> bool:
        """Tell the other devices; what cannot be told now is told later."""
        if self.room is None or not self.room.is_member:
            return False
        try:
            await self.say(record)
        except (StoreError, UserFacingError) as error:
            _LOG.error("other devices could not be told: %s", error.code)
            return False
        return True

    async def _read_records(self) -> None:
        """Know what was told; of two at once the later one knows more."""
        async with self._reading:
            await self._read_now()

    async def _read_now(self) -> None:
        room = self._require()
        row = room.row.row
        found = []
        for body in await room.read(lambda it: personal.records(it, row, RECORD)):
            try:
                record = decode_record(body)
            except RemoteProtocolError as error:
                _LOG.warning("a device said what cannot be read: %s", error)
                continue
            if record is not None and self._is_true(record):
                found.append(record)
        before, self.records = self.records, Records(found)
        self._to_read.update(
            room
            for room, place in self.records.reads.items()
            if before.reads.get(room) != place
        )
        if before.devices != self.records.devices:
            self._around.publish(DevicesChanged())

    def _is_true(self, record: Record) -> bool:
        if isinstance(record, RoomRecord):
            return record.room == room_id(record.key, record.founder)
        if isinstance(record, DeviceRecord):
            return verify_proof(
                record.proof,
                expected_identity=self.profile.identity_key,
                expected_device=record.device,
            )
        return True

    async def _follow(self) -> None:
        """Bring about here what the devices told each other, until nothing is left."""
        try:
            while self._due and not self._stopped:
                self._due = False
                try:
                    with explained():
                        await self._follow_once()
                except UserFacingError as error:
                    self._news = True
                    _LOG.error("devices could not follow each other: %s", error.code)
        finally:
            self._running = False

    async def _follow_once(self) -> None:
        room = self._require()
        await self._enter(room)
        if self._news:
            # Before it is read: what comes meanwhile is news again.
            self._news = False
            await self._read_records()
        if self.revoked or not room.is_member:
            return
        if (face := face_of(self.records)) is not None:
            await self.profile.rename(face.name)
        await self._show_oneself(room)
        await self._follow_rooms()
        if self._people is not None:
            await self._people.level(self.records)
        for known in tuple(self._rooms.values()):
            if not known.left and known.is_member:
                await self._level(room, known)
                await self._show_face(known)
        to_read, self._to_read = self._to_read, set()
        for id in to_read:
            await self._follow_read(id)

    async def _enter(self, room: Room) -> None:
        """Let this device into the personal room, if the words did not come later."""
        proof = self.profile.proof
        if len(proof.chain) == 1 and not room.logs.length(self.own):
            await room.write(lambda _: AddDevice(proof))

    async def _show_oneself(self, room: Room) -> None:
        """Say who this device is, once.

        Also where another one said it: by what stands in this log the others are found
        by somebody who knows the words and meets this device only.
        """
        known, head = self.records.devices.get(self.own), room.heads.get(self.own)
        if known is not None and head is not None and head.length > 0:
            return
        profile = self.profile
        since_ms = self._around.now_ms() if known is None else known.added_ms
        await self._try(
            DeviceRecord(self.own, profile.proof, profile.device_name, since_ms)
        )

    async def _follow_rooms(self) -> None:
        """Enter and forget rooms as other devices did."""
        for id in tuple(self.records.rooms):
            # As it is by now: others are entered meanwhile.
            record, known = self.records.rooms.get(id), self._rooms.get(id)
            if record is None or id in self._leaving:
                continue
            if isinstance(record, RoomLeftRecord):
                left = known is None or known.left or id in self._entering
                if known is not None and not left:
                    await self._host.drop_room(known)
            elif known is None:
                await self._host.follow_room(
                    NewRoom(
                        room=id,
                        key=record.key,
                        founder=record.founder,
                        name=record.name,
                        kind=record.kind.word,
                        joined_at=self._around.now_ms(),
                    )
                )
        for id, known in tuple(self._rooms.items()):
            told = id in self.records.rooms and id not in self._entering
            if not told and not known.left and known.is_member:
                await self.room_entered(known)

    async def _level(self, room: Room, known: Room) -> None:
        """Let this person's devices into a room, and put revoked ones out."""
        there = known.facts.devices
        for device, record in tuple(self.records.devices.items()):
            fact = room.facts.devices.get(device)
            if fact is None or device == self.own:
                continue
            inside = device in there and there[device].present
            if fact.present and not inside:
                await self._let_in(known, record)
            elif not fact.present and inside:
                await self._put_out(known, device)

    async def _let_in(self, known: Room, record: DeviceRecord) -> None:
        def body(view: RoomView) -> Body | None:
            view.require_member()
            there = view.law.devices.get(record.device)
            if there is not None and (there.revoked or there.inside):
                return None
            return AddDevice(record.proof)

        await self._write(known, body)

    async def _put_out(self, known: Room, device: bytes) -> None:
        def body(view: RoomView) -> Body | None:
            owner = view.law.member_of(device)
            if owner is None or device not in owner.devices:
                return None
            return proposals.device_removal(view, device)

        if known.left or not known.is_member:
            return
        await self._write(known, body)
        if known.facts.stale_epoch:
            await known.turning.turn()

    async def _write(
        self, known: Room, body: Callable[[RoomView], Body | None]
    ) -> bool:
        try:
            return await known.write_if(body) is not None
        except (StoreError, UserFacingError) as error:
            _LOG.info("a room could not be told of a device: %s", error.code)
            return False

    async def _follow_read(self, id: bytes) -> None:
        known, place = self._rooms.get(id), self.records.reads.get(id)
        if known is None or place is None or known.left:
            return
        row = known.row.row
        moved = await asyncio.wrap_future(
            self.profile.database.write(
                lambda it: personal.read_through(it, row, place)
            )
        )
        if moved:
            await known.recount()
