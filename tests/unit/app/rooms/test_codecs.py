"""What travels between members: round trips, limits, and mutated input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UserFacingError
from app.identity import attest_data, decode_proof
from app.profile import MAX_NAME_BYTES
from app.rooms import invitations, keys, messages
from app.rooms.invitations import Admitted, Link, Refusal, Request
from app.rooms.messages import Reason, RemoteHead, SignedHead
from app.rooms.operations import MAX_NAME_BYTES as MAX_ROOM_NAME_BYTES
from app.rooms.operations import (
    MAX_TEXT_BYTES,
    Message,
    Operation,
    Remove,
    SetRole,
    Unknown,
    decode_operation,
    encode_operation,
)
from app.rooms.roles import Kind, Role
from app.rooms.seals import EpochSeal
from net.encoding.z_base_32 import read_z_base_32
from net.errors import RemoteProtocolError
from net.pairing import Admission, CandidateRequest, Decision, Status
from net.pairing.constants import MAX_RECORD_VALUE_BYTES
from net.pairing.request import OpenedRequest
from tests.unit.app.rooms.people import (
    ADA,
    BO,
    CY,
    ROOM,
    ROOM_KEY,
    admit,
    found,
    invite,
    invite_pair,
)

OPERATIONS = [
    Operation(6, body)
    for body in (
        found(Kind.BROADCAST),
        Message("hello ü"),
        Message("x", reply_to=b"e" * 32),
        invite(1, role=Role.ADMIN, expires_at=2**40, uses=3),
        admit(1, BO),
        SetRole(BO.identity.public_key, Role.READER, ((BO.device.public_key, 2),)),
        Remove(BO.identity.public_key, ((BO.device.public_key, 7),)),
        Unknown(99, b"later"),
    )
]
HASH = b"h" * 64
INVITE_KEY = invite_pair(1).public_key
ANSWER = invitations.answer_key_pair(BO.device, INVITE_KEY)
ADMITTED = Admitted(ROOM_KEY, b"f" * 32, Kind.GROUP, "Birds")
SEALED = invitations.seal_admitted(
    ADMITTED,
    answer_key=ANSWER.public_key,
    invite_key=INVITE_KEY,
    entropy=lambda size: b"e" * size,
)
SEAL, WRITER = EpochSeal(ROOM_KEY, ROOM), b"w" * 32
VALID: list[tuple[bytes, Callable[[bytes], Any]]] = [
    *((encode_operation(operation), decode_operation) for operation in OPERATIONS),
    (messages.encode_handshake(b"p" * 32), messages.decode_handshake),
    (messages.encode_device(ADA.proof), messages.decode_device),
    (
        messages.encode_have([RemoteHead(b"w" * 32, 2, 5, b"h" * 32)]),
        messages.decode_have,
    ),
    (
        messages.encode_signed(SignedHead(b"w" * 32, 1, 300, b"h" * 32, b"sig")),
        messages.decode_signed,
    ),
    (messages.encode_bye(Reason.LEFT), messages.decode_bye),
    (
        Request("Bo", BO.proof.encode(), b"s" * 64, b"a" * 32).encode(),
        invitations.decode_request,
    ),
    (
        Admitted(
            ROOM_KEY, b"f" * 32, Kind.GROUP, "Birds", (b"k" * 32, b"l" * 32)
        ).encode(),
        invitations.decode_admitted,
    ),
    (SEALED, partial(invitations.open_admitted, answer=ANSWER, invite_key=INVITE_KEY)),
    (ADA.proof.encode(), decode_proof),
    (
        SEAL.seal(b"text", writer=WRITER, sequence=3, entropy=lambda n: b"n" * n),
        lambda data: SEAL.open(data, writer=WRITER, sequence=3),
    ),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: type(o.body).__name__)
def test_operations_round_trip(operation: Operation) -> None:
    assert decode_operation(encode_operation(operation)) == operation


def test_messages_round_trip() -> None:
    decoded = [decode(data) for data, decode in VALID[len(OPERATIONS) :]]
    assert decoded == [
        b"p" * 32,
        ADA.proof,
        [RemoteHead(b"w" * 32, 2, 5, b"h" * 32)],
        SignedHead(b"w" * 32, 1, 300, b"h" * 32, b"sig"),
        Reason.LEFT,
        Request("Bo", BO.proof.encode(), b"s" * 64, b"a" * 32),
        Admitted(ROOM_KEY, b"f" * 32, Kind.GROUP, "Birds", (b"k" * 32, b"l" * 32)),
        ADMITTED,
        ADA.proof,
        b"text",
    ]


@given(st.sampled_from(VALID), st.data())
def test_mutated_input_is_refused_or_read_and_never_crashes(
    valid: tuple[bytes, Callable[[bytes], Any]], data: st.DataObject
) -> None:
    """Flip, insert or cut: RemoteProtocolError is the only way out."""
    raw, decode = valid
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(changed)))
        junk = data.draw(st.binary(max_size=9))
        length = data.draw(st.integers(0, 9))
        changed[position : position + length] = junk
    with contextlib.suppress(RemoteProtocolError):
        decode(bytes(changed))


@pytest.mark.parametrize(("raw", "decode"), VALID)
def test_every_beginning_is_refused_or_shorter(
    raw: bytes, decode: Callable[[bytes], Any]
) -> None:
    whole = decode(raw)
    for end in range(len(raw)):
        try:
            assert decode(raw[:end]) != whole
        except RemoteProtocolError:
            continue


def test_limits_come_before_allocation() -> None:
    too_long = encode_operation(Operation(1, Message("x" * (MAX_TEXT_BYTES + 1))))
    with pytest.raises(RemoteProtocolError):
        decode_operation(too_long)
    for data, decode in (
        (b"\xfe\xff\xff\xff\x00", messages.decode_have),
        (b"\xfd\x01\x01" + bytes(257 * 66), messages.decode_have),
        (
            b"\x01" + bytes(33) + b"\xff" + b"\xff" * 7 + bytes(33),
            messages.decode_have,
        ),
        (bytes(66) + b"\xfd\x01\x02" + bytes(513), messages.decode_signed),
        (b"\x02" + bytes(32), messages.decode_handshake),
    ):
        with pytest.raises(RemoteProtocolError):
            decode(data)


def test_proofs_of_the_key_hold_for_one_direction_and_one_connection() -> None:
    proofs = {
        keys.key_proof(key, hash, from_initiator=side)
        for key in (ROOM_KEY, b"?" * 32)
        for hash in (HASH, b"?" * 64)
        for side in (True, False)
    }
    assert len(proofs) == 8


def test_an_admission_opens_for_who_asked_only() -> None:
    assert ROOM_KEY not in SEALED
    others = (
        invitations.answer_key_pair(CY.device, INVITE_KEY),
        invitations.answer_key_pair(BO.device, INVITE_KEY, b"salt"),
        invitations.answer_key_pair(BO.device, invite_pair(2).public_key),
    )
    for other in others:
        with pytest.raises(RemoteProtocolError):
            invitations.open_admitted(SEALED, answer=other, invite_key=INVITE_KEY)
    with pytest.raises(RemoteProtocolError):
        invitations.open_admitted(SEALED, answer=ANSWER, invite_key=b"i" * 32)
    for nonsense in (bytes(32), b"\xff" * 32):
        with pytest.raises(RemoteProtocolError):
            invitations.seal_admitted(
                ADMITTED,
                answer_key=nonsense,
                invite_key=INVITE_KEY,
                entropy=lambda size: b"e" * size,
            )


def test_what_an_older_covey_passes_over() -> None:
    """Bytes added later disturb nobody; another version is told apart."""
    said = Request("Bo", BO.proof.encode(), b"s" * 64, b"a" * 32)
    assert invitations.decode_request(said.encode() + b"more") == said
    assert invitations.decode_admitted(ADMITTED.encode() + b"more") == ADMITTED
    for decode, data in (
        (invitations.decode_request, said.encode()),
        (invitations.decode_admitted, ADMITTED.encode()),
    ):
        with pytest.raises(RemoteProtocolError) as told:
            decode(b"\x02" + data[1:])
        assert told.value.code == "version"


@pytest.mark.parametrize("reason", list(Refusal))
def test_refusals_round_trip(reason: Refusal) -> None:
    status = invitations.STATUS_OF.get(reason, Status.REJECTED)
    data = invitations.encode_refused(reason)
    assert invitations.read_refused(status, data) is reason


def test_refusals_of_others_are_understood() -> None:
    assert invitations.read_refused(Status.USED, b"") is Refusal.USED
    assert invitations.read_refused(Status.EXPIRED, b"\x02") is Refusal.EXPIRED
    for data in (b"", b"\x63", b"\xfd"):
        assert invitations.read_refused(Status.REJECTED, data) is Refusal.CLOSED


def test_what_travels_fits_a_record_of_the_dht() -> None:
    """With the longest name, and as many keys as may be told."""
    link = Link(b"s" * 16, ROOM, 1_800_000_000)
    proof = attest_data(BO.proof, BO.device, b"challenge").encode()
    said = Request("n" * MAX_NAME_BYTES, proof, b"s" * 64, b"a" * 32).encode()
    request = CandidateRequest(link.pairing_invite, said)
    assert len(request.encoded) <= MAX_RECORD_VALUE_BYTES
    keys_told = (b"k" * 32,) * invitations.MAX_LATER_KEYS
    name = "n" * MAX_ROOM_NAME_BYTES
    admitted = Admitted(ROOM_KEY, b"f" * 32, Kind.GROUP, name, keys_told)
    sealed = invitations.seal_admitted(
        admitted,
        answer_key=ANSWER.public_key,
        invite_key=INVITE_KEY,
        entropy=lambda size: b"e" * size,
    )
    decision = Decision(Status.OK, Admission(b"k" * 32), sealed)
    answer = OpenedRequest(link.key_pair.public_key, request.receipt)
    assert len(answer.respond(decision)) <= MAX_RECORD_VALUE_BYTES


def test_every_invite_is_a_group_of_its_own() -> None:
    link, other = (Link(seed * 16, ROOM, 7) for seed in (b"s", b"o"))
    record = invitations.pairing_record(ROOM, link.key_pair.public_key)
    invite_of = link.pairing_invite
    assert invite_of.discovery_key == record.discovery_key
    assert invite_of.key_pair.public_key == record.public_key
    assert invite_of.expires_at == 7
    assert other.pairing_invite.discovery_key != record.discovery_key
    elsewhere = Link(b"s" * 16, b"another room".ljust(32), 7)
    assert elsewhere.pairing_invite.discovery_key != record.discovery_key


@pytest.mark.parametrize("approval", [True, False])
def test_links_round_trip_and_forgive_spaces_and_case(approval: bool) -> None:
    link = Link(b"s" * 16, ROOM, 1_800_000_000, approval=approval)
    text = link.encode()
    assert text.startswith("covey://")
    assert invitations.decode_link(text) == link
    assert invitations.decode_link(f" {text[:40]}\n{text[40:]} ") == link
    assert invitations.decode_link(text.upper()) == link
    assert ROOM_KEY.hex() not in read_z_base_32(text[8:], max_bytes=200).hex()


@given(st.data())
def test_damaged_links_are_told(data: st.DataObject) -> None:
    text = Link(b"s" * 16, ROOM, 0).encode()
    position = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    changed = text[:position] + letter + text[position + 1 :]
    cut = changed[: data.draw(st.integers(0, len(changed)))]
    code = ""
    try:
        assert invitations.decode_link(cut) == invitations.decode_link(text)
    except UserFacingError as error:
        code = error.code
    assert code in ("", "bad-invite", "version")


@pytest.mark.parametrize(
    "text", ["", "covey://", "http://x", "covey://yyyy", "covey://l", "x" * 1000]
)
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(UserFacingError) as caught:
        invitations.decode_link(text)
    assert caught.value.code == "bad-invite"


def test_a_room_is_believed_only_with_its_key_and_founder() -> None:
    right = Admitted(ROOM_KEY, ADA.device.public_key, Kind.GROUP, "Birds")
    assert right.belongs_to(ROOM)
    assert not Admitted(
        b"?" * 32, ADA.device.public_key, Kind.GROUP, "Birds"
    ).belongs_to(ROOM)
    assert not Admitted(ROOM_KEY, BO.device.public_key, Kind.GROUP, "Birds").belongs_to(
        ROOM
    )
