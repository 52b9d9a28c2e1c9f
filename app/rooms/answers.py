"""What is answered to somebody who asked by a link: sealed, so that only they read it.

::

    fixed32 ephemeral public key | XChaCha20-Poly1305 of the answer, a nonce of zeros

The key is H(ephemeral key, answer key, link's key) keyed with the secret that the
ephemeral key shares with the asker's answer key.
"""

from __future__ import annotations

from collections.abc import Callable

from net.constants import SEED_BYTES
from net.crypto import (
    XCHACHA20_NONCE_BYTES,
    KeyPair,
    blake2b_256,
    dh,
    xchacha20poly1305_open,
    xchacha20poly1305_seal,
)
from net.encoding import Reader

_NONCE = bytes(XCHACHA20_NONCE_BYTES)
"""Every seal has a key of its own."""


def seal_answer(
    plaintext: bytes,
    *,
    purpose: bytes,
    answer_key: bytes,
    link_key: bytes,
    entropy: Callable[[int], bytes],
) -> bytes:
    """Seal an answer to who asked.

    Args:
        plaintext: The answer.
        purpose: Namespace of what is answered, 32 bytes.
        answer_key: Public key that the asker made for it.
        link_key: Public key of the link.
        entropy: Gives random bytes.

    Raises:
        RemoteProtocolError: The answer key is none.
    """
    ephemeral = KeyPair.from_seed(entropy(SEED_BYTES))
    shared = dh(ephemeral, answer_key)
    key = blake2b_256(purpose, ephemeral.public_key, answer_key, link_key, key=shared)
    return ephemeral.public_key + xchacha20poly1305_seal(plaintext, b"", _NONCE, key)


def open_answer(
    data: bytes, *, purpose: bytes, answer: KeyPair, link_key: bytes
) -> bytes:
    """The inverse of ``seal_answer``; raises ``RemoteProtocolError``."""
    reader = Reader(data)
    ephemeral = reader.fixed(32)
    shared = dh(answer, ephemeral)
    key = blake2b_256(purpose, ephemeral, answer.public_key, link_key, key=shared)
    return xchacha20poly1305_open(reader.raw(), b"", _NONCE, key)
