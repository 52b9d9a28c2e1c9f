"""What people say as bytes: round trips, limits, newer schemas."""

from __future__ import annotations

from typing import Any

import pytest

from app.rooms.operations.contents import (
    MAX_DELETED,
    MAX_DELETED_LINKS,
    MAX_EMOJI_BYTES,
    MAX_ENTRY_LINKS,
    MAX_LIFETIME_MS,
    MAX_MENTIONS,
    MAX_OPTION_BYTES,
    MAX_OPTIONS,
    MAX_QUESTION_BYTES,
    MAX_TEXT_BYTES,
    READERS,
    WRITERS,
    Delete,
    Deleted,
    Edit,
    Message,
    Newer,
    Pin,
    Poll,
    React,
    Vote,
)
from app.rooms.seals import MAX_BLOCK_BYTES
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.autobase import Link

ID = b"i" * 32
BODIES = [
    Message("hello ü"),
    Message("", reply_to=ID),
    Message("x", thread=ID, mentions=(b"m" * 32, b"n" * 32)),
    Message("x", ID, b"t" * 32, (b"m" * 32,), "Ada", 60_000),
    Message("x", lifetime_ms=MAX_LIFETIME_MS),
    Edit(ID, "better", (b"m" * 32,)),
    Delete((Deleted(ID, b"w" * 32, 0, 5), Deleted(b"j" * 32, b"w" * 32, 1, 6))),
    Delete((Deleted(ID, b"w" * 32, 3, 5, (Link(b"a" * 32, 1), Link(b"z" * 32, 9))),)),
    React(ID, "👩‍🚀", on=True),
    React(ID, "ok", on=False),
    Pin(ID, on=True),
    Poll("Which?", ("a", "b"), multiple=False),
    Poll("Which?", ("a",) * MAX_OPTIONS, multiple=True, closes_at=2**50),
    Vote(ID, ()),
    Vote(ID, (0, 7, MAX_OPTIONS - 1)),
]


def encode(body: Any) -> tuple[int, bytes]:
    number, write = WRITERS[type(body)]
    writer = Writer()
    write(writer, body)
    return number, writer.finish()


def decode(number: int, data: bytes) -> Any:
    reader = Reader(data)
    body = READERS[number](reader)
    assert not reader.remaining
    return body


def refused(body: Any) -> str:
    """With which code the reader refuses what the writer wrote."""
    number, data = encode(body)
    with pytest.raises(RemoteProtocolError) as caught:
        READERS[number](Reader(data))
    return caught.value.code


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_round_trip(body: Any) -> None:
    assert decode(*encode(body)) == body


def test_the_numbers_that_travel() -> None:
    numbers = {kind.__name__: number for kind, (number, _) in WRITERS.items()}
    assert numbers == {
        "Message": 2,
        "Edit": 33,
        "Delete": 34,
        "React": 35,
        "Pin": 36,
        "Poll": 37,
        "Vote": 38,
    }
    assert sorted(numbers.values()) == sorted(READERS)


@pytest.mark.parametrize("number", READERS)
def test_a_newer_schema_is_kept_whole(number: int) -> None:
    data = b"\x02anything at all"
    assert decode(number, data) == Newer(number, data)
    # A number that is spelt longer than needed means the same.
    assert decode(number, b"\xfd\x02\x00later") == Newer(number, b"\x02later")
    with pytest.raises(RemoteProtocolError):
        READERS[number](Reader(b"\x00anything"))


def test_the_layout_of_a_message() -> None:
    body = Message("hi", b"r" * 32, b"t" * 32, (b"m" * 32,), "Bo", 7)
    drawn = b"\1\2hi\x0f" + b"r" * 32 + b"t" * 32 + b"\2Bo\7\1" + b"m" * 32
    assert encode(body) == (2, drawn)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_every_beginning_is_refused(body: Any) -> None:
    number, data = encode(body)
    for end in range(len(data)):
        with pytest.raises(RemoteProtocolError):
            READERS[number](Reader(data[:end]))


@pytest.mark.parametrize(
    "body",
    [
        Message("x" * (MAX_TEXT_BYTES + 1)),
        Message("x", mentions=(ID,) * (MAX_MENTIONS + 1)),
        Message("x", forwarded_from="x" * 257),
        Edit(ID, "x" * (MAX_TEXT_BYTES + 1)),
        Edit(ID, "x", (ID,) * (MAX_MENTIONS + 1)),
        Delete((Deleted(ID, ID, 0, 1),) * (MAX_DELETED + 1)),
        React(ID, "x" * (MAX_EMOJI_BYTES + 1), on=True),
        Poll("x" * (MAX_QUESTION_BYTES + 1), ("a", "b"), multiple=False),
        Poll("x", ("a",) * (MAX_OPTIONS + 1), multiple=False),
        Poll("x", ("a", "b" * (MAX_OPTION_BYTES + 1)), multiple=False),
        Vote(ID, tuple(range(MAX_OPTIONS + 1))),
    ],
    ids=lambda body: type(body).__name__,
)
def test_more_than_is_allowed(body: Any) -> None:
    assert refused(body) == "too-large"


def links(count: int) -> tuple[Link, ...]:
    return tuple(Link(n.to_bytes(32), 1) for n in range(1, count + 1))


def test_the_links_of_a_deletion_are_limited_together() -> None:
    full = MAX_DELETED_LINKS // MAX_ENTRY_LINKS
    most = Deleted(ID, b"w" * 32, 2**53 - 1, 2**53 - 1, links(MAX_ENTRY_LINKS))
    least = Deleted(ID, b"w" * 32, 2**53 - 1, 2**53 - 1)
    body = Delete((most,) * full + (least,) * (MAX_DELETED - full))
    number, data = encode(body)
    assert decode(number, data) == body
    assert len(data) + MAX_ENTRY_LINKS * 41 < MAX_BLOCK_BYTES
    assert refused(Delete((most,) * (full + 1))) == "too-large"


@pytest.mark.parametrize(
    "body",
    [
        Message("x", lifetime_ms=0),
        Message("x", lifetime_ms=MAX_LIFETIME_MS + 1),
        Delete(()),
        Delete((Deleted(ID, b"w" * 32, 0, 0),)),
        Delete((Deleted(ID, b"w" * 32, 0, 1, (Link(b"a" * 32, 0),)),)),
        Delete((Deleted(ID, b"w" * 32, 0, 1, (Link(b"w" * 32, 1),)),)),
        Delete((Deleted(ID, b"w" * 32, 0, 1, links(2)[::-1]),)),
        Delete((Deleted(ID, b"w" * 32, 0, 1, links(1) * 2),)),
        React(ID, "", on=True),
        React(ID, "a b", on=True),
        React(ID, "a\n", on=True),
        React(ID, "\u202ea", on=True),
        Poll("x", ("a",), multiple=False),
        Vote(ID, (1, 0)),
        Vote(ID, (1, 1)),
        Vote(ID, (MAX_OPTIONS,)),
    ],
    ids=repr,
)
def test_what_makes_no_sense(body: Any) -> None:
    refused(body)


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (2, b"\1\0\x10\0"),
        (35, b"\1" + ID + b"\1x\2"),
        (36, b"\1" + ID + b"\3"),
        (37, b"\1\1?\2\1a\1b\2\0"),
    ],
)
def test_flags_that_the_schema_has_not(number: int, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        READERS[number](Reader(data))
    # Nothing else is wrong with it.
    fixed = bytearray(data)
    fixed[{2: 2, 35: -1, 36: -1, 37: -2}[number]] = 0
    decode(number, bytes(fixed))


def test_names_lose_what_is_not_printable() -> None:
    number, data = encode(Message("x", forwarded_from="A\x1bda"))
    assert decode(number, data) == Message("x", forwarded_from="Ada")
