"""What is derived from a core's key: namespaces, proofs of knowledge, names and ids.

Whoever knows a core's key may read the core. Here are the values that are told to
others in its place, the keys that a corestore derives from one secret, and the
printable form. Follows npm hypercore 11.37.1 (``lib/caps.js``), npm hypercore-crypto
3.7.0, npm corestore 7.12.5 and npm hypercore-id-encoding.
"""

from __future__ import annotations

from typing import Final

from net.crypto import KeyPair, blake2b_256, discovery_key, namespace
from net.encoding.z_base_32 import read_z_base_32, write_z_base_32
from store.errors import LocalProtocolError

__all__ = [
    "DEFAULT_ENCRYPTION",
    "DEFAULT_NAMESPACE",
    "MANIFEST",
    "REPLICATE_INITIATOR",
    "REPLICATE_RESPONDER",
    "ROOT_NAMESPACE",
    "TREE",
    "capability",
    "core_key_pair",
    "decode_id",
    "discovery_key",
    "encode_id",
    "sub_namespace",
]

TREE: Final = namespace("hypercore", 0)
"""Starts everything that is signed."""

REPLICATE_INITIATOR: Final = namespace("hypercore", 1)
REPLICATE_RESPONDER: Final = namespace("hypercore", 2)

MANIFEST: Final = namespace("hypercore", 3)
"""Starts what a core's key is the hash of."""

DEFAULT_NAMESPACE: Final = namespace("hypercore", 4)
"""A signer's namespace unless it has its own."""

DEFAULT_ENCRYPTION: Final = namespace("hypercore", 5)
"""Starts what a block key is the hash of."""

ROOT_NAMESPACE: Final = bytes(32)
"""The namespace of a corestore that nobody divided."""

_CORESTORE: Final = namespace("corestore", 0)
_KEY_BYTES: Final = 32
_ID_CHARS: Final = 52
_LINK_START: Final = "pear://"


def capability(key: bytes, handshake_hash: bytes, *, is_initiator: bool) -> bytes:
    """Proves on one connection that its sender knows a core's key.

    Args:
        key: The core's.
        handshake_hash: The connection's, equal on both of its ends.
        is_initiator: Whether the sender of the proof opened the connection.

    Returns:
        32 bytes; the two sides' proofs differ.
    """
    role = REPLICATE_INITIATOR if is_initiator else REPLICATE_RESPONDER
    return blake2b_256(role, key, key=handshake_hash)


def sub_namespace(parent: bytes, name: bytes | str) -> bytes:
    """The namespace of a name within another namespace, 32 bytes."""
    return blake2b_256(parent, name.encode() if isinstance(name, str) else name)


def core_key_pair(primary_key: bytes, parent: bytes, name: bytes | str) -> KeyPair:
    """The key pair of a core that a corestore knows by name.

    Args:
        primary_key: The corestore's secret, 32 bytes.
        parent: The namespace in which the name is.
        name: The core's.
    """
    if len(primary_key) != _KEY_BYTES:
        raise LocalProtocolError("a primary key has 32 bytes", code="bad-argument")
    told = name.encode() if isinstance(name, str) else name
    return KeyPair.from_seed(blake2b_256(_CORESTORE, parent, told, key=primary_key))


def encode_id(key: bytes) -> str:
    """A key of 32 bytes as 52 letters and digits, z-base-32."""
    if len(key) != _KEY_BYTES:
        raise LocalProtocolError("a key has 32 bytes", code="bad-argument")
    return write_z_base_32(key)


def decode_id(text: str) -> bytes:
    """The key that a person or a link gave: z-base-32, hex or ``pear://`` and one.

    Returns:
        32 bytes.

    Raises:
        LocalProtocolError: It is none of these (code ``bad-argument``).
    """
    text = text.strip()
    if text.startswith(_LINK_START):
        text = text.removeprefix(_LINK_START).split("/")[0]
    if len(text) == _ID_CHARS:
        try:
            return read_z_base_32(text, max_bytes=_KEY_BYTES)
        except ValueError as error:
            raise _no_key() from error
    if len(text) == 2 * _KEY_BYTES and text.isascii() and text.isalnum():
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise _no_key() from error
    raise _no_key()


def _no_key() -> LocalProtocolError:
    return LocalProtocolError("this is not the key of a log", code="bad-argument")
