"""Entries as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from net.constants import MAX_SAFE_UINT
from net.encoding import Writer
from store.autobase import Entry, Link, decode_entry, encode_entry
from store.autobase.entry import ENTRY_VERSION, MAX_LINKS
from store.errors import LocalProtocolError, RemoteProtocolError
from tests.unit.store.autobase.flocks import name

WRITER = bytes(32)
KEYS = st.binary(min_size=32, max_size=32).filter(lambda key: key != WRITER)
LENGTHS = st.integers(1, MAX_SAFE_UINT)
LINKS = st.dictionaries(KEYS, LENGTHS, max_size=5).map(
    lambda links: tuple(Link(*link) for link in sorted(links.items()))
)


@given(LENGTHS, LINKS, st.binary(max_size=50))
def test_entries_come_back(clock: int, links: tuple[Link, ...], payload: bytes) -> None:
    data = encode_entry(clock, links, payload)
    assert decode_entry(WRITER, 7, data) == Entry(WRITER, 7, clock, links, payload)


def test_the_bytes() -> None:
    data = encode_entry(300, [Link(name(2), 5)], b"hi")
    assert data == b"\x01\xfd\x2c\x01\x01" + name(2) + b"\x05hi"


def uint(value: int) -> bytes:
    """Also what is too large to be one."""
    if value > MAX_SAFE_UINT:
        return b"\xff" + value.to_bytes(8, "little")
    return Writer().uint(value).finish()


def raw(clock: int, links: list[tuple[bytes, int]]) -> bytes:
    head = uint(ENTRY_VERSION) + uint(clock) + uint(len(links))
    return head + b"".join(key + uint(length) for key, length in links)


@pytest.mark.parametrize(
    ("clock", "links"),
    [
        (0, []),
        (MAX_SAFE_UINT + 1, []),
        (1, [(name(2), 1), (name(1), 1)]),
        (1, [(name(2), 1), (name(2), 2)]),
        (1, [(name(2), 0)]),
        (1, [(name(2), MAX_SAFE_UINT + 1)]),
        (1, [(bytes([number]) * 32, 1) for number in range(1, MAX_LINKS + 2)]),
    ],
    ids=["no time", "late", "disorder", "twice", "nothing", "far", "many"],
)
def test_entries_that_are_none(clock: int, links: list[tuple[bytes, int]]) -> None:
    with pytest.raises(LocalProtocolError):
        encode_entry(clock, [Link(*link) for link in links], b"")
    with pytest.raises(RemoteProtocolError):
        decode_entry(WRITER, 0, raw(clock, links))


def test_an_entry_has_seen_its_own_log_anyway() -> None:
    data = encode_entry(1, [Link(name(3), 1)], b"")
    with pytest.raises(RemoteProtocolError):
        decode_entry(name(3), 1, data)
    assert decode_entry(name(4), 1, data).links == (Link(name(3), 1),)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x05\x01", b"\x01\x05\x01\x07"])
def test_entries_that_end_too_soon(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_entry(WRITER, 0, data)


def test_versions_to_come_are_told_apart() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_entry(WRITER, 0, b"\x02whatever")
    assert caught.value.code == "version"
