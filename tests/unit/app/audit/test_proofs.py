"""Blocks are proven in trees of every shape, and nothing else is."""

from __future__ import annotations

import asyncio

import pytest

from app.audit.lines import LogLine
from app.audit.proofs import check_block, check_log, manifest_of, path_length
from app.rooms.keys import log_namespace
from net.errors import RemoteProtocolError
from store.hypercore.manifest import manifest_key
from tests.unit.app.audit.paper_room import ADA, BO, ROOM_KEY, PaperLog

NAMESPACE = log_namespace(ROOM_KEY)


def log_of(length: int) -> PaperLog:
    """A log of some blocks."""
    log = PaperLog(ADA, NAMESPACE)
    for number in range(length):
        log.append(b"block %d" % number, number)
    return log


def line_of(log: PaperLog) -> LogLine:
    """What is signed of it."""
    head = log.head
    return LogLine(
        device=ADA.key,
        key=manifest_key(manifest_of(ADA.key, NAMESPACE)),
        length=head.length,
        roots=head.roots,
        signature=head.signature,
        act_count=0,
        read=head.length,
        fork=b"",
    )


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 13, 16, 21])
def test_every_block_is_proven_at_its_number_alone(length: int) -> None:
    log = log_of(length)
    line = line_of(log)
    check_log(line, NAMESPACE)
    for sequence in range(length):
        shown = asyncio.run(log.show(sequence, length))
        assert len(shown.proof) == path_length(sequence, length)
        check_block(line, sequence, shown.block, shown.proof)
        for other in range(length + 2):
            if other != sequence:
                with pytest.raises(RemoteProtocolError):
                    check_block(line, other, shown.block, shown.proof)
        with pytest.raises(RemoteProtocolError):
            check_block(line, sequence, shown.block + b"x", shown.proof)
        for at, (size, digest) in enumerate(shown.proof):
            for wrong in ((size + 1, digest), (size, bytes(32)), (2**53 - 1, digest)):
                changed = (*shown.proof[:at], wrong, *shown.proof[at + 1 :])
                with pytest.raises(RemoteProtocolError):
                    check_block(line, sequence, shown.block, changed)


def test_a_tree_that_its_device_has_not_signed_is_refused() -> None:
    line = line_of(log_of(6))
    others = (
        line._replace(device=BO.key),
        line._replace(length=5),
        line._replace(roots=line_of(log_of(7)).roots),
        line._replace(signature=line_of(log_of(5)).signature),
        line._replace(signature=b""),
        line._replace(signature=b"\xff" * 70),
    )
    for other in others:
        with pytest.raises(RemoteProtocolError):
            check_log(other, NAMESPACE)
    with pytest.raises(RemoteProtocolError):
        check_log(line, bytes(32))
