"""Pages that members tell each other, damaged: read or refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import example, given, settings

from app.rooms.page_responses import PageCount, PagePoll
from app.rooms.pages import (
    MAX_LENGTHS,
    MAX_MEMBERS,
    MAX_PAGE_BYTES,
    MAX_ROWS,
    AskPage,
    Page,
    PageMember,
    PageRoom,
    PageRow,
    decode_ask,
    decode_page,
    open_page,
    sign_page,
)
from app.rooms.roles import Kind, Role
from net.encoding import Writer
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated
from tests.unit.app.rooms.people import ADA, BO, ROOM

ROOM_TOLD = PageRoom(
    "Birds",
    Kind.GROUP,
    Role.MEMBER,
    2,
    (PageMember(b"a" * 32, Role.OWNER, "Ada"), PageMember(b"b" * 32, Role.READER, "")),
    ((b"d" * 32, 7), (b"e" * 32, 2)),
)
PLAIN = PageRow(b"i" * 32, b"d" * 32, 1, 5, 2, 77, "Ada", "hello ü")
FULL = PageRow(
    b"j" * 32,
    b"d" * 32,
    2,
    6,
    37,
    78,
    "Ada",
    "",
    identity=b"a" * 32,
    reply_to=b"i" * 32,
    thread=b"t" * 32,
    edited_at=80,
    deleted=True,
    pinned=True,
    forwarded_from="Cy",
    expires_at=2**40,
    reactions=(PageCount("+", 3, mine=True), PageCount("\u2764", 1, mine=False)),
    poll=PagePoll((PageCount("yes", 2, mine=True),), 2, multiple=True, closes_at=9),
)
NEWEST = Page(1, b"", (PLAIN, FULL), older=True, room=ROOM_TOLD)
OLDER = Page(2, b"j" * 32, (PLAIN,), older=False)
EMPTY = Page(3, b"", (), older=False)
BACKWARDS = Page(4, b"", (FULL, PLAIN), older=False)
TWICE = replace(NEWEST, room=replace(ROOM_TOLD, lengths=ROOM_TOLD.lengths * 2))
STRANGE_KIND = (
    EMPTY.encode()[:-2] + b"\x02\x00" + b"\x05Birds" + b"\x09\x01\x02\x00\x00"
)
STRANGE_ROLE = (
    EMPTY.encode()[:-2]
    + (b"\x02\x00" + b"\x05Birds" + b"\x00\x01\x02\x01")
    + (b"a" * 32 + b"\x09\x00" + b"\x00")
)
STATEMENTS = [it.encode() for it in (NEWEST, OLDER, EMPTY, BACKWARDS, TWICE)]


def signed(statement: bytes) -> bytes:
    """A statement with a signature, whatever it says."""
    whole = sign_page(EMPTY, room=ROOM, asker=BO.device.public_key, device=ADA.device)
    return Writer().buffer(statement).fixed(whole[-64:], 64).finish()


SIGNED = sign_page(NEWEST, room=ROOM, asker=BO.device.public_key, device=ADA.device)


@given(mutated([AskPage(1, 50).encode(), AskPage(9, 999, b"i" * 32).encode()]))
@settings(max_examples=200)
@example(AskPage(1, 5).encode() + b"later")
def test_questions_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        ask = decode_ask(data)
        assert ask.limit <= MAX_ROWS
        assert decode_ask(ask.encode()) == ask


@given(mutated([*STATEMENTS, STRANGE_KIND, STRANGE_ROLE]))
@settings(max_examples=600)
@example(STRANGE_KIND)
@example(STRANGE_ROLE)
@example(BACKWARDS.encode())
@example(TWICE.encode())
@example(NEWEST.encode() + b"later")
def test_pages_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        page = decode_page(data)
        assert len(page.rows) <= MAX_ROWS
        assert list(page.rows) == sorted(page.rows, key=lambda row: row.place)
        if page.room is not None:
            assert len(page.room.members) <= MAX_MEMBERS
            assert len(page.room.lengths) <= MAX_LENGTHS
        assert decode_page(page.encode()) == page


@given(mutated([SIGNED, b"\0" * 65]))
@settings(max_examples=200)
@example(SIGNED)
@example(SIGNED.ljust(MAX_PAGE_BYTES + 1, b"\0"))
@example(signed(NEWEST.encode()))
def test_signed_pages_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        page = open_page(
            data,
            room=ROOM,
            asker=BO.device.public_key,
            device=ADA.device.public_key,
        )
        assert page == NEWEST, "only what was signed holds"


@pytest.mark.parametrize("page", [NEWEST, OLDER, EMPTY])
def test_what_is_told_comes_across(page: Page) -> None:
    keys = {"room": ROOM, "asker": BO.device.public_key}
    data = sign_page(page, **keys, device=ADA.device)
    assert open_page(data, **keys, device=ADA.device.public_key) == page


@pytest.mark.parametrize("page", [BACKWARDS, TWICE])
def test_what_makes_no_sense_is_refused(page: Page) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_page(page.encode())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"room": b"o" * 32}, "bad-signature"),
        ({"asker": ADA.device.public_key}, "bad-signature"),
        ({"device": BO.device.public_key}, "bad-signature"),
    ],
)
def test_a_page_is_for_one_room_asker_and_teller(
    change: dict[str, bytes], code: str
) -> None:
    right = {
        "room": ROOM,
        "asker": BO.device.public_key,
        "device": ADA.device.public_key,
    }
    with pytest.raises(RemoteProtocolError) as refused:
        open_page(SIGNED, **{**right, **change})
    assert refused.value.code == code
