"""One room on the network's loop: what clients ask of it, and what they are told.

A ``Room`` hands its work to the database's writer thread, where its ``RoomView`` lives,
and keeps what came out of it (facts, acknowledgements) for quick answers. Its logs are
kept by ``RoomLogs``, written through ``Outbox`` and understood through ``Intake``.
Talking to peers is the business of ``app/rooms/exchange.py``, which listens here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from app.errors import UserFacingError
from app.events import (
    DeviceForked,
    Event,
    MembersChanged,
    MessagesChanged,
    MessageStored,
    RoomChanged,
)
from app.faults import OWN_FORK, explained
from app.profile import Profile
from app.rooms import anew, kept_requests, proposals
from app.rooms.blocks import LogHead
from app.rooms.clearing import Clearing
from app.rooms.conversation import Conversation
from app.rooms.facts import RoomFacts
from app.rooms.forks import Forks, fork_sentence
from app.rooms.gaps import Gaps
from app.rooms.hearing import Hearing
from app.rooms.hole_lists import AskHoles, HoleList
from app.rooms.intake import Intake
from app.rooms.kept_requests import KeptRequest
from app.rooms.logs import RoomLogs
from app.rooms.moderation import Moderation
from app.rooms.operations import Admit, Body
from app.rooms.outbox import Outbox, Saying, Written
from app.rooms.outlook import Outlook
from app.rooms.page_source import PageSource
from app.rooms.pages import AskPage
from app.rooms.previews import Previews
from app.rooms.receipts import Receipts
from app.rooms.removals import check_evidence, decode_evidence
from app.rooms.resting import Resting
from app.rooms.roles import Right, may_write
from app.rooms.signals import Sharing, Signals
from app.rooms.turning import Turning
from app.rooms.view import Applied, RoomView
from app.snapshots import (
    MemberSnapshot,
    MessageSnapshot,
    RoomSnapshot,
)
from app.tasks import Tasks
from net.errors import RemoteProtocolError
from store import contents
from store.contents import Counts, MessageRow
from store.database import Connection
from store.rooms import RoomRow

if TYPE_CHECKING:
    from app.rooms.asides import Aside
    from store.corestore import Corestore
    from store.hypercore.fork_proof import ForkProof

T = TypeVar("T")

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
    sharing: Sharing = field(default_factory=Sharing)
    """What this person lets others see."""


class RoomListener(Protocol):
    """Hears what changed in a room; owned by whoever talks to its peers."""

    def head_changed(self, writer: bytes, *, quiet: bool) -> None:
        """A log is longer here, durably, or is known as forked now.

        ``quiet``: that says nothing that anybody waits for.
        """

    def log_mended(self, writer: bytes) -> None:
        """What kept a log from being fetched is out of the way."""

    def facts_changed(self, facts: RoomFacts) -> None:
        """Members, devices or invites changed."""

    def told(self, writer: bytes) -> dict[bytes, int]:
        """How much of a log each connected device of a member says it holds."""

    def ask_wake(self, turn: int) -> None:
        """Ask one of the connected members, whose turn it is, to wake this device."""


class Room:
    """One room of the profile.

    Attributes:
        row: The room as stored.
        facts: Who is who.
        outlook: How an entry is written now.
        logs: Its cores.
        online: Devices connected and proven now, by device key.
        conversation: What is said and read in it.
        moderation: What is changed of who is who.
        clearing: What is done about words that are gone.
        gaps: What is done about blocks that are gone everywhere.
        receipts: What other devices hold.
        kept_requests: Who waited for a person to let them in before the last start.
        turning: When the key turns.
        previews: What others told that is not verified yet.
        listener: Set by whoever talks to peers.
        on_facts: Called after facts changed and everybody was told.
        on_alone: Called when the last connected device has gone.
        on_read: Called when a person read up to a message, or everything.
        on_dismissed: Called with a member's device that wants to hear no more.
    """

    def __init__(self, row: RoomRow, surroundings: Surroundings) -> None:
        """Make a room that knows nothing yet; ``load`` it first."""
        self.row = row
        self.facts: RoomFacts
        self.outlook: Outlook
        self.online: dict[bytes, int] = {}
        self.listener: RoomListener | None = None
        self.on_facts: Callable[[], None] | None = None
        self.on_alone: Callable[[], None] | None = None
        self.on_read: Callable[[bytes | None], None] | None = None
        self.on_dismissed: Callable[[bytes], None] | None = None
        self._facts_news = asyncio.Event()
        self._around = surroundings
        self._view: RoomView | None = None
        profile = surroundings.profile
        self.logs = RoomLogs(
            row, profile.device, profile.database, surroundings.corestore
        )
        self.conversation = Conversation(self)
        self.moderation = Moderation(self)
        self.signals = Signals(
            self.id, surroundings.sharing, surroundings.publish, self._name_of
        )
        self._intake = Intake(self.logs, self._transact, surroundings.now_ms)
        self._outbox = Outbox(
            self.logs,
            self._intake,
            self._transact,
            lambda: self.outlook,
            now_ms=surroundings.now_ms,
        )
        self.clearing = Clearing(
            self.logs, self._transact, profile.database, surroundings.now_ms
        )
        self.gaps = Gaps(self.logs, self._transact, profile.database, row.row)
        self.forks = Forks(self.logs, row.key, self._freeze_log, lambda: self.facts)
        self.gaps.on_stuck = self.forks.stuck
        self.forks.on_mended = self._log_mended
        self.logs.on_grown = self._intake.log_grew
        self.logs.on_coming = self._intake.coming
        self.logs.on_head = self._head_changed
        self.receipts = Receipts(self, profile.database, surroundings.publish)
        self._counts = Counts(0, 0, None)
        self.kept_requests: list[KeptRequest] = []
        self._tasks = Tasks(None)
        write, now_ms = self._outbox.write, surroundings.now_ms
        self._hearing = Hearing(write, self._tasks, surroundings.entropy)
        self.turning = Turning(self.device, write, self._tasks, now_ms)
        self._resting = Resting(self, write, surroundings.publish, now_ms)
        self.previews = Previews(self, surroundings.publish, surroundings.now_ms)
        self._pages = PageSource(self, profile.device, self._tasks)
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
    def identity(self) -> bytes:
        """This person's identity key."""
        return self._around.profile.identity_key

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

    @property
    def is_known(self) -> bool:
        """True when there is nothing to wait for to use the room.

        This person is a member, or a member told so and its logs are on their way.
        """
        return self.is_member or self.previews.is_active

    @property
    def _is_surely_member(self) -> bool:
        """The same, once all is read that this person wrote: perhaps a farewell."""
        read = self.outlook.length >= self.logs.length(self.device)
        return self.is_member and read

    async def wait_member(self) -> None:
        """Wait until this person is a member, as far as known here."""
        while not self._is_surely_member:
            self._facts_news.clear()
            await self._facts_news.wait()

    async def wait_joined(self) -> None:
        """Wait until this person is a member, or so much comes that it takes a while.

        In the second case the newest messages are here, as a member told them.
        """
        while not self._is_surely_member and not self.previews.is_long:
            self._facts_news.clear()
            await self._facts_news.wait()

    async def load(self) -> None:
        """Read the room from the database."""
        self.facts, self.outlook = await self._transact(
            lambda _, view: (view.facts(self._around.now_ms()), view.outlook())
        )
        await self.logs.load()
        self.logs.know(self.facts.devices)
        self.logs.derived.update(
            await self._transact(
                lambda _, view: {w: view.length(w) for w in self.logs.derived}
            )
        )
        await self._intake.catch_up()
        self.clearing.look()
        await self._recount()
        await self.receipts.load()
        row, now_ms = self.row.row, self._around.now_ms()
        self.kept_requests = await self.read(
            lambda connection: kept_requests.kept(connection, row, now_ms=now_ms)
        )
        self._arm_refresh()
        self.turning.facts_changed(self.facts)
        self._resting.facts_changed()

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
        await self.previews.stop()
        self._hearing.stop()
        self.turning.stop()
        self.signals.stop()
        await self._resting.stop()
        await self.forks.stop()
        await self.gaps.stop()
        await self.clearing.stop()
        await self._outbox.stop()
        await self._intake.stop()
        await self._tasks.finish()
        await self.logs.close()

    async def purge(self) -> None:
        """Let the work in hand end, and delete what others wrote from the disk.

        Raises:
            StoreError: The disk refused.
        """
        await self.gaps.stop()
        await self.clearing.stop()
        await self._outbox.stop()
        await self._intake.stop()
        await self.logs.purge_others()
        await self.stop()

    @property
    def name(self) -> str:
        """What this person calls the room."""
        return self.facts.called(self.identity) or self.row.name

    def snapshot(self) -> RoomSnapshot:
        """The room's line in the list."""
        me = self.facts.member_of(self.device)
        writes = me is not None and me.present and may_write(self.facts.kind, me.role)
        writes = writes and self.device not in self.logs.proofs
        last = self._counts.last
        known = RoomSnapshot(
            room=self.id,
            name=self.name,
            kind=self.facts.kind.word,
            unread=self._counts.unread,
            mentions=self._counts.mentions,
            members=self.facts.present_count,
            peers=len(self.online),
            can_write=writes,
            farewell=self.facts.farewell,
            last_message=self.message(last) if last is not None else None,
        )
        return self.previews.added(known, last.place if last is not None else None)

    def members(self) -> list[MemberSnapshot]:
        """Everybody in the room now, owners first."""
        if self.previews.is_active and not self.is_member:
            return self.previews.members()
        present = [m for m in self.facts.members.values() if m.present]
        present.sort(key=lambda m: (-m.role, m.name.casefold(), m.identity))
        mine = self.identity
        return [
            MemberSnapshot(
                identity_key=m.identity.hex(),
                name=m.name,
                role=m.role.word,
                devices=len(m.devices),
                online=m.identity == mine or any(d in self.online for d in m.devices),
                me=m.identity == mine,
                presence=self.signals.presence_of(m.identity),
                forked=m.forked_count,
            )
            for m in present
        ]

    def message(self, row: MessageRow) -> MessageSnapshot:
        """A stored message as clients show it, without what others put under it."""
        return self.conversation.reading.snapshot(row)

    def now_ms(self) -> int:
        """The wall clock, in milliseconds since 1970."""
        return self._around.now_ms()

    async def transact(self, work: Callable[[Connection, RoomView], T]) -> T:
        """Run work on the view in the writer thread, for a person."""
        with explained():
            return await self._transact(work)

    async def expire(self, numbers: Sequence[int]) -> None:
        """Let messages disappear for good, and tell clients.

        Args:
            numbers: Of this room's, as ``store.contents`` counts them.

        Raises:
            StoreError: The disk refused.
        """

        def work(connection: Connection, view: RoomView) -> Applied:
            outcome = contents.expire(connection, numbers)
            return Applied(
                view.own,
                view.length(view.own),
                changed=outcome.messages,
                changed_count=outcome.count,
                clear=outcome.clear,
            )

        await self._transact(work)

    async def mark_read(self, *, up_to: bytes | None = None) -> None:
        """Count what has arrived as read, up to a message; None for everything."""
        if not self._counts.unread:
            return
        row = self.row.row
        with explained():
            await asyncio.wrap_future(
                self._around.profile.database.write(
                    lambda connection: contents.mark_read(connection, row, up_to=up_to)
                )
            )
        await self._recount()
        self.publish_changed()
        if self.on_read is not None:
            self.on_read(up_to)

    async def say_farewell(self) -> bool:
        """Write that this person leaves; False when it was no member any more."""
        try:
            await self.write(proposals.farewell)
        except UserFacingError as error:
            if error.code != "not-a-member":
                raise
            return False
        self.row = replace(self.row, left_at=self._around.now_ms())
        return True

    async def write(
        self, body: Callable[[RoomView], Body], *, alone: bool = True
    ) -> Written:
        """Write what ``body`` checks and makes in place, for a person.

        Args:
            body: Runs in the writer thread.
            alone: It may change what the rules allow.

        Raises:
            UserFacingError: Of ``body``; ``disk``, ``stored-only``.
        """
        with explained():
            written = await self._outbox.write(body, alone=alone)
        assert written is not None, "the body is made, or says why not"
        return written

    async def say(self, body: Body, *, right: Right = Right.POST) -> Written:
        """Write what changes no rule, for a person.

        Args:
            body: A content.
            right: What it takes.

        Raises:
            UserFacingError: ``not-a-member``, ``read-only``, ``muted``,
                ``no-room-key``, ``disk``, ``stored-only``; ``not-synchronised``: it
                takes too long until this device knows that it is a member.
        """
        await self.previews.wait_writable()
        with explained():
            return await self._outbox.say(Saying(body, right))

    async def admit(self, body: Admit) -> str:
        """Let a newcomer in when the invite still holds.

        Returns:
            The verdict of ``RoomView.admission_verdict``; ``open`` when it is written.
        """
        now_ms = self._around.now_ms
        verdict = ""

        def check(view: RoomView) -> Body | None:
            nonlocal verdict
            verdict = view.admission_verdict(body, now_ms=now_ms())
            return body if verdict == "open" else None

        if await self._outbox.write(check) is None:
            return verdict
        again = await self._transact(
            lambda _, view: view.admission_verdict(body, now_ms=now_ms())
        )
        return "open" if again == "yours" else "closed"

    def set_online(self, device: bytes, *, online: bool) -> None:
        """Count one connection of a proven device more or less."""
        count = self.online.get(device, 0) + (1 if online else -1)
        if count > 0:
            self.online[device] = count
        else:
            self.online.pop(device, None)
        self._around.publish(MembersChanged(self.id))
        self.publish_changed()
        self._resting.online_changed()
        if not self.online and self.on_alone is not None:
            self.on_alone()

    def publish_changed(self) -> None:
        """Tell clients how the room's line looks now."""
        if not self.left:
            self._around.publish(RoomChanged(self.snapshot()))

    def preview_changed(self) -> None:
        """Tell clients and whoever waits that what others told is shown, or is not."""
        self._facts_news.set()
        if not self.left:
            self._around.publish(MembersChanged(self.id))
            self.publish_changed()

    def _log_mended(self, writer: bytes) -> None:
        if self.listener is not None:
            self.listener.log_mended(writer)

    def _head_changed(self, writer: bytes, *, quiet: bool = False) -> None:
        """There is more of a log that peers may know, or it is frozen."""
        if self.listener is not None:
            self.listener.head_changed(writer, quiet=quiet)

    async def _transact(self, work: Callable[[Connection, RoomView], T]) -> T:
        """Run work on the view in the writer thread; its effect outlives the asker."""
        task = self._tasks.spawn(self._do(work))
        return await asyncio.shield(task)

    async def _do(self, work: Callable[[Connection, RoomView], T]) -> T:
        def in_thread(connection: Connection) -> T:
            if self._view is None:
                self._view = RoomView(
                    self.row, self._around.profile.device, entropy=self._around.entropy
                )
                self._view.load(connection)
            return work(connection, self._view)

        def undo() -> None:
            self._view = None

        database = self._around.profile.database
        result = await asyncio.wrap_future(database.write(in_thread, undo=undo))
        if isinstance(result, Applied):
            await self._take(result)
        return result

    async def _freeze_log(self, writer: bytes, proof: ForkProof) -> bool:
        """See ``forks.Freeze``."""
        now_ms = self._around.now_ms()
        known, lengths = tuple(self.logs.derived), dict[bytes, int]()
        rewritten = False

        def work(connection: Connection, view: RoomView) -> Applied:
            nonlocal rewritten
            fresh, applied = anew.frozen(connection, view, writer, proof, now_ms=now_ms)
            self._view, rewritten = fresh, fresh is not view
            lengths.update((it, fresh.length(it)) for it in known)
            return applied

        applied = await self._transact(work)
        self.logs.freeze(writer, proof)
        if rewritten:
            self.logs.derived.update(lengths)
        for log in {*applied.woken, *self.logs.underived()}:
            self._intake.log_grew(log)
        self._tell_forked(writer, rewritten=rewritten)
        return rewritten

    def _tell_forked(self, writer: bytes, *, rewritten: bool) -> None:
        member, me = self.facts.member_of(writer), writer == self.device
        if self.left or member is None:
            return
        own = member.identity == self.identity
        sentence = OWN_FORK if me else fork_sentence(member.name, own=own)
        identity = member.identity.hex()
        self._around.publish(
            DeviceForked(self.id, identity, member.name, me, rewritten, sentence)
        )

    async def _take(self, applied: Applied) -> None:
        """Keep what a committed transaction did, and tell everybody."""
        if applied.outlook is not None:
            self.outlook = applied.outlook
        if applied.facts is not None:
            self.facts = applied.facts
            self.logs.know(self.facts.devices)
            self._arm_refresh()
            self.turning.facts_changed(self.facts)
            self._resting.facts_changed()
            self.forks.facts_changed()
        await self.receipts.heard(applied.writer, applied.heard)
        if applied.clear:
            self.clearing.wake()
        if applied.unheard and self.is_member and not self.left:
            self._hearing.heard(sum(d.present for d in self.facts.devices.values()))
        counts = self._counts
        for row in applied.messages:
            if counts.last is None or row.place > counts.last.place:
                counts = replace(counts, last=row)
            other = row.identity != self.identity
            counts = replace(counts, unread=counts.unread + other)
        self._counts = counts
        if applied.changed_count or any(row.mentions for row in applied.messages):
            await self._recount()
        if not self.left:
            if applied.messages:
                self.signals.spoke(applied.writer)
            for message in await self.conversation.reading.fresh(applied.messages):
                self._around.publish(MessageStored(message))
            if applied.changed_count:
                named = tuple(id.hex() for id in applied.changed)
                self._around.publish(MessagesChanged(self.id, named))
            if applied.facts is not None:
                self._around.publish(MembersChanged(self.id))
            if applied.messages or applied.changed_count or applied.facts is not None:
                self.publish_changed()
        if applied.facts is not None or applied.writer == self.device:
            self._facts_news.set()
        if applied.facts is not None:
            if self.listener is not None:
                # Newer ones may have come while something was waited for above.
                self.listener.facts_changed(self.facts)
            if self.on_facts is not None:
                self.on_facts()
        self.previews.derived(applied.writer, applied.length)

    async def write_if(self, body: Callable[[RoomView], Body | None]) -> Written | None:
        """Write what ``body`` makes, or nothing; otherwise like ``write``."""
        with explained():
            return await self._outbox.write(body)

    async def recount(self) -> None:
        """Count again what is unread: it was read elsewhere."""
        await self._recount()
        self.publish_changed()

    async def keep_requests(self, requests: Sequence[KeptRequest]) -> None:
        """Remember who waits to be let in, for ``kept_requests`` after a restart.

        Raises:
            StoreError: The disk refused.
        """
        row = self.row.row
        await asyncio.wrap_future(
            self._around.profile.database.write(
                lambda connection: kept_requests.keep(connection, row, requests)
            )
        )

    async def removal_told(self, teller: bytes, data: bytes) -> None:
        """A peer shows that this person was removed; see ``app/rooms/removals.py``.

        Args:
            teller: Its device, proven.
            data: The evidence.
        """
        row, now_ms = self.row, self._around.now_ms
        try:
            removal = check_evidence(
                decode_evidence(data),
                room=row.room,
                room_key=row.key,
                identity=self.identity,
            )
        except RemoteProtocolError as error:
            _LOG.warning("a peer showed no removal: %s", error.code)
            return
        await self._transact(
            lambda it, view: view.hear_removal(it, removal, teller, now_ms=now_ms())
        )

    async def introduce(self, device: bytes, identity: bytes) -> None:
        """See ``RoomView.introduce``."""
        now_ms = self._around.now_ms()
        await self._transact(
            lambda _, view: view.introduce(device, identity, now_ms=now_ms)
        )

    def _name_of(self, identity: bytes) -> str:
        member = self.facts.members.get(identity)
        return member.name if member is not None else ""

    def keys_of(self, epochs: Iterable[bytes]) -> list[bytes]:
        """See ``asides.Host``."""
        return self._view.keys.of(epochs) if self._view is not None else []

    def holes_asked(
        self, ask: AskHoles, send: Callable[[HoleList | None], None]
    ) -> None:
        """See ``asides.Host``."""
        self.gaps.answer(ask, send)

    def holes_told(self, device: bytes, told: HoleList) -> None:
        """See ``asides.Host``."""
        self.gaps.told(device, told)

    def wake_asked(self, device: bytes) -> None:
        """See ``asides.Host``."""
        self._resting.wake_asked(device)

    def ask_wake(self, turn: int) -> None:
        """See ``resting.Host``."""
        if self.listener is not None:
            self.listener.ask_wake(turn)

    def keys_came(self, found: Sequence[bytes]) -> None:
        """See ``asides.Host``."""
        now_ms = self._around.now_ms()
        self._tasks.spawn(self._take_keys(tuple(found), now_ms))

    def give_page(
        self, ask: AskPage, asker: bytes, send: Callable[[bytes], None]
    ) -> None:
        """See ``asides.Host``."""
        self._pages.give(ask, asker, send)

    def page_came(self, source: Aside, data: bytes) -> bool:
        """See ``asides.Host``."""
        return self.previews.page_came(source, data)

    async def _take_keys(self, found: tuple[bytes, ...], now_ms: int) -> None:
        def work(connection: Connection, view: RoomView) -> Applied:
            return view.take_keys(connection, found, now_ms=now_ms)

        applied = await self._transact(work)
        for writer in applied.woken:
            self._intake.log_grew(writer)

    async def _recount(self) -> None:
        before = None
        # What came while it was counted is counted as well, or not: then once more.
        while before is not self._counts:
            before = self._counts
            counts = await self.read(self._count)
            if before is self._counts:
                self._counts = before = counts

    def _count(self, connection: Connection) -> Counts:
        me = self.identity
        return contents.counts(connection, self.row.row, me=me)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read what is committed, for a person."""
        with explained():
            return await asyncio.wrap_future(self._around.profile.database.read(work))
