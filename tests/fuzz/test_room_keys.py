"""Blocks and bodies of keys, damaged: refused, or read as what they were."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rooms import key_ring, seals
from app.rooms.epochs import (
    BOX_BYTES,
    MAX_BODY_BYTES,
    MAX_PREVIOUS,
    MAX_ROTATION_DEVICES,
    BodyHead,
    make_rotation,
    open_previous,
    open_rotation,
    read_head,
)
from app.rooms.key_ring import KeyRing, loose_keys, unlock
from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated

ROOM: Final = b"r" * 32
PLACE: dict[str, Any] = {"writer": b"w" * 32, "sequence": 70_000}
KEYS: Final = [bytes((number,)) * 32 for number in range(4)]
DEVICES: Final = [KeyPair.from_seed(bytes((number,)) * 32) for number in range(3)]
PUBLIC: Final = tuple(sorted(device.public_key for device in DEVICES))
ENTROPY: Final = random.Random("room keys").randbytes

TEXTS: Final = [b"", b"hello", bytes(300)]
RING: Final = KeyRing(ROOM, KEYS[:3])
BLOCKS: Final = [
    KeyRing(ROOM, KEYS).seal(text, epoch=seals.epoch_id(key), entropy=ENTROPY, **PLACE)
    for key in KEYS
    for text in TEXTS
]
LARGE_BLOCK: Final = BLOCKS[0] + bytes(seals.MAX_BLOCK_BYTES)
BODIES: Final = [
    make_rotation(KEYS[1], KEYS[:1], PUBLIC, entropy=ENTROPY).body,
    make_rotation(KEYS[1], [KEYS[0], *KEYS[2:]], PUBLIC[:1], entropy=ENTROPY).body,
    make_rotation(KEYS[2], KEYS[:2], PUBLIC[:2], entropy=ENTROPY).body,
]
LARGE_BODIES: Final = [
    bytes(MAX_BODY_BYTES + 1),
    b"\1" + bytes(33) + bytes(BOX_BYTES * (MAX_ROTATION_DEVICES + 1)),
    b"\1" + bytes(32) + bytes((MAX_PREVIOUS + 1,)) + bytes(56 * 9),
]


@given(mutated(BLOCKS) | st.just(LARGE_BLOCK))
@settings(max_examples=600)
def test_blocks_are_read_or_refused(block: bytes) -> None:
    try:
        plaintext = RING.open(block, **PLACE)
    except RemoteProtocolError:
        assert len(RING.missing) <= key_ring.MAX_MISSING
    else:
        assert block in BLOCKS, "what was changed does not open"
        assert plaintext in TEXTS
        key = RING.block_key(block, **PLACE)
        assert seals.open_with_block_key(block, key, room=ROOM, **PLACE) == plaintext


@given(mutated(BLOCKS), st.sampled_from(BLOCKS[:9]))
@settings(max_examples=600)
def test_an_outsider_reads_one_block_or_none(block: bytes, whose: bytes) -> None:
    key = RING.block_key(whose, **PLACE)
    try:
        plaintext = seals.open_with_block_key(block, key, room=ROOM, **PLACE)
        header = seals.read_header(block)
    except RemoteProtocolError:
        return
    assert block == whose
    assert plaintext in TEXTS
    assert header.epoch == seals.read_epoch(block)


@given(mutated(BLOCKS[:3]) | st.sampled_from(BLOCKS), st.sampled_from(KEYS))
@settings(max_examples=300)
def test_an_epoch_opens_its_own_blocks_only(block: bytes, key: bytes) -> None:
    try:
        plaintext = seals.EpochSeal(key, ROOM).open(block, **PLACE)
    except RemoteProtocolError:
        return
    assert seals.read_epoch(block) == seals.epoch_id(key)
    assert plaintext in TEXTS


@given(
    mutated(BODIES) | st.sampled_from(LARGE_BODIES),
    st.sampled_from([PUBLIC, PUBLIC[:1], PUBLIC[:2], PUBLIC[1:]]),
    st.sampled_from(DEVICES),
    st.sampled_from(KEYS),
)
@settings(max_examples=1_000)
def test_bodies_are_read_or_refused(
    body: bytes, devices: tuple[bytes, ...], own: KeyPair, named: bytes
) -> None:
    epoch = seals.epoch_id(named)
    try:
        head = read_head(body)
        key = open_rotation(body, devices, own, epoch=epoch)
    except RemoteProtocolError:
        return
    assert head.epoch == epoch
    assert key == (named if own.public_key in devices else None)


WAYS_BACK: Final = [
    make_rotation(KEYS[1], KEYS[:1], [], entropy=ENTROPY).body,
    make_rotation(KEYS[2], KEYS[:2], [], entropy=ENTROPY).body,
    make_rotation(KEYS[0], KEYS[2:], [], entropy=ENTROPY).body,
    make_rotation(KEYS[3], KEYS[1:2], [], entropy=ENTROPY).body,
]
HEADS: Final = st.lists(mutated(WAYS_BACK), max_size=4)


@given(HEADS, st.sampled_from(KEYS))
@settings(max_examples=600)
def test_damaged_rotations_lead_to_true_keys_or_nowhere(
    bodies: list[bytes], given_key: bytes
) -> None:
    heads: list[BodyHead] = []
    for body in bodies:
        try:
            heads.append(read_head(body))
        except RemoteProtocolError:
            continue
    ring = KeyRing(ROOM, [given_key])
    found = unlock(ring, heads)
    assert set(found) | {given_key} == set(ring.keys) <= set(KEYS)
    assert loose_keys(ring, heads)
    for head in heads:
        try:
            keys = open_previous(head, given_key)
        except RemoteProtocolError:
            continue
        assert set(keys) <= set(ring.keys)


def test_what_is_missing_stays_bounded() -> None:
    ring = KeyRing(ROOM, KEYS[:1])
    for number in range(key_ring.MAX_MISSING + 9):
        block = BLOCKS[0][:1] + number.to_bytes(8, "big") + BLOCKS[0][9:]
        with pytest.raises(key_ring.MissingKeyError):
            ring.open(block, **PLACE)
    assert len(ring.missing) == key_ring.MAX_MISSING
