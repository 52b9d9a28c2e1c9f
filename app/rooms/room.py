"""One room on the network's loop: what clients ask of it, and what they are told.

A ``Room`` hands its work to the database's writer thread, where its ``RoomView`` lives,
and keeps what came out of it (facts, acknowledgements) for quick answers. Its logs are
kept by ``RoomLogs``, written through ``Outbox`` and understood through ``Intake``.
Talking to peers is the business of ``app/rooms/exchange.py``, which listens here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from app.errors import UserFacingError
from app.events import (
    Event,
    MembersChanged,
    MessageDelivered,
    MessageStored,
    RoomChanged,
)
from app.faults import explained
from app.profile import Profile
from app.rooms.blocks import LogHead
from app.rooms.facts import MemberFact, RoomFacts
from app.rooms.hearing import Hearing
from app.rooms.intake import Intake
from app.rooms.logs import RoomLogs
from app.rooms.operations import (
    MAX_TEXT_BYTES,
    Acknowledge,
    Admit,
    Body,
    Message,
    Remove,
    SetRole,
)
from app.rooms.outbox import Check, Outbox, Written
from app.rooms.roles import ROLE_WORDS, may_remove, may_set_role, may_write
from app.rooms.view import Applied, RoomView
from app.snapshots import MemberSnapshot, MessageSnapshot, RoomSnapshot
from app.tasks import Tasks
from store import history, rooms
from store.database import Connection
from store.errors import StoreError
from store.history import MessageRow
from store.rooms import RoomRow

if TYPE_CHECKING:
    from store.corestore import Corestore

T = TypeVar("T")

MAX_HISTORY_BYTES = 4 * 1024 * 1024
"""Text given in one answer."""
MIN_REFRESH_S = 60.0
MAX_REFRESH_S = 24 * 3600.0
"""Between two looks whether time alone ended an invite."""

_LOG = logging.getLogger("covey.room")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a room gets from its messenger."""

    profile: Profile
    corestore: Corestore
    entropy: Callable[[int], bytes]
    now_ms: Callable[[], int]
    publish: Callable[[Event], None]


class RoomListener(Protocol):
    """Hears what changed in a room; owned by whoever talks to its peers."""

    def head_changed(self, writer: bytes) -> None:
        """A log is longer here, durably, or is known as forked now."""

    def facts_changed(self, facts: RoomFacts) -> None:
        """Members, devices or invites changed."""


class Room:
    """One room of the profile.

    Attributes:
        row: The room as stored.
        facts: Who is who.
        logs: Its cores.
        online: Devices connected and proven now, by device key.
        listener: Set by whoever talks to peers.
        on_facts: Called after facts changed and everybody was told.
        on_alone: Called when the last connected device has gone.
    """

    def __init__(self, row: RoomRow, surroundings: Surroundings) -> None:
        """Make a room that knows nothing yet; ``load`` it first."""
        self.row = row
        self.facts: RoomFacts
        self.online: dict[bytes, int] = {}
        self.listener: RoomListener | None = None
        self.on_facts: Callable[[], None] | None = None
        self.on_alone: Callable[[], None] | None = None
        self._facts_news = asyncio.Event()
        self._around = surroundings
        self._view: RoomView | None = None
        profile = surroundings.profile
        self.logs = RoomLogs(
            row, profile.device, profile.database, surroundings.corestore
        )
        self._intake = Intake(self.logs, self._transact, surroundings.now_ms)
        self._outbox = Outbox(
            row,
            self.logs,
            self._intake,
            self._transact,
            now_ms=surroundings.now_ms,
            entropy=surroundings.entropy,
        )
        self.logs.on_grown = self._intake.log_grew
        self.logs.on_head = self._head_changed
        self._held: dict[bytes, int] = {}
        self._claims: dict[bytes, int] = {}
        self._recording = False
        self._held_changed = asyncio.Event()
        self._hearing = Hearing(self._say_heard, surroundings.entropy)
        self._unread = 0
        self._last: MessageRow | None = None
        self._tasks = Tasks(None)
        self._refresh_timer: asyncio.TimerHandle | None = None
        self._stopped = False

    @property
    def id(self) -> str:
        """The room's id as clients name it."""
        return self.row.room.hex()

    @property
    def device(self) -> bytes:
        """This device's key: its log is the one written here."""
        return self._around.profile.device.public_key

    @property
    def heads(self) -> dict[bytes, LogHead]:
        """The head of every log here, by writer; only what is durable."""
        return self.logs.heads

    @property
    def left(self) -> bool:
        """True when only the farewell is still due."""
        return self.row.left_at is not None

    @property
    def is_member(self) -> bool:
        """True while this person is a member, as far as known here."""
        me = self.facts.member_of(self.device)
        return me is not None and me.present

    async def wait_member(self) -> None:
        """Wait until this person is a member, as far as known here."""
        while not self.is_member:
            self._facts_news.clear()
            await self._facts_news.wait()

    async def load(self) -> None:
        """Read the room from the database."""
        row = self.row.row

        def look(connection: Connection) -> tuple[Any, ...]:
            return (
                rooms.held_lengths(connection, row, self.device),
                history.counts(connection, row),
            )

        self.facts = await self._transact(
            lambda _, view: view.facts(self._around.now_ms())
        )
        await self.logs.load()
        self.logs.know(self.facts.devices)
        self.logs.derived.update(
            await self._transact(
                lambda _, view: {w: view.length(w) for w in self.logs.derived}
            )
        )
        await self._intake.catch_up()
        self._held, counts = await self._read(look)
        self._unread, self._last = counts.unread, counts.last
        self._arm_refresh()

    async def refresh(self) -> None:
        """Look again which invites are worth waiting for: time ends some."""
        self.facts = await self._transact(
            lambda _, view: view.facts(self._around.now_ms())
        )
        self._arm_refresh()
        if self.on_facts is not None:
            self.on_facts()

    def _arm_refresh(self) -> None:
        if self._refresh_timer is not None:
            self._refresh_timer.cancel()
            self._refresh_timer = None
        until_ms = self.facts.invites_until_ms
        if until_ms is not None and not self._stopped:
            due_s = (until_ms - self._around.now_ms()) / 1000
            self._refresh_timer = asyncio.get_running_loop().call_later(
                min(max(due_s, MIN_REFRESH_S), MAX_REFRESH_S),
                lambda: self._tasks.spawn(self.refresh()),
            )

    async def stop(self) -> None:
        """Let the work in hand end."""
        self._stopped = True
        if self._refresh_timer is not None:
            self._refresh_timer.cancel()
        self._hearing.stop()
        await self._outbox.stop()
        await self._intake.stop()
        await self._tasks.finish()
        await self.logs.close()

    async def purge(self) -> None:
        """Let the work in hand end, and delete what others wrote from the disk.

        Raises:
            StoreError: The disk refused.
        """
        await self._outbox.stop()
        await self._intake.stop()
        await self.logs.purge_others()
        await self.stop()

    def snapshot(self) -> RoomSnapshot:
        """The room's line in the list."""
        me = self.facts.member_of(self.device)
        can_write = me is not None and me.present
        return RoomSnapshot(
            room=self.id,
            name=self.facts.name or self.row.name,
            kind=self.facts.kind.word,
            unread=self._unread,
            members=self.facts.present_count,
            peers=len(self.online),
            can_write=bool(can_write and me and may_write(self.facts.kind, me.role)),
            last_message=self.message(self._last) if self._last else None,
        )

    def members(self) -> list[MemberSnapshot]:
        """Everybody in the room now, owners first."""
        present = [m for m in self.facts.members.values() if m.present]
        present.sort(key=lambda m: (-m.role, m.name.casefold(), m.identity))
        mine = self._around.profile.identity_key
        return [
            MemberSnapshot(
                identity_key=m.identity.hex(),
                name=m.name,
                role=m.role.word,
                devices=len(m.devices),
                online=m.identity == mine or any(d in self.online for d in m.devices),
                me=m.identity == mine,
            )
            for m in present
        ]

    def message(self, row: MessageRow) -> MessageSnapshot:
        """A stored message as clients show it."""
        author = self.facts.member_of(row.device)
        delivered = row.delivered_to
        if row.mine:
            held = sum(length > row.sequence for length in self._held.values())
            delivered = max(delivered, held)
        return MessageSnapshot(
            id=row.id.hex(),
            room=self.id,
            author=author.identity.hex() if author else row.device.hex(),
            author_name=author.name if author else "",
            text=row.text,
            sent_at=row.sent_at,
            mine=row.mine,
            delivered_to=delivered,
            reply_to=row.reply_to.hex() if row.reply_to else None,
        )

    async def send(self, text: str, *, reply_to: str | None = None) -> MessageSnapshot:
        """Write a message; returns once it is durable.

        Raises:
            UserFacingError: ``empty-message``, ``too-large``, ``read-only``,
                ``not-a-member``, ``unknown-message``, ``disk``, ``stored-only``.
        """
        body = Message(_clean_text(text), await self._message_id(reply_to))

        def check(_: Connection, view: RoomView) -> Body:
            view.require_writer()
            return body

        written = await self._write(check, alone=False)
        [row] = [
            row for row in written.applied.written if row.sequence == written.sequence
        ]
        return self.message(row)

    async def history(
        self, *, limit: int = 50, before: str | None = None
    ) -> list[MessageSnapshot]:
        """Messages oldest first, the newest ``limit`` of those before ``before``.

        Fewer are given when their text is larger than ``MAX_HISTORY_BYTES``.
        """
        bound = await self._message_id(before)
        found = await self._read(
            lambda connection: history.page(
                connection, self.row.row, limit=limit, before=bound
            )
        )
        kept: list[MessageSnapshot] = []
        size_bytes = 0
        for row in reversed(found):
            size_bytes += len(row.text.encode())
            if kept and size_bytes > MAX_HISTORY_BYTES:
                break
            kept.append(self.message(row))
        return kept[::-1]

    async def mark_read(self) -> None:
        """Count everything that has arrived as read."""
        if not self._unread:
            return
        row = self.row.row
        with explained():
            await asyncio.wrap_future(
                self._around.profile.database.write(
                    lambda connection: history.mark_read(connection, row)
                )
            )
        await self._recount()
        self.publish_changed()

    async def wait_delivered(self, id: str, *, timeout_s: float | None = None) -> int:
        """Wait until another device holds an own message; returns how many do.

        Raises:
            UserFacingError: ``unknown-message``, ``not-delivered`` after the time.
        """
        key = await self._message_id(id)
        assert key is not None
        found = await self._read(
            lambda connection: history.message(connection, self.row.row, key)
        )
        if found is None or not found.mine:
            raise UserFacingError("unknown-message", "That message is not yours.")
        try:
            async with asyncio.timeout(timeout_s):
                while not (count := self.message(found).delivered_to):
                    self._held_changed.clear()
                    await self._held_changed.wait()
        except TimeoutError:
            raise UserFacingError(
                "not-delivered",
                "The message is stored, but no other device has it yet: it will be"
                " sent when a member is online.",
            ) from None
        return count

    async def set_role(self, member: str, role: str) -> None:
        """Change a member's rank.

        Raises:
            UserFacingError: ``unknown-role``, ``unknown-member``, ``not-allowed``.
        """
        wanted = ROLE_WORDS.get(role)
        if wanted is None:
            raise UserFacingError(
                "unknown-role", f"There is no role {role}: use {', '.join(ROLE_WORDS)}."
            )
        target = self.find_member(member)

        def check(_: Connection, view: RoomView) -> Body:
            actor = view.require_member()
            now = view.state.members[target.identity].role
            if not may_set_role(actor.role, now, wanted):
                raise UserFacingError(
                    "not-allowed", "Your role in this room does not allow that."
                )
            cuts = _lengths(view, target)
            return SetRole(target.identity, wanted, cuts)

        await self._write(check)

    async def kick(self, member: str) -> None:
        """Remove somebody from the room.

        Raises:
            UserFacingError: ``unknown-member``, ``not-allowed``.
        """
        target = self.find_member(member)
        if target.identity == self._around.profile.identity_key:
            raise UserFacingError("not-allowed", "To go yourself, leave the room.")

        def check(_: Connection, view: RoomView) -> Body:
            actor = view.require_member()
            if not may_remove(actor.role, view.state.members[target.identity].role):
                raise UserFacingError(
                    "not-allowed", "Your role in this room does not allow that."
                )
            cuts = _lengths(view, target)
            return Remove(target.identity, cuts)

        await self._write(check)

    async def say_farewell(self) -> bool:
        """Write that this person leaves; False when it was no member any more."""
        identity = self._around.profile.identity_key

        def check(_: Connection, view: RoomView) -> Body:
            view.require_member()
            return Remove(identity, ())

        try:
            await self._write(check)
        except UserFacingError as error:
            if error.code != "not-a-member":
                raise
            return False
        self.row = replace(self.row, left_at=self._around.now_ms())
        return True

    async def write(self, body: Callable[[RoomView], Body]) -> None:
        """Write an operation of the rules; ``body`` checks and makes it in place."""
        await self._write(lambda _, view: body(view))

    async def admit(self, body: Admit) -> str:
        """Let a newcomer in when the invite still holds.

        Returns:
            The verdict of ``RoomView.admission_verdict``; ``open`` when it is written.
        """
        now_ms = self._around.now_ms
        verdict = ""

        def check(_: Connection, view: RoomView) -> Body | None:
            nonlocal verdict
            verdict = view.admission_verdict(body, now_ms=now_ms())
            return body if verdict == "open" else None

        if await self._outbox.write(check) is None:
            return verdict
        again = await self._transact(
            lambda _, view: view.admission_verdict(body, now_ms=now_ms())
        )
        return "open" if again == "yours" else "closed"

    async def record_held(self, device: bytes, length: int) -> None:
        """Remember that another device holds so much of this device's log.

        What is told while something is being remembered goes together, so that nobody
        makes work by telling one block after the other.
        """
        known = max(self._held.get(device, 0), self._claims.get(device, 0))
        if length <= known or device == self.device:
            return
        self._claims[device] = length
        if self._recording:
            return
        self._recording = True
        try:
            while self._claims:
                claims, self._claims = self._claims, {}
                await self._record(claims)
        finally:
            self._recording = False

    async def _record(self, claims: dict[bytes, int]) -> None:
        row, writer = self.row.row, self.device

        def work(connection: Connection) -> None:
            for device, length in claims.items():
                rooms.set_held(
                    connection, row, writer=writer, device=device, length=length
                )

        try:
            with explained():
                await asyncio.wrap_future(self._around.profile.database.write(work))
        except UserFacingError as error:
            # It is so nevertheless, and told again on the next connection.
            _LOG.error("what others hold could not be stored: %s", error.code)
        before = {device: self._held.get(device, 0) for device in claims}
        self._held.update(claims)
        self._held_changed.set()
        for device, length in claims.items():
            await self._tell_delivered(before[device], length)

    def set_online(self, device: bytes, *, online: bool) -> None:
        """Count one connection of a proven device more or less."""
        count = self.online.get(device, 0) + (1 if online else -1)
        if count > 0:
            self.online[device] = count
        else:
            self.online.pop(device, None)
        self._around.publish(MembersChanged(self.id))
        self.publish_changed()
        if not self.online and self.on_alone is not None:
            self.on_alone()

    def publish_changed(self) -> None:
        """Tell clients how the room's line looks now."""
        if not self.left:
            self._around.publish(RoomChanged(self.snapshot()))

    def find_member(self, text: str) -> MemberFact:
        """A present member by identity key, a prefix of it, or exact name.

        Raises:
            UserFacingError: ``unknown-member`` or ``ambiguous``.
        """
        present = [m for m in self.facts.members.values() if m.present]
        found = [m for m in present if m.name == text] or [
            m for m in present if text and m.identity.hex().startswith(text.lower())
        ]
        if not found:
            raise UserFacingError(
                "unknown-member", f"Nobody in this room is called {text}."
            )
        if len(found) > 1:
            raise UserFacingError(
                "ambiguous", f"Several members are called {text}: use the identity key."
            )
        return found[0]

    async def _tell_delivered(self, start: int, end: int) -> None:
        """Tell clients of own messages that one more device holds."""
        row = self.row.row
        newest = await self._read(
            lambda connection: history.own_between(
                connection, row, self.device, start, end
            )
        )
        for found in newest:
            count = self.message(found).delivered_to
            event = MessageDelivered(self.id, found.id.hex(), count)
            if not self.left:
                self._around.publish(event)

    async def _message_id(self, text: str | None) -> bytes | None:
        if text is None:
            return None
        unknown = UserFacingError(
            "unknown-message", f"There is no message {text} here."
        )
        try:
            prefix = bytes.fromhex(text[: len(text) // 2 * 2])
        except ValueError:
            raise unknown from None
        if not 2 <= len(prefix) <= 32:
            raise unknown
        found = await self._read(
            lambda connection: history.ids_with_prefix(connection, self.row.row, prefix)
        )
        matching = [id for id in found if id.hex().startswith(text.lower())]
        if len(matching) != 1:
            raise unknown
        return matching[0]

    async def _write(self, check: Check, *, alone: bool = True) -> Written:
        """Write what a check makes, for a person."""
        with explained():
            written = await self._outbox.write(check, alone=alone)
        assert written is not None, "the check makes an operation, or says why not"
        return written

    def _head_changed(self, writer: bytes) -> None:
        """There is more of a log that peers may know, or it is frozen."""
        if self.listener is not None:
            self.listener.head_changed(writer)

    async def _transact(self, work: Callable[[Connection, RoomView], T]) -> T:
        """Run work on the view in the writer thread; its effect outlives the asker."""
        task = self._tasks.spawn(self._do(work))
        return await asyncio.shield(task)

    async def _do(self, work: Callable[[Connection, RoomView], T]) -> T:
        def in_thread(connection: Connection) -> T:
            if self._view is None:
                self._view = RoomView(self.row, self._around.profile.device)
                self._view.load(connection)
            return work(connection, self._view)

        def undo() -> None:
            self._view = None

        database = self._around.profile.database
        result = await asyncio.wrap_future(database.write(in_thread, undo=undo))
        if isinstance(result, Applied):
            await self._take(result)
        return result

    async def _take(self, applied: Applied) -> None:
        """Keep what a committed transaction did, and tell everybody."""
        if applied.facts is not None:
            self.facts = applied.facts
            self.logs.know(self.facts.devices)
            self._arm_refresh()
        if applied.unheard and self.is_member and not self.left:
            self._hearing.heard(sum(d.present for d in self.facts.devices.values()))
        for row in applied.messages:
            if self._last is None or _order(row) > _order(self._last):
                self._last = row
            self._unread += not row.mine
        if applied.reconsidered:
            await self._recount()
        if not self.left:
            for row in applied.messages:
                self._around.publish(MessageStored(self.message(row)))
            if applied.facts is not None:
                self._around.publish(MembersChanged(self.id))
            if applied.messages or applied.facts is not None:
                self.publish_changed()
        if applied.facts is not None:
            if self.listener is not None:
                self.listener.facts_changed(applied.facts)
            self._facts_news.set()
            if self.on_facts is not None:
                self.on_facts()

    def _say_heard(self) -> None:
        self._tasks.spawn(self._acknowledge())

    async def _acknowledge(self) -> None:
        """Say what was heard, unless something else said it meanwhile."""

        def check(_: Connection, view: RoomView) -> Body | None:
            view.require_member()
            return Acknowledge() if view.is_unheard else None

        try:
            await self._outbox.write(check)
        except (StoreError, UserFacingError) as error:
            # Whoever speaks next says it too.
            _LOG.info("what was heard could not be acknowledged: %s", error.code)

    async def _recount(self) -> None:
        counts = await self._read(
            lambda connection: history.counts(connection, self.row.row)
        )
        self._unread, self._last = counts.unread, counts.last

    async def _read(self, work: Callable[[Connection], T]) -> T:
        with explained():
            return await asyncio.wrap_future(self._around.profile.database.read(work))


def _order(row: MessageRow) -> tuple[int, bytes, int]:
    return row.clock, row.device, row.sequence


def _lengths(view: RoomView, member: MemberFact) -> tuple[tuple[bytes, int], ...]:
    """How much of each of a member's logs was taken in here."""
    return tuple((device, view.length(device)) for device in member.devices)


def _clean_text(text: str) -> str:
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise UserFacingError(
            "bad-text", "The message has characters that cannot be sent."
        ) from None
    if not text.strip():
        raise UserFacingError("empty-message", "The message is empty.")
    if size_bytes > MAX_TEXT_BYTES:
        raise UserFacingError(
            "too-large",
            f"The message has {size_bytes} bytes; {MAX_TEXT_BYTES} may be sent.",
        )
    return text
