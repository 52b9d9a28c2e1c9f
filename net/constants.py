"""Sizes and limits that several parts of ``net`` share.

What belongs to one part only stands in that part. Sizes are bytes.
"""

from __future__ import annotations

from typing import Final

PUBLIC_KEY_BYTES: Final = 32
"""An Ed25519 public key."""

SECRET_KEY_BYTES: Final = 64
"""An Ed25519 secret key as libsodium keeps it: seed, then public key."""

SEED_BYTES: Final = 32
"""The seed of an Ed25519 key pair."""

SIGNATURE_BYTES: Final = 64
"""A detached Ed25519 signature."""

HASH_BYTES: Final = 32
"""BLAKE2b-256, the hash of targets, topics and discovery keys."""

MAX_SAFE_UINT: Final = 2**53 - 1
"""The largest integer that every implementation can hold exactly."""

MAX_ARRAY_COUNT: Final = 0x100000
"""Elements of one encoded array."""

MAX_FRAME_BYTES: Final = 2**24 - 1
"""Body of one secret stream frame, that is plaintext and 17 bytes of overhead."""

MAX_PLAINTEXT_BYTES: Final = MAX_FRAME_BYTES - 17
"""Plaintext of one secret stream frame."""

MAX_NOISE_MESSAGE_BYTES: Final = 65535
"""One Noise handshake message, as the Noise specification limits it."""
