"""The plans for the DHT, against the recorded calls and in odd orders."""

from __future__ import annotations

from typing import Any

from net.pairing import CandidatePoll, Mode
from net.pairing.constants import (
    MAX_LOOKUP_PEERS,
    MAX_SEEN_RECORDS,
    POLL_INTERVAL_S,
)
from net.pairing.events import (
    Action,
    Announce,
    GetRecord,
    LookUp,
    PutRecord,
    Unannounce,
)
from net.pairing.polling import MemberPoll
from net.pairing.sealing import (
    ephemeral_key_pair,
    pairing_topic,
    reply_key_pair,
)
from tests.helpers.vectors import load_vectors
from tests.unit.net.pairing.people import (
    GROUP,
    KEY,
    asking,
    candidate_of,
    invited,
    member_of,
    none_of_it,
)

VIA_DHT: dict[str, Any] = load_vectors("blind-pairing-sessions")["viaDht"]
INVITE, RECORD = invited()
REQUEST = asking(INVITE)


def recorded(action: Action) -> dict[str, Any]:
    """An action as the recording names it."""
    match action:
        case GetRecord(public_key):
            return {"op": "mutableGet", "publicKey": public_key.hex()}
        case PutRecord(key_pair, value):
            key = key_pair.public_key.hex()
            return {"op": "mutablePut", "publicKey": key, "value": value.hex()}
        case Announce(topic, key_pair):
            key = key_pair.public_key.hex()
            return {"op": "announce", "topic": topic.hex(), "publicKey": key}
        case Unannounce(topic, key_pair):
            key = key_pair.public_key.hex()
            return {"op": "unannounce", "topic": topic.hex(), "publicKey": key}
        case LookUp(topic):
            return {"op": "lookup", "topic": topic.hex()}


class Diary:
    """What one side does in the DHT, as the recording writes it."""

    def __init__(self, poll: CandidatePoll | MemberPoll) -> None:
        self.poll = poll
        self.calls: list[dict[str, Any]] = []

    def act(self, now: float) -> list[Action]:
        """Start what is due and note it."""
        self.poll.handle_timer(now)
        actions = []
        while (action := self.poll.next_action()) is not None:
            actions.append(action)
            self.calls.append(recorded(action))
        return actions

    def mode(self) -> None:
        """Note how the swarm is joined."""
        mode = self.poll.mode
        joined = {"topic": GROUP.hex(), "server": mode.server, "client": mode.client}
        self.calls.append({"op": "swarm.join", **joined})


def of(side: str) -> list[dict[str, Any]]:
    """The recorded calls of one side, without who made them."""
    return [
        {name: value for name, value in call.items() if name != "who"}
        for call in VIA_DHT["dhtCalls"]
        if call["who"] == side
    ]


def test_the_recorded_calls() -> None:
    candidate, member = candidate_of(REQUEST), member_of(RECORD)
    asks = Diary(CandidatePoll(REQUEST, entropy=none_of_it))
    looks = Diary(MemberPoll(GROUP, entropy=none_of_it))
    assert isinstance(asks.poll, CandidatePoll)
    assert isinstance(looks.poll, MemberPoll)
    looks.mode()
    looks.act(0.0)
    looks.poll.lookup_ended(0.0)
    asks.mode()
    asks.act(0.0)
    asks.poll.record_checked(0.0)
    put, announced = asks.act(0.0)
    assert isinstance(put, PutRecord)
    assert isinstance(announced, Announce)
    asks.poll.published(0.0, succeeded=True)
    asks.mode()
    asks.act(POLL_INTERVAL_S)
    asks.poll.record_checked(POLL_INTERVAL_S)
    # The member looks again and finds it.
    looks.act(POLL_INTERVAL_S)
    looks.poll.key_found(announced.key_pair.public_key)
    looks.act(POLL_INTERVAL_S)
    assert member.receive_record(put.value, POLL_INTERVAL_S)
    looks.poll.record_checked(announced.key_pair.public_key, settled=True)
    member.confirm(member.pending[0], key=KEY, encryption_key=b"\x44" * 32)
    (answer,) = member.records_to_put()
    looks.calls.append(recorded(answer))
    looks.poll.answered()
    looks.mode()
    looks.poll.flushed()
    looks.mode()
    looks.poll.lookup_ended(POLL_INTERVAL_S)
    # And the candidate its answer.
    (get,) = asks.act(POLL_INTERVAL_S * 2)
    assert get == GetRecord(answer.key_pair.public_key)
    assert candidate.receive_record(answer.value)
    asks.poll.finish()
    asks.act(POLL_INTERVAL_S * 2)
    assert asks.calls == of("candidate")
    assert looks.calls == of("member")[: len(looks.calls)]
    assert len(looks.calls) >= 6


def actions(poll: CandidatePoll | MemberPoll, now: float) -> list[Action]:
    return Diary(poll).act(now)


def test_a_poll_at_a_time_and_the_next_after_an_interval() -> None:
    poll = CandidatePoll(REQUEST, entropy=lambda count: b"\xff" * count)
    assert len(actions(poll, 0.0)) == 1
    assert poll.get_timer() is None
    assert actions(poll, 1e6) == []
    poll.record_checked(0.0)
    assert len(actions(poll, 0.0)) == 2
    assert poll.get_timer() is None
    poll.published(100.0, succeeded=True)
    timer = poll.get_timer()
    assert timer is not None
    assert 100 + POLL_INTERVAL_S < timer <= 100 + POLL_INTERVAL_S * 1.5
    assert actions(poll, timer - 1) == []
    assert actions(poll, timer) == [GetRecord(reply_key_pair(REQUEST.token).public_key)]


def test_what_could_not_be_published_is_tried_again() -> None:
    poll = CandidatePoll(REQUEST, entropy=none_of_it)
    for now in (0.0, POLL_INTERVAL_S):
        assert len(actions(poll, now)) == 1
        poll.record_checked(now)
        assert len(actions(poll, now)) == 2
        poll.published(now, succeeded=now > 0)
        assert poll.mode == Mode(server=now > 0, client=True)


def test_large_requests_stay_out_of_the_dht() -> None:
    poll = CandidatePoll(asking(INVITE, bytes(900)), entropy=none_of_it)
    assert not poll.publishable
    assert len(actions(poll, 0.0)) == 1
    poll.record_checked(0.0)
    assert actions(poll, 0.0) == []
    assert poll.get_timer() == POLL_INTERVAL_S


def test_a_changed_network_starts_over() -> None:
    poll = CandidatePoll(REQUEST, entropy=none_of_it)
    actions(poll, 0.0)
    poll.record_checked(0.0)
    actions(poll, 0.0)
    poll.published(0.0, succeeded=True)
    poll.refresh()
    assert len(actions(poll, 1.0)) == 1
    poll.record_checked(1.0)
    assert len(actions(poll, 1.0)) == 2
    # What was announced before can be found all the while, and is taken back.
    assert poll.announced
    poll.finish()
    assert [type(action) for action in actions(poll, 1.0)] == [Unannounce]


def test_the_end_leaves_nothing_behind() -> None:
    # Paired while the announcement is under way: it is taken back once it is there.
    poll = CandidatePoll(REQUEST, entropy=none_of_it)
    actions(poll, 0.0)
    poll.record_checked(0.0)
    (_, announced) = actions(poll, 0.0)
    assert isinstance(announced, Announce)
    poll.finish()
    assert actions(poll, 0.0) == []
    poll.published(0.0, succeeded=True)
    assert actions(poll, 0.0) == [Unannounce(announced.topic, announced.key_pair)]
    poll.refresh()
    poll.record_checked(0.0)
    assert (poll.get_timer(), actions(poll, 1e6)) == (None, [])
    # Paired before anything was announced.
    early = CandidatePoll(REQUEST, entropy=none_of_it)
    early.finish()
    assert actions(early, 0.0) == []


def keys(count: int, start: int = 0) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(start, start + count)]


def test_records_are_read_once() -> None:
    poll = MemberPoll(GROUP, entropy=none_of_it)
    first, second = keys(2)
    assert actions(poll, 0.0) == [LookUp(pairing_topic(GROUP))]
    for key in (first, second, first):
        poll.key_found(key)
    assert actions(poll, 0.0) == [GetRecord(first), GetRecord(second)]
    poll.record_checked(first, settled=True)
    poll.record_checked(second, settled=False)
    poll.lookup_ended(0.0)
    assert poll.get_timer() == POLL_INTERVAL_S
    assert len(actions(poll, POLL_INTERVAL_S)) == 1
    poll.key_found(first)
    poll.key_found(second)
    assert actions(poll, POLL_INTERVAL_S) == [GetRecord(second)]


def test_what_was_ignored_is_read_again() -> None:
    poll = MemberPoll(GROUP, entropy=none_of_it)
    key = ephemeral_key_pair(REQUEST.token).public_key
    for expected in ([GetRecord(key)], [], [GetRecord(key)]):
        poll.refresh()
        actions(poll, 0.0)
        poll.key_found(key)
        assert actions(poll, 0.0) == expected
        poll.record_checked(key, settled=True)
        if not expected:
            poll.record_ignored(REQUEST.token)
    poll.record_ignored(bytes(32))


def test_a_crowded_topic() -> None:
    poll = MemberPoll(GROUP, entropy=none_of_it)
    actions(poll, 0.0)
    for key in keys(MAX_LOOKUP_PEERS + 9):
        poll.key_found(key)
    assert len(actions(poll, 0.0)) == MAX_LOOKUP_PEERS
    for key in keys(MAX_SEEN_RECORDS + 1):
        poll.record_checked(key, settled=True)
    poll.refresh()
    actions(poll, 0.0)
    for key in keys(2):
        poll.key_found(key)
    # The oldest was forgotten, the next one not.
    assert actions(poll, 0.0) == [GetRecord(keys(1)[0])]


def test_the_member_is_a_client_while_its_answer_travels() -> None:
    poll = MemberPoll(GROUP, entropy=none_of_it)
    assert poll.mode == Mode(server=True, client=False)
    poll.answered()
    assert poll.mode == Mode(server=True, client=True)
    poll.flushed()
    assert poll.mode == Mode(server=True, client=False)
