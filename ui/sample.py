"""An invented world behind the core's interface, for the gallery and for tests.

It keeps the promises of :class:`ui.gateway.Core` (a message is stored before ``send``
returns, history comes in pages, events follow every change) with everything in memory
and nobody on the other side. Other people speak through :meth:`SampleCore.hear`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from app.errors import UserFacingError
from app.events import (
    CoreStopped,
    Event,
    MembersChanged,
    MessageDelivered,
    MessagesChanged,
    MessageStored,
    NetworkChanged,
    RoomChanged,
    RoomLeft,
)
from app.snapshots import (
    MemberSnapshot,
    MessageSnapshot,
    NetworkSnapshot,
    PeerSnapshot,
    ProfileSnapshot,
    RoomSnapshot,
)
from ui.bridge import Mailbox, pause
from ui.sample_lookup import SampleLookup
from ui.sample_oneself import SampleOneself
from ui.sample_people import SamplePeople
from ui.sample_rule import LINK as LINK
from ui.sample_rule import SampleRule
from ui.sample_talk import SampleTalk

PHRASE = (
    "legal winner thank year wave sausage worth useful legal winner thank year wave"
    " sausage worth useful legal winner thank year wave sausage worth title"
)


def key_of(name: str) -> str:
    """A key for an invented person, always the same."""
    return hashlib.blake2b(name.encode(), digest_size=32).hexdigest()


@dataclass(slots=True)
class SampleRoom:
    """One invented room."""

    snapshot: RoomSnapshot
    messages: list[MessageSnapshot] = field(default_factory=list)
    members: list[MemberSnapshot] = field(default_factory=list)


class SampleCore(SampleTalk, SampleRule, SamplePeople, SampleLookup, SampleOneself):
    """A core of one process's memory.

    Attributes:
        refusal: When set, everything a person asks for fails with it.
        warning: What the profile says of how its key is kept.
        waits_s: How long ``join`` looks for a member, in seconds.
        sends_wait_s: How long storing a message takes, in seconds.
    """

    def __init__(self, *, name: str, now_ms: int) -> None:
        SampleTalk.__init__(self)
        SampleRule.__init__(self)
        SamplePeople.__init__(self)
        SampleLookup.__init__(self)
        SampleOneself.__init__(self)
        self.me = name
        self.now_ms = now_ms
        self.refusal: UserFacingError | None = None
        self.warning = ""
        self.waits_s = 0.0
        self.sends_wait_s = 0.0
        self.closed = False
        self._rooms: dict[str, SampleRoom] = {}
        self._network = NetworkSnapshot("starting", 0, "unknown", None)
        self._mail = Mailbox()
        self._made_count = 0

    # The interface ------------------------------------------------------------

    async def profile(self) -> ProfileSnapshot:
        """Who this profile is."""
        return ProfileSnapshot(
            self.me,
            key_of(self.me),
            key_of(self.me + " device"),
            "profile",
            warning=self.warning,
        )

    async def network(self) -> NetworkSnapshot:
        """The state last set by :meth:`set_network`."""
        return self._network

    async def rooms(self) -> list[RoomSnapshot]:
        """All rooms."""
        return [room.snapshot for room in self._rooms.values()]

    async def members(self, room: str) -> list[MemberSnapshot]:
        """The members of a room."""
        return list(self._room(room).members)

    async def create_room(self, name: str, *, kind: str = "group") -> RoomSnapshot:
        """Make a room with only ourselves in it."""
        self._refuse()
        return self.add_room(name, kind=kind, people=()).snapshot

    async def join(self, link: str, *, timeout_s: float | None = None) -> RoomSnapshot:
        """Wait a while, then enter a room."""
        del timeout_s
        await pause(self.waits_s)
        self._refuse()
        if link != LINK:
            raise UserFacingError(
                "bad-invite", "This is not an invite link of Covey, or it is damaged."
            )
        return self.add_room("Reading circle", people=("Grace Hopper",)).snapshot

    async def leave(self, room: str) -> None:
        """Forget a room."""
        self._refuse()
        del self._rooms[room]
        self._mail.post(RoomLeft(room))

    async def mark_read(self, room: str) -> None:
        """Count everything as read."""
        self._change(room, unread=0)

    def events(
        self,
    ) -> AsyncIterator[Event]:
        """What happens from now on."""
        return self._mail.events()

    async def recovery_phrase(self) -> str:
        """The words of a published test vector."""
        self._refuse()
        return PHRASE

    async def close(self) -> None:
        """Nobody needs this core any more."""
        self.closed = True

    # The other side -----------------------------------------------------------

    def add_room(
        self, name: str, *, kind: str = "group", people: tuple[str, ...] = ()
    ) -> SampleRoom:
        """Put a room into the world, with these people besides ourselves."""
        self._made_count += 1
        room_id = key_of(f"{name} {self._made_count}")
        role = "reader" if kind == "broadcast" and people else "member"
        members = [
            MemberSnapshot(
                key_of(self.me), self.me, role if people else "admin", 1, True, me=True
            ),
            *(
                MemberSnapshot(
                    key_of(person), person, "member" if at else "admin", 1, False
                )
                for at, person in enumerate(people)
            ),
        ]
        room = SampleRoom(
            RoomSnapshot(
                room_id,
                name,
                kind,
                unread=0,
                members=len(members),
                peers=0,
                can_write=role != "reader",
            ),
            members=members,
        )
        self._rooms[room_id] = room
        self._mail.post(RoomChanged(room.snapshot))
        return room

    def hear(
        self,
        room: str,
        author: str,
        text: str,
        *,
        at_ms: int | None = None,
        **more: object,
    ) -> MessageSnapshot:
        """Somebody else wrote; ``more`` are further fields of the message."""
        message = self._store(room, author, text, at_ms=at_ms, **more)
        self._change(room, unread=self._room(room).snapshot.unread + 1)
        return message

    def say(
        self,
        room: str,
        text: str,
        *,
        at_ms: int | None = None,
        held_by: int = 0,
        **more: object,
    ) -> MessageSnapshot:
        """We wrote, earlier; that many devices hold it."""
        message = self._store(room, self.me, text, at_ms=at_ms, **more)
        if held_by:
            self.deliver(room, message.id, held_by)
        return message

    def deliver(self, room: str, message_id: str, held_by: int) -> None:
        """So many devices hold an own message now."""
        held = self._room(room)
        for at, message in enumerate(held.messages):
            if message.id == message_id:
                held.messages[at] = replace(message, delivered_to=held_by)
                self._mail.post(MessageDelivered(room, message_id, held_by))

    def change(self, room: str, message_id: str, **changes: object) -> None:
        """A message looks different now."""
        held = self._room(room)
        held.messages[:] = [
            replace(it, **changes)  # type: ignore[arg-type]
            if it.id == message_id
            else it
            for it in held.messages
        ]
        self._mail.post(MessagesChanged(room, (message_id,)))

    def vanish(self, room: str, message_id: str) -> None:
        """A message disappeared."""
        held = self._room(room)
        held.messages[:] = [it for it in held.messages if it.id != message_id]
        self._mail.post(MessagesChanged(room, (message_id,)))

    def connect(self, room: str, *people: str) -> None:
        """These members are connected now, and no others."""
        held = self._room(room)
        held.members = [
            replace(member, online=member.me or member.name in people)
            for member in held.members
        ]
        self._change(room, peers=len(people))
        self._mail.post(MembersChanged(room))

    def set_network(self, network: NetworkSnapshot) -> None:
        """The connection changed."""
        self._network = network
        self._mail.post(NetworkChanged(network))

    def end(self, sentence: str) -> None:
        """The core ends by itself."""
        self._mail.post(CoreStopped(sentence))
        self._mail.post(None)

    def _store(
        self,
        room: str,
        author: str,
        text: str,
        *,
        at_ms: int | None = None,
        **more: object,
    ) -> MessageSnapshot:
        self._made_count += 1
        message = MessageSnapshot(
            id=key_of(f"message {self._made_count}"),
            room=room,
            author=key_of(author),
            author_name=author,
            text=text,
            sent_at=self.now_ms if at_ms is None else at_ms,
            mine=author == self.me,
            **more,  # type: ignore[arg-type]
        )
        self._room(room).messages.append(message)
        told = self._seen(room)[-1]
        self._mail.post(MessageStored(told))
        self._change(room, last_message=told)
        return told

    def _change(self, room: str, **changes: object) -> None:
        held = self._room(room)
        held.snapshot = replace(held.snapshot, **changes)  # type: ignore[arg-type]
        self._mail.post(RoomChanged(held.snapshot))

    def _room(self, room: str) -> SampleRoom:
        if room not in self._rooms:
            raise UserFacingError("no-room", "There is no such room in this profile.")
        return self._rooms[room]

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal


class SampleGateway:
    """Leads to one :class:`SampleCore`.

    Attributes:
        exists: Whether the profile is there from the start.
        passphrase: What unlocks it, if anything has to.
        refusal: When set, the core cannot be opened.
        waits_s: How long opening takes, in seconds.
    """

    def __init__(self, core: SampleCore, *, exists: bool = True) -> None:
        self.core = core
        self.exists = exists
        self.passphrase: str | None = None
        self.refusal: UserFacingError | None = None
        self.waits_s = 0.0
        self.restored_from: str | None = None

    def profile_exists(self) -> bool:
        """Whether nothing has to be asked."""
        return self.exists

    async def open(self, *, passphrase: str | None = None) -> SampleCore:
        """Give the core out, to those who know the passphrase."""
        await pause(self.waits_s)
        if self.refusal is not None:
            raise self.refusal
        if self.passphrase is not None and passphrase != self.passphrase:
            code = "passphrase-needed" if passphrase is None else "wrong-passphrase"
            raise UserFacingError(
                code, "The passphrase is not this profile's; nothing was changed."
            )
        return self.core

    async def create(self, name: str, *, phrase: str | None = None) -> SampleCore:
        """Take the name on and give the core out."""
        await pause(self.waits_s)
        if self.refusal is not None:
            raise self.refusal
        self.core.me, self.exists, self.restored_from = name, True, phrase
        return self.core


def online(*peers: PeerSnapshot) -> NetworkSnapshot:
    """A network that is reached, with these peers."""
    return NetworkSnapshot("online", 214, "consistent", "203.0.113.24:51820", peers)


def peer(
    name: str, path: str, address: str, rtt_ms: float | None, traffic: int = 0
) -> PeerSnapshot:
    """An invented connection."""
    return PeerSnapshot(
        key_of(name + " device"), name, path, address, rtt_ms, traffic, traffic // 3
    )
