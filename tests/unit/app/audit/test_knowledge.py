"""What acts had seen, beside a plain table of everything."""

from __future__ import annotations

import random

import pytest

from app.audit.knowledge import Knowledge


@pytest.mark.parametrize("seed", range(20))
def test_it_knows_what_a_plain_table_knows(seed: int) -> None:
    chance = random.Random(seed)
    logs = [bytes([number]) * 32 for number in range(5)]
    knowledge, table = Knowledge(), dict[tuple[bytes, int], dict[bytes, int]]()
    sequences = dict.fromkeys(logs, 0)
    for _ in range(60):
        writer = chance.choice(logs)
        sequence = sequences[writer] = sequences[writer] + chance.randrange(1, 4)
        before = dict(table.get((writer, last_of(table, writer)), {}))
        seen = dict(before)
        for other in chance.sample(logs, 2):
            if other != writer:
                seen[other] = seen.get(other, 0) + chance.randrange(1, 5)
        grown = knowledge.note(writer, sequence, seen)
        assert grown == {k: v for k, v in seen.items() if v != before.get(k)}
        table[writer, sequence] = seen
        included = {
            other: all(
                seen.get(third, 0) >= length
                for (whose, _), theirs in table.items()
                if whose == other
                for third, length in theirs.items()
                if third != writer
            )
            for other in logs
            if other != writer
        }
        for other, wanted in included.items():
            assert knowledge.includes(writer, other, 0, 10**6) is wanted
    for (writer, sequence), seen in table.items():
        found = knowledge.at(writer, sequence)
        assert dict(found) == seen
        assert len(found) == len(seen)
        for other in logs:
            assert found.get(other, 0) == seen.get(other, 0)
    for writer in logs:
        for other in logs:
            last = table.get((writer, last_of(table, writer)), {})
            assert knowledge.current(writer, other) == last.get(other, 0)


def last_of(table: dict[tuple[bytes, int], dict[bytes, int]], writer: bytes) -> int:
    """The number of a log's last act."""
    return max((number for key, number in table if key == writer), default=-1)


def test_acts_before_the_first_that_saw_had_seen_nothing() -> None:
    knowledge = Knowledge()
    knowledge.note(b"a" * 32, 0, {})
    knowledge.note(b"a" * 32, 4, {b"b" * 32: 2})
    assert dict(knowledge.at(b"a" * 32, 3)) == {}
    assert dict(knowledge.at(b"a" * 32, 9)) == {b"b" * 32: 2}
    with pytest.raises(KeyError):
        knowledge.at(b"a" * 32, 3)[b"b" * 32]
