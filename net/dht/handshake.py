"""The Noise handshake of a connection and the box for its hole punch messages.

The handshake is IK with its own prologue; both of its messages travel inside
PEER_HANDSHAKE requests (:mod:`net.dht.router`). From its hash follows the secret that
seals hole punch messages. Upstream: hyperdht 6.34.0 ``lib/noise-wrap.js`` and
``lib/secure-payload.js``.
"""

from __future__ import annotations

from collections.abc import Callable

from net.crypto import (
    SECRETBOX_NONCE_BYTES,
    KeyPair,
    blake2b_256,
    secretbox_open,
    secretbox_seal,
)
from net.dht.constants import NS_PEER_HANDSHAKE, NS_PEER_HOLEPUNCH, Address
from net.dht.messages import HolepunchPayload, NoisePayload
from net.errors import RemoteProtocolError
from net.noise.handshake import Handshake, HandshakeResult

_PATTERN = "IK"


class ClientHandshake:
    """The initiator's side; its one message goes through several relays.

    An answer that does not decipher leaves the handshake as it was, because any relay
    can make one up.

    Args:
        key_pair: Own identity.
        remote_public_key: The peer's.
        entropy: Source of random bytes.

    Attributes:
        message: The first message, once ``start`` was called; the same for all relays,
            since servers know repeats by their bytes.
        result: The keys, once an answer deciphered.
    """

    def __init__(
        self,
        key_pair: KeyPair,
        remote_public_key: bytes,
        *,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._key_pair = key_pair
        self._remote_public_key = remote_public_key
        self._ephemeral = KeyPair.from_seed(entropy(32))
        self._payload = b""
        self._noise: Handshake | None = None
        self.message: bytes | None = None
        self.result: HandshakeResult | None = None

    def start(self, payload: NoisePayload) -> bytes:
        """Make the first message; later calls give the same one.

        Raises:
            RemoteProtocolError: The peer's public key is no valid point.
        """
        if self.message is None:
            self._payload = payload.encode()
            self._noise, self.message = self._restart()
        return self.message

    def receive(self, noise: bytes) -> NoisePayload:
        """Decipher an answer.

        Raises:
            RemoteProtocolError: It is not the peer's answer to this handshake.
        """
        if self._noise is None:
            self._noise, _ = self._restart()
        try:
            plain = self._noise.receive(noise)
            payload = NoisePayload.decode(plain)
        except RemoteProtocolError:
            self._noise = None
            raise
        self.result = self._noise.result
        return payload

    def _restart(self) -> tuple[Handshake, bytes]:
        noise = Handshake(
            _PATTERN,
            initiator=True,
            static=self._key_pair,
            remote_public_key=self._remote_public_key,
            prologue=NS_PEER_HANDSHAKE,
            ephemeral=self._ephemeral,
        )
        return noise, noise.send(self._payload)


class ServerHandshake:
    """The responder's side of one handshake.

    Attributes:
        remote_public_key: The client, known once its message deciphered.
        result: The keys, once the answer was made.
    """

    def __init__(self, key_pair: KeyPair, *, entropy: Callable[[int], bytes]) -> None:
        self._noise = Handshake(
            _PATTERN,
            initiator=False,
            static=key_pair,
            prologue=NS_PEER_HANDSHAKE,
            ephemeral=KeyPair.from_seed(entropy(32)),
        )
        self.remote_public_key = b""
        self.result: HandshakeResult | None = None

    def receive(self, noise: bytes) -> NoisePayload:
        """Decipher the client's message.

        Raises:
            RemoteProtocolError: It is not meant for this key, or makes no sense.
        """
        plain = self._noise.receive(noise)
        self.remote_public_key = self._noise.remote_public_key or b""
        return NoisePayload.decode(plain)

    def reply(self, payload: NoisePayload) -> bytes:
        """Make the answer, after which ``result`` stands."""
        message = self._noise.send(payload.encode())
        self.result = self._noise.result
        return message


def holepunch_secret(handshake_hash: bytes) -> bytes:
    """The key of both sides' hole punch messages."""
    return blake2b_256(NS_PEER_HOLEPUNCH, key=handshake_hash)


class PayloadBox:
    """Seals and opens hole punch payloads, and proves hosts by tokens.

    ``nonce 24 | secretbox(payload)``, one key for both directions.

    Args:
        secret: What ``holepunch_secret`` gives.
        entropy: Source of random bytes.
    """

    def __init__(self, secret: bytes, *, entropy: Callable[[int], bytes]) -> None:
        self._key = secret
        self._entropy = entropy
        self._token_key = entropy(32)

    def seal(self, payload: HolepunchPayload) -> bytes:
        """Encrypt a payload."""
        nonce = self._entropy(SECRETBOX_NONCE_BYTES)
        return nonce + secretbox_seal(payload.encode(), nonce, self._key)

    def open(self, box: bytes) -> HolepunchPayload:
        """Decrypt a payload.

        Raises:
            RemoteProtocolError: It was not sealed by the peer, or makes no sense.
        """
        nonce = box[:SECRETBOX_NONCE_BYTES]
        if len(nonce) < SECRETBOX_NONCE_BYTES:
            raise RemoteProtocolError("hole punch payload is too short")
        plain = secretbox_open(box[SECRETBOX_NONCE_BYTES:], nonce, self._key)
        if plain is None:
            raise RemoteProtocolError("undecipherable payload", code="undecipherable")
        return HolepunchPayload.decode(plain)

    def token(self, address: Address) -> bytes:
        """Proof for a host: who echoes it receives what is sent there."""
        return blake2b_256(address[0].encode("ascii"), key=self._token_key)
