"""Linking a device: the link that is passed on, and what the two devices say.

The device that a person has makes a link with a one-time secret; the new one shows it
and is told who it is. They find and hear each other by blind pairing, like a newcomer
to a room (``app/rooms/invitations.py``), under keys of their own::

    covey-device://<z-base-32 of: uint8 version (1) | fixed16 secret
                    | uint32 expires at, seconds since 1970 | fixed4 checksum>

    Request    uint version (1) | uint flags (0) | string device name
               | buffer identity proof | fixed32 answer key
    Handover   uint version (1) | uint flags (0) | string name | buffer identity proof
               | fixed32 room key | fixed32 founder
    sealed     fixed32 ephemeral key | XChaCha20-Poly1305 of Handover

The request's proof is that of a device that is its own identity, over the answer key;
the handover's leads from the person's identity to that device. Room key and founder are
those of the room that the person's devices share; everything else is told in there.
Bytes left over are ignored, for versions to come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app.errors import UserFacingError
from app.identity import (
    MAX_PROOF_BYTES,
    Proof,
    attest_data,
    decode_proof,
    verify_proof,
)
from app.rooms.answers import open_answer, seal_answer
from app.rooms.operations import MAX_NAME_BYTES, read_name
from net.constants import SEED_BYTES
from net.crypto import (
    KeyPair,
    blake2b_256,
    discovery_key,
    namespace,
)
from net.encoding import Reader, Writer
from net.encoding.z_base_32 import read_z_base_32, write_z_base_32
from net.errors import RemoteProtocolError
from net.pairing import Invite as PairingInvite
from net.pairing import InviteRecord
from net.pairing.sealing import invite_id

SCHEME = "covey-device://"
LINK_VERSION = 1
SAID_VERSION = 1
SECRET_BYTES = 16
CHECKSUM_BYTES = 4
LINK_BYTES = 1 + SECRET_BYTES + 4 + CHECKSUM_BYTES
MAX_LINK_CHARACTERS = 256

_NAME = "covey/device"
_KEY = namespace(_NAME, 0)
_GROUP = namespace(_NAME, 1)
_ANSWER_KEY = namespace(_NAME, 2)
_SEAL = namespace(_NAME, 3)
_CHALLENGE = namespace(_NAME, 4)
_CHECKSUM = namespace(_NAME, 5)


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """What a link says."""

    secret: bytes = field(repr=False)
    expires_at_s: int
    """Seconds since 1970."""

    @property
    def seed(self) -> bytes:
        """From which the invite's key pair follows, 32 bytes."""
        return blake2b_256(_KEY, self.secret)

    @property
    def key(self) -> bytes:
        """The invite's public key."""
        return KeyPair.from_seed(self.seed).public_key

    @property
    def group_key(self) -> bytes:
        """The key of the pairing group, which holds these two devices only."""
        return blake2b_256(_GROUP, key=self.key)

    @property
    def invite(self) -> PairingInvite:
        """As the new device has it."""
        return PairingInvite(
            seed=self.seed,
            discovery_key=discovery_key(self.group_key),
            expires_at=self.expires_at_s,
        )

    @property
    def record(self) -> InviteRecord:
        """As the old device has it."""
        group = discovery_key(self.group_key)
        return InviteRecord(invite_id(self.key), self.key, group)

    def encode(self) -> str:
        """The link as people pass it on."""
        writer = Writer().uint8(LINK_VERSION).fixed(self.secret, SECRET_BYTES)
        body = writer.uint32(self.expires_at_s).finish()
        return SCHEME + write_z_base_32(body + _checksum(body))


def decode_device_link(text: str) -> DeviceLink:
    """Read a link as somebody pasted it.

    Raises:
        UserFacingError: ``bad-link``: it is no link, or a damaged one; ``version``.
    """
    wrong = UserFacingError(
        "bad-link",
        f"This is not a whole device link: it should begin with {SCHEME} and may have"
        " been cut.",
    )
    text = "".join(text[: MAX_LINK_CHARACTERS + 1].split())
    if len(text) > MAX_LINK_CHARACTERS or not text.lower().startswith(SCHEME):
        raise wrong
    try:
        raw = read_z_base_32(
            text[len(SCHEME) :].rstrip("/"), max_bytes=MAX_LINK_CHARACTERS
        )
    except ValueError as error:
        raise wrong from error
    body, checksum = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    if not body or checksum != _checksum(body):
        raise wrong
    if body[0] != LINK_VERSION:
        raise UserFacingError(
            "version", "This device link was made by another version of Covey."
        )
    if len(raw) != LINK_BYTES:
        raise wrong
    reader = Reader(body[1:])
    return DeviceLink(reader.fixed(SECRET_BYTES), reader.uint32())


def answer_key_pair(device: KeyPair, link_key: bytes) -> KeyPair:
    """To which the new device's answer is sealed; follows from the device."""
    secret = device.secret_key[:SEED_BYTES]
    return KeyPair.from_seed(blake2b_256(_ANSWER_KEY, link_key, key=secret))


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """The new device asks to be told who it is."""

    name: str
    """The device's."""
    device: bytes
    answer_key: bytes


def encode_request(name: str, device: KeyPair, link_key: bytes) -> bytes:
    """What a device asks who shows a link."""
    answer_key = answer_key_pair(device, link_key).public_key
    bare = Proof(0, device.public_key)
    proof = attest_data(bare, device, _CHALLENGE + link_key + answer_key)
    writer = Writer().uint(SAID_VERSION).uint(0).string(name)
    return writer.buffer(proof.encode()).fixed(answer_key, 32).finish()


def decode_request(data: bytes, *, link_key: bytes) -> LinkRequest:
    """Read and check what a device asks.

    Raises:
        RemoteProtocolError: It is no request, one of a newer version (code
            ``version``), or the device did not sign it for this link.
    """
    reader = Reader(data)
    _read_version(reader)
    name = reader.string(max_bytes=MAX_NAME_BYTES)
    proof = decode_proof(reader.buffer(max_bytes=MAX_PROOF_BYTES))
    answer_key = reader.fixed(32)
    said = _CHALLENGE + link_key + answer_key
    if proof.chain or not verify_proof(proof, data=said):
        raise RemoteProtocolError("the device is not proven", code="unproven")
    clean = " ".join("".join(c for c in name if c.isprintable()).split())
    return LinkRequest(clean or "device", proof.device, answer_key)


@dataclass(frozen=True, slots=True)
class Handover:
    """The new device is told who it is."""

    name: str
    """The person's."""
    proof: Proof
    """From the person's identity to the new device."""
    room_key: bytes = field(repr=False)
    founder: bytes

    def encode(self) -> bytes:
        """The bytes drawn in the module's docstring."""
        writer = Writer().uint(SAID_VERSION).uint(0).string(self.name)
        writer.buffer(self.proof.encode())
        return writer.fixed(self.room_key, 32).fixed(self.founder, 32).finish()


def decode_handover(data: bytes, *, device: bytes) -> Handover:
    """The inverse of ``Handover.encode``, with the proof checked.

    Raises:
        RemoteProtocolError: It is no handover, of a newer version (``version``), or
            not for this device.
    """
    reader = Reader(data)
    _read_version(reader)
    name = read_name(reader)
    proof = decode_proof(reader.buffer(max_bytes=MAX_PROOF_BYTES))
    if not proof.chain or not verify_proof(proof, expected_device=device):
        raise RemoteProtocolError("nobody vouches for this device", code="unproven")
    return Handover(name, proof, reader.fixed(32), reader.fixed(32))


def seal_handover(
    handover: Handover,
    *,
    answer_key: bytes,
    link_key: bytes,
    entropy: Callable[[int], bytes],
) -> bytes:
    """Seal a handover to the device that asked.

    Raises:
        RemoteProtocolError: The answer key is none.
    """
    return seal_answer(
        handover.encode(),
        purpose=_SEAL,
        answer_key=answer_key,
        link_key=link_key,
        entropy=entropy,
    )


def open_handover(data: bytes, *, device: KeyPair, link_key: bytes) -> Handover:
    """The inverse of ``seal_handover``; raises ``RemoteProtocolError``."""
    answer = answer_key_pair(device, link_key)
    plaintext = open_answer(data, purpose=_SEAL, answer=answer, link_key=link_key)
    return decode_handover(plaintext, device=device.public_key)


def _read_version(reader: Reader) -> None:
    version = reader.uint()
    if version != SAID_VERSION:
        raise RemoteProtocolError(f"a device link's version {version}", code="version")
    reader.uint()  # flags of versions to come


def _checksum(body: bytes) -> bytes:
    return blake2b_256(_CHECKSUM, body)[:CHECKSUM_BYTES]
