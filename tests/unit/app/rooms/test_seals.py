"""One key for one block: what opens, what does not, and what an outsider can check."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from app.rooms import seals
from app.rooms.seals import EpochSeal
from net.crypto import blake2b_256, namespace
from net.errors import LocalProtocolError, RemoteProtocolError

ROOM = b"r" * 32
WRITER = b"w" * 32
KEY = b"k" * 32
PLACE: dict[str, Any] = {"writer": WRITER, "sequence": 300}


def entropy() -> Callable[[int], bytes]:
    return random.Random("seals").randbytes


def sealed(plaintext: bytes = b"hello") -> bytes:
    return EpochSeal(KEY, ROOM).seal(plaintext, entropy=entropy(), **PLACE)


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32), st.integers(0))
def test_blocks_round_trip(plaintext: bytes, writer: bytes, number: int) -> None:
    seal, sequence = EpochSeal(KEY, ROOM), number % 2**53
    block = seal.seal(plaintext, writer=writer, sequence=sequence, entropy=entropy())
    assert len(block) == len(plaintext) + seals.SEAL_BYTES
    assert seal.open(block, writer=writer, sequence=sequence) == plaintext


def test_a_block_is_laid_out_as_it_is_written_down() -> None:
    """Computed here from the drawing, with nothing of the module's own."""
    name, place = "covey/room-epoch", WRITER + (300).to_bytes(8, "little")
    salt = entropy()(16)
    epoch = blake2b_256(namespace(name, 0), KEY)[:16]
    key = blake2b_256(namespace(name, 1), ROOM, place, salt, key=KEY)
    commitment = hashlib.blake2b(namespace(name, 2) + key, digest_size=32).digest()
    ciphertext = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        b"hello", b"\1" + epoch + ROOM + place, bytes(24), key
    )
    assert sealed() == b"\1" + epoch + salt + commitment[:16] + ciphertext
    assert seals.read_header(sealed()) == (epoch, salt, commitment[:16])
    assert seals.read_epoch(sealed()) == epoch == seals.epoch_id(KEY)


def test_every_block_has_a_salt_of_its_own() -> None:
    chance, seal = entropy(), EpochSeal(KEY, ROOM)
    blocks = [seal.seal(b"x", entropy=chance, **PLACE) for _ in range(2)]
    headers = [seals.read_header(block) for block in blocks]
    assert headers[0].salt != headers[1].salt
    assert headers[0].commitment != headers[1].commitment


@pytest.mark.parametrize(
    ("room", "place"),
    [
        (b"s" * 32, PLACE),
        (ROOM, PLACE | {"writer": b"v" * 32}),
        (ROOM, PLACE | {"sequence": 301}),
    ],
    ids=["room", "writer", "sequence"],
)
def test_a_block_opens_in_its_place_only(room: bytes, place: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        EpochSeal(KEY, room).open(sealed(), **place)
    assert raised.value.code == "commitment"


def test_a_block_opens_under_the_key_of_its_epoch_only() -> None:
    """Also when the epoch's id is changed to that of the other key."""
    other = EpochSeal(b"l" * 32, ROOM)
    with pytest.raises(RemoteProtocolError) as raised:
        other.open(sealed(), **PLACE)
    assert raised.value.code == "epoch"
    block = sealed()
    renamed = block[:1] + other.id + block[9:]
    with pytest.raises(RemoteProtocolError) as raised:
        other.open(renamed, **PLACE)
    assert raised.value.code == "commitment"


def test_the_epochs_id_is_bound_to_what_is_sealed() -> None:
    """Whoever holds nothing but the block's key sees that the id was changed."""
    block = sealed()
    header = seals.read_header(block)
    key = seals.block_key(KEY, room=ROOM, salt=header.salt, **PLACE)
    renamed = block[:1] + b"another!" + block[9:]
    with pytest.raises(RemoteProtocolError) as raised:
        seals.open_with_block_key(renamed, key, room=ROOM, **PLACE)
    assert raised.value.code == "seal"


@given(st.integers(0, len(sealed()) - 1), st.integers(1, 255))
def test_every_changed_byte_is_noticed(at: int, change: int) -> None:
    block = bytearray(sealed())
    block[at] ^= change
    seal = EpochSeal(KEY, ROOM)
    with pytest.raises(RemoteProtocolError):
        seal.open(bytes(block), **PLACE)


def test_a_block_made_to_open_under_two_keys_is_refused() -> None:
    """The cipher alone takes it with both keys; the commitment fits one of them."""
    header = seals.read_header(sealed())
    keys = [
        seals.block_key(epoch_key, room=ROOM, salt=header.salt, **PLACE)
        for epoch_key in (KEY, b"l" * 32)
    ]
    associated = sealed()[:17] + ROOM + WRITER + (300).to_bytes(8, "little")
    ciphertext = two_faced(keys, associated)
    opened = {
        bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            ciphertext, associated, bytes(24), key
        )
        for key in keys
    }
    assert len(opened) == 2, "one ciphertext, two plaintexts"
    block = sealed()[: seals.HEADER_BYTES] + ciphertext
    assert EpochSeal(KEY, ROOM).open(block, **PLACE) in opened
    assert seals.open_with_block_key(block, keys[0], room=ROOM, **PLACE) in opened
    with pytest.raises(RemoteProtocolError) as raised:
        seals.open_with_block_key(block, keys[1], room=ROOM, **PLACE)
    assert raised.value.code == "commitment"


def test_one_block_is_shown_by_its_key_alone() -> None:
    seal, chance = EpochSeal(KEY, ROOM), entropy()
    blocks = [
        seal.seal(b"%d" % n, writer=WRITER, sequence=n, entropy=chance)
        for n in range(2)
    ]
    header = seals.read_header(blocks[0])
    key = seals.block_key(KEY, room=ROOM, writer=WRITER, sequence=0, salt=header.salt)
    assert key == seal.key(writer=WRITER, sequence=0, salt=header.salt)
    shown = seals.open_with_block_key(
        blocks[0], key, room=ROOM, writer=WRITER, sequence=0
    )
    assert shown == b"0"
    for block, sequence, code in ((blocks[0], 1, "seal"), (blocks[1], 1, "commitment")):
        with pytest.raises(RemoteProtocolError) as raised:
            seals.open_with_block_key(
                block, key, room=ROOM, writer=WRITER, sequence=sequence
            )
        assert raised.value.code == code


def test_a_block_has_a_largest_size() -> None:
    seal = EpochSeal(KEY, ROOM)
    most = seals.MAX_BLOCK_BYTES - seals.SEAL_BYTES
    block = sealed(bytes(most))
    assert seal.open(block, **PLACE) == bytes(most)
    with pytest.raises(LocalProtocolError) as refused:
        sealed(bytes(most + 1))
    assert refused.value.code == "too-large"
    with pytest.raises(RemoteProtocolError) as raised:
        seal.open(block + b"x", **PLACE)
    assert raised.value.code == "too-large"


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (b"", "too-short"),
        (sealed(b"")[:-1], "too-short"),
        (b"\2" + sealed()[1:], "version"),
        (b"\xfd\2\0" + sealed()[1:], "version"),
    ],
    ids=["empty", "cut", "version", "long spelling"],
)
def test_what_is_no_block_says_why(block: bytes, code: str) -> None:
    for read in (
        seals.read_header,
        seals.read_epoch,
        lambda block: EpochSeal(KEY, ROOM).open(block, **PLACE),
        lambda block: seals.open_with_block_key(block, KEY, room=ROOM, **PLACE),
    ):
        with pytest.raises(RemoteProtocolError) as raised:
            read(block)
        assert raised.value.code == code


PRIME = (1 << 130) - 5


def two_faced(keys: list[bytes], associated: bytes) -> bytes:
    """32 bytes and a tag that XChaCha20-Poly1305 opens under either of two keys.

    Poly1305's tag is linear in the pieces of the ciphertext: two pieces are chosen so
    that the sums under both keys come out at one tag.
    """
    (r, s), (q, t) = (one_time_key(key) for key in keys)
    padded = associated + bytes(-len(associated) % 16)
    lengths = len(associated).to_bytes(8, "little") + (32).to_bytes(8, "little")
    bare = padded + bytes(32) + lengths
    divisor = pow(r**3 * q**2 - r**2 * q**3, -1, PRIME)
    for tag in range(1 << 16):
        left = ((tag - s) % (1 << 128) - poly1305(r, bare)) % PRIME
        right = ((tag - t) % (1 << 128) - poly1305(q, bare)) % PRIME
        first = (left * q**2 - right * r**2) * divisor % PRIME
        second = (r**3 * right - q**3 * left) * divisor % PRIME
        if first < 1 << 128 and second < 1 << 128:
            pieces = (first, second, tag)
            return b"".join(piece.to_bytes(16, "little") for piece in pieces)
    raise AssertionError("one of a few dozen tags fits")


def poly1305(r: int, text: bytes) -> int:
    """The sum over whole pieces of 16 bytes, before the last addition."""
    total = 0
    for at in range(0, len(text), 16):
        piece = int.from_bytes(text[at : at + 16] + b"\1", "little")
        total = (total + piece) * r % PRIME
    return total


def one_time_key(key: bytes) -> tuple[int, int]:
    """Poly1305's two numbers under a key of XChaCha20 and a nonce of zeros."""
    _, mixed = chacha20(key)
    sub_key = b"".join(word.to_bytes(4, "little") for word in (*mixed[:4], *mixed[12:]))
    start, mixed = chacha20(sub_key)
    stream = b"".join(
        ((one + two) & 0xFFFFFFFF).to_bytes(4, "little")
        for one, two in zip(start, mixed, strict=True)
    )
    clamp = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    r = int.from_bytes(stream[:16], "little") & clamp
    return r, int.from_bytes(stream[16:32], "little")


def chacha20(key: bytes) -> tuple[list[int], list[int]]:
    """RFC 8439's block of 16 words before and after its rounds, counter and nonce 0."""
    block = b"expand 32-byte k" + key + bytes(16)
    start = [int.from_bytes(block[at : at + 4], "little") for at in range(0, 64, 4)]
    x = list(start)
    for _ in range(10):
        for a, b, c, d in (
            *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
            *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
        ):
            for to, by, on, bits in (
                *((a, b, d, 16), (c, d, b, 12)),
                *((a, b, d, 8), (c, d, b, 7)),
            ):
                x[to] = (x[to] + x[by]) & 0xFFFFFFFF
                mixed = x[on] ^ x[to]
                x[on] = (mixed << bits | mixed >> (32 - bits)) & 0xFFFFFFFF
    return start, x
