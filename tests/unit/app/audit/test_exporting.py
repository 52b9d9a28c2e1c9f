"""What an export holds, what it must not hold, and what it needs of a room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from app.audit import exporting, weight
from app.audit.exporting import Shown, SourceLog, gather
from app.audit.proofs import manifest_of
from app.audit.source import _write_new
from app.errors import UserFacingError
from app.rooms.operations.acts import Profile
from tests.helpers.forked_logs import fork_proof
from tests.unit.app.audit.paper_room import (
    ADA,
    BO,
    ROOM_KEY,
    SECOND_KEY,
    START_MS,
    PaperRoom,
    PaperRow,
    busy_room,
    exported,
    seat,
    verified,
)


def test_an_export_opens_acts_only() -> None:
    room = busy_room()
    data = b"".join(exported(room))
    shown = {json.loads(line).get("block") for line in data.splitlines()}
    count = 0
    for key, log in room.logs.items():
        for sequence, block in enumerate(log.blocks):
            if block.hex() in shown:
                count += 1
                continue
            block_key = room.block_key(block, key, sequence)
            assert block_key.hex().encode() not in data
            assert block.hex().encode() not in data
    assert count == len(room.stored)
    for secret in (ROOM_KEY, SECOND_KEY, ADA.device.secret_key):
        assert secret.hex().encode() not in data


def test_what_is_told_of_seen_grows() -> None:
    room = PaperRoom()
    room.let_in(ADA, 1, BO)
    room.write(BO, Profile("Bob"))
    room.show(ADA, BO)
    room.write(ADA, Profile("Ada L."))
    room.write(ADA, Profile("Ada M."))
    told = [json.loads(line) for line in exported(room)]
    seen = [it["seen"] for it in told if it["type"] == "act"]
    assert seen[-2:] == [{BO.key.hex(): 1}, {}]


def test_a_broad_room_is_exported_with_few_logs_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "MAX_OPEN_LOGS", 3)
    room = PaperRoom()
    seats = [seat(f"Guest {number}") for number in range(8)]
    for number, who in enumerate(seats):
        room.let_in(ADA, number, who)
        room.write(who, Profile(f"No. {number}"))
    most = 0
    real = room.open

    async def counted(writer: bytes) -> SourceLog:
        nonlocal most
        log = await real(writer)
        most = max(most, sum(it.open_count for it in room.logs.values()))
        return log

    monkeypatch.setattr(room, "open", counted)
    assert len(verified(exported(room)).logs) == 9
    assert most <= 4
    assert all(log.open_count == 0 for log in room.logs.values())


def test_logs_are_given_back_when_a_block_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = busy_room()

    async def nothing(sequence: int, length: int) -> Shown:
        raise UserFacingError("audit-incomplete", f"No {sequence} of {length}.")

    monkeypatch.setattr(room.logs[BO.key], "show", nothing)
    with pytest.raises(UserFacingError, match="No 1 of"):
        exported(room)
    assert all(log.open_count == 0 for log in room.logs.values())


@pytest.mark.parametrize("limit", ["MAX_ACTS", "MAX_WEIGHT", "MAX_LOGS"])
def test_rooms_beyond_the_limits_are_not_exported(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = weight if limit == "MAX_WEIGHT" else exporting
    monkeypatch.setattr(where, limit, 2)
    with pytest.raises(UserFacingError) as caught:
        exported(busy_room())
    assert caught.value.code == "too-large"


def test_logs_of_which_nothing_was_read_are_left_out() -> None:
    room = PaperRoom()
    rows = [exported_row(ADA.key, 1), exported_row(BO.key, 0)]
    assert list(gather(rows, room.stored).logs) == [ADA.key]


def exported_row(writer: bytes, derived: int) -> PaperRow:
    """How far a log is."""
    return PaperRow(writer, derived, b"")


def test_a_fork_that_is_known_is_told() -> None:
    room = PaperRoom()
    row = exported_row(ADA.key, 1)
    proof = fork_proof(
        [b"a", b"b"], [b"a", b"c"], manifest_of(ADA.key, bytes(32)), ADA.device
    ).encode()
    forked = gather([row._replace(proof=proof)], room.stored)
    assert forked.logs == {ADA.key: (1, proof)}


async def _lines(count: int, *, fail: bool = False) -> AsyncGenerator[bytes, None]:
    for number in range(count):
        yield b"x" * 1000 + b"%d\n" % number
    if fail:
        raise UserFacingError("disk", f"The disk refused at {START_MS}.")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    count, size = asyncio.run(_write_new(file, _lines(600)))
    assert (count, size) == (600, file.stat().st_size)
    assert file.read_bytes().endswith(b"x599\n")
    with pytest.raises(UserFacingError, match="exists already"):
        asyncio.run(_write_new(file, _lines(1)))
    assert file.stat().st_size == size
    broken = tmp_path / "b.jsonl"
    with pytest.raises(UserFacingError, match="refused"):
        asyncio.run(_write_new(broken, _lines(600, fail=True)))
    assert not broken.exists()
    with pytest.raises(UserFacingError, match="no absolute path"):
        asyncio.run(_write_new(Path("c.jsonl"), _lines(1)))
    with pytest.raises(UserFacingError, match="cannot be written"):
        asyncio.run(_write_new(tmp_path / "no" / "d.jsonl", _lines(1)))
