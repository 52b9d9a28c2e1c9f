"""The bitfield, against a set of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import LocalProtocolError
from store.hypercore.bitfield import PAGE_BITS, PAGE_BYTES, Bitfield

SPAN = 3 * PAGE_BITS
EDGES = (0, 1, 7, 8, 31, 32, PAGE_BITS - 1, PAGE_BITS, PAGE_BITS + 1, 2 * PAGE_BITS)
PLACES = st.sampled_from(EDGES) | st.integers(0, SPAN)
STEPS = st.one_of(
    st.tuples(st.just("set"), PLACES, st.booleans()),
    st.tuples(st.just("range"), PLACES, PLACES, st.booleans()),
    st.tuples(st.just("truncate"), PLACES),
    st.tuples(st.just("insert"), PLACES, st.binary(max_size=9), st.integers(1, 600)),
)


class Model:
    """One big integer, changed bit by bit."""

    def __init__(self, full_length: int) -> None:
        self.bits = (1 << full_length) - 1

    def set_range(self, start: int, end: int, *, value: bool) -> None:
        mask = ((1 << max(0, end - start)) - 1) << start
        self.bits = self.bits | mask if value else self.bits & ~mask

    def insert(self, start: int, data: bytes) -> None:
        self.set_range(start, start + 8 * len(data), value=False)
        self.bits |= int.from_bytes(data, "little") << start

    def page(self, number: int) -> bytes:
        bits = self.bits >> (number * PAGE_BITS) & ((1 << PAGE_BITS) - 1)
        return bits.to_bytes(PAGE_BYTES, "little")


def _first(bits: int, start: int) -> int | None:
    rest = bits >> start
    return start + (rest & -rest).bit_length() - 1 if rest else None


@settings(max_examples=150)
@given(PLACES, st.lists(STEPS, max_size=8), st.lists(PLACES, min_size=1, max_size=6))
def test_the_bitfield_does_what_a_number_does(
    full_length: int, steps: list[tuple[object, ...]], places: list[int]
) -> None:
    field, model = Bitfield(full_length=full_length), Model(full_length)
    assert field.take_dirty_pages() == {}
    changed: set[int] = set()
    for step in steps:
        before = [model.page(number) for number in range(5)]
        _do(field, model, step)
        changed |= {n for n in range(5) if model.page(n) != before[n]}
    for place in places:
        assert field.get(place) == bool(model.bits >> place & 1)
        assert field.first_set(place) == _first(model.bits, place)
        assert field.first_unset(place) == _first(~model.bits, place)
        words = field.words(place & ~31, 3)
        assert int.from_bytes(words, "little") == (
            model.bits >> (place & ~31) & ((1 << 96) - 1)
        )
        for other in places:
            inside = model.bits >> place & ((1 << max(0, other - place)) - 1)
            assert field.count(place, other) == inside.bit_count()
    assert field.count() == model.bits.bit_count()
    dirty = field.take_dirty_pages()
    assert changed <= set(dirty), "a change was forgotten"
    assert dirty == {number: model.page(number) for number in dirty}
    assert field.take_dirty_pages() == {}
    assert field.pages() == [n for n in range(5) if any(model.page(n))]


def _do(field: Bitfield, model: Model, step: tuple[object, ...]) -> None:
    match step:
        case ("set", int(place), bool(value)):
            was = bool(model.bits >> place & 1)
            assert field.set(place, value=value) == (was != value)
            model.set_range(place, place + 1, value=value)
        case ("range", int(start), int(end), bool(value)):
            field.set_range(start, end, value=value)
            model.set_range(start, end, value=value)
        case ("truncate", int(place)):
            field.truncate(place)
            model.set_range(place, 5 * PAGE_BITS, value=False)
        case ("insert", int(place), bytes(data), int(times)):
            field.insert(place & ~7, data * times)
            model.insert(place & ~7, data * times)
        case _:
            raise AssertionError(step)


def test_pages_written_one_day_are_read_the_next() -> None:
    field = Bitfield()
    for place in (3, 4, PAGE_BITS, 2 * PAGE_BITS - 1):
        field.set(place)
    field.set_range(4 * PAGE_BITS, 5 * PAGE_BITS)
    again = Bitfield()
    for number, page in field.take_dirty_pages().items():
        again.load_page(number, page)
    assert again.take_dirty_pages() == {}
    short = Bitfield()
    short.load_page(0, field.page(0).rstrip(b"\0"))
    assert short.page(0) == field.page(0)
    assert again.pages() == field.pages() == [0, 1, 4]
    assert again.words(0, 5 * 1024) == field.words(0, 5 * 1024)
    assert again.page(9) == bytes(PAGE_BYTES)
    again.set(5)
    again.load_page(0, bytes(PAGE_BYTES))
    assert list(again.take_dirty_pages()) == [0], "a change is not forgotten by loading"
    with pytest.raises(LocalProtocolError):
        again.load_page(0, bytes(PAGE_BYTES + 1))


def test_a_full_log_takes_no_pages_of_its_own() -> None:
    length = 30 * PAGE_BITS + 5
    full = Bitfield(full_length=length)
    assert full.first_unset() == full.count() == length
    assert len({id(page) for page in full._pages.values()}) == 2
    for place in range(30 * PAGE_BITS + 5, 31 * PAGE_BITS):
        full.set(place)
    assert len({id(page) for page in full._pages.values()}) == 1, "it filled up"
    full.set(7, value=False)
    assert full.first_unset() == 7
    assert full.get(PAGE_BITS + 7), "the shared page stayed whole"
    full.set_range(0, 31 * PAGE_BITS, value=False)
    assert full.pages() == []


def test_no_bit_lies_beyond_the_limit() -> None:
    field = Bitfield(max_pages=2)
    field.set(2 * PAGE_BITS - 1)
    for change in (
        lambda: field.set(2 * PAGE_BITS),
        lambda: field.set_range(0, 2 * PAGE_BITS + 1),
        lambda: field.set_range(2**52, 2**53),
        lambda: field.insert(2 * PAGE_BITS, b"\1"),
        lambda: field.load_page(2, b"\1" * PAGE_BYTES),
        lambda: field.set(-1),
    ):
        with pytest.raises(LocalProtocolError) as refused:
            change()
        assert refused.value.code == "too-large"
    assert field.count() == 1
    # What is zero anyway may be cleared, however far away it is.
    field.set_range(0, 2**53, value=False)
    assert not field.set(2**53, value=False)
    assert field.pages() == []
    assert not field.get(2**53)
    assert field.first_set() is None


@pytest.mark.parametrize("start", [1, 16, 33, -32])
def test_words_start_where_words_start(start: int) -> None:
    with pytest.raises(LocalProtocolError):
        Bitfield().words(start, 1)


@pytest.mark.parametrize("start", [1, 7, -8])
def test_bits_are_inserted_at_whole_bytes(start: int) -> None:
    with pytest.raises(LocalProtocolError):
        Bitfield().insert(start, b"\1")
