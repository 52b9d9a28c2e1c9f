"""Ordering and SACK ranges, against a model that keeps a plain set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.udx.packet import MAX_SACK_BLOCKS
from net.udx.reassembly import MAX_REORDER_BYTES, MAX_REORDER_PACKETS, Reassembly


def payload_of(seq: int) -> bytes:
    return seq.to_bytes(3, "big")


def ranges_of(seqs: set[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for seq in sorted(seqs):
        if found and found[-1][1] == seq:
            found[-1] = (found[-1][0], seq + 1)
        else:
            found.append((seq, seq + 1))
    return found


ARRIVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=60)


@given(arrivals=ARRIVALS)
def test_any_order_of_single_packets_and_runs_agrees_with_the_model(
    arrivals: list[tuple[int, int]],
) -> None:
    reassembly = Reassembly()
    got: set[int] = set()
    delivered = b""
    for first, count in arrivals:
        run = range(first, first + count)
        taken = reassembly.receive_run(first, [payload_of(seq) for seq in run])
        for seq in run:
            if not taken:
                new = reassembly.receive(seq, payload_of(seq), end=False)
                assert new == (seq not in got)
            else:
                assert seq not in got
            got.add(seq)
        if reassembly.ready:
            delivered += reassembly.take_ready()
        expected = next(seq for seq in range(1000) if seq not in got)
        assert reassembly.expected == expected
        early = {seq for seq in got if seq > expected}
        assert reassembly.sack_blocks() == ranges_of(early)
        assert reassembly.early_bytes == 3 * len(early)
        assert reassembly.has_gaps == bool(early)
    assert delivered == b"".join(map(payload_of, range(reassembly.expected)))


def test_the_end_comes_after_everything_before_it() -> None:
    reassembly = Reassembly()
    assert reassembly.receive(1, b"last", end=True)
    assert not reassembly.ended
    assert reassembly.receive(0, b"first ", end=False)
    assert reassembly.ended
    assert reassembly.take_ready() == b"first last"
    assert not reassembly.receive(2, b"behind", end=False)
    assert not reassembly.receive_run(2, [b"behind"])


def test_an_end_before_data_that_came_early_is_refused() -> None:
    reassembly = Reassembly()
    reassembly.receive(5, b"x", end=False)
    assert not reassembly.receive(3, b"", end=True)
    assert reassembly.end_seq is None
    assert reassembly.dropped_count == 1


@pytest.mark.parametrize("by_run", [False, True])
def test_packets_far_ahead_are_refused(*, by_run: bool) -> None:
    reassembly = Reassembly()

    def take(seq: int) -> bool:
        if by_run:
            return reassembly.receive_run(seq, [b"x"])
        return reassembly.receive(seq, b"x", end=False)

    assert not take(MAX_REORDER_PACKETS + 1)
    assert take(MAX_REORDER_PACKETS - 1)
    assert reassembly.early_bytes == 1


@pytest.mark.parametrize("by_run", [False, True])
def test_early_bytes_are_bounded(*, by_run: bool) -> None:
    reassembly = Reassembly()
    half = bytes(MAX_REORDER_BYTES // 2)
    for seq in (2, 4, 6):
        if not (by_run and reassembly.receive_run(seq, [half])):
            reassembly.receive(seq, half, end=False)
    assert reassembly.early_bytes == MAX_REORDER_BYTES
    assert reassembly.dropped_count == 1


def test_many_gaps_are_all_told_in_turn_the_new_ones_first() -> None:
    reassembly = Reassembly()
    seqs = list(range(2, 2 + 2 * 120, 2))
    for seq in seqs:
        reassembly.receive(seq, b"x", end=False)
    told: set[tuple[int, int]] = set()
    while reassembly.unreported:
        blocks = reassembly.sack_blocks()
        assert len(blocks) <= MAX_SACK_BLOCKS
        assert blocks == sorted(blocks)
        told.update(blocks)
    assert told == {(seq, seq + 1) for seq in seqs}
    reassembly.receive(901, b"x", end=False)
    assert (901, 902) in reassembly.sack_blocks()
    again: set[tuple[int, int]] = set()
    for _ in range(4):
        again.update(reassembly.sack_blocks())
    assert len(again) == 121


def test_small_payloads_can_be_joined() -> None:
    reassembly = Reassembly()
    for seq in range(3):
        reassembly.receive(seq, b"ab", end=False)
    reassembly.compact()
    assert len(reassembly.ready) == 1
    assert reassembly.take_ready() == b"ababab"
