"""The send queue: every byte once, in order, in payloads of the size asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from net.udx.outbound import SendQueue


@given(
    writes=st.lists(st.binary(max_size=40), max_size=30),
    takes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 17)), max_size=60),
)
def test_cutting_loses_nothing(
    writes: list[bytes], takes: list[tuple[int, int]]
) -> None:
    queue = SendQueue()
    for data in writes:
        queue.append(data)
    whole = b"".join(writes)
    taken = b""
    for count, size in takes:
        left = len(whole) - len(taken)
        payloads = queue.take(count, size)
        assert sum(map(len, payloads)) == min(left, count * size)
        assert all(len(payload) == size for payload in payloads[:-1])
        assert all(payloads)
        taken += b"".join(payloads)
        assert queue.size_bytes == len(whole) - len(taken)
    assert whole.startswith(taken)


def test_clear_forgets_everything() -> None:
    queue = SendQueue()
    queue.append(b"abcdef")
    queue.take(1, 4)
    queue.clear()
    assert queue.take(1, 4) == []
    queue.append(b"xy")
    assert queue.take(1, 4) == [b"xy"]


def test_only_one_whole_write_that_fits_is_small() -> None:
    queue = SendQueue()
    assert queue.take_small(10) == b""
    queue.append(b"0123456789")
    assert queue.take_small(9) == b""
    assert queue.take_small(10) == b"0123456789"
    assert queue.size_bytes == 0
    queue.append(b"ab")
    queue.append(b"cd")
    assert queue.take_small(10) == b""
    assert queue.take(1, 3) == [b"abc"]
    assert queue.take_small(10) == b""
    assert queue.take(1, 3) == [b"d"]
