"""How a room gets a new key: rotations, and when one is due.

Epoch 0 is the room key itself. A rotation brings a new key, sealed to every device that
remains, together with the keys before it, sealed under the new one: whoever is given
the newest key walks back from there to the first. Devices that a rotation had no room
for, or that came later, ask for the key (``app/rooms/asides.py``). Its body goes into
an act next to the devices' public keys::

    uint version (1) | fixed32 fingerprint of the new key
    | array (fixed16 id of a key before, fixed48 that key, sealed)     at most 8
    | for each device: fixed80 sealed box

    a key before   XChaCha20-Poly1305 under H(new key, ns 3 | uint8 its number | its id)
                   with a nonce of zeros; associated data: the fingerprint
    sealed box     libsodium's crypto_box_seal of the new key to the X25519 form of the
                   device's Ed25519 key; random bytes for a key that has no such form

H and ns are those of ``app/rooms/seals.py``; an epoch's id is the beginning of its
key's fingerprint. Whoever seals may seal nonsense to somebody: it is found by the
fingerprint, and any other device that holds the key gives it when asked.

Pure: which rotation counts, and which epoch is to be used, the room's rules say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from nacl import bindings, exceptions

from app.rooms.seals import (
    EPOCH_ID_BYTES,
    EPOCH_KEY_BYTES,
    epoch_id,
    fingerprint,
)
from net.crypto import KeyPair, blake2b_256, namespace
from net.encoding import Reader, Writer
from net.errors import LocalProtocolError, RemoteProtocolError

BODY_VERSION: Final = 1
MAX_ROTATION_DEVICES: Final = 512
"""Devices that one rotation is sealed to: so its block stays below 72 KiB."""
MAX_PREVIOUS: Final = 8
"""Keys before that one rotation carries: one, and more after rotations at once."""
BOX_BYTES: Final = EPOCH_KEY_BYTES + bindings.crypto_box_SEALBYTES
MAX_BODY_BYTES: Final = 64 * 1024

ROTATION_PERIOD_MS: Final = 7 * 24 * 3_600_000
"""How long an epoch is used before it turns."""
ROTATION_SPREAD_MS: Final = 24 * 3_600_000
"""Over which the devices of a room take turns when the period has ended."""
STALE_SPREAD_MS: Final = 60_000
"""The same when somebody who may no longer read holds the key."""

_PREVIOUS: Final = namespace("covey/room-epoch", 3)
_JITTER: Final = namespace("covey/room-epoch", 4)
_NONCE: Final = bytes(24)
_SEALED_KEY_BYTES: Final = EPOCH_KEY_BYTES + 16


class Rotation(NamedTuple):
    """What goes into the act of a rotation.

    Attributes:
        epoch: Id of the key that is given, 16 bytes.
        devices: Public keys of those that it is given to, ascending.
        body: As drawn above.
    """

    epoch: bytes
    devices: tuple[bytes, ...]
    body: bytes


class PreviousKey(NamedTuple):
    """One key before, as it stands in a body.

    Attributes:
        epoch: Its id, 16 bytes.
        sealed: 48 bytes.
    """

    epoch: bytes
    sealed: bytes


class BodyHead(NamedTuple):
    """A body without its boxes.

    Attributes:
        fingerprint: Of the key that is given, 32 bytes.
        previous: The keys before.
    """

    fingerprint: bytes
    previous: tuple[PreviousKey, ...]

    @property
    def epoch(self) -> bytes:
        """Id of the key that is given."""
        return self.fingerprint[:EPOCH_ID_BYTES]


def make_rotation(
    new_key: bytes,
    previous_keys: Sequence[bytes],
    devices: Sequence[bytes],
    *,
    entropy: Callable[[int], bytes],
) -> Rotation:
    """Give a new key to devices, with the way back to the keys before it.

    Args:
        new_key: 32 random bytes, never used before.
        previous_keys: 1 to ``MAX_PREVIOUS``; see ``app.rooms.key_ring.loose_keys``.
        devices: Ed25519 public keys, at most ``MAX_ROTATION_DEVICES``; the others
            ask for it (``app/rooms/asides.py``). Twice the same counts once.
        entropy: Gives random bytes, 80 for each device.

    Raises:
        LocalProtocolError: ``bad-argument``: nobody could read it.
    """
    if not 1 <= len(previous_keys) <= MAX_PREVIOUS or new_key in previous_keys:
        raise LocalProtocolError("no such keys before", code="bad-argument")
    keys = (new_key, *previous_keys)
    if any(len(one) != EPOCH_KEY_BYTES for one in keys):
        raise LocalProtocolError("a key has 32 bytes", code="bad-argument")
    named = tuple(sorted(set(devices)))
    if len(named) > MAX_ROTATION_DEVICES or any(len(one) != 32 for one in named):
        raise LocalProtocolError("no such devices", code="bad-argument")
    whole = fingerprint(new_key)
    before = []
    for number, previous in enumerate(previous_keys):
        name = epoch_id(previous)
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            previous, whole, _NONCE, _previous_key(new_key, number, name)
        )
        before.append(PreviousKey(name, sealed))
    writer = Writer().uint(BODY_VERSION)
    _write_head(writer, BodyHead(whole, tuple(before)))
    for device in named:
        writer.fixed(_seal_box(new_key, device, entropy), BOX_BYTES)
    return Rotation(whole[:EPOCH_ID_BYTES], named, writer.finish())


def read_head(body: bytes) -> BodyHead:
    """What a body says without any key.

    Raises:
        RemoteProtocolError: It is none of this version, or damaged.
    """
    return _decode(body)[0]


def open_rotation(
    body: bytes, devices: Sequence[bytes], own: KeyPair, *, epoch: bytes
) -> bytes | None:
    """The key that a rotation gives to this device.

    Args:
        body: As drawn above.
        devices: Those the act names, in its order.
        own: This device's Ed25519 key pair.
        epoch: The id the act names.

    Returns:
        32 bytes, or None when nothing is sealed to this device.

    Raises:
        RemoteProtocolError: The body is damaged or does not fit the act; ``bad-box``:
            what is sealed to this device is not the key of that id.
    """
    head, boxes = _decode(body)
    if head.epoch != epoch or len(boxes) != BOX_BYTES * len(devices):
        raise RemoteProtocolError("the body is of another act", code="malformed")
    if own.public_key not in devices:
        return None
    at = devices.index(own.public_key) * BOX_BYTES
    key = _open_box(boxes[at : at + BOX_BYTES], own)
    if key is None or fingerprint(key) != head.fingerprint:
        raise RemoteProtocolError("the key does not open here", code="bad-box")
    return key


def open_previous(head: BodyHead, new_key: bytes) -> tuple[bytes, ...]:
    """The keys before a rotation, for whoever has the new one.

    Raises:
        RemoteProtocolError: ``wrong-key``: this is not the rotation's key;
            ``bad-previous``: what is sealed there is not the keys of those ids.
    """
    if fingerprint(new_key) != head.fingerprint:
        raise RemoteProtocolError("a key of another rotation", code="wrong-key")
    keys = []
    for number, previous in enumerate(head.previous):
        try:
            key = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                previous.sealed,
                head.fingerprint,
                _NONCE,
                _previous_key(new_key, number, previous.epoch),
            )
        except exceptions.CryptoError:
            key = b""
        if epoch_id(key) != previous.epoch:
            raise RemoteProtocolError(
                "a rotation without the way back", code="bad-previous"
            )
        keys.append(key)
    return tuple(keys)


def rotation_due_at(
    *,
    epoch: bytes,
    device: bytes,
    started_at: int,
    entries: int,
    stale_since: int | None,
) -> int | None:
    """When this device should turn an epoch that nobody has turned until then.

    The devices of a room take turns: each has its own delay, other in every epoch, and
    who sees a newer epoch when its time comes does nothing. Who takes a device's right
    to read away turns the epoch at once, without asking here.

    Args:
        epoch: The id of the epoch in use.
        device: Public key of this device.
        started_at: When the epoch began, ms since 1970.
        entries: How many were sealed under it; an unused epoch does not turn.
        stale_since: Since when somebody holds the key who may no longer read, ms since
            1970; None when nobody does.

    Returns:
        Milliseconds since 1970; None for not at all.
    """
    turn = blake2b_256(_JITTER, epoch, device)
    share = int.from_bytes(turn[:4], "little") / (1 << 32)
    due = [] if stale_since is None else [stale_since + int(share * STALE_SPREAD_MS)]
    if entries:
        delay = ROTATION_PERIOD_MS + int(share * ROTATION_SPREAD_MS)
        due.append(started_at + delay)
    return min(due, default=None)


def _decode(body: bytes) -> tuple[BodyHead, bytes]:
    """The head of a body, and its boxes in one piece."""
    if len(body) > MAX_BODY_BYTES:
        raise RemoteProtocolError("the body is too large", code="too-large")
    reader = Reader(body)
    version = reader.uint()
    if version != BODY_VERSION:
        raise RemoteProtocolError(f"key body version {version}", code="version")
    head = _read_head(reader)
    boxes = reader.raw()
    if len(boxes) % BOX_BYTES or len(boxes) > MAX_ROTATION_DEVICES * BOX_BYTES:
        raise RemoteProtocolError("no row of boxes", code="malformed")
    return head, boxes


def _write_head(writer: Writer, head: BodyHead) -> None:
    writer.fixed(head.fingerprint, 32).uint(len(head.previous))
    for previous in head.previous:
        writer.fixed(previous.epoch, EPOCH_ID_BYTES)
        writer.fixed(previous.sealed, _SEALED_KEY_BYTES)


def _read_head(reader: Reader) -> BodyHead:
    whole = reader.fixed(32)
    previous = reader.array(_read_previous, max_count=MAX_PREVIOUS)
    return BodyHead(whole, tuple(previous))


def _read_previous(reader: Reader) -> PreviousKey:
    return PreviousKey(reader.fixed(EPOCH_ID_BYTES), reader.fixed(_SEALED_KEY_BYTES))


def _previous_key(new_key: bytes, number: int, epoch: bytes) -> bytes:
    # Two keys that somebody found for one id must not be sealed alike.
    return blake2b_256(_PREVIOUS, bytes((number,)), epoch, key=new_key)


def _seal_box(key: bytes, device: bytes, entropy: Callable[[int], bytes]) -> bytes:
    """A sealed box as libsodium makes them, but with a key pair from ``entropy``."""
    secret, padding = entropy(32), entropy(BOX_BYTES - 32)
    try:
        receiver = bindings.crypto_sign_ed25519_pk_to_curve25519(device)
        public = bindings.crypto_scalarmult_base(secret)
        nonce = _box_nonce(public, receiver)
        return public + bindings.crypto_box_easy(key, nonce, receiver, secret)
    except exceptions.CryptoError:
        # No point of the curve: nobody can ever open it, and nobody sees that.
        return secret + padding


def _open_box(box: bytes, own: KeyPair) -> bytes | None:
    scalar = own.dh_scalar()
    public = bindings.crypto_scalarmult_base(scalar)
    try:
        return bindings.crypto_box_seal_open(box, public, scalar)
    except exceptions.CryptoError:
        return None


def _box_nonce(public: bytes, receiver: bytes) -> bytes:
    return hashlib.blake2b(public + receiver, digest_size=24).digest()
