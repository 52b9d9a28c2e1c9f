"""What this device said while it rested, said again, so that nothing is lost.

A device that was silent for long may be put to rest (``docs/room-rules.md``): what it
wrote that those who did so had not seen counts for nothing, nowhere and for ever. Once
it is woken it writes the same again, with the author's own time, and in new entries
that count. The log itself tells what has been said again already, so that this is done
once, whatever is interrupted. Changes of who is who are not repeated: others have gone
on without them, so a person decides again.

Functions of a ``RoomView``, run in the writer thread; when is the business of
``app/rooms/resting.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from app.rooms.blocks import block_id, log_key
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
    Share,
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
from store.contents.resting import gone_from
from store.database import Connection

MAX_PLANNED = 512
"""Operations held at a time; the others follow once these are said."""
_BY_ITSELF = (Rest, Rotate, Share, Wake)
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
        lost: How many changes of who is who do not count and are not repeated.
    """

    missing: tuple[Said, ...] = ()
    names: Mapping[bytes, bytes] = field(default_factory=dict)
    lost: int = 0


def right_for(body: Body) -> Right | None:
    """What it takes to say something; None for what everybody may who is in."""
    return None if isinstance(body, Delete) else _RIGHTS.get(type(body), Right.POST)


def plan(connection: Connection, view: RoomView) -> Plan:
    """See what this device has to say again; nothing while it rests."""
    spans = tuple(_void_spans(connection, view))
    names: dict[bytes, bytes] = {}
    missing: list[Said] = []
    lost = 0
    for start, end in spans:
        void = list(_said(connection, view, start, end))
        lost += sum(_is_lost(it.operation.body) for it in void)
        again = _Again(
            _said(connection, view, end, view.length(view.own)),
            gone_from(connection, view.row.row, view.own, end),
        )
        for said in _worth_saying(connection, view, void):
            if len(missing) >= MAX_PLANNED:
                break
            body = renamed(said.operation.body, names)
            found = again.find(replace(said.operation, body=body))
            if found is not None:
                names[said.id] = found
            else:
                missing.append(said)
    return Plan(tuple(missing), names, lost)


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


def _worth_saying(
    connection: Connection, view: RoomView, void: list[Said]
) -> Iterator[Said]:
    """Without what was taken back meanwhile or whose time is over."""
    ids = {said.id for said in void}
    taken_back: set[bytes] = set()
    for said in void:
        body = said.operation.body
        if isinstance(body, Delete):
            taken_back.update(it.id for it in body.targets)
    row = view.row.row
    for said in void:
        body = said.operation.body
        if not _can_repeat(said) or said.id in taken_back:
            continue
        if isinstance(body, Message | Poll):
            kept = contents.message(connection, row, said.id)
            if kept is not None and (kept.deleted or kept.expired):
                continue
        elif isinstance(body, Delete):
            targets = tuple(it for it in body.targets if it.id not in ids)
            if not targets:
                continue
            said = replace(
                said, operation=replace(said.operation, body=Delete(targets))
            )
        elif body.target in taken_back:  # type: ignore[union-attr]
            continue
        yield said
