"""What a member reports, answers and forgets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from net.errors import LocalProtocolError
from net.pairing import (
    Additional,
    Drop,
    Member,
    Outgoing,
    RequestLapsed,
    RequestReceived,
    Status,
)
from net.pairing import member as member_module
from net.pairing.constants import (
    MAX_ADDITIONAL_BYTES,
    MAX_EXTENSION_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_MESSAGES_PER_MINUTE,
    MAX_NEW_PER_INVITE_AND_MINUTE,
    MAX_PEERS,
    MAX_PENDING_PER_INVITE,
    MAX_SEALED_PER_MINUTE,
    MAX_WAITING_PEERS,
    PENDING_LIMIT_S,
)
from net.pairing.messages import Decision
from net.pairing.sealing import reply_key_pair
from tests.unit.net.pairing.people import (
    KEY,
    SESSION,
    asking,
    forged,
    invited,
    member_of,
)

INVITE, RECORD = invited(data=b"extra")
OTHER_INVITE, OTHER_RECORD = invited(0x33)
REQUEST = asking(INVITE)


def reported(member: Member) -> RequestReceived:
    event = member.next_event()
    assert isinstance(event, RequestReceived)
    return event


def answers(member: Member) -> list[tuple[int, Status]]:
    """To whom it says what."""
    return [
        (outgoing.peer, REQUEST.open(outgoing.message).status)
        for outgoing in member.messages_to_send()
    ]


def test_a_request_that_is_held_says_so_to_whoever_asks() -> None:
    member = member_of(RECORD, peers=(0, 1))
    member.receive_request(0, REQUEST.encoded, 0.0)
    ticket = reported(member).ticket
    assert (member.waits(0), member.waits(1)) == (True, False)
    member.hold(ticket)
    assert member.notices_to_send() == [Outgoing(0, REQUEST.id)]
    member.receive_request(1, REQUEST.encoded, 0.0)
    member.receive_record(REQUEST.encoded, 0.0)
    assert member.notices_to_send() == [Outgoing(1, REQUEST.id)]
    assert member.pending == (ticket,)
    member.confirm(ticket, key=KEY, extension=b"besides")
    sent = member.messages_to_send()
    assert [outgoing.peer for outgoing in sent] == [0, 1]
    assert REQUEST.open(sent[0].message).extension == b"besides"
    assert not member.waits(0)
    with pytest.raises(LocalProtocolError):
        member.hold(ticket)


def test_a_request_is_recalled_by_a_member_that_begins_anew() -> None:
    before, after = member_of(RECORD), member_of(RECORD, peers=(1,))
    before.receive_request(0, REQUEST.encoded, 0.0)
    asked = reported(before)
    changed = replace(asked.receipt, user_data=asked.receipt.user_data + b"!")
    assert not after.recall(asked.invite_id, changed, 0.0)
    assert not after.recall(b"i" * 32, asked.receipt, 0.0)
    assert after.dropped[Drop.UNKNOWN_INVITE] == 2
    assert after.recall(asked.invite_id, asked.receipt, 0.0)
    assert reported(after) == asked
    # Whoever asks again meanwhile waits with it, and the network gets the answer too.
    after.receive_request(1, REQUEST.encoded, 0.0)
    after.deny(asked.ticket)
    assert answers(after) == [(1, Status.REJECTED)]
    [record] = after.records_to_put()
    assert REQUEST.open(record.value).status is Status.REJECTED


def test_an_extension_has_a_limit() -> None:
    member = member_of(RECORD)
    member.receive_request(0, REQUEST.encoded, 0.0)
    ticket = reported(member).ticket
    long = bytes(MAX_EXTENSION_BYTES + 1)
    with pytest.raises(LocalProtocolError):
        member.confirm(ticket, key=KEY, extension=long)
    with pytest.raises(LocalProtocolError):
        member.deny(ticket, extension=long)
    member.deny(ticket, status=Status.USED, extension=long[1:])
    [sent] = member.messages_to_send()
    decision = REQUEST.open(sent.message)
    assert decision == Decision(Status.USED, extension=long[1:])


def test_reported_decided_and_answered() -> None:
    member = member_of(RECORD, peers=(3,))
    member.receive_request(3, REQUEST.encoded, 0.0)
    event = reported(member)
    assert event.invite_id == RECORD.id
    assert event.receipt == REQUEST.receipt
    assert list(member.pending) == [event.ticket]
    assert member.messages_to_send() == []
    member.confirm(event.ticket, key=KEY, encryption_key=b"\x44" * 32)
    (outgoing,) = member.messages_to_send()
    admission = REQUEST.open(outgoing.message).admission
    assert outgoing.peer == 3
    assert admission is not None
    assert (admission.key, admission.encryption_key) == (KEY, b"\x44" * 32)
    assert admission.additional == RECORD.additional
    assert member.pending == ()
    assert member.records_to_put() == []
    # The same question later: the same bytes, and nobody is bothered.
    member.receive_request(3, REQUEST.encoded, 100.0)
    assert member.messages_to_send() == [outgoing]
    assert member.next_event() is None


def test_all_who_ask_the_same_hear_the_same() -> None:
    member = member_of(RECORD, peers=tuple(range(MAX_WAITING_PEERS + 2)))
    for peer in range(MAX_WAITING_PEERS + 2):
        member.receive_request(peer, REQUEST.encoded, 0.0)
    member.receive_request(0, REQUEST.encoded, 0.0)
    event = reported(member)
    assert member.next_event() is None
    member.remove_peer(1)
    member.deny(event.ticket, status=Status.USED)
    heard = [0, *range(2, MAX_WAITING_PEERS)]
    assert answers(member) == [(peer, Status.USED) for peer in heard]


def test_asked_through_the_dht() -> None:
    member = member_of(RECORD, peers=(1,))
    assert member.receive_record(REQUEST.encoded, 0.0)
    member.receive_request(1, REQUEST.encoded, 0.0)
    member.deny(reported(member).ticket)
    (record,) = member.records_to_put()
    assert record.key_pair == reply_key_pair(REQUEST.token)
    assert REQUEST.open(record.value).status is Status.REJECTED
    assert answers(member) == [(1, Status.REJECTED)]
    # Once answered, it is put again for a member that finds it again.
    assert member.receive_record(REQUEST.encoded, 0.0)
    assert member.records_to_put() == [record]
    assert member.records_to_put() == []


def test_the_answer_to_one_who_left_goes_to_the_dht(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(member_module, "MAX_RECORDS", 2)
    member = member_of(RECORD, peers=(1,))
    requests = [asking(INVITE, b"%d" % number) for number in range(3)]
    for request in requests:
        member.receive_request(1, request.encoded, 0.0)
    member.remove_peer(1)
    for ticket in member.pending:
        member.deny(ticket)
    assert answers(member) == []
    kept = [reply_key_pair(request.token) for request in requests[1:]]
    assert [record.key_pair for record in member.records_to_put()] == kept
    # What is too large for a record is kept out of it.
    member.receive_record(REQUEST.encoded, 0.0)
    extra = Additional(bytes(1000), bytes(64))
    member.confirm(member.pending[0], key=KEY, additional=extra)
    assert member.records_to_put() == []


def test_a_record_that_cannot_be_dealt_with_yet() -> None:
    member = member_of()
    assert not member.receive_record(REQUEST.encoded, 0.0)
    assert member.receive_record(b"nonsense", 0.0)
    member.add_invite(RECORD)
    assert member.receive_record(REQUEST.encoded, 0.0)
    assert member.pending


def test_ignored_requests_may_come_again() -> None:
    member = member_of(RECORD)
    for _ in range(2):
        member.receive_request(0, REQUEST.encoded, 0.0)
        member.ignore(reported(member).ticket)
        assert answers(member) == []
        assert member.pending == ()


def test_decisions_about_what_does_not_wait() -> None:
    member = member_of(RECORD)
    member.receive_request(0, REQUEST.encoded, 0.0)
    ticket = reported(member).ticket
    with pytest.raises(LocalProtocolError, match="another group"):
        member.confirm(ticket, key=b"\x11" * 32)
    extra = Additional(bytes(MAX_ADDITIONAL_BYTES + 1), bytes(64))
    with pytest.raises(LocalProtocolError, match="additional"):
        member.confirm(ticket, key=KEY, additional=extra)
    with pytest.raises(LocalProtocolError, match="OK"):
        member.deny(ticket, status=Status.OK)
    member.deny(ticket)
    for decide in (member.deny, member.ignore, partial(member.confirm, key=KEY)):
        with pytest.raises(LocalProtocolError) as caught:
            decide(ticket)
        assert caught.value.code == "not-pending"
    assert answers(member) == [(0, Status.REJECTED)]


def test_invites_that_are_over() -> None:
    member = member_of(peers=(0,))
    member.add_invite(RECORD, expires_at=10.0)
    member.receive_request(0, REQUEST.encoded, 9.9)
    ticket = reported(member).ticket
    late = asking(INVITE, b"late")
    member.receive_request(0, late.encoded, 10.0)
    assert member.next_event() is None
    (answer,) = member.messages_to_send()
    assert late.open(answer.message) == Decision(Status.EXPIRED)
    # Who came in time is still decided about.
    member.confirm(ticket, key=KEY)
    assert answers(member) == [(0, Status.OK)]


def test_closing_an_invite_refuses_those_who_wait_and_those_to_come() -> None:
    member = member_of(RECORD, OTHER_RECORD)
    member.receive_request(0, asking(OTHER_INVITE).encoded, 0.0)
    member.receive_request(0, REQUEST.encoded, 0.0)
    member.close_invite(RECORD.id, Status.USED)
    assert answers(member) == [(0, Status.USED)]
    assert len(member.pending) == 1
    again = asking(INVITE, session=SESSION)
    member.receive_request(0, again.encoded, 0.0)
    (answer,) = member.messages_to_send()
    assert again.open(answer.message).status is Status.USED
    member.add_invite(RECORD)
    member.receive_request(0, asking(INVITE, b"third").encoded, 0.0)
    assert len(member.pending) == 2
    member.close_invite(bytes(32), Status.USED)
    with pytest.raises(LocalProtocolError):
        member.close_invite(RECORD.id, Status.OK)


def test_removing_an_invite_forgets_its_answers_too() -> None:
    member = member_of(RECORD, OTHER_RECORD)
    member.receive_request(0, REQUEST.encoded, 0.0)
    member.confirm(reported(member).ticket, key=KEY)
    other = asking(OTHER_INVITE)
    member.receive_request(0, other.encoded, 0.0)
    member.deny(reported(member).ticket)
    member.receive_request(0, asking(INVITE, b"waits").encoded, 0.0)
    member.messages_to_send()
    member.remove_invite(RECORD.id)
    member.remove_invite(RECORD.id)
    assert member.pending == ()
    member.receive_request(0, REQUEST.encoded, 0.0)
    assert member.messages_to_send() == []
    assert member.dropped == {Drop.UNKNOWN_INVITE: 1}
    member.receive_request(0, other.encoded, 0.0)
    assert len(member.messages_to_send()) == 1


def test_another_groups_invite() -> None:
    record = invited(0x44)[1]
    with pytest.raises(LocalProtocolError):
        Member(bytes(32)).add_invite(record)


def test_requests_lapse() -> None:
    member = member_of(RECORD)
    assert member.get_timer() is None
    member.receive_request(0, REQUEST.encoded, 5.0)
    ticket = reported(member).ticket
    assert member.get_timer() == 5.0 + PENDING_LIMIT_S
    member.handle_timer(4.0 + PENDING_LIMIT_S)
    assert member.pending
    member.handle_timer(5.0 + PENDING_LIMIT_S)
    assert member.next_event() == RequestLapsed(ticket)
    assert member.pending == ()
    assert member.get_timer() is None


FOREIGN = bytearray(asking(OTHER_INVITE).encoded)
FOREIGN[:32] = RECORD.id
STRANGE_SESSION = forged(INVITE)[:32] + b"\x1f" + forged(INVITE)[34:]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", Drop.MALFORMED),
        (bytes(MAX_MESSAGE_BYTES + 1), Drop.TOO_LARGE),
        (STRANGE_SESSION, Drop.MALFORMED),
        (REQUEST.encoded[:65] + b"\x50" + bytes(80), Drop.MALFORMED),
        (asking(OTHER_INVITE).encoded, Drop.UNKNOWN_INVITE),
        (bytes(FOREIGN), Drop.BAD_SEAL),
        (REQUEST.encoded[:33] + SESSION + REQUEST.encoded[65:], Drop.BAD_SEAL),
        (REQUEST.encoded[:-1] + b"\0", Drop.BAD_SEAL),
        (forged(INVITE, signature=bytes(64)), Drop.BAD_CONTENT),
        (forged(INVITE, user_data=b""), Drop.BAD_CONTENT),
        (forged(INVITE, user_data=bytes(4097)), Drop.TOO_LARGE),
    ],
)
def test_what_is_not_believed(data: bytes, why: Drop) -> None:
    member = member_of(RECORD)
    member.receive_request(0, data, 0.0)
    assert member.dropped == {why: 1}
    assert member.next_event() is None
    assert member.messages_to_send() == []


def test_one_that_asks_too_often_is_not_heard_and_others_are() -> None:
    member = member_of(RECORD, peers=(1, 2))
    for _ in range(MAX_MESSAGES_PER_MINUTE + 3):
        member.receive_request(1, b"", 0.0)
    assert member.dropped[Drop.TOO_OFTEN] == 3
    member.receive_request(1, REQUEST.encoded, 0.0)
    assert member.next_event() is None
    member.receive_request(2, REQUEST.encoded, 0.0)
    assert reported(member).receipt == REQUEST.receipt
    # A minute later it may again.
    member.receive_request(1, REQUEST.encoded, 60.0)
    assert member.dropped[Drop.TOO_OFTEN] == 4


def test_an_invite_in_wrong_hands_does_not_shut_out_the_others() -> None:
    member = member_of(RECORD, OTHER_RECORD, peers=tuple(range(200)))
    now = 0.0
    for number in range(200):
        flood = asking(INVITE, b"candidate %d" % number)
        member.receive_request(number, flood.encoded, now)
        if number == 100:
            assert len(member.pending) == MAX_NEW_PER_INVITE_AND_MINUTE
            now = 600.0
        if number == 150:
            now = 1200.0
    assert len(member.pending) == MAX_PENDING_PER_INVITE
    assert member.dropped[Drop.TOO_OFTEN] > 0
    assert member.dropped[Drop.TOO_MANY] > 0
    member.receive_request(0, asking(OTHER_INVITE).encoded, now)
    assert len(member.pending) == MAX_PENDING_PER_INVITE + 1


def test_only_so_many_seals_are_tried() -> None:
    peers = tuple(range(MAX_SEALED_PER_MINUTE // MAX_MESSAGES_PER_MINUTE + 1))
    member = member_of(RECORD, peers=peers)
    for peer in peers:
        for _ in range(MAX_MESSAGES_PER_MINUTE):
            member.receive_request(peer, bytes(FOREIGN), 0.0)
    assert member.dropped == {
        Drop.BAD_SEAL: MAX_SEALED_PER_MINUTE,
        Drop.TOO_OFTEN: MAX_MESSAGES_PER_MINUTE,
    }


def test_limits_of_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    member = member_of(*(invited(seed)[1] for seed in (1, 2)), peers=())
    monkeypatch.setattr(member_module, "MAX_INVITES", 2)
    with pytest.raises(LocalProtocolError) as caught:
        member.add_invite(invited(3)[1])
    assert caught.value.code == "too-many-invites"
    for peer in range(MAX_PEERS):
        assert member.add_peer(peer)
    assert not member.add_peer(MAX_PEERS)
    member.receive_request(MAX_PEERS, REQUEST.encoded, 0.0)
    assert member.dropped == {Drop.UNKNOWN_PEER: 1}
    member.remove_peer(0)
    assert member.add_peer(MAX_PEERS)


def test_the_oldest_answer_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_module, "MAX_ANSWERS", 2)
    monkeypatch.setattr(member_module, "MAX_PENDING", 1)
    member = member_of(RECORD)
    requests = [asking(INVITE, b"%d" % number) for number in range(3)]
    for request in requests:
        member.receive_request(0, request.encoded, 0.0)
        member.receive_request(0, asking(INVITE, b"one too many").encoded, 0.0)
        member.deny(reported(member).ticket)
    assert member.dropped == {Drop.TOO_MANY: 3}
    member.messages_to_send()
    for request in requests[1:]:
        member.receive_request(0, request.encoded, 0.0)
    assert len(member.messages_to_send()) == 2
    member.receive_request(0, requests[0].encoded, 0.0)
    assert member.messages_to_send() == []
    assert len(member.pending) == 1


@pytest.mark.parametrize("answered", [False, True])
def test_nobody_takes_anothers_session(answered: bool) -> None:
    thief = forged(INVITE, user_data=b"thief", session=REQUEST.session)
    # After the rightful one the thief is not heard.
    member = member_of(RECORD, peers=(0, 1))
    member.receive_request(0, REQUEST.encoded, 0.0)
    ticket = reported(member).ticket
    if answered:
        member.confirm(ticket, key=KEY)
        member.messages_to_send()
    member.receive_request(1, thief, 0.0)
    assert member.dropped == {Drop.SESSION_REUSED: 1}
    assert member.messages_to_send() == []
    # And before it, the rightful one takes its place.
    member = member_of(RECORD, peers=(0, 1))
    member.receive_request(1, thief, 0.0)
    stolen = reported(member)
    if answered:
        member.deny(stolen.ticket)
        member.messages_to_send()
    member.receive_request(0, REQUEST.encoded, 0.0)
    if not answered:
        assert member.next_event() == RequestLapsed(stolen.ticket)
    assert reported(member).receipt == REQUEST.receipt
    member.confirm(member.pending[0], key=KEY)
    assert answers(member) == [(0, Status.OK)]


def test_invites_do_not_share_sessions() -> None:
    member = member_of(RECORD, OTHER_RECORD)
    same = forged(OTHER_INVITE, session=REQUEST.session)
    member.receive_request(0, same, 0.0)
    member.receive_request(0, REQUEST.encoded, 0.0)
    assert len(member.pending) == 2
    assert not member.dropped
