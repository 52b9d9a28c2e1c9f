"""Signatures over announcements and mutable records.

All are Ed25519 over 64 bytes: a namespace, then the hash of what is signed. An
announcement names the node and the token it is meant for, so it cannot be replayed to
another node or later. Upstream: hyperdht 6.34.0 ``lib/persistent.js``.
"""

from __future__ import annotations

from net.crypto import KeyPair, blake2b_256, sign, verify
from net.dht.constants import NS_ANNOUNCE, NS_MUTABLE_PUT, NS_UNANNOUNCE
from net.dht.messages import Announcement, PeerRecord
from net.encoding import Writer


def announcement_signable(
    namespace: bytes,
    *,
    target: bytes,
    node_id: bytes,
    token: bytes,
    peer: PeerRecord,
    refresh: bytes | None = None,
) -> bytes:
    """The 64 bytes signed by an ANNOUNCE or UNANNOUNCE; the bump is not among them."""
    return namespace + blake2b_256(
        target, node_id, token, peer.encode(), refresh or b""
    )


def signed_announcement(
    key_pair: KeyPair,
    *,
    target: bytes,
    node_id: bytes,
    token: bytes,
    relay_addresses: tuple[tuple[str, int], ...] = (),
    bump: int = 0,
) -> bytes:
    """The value of an ANNOUNCE for one node and one token of it."""
    peer = PeerRecord(key_pair.public_key, relay_addresses)
    signable = announcement_signable(
        NS_ANNOUNCE, target=target, node_id=node_id, token=token, peer=peer
    )
    signature = sign(signable, key_pair.secret_key)
    return Announcement(peer=peer, signature=signature, bump=bump).encode()


def signed_unannouncement(
    key_pair: KeyPair, *, target: bytes, node_id: bytes, token: bytes
) -> bytes:
    """The value of an UNANNOUNCE for one node and one token of it."""
    peer = PeerRecord(key_pair.public_key)
    signable = announcement_signable(
        NS_UNANNOUNCE, target=target, node_id=node_id, token=token, peer=peer
    )
    signature = sign(signable, key_pair.secret_key)
    return Announcement(peer=peer, signature=signature).encode()


def verify_announcement(
    announcement: Announcement,
    namespace: bytes,
    *,
    target: bytes,
    node_id: bytes,
    token: bytes,
) -> bool:
    """True if the peer named signed this announcement for this node and token."""
    peer, signature = announcement.peer, announcement.signature
    if peer is None or signature is None:
        return False
    signable = announcement_signable(
        namespace,
        target=target,
        node_id=node_id,
        token=token,
        peer=peer,
        refresh=announcement.refresh,
    )
    return verify(signable, signature, peer.public_key)


def mutable_signable(seq: int, value: bytes) -> bytes:
    """The 64 bytes signed by the owner of a mutable record."""
    body = Writer().uint(seq).buffer(value).finish()
    return NS_MUTABLE_PUT + blake2b_256(body)


def sign_mutable(key_pair: KeyPair, seq: int, value: bytes) -> bytes:
    """Sign a mutable record."""
    return sign(mutable_signable(seq, value), key_pair.secret_key)


def verify_mutable(public_key: bytes, seq: int, value: bytes, signature: bytes) -> bool:
    """True if the owner of the key signed this record."""
    return verify(mutable_signable(seq, value), signature, public_key)
