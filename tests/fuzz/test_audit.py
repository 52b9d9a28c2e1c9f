"""Audit exports, damaged: lines are read or refused, and no change of a file holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.audit.lines import (
    MAX_LINE_BYTES,
    LogLine,
    decode_line,
    encode_line,
    read_act,
    read_header,
    read_log,
    read_summary,
)
from app.audit.proofs import check_block, check_log, manifest_of
from app.audit.verifying import verify_export
from app.errors import UserFacingError
from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from store.hypercore.fork_proof import ended_head
from store.hypercore.manifest import manifest_key
from tests.fuzz.mutations import mutated
from tests.helpers.forked_logs import fork_proof
from tests.unit.app.audit.paper_room import busy_room, exported

READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "header": read_header,
    "log": read_log,
    "act": read_act,
    "summary": read_summary,
}


@cache
def lines() -> tuple[bytes, ...]:
    """An export that holds."""
    return tuple(exported(busy_room()))


LINES = lines()
READABLE = [line for line in LINES if json.loads(line)["type"] in READERS]
KEY = "5a" * 32
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 9, -1, 2**53, 2**60, 0.5, "", "x", "zz", "5A" * 32),
    *(KEY, "5a" * 64, "5a" * 5000, "5a" * 80_000, [], [1], [[]], [[1, 2, 3]], {}),
    *([[KEY, 1]], [[KEY, -1]], [[1, KEY]], [[-1, KEY]], [["x", KEY]], [[1, "5a"]]),
    *([[2**53 - 1, KEY]] * 2, [[2**53, KEY]], [[1, KEY]] * 99, {KEY: 1}, {KEY: "1"}),
    *({"x": 1}, {KEY: 1, "0a" * 32: 1}, {"identity": KEY}),
)
VALUES = st.sampled_from(STRANGE)


def check_line(line: bytes) -> None:
    """A line is refused, or read and written alike."""
    try:
        value = decode_line(line)
        reader = READERS.get(str(value.get("type")), read_header)
        read = reader(value)
    except RemoteProtocolError:
        return
    assert encode_line(read.to_object()) == line


def test_no_value_of_any_field_is_read_as_another() -> None:
    for line in READABLE[:4] + READABLE[-2:]:
        value = json.loads(line)
        exporter = value.get("exporter", {})
        for strange in STRANGE:
            for name in value:
                check_line(encode_line({**value, name: strange}))
            for name in exporter:
                other = {**exporter, name: strange}
                check_line(encode_line({**value, "exporter": other}))


@st.composite
def said_otherwise(draw: st.DrawFn) -> bytes:
    """A line of which some fields say anything, spelt as exports spell it."""
    value: dict[str, Any] = json.loads(draw(st.sampled_from(READABLE)))
    for _ in range(draw(st.integers(1, 2))):
        where = value
        name = draw(st.sampled_from(sorted(value)))
        if name == "exporter" and isinstance(value[name], dict) and draw(st.booleans()):
            where = value[name]
            name = draw(st.sampled_from(sorted(where) or ["x"]))
        if draw(st.integers(0, 9)):
            where[name] = draw(VALUES)
        else:
            where.pop(name, None)
    return encode_line(value)


DAMAGED = st.one_of(
    mutated(READABLE),
    said_otherwise(),
    st.sampled_from(
        (
            *(b"[" * 200_000 + b"\n", b"[]\n", b"NaN\n", b"9" * 5000 + b"\n"),
            *(b"1e999\n", b'{"type":"\\ud800"}\n', b'{"a":1,"a":1}\n', b"\xff\n"),
            *(b"x" * (MAX_LINE_BYTES + 1), b"{}", b'{"type":"header"}\n'),
        )
    ),
)


@given(DAMAGED)
@settings(max_examples=1500)
def test_lines_are_read_or_refused(line: bytes) -> None:
    check_line(line)


LOGS = {
    log.device: log
    for log in (read_log(json.loads(it)) for it in LINES if b'"type":"log"' in it)
}
NAMESPACE = read_header(json.loads(LINES[0])).namespace
ACTS = [read_act(json.loads(it)) for it in LINES if b'"type":"act"' in it]


@given(
    st.sampled_from(sorted(LOGS)),
    st.sampled_from(ACTS),
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from((0, 70, 2**53 - 1)), st.binary(max_size=0))),
    st.booleans(),
)
@settings(max_examples=400)
def test_blocks_are_proven_or_refused(
    device: bytes, act: Any, sequence: int, more: list[tuple[int, bytes]], cut: bool
) -> None:
    proof = (
        *act.proof[: -1 if cut else None],
        *((size, bytes(32)) for size, _ in more),
    )
    try:
        check_block(LOGS[device], sequence, act.block, proof)
    except RemoteProtocolError:
        same = (device, sequence, proof) == (
            *(act.place.writer, act.place.sequence),
            act.proof,
        )
        assert not same
        return
    assert (device, sequence) == (act.place.writer, act.place.sequence)


@given(
    st.sampled_from(sorted(LOGS)),
    mutated([log.signature for log in LOGS.values()]),
    st.sampled_from((NAMESPACE, bytes(32))),
)
@settings(max_examples=200)
def test_logs_are_signed_or_refused(
    device: bytes, signature: bytes, namespace: bytes
) -> None:
    log = LOGS[device]._replace(signature=signature)
    try:
        check_log(log, namespace)
    except RemoteProtocolError:
        assert (signature, namespace) != (LOGS[device].signature, NAMESPACE)
        return
    assert (signature, namespace) == (LOGS[device].signature, NAMESPACE)


FORKER: Final = KeyPair.from_seed(b"two histories".ljust(32))
FORKED: Final = manifest_of(FORKER.public_key, NAMESPACE)
FORK: Final = fork_proof([b"a", b"b"], [b"a", b"c"], FORKED, FORKER)
ENDED: Final = LogLine(
    device=FORKER.public_key,
    key=manifest_key(FORKED),
    length=FORK.length,
    roots=FORK.common,
    signature=ended_head(FORK).signature,
    act_count=0,
    read=0,
    fork=FORK.encode(),
)


@given(
    mutated([ENDED.fork, b""]),
    mutated([ENDED.signature, LOGS[min(LOGS)].signature]),
    st.sampled_from((ENDED, LOGS[min(LOGS)])),
)
@example(ENDED.fork, ENDED.signature, ENDED)
@example(ENDED.fork, LOGS[min(LOGS)].signature, LOGS[min(LOGS)])
@settings(max_examples=400)
def test_ends_of_logs_are_proven_or_refused(
    fork: bytes, signature: bytes, log: LogLine
) -> None:
    try:
        check_log(log._replace(fork=fork, signature=signature), NAMESPACE)
    except RemoteProtocolError:
        assert (log, fork, signature) != (ENDED, ENDED.fork, ENDED.signature)
        return
    assert signature == log.signature
    assert fork == b"" or (log, fork) == (ENDED, ENDED.fork)


@given(mutated([b"".join(LINES)]))
@settings(max_examples=150)
def test_no_damaged_file_holds(data: bytes) -> None:
    if data == b"".join(LINES):
        assert verify_export(BytesIO(data)).void_count == 3
        return
    with pytest.raises(UserFacingError, match=r"^Line [0-9]+ does not hold: .*\.$"):
        verify_export(BytesIO(data))


@given(st.integers(0, len(LINES) - 1), said_otherwise())
@settings(max_examples=150)
def test_no_file_with_another_line_holds(at: int, line: bytes) -> None:
    if line == LINES[at]:
        return
    data = b"".join((*LINES[:at], line, *LINES[at + 1 :]))
    with pytest.raises(UserFacingError, match=r"^Line [0-9]+ does not hold: .*\.$"):
        verify_export(BytesIO(data))
