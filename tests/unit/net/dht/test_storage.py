"""What a node keeps for others: two generations, limits, signatures, answers."""

from __future__ import annotations

from typing import Any, cast

import pytest

from net.crypto import KeyPair, blake2b_256, sign
from net.dht.caches import GenerationCache, RecordCache
from net.dht.constants import (
    MAX_LOOKUP_RECORDS,
    MAX_RECORD_BYTES,
    NS_ANNOUNCE,
    SEQ_REUSED,
    SEQ_TOO_LOW,
    Command,
)
from net.dht.messages import (
    Announcement,
    LookupReply,
    MutablePut,
    MutableValue,
    PeerRecord,
)
from net.dht.persistent import Persistent
from net.dht.records import (
    announcement_signable,
    sign_mutable,
    signed_announcement,
    signed_unannouncement,
)
from net.dht.router import Forward, HandshakeHandler, Router
from net.encoding import Writer
from net.rpc import Request
from tests.unit.net.dht.requests import RecordedRequest

NODE_ID = b"n" * 32
TOKEN = b"t" * 32
TOPIC = b"T" * 32
NOW_MS = 1_700_000_000_000
AGE_S = 30.0


def counting() -> Any:
    state = [0]

    def entropy(size: int) -> bytes:
        state[0] += 1
        return blake2b_256(state[0].to_bytes(4, "little"))[:size]

    return entropy


def pair(number: int) -> KeyPair:
    return KeyPair.from_seed(number.to_bytes(32, "big"))


class Node:
    """A storage and what it answered."""

    def __init__(self, *, wall_clock: bool = True) -> None:
        self.router = Router(max_age_s=AGE_S)
        self.node_id: bytes | None = NODE_ID
        self.persistent = Persistent(
            router=self.router,
            node_id=lambda: self.node_id,
            entropy=counting(),
            wall_clock_ms=(lambda: NOW_MS) if wall_clock else None,
            record_age_s=AGE_S,
            value_age_s=AGE_S,
        )
        self.now = 0.0

    def ask(self, command: int, **what: Any) -> dict[str, Any] | None:
        """Give the answer to a request, None for silence."""
        request = RecordedRequest(command, **what)
        assert self.persistent.handle(cast(Request, request), self.now)
        assert len(request.replies) <= 1
        return request.replies[0] if request.replies else None

    def announce(self, keys: KeyPair, topic: bytes = TOPIC, **options: Any) -> Any:
        value = signed_announcement(
            keys, target=topic, node_id=NODE_ID, token=TOKEN, **options
        )
        return self.ask(Command.ANNOUNCE, target=topic, token=TOKEN, value=value)

    def lookup(self, topic: bytes = TOPIC) -> LookupReply | None:
        answer = self.ask(Command.LOOKUP, target=topic)
        assert answer is not None
        value = answer["value"]
        return None if value is None else LookupReply.decode(value)

    def keys(self, topic: bytes = TOPIC) -> set[bytes]:
        found = self.lookup(topic)
        return set() if found is None else {p.public_key for p in found.peers}


# -- caches ----------------------------------------------------------------------


def test_entries_live_between_two_and_four_thirds_of_the_age() -> None:
    cache: GenerationCache[str, int] = GenerationCache(max_entries=9, max_age_s=30)
    cache.set("a", 1, 0.0)
    cache.set("b", 2, 19.0)
    assert cache.get("c", 19.0) is None
    # After 20 s a new generation begins; reading "a" carries it over, "b" is left.
    assert cache.get("a", 21.0) == 1
    assert cache.get("b", 39.9) == 2
    assert cache.get("a", 41.0) == 1
    assert cache.get("b", 95.0) is None
    assert len(cache) == 0


def test_a_full_generation_pushes_the_one_before_out() -> None:
    cache: GenerationCache[int, int] = GenerationCache(max_entries=3, max_age_s=0)
    for number in range(100):
        cache.set(number, number, 0.0)
        assert len(cache) <= 6
    assert cache.get(99, 0.0) == 99
    assert cache.get(0, 1e9) is None


def test_retained_entries_stay_and_are_not_overwritten() -> None:
    cache: GenerationCache[str, int] = GenerationCache(max_entries=2, max_age_s=1)
    cache.set("own", 1, 0.0)
    cache.retain("own", 2)
    cache.set("own", 3, 0.0)
    assert cache.get("own", 1000.0) == 2
    cache.delete("own")
    assert cache.get("own", 1000.0) is None


def test_records_are_dealt_fairly_without_repeats() -> None:
    cache = RecordCache(max_records=1000, max_age_s=30, entropy=counting())
    for number in range(60):
        key = number.to_bytes(2, "big")
        cache.add(TOPIC, key, key, 0.0 if number < 30 else 21.0)
    seen: set[bytes] = set()
    for _ in range(40):
        dealt = cache.pick(TOPIC, 20, 22.0)
        assert len(set(dealt)) == 20
        seen |= set(dealt)
    assert len(seen) == 60
    assert cache.pick(b"other" * 7, 20, 22.0) == []
    assert len(cache.pick(TOPIC, 20, 41.0)) == 20
    assert len(cache) == 30, "the first thirty were not announced again"


def test_records_are_removed_and_bounded() -> None:
    cache = RecordCache(max_records=10, max_age_s=30, entropy=counting())
    for number in range(100):
        cache.add(TOPIC, number.to_bytes(2, "big"), b"r", 0.0)
        assert len(cache) <= 20
    for number in range(100):
        cache.remove(TOPIC, number.to_bytes(2, "big"))
    cache.remove(b"nowhere", b"nothing")
    assert len(cache) == 0


# -- announcements ---------------------------------------------------------------


def test_announce_lookup_unannounce() -> None:
    node = Node()
    relays = tuple((f"1.2.3.{n}", n) for n in range(1, 6))
    answer = node.announce(pair(1), relay_addresses=relays)
    assert answer == {"value": None, "token": False, "closer_nodes": False}
    assert node.announce(pair(2)) is not None
    found = node.lookup()
    assert found is not None
    assert set(found.peers) == {
        PeerRecord(pair(1).public_key, relays[:3]),
        PeerRecord(pair(2).public_key),
    }
    value = signed_unannouncement(pair(1), target=TOPIC, node_id=NODE_ID, token=TOKEN)
    assert node.ask(Command.UNANNOUNCE, target=TOPIC, token=TOKEN, value=value)
    assert node.keys() == {pair(2).public_key}


def test_announcing_oneself_makes_a_forward_entry() -> None:
    node = Node()
    keys = pair(1)
    target = blake2b_256(keys.public_key)
    node.persistent.records.add(target, keys.public_key, b"old", 0.0)
    assert node.announce(keys, target) is not None
    forward = node.router.get(target, 0.0)
    assert forward is not None
    assert forward.relay == ("9.9.9.9", 999)
    answer = node.ask(Command.FIND_PEER, target=target)
    assert answer is not None
    assert PeerRecord.decode(answer["value"]) == PeerRecord(keys.public_key)
    assert node.keys(target) == {keys.public_key}
    assert len(node.persistent.records) == 0
    node.persistent.unannounce(target, keys.public_key)
    assert node.ask(Command.FIND_PEER, target=target) == {"value": None}


def test_another_device_that_goes_leaves_the_server_of_the_same_key_here() -> None:
    node, keys = Node(), pair(1)
    target = blake2b_256(keys.public_key)
    ours = Forward(record=b"ours", server=cast(HandshakeHandler, object()))
    node.router.set(target, ours, 0.0)
    value = signed_unannouncement(keys, target=target, node_id=NODE_ID, token=TOKEN)
    answer = node.ask(Command.UNANNOUNCE, target=target, token=TOKEN, value=value)
    assert answer == {"value": None, "token": False, "closer_nodes": False}
    assert node.router.get(target, 0.0) is ours
    node.router.delete(target)
    assert node.router.get(target, 0.0) is None


def test_lookups_tell_at_most_twenty_and_the_forward_entry_with_room() -> None:
    node = Node()
    for number in range(1, 40):
        node.announce(pair(number))
    found = node.lookup()
    assert found is not None
    assert len(found.peers) == MAX_LOOKUP_RECORDS


def test_announcements_age_and_are_renewed_by_announcing() -> None:
    node = Node()
    node.announce(pair(1))
    node.announce(pair(2))
    node.now = 21.0
    node.announce(pair(2))
    assert node.keys() == {pair(1).public_key, pair(2).public_key}
    node.now = 41.0
    assert node.keys() == {pair(2).public_key}


def test_bumps_rise_and_stay_within_the_clock() -> None:
    node = Node()
    for bump, expected in [
        (NOW_MS, NOW_MS),
        (NOW_MS - 5, NOW_MS),
        (NOW_MS + 50_000, NOW_MS + 50_000),
        (NOW_MS + 70_000, NOW_MS + 50_000),
    ]:
        node.announce(pair(1), bump=bump)
        found = node.lookup()
        assert found is not None
        assert found.bump == expected
    without_clock = Node(wall_clock=False)
    without_clock.announce(pair(1), bump=5)
    found = without_clock.lookup()
    assert found is not None
    assert found.bump == 0


@pytest.mark.parametrize("announces_self", [True, False])
def test_refresh_tokens_renew_backwards_along_the_chain(announces_self: bool) -> None:
    node, keys = Node(), pair(1)
    topic = blake2b_256(keys.public_key) if announces_self else TOPIC
    last = b"secret" + bytes(26)
    chain = [blake2b_256(blake2b_256(last)), blake2b_256(last), last]
    peer = PeerRecord(keys.public_key)
    signable = announcement_signable(
        NS_ANNOUNCE,
        target=topic,
        node_id=NODE_ID,
        token=TOKEN,
        peer=peer,
        refresh=chain[0],
    )
    value = Announcement(peer, chain[0], sign(signable, keys.secret_key)).encode()
    assert node.ask(Command.ANNOUNCE, target=topic, token=TOKEN, value=value)
    for link in chain[1:]:
        node.persistent.unannounce(topic, keys.public_key)
        value = Announcement(refresh=link).encode()
        assert node.ask(Command.ANNOUNCE, target=topic, token=TOKEN, value=value)
        assert node.keys(topic) == {keys.public_key}
    assert not node.ask(Command.ANNOUNCE, target=topic, token=TOKEN, value=value)
    assert node.persistent.dropped["unknown-refresh"] == 1


def test_what_does_not_verify_is_silence_and_counted() -> None:
    node, keys = Node(), pair(1)
    good = signed_announcement(keys, target=TOPIC, node_id=NODE_ID, token=TOKEN)
    forged = bytearray(good)
    forged[-1] ^= 1
    unsigned = Announcement(PeerRecord(keys.public_key)).encode()
    empty = Announcement().encode()
    for command in (Command.ANNOUNCE, Command.UNANNOUNCE):
        for what in (
            {"target": TOPIC, "value": good},
            {"token": TOKEN, "value": good},
            {"target": TOPIC, "token": TOKEN, "value": bytes(forged)},
            {"target": TOPIC, "token": TOKEN, "value": unsigned},
            {"target": TOPIC, "token": b"x" * 32, "value": good},
            {"target": b"x" * 32, "token": TOKEN, "value": good},
            {"target": TOPIC, "token": TOKEN, "value": empty},
            {"target": TOPIC, "token": TOKEN, "value": b"\xff"},
            {"target": TOPIC, "token": TOKEN},
        ):
            assert node.ask(command, **what) is None
    node.node_id = None
    assert node.ask(Command.ANNOUNCE, target=TOPIC, token=TOKEN, value=good) is None
    assert node.persistent.dropped == {
        "no-token": 5,
        "bad-signature": 8,
        "empty-announce": 2,
        "too-short": 4,
    }
    assert len(node.persistent.records) == 0
    assert node.ask(Command.FIND_PEER) is None
    assert node.ask(Command.LOOKUP) is None


# -- records ---------------------------------------------------------------------


def put(keys: KeyPair, seq: int, value: bytes) -> bytes:
    signature = sign_mutable(keys, seq, value)
    return MutablePut(keys.public_key, seq, value, signature).encode()


def test_mutable_records_go_forward_only() -> None:
    node, keys = Node(), pair(1)
    where = {"target": blake2b_256(keys.public_key), "token": TOKEN}
    for seq, value, error in [
        (3, b"three", None),
        (3, b"three", None),
        (3, b"other", SEQ_REUSED),
        (2, b"two", SEQ_TOO_LOW),
        (4, b"four", None),
    ]:
        answer = node.ask(Command.MUTABLE_PUT, **where, value=put(keys, seq, value))
        assert answer == ({"value": None} | ({"error": error} if error else {}))
    target = where["target"]
    for wanted, found in [(0, b"four"), (4, b"four"), (5, None)]:
        answer = node.ask(
            Command.MUTABLE_GET, target=target, value=Writer().uint(wanted).finish()
        )
        assert answer is not None
        stored = answer["value"]
        assert (stored and MutableValue.decode(stored).value) == found
    assert node.ask(Command.MUTABLE_GET, target=target) is None
    assert node.ask(Command.MUTABLE_GET, target=target, value=b"\xfd") is None


def test_mutable_records_need_target_signature_token_and_size() -> None:
    node, keys = Node(), pair(1)
    target = blake2b_256(keys.public_key)
    good = put(keys, 1, b"x")
    forged = good[:-1] + bytes([good[-1] ^ 1])
    for what in (
        {"target": TOPIC, "token": TOKEN, "value": good},
        {"target": target, "token": TOKEN, "value": forged},
        {"target": target, "value": good},
        {"target": target, "token": TOKEN},
        {"target": target, "token": TOKEN, "value": put(keys, 1, bytes(1400))},
        {"target": target, "token": TOKEN, "value": good[:50]},
    ):
        assert node.ask(Command.MUTABLE_PUT, **what) is None
    assert node.persistent.dropped == {
        "wrong-target": 1,
        "bad-signature": 1,
        "no-token": 2,
        "too-large": 1,
        "too-short": 1,
    }
    assert len(node.persistent.mutables) == 0


def test_immutable_values_are_their_hash() -> None:
    node, value = Node(), b"for ever"
    target = blake2b_256(value)
    assert node.ask(Command.IMMUTABLE_GET, target=target) == {"value": None}
    where = {"target": target, "token": TOKEN}
    assert node.ask(Command.IMMUTABLE_PUT, **where, value=value) == {"value": None}
    assert node.ask(Command.IMMUTABLE_GET, target=target) == {"value": value}
    assert node.ask(Command.IMMUTABLE_PUT, **where, value=b"other") is None
    assert node.ask(Command.IMMUTABLE_PUT, target=target, value=value) is None
    large = bytes(MAX_RECORD_BYTES + 1)
    where = {"target": blake2b_256(large), "token": TOKEN}
    assert node.ask(Command.IMMUTABLE_PUT, **where, value=large) is None
    assert node.ask(Command.IMMUTABLE_GET) is None
    node.now = 1000.0
    assert node.ask(Command.IMMUTABLE_GET, target=target) == {"value": None}


def test_other_commands_are_left_to_others() -> None:
    request = RecordedRequest(Command.PLUGIN)
    assert not Node().persistent.handle(cast(Request, request), 0.0)


def test_an_own_server_is_found_by_its_forward_entry() -> None:
    node = Node()
    target = blake2b_256(pair(1).public_key)
    record = PeerRecord(pair(1).public_key).encode()
    node.router.set(target, Forward(record=record), 0.0)
    assert node.ask(Command.FIND_PEER, target=target) == {"value": record}
