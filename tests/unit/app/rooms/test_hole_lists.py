"""What members tell each other of holes: as told, within its limits, or refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.rooms.hole_lists import (
    MAX_HOLE_LINKS,
    MAX_HOLES,
    AskHoles,
    HoleList,
    decode_ask,
    decode_list,
    encode_ask,
    encode_list,
    fit,
)
from net.errors import RemoteProtocolError
from store.autobase import Link
from store.holes import Hole

LOG = b"w" * 32
LINKS = (Link(b"a" * 32, 1), Link(b"z" * 32, 9))
ASK = AskHoles(LOG, 7)
TOLD = HoleList(
    LOG,
    7,
    2_000,
    (Hole(LOG, 7, 5, ()), Hole(LOG, 8, 6, LINKS), Hole(LOG, 1_999, 2**53 - 1, ())),
)


def links(count: int) -> tuple[Link, ...]:
    """That many."""
    return tuple(Link(bytes([number]) * 32, 1) for number in range(count))


def test_both_messages_are_read_as_they_were_written() -> None:
    assert decode_ask(encode_ask(ASK)) == ASK
    assert decode_list(encode_list(TOLD)) == TOLD
    nothing = HoleList(LOG, 0, 0, ())
    assert decode_list(encode_list(nothing)) == nothing


def test_the_wire_is_as_drawn() -> None:
    assert encode_ask(ASK) == LOG + b"\7"
    assert encode_list(replace(TOLD, end=9, holes=TOLD.holes[:2])) == (
        LOG
        + b"\7\x09\2"
        + b"\0\5\0"
        + b"\0\6\2"
        + b"a" * 32
        + b"\1"
        + b"z" * 32
        + b"\t"
    )


@pytest.mark.parametrize(
    "false",
    [
        replace(TOLD, end=1_999),
        replace(TOLD, holes=(Hole(LOG, 7, 0, ()),)),
        replace(TOLD, holes=(Hole(LOG, 7, 1, (Link(b"a" * 32, 0),)),)),
        replace(TOLD, holes=(Hole(LOG, 7, 1, LINKS[::-1]),)),
        replace(TOLD, holes=(Hole(LOG, 7, 1, LINKS[:1] * 2),)),
        replace(TOLD, holes=(Hole(LOG, 7, 1, (Link(LOG, 1),)),)),
        replace(TOLD, holes=(Hole(LOG, 7, 1, links(65)),)),
        replace(
            TOLD, holes=tuple(Hole(LOG, at + 7, 1, ()) for at in range(MAX_HOLES + 1))
        ),
        replace(
            TOLD,
            holes=tuple(
                Hole(LOG, at + 7, 1, links(64))
                for at in range(MAX_HOLE_LINKS // 64 + 1)
            ),
        ),
    ],
)
def test_what_cannot_be_is_refused(false: HoleList) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_list(encode_list(false))


@pytest.mark.parametrize(("link_count", "most"), [(0, MAX_HOLES), (64, 32), (60, 34)])
def test_an_answer_says_up_to_where_it_is_whole(link_count: int, most: int) -> None:
    found = [Hole(LOG, 2 * at + 7, 1, links(link_count)) for at in range(MAX_HOLES + 1)]
    told = fit(ASK, found, 10_000)
    assert len(told.holes) == most
    assert told.end == found[most].sequence
    assert decode_list(encode_list(told)) == told
    rest = fit(AskHoles(LOG, told.end), found[most:][:1], 10_000)
    assert (rest.end, len(rest.holes)) == (10_000, 1)
    assert fit(ASK, [], 3) == HoleList(LOG, 7, 7, ())
