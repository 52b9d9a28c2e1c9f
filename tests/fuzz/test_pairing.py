"""Blind pairing's decoders and machines, fed what was valid a moment ago."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from net.encoding.z_base_32 import read_z_base_32, write_z_base_32
from net.errors import RemoteProtocolError
from net.pairing import (
    Additional,
    Admission,
    CandidateState,
    Held,
    Invite,
    Paired,
    RequestReceived,
    Status,
    decode_invite,
    read_invite,
    verify_receipt,
)
from net.pairing import candidate as candidate_module
from net.pairing import member as member_module
from net.pairing.constants import MAX_REFUSALS_TOLD
from net.pairing.messages import (
    Decision,
    Identification,
    Receipt,
    decode_decision,
    decode_frame,
    decode_identification,
    decode_receipt,
    decode_request,
    decode_response,
    encode_frame,
)
from net.pairing.request import open_sealed
from net.pairing.sealing import open_request, open_response, seal_response
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors
from tests.unit.net.pairing.people import (
    KEY,
    SESSION,
    asking,
    candidate_of,
    forged,
    invited,
    member_of,
)

VECTORS = load_vectors("blind-pairing")
INVITES = [bytes.fromhex(case["invite"]) for case in VECTORS["invites"]]
TEXTS = [case["inviteZ32"].encode() for case in VECTORS["invites"]]
REQUESTS = [bytes.fromhex(case["request"]) for case in VECTORS["requests"]]
RESPONSES = [
    bytes.fromhex(reply["response"])
    for case in VECTORS["requests"]
    for reply in case["replies"]
]
RECEIPT = bytes.fromhex(VECTORS["receipt"]["receipt"])
INVITE, RECORD = invited()
PUBLIC_KEY = RECORD.public_key
REQUEST = asking(INVITE)
ADMISSION = Admission(KEY, SESSION, Additional(b"extra", bytes(64)))
PLAINTEXTS = [
    Decision(Status.OK, Admission(KEY)).encode(),
    Decision(Status.OK, ADMISSION).encode(),
    Decision(Status.EXPIRED).encode(),
    Decision(Status.OK, ADMISSION, b"besides").encode(),
    Decision(Status.REJECTED, extension=b"why").encode(),
    # Flags of others, and an extension that is too long.
    b"\1\2",
    b"\1\x80\xfd\x01\x08" + bytes(2049),
    b"\xfd\0\1",
    open_request(
        decode_request(REQUEST.encoded).sealed,
        public_key=PUBLIC_KEY,
        session=REQUEST.session,
    ),
]


def agrees(decode: Callable[[bytes], Any], data: bytes) -> None:
    """What is read is written and read again as the same, or refused as it should."""
    with suppress(RemoteProtocolError):
        value = decode(data)
        assert decode(value.encode()) == value


@given(mutated(INVITES))
@settings(max_examples=400)
@example(bytes(513))
@example(b"\2")
def test_invites_are_read_or_refused(data: bytes) -> None:
    agrees(decode_invite, data)


@given(mutated(TEXTS))
@settings(max_examples=400)
@example(b"y" * 2000)
@example(b"y")
@example(TEXTS[0])
def test_text_is_read_or_refused(data: bytes) -> None:
    text = data.decode("latin-1")
    with suppress(ValueError):
        raw = read_z_base_32(text, max_bytes=400)
        assert write_z_base_32(raw) == text.lower()
    with suppress(RemoteProtocolError):
        invite: Invite = read_invite(text)
        assert read_invite(invite.to_text()) == invite


@given(mutated([*REQUESTS, *RESPONSES, RECEIPT, *PLAINTEXTS]))
@settings(max_examples=1500)
@example(bytes(8193))
@example(RECEIPT[:96] + b"\0")
@example(REQUESTS[0][:32] + b"\1\1")
@example(REQUESTS[0][:65] + b"\x20" + bytes(32))
@example(RESPONSES[0][:32] + b"\x10" + bytes(16))
def test_messages_are_read_or_refused(data: bytes) -> None:
    for decode in (
        decode_request,
        decode_response,
        decode_receipt,
        decode_identification,
        decode_decision,
    ):
        agrees(decode, data)
    with suppress(RemoteProtocolError):
        assert decode_frame(encode_frame(decode_frame(data))) == decode_frame(data)
    with suppress(RemoteProtocolError):
        user_data = verify_receipt(data, PUBLIC_KEY)
        assert user_data in (None, REQUEST.user_data)


@given(mutated(REQUESTS), st.sampled_from([PUBLIC_KEY, KEY]))
@settings(max_examples=300)
@example(forged(INVITE, signature=bytes(64)), PUBLIC_KEY)
@example(forged(INVITE), PUBLIC_KEY)
def test_only_what_the_invite_signed_opens(data: bytes, public_key: bytes) -> None:
    with suppress(RemoteProtocolError):
        opened = open_sealed(decode_request(data), public_key)
        assert verify_receipt(opened.receipt.encode(), PUBLIC_KEY) is not None
        assert isinstance(opened.receipt, Receipt)


def sealed(plaintext: bytes) -> bytes:
    """A response of somebody who has the invite's public key."""
    box = seal_response(plaintext, public_key=PUBLIC_KEY, session=REQUEST.session)
    return REQUEST.id + encode_frame(box)


SEALED = [sealed(plaintext) for plaintext in PLAINTEXTS]


@given(st.lists(mutated([*SEALED, *RESPONSES, REQUEST.encoded]), max_size=12))
@settings(max_examples=300)
@example([sealed(Decision(Status.OK, Admission(SESSION)).encode())])
@example([SEALED[1], SEALED[2], SEALED[0], SEALED[0]])
@example([b""] * 6)
def test_a_candidate_believes_only_its_groups_key(answers: list[bytes]) -> None:
    with mock.patch.object(candidate_module, "MAX_MESSAGES_PER_MINUTE", 4):
        candidate = candidate_of(REQUEST, 1)
    for answer in answers:
        candidate.handle_timer(0.0)
        candidate.receive_response(1, answer, 0.0)
        candidate.receive_response(2, answer, 0.0)
        candidate.receive_record(answer)
        for peer in (1, 2):
            candidate.receive_notice(peer, answer[:32], 0.0)
    events = []
    while (event := candidate.next_event()) is not None:
        events.append(event)
    assert len(events) <= MAX_REFUSALS_TOLD + 2
    assert events.count(Held()) <= 1
    paired = [event for event in events if isinstance(event, Paired)]
    assert len(paired) == (candidate.state is CandidateState.PAIRED)
    for event in paired:
        assert event.admission.key == KEY


Input = tuple[str, int, bytes]
SAID = st.sampled_from([b"hello member", b"other", b"third"]).map(
    lambda said: asking(INVITE, said).encoded
)
ASKED = SAID | mutated(
    [*REQUESTS, forged(INVITE), forged(INVITE, session=REQUEST.session)]
)
INTENTS = (
    *("request", "request", "record", "join", "leave", "confirm", "deny"),
    *("ignore", "close", "open", "remove", "wait", "hold"),
)
INPUTS = st.tuples(st.sampled_from(INTENTS), st.integers(0, 2), ASKED)
SMALL_LIMITS: dict[str, Any] = {
    "MAX_PEERS": 2,
    "MAX_PENDING": 3,
    "MAX_PENDING_PER_INVITE": 2,
    "MAX_ANSWERS": 2,
    "MAX_WAITING_PEERS": 1,
    "MAX_MESSAGES_PER_MINUTE": 10,
    "MAX_SEALED_PER_MINUTE": 20,
    "MAX_NEW_PER_INVITE_AND_MINUTE": 8,
    "PENDING_LIMIT_S": 5.0,
}


THIEF = forged(INVITE, session=REQUEST.session, user_data=b"thief")


@given(st.lists(INPUTS, max_size=30))
@settings(max_examples=500)
@example([("request", 0, THIEF), ("request", 0, REQUEST.encoded)])
@example([("request", 0, REQUEST.encoded), ("ignore", 0, b"")] * 9)
@example(
    [
        ("request", 0, THIEF),
        ("deny", 0, b""),
        ("request", 0, REQUEST.encoded),
        ("request", 1, REQUEST.encoded),
        ("request", 1, THIEF),
        ("confirm", 0, b""),
        ("request", 1, THIEF),
        ("record", 1, REQUEST.encoded),
    ]
)
@example(
    [
        ("request", 0, REQUEST.encoded),
        ("hold", 0, b""),
        ("request", 0, REQUEST.encoded),
        ("record", 0, REQUEST.encoded),
    ]
)
@example([("request", 0, b"")] * 12)
@example([("record", 0, REQUEST.encoded)] * 25)
def test_a_member_keeps_its_limits(inputs: list[Input]) -> None:
    with mock.patch.multiple(member_module, **SMALL_LIMITS):
        member = member_of(peers=(0, 1))
        member.add_invite(RECORD, expires_at=20.0)
        asked = {0, 1}
        now = 0.0
        for intent, number, data in inputs:
            now += 0.01
            if intent == "wait":
                now += 2.0
                member.handle_timer(now)
            elif intent == "join" and member.add_peer(number):
                asked.add(number)
            elif intent == "leave":
                member.remove_peer(number)
            elif intent == "request":
                member.receive_request(number, data, now)
            elif intent == "record":
                member.receive_record(data, now)
            else:
                decide(member, intent)
            check(member, asked)


def decide(member: member_module.Member, intent: str) -> None:
    if intent == "close":
        member.close_invite(RECORD.id, Status.USED)
    elif intent == "remove":
        member.remove_invite(RECORD.id)
    elif intent == "open":
        member.add_invite(RECORD)
    elif member.pending and intent == "confirm":
        member.confirm(member.pending[0], key=KEY)
    elif member.pending and intent == "deny":
        member.deny(member.pending[0])
    elif member.pending and intent == "ignore":
        member.ignore(member.pending[0])
    elif member.pending and intent == "hold":
        member.hold(member.pending[0])


def check(member: member_module.Member, asked: set[int]) -> None:
    assert len(member.pending) <= SMALL_LIMITS["MAX_PENDING_PER_INVITE"]
    assert len(member._answers) <= SMALL_LIMITS["MAX_ANSWERS"]
    assert len(member._peers) <= SMALL_LIMITS["MAX_PEERS"]
    assert not set(member._answers) & set(member.pending)
    assert (member.get_timer() is None) == (not member.pending)
    for outgoing in [*member.messages_to_send(), *member.notices_to_send()]:
        assert outgoing.peer in asked
    member.records_to_put()
    while (event := member.next_event()) is not None:
        if isinstance(event, RequestReceived):
            said = Identification(event.receipt.signature, event.receipt.user_data)
            assert said.user_data
            receipt = event.receipt.encode()
            assert verify_receipt(receipt, PUBLIC_KEY) == said.user_data


@given(mutated(SEALED))
@settings(max_examples=200)
def test_responses_open_or_are_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        decision = REQUEST.open(data)
        assert (decision.status is Status.OK) == (decision.admission is not None)
        plaintext = open_response(
            decode_response(data).sealed, public_key=PUBLIC_KEY, session=REQUEST.session
        )
        assert plaintext in PLAINTEXTS
