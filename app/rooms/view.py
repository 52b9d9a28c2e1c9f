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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from app.errors import UserFacingError
from app.rooms.blocks import block_id, log_key, open_block
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
from app.rooms.roles import Kind, Role, may_write
from app.rooms.rules import InviteState, MemberState, Placed, RoomState, authentic
from net.constants import MAX_SAFE_UINT
from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from store import history, rooms
from store.database import Connection
from store.history import MessageRow, Progress
from store.rooms import RoomRow

UNKNOWN_TEXT = "(This message needs a newer version of Covey.)"
MAX_SERVED_INVITES = 64
"""Invites for which a room waits at a rendezvous."""
ENDED_SERVED_MS = 24 * 3600 * 1000
"""So long a spent or expired invite is waited for, to say so."""
MAX_AHEAD_MS = 24 * 3600 * 1000
"""Operations with a clock further ahead of this computer's mean nothing yet."""
MAX_OPERATIONS = 4_096
"""Operations of the rules that count in one log; those after them are void."""
MAX_FOUNDER_OPERATIONS = 32_768
SPARE_REMOVALS = 64
"""Removals that count beyond these, so that one can still leave or be alone."""


@dataclass(frozen=True, slots=True)
class MemberFact:
    """One person who is or was in the room."""

    identity: bytes
    name: str
    role: Role
    devices: tuple[bytes, ...]
    present: bool


@dataclass(frozen=True, slots=True)
class DeviceFact:
    """One device that was let in."""

    identity: bytes
    present: bool
    wanted_length: int | None
    """How far its log counts; None for all of it."""


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """Who is who, frozen at one moment."""

    kind: Kind
    name: str
    members: dict[bytes, MemberFact] = field(default_factory=dict)
    devices: dict[bytes, DeviceFact] = field(default_factory=dict)
    present_count: int = 0
    invites: tuple[bytes, ...] = ()
    """Invite keys worth waiting for: open ones, and ended ones to say so."""
    invites_until_ms: int | None = None
    """When time alone changes that; None for never."""

    def member_of(self, device: bytes) -> MemberFact | None:
        """The person a device belongs to, present or not."""
        fact = self.devices.get(device)
        return self.members.get(fact.identity) if fact else None


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
    held: bool = False
    """What follows is dated too far ahead."""


def served_invites(invites: Iterable[InviteState], now_ms: int) -> tuple[bytes, ...]:
    """For which invites to wait: open ones, newest first from each creator in turn.

    What room is left goes to those that ended within ``ENDED_SERVED_MS``.
    """
    open_by_creator: dict[bytes, list[bytes]] = {}
    ended: list[bytes] = []
    for state in reversed(list(invites)):
        since_ms = state.ended_ms(now_ms)
        if since_ms is None:
            mine = open_by_creator.setdefault(state.creator, [])
            if len(mine) < MAX_SERVED_INVITES:
                mine.append(state.invite.invite_key)
        elif now_ms - since_ms < ENDED_SERVED_MS and len(ended) < MAX_SERVED_INVITES:
            ended.append(state.invite.invite_key)
    turns = zip_longest(*open_by_creator.values())
    served = [key for turn in turns for key in turn if key is not None]
    return tuple((served + ended)[:MAX_SERVED_INVITES])


def served_until_ms(invites: Iterable[InviteState], now_ms: int) -> int | None:
    """When ``served_invites`` says something else because time went by."""
    times = []
    for state in invites:
        since_ms = state.ended_ms(now_ms)
        if since_ms is not None:
            times.append(since_ms + ENDED_SERVED_MS)
        elif state.invite.expires_at:
            times.append(state.invite.expires_at + 1)
    return min((time for time in times if time > now_ms), default=None)


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
        self._clock = 0
        self._log_keys: dict[bytes, bytes] = {}

    def load(self, connection: Connection) -> None:
        """Fold what is stored."""
        placed: list[Placed] = []
        for writer, sequence, data in history.operations(connection, self.row.row):
            operation = decode_operation(data)
            placed.append(Placed((operation.clock, writer, sequence), operation))
        self._state.add(sorted(placed))
        self._clock = history.newest_clock(connection, self.row.row)

    def lengths(self, connection: Connection) -> dict[bytes, int]:
        """How much of each log is derived."""
        return history.lengths(connection, self.row.row)

    def draft(self, connection: Connection, body: Body, *, now_ms: int) -> bytes:
        """An operation of this device, with a clock above all that is here.

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
        self._clock = min(max(now_ms, self._clock + 1), MAX_SAFE_UINT)
        return encode_operation(Operation(self._clock, now_ms, body))

    def derive(
        self,
        connection: Connection,
        writer: bytes,
        start: int,
        blocks: Sequence[bytes],
        *,
        now_ms: int,
    ) -> Applied:
        """Derive what blocks of a log mean, up to one that is dated too far ahead.

        What was derived before is left out, and nothing is derived after a gap. The
        log was begun (``store.rooms.begin_log``), and the blocks are in its core.

        Args:
            connection: The transaction's.
            writer: Whose log.
            start: The first block's place in it.
            blocks: As they stand in the log.
            now_ms: The wall clock. One's own log is never too far ahead of it.
        """
        progress = history.progress(connection, self.row.row, writer)
        fresh = blocks[progress.length - start :] if start <= progress.length else ()
        latest = now_ms + MAX_AHEAD_MS
        if writer == self._device.public_key:
            latest = MAX_SAFE_UINT
        opened: list[tuple[bytes, Operation | None]] = []
        for sequence, block in enumerate(fresh, progress.length):
            operation = self._open(writer, sequence, block)
            if operation is not None and operation.clock > latest:
                break
            opened.append((block, operation))
        return self._apply(
            connection,
            writer,
            progress,
            opened,
            now_ms=now_ms,
            held=len(opened) < len(fresh),
        )

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

    def _apply(
        self,
        connection: Connection,
        writer: bytes,
        progress: Progress,
        opened: list[tuple[bytes, Operation | None]],
        *,
        now_ms: int,
        held: bool,
    ) -> Applied:
        """Keep what new blocks of a log mean."""
        if not opened:
            return Applied(writer, progress.length, held=held)
        row = self.row.row
        placed, written = self._sort(connection, writer, progress, opened)
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
        facts = self.facts(now_ms) if placed else None
        if facts is not None:
            rooms.set_title(connection, row, name=facts.name, kind=facts.kind.word)
        return Applied(
            writer,
            progress.length + len(opened),
            messages=tuple(shown),
            written=tuple(written),
            facts=facts,
            reconsidered=changed,
            held=held,
        )

    def _sort(
        self,
        connection: Connection,
        writer: bytes,
        progress: Progress,
        opened: list[tuple[bytes, Operation | None]],
    ) -> tuple[list[Placed], list[MessageRow]]:
        """Tell operations and messages apart, and leave out what is void for ever.

        The clocks of a log rise and its operations are limited: both follow from the
        log alone, so that everybody leaves out the same.
        """
        row = self.row.row
        clock, count = progress.clock, progress.operations
        placed: list[Placed] = []
        written: list[MessageRow] = []
        for sequence, (block, operation) in enumerate(opened, progress.length):
            if operation is None or operation.clock <= clock:
                self.refused_count += 1
                continue
            clock = operation.clock
            if not isinstance(operation.body, ACT_TYPES):
                written.append(self._message(writer, sequence, block, operation))
                continue
            if count >= self._most_operations(writer, operation.body):
                self.refused_count += 1
                continue
            count += 1
            history.add_operation(
                connection,
                row,
                writer=writer,
                sequence=sequence,
                data=encode_operation(operation),
            )
            placed.append(Placed((clock, writer, sequence), operation))
        self._clock = max(self._clock, clock)
        now = Progress(progress.length + len(opened), clock, count)
        history.set_progress(connection, row, writer, now)
        return placed, written

    def _open(self, writer: bytes, sequence: int, block: bytes) -> Operation | None:
        """The operation of a block, or None when it means nothing."""
        try:
            plaintext = open_block(
                block,
                room_key=self.row.key,
                room=self.row.room,
                writer=writer,
                sequence=sequence,
            )
            operation = decode_operation(plaintext)
        except RemoteProtocolError:
            return None
        if not authentic(self.row.room, writer, operation.body):
            return None
        return operation

    def _message(
        self, writer: bytes, sequence: int, block: bytes, operation: Operation
    ) -> MessageRow:
        body = operation.body
        assert isinstance(body, Message | Unknown)
        key = self._log_keys.get(writer)
        if key is None:
            key = self._log_keys[writer] = log_key(writer, self.row.key)
        return MessageRow(
            id=block_id(key, sequence, block),
            device=writer,
            sequence=sequence,
            clock=operation.clock,
            text=body.text if isinstance(body, Message) else UNKNOWN_TEXT,
            sent_at=operation.sent_at,
            reply_to=body.reply_to if isinstance(body, Message) else None,
            mine=writer == self._device.public_key,
        )
