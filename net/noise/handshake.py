"""Noise handshakes over Ed25519 keys: two sides prove their keys and agree on secrets.

Carries payloads with the messages; the carrier keeps message boundaries. What follows
a complete handshake is ``net.noise.secret_stream``. Follows npm noise-handshake 4.2.0
with npm noise-curve-ed 2.1.0; the protocol's name is
``Noise_<pattern>_Ed25519_ChaChaPoly_BLAKE2b``.

Message layout: the pattern's tokens in order (``e`` is 32 clear bytes, ``s`` is 32
bytes, and 16 more once there is a key), then the payload (likewise).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from net.constants import PUBLIC_KEY_BYTES
from net.crypto import AEAD_TAG_BYTES, KeyPair, dh
from net.errors import LocalProtocolError, RemoteProtocolError
from net.noise.cipher import SymmetricState

PSK_BYTES: Final = 32
"""A secret that both sides hold before the handshake."""


class Token(Enum):
    """One step of a handshake message."""

    E = "e"
    S = "s"
    EE = "ee"
    ES = "es"
    SE = "se"
    SS = "ss"
    PSK = "psk"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a handshake sends, and what must be known before it."""

    messages: tuple[tuple[Token, ...], ...]
    """Tokens of each message, the initiator's first."""

    needs_remote_key: bool = False
    """The initiator must know the responder's key."""

    has_static_keys: bool = True
    """Both sides prove a key of their own."""

    needs_psk: bool = False
    """Both sides hold a secret."""


_E, _S, _PSK = Token.E, Token.S, Token.PSK
_EE, _ES, _SE, _SS = Token.EE, Token.ES, Token.SE, Token.SS

PATTERNS: Final[dict[str, Pattern]] = {
    "NN": Pattern(((_E,), (_E, _EE)), has_static_keys=False),
    "NNpsk0": Pattern(((_PSK, _E), (_E, _EE)), has_static_keys=False, needs_psk=True),
    "XX": Pattern(((_E,), (_E, _EE, _S, _ES), (_S, _SE))),
    "XXpsk0": Pattern(((_PSK, _E), (_E, _EE, _S, _ES), (_S, _SE)), needs_psk=True),
    "IK": Pattern(((_E, _ES, _S, _SS), (_E, _EE, _SE)), needs_remote_key=True),
    "XK": Pattern(((_E, _ES), (_E, _EE), (_S, _SE)), needs_remote_key=True),
}


@dataclass(frozen=True, slots=True)
class HandshakeResult:
    """What a complete handshake leaves to both sides."""

    tx: bytes = field(repr=False)
    """32 bytes, the key for what this side sends."""

    rx: bytes = field(repr=False)
    """32 bytes, the key for what this side receives."""

    handshake_hash: bytes = field(repr=False)
    """64 bytes, equal on both sides and nowhere else."""

    local_public_key: bytes
    """Own key, empty in patterns without keys."""

    remote_public_key: bytes
    """The other side's proven key, empty in patterns without keys."""

    is_initiator: bool
    """True on the side that sent the first message."""


class Handshake:
    """One side of one handshake.

    Moved by ``send`` and ``receive`` in turn, the initiator's ``send`` first. After an
    error the handshake is over.

    Attributes:
        result: What was agreed, once complete.
        remote_public_key: The other side's key as soon as it is known. For a responder
            of IK it is proven only by the messages that follow.
    """

    def __init__(
        self,
        pattern: str,
        *,
        initiator: bool,
        ephemeral: KeyPair,
        static: KeyPair | None = None,
        remote_public_key: bytes | None = None,
        prologue: bytes = b"",
        psk: bytes | None = None,
    ) -> None:
        """Prepare a side.

        Args:
            pattern: A name out of ``PATTERNS``.
            initiator: True for the side that sends first.
            ephemeral: A fresh key pair, never used before or again.
            static: This side's own key pair; not for NN.
            remote_public_key: Needed by the initiator of IK and XK.
            prologue: Bytes that both sides must agree on.
            psk: 32 secret bytes, for the patterns that end in psk0.

        Raises:
            LocalProtocolError: Something is missing.
        """
        if pattern not in PATTERNS:
            raise LocalProtocolError(f"unknown handshake pattern {pattern!r}")
        rules = PATTERNS[pattern]
        if rules.has_static_keys and static is None:
            raise LocalProtocolError(f"{pattern} needs an own key pair")
        if rules.needs_psk and (psk is None or len(psk) != PSK_BYTES):
            raise LocalProtocolError(f"{pattern} needs a secret of 32 bytes")
        self._rules = rules
        self._initiator = initiator
        self._static = static
        self._ephemeral = ephemeral
        self._psk = psk
        self._remote_ephemeral = b""
        self._messages = deque(rules.messages)
        self._my_turn = initiator
        self._failed = False
        self.remote_public_key: bytes | None = None
        self.result: HandshakeResult | None = None
        self._state = SymmetricState(
            f"Noise_{pattern}_Ed25519_ChaChaPoly_BLAKE2b".encode()
        )
        self._state.mix_hash(prologue)
        if rules.needs_remote_key:
            self._mix_known_key(remote_public_key)

    @property
    def complete(self) -> bool:
        """True once the last message was sent or received."""
        return self.result is not None

    @property
    def is_initiator(self) -> bool:
        """True on the side that sends first."""
        return self._initiator

    @property
    def my_turn(self) -> bool:
        """True when ``send`` is next, False when ``receive`` is or nothing is."""
        return self._my_turn and bool(self._messages) and not self._failed

    def send(self, payload: bytes = b"") -> bytes:
        """Make the next message of this side.

        Raises:
            LocalProtocolError: It is not this side's turn, or the payload is too large.
            RemoteProtocolError: The remote key that is used here is no valid point.
        """
        if not self.my_turn:
            raise LocalProtocolError("it is not this side's turn in the handshake")
        message = bytearray()
        self._failed = True
        for token in self._messages.popleft():
            if token is Token.E:
                message += self._ephemeral.public_key
                self._absorb_ephemeral(self._ephemeral.public_key)
            elif token is Token.S:
                assert self._static is not None
                message += self._state.encrypt(self._static.public_key)
            else:
                self._mix_secret(token)
        message += self._state.encrypt(payload)
        self._end_turn()
        return bytes(message)

    def receive(self, message: bytes) -> bytes:
        """Take the next message of the other side and return its payload.

        Raises:
            LocalProtocolError: It is this side's turn, or the handshake is over.
            RemoteProtocolError: The message is not what this handshake expects.
        """
        if self._my_turn or not self._messages or self._failed:
            raise LocalProtocolError("no handshake message is expected")
        self._failed = True
        rest = memoryview(message)
        for token in self._messages.popleft():
            if token is Token.E:
                key, rest = _take(rest, PUBLIC_KEY_BYTES)
                self._remote_ephemeral = key
                self._absorb_ephemeral(key)
            elif token is Token.S:
                tag_bytes = AEAD_TAG_BYTES if self._state.has_key else 0
                sealed, rest = _take(rest, PUBLIC_KEY_BYTES + tag_bytes)
                self.remote_public_key = self._state.decrypt(sealed)
            else:
                self._mix_secret(token)
        payload = self._state.decrypt(bytes(rest))
        self._end_turn()
        return payload

    def _mix_known_key(self, remote_public_key: bytes | None) -> None:
        if not self._initiator:
            assert self._static is not None
            self._state.mix_hash(self._static.public_key)
            return
        if remote_public_key is None or len(remote_public_key) != PUBLIC_KEY_BYTES:
            raise LocalProtocolError("this pattern needs the remote public key")
        self.remote_public_key = remote_public_key
        self._state.mix_hash(remote_public_key)

    def _absorb_ephemeral(self, public_key: bytes) -> None:
        self._state.mix_hash(public_key)
        if self._rules.needs_psk:
            self._state.mix_key(public_key)

    def _mix_secret(self, token: Token) -> None:
        if token is Token.PSK:
            assert self._psk is not None
            self._state.mix_key_and_hash(self._psk)
            return
        # The first letter names the initiator's key, the second the responder's.
        mine, theirs = token.value if self._initiator else reversed(token.value)
        key_pair = self._static if mine == "s" else self._ephemeral
        remote = self.remote_public_key if theirs == "s" else self._remote_ephemeral
        assert key_pair is not None
        assert remote is not None
        self._state.mix_key(dh(key_pair, remote))

    def _end_turn(self) -> None:
        self._failed = False
        self._my_turn = not self._my_turn
        if self._messages:
            return
        first, second = self._state.split()
        self.result = HandshakeResult(
            tx=first if self._initiator else second,
            rx=second if self._initiator else first,
            handshake_hash=self._state.hash,
            local_public_key=b"" if self._static is None else self._static.public_key,
            remote_public_key=self.remote_public_key or b"",
            is_initiator=self._initiator,
        )


def _take(data: memoryview, size: int) -> tuple[bytes, memoryview]:
    if len(data) < size:
        raise RemoteProtocolError("a handshake message ends too early")
    return bytes(data[:size]), data[size:]
