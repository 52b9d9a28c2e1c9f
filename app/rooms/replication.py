"""How one room is kept equal with one peer: a machine without network and disk.

A ``Session`` stands for one room on one connection. It is moved by what the channel
brings (``remote_opened``, ``receive``), by what the room did (``entries_stored``,
``facts_changed``, ``entries_read``) and by time; what it wants done comes out of
``next_effect``. States::

    PROVING --- both sides proved the room key and a device ---> OPEN
       |                                                          |
       +--- wrong proof, nonsense, silence, removed --> CLOSED <--+

Before OPEN nothing of the room is told. Then both sides say what they hold; whoever
lacks something asks for it, what is written here goes out unasked to a peer that has
everything before it, and a peer's ``Have`` is its acknowledgement. Only logs of devices
the rules let in are asked for.

A peer that is no member as far as known here may bring the entries that make it one, is
told nothing, and has a limited time. What it is asked for does not depend on what is
here, so that it learns nothing from that either: the ends of the logs it names, one
after the other. Only who is no member itself yet, and so has nothing to hide, asks a
stranger for what it lacks.

Which session asks for a log when several could is settled by ``Claims``, shared by the
sessions of a room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from app.identity import attest_data, verify_proof
from app.rooms import keys
from app.rooms.effects import (
    Acknowledged,
    Effect,
    Ended,
    Proven,
    ReadEntries,
    Released,
    Send,
    StoreEntries,
    Terms,
)
from app.rooms.messages import (
    BYE,
    DEVICE,
    ENTRIES,
    HAVE,
    MAX_ENTRIES,
    MAX_HEADS,
    WANT,
    Entries,
    Reason,
    RemoteHead,
    Want,
    decode_bye,
    decode_device,
    decode_entries,
    decode_handshake,
    decode_have,
    decode_want,
    encode_bye,
    encode_device,
    encode_entries,
    encode_handshake,
    encode_have,
    encode_want,
)
from app.rooms.view import RoomFacts
from net.errors import RemoteProtocolError
from store.log import MAX_WRITERS, Head

MAX_REQUESTS = 16
"""Wants of one side that are not answered yet."""
MAX_READ_BYTES = 512 * 1024
"""Entries given as one answer."""
MAX_PENDING_BYTES = 8 * 1024 * 1024
"""Received entries that are not stored yet."""
MAX_PUSH_BYTES = 1024 * 1024
"""Entries sent unasked and not acknowledged; beyond, the peer has to ask."""
PROVE_LIMIT_S = 20.0
ANSWER_LIMIT_S = 60.0
"""Without any answer, while some are due."""
STRANGER_LIMIT_S = 60.0
"""In which a peer that is no member brings something that is new here."""
HELD_RETRY_S = 600.0
"""After so long a log dated too far ahead is asked for again."""


class SessionState(Enum):
    """How far two peers are about a room."""

    PROVING = "proving"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(slots=True)
class _Request:
    """A want that is not answered yet."""

    start: int
    due: float


class Claims:
    """Which session has asked for which log, so that only one does."""

    def __init__(self) -> None:
        self._held: dict[bytes, Session] = {}

    def take(self, writer: bytes, session: Session) -> bool:
        """True when nobody else has asked for this log."""
        return self._held.setdefault(writer, session) is session

    def release(self, writer: bytes, session: Session) -> bool:
        """Give one back; True when it was held by this session."""
        if self._held.get(writer) is not session:
            return False
        del self._held[writer]
        return True

    def release_all(self, session: Session) -> bool:
        """Give back everything a session held; True when there was something."""
        mine = [writer for writer, held in self._held.items() if held is session]
        for writer in mine:
            del self._held[writer]
        return bool(mine)


class Session:
    """One room with one peer.

    Attributes:
        state: How far the two are.
        remote_device: The peer's device once it is proven, else empty.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        heads: Mapping[bytes, Head],
        facts: RoomFacts,
        claims: Claims,
        now: float,
    ) -> None:
        """Begin; open the channel with ``handshake``.

        Args:
            terms: Room, profile and connection.
            heads: The room's heads, kept current by whoever owns them.
            facts: Who is who now.
            claims: Shared by the sessions of the room.
            now: Seconds of a monotonic clock.
        """
        self.state = SessionState.PROVING
        self.remote_device = b""
        self._terms = terms
        self._heads = heads
        self._facts = facts
        self._claims = claims
        self._effects: deque[Effect] = deque()
        self._remote_heads: dict[bytes, RemoteHead] = {}
        self._told: dict[bytes, int] = {}
        self._pushed: dict[bytes, int] = {}
        self._push_bytes = 0
        self._requests: dict[bytes, _Request] = {}
        self._storing: dict[bytes, list[int]] = {}
        self._starved = False
        self._asked_to: dict[bytes, int] = {}
        self._held_back: dict[bytes, float] = {}
        self._reads = 0
        self._pending_bytes = 0
        self._key_proven = False
        self._deadline: float | None = now + PROVE_LIMIT_S

    @property
    def handshake(self) -> bytes:
        """What to open the channel with: shows that this side holds the room key."""
        terms = self._terms
        return encode_handshake(
            keys.key_proof(
                terms.room_key,
                terms.handshake_hash,
                from_initiator=terms.is_initiator,
            )
        )

    @property
    def is_member(self) -> bool:
        """True while the peer's device is a member's."""
        fact = self._facts.devices.get(self.remote_device)
        return self.state is SessionState.OPEN and fact is not None and fact.present

    def next_effect(self) -> Effect | None:
        """The next thing to do, in order; None when there is nothing."""
        return self._effects.popleft() if self._effects else None

    def get_timer(self) -> float | None:
        """When ``handle_timer`` is due, in seconds of the clock given."""
        times = [request.due for request in self._requests.values()]
        times += self._held_back.values()
        if self._deadline is not None:
            times.append(self._deadline)
        return min(times) if times and self.state is not SessionState.CLOSED else None

    def handle_timer(self, now: float) -> None:
        """End the session of a peer that does not prove itself or does not answer."""
        if self.state is SessionState.CLOSED:
            return
        again = [writer for writer, due in self._held_back.items() if now >= due]
        for writer in again:
            del self._held_back[writer]
        if any(now >= request.due for request in self._requests.values()):
            self._end("silent", fault=False)
        elif self._deadline is not None and now >= self._deadline:
            if self.state is SessionState.PROVING:
                self._end("silent", fault=False)
            elif self._is_newcomer:
                self._deadline = now + STRANGER_LIMIT_S
            else:
                self._end("stranger", fault=False)
        self._ask(now, again)

    def remote_opened(self, handshake: bytes) -> None:
        """The other side opened its end of the channel."""
        try:
            proof = decode_handshake(handshake)
        except RemoteProtocolError as error:
            self._end(error.code, fault=True)
            return
        terms = self._terms
        expected = keys.key_proof(
            terms.room_key, terms.handshake_hash, from_initiator=not terms.is_initiator
        )
        if proof != expected:
            self._end("no-key", fault=True)
            return
        self._key_proven = True
        challenge = keys.device_challenge(
            terms.room, terms.handshake_hash, from_initiator=terms.is_initiator
        )
        signed = attest_data(terms.proof, terms.device, challenge)
        self._send(DEVICE, encode_device(signed))

    def receive(self, kind: int, data: bytes, now: float) -> None:
        """Take a message of the peer."""
        if self.state is SessionState.CLOSED:
            return
        try:
            self._receive(kind, data, now)
        except RemoteProtocolError as error:
            self._end(error.code, fault=True)

    def entries_stored(
        self, writer: bytes, start: int, entries: Sequence[bytes], now: float
    ) -> None:
        """Entries became durable here, written here or received from anybody.

        The heads already tell of them.
        """
        if not self.is_member:
            return
        if writer == self._terms.device.public_key and self._may_push(writer, start):
            self._push(writer, start, entries)
        self._tell([writer])
        self._ask(now, [writer])

    def put_done(
        self,
        effect: StoreEntries,
        now: float,
        *,
        stored_count: int,
        held: bool = False,
        failed: str = "",
    ) -> None:
        """What ``StoreEntries`` asked for was done, or failed for a reason.

        Args:
            effect: What was asked for.
            now: Seconds of the clock.
            stored_count: Entries that were new.
            held: Some were dated too far ahead to be taken yet.
            failed: Why they were refused.
        """
        writer = effect.writer
        self._pending_bytes -= sum(map(len, effect.entries))
        ends = self._storing[writer]
        ends.pop(0)
        if not ends:
            del self._storing[writer]
        if self.state is SessionState.CLOSED:
            return
        if failed:
            self._end(failed, fault=True)
            return
        if held:
            self._held_back[writer] = now + HELD_RETRY_S
        elif effect.asked and not stored_count and self._was_useless(effect):
            self._end("no-progress", fault=True)
            return
        if stored_count and not self.is_member:
            self._deadline = now + STRANGER_LIMIT_S
        self._tell([writer])
        self._ask(now, [writer])
        if self._starved:
            self._starved = False
            self._ask(now, list(self._remote_heads))
        self._let_go(writer)

    def facts_changed(self, facts: RoomFacts, now: float) -> None:
        """Members or devices changed."""
        before = self.is_member
        self._facts = facts
        if self.state is not SessionState.OPEN:
            return
        if self._removed():
            self._send(BYE, encode_bye(Reason.REMOVED))
            self._end("removed", fault=False)
            return
        if self.is_member and not before:
            self._deadline = None
            self._tell(list(self._heads))
        self._ask(now, list(self._remote_heads))

    def claims_released(self, now: float, writer: bytes | None = None) -> None:
        """What another session had asked for, one log or all, may be asked for here."""
        self._ask(now, list(self._remote_heads) if writer is None else [writer])

    def entries_read(self, want: Want, entries: Sequence[bytes]) -> None:
        """The answer to ``ReadEntries``."""
        self._reads -= 1
        if entries and self.is_member:
            portion = Entries(want.writer, want.start, tuple(entries))
            self._send(ENTRIES, encode_entries(portion))

    def say_bye(self) -> None:
        """Tell the peer that this side leaves the room, and end."""
        if self.state is SessionState.OPEN:
            self._send(BYE, encode_bye(Reason.LEFT))
        self._end("left", fault=False)

    def channel_closed(self) -> None:
        """The channel or its connection is gone."""
        self._end("closed", fault=False)

    def _receive(self, kind: int, data: bytes, now: float) -> None:
        if kind == DEVICE:
            self._receive_device(data, now)
            return
        if self.state is not SessionState.OPEN:
            raise RemoteProtocolError("a message before the proof", code="unproven")
        if kind == HAVE:
            self._receive_have(decode_have(data), now)
        elif kind == WANT:
            self._receive_want(decode_want(data))
        elif kind == ENTRIES:
            self._receive_entries(decode_entries(data), now)
        elif kind == BYE:
            decode_bye(data)
            self._end("bye", fault=False)

    def _receive_device(self, data: bytes, now: float) -> None:
        if self.state is not SessionState.PROVING or not self._key_proven:
            raise RemoteProtocolError("a device out of turn", code="unproven")
        terms = self._terms
        proof = decode_device(data)
        challenge = keys.device_challenge(
            terms.room, terms.handshake_hash, from_initiator=not terms.is_initiator
        )
        if not verify_proof(proof, data=challenge):
            raise RemoteProtocolError("the device is not proven", code="unproven")
        known = self._facts.devices.get(proof.device)
        if known is not None and known.identity not in (b"", proof.identity):
            raise RemoteProtocolError("another person's device", code="unproven")
        self.state = SessionState.OPEN
        self._deadline = now + STRANGER_LIMIT_S
        self.remote_device = proof.device
        self._effects.append(Proven(proof.device, proof.identity))
        self.facts_changed(self._facts, now)
        if self.is_member:
            self._deadline = None
            self._tell(list(self._heads))

    def _receive_have(self, heads: list[RemoteHead], now: float) -> None:
        own = self._terms.device.public_key
        for head in heads:
            if (
                head.writer not in self._remote_heads
                and len(self._remote_heads) >= MAX_WRITERS
            ):
                raise RemoteProtocolError("too many writers", code="too-many")
            before = self._remote_heads.get(head.writer)
            self._remote_heads[head.writer] = head
            if head.writer == own:
                self._acknowledged(before, head)
        self._ask(now, [head.writer for head in heads])

    def _acknowledged(self, before: RemoteHead | None, head: RemoteHead) -> None:
        if head.length >= self._pushed.get(head.writer, 0):
            self._push_bytes = 0
        mine = self._heads.get(head.writer)
        grown = before is None or head.length > before.length
        if grown and self.is_member and mine is not None and head.length <= mine.length:
            self._effects.append(Acknowledged(self.remote_device, head.length))

    def _receive_want(self, want: Want) -> None:
        if not self.is_member:
            return
        mine = self._heads.get(want.writer)
        if mine is None or want.end > mine.length:
            raise RemoteProtocolError("wants what was not offered", code="range")
        if self._reads >= MAX_REQUESTS:
            raise RemoteProtocolError("wants too much at once", code="too-many")
        self._reads += 1
        self._effects.append(ReadEntries(want))

    def _receive_entries(self, offered: Entries, now: float) -> None:
        writer = offered.writer
        end = offered.start + len(offered.entries)
        request = self._requests.get(writer)
        asked = request is not None and request.start == offered.start
        if asked:
            del self._requests[writer]
            self._asked_to[writer] = end
            # On a slow link the others are still on their way.
            for waiting in self._requests.values():
                waiting.due = now + ANSWER_LIMIT_S
        if writer not in self._facts.devices:
            self._let_go(writer)
            return
        mine = self._heads.get(writer)
        length = mine.length if mine else 0
        known = self._remote_heads.get(writer)
        if known is None or known.length < end:
            if known is None and len(self._remote_heads) >= MAX_WRITERS:
                raise RemoteProtocolError("too many writers", code="too-many")
            self._remote_heads[writer] = RemoteHead(writer, end, b"")
        size = sum(map(len, offered.entries))
        room_left = self._pending_bytes + size <= MAX_PENDING_BYTES
        if asked and not room_left:
            raise RemoteProtocolError("too much at once", code="too-many")
        # What waits to be stored counts: it will be there when this one's turn comes.
        reached = max([length, *self._storing.get(writer, ())])
        if offered.start > reached or (mine and mine.forked) or not room_left:
            self._ask(now, [writer])
            self._let_go(writer)
            return
        self._pending_bytes += size
        self._storing.setdefault(writer, []).append(end)
        self._effects.append(
            StoreEntries(writer, offered.start, offered.entries, asked)
        )

    def _let_go(self, writer: bytes) -> None:
        """Give a claim back when nothing of that log is under way here."""
        if writer in self._requests or writer in self._storing:
            return
        if self._claims.release(writer, self):
            self._effects.append(Released(writer))

    def _was_useless(self, effect: StoreEntries) -> bool:
        """True when an answer left this side where it was: do not ask for ever."""
        if not self.is_member and not self._is_newcomer:
            return False  # It was asked whatever is here.
        head = self._heads.get(effect.writer)
        if head is None:
            return True
        if head.forked:
            return False
        known = self._remote_heads.get(effect.writer)
        differs = known is not None and self._differs(known, head)
        return head.length <= effect.start or differs

    def _lacks(self, head: RemoteHead) -> bool:
        """True when the peer holds something of a log that belongs here."""
        fact = self._facts.devices.get(head.writer)
        if fact is None:
            return False
        mine = self._heads.get(head.writer)
        if mine is None:
            return head.length > 0 and fact.wanted_length != 0
        if mine.forked:
            return False
        if fact.wanted_length is not None and mine.length >= fact.wanted_length:
            return False
        return head.length > mine.length or self._differs(head, mine)

    def _differs(self, head: RemoteHead, mine: Head) -> bool:
        """True when both logs are as long and end differently: somebody forked."""
        return head.length == mine.length > 0 and head.hash not in (b"", mine.hash)

    @property
    def _is_newcomer(self) -> bool:
        """True while this device is no member as far as it knows."""
        me = self._facts.devices.get(self._terms.device.public_key)
        return me is None or not me.present

    def _ask(self, now: float, writers: Sequence[bytes]) -> None:
        """Ask for what the peer has and this side lacks, as far as limits allow."""
        if self.state is not SessionState.OPEN:
            return
        if not self.is_member:
            self._ask_stranger(now)
            return
        for writer in writers:
            head = self._remote_heads.get(writer)
            if head is None or writer in self._held_back or not self._lacks(head):
                continue
            if writer in self._requests or writer in self._storing:
                continue
            if len(self._requests) >= MAX_REQUESTS:
                self._starved = True
                return
            if self._claims.take(writer, self):
                self._request(head, self._start_of(head), now)

    def _ask_stranger(self, now: float) -> None:
        """Ask who is no member for one thing, whatever is here, and without a claim."""
        if self._requests or self._storing:
            return
        for writer, head in self._remote_heads.items():
            if writer not in self._facts.devices or writer in self._held_back:
                continue
            if self._is_newcomer:
                if self._lacks(head):
                    self._request(head, self._start_of(head), now)
                    return
                continue
            start = max(self._asked_to.get(writer, 0), head.length - MAX_ENTRIES)
            if start < head.length:
                self._request(head, start, now)
                return

    def _start_of(self, head: RemoteHead) -> int:
        """From where to ask for a log."""
        mine = self._heads.get(head.writer)
        if mine is None:
            return 0
        return mine.length - 1 if self._differs(head, mine) else mine.length

    def _request(self, head: RemoteHead, start: int, now: float) -> None:
        want = Want(head.writer, start, min(head.length, start + MAX_ENTRIES))
        self._requests[head.writer] = _Request(start, now + ANSWER_LIMIT_S)
        self._send(WANT, encode_want(want))

    def _tell(self, writers: Sequence[bytes]) -> None:
        """Say how far logs reach here, where the peer has not heard it."""
        if not self.is_member:
            return
        news = []
        for writer in writers:
            head = self._heads.get(writer)
            if head is not None and head.length != self._told.get(writer):
                self._told[writer] = head.length
                news.append(RemoteHead(writer, head.length, head.hash))
        for start in range(0, len(news), MAX_HEADS):
            self._send(HAVE, encode_have(news[start : start + MAX_HEADS]))

    def _may_push(self, writer: bytes, start: int) -> bool:
        known = self._remote_heads.get(writer)
        reached = max(known.length if known else 0, self._pushed.get(writer, 0))
        return reached == start and self._push_bytes < MAX_PUSH_BYTES

    def _push(self, writer: bytes, start: int, entries: Sequence[bytes]) -> None:
        first = start
        for portion in _portions(entries):
            self._send(ENTRIES, encode_entries(Entries(writer, first, portion)))
            first += len(portion)
        self._pushed[writer] = first
        self._push_bytes += sum(map(len, entries))

    def _removed(self) -> bool:
        """True when the peer's device was let in once and is no member's any more."""
        fact = self._facts.devices.get(self.remote_device)
        return fact is not None and fact.identity != b"" and not fact.present

    def _send(self, kind: int, data: bytes) -> None:
        self._effects.append(Send(kind, data))

    def _end(self, reason: str, *, fault: bool) -> None:
        if self.state is SessionState.CLOSED:
            return
        self.state = SessionState.CLOSED
        self._requests.clear()
        self._deadline = None
        self._effects.append(Ended(reason, fault))


def _portions(entries: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    """The entries in order, as much at a time as one message may carry."""
    portion: list[bytes] = []
    portion_bytes = 0
    for entry in entries:
        full = portion_bytes + len(entry) > MAX_READ_BYTES
        if portion and (full or len(portion) == MAX_ENTRIES):
            yield tuple(portion)
            portion, portion_bytes = [], 0
        portion.append(entry)
        portion_bytes += len(entry)
    if portion:
        yield tuple(portion)
