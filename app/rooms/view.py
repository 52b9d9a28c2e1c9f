"""One room as its logs make it: blocks in, members and messages out.

A ``RoomView`` lives in the database's writer thread: every method gets the connection
of the current transaction. It derives each log from its beginning and keeps how far it
is in the same transaction as what came of it; the blocks themselves are kept by their
Hypercores, which committed them before. What the network's side needs to know comes
out as frozen ``RoomFacts``. When a transaction fails, throw the view away and load
another.

Leaves the cores to ``app.rooms.logs``, what operations mean to ``app.rooms.rules`` and
talking to peers to ``app.rooms.replication``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.errors import UserFacingError
from app.rooms.blocks import MAX_LOG_LENGTH, block_id, log_key
from app.rooms.facts import (
    DeviceFact,
    MemberFact,
    RoomFacts,
    served_invites,
    served_until_ms,
)
from app.rooms.operations import (
    ACT_TYPES,
    Admit,
    Body,
    Message,
    Operation,
    Remove,
    Unknown,
    decode_operation,
    encode_operation,
)
from app.rooms.roles import may_write
from app.rooms.rules import MemberState, Placed, RoomState, authentic
from app.rooms.timeline import Held, Taken, Timeline
from net.constants import MAX_SAFE_UINT
from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from store import history, rooms
from store.autobase import Entry, encode_entry
from store.database import Connection
from store.history import MessageRow, Progress
from store.rooms import RoomRow

UNKNOWN_TEXT = "(This message needs a newer version of Covey.)"
MAX_OPERATIONS = 4_096
"""Operations of the rules that count in one log; those after them are void."""
MAX_FOUNDER_OPERATIONS = 32_768
SPARE_REMOVALS = 64
"""Removals that count beyond these, so that one can still leave or be alone."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a transaction did to a room."""

    writer: bytes
    length: int = 0
    """How much of the writer's log is derived now."""
    messages: tuple[MessageRow, ...] = ()
    """New ones that the rules allow."""
    written: tuple[MessageRow, ...] = ()
    """All new ones, shown or not."""
    facts: RoomFacts | None = None
    """When they changed."""
    reconsidered: int = 0
    """Older messages that appeared or vanished."""
    held: Held | None = None
    """Why what follows is not derived."""
    unheard: bool = False
    """Others said what this device has not acknowledged."""
    woken: tuple[bytes, ...] = ()
    """Logs that waited for these blocks and may go on."""


class RoomView:
    """The writer thread's side of one room.

    Attributes:
        row: The room as stored.
        refused_count: Blocks that meant nothing or were forged.
    """

    def __init__(self, row: RoomRow, device: KeyPair) -> None:
        """Make an empty view; ``load`` it first.

        Args:
            row: The room as stored.
            device: This device's key pair.
        """
        self.row = row
        self.refused_count = 0
        self._device = device
        self._state = RoomState(row.founder)
        self._timeline = Timeline(row, device.public_key)
        self._log_keys: dict[bytes, bytes] = {}

    def load(self, connection: Connection) -> None:
        """Fold what is stored."""
        placed: list[Placed] = []
        for place, data in history.operations(connection, self.row.row):
            placed.append(Placed(place, decode_operation(data)))
        self._state.add(sorted(placed))
        self._timeline.load(connection)

    def length(self, writer: bytes) -> int:
        """How much of a log is derived."""
        return self._timeline.linearizer.length(writer)

    def draft(
        self, connection: Connection, body: Body, *, now_ms: int, behind: int = 0
    ) -> bytes:
        """An entry of this device, above everything that is here.

        Args:
            connection: The transaction's.
            body: What it says.
            now_ms: The wall clock.
            behind: How many drafts are written before it and not derived yet.

        Returns:
            Its bytes, to be sealed for the next place of the own log.

        Raises:
            UserFacingError: ``too-many-changes``: this device's operations are full.
        """
        own = self._device.public_key
        if isinstance(body, ACT_TYPES):
            count = history.progress(connection, self.row.row, own).operations
            if count >= self._most_operations(own, body):
                raise UserFacingError(
                    "too-many-changes",
                    "This device has changed this room too often: let another member"
                    " do it.",
                )
        linearizer = self._timeline.linearizer
        # The first of several links for all: the others stand behind it.
        links = linearizer.links(own) if not behind else ()
        clock = min(linearizer.next_clock(now_ms) + behind, MAX_SAFE_UINT)
        return encode_entry(clock, links, encode_operation(Operation(now_ms, body)))

    def derive(
        self,
        connection: Connection,
        writer: bytes,
        start: int,
        blocks: Sequence[bytes],
        *,
        now_ms: int,
    ) -> Applied:
        """Derive what blocks of a log mean, as far as they may be taken.

        What was derived before is left out, and nothing is derived after a gap. The
        log was begun (``store.rooms.begin_log``), and the blocks are in its core.

        Args:
            connection: The transaction's.
            writer: Whose log.
            start: The first block's place in it.
            blocks: As they stand in the log.
            now_ms: The wall clock.
        """
        progress = history.progress(connection, self.row.row, writer)
        # Less than is derived, where a block was damaged: it is taken again then.
        length = self._timeline.linearizer.length(writer)
        fresh = blocks[length - start :] if start <= length else ()
        lacked = self._lacked()
        taken = self._timeline.take(writer, length, fresh, now_ms=now_ms)
        applied = self._apply(connection, writer, progress, taken, now_ms=now_ms)
        self._timeline.save(connection)
        if applied.facts is None and self._lacked() != lacked:
            applied = replace(applied, facts=self.facts(now_ms))
        return applied

    def admission_verdict(self, body: Admit, *, now_ms: int) -> str:
        """Whether a newcomer may be let in: ``open``, or as ``RoomState`` says.

        ``yours`` is said also to who was let in before and did not hear it: an invite
        need not be spent.
        """
        if not authentic(self.row.room, self._device.public_key, body):
            return "unknown"
        verdict = self._state.invite_verdict(
            body.invite_key,
            identity=body.proof.identity,
            device=body.proof.device,
            now_ms=now_ms,
        )
        known = self._state.devices.get(body.proof.device)
        if verdict == "open" and known is not None and known.spans[-1].length is None:
            return "yours" if known.identity == body.proof.identity else "closed"
        return verdict

    def require_writer(self) -> MemberState:
        """This person as a member who may write messages.

        Raises:
            UserFacingError: ``not-a-member`` or ``read-only``.
        """
        member = self.require_member()
        if not may_write(self._state.kind, member.role):
            raise UserFacingError("read-only", "You may read this room, but not write.")
        return member

    def require_member(self) -> MemberState:
        """This person as a member.

        Raises:
            UserFacingError: ``not-a-member``.
        """
        member = self._state.member_of(self._device.public_key)
        if member is None or not member.present:
            raise UserFacingError(
                "not-a-member", "You are not a member of this room any more."
            )
        return member

    @property
    def is_unheard(self) -> bool:
        """True when somebody said what this device has not acknowledged."""
        return self._timeline.is_unheard

    @property
    def state(self) -> RoomState:
        """The fold itself, for questions asked in the writer thread."""
        return self._state

    def facts(self, now_ms: int) -> RoomFacts:
        """What the state says, frozen; the time tells which invites are open."""
        state = self._state
        members = {
            key: MemberFact(key, m.name, m.role, tuple(m.devices), m.present)
            for key, m in state.members.items()
        }
        devices = {}
        for key, device in state.devices.items():
            member = state.members.get(device.identity)
            ends = device.wanted_length
            present = member is not None and member.present and ends is None
            devices[key] = DeviceFact(device.identity, present, ends)
        for key, length in self._lacked().items():
            known = devices.get(key)
            identity = known.identity if known is not None else b""
            devices[key] = DeviceFact(identity, present=False, wanted_length=length)
        return RoomFacts(
            kind=state.kind,
            name=state.name or self.row.name,
            members=members,
            devices=devices,
            present_count=state.present_count,
            invites=served_invites(state.invites.values(), now_ms),
            invites_until_ms=served_until_ms(state.invites.values(), now_ms),
        )

    def _most_operations(self, writer: bytes, body: Body) -> int:
        """How many operations of a log there may be before one of this sort."""
        founding = writer == self.row.founder
        limit = MAX_FOUNDER_OPERATIONS if founding else MAX_OPERATIONS
        return limit + (SPARE_REMOVALS if isinstance(body, Remove) else 0)

    def _lacked(self) -> dict[bytes, int]:
        """How much is linked to of logs that the rules would not have fetched so far.

        Somebody wrote it who had not heard yet that it does not count; what that
        somebody wrote can only be judged with it.
        """
        lacked: dict[bytes, int] = {}
        for links in self._timeline.missing.values():
            for writer, length in links:
                device = self._state.devices.get(writer)
                ends = device.wanted_length if device is not None else 0
                if ends is not None and ends < length <= MAX_LOG_LENGTH:
                    lacked[writer] = max(lacked.get(writer, 0), length)
        return lacked

    def _apply(
        self,
        connection: Connection,
        writer: bytes,
        progress: Progress,
        taken: Taken,
        *,
        now_ms: int,
    ) -> Applied:
        """Keep what new entries of a log mean."""
        linearizer = self._timeline.linearizer
        entries = [it for it in taken.entries if it[1].sequence >= progress.length]
        if not entries:
            length = linearizer.length(writer)
            return Applied(writer, length, held=taken.held)
        row = self.row.row
        placed, written = self._sort(connection, writer, progress, entries)
        affected = self._state.add(placed)
        changed = (
            history.reconsider(connection, row, self._state.shows, devices=affected)
            if affected
            else 0
        )
        shown = []
        for message in written:
            allowed = self._state.shows(writer, message.clock, message.sequence)
            history.add_message(connection, row, message, shown=allowed)
            if allowed:
                shown.append(message)
        linearizer.take_changes()
        facts = self.facts(now_ms) if placed else None
        if facts is not None:
            rooms.set_title(connection, row, name=facts.name, kind=facts.kind.word)
        return Applied(
            writer,
            linearizer.length(writer),
            messages=tuple(shown),
            written=tuple(written),
            facts=facts,
            reconsidered=changed,
            held=taken.held,
            unheard=self._timeline.is_unheard,
            woken=self._timeline.woken(),
        )

    def _sort(
        self,
        connection: Connection,
        writer: bytes,
        progress: Progress,
        entries: list[tuple[bytes, Entry]],
    ) -> tuple[list[Placed], list[MessageRow]]:
        """Tell acts and contents apart, and leave out what is void for ever.

        The operations of a log are limited, which follows from the log alone, so that
        everybody leaves out the same.
        """
        row = self.row.row
        count = progress.operations
        placed: list[Placed] = []
        written: list[MessageRow] = []
        for block, entry in entries:
            if not entry.payload:
                continue
            operation = self._read(entry)
            if operation is None:
                self.refused_count += 1
                continue
            body = operation.body
            if not isinstance(body, ACT_TYPES):
                written.append(self._message(block, entry, operation))
                continue
            if count >= self._most_operations(writer, body):
                self.refused_count += 1
                continue
            count += 1
            history.add_operation(
                connection, row, place=entry.place, data=entry.payload
            )
            placed.append(Placed(entry.place, operation))
        length = progress.length + len(entries)
        now = Progress(length, entries[-1][1].clock, count)
        history.set_progress(connection, row, writer, now)
        return placed, written

    def _read(self, entry: Entry) -> Operation | None:
        """The operation of an entry, or None when it means nothing."""
        try:
            operation = decode_operation(entry.payload)
        except RemoteProtocolError:
            return None
        if not authentic(self.row.room, entry.writer, operation.body):
            return None
        return operation

    def _message(self, block: bytes, entry: Entry, operation: Operation) -> MessageRow:
        body, writer = operation.body, entry.writer
        assert isinstance(body, Message | Unknown)
        key = self._log_keys.get(writer)
        if key is None:
            key = self._log_keys[writer] = log_key(writer, self.row.key)
        return MessageRow(
            id=block_id(key, entry.sequence, block),
            device=writer,
            sequence=entry.sequence,
            clock=entry.clock,
            text=body.text if isinstance(body, Message) else UNKNOWN_TEXT,
            sent_at=operation.sent_at,
            reply_to=body.reply_to if isinstance(body, Message) else None,
            mine=writer == self._device.public_key,
        )
