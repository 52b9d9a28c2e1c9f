"""Who is meant by a name, and hits that cross the control socket whole."""

from __future__ import annotations

import json

import pytest

from app.errors import UserFacingError
from app.plain import from_plain, to_plain
from app.rooms.facts import DeviceFact, MemberFact, RoomFacts
from app.rooms.roles import Kind, Role
from app.search.answers import author_keys
from app.snapshots import MessageSnapshot, SearchHit
from store.search.query import MAX_FILTER_KEYS, SearchQuery


def facts(*people: tuple[bytes, str, tuple[bytes, ...]]) -> RoomFacts:
    return RoomFacts(
        Kind.GROUP,
        "Birds",
        members={
            identity: MemberFact(identity, name, Role.MEMBER, devices, present=True)
            for identity, name, devices in people
        },
        devices={
            device: DeviceFact(identity, present=True, wanted_length=None)
            for identity, _, devices in people
            for device in devices
        },
    )


ADA, BO, OTHER_ADA = b"A" * 32, b"B" * 32, b"O" * 32
BIRDS = facts((ADA, "Ada", (b"a" * 32, b"p" * 32)), (BO, "Bo", (b"b" * 32,)))
FISH = facts((OTHER_ADA, "ADA", ()), (ADA, "Ada", (b"t" * 32,)))


def test_everybody_of_a_name_is_meant_with_their_devices() -> None:
    found = author_keys([BIRDS, FISH], "ada")
    assert set(found) == {ADA, OTHER_ADA, b"a" * 32, b"p" * 32, b"t" * 32}
    assert author_keys([BIRDS, FISH], "Bo") == (BO, b"b" * 32)


def test_a_key_or_its_beginning_names_somebody() -> None:
    for text in (ADA.hex(), ADA.hex()[:4], ADA.hex().upper()[:8]):
        assert ADA in author_keys([BIRDS], text)
        assert BO not in author_keys([BIRDS], text)


@pytest.mark.parametrize("text", ["", "Eve", "41", "ffff", "Ad"])
def test_who_is_nobody(text: str) -> None:
    with pytest.raises(UserFacingError) as error:
        author_keys([BIRDS, FISH], text)
    assert error.value.code == "unknown-member"


def test_a_search_is_not_confined_to_more_than_it_may() -> None:
    crowd = facts(*((bytes([n]) * 32, "Ada", ()) for n in range(100)))
    keys = author_keys([crowd], "Ada")
    assert len(keys) == MAX_FILTER_KEYS
    SearchQuery(authors=keys)


def test_a_hit_crosses_the_socket_whole() -> None:
    message = MessageSnapshot("1", "2", "3", "Ada", "two herons", 5, True)
    hit = SearchHit(
        message, "Birds", "two herons", ((4, 9), (9, 10)), False, True, 1 << 52
    )
    crossed = json.loads(json.dumps(to_plain([hit])))
    assert from_plain(list[SearchHit], crossed) == [hit]
