"""The keys of a room: waiting for one, walking back, and turning while apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rooms import key_ring, seals
from app.rooms.epochs import (
    BodyHead,
    make_rotation,
    open_rotation,
    read_head,
)
from app.rooms.key_ring import KeyRing, MissingKeyError, loose_keys, unlock
from app.rooms.seals import EpochSeal, epoch_id
from net.crypto import KeyPair
from net.errors import LocalProtocolError, RemoteProtocolError

ROOM, WRITER, ROOM_KEY = b"r" * 32, b"w" * 32, b"k" * 32
PLACE: dict[str, Any] = {"writer": WRITER, "sequence": 3}
ADA, BO, CY = (KeyPair.from_seed(bytes((number,)) * 32) for number in range(3))


def entropy() -> Callable[[int], bytes]:
    return random.Random("key ring").randbytes


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def ring(*others: bytes) -> KeyRing:
    return KeyRing(ROOM, (ROOM_KEY, *others))


def rotate(new: bytes, *previous: bytes) -> BodyHead:
    return read_head(make_rotation(new, previous, [], entropy=entropy()).body)


def test_epochs_are_sealed_and_opened_by_their_ids() -> None:
    here = ring(key(1), key(2))
    assert here.ids == tuple(epoch_id(one) for one in (ROOM_KEY, key(1), key(2)))
    assert here.keys == (ROOM_KEY, key(1), key(2))
    assert len(here) == 3
    for epoch in here.ids:
        block = here.seal(b"hello", epoch=epoch, entropy=entropy(), **PLACE)
        assert seals.read_epoch(block) == epoch
        assert here.open(block, **PLACE) == b"hello"
        assert EpochSeal(here.key(epoch), ROOM).open(block, **PLACE) == b"hello"


def test_a_block_waits_for_a_key_that_is_not_here() -> None:
    epoch = epoch_id(key(1))
    block = ring(key(1)).seal(b"hello", epoch=epoch, entropy=entropy(), **PLACE)
    here = ring()
    for _ in range(2):
        with pytest.raises(MissingKeyError) as raised:
            here.open(block, **PLACE)
        assert (raised.value.code, raised.value.epoch) == ("no-key", epoch)
        assert isinstance(raised.value, RemoteProtocolError)
    assert list(here.missing) == [epoch]
    assert epoch not in here
    assert here.add(key(1))
    assert epoch in here
    assert not here.missing
    assert here.open(block, **PLACE) == b"hello"


def test_nothing_is_sealed_or_shown_under_a_key_that_is_not_here() -> None:
    epoch = epoch_id(key(1))
    block = ring(key(1)).seal(b"hello", epoch=epoch, entropy=entropy(), **PLACE)
    here = ring()
    asked: list[Callable[[], object]] = [
        lambda: here.seal(b"x", epoch=epoch, entropy=entropy(), **PLACE),
        lambda: here.block_key(block, **PLACE),
        lambda: here.key(epoch),
    ]
    for ask in asked:
        with pytest.raises(MissingKeyError):
            ask()


@pytest.mark.parametrize(
    ("room", "place"),
    [
        (b"s" * 32, PLACE),
        (ROOM, PLACE | {"writer": b"v" * 32}),
        (ROOM, PLACE | {"sequence": 4}),
    ],
    ids=["room", "writer", "sequence"],
)
def test_a_block_of_another_place_is_refused(room: bytes, place: Any) -> None:
    block = ring().seal(b"hello", epoch=ring().ids[0], entropy=entropy(), **PLACE)
    with pytest.raises(RemoteProtocolError) as raised:
        KeyRing(room, [ROOM_KEY]).open(block, **place)
    assert raised.value.code == "commitment"


def test_a_block_is_shown_to_an_outsider_by_its_key() -> None:
    here = ring(key(1))
    block = here.seal(b"hello", epoch=here.ids[1], entropy=entropy(), **PLACE)
    shown = here.block_key(block, **PLACE)
    assert seals.open_with_block_key(block, shown, room=ROOM, **PLACE) == b"hello"


def test_a_removed_device_opens_what_it_had_and_not_the_next_epoch() -> None:
    """Cy holds the room key and the act; Ada and Bo go on under the new one."""
    before = ring().seal(b"before", epoch=ring().ids[0], entropy=entropy(), **PLACE)
    remaining = [ADA.public_key, BO.public_key]
    act = make_rotation(key(1), [ROOM_KEY], remaining, entropy=entropy())
    after = ring(key(1)).seal(b"after", epoch=act.epoch, entropy=entropy(), **PLACE)
    rings = []
    for device in (ADA, BO, CY):
        here = ring()
        new = open_rotation(act.body, act.devices, device, epoch=act.epoch)
        if new is not None:
            here.add(new)
        unlock(here, [read_head(act.body)])
        assert here.open(before, **PLACE) == b"before"
        rings.append(here)
    assert [here.open(after, **PLACE) for here in rings[:2]] == [b"after"] * 2
    with pytest.raises(MissingKeyError) as raised:
        rings[2].open(after, **PLACE)
    assert raised.value.epoch == act.epoch


@given(st.randoms(use_true_random=False))
def test_a_newcomer_walks_back_fifty_epochs(chance: random.Random) -> None:
    """From the newest key alone, whatever the order in which it hears of them."""
    keys = [ROOM_KEY, *(key(number) for number in range(1, 51))]
    heads = [rotate(new, old) for old, new in pairwise(keys)]
    chance.shuffle(heads)
    newest = keys[-1]
    here = KeyRing(ROOM, [newest])
    assert set(unlock(here, heads)) == set(keys[:-1])
    assert set(here.keys) == set(keys)
    assert unlock(here, heads) == []
    assert loose_keys(here, heads) == (newest,)


def test_without_the_newest_key_nothing_later_opens() -> None:
    keys = [ROOM_KEY, *(key(number) for number in range(1, 5))]
    heads = [rotate(new, old) for old, new in pairwise(keys)]
    here = ring(keys[2])
    assert unlock(here, heads) == [keys[1]]


def test_two_rotations_at_once_are_two_epochs_until_the_next_joins_them() -> None:
    left, right = rotate(key(1), ROOM_KEY), rotate(key(2), ROOM_KEY)
    here = ring(key(1), key(2))
    assert loose_keys(here, [left, right]) == (key(1), key(2))
    joined = rotate(key(3), *loose_keys(here, [left, right]))
    here.add(key(3))
    assert loose_keys(here, [left, right, joined]) == (key(3),)
    # Before it, who was given one of them does not get at the other.
    one = KeyRing(ROOM, [key(1)])
    assert unlock(one, [left, right]) == [ROOM_KEY]
    newcomer = KeyRing(ROOM, [key(3)])
    assert set(unlock(newcomer, [left, joined, right])) == {ROOM_KEY, key(1), key(2)}


def test_rotations_in_a_circle_still_leave_a_key_to_give() -> None:
    there, back = rotate(key(1), ROOM_KEY), rotate(ROOM_KEY, key(1))
    here = ring(key(1))
    assert loose_keys(here, [there, back]) == (key(1),)
    assert unlock(KeyRing(ROOM, [key(1)]), [there, back]) == [ROOM_KEY]


def test_a_false_way_back_hinders_no_other() -> None:
    true, other = rotate(key(1), ROOM_KEY), rotate(key(1), key(9))
    false = BodyHead(true.fingerprint, (other.previous[0]._replace(epoch=b"8" * 8),))
    here = KeyRing(ROOM, [key(1)])
    assert unlock(here, [false, true]) == [ROOM_KEY]
    assert loose_keys(here, [false]) == (key(1), ROOM_KEY)


def test_the_ring_and_what_it_misses_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_ring, "MAX_EPOCHS", 3)
    monkeypatch.setattr(key_ring, "MAX_MISSING", 2)
    here = ring(key(1), key(2))
    assert not here.add(key(2))
    with pytest.raises(RemoteProtocolError) as raised:
        here.add(key(3))
    assert raised.value.code == "too-many"
    for name in (b"1" * 8, b"2" * 8, b"1" * 8, b"3" * 8, b"3" * 8):
        with pytest.raises(MissingKeyError):
            here.key(name)
    assert here.missing == (b"1" * 8, b"3" * 8)


def test_a_key_has_one_length() -> None:
    with pytest.raises(LocalProtocolError):
        ring().add(b"short")
