from __future__ import annotations

import pytest

from store.corestore import heads
from store.corestore.heads import HeadsTable, LogHead, Standing
from store.errors import RemoteProtocolError

HASH = bytes(range(64))


def _key(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Pair:
    """Two sides of one connection."""

    def __init__(self) -> None:
        self.here = HeadsTable(HASH, is_initiator=True)
        self.there = HeadsTable(HASH, is_initiator=False)
        self.messages = 0
        self.bytes = 0

    def exchange(self) -> None:
        for sender, receiver in ((self.here, self.there), (self.there, self.here)):
            for message in sender.messages_to_send():
                self.messages += 1
                self.bytes += len(message)
                receiver.receive(message)
            assert sender.messages_to_send() == []


def _told(number: int, here: LogHead | None, there: LogHead | None) -> Pair:
    pair = Pair()
    for table, head in ((pair.here, here), (pair.there, there)):
        if head is not None:
            table.set_head(_key(number), head)
        table.finish_telling()
    pair.exchange()
    return pair


BOTH = Standing.BEHIND | Standing.AHEAD


@pytest.mark.parametrize(
    ("here", "there", "standing"),
    [
        (LogHead(0, 5, 5), LogHead(0, 5, 5), Standing.EVEN),
        (LogHead(0, 5, 5), LogHead(0, 6, 6), Standing.BEHIND),
        (LogHead(0, 5, 5), LogHead(0, 6, 0), BOTH),
        (LogHead(0, 5, 3), LogHead(0, 5, 5), Standing.BEHIND),
        (LogHead(0, 9, 9), LogHead(1, 2, 2), Standing.BEHIND),
        (LogHead(2, 1, 0), LogHead(1, 9, 9), Standing.AHEAD),
        (LogHead(), LogHead(), Standing.EVEN),
    ],
)
def test_standing(here: LogHead, there: LogHead, standing: Standing) -> None:
    pair = _told(1, here, there)
    assert pair.here.standing(_key(1)) == standing
    mirrored = Standing.EVEN
    if Standing.BEHIND in standing:
        mirrored |= Standing.AHEAD
    if Standing.AHEAD in standing:
        mirrored |= Standing.BEHIND
    assert pair.there.standing(_key(1)) == mirrored
    assert pair.here.take_changed() == pair.there.take_changed() == [_key(1)]
    assert pair.here.take_changed() == []


def test_logs_that_only_one_side_has() -> None:
    pair = _told(1, LogHead(0, 5, 5), None)
    assert pair.here.standing(_key(1)) is None
    assert not pair.here.may_have(_key(1))
    assert pair.here.take_changed() == [_key(1)]
    # The other side takes the log up later and knows at once that there is more.
    pair.there.set_head(_key(1), LogHead())
    assert pair.there.standing(_key(1)) == Standing.BEHIND
    assert pair.there.remote_head(_key(1)) == LogHead(0, 5, 5)
    pair.exchange()
    assert pair.here.standing(_key(1)) == Standing.AHEAD
    assert pair.here.take_changed() == [_key(1)]


def test_before_all_is_told_anything_may_be_there() -> None:
    pair = Pair()
    pair.here.set_head(_key(1), LogHead(0, 5, 5))
    pair.exchange()
    assert pair.here.may_have(_key(1))
    assert not pair.here.complete
    pair.there.finish_telling()
    pair.exchange()
    assert pair.here.complete
    assert not pair.here.may_have(_key(1))


def test_two_thousand_logs_cost_a_few_messages() -> None:
    pair = Pair()
    for number in range(2000):
        pair.here.set_head(_key(number), LogHead(0, 1000, 1000))
        pair.there.set_head(_key(number), LogHead(0, 1000, 1000))
    pair.here.finish_telling()
    pair.there.finish_telling()
    pair.exchange()
    assert pair.messages == 2 * 8
    assert pair.bytes < 2 * 2000 * 24
    assert len(pair.here.take_changed()) == len(pair.there.take_changed()) == 2000
    # From then on only what is new is told.
    pair.here.set_head(_key(7), LogHead(0, 1001, 1001))
    pair.exchange()
    assert pair.messages == 2 * 8 + 1
    assert pair.there.take_changed() == [_key(7)]
    assert pair.there.standing(_key(7)) == Standing.BEHIND


def test_changes_are_told_once() -> None:
    pair = _told(1, LogHead(0, 1, 1), LogHead(0, 1, 1))
    sent = pair.messages
    pair.here.set_head(_key(1), LogHead(0, 1, 1))
    pair.exchange()
    assert pair.messages == sent
    for length in range(2, 100):
        pair.here.set_head(_key(1), LogHead(0, length, length))
    pair.exchange()
    assert pair.messages == sent + 1
    assert pair.there.remote_head(_key(1)) == LogHead(0, 99, 99)


def test_what_has_its_own_channel_is_told_when_that_closes() -> None:
    pair = _told(1, LogHead(0, 1, 1), LogHead(0, 1, 1))
    sent = pair.messages
    pair.here.hold(_key(1))
    pair.here.hold(_key(1))
    pair.here.set_head(_key(1), LogHead(0, 2, 2))
    pair.exchange()
    pair.here.release(_key(1))
    pair.exchange()
    assert pair.messages == sent
    pair.here.release(_key(1))
    pair.exchange()
    assert pair.messages == sent + 1
    assert pair.there.remote_head(_key(1)) == LogHead(0, 2, 2)
    # A hold also keeps back what was about to be told; one release too many is none.
    pair.here.set_head(_key(1), LogHead(0, 3, 3))
    pair.here.hold(_key(1))
    pair.exchange()
    assert pair.there.remote_head(_key(1)) == LogHead(0, 2, 2)
    pair.here.release(_key(1))
    pair.here.release(_key(1))
    pair.exchange()
    assert pair.there.remote_head(_key(1)) == LogHead(0, 3, 3)
    pair.here.hold(_key(2))
    pair.here.release(_key(2))


def test_logs_that_go() -> None:
    pair = _told(1, LogHead(0, 1, 1), LogHead(0, 1, 1))
    pair.here.forget(_key(1))
    assert pair.here.standing(_key(1)) is None
    pair.exchange()
    assert pair.there.standing(_key(1)) is None
    assert pair.there.take_changed() == [_key(1)]
    assert not pair.there.may_have(_key(1))
    # What was never told need not be taken back.
    sent = pair.messages
    pair.here.set_head(_key(2), LogHead())
    pair.here.forget(_key(2))
    pair.here.forget(_key(2))
    pair.exchange()
    assert pair.messages == sent
    pair.here.set_head(_key(1), LogHead(0, 4, 4))
    pair.exchange()
    assert pair.there.standing(_key(1)) == Standing.BEHIND


def test_many_logs_go_in_bounded_messages() -> None:
    pair = Pair()
    for number in range(600):
        pair.here.set_head(_key(number), LogHead(0, 1, 1))
    pair.exchange()
    for number in range(600):
        pair.here.forget(_key(number))
    sent = pair.messages
    pair.exchange()
    assert pair.messages == sent + 3
    assert not pair.there._remote


def test_ids_tell_nothing_to_strangers() -> None:
    key = _key(1)
    messages = []
    for handshake_hash in (HASH, bytes(64)):
        for is_initiator in (True, False):
            table = HeadsTable(handshake_hash, is_initiator=is_initiator)
            table.set_head(key, LogHead(3, 5, 4))
            (message,) = table.messages_to_send()
            messages.append(message)
            assert message[18:] == b"\3\5\4\0"
    # Neither another connection nor the other side names the log alike, so that an
    # echo of our own heads is the head of nothing.
    assert len(set(messages)) == 4
    table = HeadsTable(HASH, is_initiator=True)
    table.set_head(key, LogHead(3, 5, 4))
    table.receive(table.messages_to_send()[0])
    assert table.standing(key) is None


def test_what_a_peer_tells_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MAX_REMOTE_HEADS", 10)
    pair = Pair()
    for number in range(30):
        pair.here.set_head(_key(number), LogHead(0, number, number))
    pair.here.finish_telling()
    pair.there.set_head(_key(29), LogHead())
    pair.exchange()
    assert len(pair.there._remote) == 10
    assert pair.there.overflowed
    # Our own logs find room, and of those unknown anything is possible.
    assert pair.there.standing(_key(29)) == Standing.BEHIND
    pair.there.set_head(_key(20), LogHead())
    assert pair.there.standing(_key(20)) is None
    assert pair.there.may_have(_key(20))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"\0\1" + bytes(16) + b"\0\1\2\0",
        b"\0\1" + bytes(16) + b"\0\2\1",
        b"\0\xfd\1\1" + bytes(257 * 19),
        b"\0\0\1" + bytes(15),
        b"\0\0\xfd\1\1" + bytes(257 * 16),
    ],
)
def test_what_peers_must_not_send(message: bytes) -> None:
    table = HeadsTable(HASH, is_initiator=True)
    with pytest.raises(RemoteProtocolError):
        table.receive(message)
    assert not table._remote


def test_an_empty_store_says_so() -> None:
    pair = Pair()
    pair.here.finish_telling()
    assert pair.here.messages_to_send() == [b"\1\0\0"]
    assert pair.here.messages_to_send() == []
