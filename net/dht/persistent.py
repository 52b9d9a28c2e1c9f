"""What a persistent node keeps for others: announcements, and small signed records.

Answers FIND_PEER, LOOKUP, ANNOUNCE, UNANNOUNCE, MUTABLE_PUT/GET and IMMUTABLE_PUT/GET.
Everything is bounded and ages (:mod:`net.dht.caches`); what does not verify is dropped
without an answer and counted. Only nodes with an id of their own hold one of these: the
signatures name that id. Upstream: hyperdht 6.34.0 ``lib/persistent.js``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from net.crypto import blake2b_256
from net.dht.caches import GenerationCache, RecordCache
from net.dht.constants import (
    MAX_BUMP_DRIFT_MS,
    MAX_BUMPS,
    MAX_IMMUTABLES,
    MAX_LOOKUP_RECORDS,
    MAX_MUTABLES,
    MAX_RECORD_BYTES,
    MAX_RECORDS,
    MAX_REFRESHES,
    MAX_RELAY_ADDRESSES,
    NS_ANNOUNCE,
    NS_UNANNOUNCE,
    RECORD_AGE_S,
    SEQ_REUSED,
    SEQ_TOO_LOW,
    VALUE_AGE_S,
    Command,
)
from net.dht.messages import (
    Announcement,
    MutablePut,
    MutableValue,
    PeerRecord,
    encode_lookup_reply,
)
from net.dht.records import verify_announcement, verify_mutable
from net.dht.router import Forward, Router
from net.encoding import Reader
from net.errors import RemoteProtocolError

if TYPE_CHECKING:
    from net.rpc import Request


@dataclass(frozen=True, slots=True)
class _Refresh:
    """What a refresh token renews."""

    target: bytes
    public_key: bytes
    record: bytes
    announces_self: bool


class Persistent:
    """The storage of one node.

    Args:
        router: Holds the forward entries of peers that announce themselves.
        node_id: The own id, asked each time; None while the node has none.
        entropy: Source of random bytes.
        wall_clock_ms: The time of day in ms, for bumps; None stores no bumps.
        record_age_s: Age of announcements, in seconds.
        value_age_s: Age of mutable and immutable records, in seconds.

    Attributes:
        dropped: Requests not answered, counted by reason.
    """

    def __init__(
        self,
        *,
        router: Router,
        node_id: Callable[[], bytes | None],
        entropy: Callable[[int], bytes],
        wall_clock_ms: Callable[[], int] | None = None,
        record_age_s: float = RECORD_AGE_S,
        value_age_s: float = VALUE_AGE_S,
    ) -> None:
        self._router = router
        self._node_id = node_id
        self._wall_clock_ms = wall_clock_ms
        self.records = RecordCache(
            max_records=MAX_RECORDS, max_age_s=record_age_s, entropy=entropy
        )
        self.bumps: GenerationCache[bytes, int] = GenerationCache(
            max_entries=MAX_BUMPS, max_age_s=record_age_s
        )
        self.refreshes: GenerationCache[bytes, _Refresh] = GenerationCache(
            max_entries=MAX_REFRESHES, max_age_s=record_age_s
        )
        self.mutables: GenerationCache[bytes, bytes] = GenerationCache(
            max_entries=MAX_MUTABLES, max_age_s=value_age_s
        )
        self.immutables: GenerationCache[bytes, bytes] = GenerationCache(
            max_entries=MAX_IMMUTABLES, max_age_s=value_age_s
        )
        self.dropped: Counter[str] = Counter()
        self._handlers: dict[int, Callable[[Request, float], str | None]] = {
            Command.FIND_PEER: self._on_find_peer,
            Command.LOOKUP: self._on_lookup,
            Command.ANNOUNCE: self._on_announce,
            Command.UNANNOUNCE: self._on_unannounce,
            Command.MUTABLE_PUT: self._on_mutable_put,
            Command.MUTABLE_GET: self._on_mutable_get,
            Command.IMMUTABLE_PUT: self._on_immutable_put,
            Command.IMMUTABLE_GET: self._on_immutable_get,
        }

    def handle(self, request: Request, now: float) -> bool:
        """Answer a request, or drop it and count why.

        Returns:
            False if the command is none of those served here.
        """
        handler = self._handlers.get(request.command)
        if handler is None:
            return False
        try:
            reason = handler(request, now)
        except RemoteProtocolError as error:
            reason = error.code
        if reason is not None:
            self.dropped[reason] += 1
        return True

    def unannounce(self, target: bytes, public_key: bytes) -> None:
        """Forget that a peer announced a topic, or itself.

        A server of ours stays, since another device with the same key may go while we
        still listen.
        """
        if blake2b_256(public_key) == target:
            self._router.discard(target)
        self.records.remove(target, public_key)

    def _on_find_peer(self, request: Request, now: float) -> str | None:
        if request.target is None:
            return "no-target"
        forward = self._router.get(request.target, now)
        request.reply(None if forward is None else forward.record)
        return None

    def _on_lookup(self, request: Request, now: float) -> str | None:
        target = request.target
        if target is None:
            return "no-target"
        records = self.records.pick(target, MAX_LOOKUP_RECORDS, now)
        forward = self._router.get(target, now)
        if forward is not None and len(records) < MAX_LOOKUP_RECORDS:
            records.append(forward.record)
        if not records:
            request.reply(None)
            return None
        bump = self.bumps.get(target, now) or 0
        request.reply(encode_lookup_reply(records, bump))
        return None

    def _on_announce(self, request: Request, now: float) -> str | None:
        target, token, node_id = request.target, request.token, self._node_id()
        if target is None or token is None or node_id is None:
            return "no-token"
        announcement = Announcement.decode(request.value or b"")
        peer = announcement.peer
        if peer is None:
            if announcement.refresh is None:
                return "empty-announce"
            return self._renew(announcement.refresh, request, now)
        if not verify_announcement(
            announcement, NS_ANNOUNCE, target=target, node_id=node_id, token=token
        ):
            return "bad-signature"
        relays = peer.relay_addresses[:MAX_RELAY_ADDRESSES]
        entry = _Refresh(
            target,
            peer.public_key,
            PeerRecord(peer.public_key, relays).encode(),
            blake2b_256(peer.public_key) == target,
        )
        self._store(entry, request, now)
        if not entry.announces_self:
            self._store_bump(target, announcement.bump, now)
        if announcement.refresh is not None:
            self.refreshes.set(announcement.refresh, entry, now)
        request.reply(None, token=False, closer_nodes=False)
        return None

    def _renew(self, refresh: bytes, request: Request, now: float) -> str | None:
        """Renew by the next link of a hash chain: the token sent hashes to the key."""
        key = blake2b_256(refresh)
        entry = self.refreshes.get(key, now)
        if entry is None:
            return "unknown-refresh"
        self._store(entry, request, now)
        self.refreshes.delete(key)
        self.refreshes.set(refresh, entry, now)
        request.reply(None, token=False, closer_nodes=False)
        return None

    def _store(self, entry: _Refresh, request: Request, now: float) -> None:
        if entry.announces_self:
            forward = Forward(record=entry.record, relay=request.source)
            self._router.set(entry.target, forward, now)
            self.records.remove(entry.target, entry.public_key)
        else:
            self.records.add(entry.target, entry.public_key, entry.record, now)

    def _store_bump(self, target: bytes, bump: int, now: float) -> None:
        if self._wall_clock_ms is None or bump <= (self.bumps.get(target, now) or 0):
            return
        if bump <= self._wall_clock_ms() + MAX_BUMP_DRIFT_MS:
            self.bumps.set(target, bump, now)

    def _on_unannounce(self, request: Request, now: float) -> str | None:
        del now
        target, token, node_id = request.target, request.token, self._node_id()
        if target is None or token is None or node_id is None:
            return "no-token"
        announcement = Announcement.decode(request.value or b"")
        if announcement.peer is None:
            return "empty-announce"
        if not verify_announcement(
            announcement, NS_UNANNOUNCE, target=target, node_id=node_id, token=token
        ):
            return "bad-signature"
        self.unannounce(target, announcement.peer.public_key)
        request.reply(None, token=False, closer_nodes=False)
        return None

    def _on_mutable_put(self, request: Request, now: float) -> str | None:
        if request.target is None or request.token is None or request.value is None:
            return "no-token"
        if len(request.value) > MAX_RECORD_BYTES:
            return "too-large"
        put = MutablePut.decode(request.value)
        if blake2b_256(put.public_key) != request.target:
            return "wrong-target"
        if not verify_mutable(put.public_key, put.seq, put.value, put.signature):
            return "bad-signature"
        stored = self.mutables.get(request.target, now)
        if stored is not None:
            existing = MutableValue.decode(stored)
            if existing.seq == put.seq and existing.value != put.value:
                request.reply(None, error=SEQ_REUSED)
                return None
            if put.seq < existing.seq:
                request.reply(None, error=SEQ_TOO_LOW)
                return None
        value = MutableValue(put.seq, put.value, put.signature).encode()
        self.mutables.set(request.target, value, now)
        request.reply(None)
        return None

    def _on_mutable_get(self, request: Request, now: float) -> str | None:
        if request.target is None or request.value is None:
            return "no-target"
        wanted = Reader(request.value).uint()
        stored = self.mutables.get(request.target, now)
        if stored is not None and Reader(stored).uint() < wanted:
            stored = None
        request.reply(stored)
        return None

    def _on_immutable_put(self, request: Request, now: float) -> str | None:
        if request.target is None or request.token is None or request.value is None:
            return "no-token"
        if len(request.value) > MAX_RECORD_BYTES:
            return "too-large"
        if blake2b_256(request.value) != request.target:
            return "wrong-target"
        self.immutables.set(request.target, request.value, now)
        request.reply(None)
        return None

    def _on_immutable_get(self, request: Request, now: float) -> str | None:
        if request.target is None:
            return "no-target"
        request.reply(self.immutables.get(request.target, now))
        return None
