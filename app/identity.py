"""Who a person is: 24 words, the keys derived from them, and proofs about devices.

The words (BIP39) give a seed; the seed gives an identity key pair by hardened Ed25519
derivation and symmetric keys by labels. A proof is a chain of signatures that starts
at the identity and ends at a device, with an optional signature over some data. What a
proof allows is the business of ``app/rooms``. Follows npm keet-identity-key 3.2.0.

Proof bytes::

    uint version (1) | u64 epoch in seconds | fixed32 identity
    uint count | count x (fixed32 device key | fixed64 signature)
    uint flags (1: data attested) | [fixed64 signature]
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.errors import UserFacingError
from net.crypto import KeyPair, blake2b_256, sign, verify
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError

WORD_COUNT = 24
PHRASE_ENTROPY_BYTES = 32
PHRASE_ROUNDS = 2048
WORD_COUNTS = (12, 15, 18, 21, 24)
MAX_PHRASE_CHARACTERS = 1024

HARDENED = 1 << 31
KEET_COIN_TYPE = 5338
IDENTITY_PATH = (48, KEET_COIN_TYPE, 0, 0, 0)
PROFILE_DISCOVERY_PATH = (48, KEET_COIN_TYPE, 0, 0, 1)
PERSONAL_FOUNDER_PATH = (48, KEET_COIN_TYPE, 5338, 0, 0)
"""An account that no other client uses."""

PROOF_VERSION = 1
MAX_CHAIN = 32
"""Links accepted in a proof."""
MAX_PROOF_BYTES = 1 + 8 + 32 + 1 + MAX_CHAIN * 96 + 1 + 64
FLAG_DATA = 1

_KIND_DEVICE = b"\x00"
_KIND_DATA = b"\x01"


def new_phrase(entropy: Callable[[int], bytes]) -> str:
    """24 English words of fresh entropy."""
    from mnemonic import Mnemonic

    return Mnemonic("english").to_mnemonic(entropy(PHRASE_ENTROPY_BYTES))


def normalised_phrase(phrase: str) -> str:
    """The words in lower case, one space between them.

    Raises:
        UserFacingError: ``bad-phrase``: no phrase, a wrong word or a wrong checksum.
    """
    from mnemonic import Mnemonic
    from mnemonic.mnemonic import ConfigurationError

    words = phrase[:MAX_PHRASE_CHARACTERS].replace("\u3000", " ").split()
    text = " ".join(words).lower()
    if len(words) not in WORD_COUNTS or len(phrase) > MAX_PHRASE_CHARACTERS:
        raise UserFacingError(
            "bad-phrase",
            f"A recovery phrase has {WORD_COUNT} words; this one has {len(words)}.",
        )
    try:
        right = Mnemonic(Mnemonic.detect_language(text)).check(text)
    except ConfigurationError as error:
        raise UserFacingError(
            "bad-phrase", "The recovery phrase has a word that no word list knows."
        ) from error
    if not right:
        raise UserFacingError(
            "bad-phrase",
            "These words are no recovery phrase: check their spelling and their order.",
        )
    return text


def phrase_seed(phrase: str) -> bytes:
    """64 bytes from a normalised phrase."""
    return hashlib.pbkdf2_hmac("sha512", phrase.encode(), b"mnemonic", PHRASE_ROUNDS)


def derive_key_pair(seed: bytes, path: Sequence[int]) -> KeyPair:
    """The Ed25519 key pair at a path of hardened steps (SLIP-0010)."""
    node = hmac.digest(b"ed25519 seed", seed, "sha512")
    for number in path:
        index = (number + HARDENED).to_bytes(4, "big")
        node = hmac.digest(node[32:], b"\x00" + node[:32] + index, "sha512")
    return KeyPair.from_seed(node[:32])


def derive_symmetric_key(seed: bytes, labels: Sequence[str]) -> bytes:
    """The 32-byte key under a row of labels (SLIP-0021)."""
    node = hmac.digest(b"Symmetric key seed", seed, "sha512")
    for label in labels:
        node = hmac.digest(node[:32], b"\x00" + label.encode(), "sha512")
    return node[32:]


def profile_encryption_key(seed: bytes, profile_key: bytes) -> bytes:
    """The key under which a personal log of this identity is encrypted."""
    return derive_symmetric_key(
        seed, ("SLIP-0021", "keet-identity-key", profile_key.hex(), "encryption key")
    )


def profile_discovery_encryption_key(seed: bytes) -> bytes:
    """The key of the log by which devices of this identity find its profile."""
    return profile_encryption_key(seed, blake2b_256(b"profile discovery"))


def personal_room_key(seed: bytes) -> bytes:
    """The key of the room that all devices of this identity share, 32 bytes."""
    return profile_encryption_key(seed, blake2b_256(b"covey personal room"))


def personal_founder(seed: bytes) -> KeyPair:
    """The device that founds that room and never writes anything else."""
    return derive_key_pair(seed, PERSONAL_FOUNDER_PATH)


def identity_key_pair(seed: bytes) -> KeyPair:
    """The key pair whose public half is the person's name."""
    return derive_key_pair(seed, IDENTITY_PATH)


@dataclass(frozen=True, slots=True)
class Link:
    """One attested device of a proof."""

    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """A chain from an identity to a device, perhaps with data it signed."""

    epoch_s: int
    """When the chain was begun, in seconds since 1970."""
    identity: bytes
    chain: tuple[Link, ...] = ()
    data_signature: bytes | None = None

    @property
    def device(self) -> bytes:
        """The last device of the chain, or the identity itself without one."""
        return self.chain[-1].public_key if self.chain else self.identity

    @property
    def receipt(self) -> bytes:
        """What to remember, to refuse older chains of this identity later."""
        return self.epoch_s.to_bytes(8, "little")

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().uint(PROOF_VERSION).uint64(self.epoch_s)
        writer.fixed(self.identity, 32)
        writer.array(
            self.chain,
            lambda out, link: out.fixed(link.public_key, 32).fixed(link.signature, 64),
        )
        if self.data_signature is None:
            return writer.uint(0).finish()
        return writer.uint(FLAG_DATA).fixed(self.data_signature, 64).finish()


def decode_proof(data: bytes) -> Proof:
    """The inverse of ``Proof.encode``; says nothing about the signatures.

    Raises:
        RemoteProtocolError: Not the bytes of a proof, or of an unknown version.
    """
    reader = Reader(data)
    version = reader.uint()
    if version != PROOF_VERSION:
        raise RemoteProtocolError(f"identity proof version {version}", code="version")
    epoch_s = reader.uint64()
    identity = reader.fixed(32)
    chain = reader.array(
        lambda item: Link(item.fixed(32), item.fixed(64)), max_count=MAX_CHAIN
    )
    flags = reader.uint()
    signature = reader.fixed(64) if flags & FLAG_DATA else None
    return Proof(epoch_s, identity, tuple(chain), signature)


def bootstrap(identity: KeyPair, device: bytes, *, epoch_s: int) -> Proof:
    """Begin a chain: the identity attests its first device."""
    bare = Proof(epoch_s, identity.public_key)
    return attest_device(bare, identity, device)


def attest_device(proof: Proof, parent: KeyPair, device: bytes) -> Proof:
    """The chain with ``device`` added, signed by its last device ``parent``."""
    signature = sign(_device_signable(proof, device), parent.secret_key)
    return Proof(proof.epoch_s, proof.identity, (*proof.chain, Link(device, signature)))


def attest_data(proof: Proof, device: KeyPair, data: bytes) -> Proof:
    """The proof with a signature of its last device over ``data``."""
    signature = sign(_data_signable(proof, data), device.secret_key)
    return replace(proof, data_signature=signature)


def verify_proof(
    proof: Proof,
    *,
    data: bytes | None = None,
    receipt: bytes | None = None,
    expected_identity: bytes | None = None,
    expected_device: bytes | None = None,
) -> bool:
    """True when every signature holds and every expectation is met.

    Args:
        proof: The decoded proof.
        data: What the proof must attest; None for a proof about a device only.
        receipt: The newest epoch remembered for this identity; older chains fail.
        expected_identity: The identity it must start at.
        expected_device: The device it must end at.
    """
    if receipt is not None and int.from_bytes(receipt, "little") > proof.epoch_s:
        return False
    if expected_identity is not None and expected_identity != proof.identity:
        return False
    if expected_device is not None and expected_device != proof.device:
        return False
    if (data is None) != (proof.data_signature is None):
        return False
    parent = proof.identity
    for link in proof.chain:
        signable = _device_signable(proof, link.public_key)
        if not verify(signable, link.signature, parent):
            return False
        parent = link.public_key
    if data is None or proof.data_signature is None:
        return True
    return verify(_data_signable(proof, data), proof.data_signature, parent)


def _device_signable(proof: Proof, device: bytes) -> bytes:
    return _KIND_DEVICE + proof.receipt + proof.identity + device


def _data_signable(proof: Proof, data: bytes) -> bytes:
    return _KIND_DATA + proof.receipt + proof.identity + blake2b_256(data)
