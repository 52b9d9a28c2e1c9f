"""What this device said while it rested, said again, so that nothing is lost.

A device that was silent for long may be put to rest (``docs/room-rules.md``): what it
wrote that those who did so had not seen counts for nothing, nowhere and for ever. Once
it is woken it writes the same again, with the author's own time, in new entries that
count, and takes the void ones back. The log itself tells what has been said again, so
that this is done once, whatever is interrupted. Changes of who is who are not repeated:
others have gone on without them, so a person decides again.

Functions of a ``RoomView``, run in the writer thread; when is the business of
``app/rooms/resting.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.rooms.blocks import block_id, log_key
from app.rooms.conversation.changing import MAX_EDITS_NAMED, portions
from app.rooms.law import CUTTING
from app.rooms.operations import (
    ACT_TYPES,
    Body,
    Delete,
    Edit,
    Message,
    Operation,
    Pin,
    Poll,
    React,
    Rest,
    Rotate,
    Vote,
    Wake,
    decode_operation,
    encode_operation,
    number_of,
)
from app.rooms.roles import Right
from app.rooms.view import RoomView
from net.errors import RemoteProtocolError
from store import acts as stored_acts
from store import contents, rooms
from store import errors as store_errors
from store.autobase import decode_entry
from store.contents import Block
from store.contents.resting import gone_from
from store.database import Connection

MAX_PLANNED = 512
"""Operations held at a time; the others follow once these are said."""
_BY_ITSELF = (Rest, Rotate, Wake)
"""Acts that no person decided on: whoever's turn it is does them again."""
_RIGHTS: Mapping[type[Body], Right] = {React: Right.REACT, Pin: Right.PIN}


@dataclass(frozen=True, slots=True)
class Said:
    """Something this device said in one of its entries."""

    id: bytes
    operation: Operation


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be said again.

    Attributes:
        missing: In the order in which it was said.
        names: Ids of what was said again already, by those that they had before.
        spare: Ids of messages that were said again, or taken back, and are still here.
        lost: How many changes of who is who do not count and are not repeated.
    """

    missing: tuple[Said, ...] = ()
    names: Mapping[bytes, bytes] = field(default_factory=dict)
    spare: tuple[bytes, ...] = ()
    lost: int = 0


def right_for(body: Body) -> Right | None:
    """What it takes to say something; None for what everybody may who is in."""
    return None if isinstance(body, Delete) else _RIGHTS.get(type(body), Right.POST)


def plan(connection: Connection, view: RoomView) -> Plan:
    """See what this device has to say again; nothing while it rests."""
    names: dict[bytes, bytes] = {}
    missing: list[Said] = []
    spare: list[bytes] = []
    lost = 0
    for start, end in tuple(_void_spans(connection, view)):
        spoken = list(_said(connection, view, start, end))
        spared = view.law.ended_by_junior(view.own, start)
        void = _Void(connection, view, spoken, spared=spared)
        lost += void.lost
        spare += void.taken_back
        again = _Again(
            _said(connection, view, end, view.length(view.own)),
            gone_from(connection, view.row.row, view.own, end),
        )
        for said in void.worth_saying():
            if len(missing) >= MAX_PLANNED:
                break
            body = renamed(said.operation.body, names)
            found = again.find(replace(said.operation, body=body))
            if found is None:
                missing.append(said)
                continue
            names[said.id] = found
            if isinstance(body, Message | Poll):
                spare.append(said.id)
    # What is said later must still find how that is called which it names.
    needed = {id for said in missing for id in _names_of(said.operation.body)}
    kept = [id for id in spare if id not in needed]
    return Plan(tuple(missing), names, tuple(kept[:MAX_PLANNED]), lost)


def retraction(
    connection: Connection, view: RoomView, *, ids: Sequence[bytes]
) -> list[Body]:
    """What takes messages back that were said in vain, with their edits.

    They are shown nowhere, but lie in everybody's logs: whoever deletes what was said
    again means these words, too.
    """
    row, named = view.row.row, []
    for id in ids:
        kept = contents.message(connection, row, id)
        if kept is None or kept.deleted or kept.expired:
            continue
        blocks = [Block(kept.device, kept.sequence)]
        blocks += contents.edits(connection, row, id, limit=MAX_EDITS_NAMED)
        for block in blocks:
            deleted = view.named(connection, block.writer, block.sequence)
            if deleted is not None:
                named.append(deleted)
    return [Delete(portion) for portion in portions(named)]


def renamed(body: Body, names: Mapping[bytes, bytes]) -> Body:
    """A body that names entries as they are called since they were said again."""
    if isinstance(body, Message):
        return replace(
            body,
            reply_to=_named(body.reply_to, names),
            thread=_named(body.thread, names),
        )
    if isinstance(body, Edit | React | Pin | Vote):
        return replace(body, target=names.get(body.target, body.target))
    return body


def _names_of(body: Body) -> tuple[bytes | None, ...]:
    """What a content names that has to be said; signs may be given up."""
    if isinstance(body, Message):
        return (body.reply_to, body.thread)
    return (body.target,) if isinstance(body, Edit | Vote) else ()


def _named(id: bytes | None, names: Mapping[bytes, bytes]) -> bytes | None:
    return None if id is None else names.get(id, id)


class _Again:
    """What was said since, read no further than it takes to find something."""

    def __init__(
        self, later: Iterator[Said], gone: Mapping[tuple[int, int], bytes]
    ) -> None:
        """Begin where entries count again.

        Args:
            later: What stands there, in order.
            gone: What stood there and was deleted, by time and kind.
        """
        self._later = later
        self._gone = gone
        self._known: dict[bytes, list[bytes]] = {}

    def find(self, operation: Operation) -> bytes | None:
        """The id of an entry that says just this; of several, each once."""
        wanted = encode_operation(operation)
        while not (ids := self._known.get(wanted)):
            said = next(self._later, None)
            if said is None:
                kind = number_of(operation.body)
                return self._gone.get((operation.sent_at, kind))
            key = encode_operation(said.operation) if _can_repeat(said) else b""
            self._known.setdefault(key, []).append(said.id)
        return ids.pop(0)


def _void_spans(connection: Connection, view: RoomView) -> Iterator[tuple[int, int]]:
    """From where to where entries of this device are void because it rested.

    What was void for a removal stays so: others did not want it.
    """
    own, law = view.own, view.law
    device = law.devices.get(own)
    if device is None or device.resting or not law.is_inside(own):
        return
    hosts = {tenure.host for tenure in device.tenures[1:]}
    if not hosts:
        return
    wakes = {
        (act.place.writer, act.place.sequence)
        for act in stored_acts.every(connection, view.row.row)
        if (act.place.writer, act.place.sequence) in hosts
        and isinstance(decode_operation(act.data).body, Wake)
    }
    # It also learns from which number on each stay counts.
    law.spans(own)
    for before, tenure in zip(device.tenures, device.tenures[1:], strict=False):
        if tenure.host is None or tenure.host not in wakes:
            continue
        start = device.limit(before.start)
        end = law.firsts.get((own, tenure.host), view.length(own))
        if start is not None and start < end:
            yield start, end


def _said(
    connection: Connection, view: RoomView, start: int, end: int
) -> Iterator[Said]:
    """What stands in some entries of this device, where they are still here."""
    own, row = view.own, view.row
    log = log_key(own, row.key)
    for sequence in range(start, end):
        for block in rooms.log_blocks(connection, row.row, own, sequence, sequence + 1):
            try:
                plain = view.keys.ring.open(block, writer=own, sequence=sequence)
                entry = decode_entry(own, sequence, plain)
                if not entry.payload:
                    continue
                operation = decode_operation(entry.payload)
            except (RemoteProtocolError, store_errors.RemoteProtocolError):
                # A disk that is damaged there: whoever has the block brings it again.
                continue
            yield Said(block_id(log, sequence, block), operation)


def _can_repeat(said: Said) -> bool:
    kinds = Message | Poll | Edit | React | Pin | Vote | Delete
    return isinstance(said.operation.body, kinds)


def _is_lost(body: Body) -> bool:
    return isinstance(body, ACT_TYPES) and not isinstance(body, _BY_ITSELF)


class _Void:
    """What was said in vain in one stretch of the log."""

    def __init__(
        self,
        connection: Connection,
        view: RoomView,
        said: Sequence[Said],
        *,
        spared: bool,
    ) -> None:
        """Look at it.

        Args:
            connection: The transaction's.
            view: The room.
            said: In order.
            spared: What it did to others counts all the same.
        """
        self._connection = connection
        self._room = view.row.row
        self._said = said
        self._ids = {it.id for it in said}
        bodies = [it.operation.body for it in said if _is_lost(it.operation.body)]
        if spared:
            bodies = [body for body in bodies if not isinstance(body, CUTTING)]
        self.lost = len(bodies)
        named = {
            target.id
            for it in said
            if isinstance(it.operation.body, Delete)
            for target in it.operation.body.targets
        }
        self._taken_back = named & self._ids
        self.taken_back = [
            it.id
            for it in said
            if it.id in named
            and isinstance(it.operation.body, Message | Poll)
            and not self._is_gone(it.id)
        ]

    def worth_saying(self) -> Iterator[Said]:
        """Without what was taken back meanwhile, or is gone for another reason."""
        for said in self._said:
            body = said.operation.body
            if not _can_repeat(said):
                continue
            about = said.id
            if isinstance(body, Delete):
                targets = tuple(it for it in body.targets if it.id not in self._ids)
                if targets:
                    operation = replace(said.operation, body=Delete(targets))
                    yield replace(said, operation=operation)
                continue
            if isinstance(body, Edit | React | Pin | Vote):
                about = body.target
            if about not in self._taken_back and not self._is_gone(about):
                yield said

    def _is_gone(self, id: bytes) -> bool:
        kept = contents.message(self._connection, self._room, id)
        return kept is not None and (kept.deleted or kept.expired)
