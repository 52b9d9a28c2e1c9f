"""Invites: the secret a candidate is given, and what members keep of it.

    uint version (1) | uint flags | fixed32 seed | [1] fixed32 discovery key
    | [2] uint32 expiry (Unix seconds) | [16] array of (IPv4 address, uint16 port)

Flags 4 (sensitive) and 8 (test invitation) have no bytes of their own. As text an
invite is z-base-32. Expiry is information: whoever decides enforces it. Follows npm
blind-pairing-core 2.10.1 ``lib/messages.js``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from net.constants import HASH_BYTES, SEED_BYTES
from net.crypto import KeyPair, discovery_key, sign
from net.dht.addresses import is_bogon
from net.encoding import Address, Reader, Writer
from net.encoding.z_base_32 import read_z_base_32, write_z_base_32
from net.errors import LocalProtocolError, RemoteProtocolError
from net.pairing.constants import (
    INVITE_VERSION,
    MAX_ADDITIONAL_BYTES,
    MAX_ADDITIONAL_NODES,
    MAX_INVITE_BYTES,
)
from net.pairing.messages import Additional
from net.pairing.sealing import invite_id

_DISCOVERY_KEY: Final = 1
_EXPIRES: Final = 2
_SENSITIVE: Final = 4
_TEST: Final = 8
_NODES: Final = 16


@dataclass(frozen=True, slots=True)
class Invite:
    """What a candidate is given, by a link or by a picture."""

    seed: bytes = field(repr=False)
    """32 secret bytes, from which the invite's key pair comes."""

    discovery_key: bytes | None = None
    """32 bytes by which the group is found; None only if it is known otherwise."""

    expires_at: int | None = None
    """Unix seconds after which members will say no."""

    sensitive: bool = False
    """Not to be shown to others, as the inviter asks."""

    test_invitation: bool = False
    """Made by a test."""

    additional_nodes: tuple[Address, ...] | None = None
    """DHT nodes by which the group may be found as well; only public addresses."""

    @property
    def key_pair(self) -> KeyPair:
        """The pair whose public half members know."""
        return KeyPair.from_seed(self.seed)

    def encode(self) -> bytes:
        """The bytes of an invite.

        Raises:
            LocalProtocolError: A field does not fit.
        """
        flags = _DISCOVERY_KEY if self.discovery_key is not None else 0
        flags |= _EXPIRES if self.expires_at else 0
        flags |= _SENSITIVE if self.sensitive else 0
        flags |= _TEST if self.test_invitation else 0
        flags |= _NODES if self.additional_nodes is not None else 0
        writer = Writer().uint(INVITE_VERSION).uint(flags)
        writer.fixed(self.seed, SEED_BYTES)
        if self.discovery_key is not None:
            writer.fixed(self.discovery_key, HASH_BYTES)
        if self.expires_at:
            writer.uint32(self.expires_at)
        if self.additional_nodes is not None:
            nodes = _public(self.additional_nodes)
            if len(nodes) > MAX_ADDITIONAL_NODES:
                raise LocalProtocolError(f"{len(nodes)} nodes are too many")
            writer.array(nodes, Writer.ipv4_address)
        return writer.finish()

    def to_text(self) -> str:
        """The invite as z-base-32, for links and pictures."""
        return write_z_base_32(self.encode())


def decode_invite(data: bytes) -> Invite:
    """Read what a stranger calls an invite.

    Raises:
        RemoteProtocolError: It is none, or (code ``unknown-version``) a newer one.
    """
    if len(data) > MAX_INVITE_BYTES:
        raise RemoteProtocolError(f"an invite of {len(data)} bytes", code="too-large")
    reader = Reader(data)
    version = reader.uint()
    if version != INVITE_VERSION:
        raise RemoteProtocolError(
            f"an invite of version {version}", code="unknown-version"
        )
    flags = reader.uint()
    seed = reader.fixed(SEED_BYTES)
    found_by = reader.fixed(HASH_BYTES) if flags & _DISCOVERY_KEY else None
    expires_at = reader.uint32() or None if flags & _EXPIRES else None
    nodes = None
    if flags & _NODES:
        # An invite must not make its reader knock at doors of their own network.
        nodes = _public(
            reader.array(Reader.ipv4_address, max_count=MAX_ADDITIONAL_NODES)
        )
    return Invite(
        seed=seed,
        discovery_key=found_by,
        expires_at=expires_at,
        sensitive=bool(flags & _SENSITIVE),
        test_invitation=bool(flags & _TEST),
        additional_nodes=nodes,
    )


def read_invite(text: str) -> Invite:
    """The inverse of ``Invite.to_text``; spaces around it are ignored.

    Raises:
        RemoteProtocolError: It is no invite.
    """
    try:
        data = read_z_base_32(text.strip(), max_bytes=MAX_INVITE_BYTES)
    except ValueError as error:
        raise RemoteProtocolError(f"no invite: {error}") from error
    return decode_invite(data)


@dataclass(frozen=True, slots=True)
class InviteRecord:
    """What every member keeps of an invite, so that each of them can answer."""

    id: bytes
    """32 bytes by which requests name the invite."""

    public_key: bytes
    """32 bytes; opens requests and seals answers, but signs nothing."""

    discovery_key: bytes
    """32 bytes, of the group."""

    expires_at: int | None = None
    """Unix seconds."""

    additional: Additional | None = None
    """Handed to every admitted candidate."""


def create_invite(
    key: bytes,
    *,
    entropy: Callable[[int], bytes],
    expires_at: int | None = None,
    sensitive: bool = False,
    test_invitation: bool = False,
    additional_nodes: tuple[Address, ...] | None = None,
    data: bytes | None = None,
) -> tuple[Invite, InviteRecord]:
    """Make an invite to the group of a key.

    Args:
        key: 32 bytes that an admitted candidate will get; not in the invite.
        entropy: Where the seed comes from.
        expires_at: Unix seconds.
        sensitive: Ask readers not to show it around.
        test_invitation: Mark it as made by a test.
        additional_nodes: DHT nodes to look at; private addresses are left out.
        data: Signed now, and handed to every admitted candidate.

    Returns:
        What the candidate is given, and what members keep.

    Raises:
        LocalProtocolError: Too much data or too many nodes.
    """
    if data is not None and len(data) > MAX_ADDITIONAL_BYTES:
        raise LocalProtocolError(f"{len(data)} bytes of additional data")
    found_by = discovery_key(key)
    invite = Invite(
        seed=entropy(SEED_BYTES),
        discovery_key=found_by,
        expires_at=expires_at,
        sensitive=sensitive,
        test_invitation=test_invitation,
        additional_nodes=additional_nodes,
    )
    invite.encode()  # what does not fit is found now, not when the link is shown
    pair = invite.key_pair
    additional = Additional(data, sign(data, pair.secret_key)) if data else None
    record = InviteRecord(
        id=invite_id(pair.public_key),
        public_key=pair.public_key,
        discovery_key=found_by,
        expires_at=expires_at,
        additional=additional,
    )
    return invite, record


def _public(nodes: list[Address] | tuple[Address, ...]) -> tuple[Address, ...]:
    return tuple(node for node in nodes if not is_bogon(node[0]))
