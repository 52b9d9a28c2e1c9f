"""What blind pairing derives, seals and signs; nothing here has a state.

An invite's seed is an Ed25519 key pair. Its holder signs; who has only its public key
can tell a request that was signed by it, read it, and answer it. Follows npm
blind-pairing-core 2.10.1 ``index.js``.
"""

from __future__ import annotations

import hashlib

from net.crypto import (
    XCHACHA20_NONCE_BYTES,
    KeyPair,
    blake2b_256,
    sign,
    verify,
    xchacha20poly1305_open,
    xchacha20poly1305_seal,
)
from net.encoding import Writer
from net.pairing.constants import (
    NS_DISCOVERY,
    NS_ENCRYPT,
    NS_EPHEMERAL,
    NS_INVITE_ID,
    NS_NONCE,
    NS_REPLY,
    NS_REQUEST_ID,
    NS_SESSION,
    NS_SESSION_KEY,
    NS_SIGNATURE,
    NS_TOKEN,
)


def invite_id(public_key: bytes) -> bytes:
    """The 32 bytes by which a request names the invite it came through."""
    return blake2b_256(NS_INVITE_ID, public_key)


def token_of(public_key: bytes, user_data: bytes) -> bytes:
    """The 32 bytes that stand for one invite and one candidate's data."""
    return blake2b_256(NS_TOKEN, public_key, user_data)


def session_of(token: bytes) -> bytes:
    """The session of a request that was given none of its own, 32 bytes."""
    return blake2b_256(NS_SESSION, token)


def request_id(session: bytes) -> bytes:
    """The 32 bytes by which a response names its request."""
    return blake2b_256(NS_REQUEST_ID, session)


def pairing_topic(discovery_key: bytes) -> bytes:
    """Where candidates of a group announce their requests in the DHT, 32 bytes."""
    return blake2b_256(NS_DISCOVERY, discovery_key)


def ephemeral_key_pair(token: bytes) -> KeyPair:
    """The key of the DHT record that holds a request, announced on the topic."""
    return KeyPair.from_seed(blake2b_256(NS_EPHEMERAL, token))


def reply_key_pair(token: bytes) -> KeyPair:
    """The key of the DHT record in which a member leaves the response."""
    return KeyPair.from_seed(blake2b_256(NS_REPLY, token))


def authentication(session: bytes, user_data: bytes) -> bytes:
    """What an invite's key signs, after the namespace.

    buffer session | buffer user data
    """
    return Writer().buffer(session).buffer(user_data).finish()


def sign_request(key_pair: KeyPair, *, session: bytes, user_data: bytes) -> bytes:
    """The signature of a request, 64 bytes."""
    signable = NS_SIGNATURE + authentication(session, user_data)
    return sign(signable, key_pair.secret_key)


def is_signed(
    public_key: bytes, signature: bytes, *, session: bytes, user_data: bytes
) -> bool:
    """Tells whether the holder of an invite asked with this data in this session."""
    signable = NS_SIGNATURE + authentication(session, user_data)
    return verify(signable, signature, public_key)


def seal_request(plaintext: bytes, *, public_key: bytes, session: bytes) -> bytes:
    """Encrypt what a candidate says; 16 bytes longer than the plaintext."""
    return _seal(plaintext, secret=public_key, session=session)


def open_request(sealed: bytes, *, public_key: bytes, session: bytes) -> bytes:
    """The inverse of ``seal_request``.

    Raises:
        RemoteProtocolError: It was not sealed for this invite and session.
    """
    return _open(sealed, secret=public_key, session=session)


def seal_response(plaintext: bytes, *, public_key: bytes, session: bytes) -> bytes:
    """Encrypt what a member answers.

    Two different plaintexts for one session would share a key stream: a member answers
    a session once and repeats the same bytes ever after.
    """
    secret = blake2b_256(NS_SESSION_KEY, public_key, session)
    return _seal(plaintext, secret=secret, session=session)


def open_response(sealed: bytes, *, public_key: bytes, session: bytes) -> bytes:
    """The inverse of ``seal_response``.

    Raises:
        RemoteProtocolError: It was not sealed for this invite and session.
    """
    secret = blake2b_256(NS_SESSION_KEY, public_key, session)
    return _open(sealed, secret=secret, session=session)


def _seal(plaintext: bytes, *, secret: bytes, session: bytes) -> bytes:
    nonce = _nonce(secret, session)
    return xchacha20poly1305_seal(plaintext, nonce, nonce, _key(secret))


def _open(sealed: bytes, *, secret: bytes, session: bytes) -> bytes:
    nonce = _nonce(secret, session)
    return xchacha20poly1305_open(sealed, nonce, nonce, _key(secret))


def _key(secret: bytes) -> bytes:
    return blake2b_256(NS_ENCRYPT, secret)


def _nonce(secret: bytes, session: bytes) -> bytes:
    # A digest of that size: BLAKE2b puts its length into the first block, so this is
    # no prefix of a longer one.
    state = hashlib.blake2b(NS_NONCE, digest_size=XCHACHA20_NONCE_BYTES)
    state.update(secret)
    state.update(session)
    return state.digest()
