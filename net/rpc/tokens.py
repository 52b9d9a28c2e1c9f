"""Round-trip tokens: proof that a requester receives at the host it sends from.

A token is a keyed hash of the requester's dotted IPv4 text. Two secrets are kept:
tokens are made with the newer one and believed with either, and every 7.5 s the newer
one becomes the older. The new secret is the hash of the secret that leaves.

Upstream: dht-rpc 6.27.0 ``lib/io.js``; vectors in ``tests/vectors/dht-rpc.json``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

ROTATION_S: Final = 7.5
SECRET_BYTES: Final = 32
TOKEN_BYTES: Final = 32


class Tokens:
    """Makes and checks tokens; rotates by the clock given with each call."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._older = b""
        self._newer = b""
        self._rotate_at = float("-inf")

    def issue(self, host: str, now: float) -> bytes:
        """Give the token for a host."""
        self._rotate(now)
        return token_for(host, self._newer)

    def accepts(self, token: bytes, host: str, now: float) -> bool:
        """Tell whether this host was given the token; it lives 7.5 to 15 s."""
        self._rotate(now)
        return any(
            hmac.compare_digest(token, token_for(host, secret))
            for secret in (self._newer, self._older)
        )

    def _rotate(self, now: float) -> None:
        if now < self._rotate_at:
            return
        if now < self._rotate_at + ROTATION_S:
            self._older, self._newer = self._newer, next_secret(self._older)
            self._rotate_at += ROTATION_S
            return
        self._older = self._entropy(SECRET_BYTES)
        self._newer = self._entropy(SECRET_BYTES)
        self._rotate_at = now + ROTATION_S


def token_for(host: str, secret: bytes) -> bytes:
    """Give the token of a host under one secret."""
    return blake2b(host.encode("ascii"), digest_size=TOKEN_BYTES, key=secret).digest()


def next_secret(leaving: bytes) -> bytes:
    """Give the secret that follows when ``leaving`` leaves."""
    return blake2b(leaving, digest_size=SECRET_BYTES).digest()
