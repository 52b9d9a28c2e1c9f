"""Checks an audit export: every proof, every judgement, and what follows from them.

Needs nothing but the file: no room, no profile, no network. Lines are read one by one;
of acts only what the rules need is kept. The first line that does not hold ends it.
What a verifier may conclude, and what not, is told in ``docs/audit.md``.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from app.audit.exporting import summary_signable
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
    MAX_LINE_BYTES,
    MAX_LOGS,
    ActLine,
    Header,
    LogLine,
    Object,
    Summary,
    decode_line,
    read_act,
    read_header,
    read_log,
    read_summary,
)
from app.audit.proofs import check_block, check_log
from app.audit.telling import fields_of, kind_of
from app.audit.weight import Weight
from app.errors import UserFacingError
from app.identity import decode_proof, verify_proof
from app.rooms.frozen import clipped
from app.rooms.law import Act, authentic
from app.rooms.law.act import without_load
from app.rooms.operations import ACT_TYPES, decode_operation
from app.rooms.operations.acts import Found, Rest
from app.rooms.operations.codec import Operation
from app.rooms.seals import open_with_block_key
from net.crypto import verify
from net.errors import RemoteProtocolError
from store.autobase import Entry, decode_entry
from store.errors import RemoteProtocolError as StoreProtocolError
from store.hypercore.fork_proof import decode_fork_proof

_DIGEST_BYTES: Final = 16
_OPENING: Final = {
    "commitment": "its block key is not that of its block",
    "seal": "its block was not written for this room and this place",
    "version": "its block is of another version of Covey",
}


@dataclass(slots=True)
class _Known:
    """What is known of one log."""

    line: LogLine
    sequences: list[int] = field(default_factory=list)
    """Of its acts so far."""
    clocks: list[int] = field(default_factory=list)
    """The same."""
    claimed: int = 0
    """So much of it somebody says to have seen."""

    def clock_below(self, length: int) -> int:
        """The clock of its last act before a length; 0 when there is none."""
        at = bisect_left(self.sequences, length)
        return self.clocks[at - 1] if at else 0


@dataclass(frozen=True, slots=True)
class Audit:
    """An export that holds."""

    header: Header
    acts: tuple[Act, ...]
    outcome: Outcome
    logs: tuple[LogLine, ...]

    def told(self) -> Iterator[Told]:
        """What became of each act, in order."""
        return replay(self.header.founder, self.acts, self.outcome)

    @property
    def void_count(self) -> int:
        """Acts that had no effect."""
        return len(self.acts) - len(self.outcome.in_force)

    @property
    def inside(self) -> bool:
        """True when the exporter is in the room behind the last act."""
        return (
            self.header.device
            in self.outcome.state.members[self.header.identity].devices
        )


def verify_export(file: BinaryIO) -> Audit:
    """Check an export.

    Args:
        file: Its bytes, from the first on.

    Raises:
        UserFacingError: ``audit``: it does not hold; the sentence names the first line
            that does not, and why.
        OSError: It cannot be read.
    """
    verifier = _Verifier(file)
    try:
        return verifier.run()
    except (RemoteProtocolError, StoreProtocolError) as error:
        raise UserFacingError(
            "audit", f"Line {verifier.number} does not hold: {error}."
        ) from error


class _Verifier:
    """Goes through a file once.

    Attributes:
        number: Of the line in hand, from 1.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.number = 0
        self._file = file
        self._hash = hashlib.blake2b(digest_size=32)
        self._before = b""
        self._logs: dict[bytes, _Known] = {}
        self._frozen: dict[bytes, int] = {}
        self._knowledge = Knowledge()
        self._acts: list[Act] = []
        self._told: list[bytes] = []
        self._weight = Weight()

    def run(self) -> Audit:
        header = self._header()
        value = self._next()
        while value.get("type") == "log":
            self._take_log(header, read_log(value))
            value = self._next()
        first_act = self.number
        while value.get("type") == "act":
            self._take_act(header, read_act(value))
            value = self._next()
        self._check_counts()
        outcome = self._fold(header, first_act)
        self._expect(value, room_object(outcome.state))
        for member in members_of(outcome.state):
            self._expect(self._next(), member_object(member))
        value = self._next()
        if value.get("type") != "summary":
            raise RemoteProtocolError("nothing but the summary may follow here")
        self._check_summary(header, read_summary(value))
        return Audit(
            header,
            tuple(self._acts),
            outcome,
            tuple(it.line for it in self._logs.values()),
        )

    def _next(self) -> Object:
        """The next line, which is there."""
        self._hash.update(self._before)
        self.number += 1
        line = self._file.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise RemoteProtocolError("the file ends before its summary", code="cut")
        self._before = line
        return decode_line(line)

    def _header(self) -> Header:
        header = read_header(self._next())
        try:
            proof = decode_proof(header.proof)
        except RemoteProtocolError as error:
            raise RemoteProtocolError("the exporter's proof is none") from error
        if not verify_proof(
            proof, expected_identity=header.identity, expected_device=header.device
        ):
            raise RemoteProtocolError(
                "the exporter's device is not proven to be that identity's"
            )
        return header

    def _take_log(self, header: Header, line: LogLine) -> None:
        if self._logs and line.device <= next(reversed(self._logs)):
            raise RemoteProtocolError("the logs are in the order of their devices")
        if len(self._logs) >= MAX_LOGS:
            raise RemoteProtocolError(f"there are more than {MAX_LOGS} logs")
        check_log(line, header.namespace)
        self._logs[line.device] = _Known(line)
        if line.fork:
            self._frozen[line.device] = decode_fork_proof(line.fork).length

    def _take_act(self, header: Header, line: ActLine) -> None:
        if len(self._acts) >= MAX_ACTS:
            raise RemoteProtocolError(f"there are more than {MAX_ACTS} acts")
        place = line.place
        if self._acts and place <= self._acts[-1].place:
            raise RemoteProtocolError("the acts are in the order of their places")
        known = self._logs.get(place.writer)
        if known is None:
            raise RemoteProtocolError("the log it stands in was not told")
        check_block(known.line, place.sequence, line.block, line.proof)
        entry, operation = _opened(header, line)
        self._compare(line, entry, operation)
        body = operation.body
        assert isinstance(body, ACT_TYPES), "compared before"
        if not authentic(header.room, place.writer, body):
            raise RemoteProtocolError("a signature or hash inside the act is wrong")
        if not self._acts and not (
            isinstance(body, Found) and place.writer == header.founder
        ):
            raise RemoteProtocolError("the first act is the founding of the room")
        self._weight.add(body, len(line.seen))
        if self._weight.is_too_much:
            raise RemoteProtocolError("the acts name more than can be checked")
        self._check_place(known, line)
        self._check_seen(line)
        self._check_clocks(line, body)
        known.sequences.append(place.sequence)
        known.clocks.append(place.clock)
        seen = self._knowledge.at(place.writer, place.sequence)
        body = clipped(body, self._frozen)
        act = Act(place, operation.sent_at, body, seen, line.clocks)
        self._acts.append(without_load(act))
        self._told.append(_digest(line.told))

    def _compare(self, line: ActLine, entry: Entry, operation: Operation) -> None:
        """Hold what the line tells against what its block says."""
        body = operation.body
        if not isinstance(body, ACT_TYPES):
            raise RemoteProtocolError("its block is no act")
        told = {
            "clock": (line.place.clock, entry.clock),
            "links": (line.links, entry.links),
            "sentAt": (line.sent_at, operation.sent_at),
            "act": (line.act, kind_of(body)),
            "fields": (_text(line.fields), _text(fields_of(body))),
        }
        for name, (said, written) in told.items():
            if said != written:
                raise RemoteProtocolError(f"its {name} is not what its block says")

    def _check_place(self, known: _Known, line: ActLine) -> None:
        place = line.place
        rises = not known.clocks or (
            place.sequence > known.sequences[-1] and place.clock > known.clocks[-1]
        )
        if not rises:
            raise RemoteProtocolError(
                "numbers and clocks rise within a log", code="order"
            )
        ends = self._frozen.get(place.writer, known.line.read)
        if place.sequence >= min(ends, known.line.read):
            raise RemoteProtocolError("its log was not read so far")
        if place.sequence < known.claimed:
            raise RemoteProtocolError(
                "an earlier act is said to have seen it", code="seen"
            )

    def _check_seen(self, line: ActLine) -> None:
        """Hold what the author is said to have seen against what shows of it."""
        knowledge, place = self._knowledge, line.place
        writer = place.writer
        before = {other: knowledge.current(writer, other) for other in line.seen}
        grown = knowledge.note(writer, place.sequence, line.seen)
        if len(grown) != len(line.seen) or writer in grown:
            raise RemoteProtocolError(
                "it tells what was seen before once more", code="seen"
            )
        for other, length in grown.items():
            log = self._logs.get(other)
            if log is None or length > log.line.read:
                raise RemoteProtocolError(
                    "it is said to have seen what is in no log", code="seen"
                )
            if log.clock_below(length) >= place.clock:
                raise RemoteProtocolError(
                    "it is said to have seen what is later", code="seen"
                )
            log.claimed = max(log.claimed, length)
        linked = all(
            knowledge.current(writer, link.writer)
            >= min(link.length, self._frozen.get(link.writer, link.length))
            for link in line.links
        )
        if not linked or not all(
            knowledge.includes(writer, other, before[other], length)
            for other, length in grown.items()
        ):
            raise RemoteProtocolError(
                "it links to more than it is said to have seen", code="seen"
            )

    def _check_clocks(self, line: ActLine, body: object) -> None:
        named = {body.device} if isinstance(body, Rest) else set()
        if not line.clocks.keys() <= named:
            raise RemoteProtocolError("it tells clocks that nobody asks for")
        for device, clock in line.clocks.items():
            log = self._logs.get(device)
            length = self._knowledge.current(line.place.writer, device)
            if log is None or not length or clock >= line.place.clock:
                raise RemoteProtocolError("the clock it had seen cannot be")
            if clock < log.clock_below(length):
                raise RemoteProtocolError("the clock it had seen cannot be")

    def _check_counts(self) -> None:
        if not self._acts:
            raise RemoteProtocolError("there is no act before it")
        for device, known in self._logs.items():
            told, here = known.line.act_count, len(known.sequences)
            if told != here:
                raise RemoteProtocolError(
                    f"of the log of device {device.hex()[:8]} {told} acts were told of,"
                    f" and {here} are here"
                )

    def _fold(self, header: Header, first_act: int) -> Outcome:
        """Judge the acts, and hold what was told of each against it."""
        outcome = fold(header.founder, self._acts)
        behind, state = self.number, outcome.state
        for at, told in enumerate(replay(header.founder, self._acts, outcome)):
            self.number = first_act + at
            if _digest(told.to_object()) != self._told[at]:
                effect = "is in force" if told.why is None else "is void"
                raise RemoteProtocolError(
                    f'by the rules it says "{told.says}" and {effect}, which is not'
                    " what it tells"
                )
        self.number = 1
        member = state.members.get(header.identity)
        if member is None or header.device not in member.known:
            raise RemoteProtocolError("the exporter's device was never in the room")
        if (header.name, header.exporter) != (state.room.name, member.name):
            raise RemoteProtocolError("the room or its exporter has another name")
        self.number = behind
        self._told = []
        return outcome

    def _expect(self, value: Object, wanted: Object) -> None:
        kind = wanted["type"]
        if value.get("type") != kind:
            raise RemoteProtocolError(f"the line of a {kind} is missing here")
        for name, right in wanted.items():
            if name not in value or _text(value[name]) != _text(right):
                raise RemoteProtocolError(
                    f"its {name} is not what the acts make it", code="outcome"
                )
        if value.keys() != wanted.keys():
            raise RemoteProtocolError("its fields are not those of such a line")

    def _check_summary(self, header: Header, summary: Summary) -> None:
        if (summary.line_count, summary.act_count) != (
            self.number - 1,
            len(self._acts),
        ):
            raise RemoteProtocolError("it counts other lines than are here")
        digest = self._hash.digest()
        if summary.hash != digest:
            raise RemoteProtocolError("the lines before it were changed")
        signable = summary_signable(header.room, digest)
        if not verify(signable, summary.signature, header.device):
            raise RemoteProtocolError("the exporter's device has not signed it")
        self.number += 1
        if self._file.read(1):
            raise RemoteProtocolError("nothing may follow the summary")


def _opened(header: Header, line: ActLine) -> tuple[Entry, Operation]:
    place = line.place
    try:
        plaintext = open_with_block_key(
            line.block,
            line.block_key,
            room=header.room,
            writer=place.writer,
            sequence=place.sequence,
        )
    except RemoteProtocolError as error:
        reason = _OPENING.get(error.code, "its block is none")
        raise RemoteProtocolError(reason, code=error.code) from error
    try:
        entry = decode_entry(place.writer, place.sequence, plaintext)
        return entry, decode_operation(entry.payload)
    except (RemoteProtocolError, StoreProtocolError) as error:
        raise RemoteProtocolError("its block is no act") from error


def _digest(told: Object) -> bytes:
    return hashlib.blake2b(_text(told).encode(), digest_size=_DIGEST_BYTES).digest()


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
