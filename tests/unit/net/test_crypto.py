"""Keys, hashes and boxes against published values."""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

import pytest

from net import crypto
from net.crypto import KeyPair, StreamCipher
from net.errors import LocalProtocolError, RemoteProtocolError
from tests.helpers.vectors import load_vectors

NOISE: list[dict[str, Any]] = load_vectors("noise-handshake")["cases"]
NAMESPACES = [
    case
    for case in load_vectors("hyperdht-messages")["cases"]
    if case["kind"] == "namespace"
]
STREAM: dict[str, Any] = next(
    case
    for case in load_vectors("secret-stream")["cases"]
    if case["kind"] == "secretstream"
)
ALICE = KeyPair.from_seed(b"\1" * 32)
# Points that a peer could send to make a shared secret predictable.
SMALL_ORDER_POINTS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
]
NON_CANONICAL_POINT = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"


def test_seeds_make_the_published_keys() -> None:
    case = NOISE[0]
    for role in ("initiator", "responder"):
        pair = KeyPair.from_seed(bytes.fromhex(case[f"{role}_static_seed"]))
        assert pair.public_key.hex() == case[f"{role}_static_public"]
        assert pair.secret_key[32:] == pair.public_key


def test_new_keys_differ() -> None:
    assert KeyPair.generate().public_key != KeyPair.generate().public_key


def test_keys_have_sizes() -> None:
    with pytest.raises(LocalProtocolError):
        KeyPair.from_seed(b"\1" * 31)
    with pytest.raises(LocalProtocolError):
        KeyPair(public_key=b"", secret_key=ALICE.secret_key)
    with pytest.raises(LocalProtocolError):
        KeyPair(public_key=ALICE.public_key, secret_key=b"")


def test_secrets_are_not_printed() -> None:
    pair = KeyPair(
        public_key=ALICE.public_key,
        secret_key=ALICE.secret_key,
        scalar=crypto.ed25519_scalar(b"\1" * 32),
    )
    assert "secret" not in repr(pair)
    assert "scalar" not in repr(pair)


def test_shared_secret() -> None:
    case = NOISE[2]
    remote = bytes.fromhex(case["public"])
    assert crypto.dh(ALICE, remote).hex() == case["dh"]
    bob = KeyPair.from_seed(b"\2" * 32)
    assert crypto.dh(bob, ALICE.public_key).hex() == case["dh_reverse"]


def test_a_scalar_takes_the_place_of_the_seed() -> None:
    bob = KeyPair.from_seed(b"\2" * 32)
    tweaked = KeyPair(
        public_key=ALICE.public_key,
        secret_key=bytes(64),
        scalar=crypto.ed25519_scalar(b"\1" * 32),
    )
    assert crypto.dh(tweaked, bob.public_key) == crypto.dh(ALICE, bob.public_key)


@pytest.mark.parametrize("point", [*SMALL_ORDER_POINTS, NON_CANONICAL_POINT, "00"])
def test_bad_points_are_the_peers_fault(point: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        crypto.dh(ALICE, bytes.fromhex(point))
    assert caught.value.code == "bad-key"


def test_hkdf() -> None:
    case = NOISE[3]
    outputs = crypto.hkdf_blake2b(
        bytes.fromhex(case["salt"]), bytes.fromhex(case["ikm"]), 2
    )
    assert [output.hex() for output in outputs] == [case["out1"], case["out2"]]


@pytest.mark.parametrize("case", NAMESPACES, ids=lambda case: case["name"])
def test_namespaces(case: dict[str, Any]) -> None:
    assert crypto.namespace(case["base"], case["byte"]).hex() == case["value"]


def test_hashes_take_parts() -> None:
    assert crypto.blake2b_256(b"ab", b"c") == crypto.blake2b_256(b"abc")
    assert crypto.blake2b_256(b"abc") != crypto.blake2b_256(b"abc", key=b"k")
    assert crypto.blake2b_512(b"a", memoryview(b"bc")).hex().startswith("ba80a53f981c")
    assert crypto.blake2b_256(b"").hex().startswith("0e5751c026e543b2")


def test_discovery_key() -> None:
    expected = crypto.blake2b_256(b"hypercore", key=ALICE.public_key)
    assert crypto.discovery_key(ALICE.public_key) == expected


def test_signatures() -> None:
    signature = crypto.sign(b"message", ALICE.secret_key)
    assert len(signature) == 64
    assert crypto.verify(b"message", signature, ALICE.public_key)
    assert not crypto.verify(b"massage", signature, ALICE.public_key)
    assert not crypto.verify(b"message", signature[:-1], ALICE.public_key)
    assert not crypto.verify(b"message", signature, ALICE.public_key[:-1])
    flipped = bytes((signature[0] ^ 1,)) + signature[1:]
    assert not crypto.verify(b"message", flipped, ALICE.public_key)
    with pytest.raises(LocalProtocolError):
        crypto.sign(b"message", b"short")


def test_chacha20poly1305() -> None:
    key, nonce = b"k" * 32, b"n" * 12
    sealed = crypto.chacha20poly1305_seal(b"plain", b"ad", nonce, key)
    assert len(sealed) == 5 + crypto.AEAD_TAG_BYTES
    assert crypto.chacha20poly1305_open(sealed, b"ad", nonce, key) == b"plain"
    for bad in (sealed[:-1], sealed[:3], b"\0" + sealed[1:]):
        with pytest.raises(RemoteProtocolError):
            crypto.chacha20poly1305_open(bad, b"ad", nonce, key)
    with pytest.raises(RemoteProtocolError):
        crypto.chacha20poly1305_open(sealed, b"other", nonce, key)


def test_secretbox() -> None:
    key, nonce = b"k" * 32, b"n" * 24
    box = crypto.secretbox_seal(b"plain", nonce, key)
    assert crypto.secretbox_open(box, nonce, key) == b"plain"
    assert crypto.secretbox_open(box[:-1], nonce, key) is None
    assert crypto.secretbox_open(b"short", nonce, key) is None


def ciphers() -> tuple[StreamCipher, StreamCipher]:
    key, header = bytes.fromhex(STREAM["key"]), bytes.fromhex(STREAM["header"])
    return StreamCipher(key, header), StreamCipher(key, header)


def test_stream_cipher_seals_what_libsodium_seals() -> None:
    sender, receiver = ciphers()
    for frame in STREAM["frames"]:
        plain = bytes.fromhex(frame["plain"])
        prefix = bytes.fromhex(frame["framed"])[:3]
        sealed = sender.seal(memoryview(plain), prefix=prefix)
        assert sealed.hex() == frame["framed"]
        assert receiver.open(memoryview(sealed)[3:]) == plain


def test_stream_cipher_keeps_order() -> None:
    sender, receiver = ciphers()
    first, second = sender.seal(b"1"), sender.seal(b"2")
    with pytest.raises(RemoteProtocolError):
        receiver.open(second)
    assert receiver.open(first) == b"1"
    with pytest.raises(RemoteProtocolError):
        receiver.open(first)
    with pytest.raises(RemoteProtocolError):
        receiver.open(b"too short")


@pytest.mark.parametrize("size", [0, 4095, 4096, 70_000, 300_000, 5])
def test_stream_cipher_takes_any_size(size: int) -> None:
    sender, receiver = ciphers()
    for plain in (b"a" * size, b"b" * 10, b"c" * size):
        assert receiver.open(sender.seal(plain)) == plain


def test_stream_cipher_needs_its_sizes() -> None:
    with pytest.raises(LocalProtocolError):
        StreamCipher(b"short", bytes(24))
    with pytest.raises(LocalProtocolError):
        StreamCipher(bytes(32), b"short")


@pytest.mark.parametrize("size", [0, 1, 8, 31, 32, 33, 63, 64, 65, 100, 70_000])
def test_xsalsa20_with_and_without_the_library(size: int) -> None:
    data = bytes(place % 251 for place in range(size))
    nonce, key = bytes(range(24)), bytes(range(100, 132))
    told = crypto.xsalsa20_xor(data, nonce, key)
    assert crypto.xsalsa20_xor(bytearray(told), nonce, key) == data
    with mock.patch.object(crypto, "_sodium_xsalsa20_xor", None):
        assert crypto.xsalsa20_xor(data, nonce, key) == told
    # What a secret box encrypts is the same stream behind its MAC's key.
    box = crypto.secretbox_seal(data[32:], nonce, key)
    assert told[32:] == box[crypto.AEAD_TAG_BYTES :]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names may be hidden")
def test_xsalsa20_is_found_where_libraries_show_their_names() -> None:
    assert crypto._sodium_xsalsa20_xor is not None
    with mock.patch("nacl._sodium.__file__", "/nowhere"):
        assert crypto._find_xsalsa20_xor() is None


def test_xsalsa20_takes_no_other_sizes() -> None:
    for nonce, key in ((bytes(23), bytes(32)), (bytes(24), bytes(31))):
        with pytest.raises(LocalProtocolError):
            crypto.xsalsa20_xor(b"", nonce, key)


def test_xchacha20_opens_what_it_sealed_and_nothing_else() -> None:
    # Appendix A.3.1 of the draft that defines it.
    key = bytes(range(0x80, 0xA0))
    nonce = bytes(range(0x40, 0x58))
    associated = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    plaintext = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one "
        b"tip for the future, sunscreen would be it."
    )
    sealed = crypto.xchacha20poly1305_seal(plaintext, associated, nonce, key)
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"
    opened = crypto.xchacha20poly1305_open(sealed, associated, nonce, key)
    assert opened == plaintext
    for wrong in (sealed[:-1] + b"\0", sealed[:10], b""):
        with pytest.raises(RemoteProtocolError) as caught:
            crypto.xchacha20poly1305_open(wrong, associated, nonce, key)
        assert caught.value.code == "bad-mac"
