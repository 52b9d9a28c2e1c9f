"""Identity against the published vectors, and what a proof must refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import identity
from app.errors import UserFacingError
from net.crypto import KeyPair
from net.errors import RemoteProtocolError

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "keet-identity.json").read_text()
)
DEVICES = [KeyPair.from_seed(bytes([n]) * 32) for n in (1, 2, 3)]


@pytest.mark.parametrize("vector", VECTORS["mnemonics"], ids=lambda v: v["seed"][:8])
def test_keys_of_a_phrase(vector: dict[str, Any]) -> None:
    """Every key derived from a phrase is the one npm derives."""
    phrase = identity.normalised_phrase("  " + vector["mnemonic"].upper() + "\n")
    assert phrase == vector["mnemonic"]
    seed = identity.phrase_seed(phrase)
    assert seed.hex() == vector["seed"]
    assert (
        identity.derive_key_pair(seed, ()).public_key.hex()
        == vector["master"]["publicKey"]
    )
    pair = identity.identity_key_pair(seed)
    assert pair.public_key.hex() == vector["identityPublicKey"]
    assert pair.secret_key.hex() == vector["identitySecretKey"]
    discovery = identity.derive_key_pair(seed, identity.PROFILE_DISCOVERY_PATH)
    assert discovery.public_key.hex() == vector["profileDiscoveryPublicKey"]
    assert (
        identity.profile_discovery_encryption_key(seed).hex()
        == vector["profileDiscoveryEncryptionKey"]
    )
    profile = vector["encryptionKeyForProfile"]
    profile_key = bytes.fromhex(profile["profileKey"])
    assert identity.profile_encryption_key(seed, profile_key).hex() == profile["key"]
    other = vector["otherPath"]
    assert (
        identity.derive_key_pair(seed, other["path"]).public_key.hex()
        == other["publicKey"]
    )


def test_devices_of_the_vectors() -> None:
    """The seeds stand for the devices of the vectors."""
    assert [pair.public_key.hex() for pair in DEVICES] == VECTORS["devices"]


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda v: v["name"])
def test_proof(vector: dict[str, Any]) -> None:
    """Proofs decode, encode to the same bytes and verify as npm says."""
    raw = bytes.fromhex(vector["proof"])
    decoded = vector["decoded"]
    proof = identity.decode_proof(raw)
    assert proof.epoch_s * 1000 == decoded["epochMs"]
    assert proof.identity.hex() == decoded["identity"]
    assert [link.public_key.hex() for link in proof.chain] == [
        link["publicKey"] for link in decoded["chain"]
    ]
    assert proof.encode() == raw
    options = {
        {
            "receipt": "receipt",
            "expectedIdentity": "expected_identity",
            "expectedDevice": "expected_device",
        }[key]: bytes.fromhex(value)
        for key, value in vector.get("opts", {}).items()
    }
    data = vector["attestedData"]
    holds = identity.verify_proof(
        proof, data=None if data is None else bytes.fromhex(data), **options
    )
    result = vector["result"]
    assert holds == (result is not None)
    if result is not None:
        assert proof.receipt.hex() == result["receipt"]
        assert proof.device.hex() == result["devicePublicKey"]


def test_proofs_are_made_as_npm_makes_them() -> None:
    """Chain, further devices and data give the vectors' bytes."""
    seed = identity.phrase_seed(VECTORS["mnemonics"][0]["mnemonic"])
    root = identity.identity_key_pair(seed)
    named = {vector["name"]: vector["proof"] for vector in VECTORS["proofs"]}
    first = identity.bootstrap(root, DEVICES[0].public_key, epoch_s=1_700_000_000)
    assert first.encode().hex() == named["bootstrap: identity attests device 1"]
    second = identity.attest_device(first, DEVICES[0], DEVICES[1].public_key)
    third = identity.attest_device(second, DEVICES[1], DEVICES[2].public_key)
    assert third.encode().hex() == named["device 2 attests device 3"]
    data = identity.attest_data(third, DEVICES[2], b"some data")
    assert data.encode().hex() == named["device 3 attests data"]


def test_an_attested_proof_needs_its_data() -> None:
    """A proof that signs data is never accepted as one about a device only."""
    root = KeyPair.from_seed(bytes(32))
    proof = identity.bootstrap(root, DEVICES[0].public_key, epoch_s=1)
    signed = identity.attest_data(proof, DEVICES[0], b"x")
    assert identity.verify_proof(proof)
    assert not identity.verify_proof(signed)


@pytest.mark.parametrize(
    "phrase",
    [
        "",
        "abandon " * 11,
        "abandon " * 24,
        "abandon " * 23 + "covey",
        "x" * 5000,
        "zoo " * 12,
    ],
)
def test_wrong_phrases(phrase: str) -> None:
    """A wrong phrase gives one sentence."""
    with pytest.raises(UserFacingError) as caught:
        identity.normalised_phrase(phrase)
    assert caught.value.code == "bad-phrase"


def test_new_phrases_are_right_and_differ() -> None:
    """What is made is accepted again."""
    one = identity.new_phrase(lambda size: b"\x01" * size)
    two = identity.new_phrase(lambda size: b"\x02" * size)
    assert one != two
    assert len(one.split()) == identity.WORD_COUNT
    assert identity.normalised_phrase(one) == one


@given(
    st.sampled_from(VECTORS["proofs"]),
    st.integers(0, 500),
    st.integers(0, 255),
    st.integers(0, 500),
)
def test_mutated_proofs_never_crash(
    vector: dict[str, Any], position: int, value: int, cut: int
) -> None:
    """A changed or shortened proof is refused or does not verify as before."""
    raw = bytearray(bytes.fromhex(vector["proof"]))
    position %= len(raw)
    raw[position] = value
    data = bytes(raw[: len(raw) - cut % len(raw)])
    try:
        proof = identity.decode_proof(data)
    except RemoteProtocolError:
        return
    right = vector["result"] is not None and vector["attestedData"] is not None
    if identity.verify_proof(proof, data=b"some data"):
        assert right
        assert proof.encode() == bytes.fromhex(vector["proof"])
