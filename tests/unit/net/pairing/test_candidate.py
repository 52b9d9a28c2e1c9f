"""Whom a candidate asks, when, and what it believes."""

from __future__ import annotations

import pytest

from net.pairing import (
    Admission,
    CandidateState,
    Drop,
    Held,
    Outgoing,
    Paired,
    Rejected,
    Status,
)
from net.pairing.candidate import Candidate
from net.pairing.constants import (
    ASK_AGAIN_S,
    MAX_MESSAGE_BYTES,
    MAX_MESSAGES_PER_MINUTE,
    MAX_PEERS,
    MAX_REFUSALS_TOLD,
    PEER_INTERVAL_S,
)
from net.pairing.messages import (
    Additional,
    Decision,
    Response,
    decode_request,
)
from net.pairing.request import CandidateRequest, OpenedRequest, open_sealed
from net.pairing.sealing import seal_response
from tests.unit.net.pairing.people import (
    KEY,
    asking,
    candidate_of,
    invited,
)

INVITE, RECORD = invited(data=b"extra")
REQUEST = asking(INVITE)
ADMISSION = Admission(KEY, b"\x44" * 32, RECORD.additional)


def opened(request: CandidateRequest = REQUEST) -> OpenedRequest:
    """The request as a member sees it."""
    return open_sealed(decode_request(request.encoded), request.public_key)


def admitting(admission: Admission = ADMISSION) -> bytes:
    return opened().respond(Decision(Status.OK, admission))


def sealed(plaintext: bytes) -> bytes:
    """A response with whatever in it, sealed as it should be."""
    box = seal_response(
        plaintext, public_key=REQUEST.public_key, session=REQUEST.session
    )
    return Response(REQUEST.id, box).encode()


def asked_at(candidate: Candidate, until: float) -> list[tuple[float, int]]:
    """Whom it asks and when, if it is called exactly when it wants to be."""
    asked = []
    now = 0.0
    while (timer := candidate.get_timer()) is not None:
        now = max(now, timer)
        if now > until:
            break
        candidate.handle_timer(now)
        for outgoing in candidate.messages_to_send():
            assert outgoing.message == REQUEST.encoded
            asked.append((now, outgoing.peer))
    return asked


def test_one_peer_after_the_other_and_the_silent_ones_again() -> None:
    candidate = candidate_of(REQUEST, 7, 8, 9)
    first = [(number * PEER_INTERVAL_S, 7 + number) for number in range(3)]
    again = [(at + ASK_AGAIN_S, peer) for at, peer in first]
    assert asked_at(candidate, ASK_AGAIN_S * 1.5) == first + again


def test_waits_between_peers_are_drawn() -> None:
    candidate = Candidate(REQUEST, entropy=lambda count: b"\xff" * count)
    candidate.add_peer(1)
    candidate.add_peer(2)
    asked = asked_at(candidate, 10)
    assert asked[1][0] == pytest.approx(PEER_INTERVAL_S * 1.5)


def test_nobody_is_asked_early_or_twice() -> None:
    candidate = candidate_of(REQUEST)
    assert candidate.get_timer() is None
    candidate.handle_timer(0.0)
    assert candidate.messages_to_send() == []
    candidate.add_peer(1)
    candidate.handle_timer(0.0)
    assert candidate.messages_to_send() == [Outgoing(1, REQUEST.encoded)]
    candidate.handle_timer(PEER_INTERVAL_S)
    assert candidate.messages_to_send() == []
    # A channel that closed and came back is another chance.
    candidate.remove_peer(1)
    assert candidate.get_timer() is None
    candidate.add_peer(1)
    candidate.handle_timer(PEER_INTERVAL_S)
    assert len(candidate.messages_to_send()) == 1


def test_admitted_once() -> None:
    candidate = candidate_of(REQUEST, 1, 2)
    candidate.handle_timer(0.0)
    candidate.receive_response(1, admitting(), 0.5)
    assert candidate.state is CandidateState.PAIRED
    assert candidate.next_event() == Paired(ADMISSION)
    assert candidate.admission == ADMISSION
    assert candidate.messages_to_send() == []
    assert candidate.get_timer() is None
    candidate.receive_response(2, admitting(), 1.0)
    assert candidate.next_event() is None
    candidate.close()
    assert candidate.state is CandidateState.PAIRED


def test_refused_by_one_and_admitted_by_another() -> None:
    candidate = candidate_of(REQUEST, 1, 2)
    for status in (Status.USED, Status.USED, Status.EXPIRED, Status.REJECTED):
        candidate.receive_response(1, opened().respond(Decision(status)), 0.0)
    # Each reason is told once, however many say it.
    told = [candidate.next_event() for _ in range(4)]
    assert told == [
        Rejected(Status.USED),
        Rejected(Status.EXPIRED),
        Rejected(Status.REJECTED),
        None,
    ]
    assert candidate.state is CandidateState.ASKING
    candidate.receive_response(2, admitting(), 0.0)
    assert candidate.next_event() == Paired(ADMISSION)


def test_what_a_member_of_our_kind_says_besides() -> None:
    candidate = candidate_of(REQUEST, 1)
    for reason in (b"one", b"two", b"one", b""):
        said = opened().respond(Decision(Status.USED, extension=reason))
        candidate.receive_response(1, said, 0.0)
    told = [candidate.next_event() for _ in range(4)]
    assert told == [
        Rejected(Status.USED, b"one"),
        Rejected(Status.USED, b"two"),
        Rejected(Status.USED),
        None,
    ]
    said = opened().respond(Decision(Status.OK, ADMISSION, b"besides"))
    candidate.receive_response(1, said, 0.0)
    assert candidate.next_event() == Paired(ADMISSION, b"besides")


def test_refusals_are_told_so_often_and_no_more() -> None:
    candidate = candidate_of(REQUEST)
    for number in range(MAX_REFUSALS_TOLD + 3):
        reason = b"%d" % number
        said = opened().respond(Decision(Status.USED, extension=reason))
        assert candidate.receive_record(said)
    told = list(iter(candidate.next_event, None))
    assert len(told) == MAX_REFUSALS_TOLD


def test_an_owner_that_believes_nobody_goes_on_asking() -> None:
    believed = [False, True]
    candidate = Candidate(REQUEST, entropy=bytes, believes=lambda _: believed.pop(0))
    assert not candidate.receive_record(admitting())
    assert candidate.dropped == {Drop.BAD_CONTENT: 1}
    assert candidate.state is CandidateState.ASKING
    assert candidate.receive_record(admitting())
    assert candidate.next_event() == Paired(ADMISSION)


def test_a_request_that_waits_for_a_person() -> None:
    candidate = candidate_of(REQUEST, 1)
    candidate.receive_notice(2, REQUEST.id, 0.0)
    candidate.receive_notice(1, bytes(32), 0.0)
    assert candidate.dropped == {Drop.UNKNOWN_PEER: 1, Drop.NOT_OURS: 1}
    assert candidate.next_event() is None
    for _ in range(MAX_MESSAGES_PER_MINUTE):
        candidate.receive_notice(1, REQUEST.id, 0.0)
    assert candidate.dropped[Drop.TOO_OFTEN] == 1
    assert [candidate.next_event() for _ in range(2)] == [Held(), None]
    assert candidate.state is CandidateState.ASKING


def test_a_status_nobody_knows_is_a_refusal() -> None:
    candidate = candidate_of(REQUEST, 1)
    candidate.receive_response(1, sealed(b"\x63"), 0.0)
    assert candidate.next_event() == Rejected(Status.REJECTED)


OTHER = asking(invited(0x33)[0])
UNSIGNED = Admission(KEY, None, Additional(b"other", bytes(64)))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", Drop.MALFORMED),
        (REQUEST.encoded, Drop.NOT_OURS),
        (bytes(MAX_MESSAGE_BYTES + 1), Drop.TOO_LARGE),
        (opened(OTHER).respond(Decision(Status.REJECTED)), Drop.NOT_OURS),
        (admitting()[:-1] + b"\0", Drop.BAD_SEAL),
        (REQUEST.id + b"\x10" + bytes(16), Drop.MALFORMED),
        (sealed(b"\0\0short"), Drop.MALFORMED),
        (admitting(Admission(b"\x11" * 32)), Drop.BAD_CONTENT),
        (admitting(UNSIGNED), Drop.BAD_CONTENT),
    ],
)
def test_what_is_not_believed(data: bytes, why: Drop) -> None:
    candidate = candidate_of(REQUEST, 1)
    candidate.receive_response(1, data, 0.0)
    assert candidate.dropped == {why: 1}
    assert candidate.next_event() is None
    assert not candidate.receive_record(data)
    # And it goes on.
    candidate.receive_response(1, admitting(), 0.0)
    assert candidate.next_event() == Paired(ADMISSION)


def test_a_member_that_answers_too_often_is_not_heard() -> None:
    candidate = candidate_of(REQUEST, 1, 2)
    for _ in range(MAX_MESSAGES_PER_MINUTE + 5):
        candidate.receive_response(1, b"", 0.0)
    assert candidate.dropped[Drop.TOO_OFTEN] == 5
    candidate.receive_response(1, admitting(), 0.0)
    assert candidate.next_event() is None
    candidate.receive_response(2, admitting(), 0.0)
    assert candidate.next_event() == Paired(ADMISSION)


def test_strangers_and_too_many() -> None:
    candidate = candidate_of(REQUEST, *range(MAX_PEERS))
    assert not candidate.add_peer(MAX_PEERS)
    candidate.receive_response(MAX_PEERS, admitting(), 0.0)
    assert candidate.dropped == {Drop.UNKNOWN_PEER: 1}


def test_an_answer_left_in_the_dht() -> None:
    candidate = candidate_of(REQUEST)
    assert not candidate.receive_record(b"something else")
    assert candidate.receive_record(admitting())
    assert candidate.next_event() == Paired(ADMISSION)
    assert not candidate.receive_record(admitting())


def test_given_up() -> None:
    candidate = candidate_of(REQUEST, 1)
    candidate.handle_timer(0.0)
    candidate.close()
    assert candidate.state is CandidateState.CLOSED
    assert candidate.messages_to_send() == []
    assert not candidate.receive_record(admitting())
    assert candidate.next_event() is None
