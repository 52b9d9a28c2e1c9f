"""Writes an audit export: every act of a room with what proves it.

What the room knows comes through ``Source`` and ``SourceLog``; ``app/audit/source.py``
fits them to the engine. The acts are judged once all are known, then every line is
made from the block itself, so that what is told and what is proven are the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from app.audit.folding import (
    Outcome,
    Told,
    fold,
    member_object,
    members_of,
    replay,
    room_object,
)
from app.audit.knowledge import Knowledge
from app.audit.lines import (
    MAX_ACTS,
    MAX_LOGS,
    ActLine,
    Header,
    LogLine,
    Object,
    Summary,
    encode_line,
)
from app.audit.proofs import manifest_of
from app.audit.telling import fields_of, kind_of
from app.audit.weight import Weight
from app.errors import UserFacingError
from app.rooms.frozen import clipped, frozen_lengths
from app.rooms.law import Act
from app.rooms.law.act import without_load
from app.rooms.operations import ACT_TYPES, decode_operation
from app.rooms.operations.acts import Rest
from app.rooms.seals import open_with_block_key
from net.crypto import KeyPair, namespace, sign
from store.autobase import Place, decode_entry
from store.hypercore.fork_proof import decode_fork_proof, ended_head
from store.hypercore.manifest import manifest_key
from store.hypercore.records import Head

MAX_OPEN_LOGS: Final = 64
"""Logs held open at a time while acts are shown."""
_SUMMARY: Final = namespace("covey/audit", 0)


class StoredAct(Protocol):
    """An act as the room keeps it."""

    @property
    def place(self) -> Place:
        """Where it stands."""

    @property
    def seen(self) -> Mapping[bytes, int]:
        """How much of each log its author had seen, the own log left out."""

    @property
    def clocks(self) -> Mapping[bytes, int]:
        """Of the last entry its author had seen of devices that it names."""

    @property
    def data(self) -> bytes:
        """The operation, opened and found authentic."""


class StoredLog(Protocol):
    """How far a log is, as the room keeps it."""

    @property
    def writer(self) -> bytes:
        """Its device."""

    @property
    def derived(self) -> int:
        """How many of its blocks were read."""

    @property
    def proof(self) -> bytes:
        """That its device has signed two histories; empty without one."""


class Shown(NamedTuple):
    """A block with the siblings that lead from it to its root."""

    block: bytes
    proof: tuple[tuple[int, bytes], ...]


class SourceLog(Protocol):
    """One log of the room, open."""

    @property
    def head(self) -> Head:
        """Its signed tree; the same until it is closed."""

    async def show(self, sequence: int, length: int) -> Shown:
        """A block and its proof in the tree of some length.

        Raises:
            UserFacingError: ``audit-incomplete``: the block is not here.
        """

    async def close(self) -> None:
        """Have to do with it no more."""


class Source(Protocol):
    """A room, as far as its acts go."""

    async def gather(self, take: Take) -> Gathered:
        """Run a function over the logs and over all acts, as of one moment.

        The acts come in the order of their places.
        """

    async def open(self, writer: bytes) -> SourceLog:
        """Open a log."""

    def block_key(self, block: bytes, writer: bytes, sequence: int) -> bytes:
        """The key of one block."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Which room it is, and who exports it."""

    room: bytes
    founder: bytes
    namespace: bytes
    """Of the room's logs."""
    device: KeyPair
    identity: bytes
    proof: bytes
    """That the device is the identity's, encoded."""
    name: str
    """By which the exporter is called where the room knows none."""
    exported_at: int


class Gathered(NamedTuple):
    """All acts, and what they had seen."""

    logs: dict[bytes, tuple[int, bytes]]
    """How much of each was read, and what proves that it forked; those of which there
    is neither are left out."""
    acts: list[Act]
    grown: list[dict[bytes, int]]
    """Of each act what it had seen more than the act of its log before."""


Take = Callable[[Iterable[StoredLog], Iterable[StoredAct]], Gathered]


def gather(logs: Iterable[StoredLog], stored: Iterable[StoredAct]) -> Gathered:
    """Read all acts, and keep what they had seen in little.

    Raises:
        UserFacingError: ``too-large``: there are too many.
    """
    read = {
        log.writer: (log.derived, log.proof) for log in logs if log.derived or log.proof
    }
    if len(read) > MAX_LOGS:
        raise UserFacingError(
            "too-large", "This room has more logs than one export may have."
        )
    frozen = frozen_lengths({it: proof for it, (_, proof) in read.items() if proof})
    knowledge = Knowledge()
    found: list[Act] = []
    grown: list[dict[bytes, int]] = []
    weight = Weight()
    for item in stored:
        operation = decode_operation(item.data)
        body = operation.body
        assert isinstance(body, ACT_TYPES), "only acts are kept as such"
        body = clipped(body, frozen)
        writer, sequence = item.place.writer, item.place.sequence
        grown.append(knowledge.note(writer, sequence, item.seen))
        seen = knowledge.at(writer, sequence)
        heard = {}
        if isinstance(body, Rest) and body.device in item.clocks:
            heard = {body.device: item.clocks[body.device]}
        act = Act(item.place, operation.sent_at, body, seen, heard)
        found.append(without_load(act))
        weight.add(body, len(grown[-1]))
        if len(found) > MAX_ACTS or weight.is_too_much:
            raise UserFacingError(
                "too-large", "This room has more acts than one export may have."
            )
    return Gathered(read, found, grown)


async def export_lines(source: Source, setting: Setting) -> AsyncGenerator[bytes, None]:
    """Every line of an export, the first to the last.

    Args:
        source: The room.
        setting: Which room it is, and who exports it.

    Raises:
        UserFacingError: ``too-large``, ``audit-incomplete``.
        StoreError: The disk refused.
    """
    gathered = await source.gather(gather)
    outcome = await asyncio.to_thread(fold, setting.founder, gathered.acts)
    counts: dict[bytes, int] = {}
    for act in gathered.acts:
        counts[act.writer] = counts.get(act.writer, 0) + 1
    writer = _LineWriter(setting)
    yield writer.line(_header(setting, outcome).to_object())
    logs: dict[bytes, LogLine] = {}
    for device in sorted(gathered.logs):
        log = await source.open(device)
        try:
            head = log.head
        finally:
            await log.close()
        read, fork = gathered.logs[device]
        if fork and not head.length:
            head = ended_head(decode_fork_proof(fork))
        line = LogLine(
            device=device,
            key=manifest_key(manifest_of(device, setting.namespace)),
            length=head.length,
            roots=head.roots,
            signature=head.signature,
            act_count=counts.get(device, 0),
            read=read,
            fork=fork,
        )
        logs[device] = line
        yield writer.line(line.to_object())
    opened = _OpenLogs(source)
    try:
        told = replay(setting.founder, gathered.acts, outcome)
        for said, grown in zip(told, gathered.grown, strict=True):
            length = logs[said.act.writer].length
            shown = await opened.show(said.act.place, length)
            yield writer.line(_act_line(source, setting, said, grown, shown))
    finally:
        await opened.close()
    yield writer.line(room_object(outcome.state))
    for member in members_of(outcome.state):
        yield writer.line(member_object(member))
    yield writer.summary(len(gathered.acts))


def summary_signable(room: bytes, digest: bytes) -> bytes:
    """What the exporter's device signs."""
    return _SUMMARY + room + digest


class _LineWriter:
    """Counts and hashes the lines that go out."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._state = hashlib.blake2b(digest_size=32)
        self._count = 0

    def line(self, value: Object) -> bytes:
        line = encode_line(value)
        self._state.update(line)
        self._count += 1
        return line

    def summary(self, act_count: int) -> bytes:
        setting, digest = self._setting, self._state.digest()
        signable = summary_signable(setting.room, digest)
        signature = sign(signable, setting.device.secret_key)
        return encode_line(
            Summary(self._count, act_count, digest, signature).to_object()
        )


class _OpenLogs:
    """The logs that acts were read from last."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: dict[bytes, SourceLog] = {}

    async def show(self, place: Place, length: int) -> Shown:
        log = self._open.pop(place.writer, None)
        if log is None:
            log = await self._source.open(place.writer)
        self._open[place.writer] = log
        if len(self._open) > MAX_OPEN_LOGS:
            await self._open.pop(next(iter(self._open))).close()
        return await log.show(place.sequence, length)

    async def close(self) -> None:
        for log in self._open.values():
            await log.close()


def _header(setting: Setting, outcome: Outcome) -> Header:
    member = outcome.state.members.get(setting.identity)
    return Header(
        room=setting.room,
        name=outcome.state.room.name,
        founder=setting.founder,
        namespace=setting.namespace,
        exported_at=setting.exported_at,
        identity=setting.identity,
        device=setting.device.public_key,
        exporter=member.name if member is not None else setting.name,
        proof=setting.proof,
    )


def _act_line(
    source: Source,
    setting: Setting,
    said: Told,
    grown: Mapping[bytes, int],
    shown: Shown,
) -> Object:
    place, block = said.act.place, shown.block
    key = source.block_key(block, place.writer, place.sequence)
    plaintext = open_with_block_key(
        block,
        key,
        room=setting.room,
        writer=place.writer,
        sequence=place.sequence,
    )
    entry = decode_entry(place.writer, place.sequence, plaintext)
    operation = decode_operation(entry.payload)
    body = operation.body
    assert entry.place == place, "the block is the one that the act came from"
    assert isinstance(body, ACT_TYPES), "the block is the one that the act came from"
    return ActLine(
        place=place,
        links=entry.links,
        sent_at=operation.sent_at,
        seen=grown,
        clocks=said.act.clocks,
        act=kind_of(body),
        fields=fields_of(body),
        told=said.to_object(),
        block=block,
        block_key=key,
        proof=shown.proof,
    ).to_object()
