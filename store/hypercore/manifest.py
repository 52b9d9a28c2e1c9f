"""Manifests: who may sign a core, and what its key is the hash of.

A manifest never changes, because the core's key is the hash of its encoding; *compat*
cores are older than manifests, and their key is their only signer's public key. What a
signature must look like is decided in ``signatures``. Follows npm hypercore 11.37.1
(``lib/verifier.js``, ``lib/messages.js``).

Layout from version 1 on (integers as in ``wire``)::

    version, flags, hash (0), quorum, count and signers
    flags & 2: prologue hash (32), length
    flags & 4: count and linked keys (32 each)
    flags & 8: length and user data

A signer is ``0, namespace (32), public key (32)``. Version 0 starts ``0, hash (0),
type``; type 0 is a prologue's hash alone, type 1 one signer, type 2 ``flags, quorum,
signers``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from net.crypto import blake2b_256
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.capabilities import DEFAULT_NAMESPACE, MANIFEST
from store.hypercore.wire import (
    read_buffer,
    read_bytes,
    read_count,
    read_uint,
    write_uint,
)

MAX_VERSION: Final = 3
"""Newer manifests are refused, as upstream does."""

MAX_SIGNERS: Final = 256
MAX_LINKED: Final = 1024
MAX_USER_DATA_BYTES: Final = 64 * 1024

_KEY_BYTES: Final = 32
_ALLOW_PATCH: Final = 1
_PROLOGUE: Final = 2
_LINKED: Final = 4
_USER_DATA: Final = 8
_VERSION_WITH_DATA: Final = 2


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who may sign; signatures are Ed25519."""

    public_key: bytes
    """32 bytes."""

    namespace: bytes = DEFAULT_NAMESPACE
    """What version 0 signs in place of the core's key, 32 bytes."""


@dataclass(frozen=True, slots=True)
class Prologue:
    """The state that every history of a core has at one length."""

    hash: bytes
    """Tree hash, 32 bytes."""

    length: int
    """Blocks."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who may sign a core; make one with ``create_manifest`` or ``decode_manifest``."""

    version: int
    quorum: int
    """Signers that a signature needs; 0 for a core that nobody can sign."""

    signers: tuple[Signer, ...]
    allow_patch: bool = False
    """Whether who signed a longer tree vouches for a shorter one."""

    prologue: Prologue | None = None
    linked: tuple[bytes, ...] | None = None
    """Keys of cores that belong to it; nothing is verified by them."""

    user_data: bytes | None = None

    @property
    def is_static(self) -> bool:
        """True for a core that is its prologue and nothing else."""
        return self.prologue is not None and not self.signers

    def signer_for(self, public_key: bytes) -> int | None:
        """The place of a public key among the signers."""
        for place, signer in enumerate(self.signers):
            if signer.public_key == public_key:
                return place
        return None


def create_manifest(
    signers: Sequence[Signer],
    *,
    quorum: int | None = None,
    version: int | None = None,
    allow_patch: bool = False,
    prologue: Prologue | None = None,
    linked: Sequence[bytes] = (),
    user_data: bytes | None = None,
) -> Manifest:
    """A manifest with upstream's defaults.

    Args:
        signers: May be empty if there is a prologue.
        quorum: More than half of the signers unless given.
        version: 1, or 2 if there are linked keys or user data, unless given.
        allow_patch: Whether who signed a longer tree vouches for a shorter one.
        prologue: What every history starts with.
        linked: Keys of cores that belong to it.
        user_data: Anything.

    Raises:
        LocalProtocolError: These values make no manifest (code ``bad-argument``).
    """
    if quorum is None:
        quorum = len(signers) // 2 + 1 if signers else 0
    if version is None:
        version = _VERSION_WITH_DATA if linked or user_data is not None else 1
    manifest = Manifest(
        version=version,
        quorum=quorum,
        signers=tuple(signers),
        allow_patch=allow_patch,
        prologue=prologue,
        linked=tuple(linked) or None,
        user_data=user_data,
    )
    reason = _reason_against(manifest)
    if reason:
        raise LocalProtocolError(reason, code="bad-argument")
    return manifest


def default_manifest(public_key: bytes) -> Manifest:
    """What a core of one signer has unless told otherwise."""
    return create_manifest([Signer(public_key)])


def manifest_key(manifest: Manifest) -> bytes:
    """The key of the core, 32 bytes (of a core that is not compat)."""
    return blake2b_256(MANIFEST, encode_manifest(manifest))


def is_compat(key: bytes, manifest: Manifest) -> bool:
    """True when a core's key is its only signer's public key."""
    return len(manifest.signers) == 1 and manifest.signers[0].public_key == key


def belongs_to(key: bytes, manifest: Manifest) -> bool:
    """True when a manifest may be taken for the core with that key."""
    return is_compat(key, manifest) or manifest_key(manifest) == key


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of a manifest, without a length."""
    if manifest.version == 0:
        return _encode_version_0(manifest)
    flags = _ALLOW_PATCH if manifest.allow_patch else 0
    rest = []
    if manifest.prologue is not None:
        flags |= _PROLOGUE
        rest += [manifest.prologue.hash, write_uint(manifest.prologue.length)]
    if manifest.linked is not None:
        flags |= _LINKED
        rest += [write_uint(len(manifest.linked)), *manifest.linked]
    if manifest.user_data is not None:
        flags |= _USER_DATA
        rest += [write_uint(len(manifest.user_data)), manifest.user_data]
    head = bytes((manifest.version, flags, 0)) + write_uint(manifest.quorum)
    return b"".join((head, _signers(manifest), *rest))


def decode_manifest(data: bytes) -> Manifest:
    """The manifest that makes up the whole of ``data``.

    Raises:
        RemoteProtocolError: It is malformed, too large, of an unknown kind, or longer
            than a manifest.
    """
    manifest, end = read_manifest(data, 0)
    if end != len(data):
        raise RemoteProtocolError("bytes after the manifest")
    return manifest


def read_manifest(data: bytes, at: int) -> tuple[Manifest, int]:
    """A manifest, and the position behind it.

    Raises:
        RemoteProtocolError: It is malformed, too large or of an unknown kind.
    """
    version, at = read_uint(data, at)
    if version > MAX_VERSION:
        raise RemoteProtocolError(f"manifest version {version}", code="version")
    if version == 0:
        manifest, at = _read_version_0(data, at)
    else:
        manifest, at = _read_flagged(version, data, at)
    reason = _reason_against(manifest)
    if reason:
        raise RemoteProtocolError(reason)
    return manifest, at


def _encode_version_0(manifest: Manifest) -> bytes:
    if manifest.prologue is not None and not manifest.signers:
        return b"\0\0\0" + manifest.prologue.hash
    if manifest.quorum == 1 and len(manifest.signers) == 1 and not manifest.allow_patch:
        return b"\0\0\1" + _signer(manifest.signers[0])
    flags = _ALLOW_PATCH if manifest.allow_patch else 0
    return bytes((0, 0, 2, flags)) + write_uint(manifest.quorum) + _signers(manifest)


def _signers(manifest: Manifest) -> bytes:
    listed = b"".join(map(_signer, manifest.signers))
    return write_uint(len(manifest.signers)) + listed


def _signer(signer: Signer) -> bytes:
    return b"\0" + signer.namespace + signer.public_key


def _read_flagged(version: int, data: bytes, at: int) -> tuple[Manifest, int]:
    flags, at = read_uint(data, at)
    at = _skip_hash_kind(data, at)
    quorum, at = read_uint(data, at)
    signers, at = _read_signers(data, at)
    prologue = linked = user_data = None
    if flags & _PROLOGUE:
        digest, at = read_bytes(data, at, _KEY_BYTES)
        length, at = read_uint(data, at)
        prologue = Prologue(digest, length)
    if flags & _LINKED:
        count, at = read_count(data, at, max_count=MAX_LINKED)
        joined, at = read_bytes(data, at, count * _KEY_BYTES)
        linked = tuple(
            joined[start : start + _KEY_BYTES]
            for start in range(0, len(joined), _KEY_BYTES)
        )
    if flags & _USER_DATA:
        user_data, at = read_buffer(data, at, max_bytes=MAX_USER_DATA_BYTES)
    allow_patch = flags & _ALLOW_PATCH != 0
    return (
        Manifest(version, quorum, signers, allow_patch, prologue, linked, user_data),
        at,
    )


def _read_version_0(data: bytes, at: int) -> tuple[Manifest, int]:
    at = _skip_hash_kind(data, at)
    kind, at = read_uint(data, at)
    if kind == 0:
        digest, at = read_bytes(data, at, _KEY_BYTES)
        return Manifest(0, 0, (), prologue=Prologue(digest, 0)), at
    if kind == 1:
        signer, at = _read_signer(data, at)
        return Manifest(0, 1, (signer,)), at
    if kind != 2:
        raise RemoteProtocolError(f"manifest type {kind}")
    flags, at = read_uint(data, at)
    quorum, at = read_uint(data, at)
    signers, at = _read_signers(data, at)
    return Manifest(0, quorum, signers, flags & _ALLOW_PATCH != 0), at


def _skip_hash_kind(data: bytes, at: int) -> int:
    kind, at = read_uint(data, at)
    if kind != 0:
        raise RemoteProtocolError(f"hash {kind} is not known")
    return at


def _read_signers(data: bytes, at: int) -> tuple[tuple[Signer, ...], int]:
    count, at = read_count(data, at, max_count=MAX_SIGNERS)
    signers = []
    for _ in range(count):
        signer, at = _read_signer(data, at)
        signers.append(signer)
    return tuple(signers), at


def _read_signer(data: bytes, at: int) -> tuple[Signer, int]:
    kind, at = read_uint(data, at)
    if kind != 0:
        raise RemoteProtocolError(f"signatures of kind {kind} are not known")
    own, at = read_bytes(data, at, _KEY_BYTES)
    public_key, at = read_bytes(data, at, _KEY_BYTES)
    return Signer(public_key, own), at


def _reason_against(manifest: Manifest) -> str:
    """What makes a manifest impossible, or nothing."""
    linked = manifest.linked or ()
    prologue = manifest.prologue
    keys = [
        key for each in manifest.signers for key in (each.public_key, each.namespace)
    ]
    keys += linked
    keys += [prologue.hash] if prologue is not None else []
    checks = (
        (0 <= manifest.version <= MAX_VERSION, "this version is not known"),
        (0 <= manifest.quorum <= len(manifest.signers), "the quorum cannot be reached"),
        (len(manifest.signers) <= MAX_SIGNERS, "too many signers"),
        (len(linked) <= MAX_LINKED, "too many linked keys"),
        (all(len(key) == _KEY_BYTES for key in keys), "a key has 32 bytes"),
        (prologue is None or prologue.length >= 0, "a length is not negative"),
        (
            len(manifest.user_data or b"") <= MAX_USER_DATA_BYTES,
            "too much user data",
        ),
        (
            manifest.version >= _VERSION_WITH_DATA
            or (manifest.linked is None and manifest.user_data is None),
            "linked keys and user data need version 2",
        ),
    )
    return next((reason for holds, reason in checks if not holds), "")
