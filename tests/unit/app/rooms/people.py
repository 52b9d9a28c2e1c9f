"""Invented people for the tests of rooms."""

from __future__ import annotations

from dataclasses import dataclass

from app.identity import Proof, bootstrap
from app.rooms.keys import room_id
from app.rooms.law import admission_signable
from app.rooms.operations import Admit, Found, Invite
from app.rooms.roles import Kind, Role
from net.crypto import KeyPair, sign

ROOM_KEY = b"k" * 32


@dataclass(frozen=True)
class Person:
    """Somebody with one device."""

    name: str
    identity: KeyPair
    device: KeyPair
    proof: Proof


def person(name: str) -> Person:
    """The same person for the same name."""
    identity = KeyPair.from_seed(name.encode().ljust(32, b"i"))
    device = KeyPair.from_seed(name.encode().ljust(32, b"d"))
    proof = bootstrap(identity, device.public_key, epoch_s=1)
    return Person(name, identity, device, proof)


ADA, BO, CY, DI = (person(name) for name in ("Ada", "Bo", "Cy", "Di"))
ROOM = room_id(ROOM_KEY, ADA.device.public_key)


def invite_pair(number: int) -> KeyPair:
    """The key pair of an invite."""
    return KeyPair.from_seed(bytes([number]) * 32)


def found(kind: Kind = Kind.GROUP) -> Found:
    """Ada begins the room."""
    return Found(kind, "Birds", ADA.name, ADA.proof)


def invite(
    number: int, *, role: Role = Role.MEMBER, expires_at: int = 0, uses: int = 1
) -> Invite:
    """An invite of that number."""
    return Invite(invite_pair(number).public_key, role, expires_at, uses)


def admit(number: int, who: Person, *, room: bytes = ROOM) -> Admit:
    """Somebody is let in by the invite of that number."""
    pair = invite_pair(number)
    signable = admission_signable(
        room, pair.public_key, who.identity.public_key, who.device.public_key
    )
    signature = sign(signable, pair.secret_key)
    return Admit(pair.public_key, who.name, who.proof, signature)
