"""Rotations: who gets a key, who does not, and when a key is due."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from nacl import bindings

from app.rooms import epochs
from app.rooms.epochs import (
    BOX_BYTES,
    MAX_PREVIOUS,
    MAX_ROTATION_DEVICES,
    ROTATION_PERIOD_MS,
    ROTATION_SPREAD_MS,
    STALE_SPREAD_MS,
    make_rotation,
    open_previous,
    open_rotation,
    read_head,
    rotation_due_at,
)
from app.rooms.seals import MAX_BLOCK_BYTES, epoch_id, fingerprint
from net.crypto import KeyPair, blake2b_256, namespace
from net.errors import LocalProtocolError, RemoteProtocolError

DEVICES = [KeyPair.from_seed(bytes((number,)) * 32) for number in range(5)]
PUBLIC = [device.public_key for device in DEVICES]
OLD, NEW = b"o" * 32, b"n" * 32
NO_POINTS = (b"\2" + bytes(31), bytes(32), b"\xff" * 32)
"""Not on the curve, of small order, not a number of the field."""


def entropy(seed: int = 1) -> Callable[[int], bytes]:
    return random.Random(f"epochs {seed}").randbytes


def test_every_device_named_gets_the_new_key_and_nobody_else() -> None:
    made = make_rotation(NEW, [OLD], PUBLIC[:4], entropy=entropy())
    assert made.epoch == epoch_id(NEW)
    assert made.devices == tuple(sorted(PUBLIC[:4]))
    for device in DEVICES[:4]:
        key = open_rotation(made.body, made.devices, device, epoch=made.epoch)
        assert key == NEW
    assert open_rotation(made.body, made.devices, DEVICES[4], epoch=made.epoch) is None


def test_who_is_not_named_opens_no_box_whatever_name_it_takes() -> None:
    """A removed device that holds the act, and puts itself in another's place."""
    made = make_rotation(NEW, [OLD], PUBLIC[:2], entropy=entropy())
    for forged in ((PUBLIC[4], PUBLIC[0]), (PUBLIC[0], PUBLIC[4])):
        with pytest.raises(RemoteProtocolError) as raised:
            open_rotation(made.body, forged, DEVICES[4], epoch=made.epoch)
        assert raised.value.code == "bad-box"
    with pytest.raises(RemoteProtocolError) as raised:
        open_previous(read_head(made.body), OLD)
    assert raised.value.code == "wrong-key"


def test_the_new_key_opens_the_one_before() -> None:
    made = make_rotation(NEW, [OLD], [], entropy=entropy())
    head = read_head(made.body)
    assert (head.epoch, head.fingerprint) == (epoch_id(NEW), fingerprint(NEW))
    assert [previous.epoch for previous in head.previous] == [epoch_id(OLD)]
    assert open_previous(head, NEW) == (OLD,)


def test_a_body_is_laid_out_as_it_is_written_down() -> None:
    """Computed here from the drawing, with nothing of the module's own."""
    name = "covey/room-epoch"
    before = (OLD, b"p" * 32)
    whole = blake2b_256(namespace(name, 0), NEW)
    expected = b"\1" + whole + b"\2"
    for number, key in enumerate(before):
        epoch = blake2b_256(namespace(name, 0), key)[:16]
        seal_key = blake2b_256(namespace(name, 3), bytes((number,)), epoch, key=NEW)
        expected += epoch + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            key, whole, bytes(24), seal_key
        )
    made = make_rotation(NEW, before, PUBLIC[:2], entropy=entropy())
    assert made.body[: -2 * BOX_BYTES] == expected


def test_a_rotation_after_several_at_once_carries_them_all() -> None:
    before = [bytes((number,)) * 32 for number in range(MAX_PREVIOUS)]
    made = make_rotation(NEW, before, PUBLIC, entropy=entropy())
    assert open_previous(read_head(made.body), NEW) == tuple(before)


def test_a_key_before_that_does_not_fit_its_id_is_found() -> None:
    """Sealed as it should be, but another key than the one of that id."""
    made = make_rotation(NEW, [OLD], PUBLIC, entropy=entropy())
    name, whole = epoch_id(OLD), fingerprint(NEW)
    false = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        b"f" * 32, whole, bytes(24), epochs._previous_key(NEW, 0, name)
    )
    at = made.body.index(name) + len(name)
    swapped = made.body[:at] + false + made.body[at + len(false) :]
    for body in (
        swapped,
        made.body.replace(name, epoch_id(b"f" * 32)),
        made.body[:at] + bytes(48) + made.body[at + 48 :],
    ):
        assert open_rotation(body, made.devices, DEVICES[0], epoch=made.epoch) == NEW
        with pytest.raises(RemoteProtocolError) as raised:
            open_previous(read_head(body), NEW)
        assert raised.value.code == "bad-previous"


def test_boxes_are_those_of_libsodium() -> None:
    """Its own function opens ours, and ours opens what its own function sealed."""
    made = make_rotation(NEW, [OLD], [PUBLIC[0]], entropy=entropy())
    own = DEVICES[0]
    public = bindings.crypto_sign_ed25519_pk_to_curve25519(own.public_key)
    secret = bindings.crypto_sign_ed25519_sk_to_curve25519(own.secret_key)
    box = made.body[-BOX_BYTES:]
    assert bindings.crypto_box_seal_open(box, public, secret) == NEW
    body = made.body[:-BOX_BYTES] + bindings.crypto_box_seal(NEW, public)
    assert open_rotation(body, [PUBLIC[0]], own, epoch=made.epoch) == NEW


def test_the_same_entropy_gives_the_same_body_and_other_entropy_another() -> None:
    bodies = [
        make_rotation(NEW, [OLD], PUBLIC, entropy=entropy(seed)).body
        for seed in (1, 1, 2)
    ]
    assert bodies[0] == bodies[1] != bodies[2]


def test_a_device_that_is_no_point_hinders_nobody() -> None:
    named = [*NO_POINTS, *PUBLIC]
    made = make_rotation(NEW, [OLD], named, entropy=entropy())
    assert len(made.devices) == len(named)
    for device in DEVICES:
        key = open_rotation(made.body, made.devices, device, epoch=made.epoch)
        assert key == NEW


def test_a_box_of_nonsense_or_of_another_key_is_found() -> None:
    made = make_rotation(NEW, [OLD], [PUBLIC[0]], entropy=entropy())
    other = make_rotation(b"x" * 32, [OLD], [PUBLIC[0]], entropy=entropy())
    for box in (bytes(BOX_BYTES), b"\xff" * BOX_BYTES, other.body[-BOX_BYTES:]):
        body = made.body[:-BOX_BYTES] + box
        with pytest.raises(RemoteProtocolError) as raised:
            open_rotation(body, made.devices, DEVICES[0], epoch=made.epoch)
        assert raised.value.code == "bad-box"


def test_a_body_belongs_to_the_epoch_and_the_devices_of_its_act() -> None:
    made = make_rotation(NEW, [OLD], PUBLIC[:2], entropy=entropy())
    for devices, epoch in (
        (made.devices, epoch_id(OLD)),
        (made.devices[:1], made.epoch),
        ((*made.devices, PUBLIC[2]), made.epoch),
    ):
        with pytest.raises(RemoteProtocolError) as raised:
            open_rotation(made.body, devices, DEVICES[0], epoch=epoch)
        assert raised.value.code == "malformed"


def test_the_largest_rotation_fits_a_block() -> None:
    many = [
        KeyPair.from_seed(n.to_bytes(32, "big")) for n in range(MAX_ROTATION_DEVICES)
    ]
    before = [bytes((number,)) * 32 for number in range(MAX_PREVIOUS)]
    public = [device.public_key for device in many]
    made = make_rotation(NEW, before, public * 2, entropy=entropy())
    assert len(made.body) <= epochs.MAX_BODY_BYTES
    # The devices' keys stand beside it, and then an entry's links and its seal.
    assert len(made.body) + 32 * MAX_ROTATION_DEVICES + 8 * 1024 < MAX_BLOCK_BYTES
    assert open_rotation(made.body, made.devices, many[77], epoch=made.epoch) == NEW
    with pytest.raises(LocalProtocolError):
        make_rotation(NEW, [OLD], [*public, PUBLIC[4]], entropy=entropy())


@pytest.mark.parametrize(
    ("previous", "devices"),
    [
        ([], PUBLIC),
        ([NEW], PUBLIC),
        ([bytes((number,)) * 32 for number in range(MAX_PREVIOUS + 1)], PUBLIC),
        ([b"short"], PUBLIC),
        ([OLD], [b"short"]),
    ],
    ids=["none", "itself", "too many", "no key", "no device"],
)
def test_what_nobody_could_read_is_not_made(
    previous: list[bytes], devices: list[bytes]
) -> None:
    with pytest.raises(LocalProtocolError) as raised:
        make_rotation(NEW, previous, devices, entropy=entropy())
    assert raised.value.code == "bad-argument"


def _body(boxes: int, *, version: int = 1, previous: int = 0) -> bytes:
    keys = bytes((previous,)) + bytes(56 * previous)
    return bytes((version,)) + fingerprint(NEW) + keys + bytes(BOX_BYTES * boxes)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "too-short"),
        (_body(1)[:20], "too-short"),
        (_body(1, version=2), "version"),
        (_body(1)[:-1], "malformed"),
        (_body(MAX_ROTATION_DEVICES + 1), "malformed"),
        (_body(0, previous=MAX_PREVIOUS + 1), "too-large"),
        (bytes(epochs.MAX_BODY_BYTES + 1), "too-large"),
    ],
    ids=["empty", "cut", "version", "half a box", "boxes", "keys", "too large"],
)
def test_what_is_no_body_says_why(body: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        read_head(body)
    assert raised.value.code == code


def _due(*, number: int = 0, entries: int = 1, stale_since: int | None = None) -> int:
    at = rotation_due_at(
        epoch=epoch_id(OLD),
        device=PUBLIC[number],
        started_at=1_000,
        entries=entries,
        stale_since=stale_since,
    )
    assert at is not None
    return at


def test_an_epoch_turns_after_a_week_of_use_each_device_in_its_turn() -> None:
    turns = [_due(number=number) for number in range(len(DEVICES))]
    first = 1_000 + ROTATION_PERIOD_MS
    assert all(first <= turn < first + ROTATION_SPREAD_MS for turn in turns)
    assert len(set(turns)) == len(turns)


def test_an_unused_epoch_does_not_turn_unless_somebody_must_not_read() -> None:
    unused = rotation_due_at(
        epoch=epoch_id(OLD),
        device=PUBLIC[0],
        started_at=1,
        entries=0,
        stale_since=None,
    )
    assert unused is None
    assert 9_000 <= _due(entries=0, stale_since=9_000) < 9_000 + STALE_SPREAD_MS
    # Not earlier than the week's end is late: whichever comes first.
    late = _due(stale_since=1_000 + 2 * ROTATION_PERIOD_MS)
    assert late == _due()
