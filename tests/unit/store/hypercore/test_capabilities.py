from __future__ import annotations

import pytest

from net.crypto import KeyPair
from store.errors import LocalProtocolError
from store.hypercore import capabilities
from store.hypercore.capabilities import (
    ROOT_NAMESPACE,
    capability,
    core_key_pair,
    decode_id,
    discovery_key,
    encode_id,
    sub_namespace,
)
from store.hypercore.manifest import default_manifest, encode_manifest, manifest_key
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hypercore-keys")


def test_namespaces() -> None:
    for name, value in VECTORS["namespaces"].items():
        assert getattr(capabilities, name).hex() == value


def test_key_pairs_and_discovery_keys() -> None:
    for case in VECTORS["keyPairs"]:
        key_pair = KeyPair.from_seed(bytes.fromhex(case["seed"]))
        assert key_pair.public_key.hex() == case["publicKey"]
        assert key_pair.secret_key.hex() == case["secretKey"]
    for case in VECTORS["discoveryKeys"]:
        key = bytes.fromhex(case["key"])
        assert discovery_key(key).hex() == case["discoveryKey"]


@pytest.mark.parametrize("case", VECTORS["capabilities"])
def test_capabilities_differ_by_role(case: dict[str, str]) -> None:
    key = bytes.fromhex(case["coreKey"])
    handshake_hash = bytes.fromhex(case["handshakeHash"])
    for is_initiator, role in ((True, "initiator"), (False, "responder")):
        proof = capability(key, handshake_hash, is_initiator=is_initiator)
        assert proof.hex() == case[role]


@pytest.mark.parametrize("case", VECTORS["ids"])
def test_ids_are_read_as_upstream_writes_them(case: dict[str, str]) -> None:
    key = bytes.fromhex(case["key"])
    assert encode_id(key) == case["z32"]
    for text in (case["z32"], case["key"], case["key"].upper(), f" {case['z32']}\n"):
        assert decode_id(text) == key
    assert decode_id(f"pear://{case['z32']}/some/where") == key


def test_ids_of_single_bits() -> None:
    for place in range(256):
        key = (1 << place).to_bytes(32, "big")
        assert decode_id(encode_id(key)) == key


@pytest.mark.parametrize(
    "text",
    ["", "y" * 51, "y" * 53, "l" * 52, "v" * 52, "zz" * 32, "ab " * 21 + "a", "é" * 64],
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        decode_id(text)
    assert caught.value.code == "bad-argument"


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(LocalProtocolError):
        encode_id(bytes(31))
    with pytest.raises(LocalProtocolError):
        core_key_pair(bytes(31), ROOT_NAMESPACE, "a")


@pytest.mark.parametrize("case", VECTORS["corestore"]["cases"])
def test_names_give_the_cores_of_npm_corestore(case: dict[str, str]) -> None:
    primary_key = bytes.fromhex(VECTORS["corestore"]["primaryKey"])
    own = ROOT_NAMESPACE
    if case["namespaceName"] is not None:
        own = sub_namespace(own, case["namespaceName"])
    assert own.hex() == case["namespace"]
    key_pair = core_key_pair(primary_key, own, case["name"])
    assert key_pair.public_key.hex() == case["publicKey"]
    assert core_key_pair(primary_key, own, case["name"].encode()) == key_pair
    manifest = default_manifest(key_pair.public_key)
    assert encode_manifest(manifest).hex() == case["manifest"]
    assert manifest_key(manifest).hex() == case["coreKey"]
    assert discovery_key(manifest_key(manifest)).hex() == case["discoveryKey"]
