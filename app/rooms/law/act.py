"""One act, where it stands and what its author had seen; what is forged is told here.

Signatures are verified once, by ``authentic``, before an act reaches the law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.identity import verify_proof
from app.rooms.operations import Body
from app.rooms.operations import acts as bodies
from app.rooms.operations.acts import AddDevice, Admit, Found, Profile, Rotate
from net.crypto import blake2b_256, namespace, verify
from store.autobase import Place

_ADMIT = namespace("covey/room", 6)


@dataclass(frozen=True, slots=True)
class Act:
    """An act that an entry carries."""

    place: Place
    sent_at: int
    """Milliseconds since 1970 by the author's clock."""
    body: bodies.Act
    seen: Mapping[bytes, int] = field(default_factory=dict, compare=False)
    """How much of each log the entry had seen; the own log needs not be in it."""
    clocks: Mapping[bytes, int] = field(default_factory=dict, compare=False)
    """Of the last entry the author had seen of each device that the body names."""

    @property
    def writer(self) -> bytes:
        """The device that wrote it."""
        return self.place.writer

    def length_of(self, device: bytes) -> int:
        """How much of a log it had seen; of its own log, itself as well."""
        if device == self.place.writer:
            return self.place.sequence + 1
        return self.seen.get(device, 0)

    def had_seen(self, writer: bytes, sequence: int) -> bool:
        """Tells whether it had seen another entry."""
        if writer == self.place.writer:
            return sequence < self.place.sequence
        return self.seen.get(writer, 0) > sequence

    def knows(self, cuts: tuple[tuple[bytes, int], ...]) -> bool:
        """True when the lengths it names are those it had seen."""
        return all(self.length_of(device) == length for device, length in cuts)


def admission_signable(
    room: bytes, invite_key: bytes, identity: bytes, device: bytes
) -> bytes:
    """What the invite's key signs to let one device in."""
    return _ADMIT + room + invite_key + identity + device


def authentic(room: bytes, writer: bytes, body: Body) -> bool:
    """True when every signature and hash inside an operation holds.

    Args:
        room: The room's id.
        writer: The device that wrote it.
        body: Of any operation.
    """
    if isinstance(body, Found):
        return verify_proof(body.proof, expected_device=writer)
    if isinstance(body, Admit):
        proof = body.proof
        signable = admission_signable(
            room, body.invite_key, proof.identity, proof.device
        )
        return verify(signable, body.signature, body.invite_key) and verify_proof(proof)
    if isinstance(body, AddDevice):
        return verify_proof(body.proof)
    if isinstance(body, Profile) and body.picture:
        return blake2b_256(body.picture) == body.picture_hash
    return True


def without_load(act: Act) -> Act:
    """The same act without what the rules need not keep: sealed keys and pictures."""
    body = act.body
    if isinstance(body, Rotate) and body.body:
        return replace(act, body=replace(body, body=b""))
    if isinstance(body, Profile) and body.picture:
        return replace(act, body=replace(body, picture=b""))
    return act
