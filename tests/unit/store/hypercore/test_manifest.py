from __future__ import annotations

from typing import Any

import pytest

from net.crypto import discovery_key
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore import manifest as manifests
from store.hypercore.manifest import (
    Manifest,
    Prologue,
    Signer,
    belongs_to,
    create_manifest,
    decode_manifest,
    default_manifest,
    encode_manifest,
    is_compat,
    manifest_key,
    read_manifest,
)
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hypercore-manifests")
CASES = VECTORS["cases"]
KEY = bytes(range(32))
ONE = Signer(KEY)


def _from_vector(told: dict[str, Any]) -> Manifest:
    prologue = told["prologue"]
    return Manifest(
        version=told["version"],
        quorum=told["quorum"],
        signers=tuple(
            Signer(bytes.fromhex(each["publicKey"]), bytes.fromhex(each["namespace"]))
            for each in told["signers"]
        ),
        allow_patch=told["allowPatch"],
        prologue=prologue
        and Prologue(bytes.fromhex(prologue["hash"]), prologue["length"]),
        linked=told["linked"] and tuple(map(bytes.fromhex, told["linked"])),
        user_data=told["userData"] and bytes.fromhex(told["userData"]),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vectors(case: dict[str, Any]) -> None:
    manifest = _from_vector(case["manifest"])
    encoded = bytes.fromhex(case["encoded"])
    assert encode_manifest(manifest) == encoded
    assert decode_manifest(encoded) == manifest
    assert read_manifest(b"ab" + encoded + b"c", 2) == (manifest, 2 + len(encoded))
    assert manifest_key(manifest).hex() == case["key"]
    assert discovery_key(manifest_key(manifest)).hex() == case["discoveryKey"]
    assert belongs_to(manifest_key(manifest), manifest)
    assert not belongs_to(bytes(32), manifest)
    for size in range(len(encoded)):
        with pytest.raises(RemoteProtocolError):
            decode_manifest(encoded[:size])


def test_compat_cores_have_their_signers_key() -> None:
    key = bytes.fromhex(VECTORS["compat"]["key"])
    manifest = default_manifest(bytes.fromhex(VECTORS["compat"]["publicKey"]))
    assert is_compat(key, manifest)
    assert belongs_to(key, manifest)
    assert not is_compat(manifest_key(manifest), manifest)
    two = create_manifest([Signer(key), ONE])
    assert not belongs_to(key, two)


@pytest.mark.parametrize(("count", "quorum"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3)])
def test_default_quorum(count: int, quorum: int) -> None:
    signers = [Signer(bytes((place,)) * 32) for place in range(count)]
    assert create_manifest(signers).quorum == quorum


def test_default_version() -> None:
    assert create_manifest([ONE]).version == 1
    assert create_manifest([ONE], linked=[KEY]).version == 2
    assert create_manifest([ONE], user_data=b"").version == 2
    assert create_manifest([ONE], version=3).version == 3


def test_signers_are_found() -> None:
    manifest = create_manifest([ONE, Signer(bytes(32))])
    assert manifest.signer_for(bytes(32)) == 1
    assert manifest.signer_for(KEY) == 0
    assert manifest.signer_for(bytes(31)) is None


def test_static_cores() -> None:
    assert create_manifest([], prologue=Prologue(KEY, 7)).is_static
    assert not create_manifest([ONE], prologue=Prologue(KEY, 7)).is_static
    assert not default_manifest(KEY).is_static


@pytest.mark.parametrize(
    "arguments",
    [
        {"quorum": 2},
        {"quorum": -1},
        {"version": 4},
        {"version": 1, "linked": [KEY]},
        {"version": 1, "user_data": b""},
        {"linked": [b"short"]},
        {"prologue": Prologue(b"short", 1)},
        {"prologue": Prologue(KEY, -1)},
        {"user_data": bytes(manifests.MAX_USER_DATA_BYTES + 1)},
        {"linked": [KEY] * (manifests.MAX_LINKED + 1)},
    ],
)
def test_what_makes_no_manifest(arguments: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        create_manifest([ONE], **arguments)
    assert caught.value.code == "bad-argument"


def test_bad_keys_and_too_many_signers_make_no_manifest() -> None:
    for signers in ([Signer(b"short")], [ONE] * (manifests.MAX_SIGNERS + 1)):
        with pytest.raises(LocalProtocolError):
            create_manifest(signers)


@pytest.mark.parametrize(
    "encoded",
    [
        b"\4\0\0\0\0",
        b"\1\0\1\0\0",
        b"\0\1\0" + KEY,
        b"\0\0\3" + KEY,
        b"\1\0\0\1\0",
        b"\1\0\0\0\1\1" + KEY + KEY,
        b"\1\0\0\0\xfd\x01\x01",
        b"\1\4\0\0\0\0",
        b"\2\4\0\0\0\xfd\x01\x04",
        b"\2\x08\0\0\0\xfe\x01\x00\x01\x00",
        encode_manifest(default_manifest(KEY)) + b"\0",
    ],
)
def test_what_peers_must_not_send(encoded: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_manifest(encoded)


def test_empty_parts_are_kept_apart_from_missing_ones() -> None:
    encoded = b"\2\x0c\0\1\1\0" + KEY + KEY + b"\0\0"
    manifest = decode_manifest(encoded)
    assert (manifest.linked, manifest.user_data) == ((), b"")
    assert encode_manifest(manifest) == encoded
