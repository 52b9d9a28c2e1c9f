"""The channel: the recorded frames, and how both machines share it."""

from __future__ import annotations

from typing import Any

import pytest

from net.errors import LocalProtocolError, RemoteProtocolError
from net.mux import Mux
from net.pairing import (
    Candidate,
    Drop,
    Exchange,
    Held,
    Member,
    Paired,
    RequestReceived,
    decode_invite,
)
from net.pairing.constants import MAX_INBOX, MAX_MESSAGE_BYTES, PROTOCOL
from net.pairing.exchange import REQUEST, RESPONSE
from net.pairing.messages import encode_frame
from tests.helpers.vectors import load_vectors
from tests.unit.net.mux.joined import Wire
from tests.unit.net.pairing.people import (
    GROUP,
    KEY,
    asking,
    candidate_of,
    invited,
    member_of,
)

DIRECT: dict[str, Any] = load_vectors("blind-pairing-sessions")["direct"]
INVITE, RECORD = invited()


class Meeting:
    """A member at end a and a candidate at end b of one wire."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.member = member_of(RECORD, peers=())
        self.candidate = candidate_of(asking(INVITE))
        self.inside = Exchange(GROUP, member=self.member)
        self.outside = Exchange(GROUP, candidate=self.candidate)

    def run(self, now: float = 0.0) -> None:
        """Let both speak until they are silent."""
        for _ in range(3):
            self.wire.run()
            for exchange in (self.inside, self.outside):
                exchange.receive(now)
                exchange.handle_timer(now)

    def ticket(self) -> bytes:
        event = self.member.next_event()
        assert isinstance(event, RequestReceived)
        return event.ticket


def test_the_recorded_frames() -> None:
    met = Meeting()
    met.inside.attach(met.wire.a)
    met.outside.attach(met.wire.b)
    assert met.outside.get_timer() is not None
    met.run()
    key = bytes.fromhex(DIRECT["result"]["encryptionKey"])
    met.member.confirm(met.ticket(), key=KEY, encryption_key=key)
    met.run()
    event = met.candidate.next_event()
    assert isinstance(event, Paired)
    assert event.admission.key.hex() == DIRECT["result"]["key"]
    assert event.admission.encryption_key == key
    met.outside.close()
    met.run()
    sent = {"member": met.wire.from_a, "candidate": met.wire.from_b}
    for side, frames in sent.items():
        recorded = [row["frame"] for row in DIRECT["frames"] if row["from"] == side]
        assert [frame.hex() for frame in frames[: len(recorded)]] == recorded
    # The member's end is closed as well, and opens again for whoever comes.
    assert met.wire.a.channels == []
    met.outside.attach(met.wire.b)
    met.wire.run()
    assert len(met.wire.a.channels) == 1


@pytest.mark.parametrize("member_first", [True, False])
def test_whoever_comes_first_waits_for_the_other(member_first: bool) -> None:
    met = Meeting()
    first, second = (met.inside, met.outside)[:: 1 if member_first else -1]
    ends = (met.wire.a, met.wire.b)[:: 1 if member_first else -1]
    first.attach(ends[0])
    met.run()
    second.attach(ends[1])
    met.run(now=1000.0)
    assert met.ticket() == met.member.pending[0]


def test_a_role_that_comes_later() -> None:
    met = Meeting()
    inside, outside = Exchange(GROUP), Exchange(GROUP)
    inside.attach(met.wire.a)
    outside.attach(met.wire.b)
    met.inside, met.outside = inside, outside
    met.run()
    outside.set_candidate(met.candidate)
    met.run()
    assert inside.dropped == {Drop.NO_ROLE: 1}
    inside.set_member(met.member)
    met.run(now=1000.0)
    met.member.deny(met.ticket())
    outside.set_candidate(None)
    met.run(now=1000.0)
    assert outside.dropped == {Drop.NO_ROLE: 1}


def test_a_candidate_set_after_the_other_side_refused() -> None:
    met = Meeting()
    outside = Exchange(GROUP)
    outside.attach(met.wire.b)
    met.outside = outside
    met.run()
    assert met.wire.b.channels == []
    met.inside.attach(met.wire.a)
    outside.set_candidate(met.candidate)
    met.run()
    assert met.member.pending


def test_a_member_that_waits_opens_nothing_unasked() -> None:
    met = Meeting()
    met.inside.attach(met.wire.a, waiting=True)
    met.run()
    assert met.wire.a.channels == []
    met.outside.attach(met.wire.b)
    met.run()
    assert len(met.wire.a.channels) == 1
    ticket = met.ticket()
    met.member.hold(ticket)
    met.run()
    assert met.candidate.next_event() == Held()
    met.member.confirm(ticket, key=KEY)
    met.run()
    assert isinstance(met.candidate.next_event(), Paired)


def test_who_refused_the_channel_is_asked_again() -> None:
    met = Meeting()
    met.outside.attach(met.wire.b)
    met.run()
    met.inside.attach(met.wire.a, waiting=True)
    assert met.wire.b.channels == []
    met.outside.reopen()
    met.outside.reopen()
    met.run(now=10.0)
    assert met.ticket() in met.member.pending
    met.wire.b.close()
    met.outside.reopen()
    assert met.wire.b.channels == []


def test_input_is_told_of_and_waits() -> None:
    met = Meeting()
    told: list[bool] = []
    met.inside.on_input = lambda: told.append(met.inside.has_input)
    met.inside.attach(met.wire.a)
    met.outside.attach(met.wire.b)
    met.outside.handle_timer(0.0)
    met.wire.run()
    assert told == [True]


def test_connections_that_end() -> None:
    met = Meeting()
    peer = met.inside.attach(met.wire.a)
    met.outside.attach(met.wire.b)
    met.run()
    ticket = met.ticket()
    met.wire.a.close()
    met.wire.b.close()
    met.member.confirm(ticket, key=KEY)
    met.inside.send()
    assert not met.inside.has_input
    assert met.candidate.get_timer() is None
    met.inside.detach(peer)
    # They meet again on another connection.
    met.wire = Wire()
    assert met.inside.attach(met.wire.a) != peer
    met.outside.attach(met.wire.b)
    met.run(now=10.0)
    assert isinstance(met.candidate.next_event(), Paired)


def test_one_channel_a_group_and_connection() -> None:
    met = Meeting()
    met.inside.attach(met.wire.a)
    with pytest.raises(LocalProtocolError):
        Exchange(GROUP).attach(met.wire.a)
    met.wire.b.close()
    with pytest.raises(LocalProtocolError):
        met.outside.attach(met.wire.b)


def test_machines_of_another_group() -> None:
    stranger = Member(bytes(32))
    with pytest.raises(LocalProtocolError):
        Exchange(GROUP, member=stranger)
    with pytest.raises(LocalProtocolError):
        Exchange(bytes(32), candidate=candidate_of(asking(INVITE)))


class Stranger:
    """A peer that says what it likes on the channel."""

    def __init__(self, mux: Mux) -> None:
        self.answers: list[bytes] = []
        self.channel = mux.create_channel(
            PROTOCOL, GROUP, messages=[None, self.answers.append]
        )


def test_giants_are_dropped_and_the_connection_goes_on() -> None:
    met = Meeting()
    stranger = Stranger(met.wire.b)
    met.inside.attach(met.wire.a)
    stranger.channel.send(REQUEST, encode_frame(bytes(1 << 20)))
    stranger.channel.send(REQUEST, encode_frame(bytes(MAX_MESSAGE_BYTES)))
    stranger.channel.send(REQUEST, encode_frame(asking(INVITE).encoded))
    stranger.channel.send(RESPONSE, encode_frame(b"unasked"))
    met.run()
    assert met.inside.dropped == {Drop.TOO_LARGE: 1, Drop.NO_ROLE: 1}
    assert met.member.dropped == {Drop.MALFORMED: 1}
    met.member.deny(met.ticket())
    met.run()
    assert len(stranger.answers) == 1


def test_more_than_is_taken_in_one_turn() -> None:
    met = Meeting()
    stranger = Stranger(met.wire.b)
    met.inside.attach(met.wire.a)
    for _ in range(MAX_INBOX + 7):
        stranger.channel.send(REQUEST, encode_frame(b"x"))
    met.wire.run()
    assert met.inside.has_input
    assert met.inside.dropped == {Drop.TOO_OFTEN: 7}


def test_a_frame_that_is_no_buffer_ends_the_connection() -> None:
    met = Meeting()
    stranger = Stranger(met.wire.b)
    met.inside.attach(met.wire.a)
    stranger.channel.send(REQUEST, b"\x10short")
    with pytest.raises(RemoteProtocolError):
        met.run()


def test_a_peer_that_comes_and_goes_keeps_its_count() -> None:
    met = Meeting()
    met.inside.attach(met.wire.a)
    for _ in range(20):
        stranger = Stranger(met.wire.b)
        for _ in range(4):
            stranger.channel.send(REQUEST, encode_frame(b"x"))
        met.run()
        stranger.channel.close()
        met.run()
    assert met.member.dropped[Drop.TOO_OFTEN] == 50


def test_one_side_may_be_both() -> None:
    request = asking(decode_invite(INVITE.encode()))
    both = Exchange(
        GROUP,
        candidate=Candidate(request, entropy=bytes),
        member=member_of(RECORD, peers=()),
    )
    assert both.get_timer() is None
    met = Meeting()
    both.attach(met.wire.b)
    met.inside.attach(met.wire.a)
    met.outside = both
    met.run()
    met.member.deny(met.ticket())
    met.run()
    assert not both.dropped
