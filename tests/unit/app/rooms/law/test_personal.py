"""The room of one person's devices: who comes in by itself, and who does not."""

from __future__ import annotations

import pytest

from app.identity import Proof, attest_device, bootstrap
from app.rooms.law import Law
from app.rooms.operations.acts import AddDevice, Invite
from app.rooms.roles import Kind, Role
from net.crypto import KeyPair
from tests.unit.app.rooms.law.scene import Scene, Seat

PERSON = KeyPair.from_seed(b"i" * 32)
OTHER = KeyPair.from_seed(b"o" * 32)


def device(letter: str, *, person: KeyPair = PERSON) -> Seat:
    """A device that the identity itself attested."""
    keys = KeyPair.from_seed(letter.encode() * 32)
    proof = bootstrap(person, keys.public_key, epoch_s=1)
    return Seat(letter, person.public_key, keys.public_key, proof)


def linked(letter: str, by: str) -> Seat:
    """A device that another one attested."""
    keys, parent = (KeyPair.from_seed(it.encode() * 32) for it in (letter, by))
    proof = attest_device(device(by).proof, parent, keys.public_key)
    return Seat(letter, PERSON.public_key, keys.public_key, proof)


FOUNDER, ONE, TWO = (device(letter) for letter in "f12")
STRANGER = device("s", person=OTHER)


def begun(kind: Kind = Kind.PERSONAL) -> Scene:
    scene = Scene(kind, founder=FOUNDER)
    for seat in (ONE, TWO, linked("3", "1"), linked("3", "2"), STRANGER):
        scene.show(seat, FOUNDER)
    return scene


def devices(law: Law) -> set[bytes]:
    return set(law.members[PERSON.public_key].devices)


def test_a_device_that_the_identity_attested_lets_itself_in() -> None:
    scene = begun()
    act = scene.write(ONE, AddDevice(ONE.proof))
    assert scene.took_effect(act)
    spoke = scene.entry(ONE)
    assert scene.law.may_post(ONE.device, spoke)
    assert scene.law.spans(ONE.device) == ((1, None),)
    # Two that have not heard of each other both count.
    scene.write(TWO, AddDevice(TWO.proof))
    assert devices(scene.law) == {FOUNDER.device, ONE.device, TWO.device}


def test_a_device_that_another_attested_has_to_be_let_in() -> None:
    scene = begun()
    scene.write(ONE, AddDevice(ONE.proof))
    three = linked("3", "1")
    assert not scene.took_effect(scene.write(three, AddDevice(three.proof)))
    assert not scene.law.is_inside(three.device)
    assert scene.took_effect(scene.write(ONE, AddDevice(three.proof)))
    assert scene.law.is_inside(three.device)


def test_a_revoked_device_neither_comes_back_nor_brings_others() -> None:
    scene = begun()
    scene.write(ONE, AddDevice(ONE.proof))
    scene.write(TWO, AddDevice(TWO.proof))
    scene.meet(ONE, TWO)
    scene.remove_device(ONE, TWO)
    scene.show(TWO, ONE)
    three = linked("3", "2")
    for who, body in (
        (TWO, AddDevice(TWO.proof)),
        (TWO, AddDevice(three.proof)),
        (three, AddDevice(three.proof)),
    ):
        assert not scene.took_effect(scene.write(who, body))
    assert devices(scene.law) == {FOUNDER.device, ONE.device}


def test_nobody_else_comes_in() -> None:
    scene = begun()
    stranger = STRANGER
    assert not scene.took_effect(scene.write(stranger, AddDevice(stranger.proof)))
    # With somebody else's proof neither.
    assert not scene.took_effect(scene.write(stranger, AddDevice(TWO.proof)))
    scene.write(ONE, AddDevice(ONE.proof))
    invite = Invite(b"k" * 32, Role.MEMBER, 0, 0)
    assert not scene.took_effect(scene.write(ONE, invite))


@pytest.mark.parametrize("kind", [Kind.GROUP, Kind.BROADCAST, Kind.DIRECT])
def test_in_other_rooms_nobody_lets_themselves_in(kind: Kind) -> None:
    scene = begun(kind)
    assert not scene.took_effect(scene.write(ONE, AddDevice(ONE.proof)))
    assert devices(scene.law) == {FOUNDER.device}


def test_a_bare_proof_is_none() -> None:
    scene = begun()
    bare = Proof(1, PERSON.public_key)
    person = Seat("p", PERSON.public_key, PERSON.public_key, bare)
    assert not scene.took_effect(scene.write(person, AddDevice(bare)))
