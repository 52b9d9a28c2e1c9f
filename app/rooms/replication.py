"""How one room is kept equal with one peer: a machine without network and disk.

A ``Session`` stands for one room on one connection. It is moved by what the channel
brings (``remote_opened``, ``receive``, ``log_asked``), by what the room did
(``head_changed``, ``facts_changed``) and by time; what it wants done comes out of
``next_effect``. States::

    PROVING --- both sides proved the room key and a device ---> OPEN
       |                                                          |
       |                                      removed: PARTING <--+
       |                                                  |       |
       +--- wrong proof, nonsense, silence ----> CLOSED <-+-------+

Before OPEN nothing of the room is told. Then both sides say what they hold. The blocks
travel on Hypercore's channels, one a log, and a session decides which of those are
open: those of the two devices at the ends, where whatever is written shall arrive at
once; and those of which the peer has more, as long as that is so and a while longer.
Whoever lacks something opens; the other side is asked by ``log_asked``. A peer's
``Have`` is its acknowledgement. Only logs of devices the rules let in are fetched.

Who was removed is shown the act that did it, if that can be found, and nothing else.

A peer that is no member as far as known here may bring the logs that make it one, is
told and served nothing, and has a limited time. What it is asked for does not depend on
what is here, so that it learns nothing from that either: the ends of the logs it names,
one after the other. Only who is no member itself yet, and so has nothing to hide,
fetches what it lacks from a stranger.

From how many peers a log is fetched at a time is settled by ``Sources``, shared by the
sessions of a room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf

from app.identity import attest_data, verify_proof
from app.rooms import keys
from app.rooms.blocks import MAX_WRITERS, NO_HASH, LogHead
from app.rooms.effects import (
    Acknowledged,
    Attach,
    CheckSigned,
    Detach,
    Effect,
    Ended,
    FindRemoval,
    Proven,
    Released,
    RemovalTold,
    Send,
    ShowHead,
    StopVisit,
    Terms,
    Visit,
)
from app.rooms.facts import RoomFacts
from app.rooms.messages import (
    BYE,
    DEVICE,
    HAVE,
    MAX_HEADS,
    REMOVED,
    SIGNED,
    Reason,
    RemoteHead,
    SignedHead,
    decode_bye,
    decode_device,
    decode_handshake,
    decode_have,
    decode_signed,
    encode_bye,
    encode_device,
    encode_handshake,
    encode_have,
    encode_signed,
)
from app.rooms.roles import may_write
from app.rooms.sources import Sources
from app.rooms.telling import Telling, gather_s, later_s
from net.errors import RemoteProtocolError

MAX_FETCHED = 16
"""Logs fetched from one peer at a time; the others wait."""
MAX_SOURCES = 3
"""Peers from which one log is fetched at a time."""
FEW_BLOCKS = 32
"""Fewer than that are fetched from one peer: each that helps costs a channel."""
MAX_LOG_CHANNELS = 128
"""Logs of the room that are open with one peer."""
PROVE_LIMIT_S = 20.0
STALL_LIMIT_S = 20.0
"""In which a peer brings a block of a log that it has."""
FEW_STALL_S = 5.0
"""The same where it is the only one that is asked."""
REST_S = 60.0
"""Then it is not asked for that log for so long."""
REFUSED_S = 5.0
"""Then it is not asked for a log that it refused; twice as long each time, up to
``REST_S``."""
QUIET_S = 60.0
"""After so long without news a log's channel is closed."""
MAX_VISITED = 256
"""Blocks that a stranger is asked for of one log."""
PART_LIMIT_S = 10.0
"""In which it is found what shows somebody's removal."""
STRANGER_LIMIT_S = 60.0
"""In which a peer that is no member brings something that is new here."""


class SessionState(Enum):
    """How far two peers are about a room."""

    PROVING = "proving"
    OPEN = "open"
    PARTING = "parting"
    CLOSED = "closed"


@dataclass(slots=True)
class _LogChannel:
    """A log that is open with the peer."""

    upload: bool
    until: float
    """Kept so long without news."""
    stalled_at: float | None = None
    """While it is fetched: when the peer has brought nothing for too long."""
    stalled: bool = False
    """That was so, and nothing has come since: fetch on a channel opened anew."""


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
        heads: Mapping[bytes, LogHead],
        facts: RoomFacts,
        sources: Sources,
        now: float,
    ) -> None:
        """Begin; open the channel with ``handshake``.

        Args:
            terms: Room, profile and connection.
            heads: The heads of the room's logs, kept current by whoever owns them.
            facts: Who is who now.
            sources: Shared by the sessions of the room.
            now: Seconds of a monotonic clock.
        """
        self.state = SessionState.PROVING
        self.remote_device = b""
        self._terms = terms
        self._own = terms.device.public_key
        self._heads = heads
        self._facts = facts
        self._sources = sources
        self._effects: deque[Effect] = deque()
        self._remote_heads: dict[bytes, RemoteHead] = {}
        self._told: dict[bytes, LogHead] = {}
        self._telling = Telling()
        self._acked = 0
        self._shown: set[bytes] = set()
        self._shown_out = False
        self._checked: set[bytes] = set()
        self._channels: dict[bytes, _LogChannel] = {}
        self._fetched = 0
        self._waiting: dict[bytes, None] = {}
        self._resting: dict[bytes, float] = {}
        self._refusals: dict[bytes, int] = {}
        self._visiting: bytes | None = None
        self._visited: dict[bytes, int] = {}
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

    def told_length(self, writer: bytes) -> int:
        """How much of a log the peer says it holds; 0 while it is no member."""
        mine, head = self._heads.get(writer), self._remote_heads.get(writer)
        if mine is None or head is None or not self.is_member:
            return 0
        return head.length if head.fork == mine.fork else 0

    @property
    def lacked_count(self) -> int:
        """How many blocks the peer, a member, says it has that are not here."""
        if not self.is_member:
            return 0
        count = 0
        for writer, head in self._remote_heads.items():
            if writer in self._facts.devices and self._lacks(writer):
                mine = self._heads.get(writer)
                count += head.length - (mine.length if mine is not None else 0)
        return count

    def remote_length(self, writer: bytes) -> int:
        """How much of a log the peer says is there."""
        head = self._remote_heads.get(writer)
        return head.length if head is not None else 0

    def next_effect(self) -> Effect | None:
        """The next thing to do, in order; None when there is nothing."""
        return self._effects.popleft() if self._effects else None

    def get_timer(self) -> float | None:
        """When ``handle_timer`` is due, in seconds of the clock given."""
        if self.state is SessionState.CLOSED:
            return None
        due = self._telling.due_at
        if self._deadline is not None:
            due = min(due, self._deadline)
        for channel in self._channels.values():
            due = min(due, channel.until, channel.stalled_at or inf)
        due = min(due, min(self._resting.values(), default=inf))
        return None if due == inf else due

    def handle_timer(self, now: float) -> None:
        """End what took too long, and ask again where a pause is over."""
        if self.state is SessionState.CLOSED:
            return
        if self._deadline is not None and now >= self._deadline:
            if self.state is SessionState.PROVING:
                self._end("silent", fault=False)
            elif self.state is SessionState.PARTING:
                self.part(None)
            elif self._is_newcomer:
                self._deadline = now + STRANGER_LIMIT_S
            else:
                self._end("stranger", fault=False)
        again = [writer for writer, due in self._resting.items() if now >= due]
        for writer in again:
            del self._resting[writer]
        for writer, channel in tuple(self._channels.items()):
            if channel.stalled_at is not None and now >= channel.stalled_at:
                self._resting[writer] = now + REST_S
                channel.stalled = True
                self._fetch_no_more(writer, channel, now)
            if now >= channel.until and self._is_idle(writer):
                self._detach(writer)
        self._review(again, now)
        self._tell_due(now)

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
        if self.state is SessionState.PARTING and kind == BYE:
            self._end("removed", fault=False)
        if self.state in (SessionState.PARTING, SessionState.CLOSED):
            return
        try:
            self._receive(kind, data, now)
        except RemoteProtocolError as error:
            self._end(error.code, fault=True)

    def log_asked(self, writer: bytes, now: float) -> bool:
        """The peer opens the channel of a log; True when it shall be answered."""
        if not self.is_member or not self._may_open(writer):
            return False
        if writer in self._channels:
            return True
        if writer not in self._heads or not self._make_place():
            return False
        self._attach(writer, now)
        return True

    def log_closed(self, writer: bytes, now: float) -> None:
        """The peer closed the channel of a log, or refused it."""
        channel = self._channels.get(writer)
        if channel is None or channel.until == inf:
            # One that stays open for good is opened again by whoever wants it.
            return
        fetched = channel.stalled_at is not None
        self._detach(writer)
        if fetched:
            count = self._refusals[writer] = self._refusals.get(writer, 0) + 1
            rest_s = min(REST_S, REFUSED_S * 2 ** min(count - 1, 8))
            self._resting[writer] = now + rest_s
            self._fetch_waiting(now)

    def log_failed(self, writer: bytes, now: float) -> None:
        """The channel of a log cannot be had for now."""
        if writer in self._channels:
            self._detach(writer)
            self._resting[writer] = now + REST_S
            self._fetch_waiting(now)

    def head_changed(self, writer: bytes, now: float, *, quiet: bool = False) -> None:
        """A log became longer here, durably, or is known as forked now.

        Args:
            writer: Whose.
            now: Seconds of the clock given.
            quiet: It says nothing that anybody waits for.
        """
        if self.state is not SessionState.OPEN:
            return
        channel = self._channels.get(writer)
        if channel is not None:
            _had_news(channel, now)
            channel.stalled = False
            self._refusals.pop(writer, None)
            if channel.stalled_at is not None:
                channel.stalled_at = now + self._patience_s(writer)
        mine = self._heads.get(writer)
        if mine is not None and mine.forked:
            # What did not fit together before may now.
            self._resting.pop(writer, None)
        if writer == self._visiting:
            self._deadline = now + STRANGER_LIMIT_S
        if writer == self._own:
            self._acknowledged()
        self._tell([writer], now, quiet=quiet)
        remote = self._remote_heads.get(writer)
        if remote is not None:
            self._compare(remote)
        self._review([writer], now)

    def log_mended(self, writer: bytes, now: float) -> None:
        """What kept a log from being fetched is out of the way."""
        self._resting.pop(writer, None)
        self._review([writer], now)

    def facts_changed(self, facts: RoomFacts, now: float) -> None:
        """Members or devices changed."""
        before = self.is_member
        self._facts = facts
        if self.state is not SessionState.OPEN:
            return
        if self._removed():
            self._put_out(now)
            return
        if self.is_member and not before:
            self._became_member(now)
        self._review({**self._channels, **self._remote_heads, **self._live_logs()}, now)

    def sources_freed(self, now: float, writer: bytes) -> None:
        """Another session fetches a log no more: it may be fetched here."""
        self._review([writer], now)

    def visit_over(self, visit: Visit, now: float) -> None:
        """What ``Visit`` asked for is done, or cannot be."""
        if self._visiting == visit.writer:
            self._visiting = None
            self._visited[visit.writer] = visit.end
            self._review((), now)

    def show(self, head: SignedHead) -> None:
        """The answer to ``ShowHead``."""
        if self.is_member:
            self._send(SIGNED, encode_signed(head))

    def say_bye(self) -> None:
        """Tell the peer that this side leaves the room, and end."""
        self._detach_all()
        if self.state is SessionState.OPEN:
            self._send(BYE, encode_bye(Reason.LEFT))
        self._end("left", fault=False)

    def part(self, evidence: bytes | None) -> None:
        """The answer to ``FindRemoval``: show it and end."""
        if self.state is not SessionState.PARTING:
            return
        if evidence is not None:
            self._send(REMOVED, evidence)
        self._send(BYE, encode_bye(Reason.REMOVED))
        self._end("removed", fault=False)

    def channel_closed(self) -> None:
        """The channel or its connection is gone."""
        parting = self.state is SessionState.PARTING
        self._end("removed" if parting else "closed", fault=False)

    def _receive(self, kind: int, data: bytes, now: float) -> None:
        if kind == DEVICE:
            self._receive_device(data, now)
            return
        if self.state is not SessionState.OPEN:
            raise RemoteProtocolError("a message before the proof", code="unproven")
        if kind == HAVE:
            self._receive_have(decode_have(data), now)
        elif kind == SIGNED:
            self._receive_signed(decode_signed(data))
        elif kind == BYE:
            decode_bye(data)
            self._end("bye", fault=False)
        elif kind == REMOVED and not self._shown_out:
            self._shown_out = True
            self._effects.append(RemovalTold(data))

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
        rooted = len(proof.chain) == 1
        proven = Proven(proof.device, proof.identity, rooted=rooted)
        self._effects.append(proven)
        if self.is_member:
            self._became_member(now)
        self.facts_changed(self._facts, now)

    def _became_member(self, now: float) -> None:
        """The peer is known as a member from here on: tell and serve it."""
        self._deadline = None
        self._stop_visit()
        self._tell(list(self._heads), now, at_once=True)
        for head in self._remote_heads.values():
            self._compare(head)
        self._acknowledged()
        for writer, channel in tuple(self._channels.items()):
            if not channel.upload:
                self._detach(writer)
        self._review(self._live_logs(), now)

    def _receive_have(self, heads: list[RemoteHead], now: float) -> None:
        for head in heads:
            before = self._remote_heads.get(head.writer)
            if before is None and len(self._remote_heads) >= MAX_WRITERS:
                raise RemoteProtocolError("too many writers", code="too-many")
            self._remote_heads[head.writer] = head
            self._hear(head, now)
            if head.writer == self._own:
                self._acknowledged()
            channel = self._channels.get(head.writer)
            if channel is not None:
                _had_news(channel, now)
            self._compare(head)
        self._review([head.writer for head in heads], now)

    def _acknowledged(self) -> None:
        """Hear what the peer has of the own log, once that is told here as well.

        A block is pushed when the log has it, and may be acknowledged before its
        meaning is on the disk here.
        """
        mine, head = self._heads.get(self._own), self._remote_heads.get(self._own)
        if mine is None or head is None or not self.is_member:
            return
        if head.fork == mine.fork and self._acked < head.length <= mine.length:
            self._acked = head.length
            self._effects.append(Acknowledged(self.remote_device, head.length))

    def _compare(self, head: RemoteHead) -> None:
        """Show what is signed here when the peer's log cannot be the same."""
        mine = self._heads.get(head.writer)
        if mine is None or mine.forked or head.writer in self._shown:
            return
        differs = (
            head.length == mine.length > 0
            and head.hash != mine.hash
            and NO_HASH not in (head.hash, mine.hash)
        )
        if self.is_member and (differs or head.fork != mine.fork):
            self._shown.add(head.writer)
            self._effects.append(ShowHead(head.writer))

    def _receive_signed(self, head: SignedHead) -> None:
        """Check what a peer says is signed, once for each log."""
        mine = self._heads.get(head.writer)
        if mine is None or mine.forked or head.writer in self._checked:
            return
        self._checked.add(head.writer)
        self._effects.append(CheckSigned(head))

    def _tell(
        self,
        writers: Iterable[bytes],
        now: float,
        *,
        quiet: bool = False,
        at_once: bool = False,
    ) -> None:
        """Say how far logs reach here, where the peer has not heard it."""
        if not self.is_member:
            return
        members = self._facts.present_count
        turns = 1 if self._terms.is_initiator else 2
        soon, later = now + turns * gather_s(members), now + later_s(members)
        for writer in writers:
            head = self._heads.get(writer)
            if head is None or head == self._told.get(writer):
                continue
            if at_once or writer == self.remote_device:
                # Its author waits for the acknowledgement.
                due = now
            elif quiet or self._hears_otherwise(writer, head):
                due = later
            else:
                due = soon
            self._telling.add(writer, due)
        self._tell_due(now)

    def _hears_otherwise(self, writer: bytes, head: LogHead) -> bool:
        """True when a log is pushed to the peer, or is there as far already."""
        channel = self._channels.get(writer)
        if writer == self._own and channel is not None and channel.until == inf:
            return True
        remote = self._remote_heads.get(writer)
        return remote is not None and remote.length >= head.length

    def _hear(self, head: RemoteHead, now: float) -> None:
        """Put off telling the peer what it says itself."""
        mine = self._heads.get(head.writer)
        if mine is not None and mine.length <= head.length:
            later = now + later_s(self._facts.present_count)
            self._telling.put_off(head.writer, later)

    def _tell_due(self, now: float) -> None:
        """Tell everything that waits, once something of it is due."""
        if now < self._telling.due_at:
            return
        waiting = self._telling.take()
        news = []
        # Who is no member just now is told all on becoming one.
        for writer in waiting if self.is_member else ():
            head = self._heads.get(writer)
            if head is not None and head != self._told.get(writer):
                self._told[writer] = head
                news.append(RemoteHead(writer, head.fork, head.length, head.hash))
        for start in range(0, len(news), MAX_HEADS):
            self._send(HAVE, encode_have(news[start : start + MAX_HEADS]))

    # which logs are open

    def _live_logs(self) -> dict[bytes, None]:
        """The logs of both ends, while both are members who may write."""
        if not self.is_member or self._is_newcomer:
            return {}
        facts = self._facts
        live: dict[bytes, None] = {}
        for device in (self._own, self.remote_device):
            member = facts.member_of(device)
            forked = member is not None and facts.devices[device].forked
            if member and not forked and may_write(facts.kind, member.role):
                live[device] = None
        return live

    def _may_open(self, writer: bytes) -> bool:
        """True for logs of devices that were let in."""
        return writer in self._facts.devices

    def _lacks(self, writer: bytes) -> bool:
        """True when the peer holds something of a log that belongs here."""
        head = self._remote_heads.get(writer)
        if head is None or head.fork != 0:
            return False
        mine = self._heads.get(writer)
        length = mine.length if mine is not None else 0
        wanted = self._facts.devices[writer].wanted_length
        return head.length > length and (wanted is None or length < wanted)

    def _lacked(self, writer: bytes) -> int:
        """How many blocks of a log the peer has that are not here."""
        mine, head = self._heads.get(writer), self._remote_heads.get(writer)
        if head is None:
            return 0
        return head.length - (mine.length if mine is not None else 0)

    def _patience_s(self, writer: bytes) -> float:
        """How long a peer may take to bring the next block of a log."""
        few = self._lacked(writer) < FEW_BLOCKS
        return FEW_STALL_S if few else STALL_LIMIT_S

    @property
    def _is_newcomer(self) -> bool:
        """True while this device is no member as far as it knows.

        In a personal room also while it knows of no other device: it let itself in.
        """
        me = self._facts.devices.get(self._own)
        return me is None or not me.present or self._facts.knows_itself_only

    def _review(self, writers: Iterable[bytes], now: float) -> None:
        """Open, fetch and close as things are now."""
        if self.state is not SessionState.OPEN:
            return
        if not self.is_member and not self._is_newcomer:
            self._visit()
            return
        # A log has one channel: a visit's and its own would be in each other's way.
        self._stop_visit()
        live = self._live_logs()
        for writer in writers:
            channel = self._channels.get(writer)
            if not self._may_open(writer):
                if channel is not None:
                    self._detach(writer)
                continue
            if self._lacks(writer):
                self._fetch(writer, now)
            elif channel is not None and channel.stalled_at is not None:
                self._fetch_no_more(writer, channel, now)
            channel = self._channels.get(writer)
            if writer in live:
                if channel is None and writer not in self._resting:
                    channel = self._attach(writer, now)
                if channel is not None:
                    channel.until = inf
            elif channel is not None and channel.until == inf:
                channel.until = now + QUIET_S
        self._fetch_waiting(now)

    def _fetch(self, writer: bytes, now: float) -> None:
        """Fetch a log from this peer, now or when it is its turn."""
        channel = self._channels.get(writer)
        if writer in self._resting or (channel and channel.stalled_at is not None):
            return
        if self._fetched >= MAX_FETCHED:
            self._waiting[writer] = None
            return
        limit = 1 if self._lacked(writer) < FEW_BLOCKS else MAX_SOURCES
        if not self._sources.take(writer, self, limit):
            return
        if channel is not None and channel.stalled:
            self._detach(writer)
            channel = None
        if channel is None:
            self._make_place()
            channel = self._attach(writer, now)
        channel.stalled_at = now + self._patience_s(writer)
        self._fetched += 1

    def _fetch_no_more(self, writer: bytes, channel: _LogChannel, now: float) -> None:
        """A log is here, or this peer does not bring it."""
        channel.stalled_at = None
        self._fetched -= 1
        _had_news(channel, now)
        if self._sources.release(writer, self):
            self._effects.append(Released(writer))
        self._fetch_waiting(now)

    def _fetch_waiting(self, now: float) -> None:
        """Begin with what waited for its turn."""
        while self._waiting and self._fetched < MAX_FETCHED:
            writer = next(iter(self._waiting))
            del self._waiting[writer]
            if self._may_open(writer) and self._lacks(writer):
                self._fetch(writer, now)

    def _is_idle(self, writer: bytes) -> bool:
        """True for an open log that is neither fetched nor held open for good."""
        channel = self._channels.get(writer)
        return (
            channel is not None and channel.stalled_at is None and channel.until != inf
        )

    def _make_place(self) -> bool:
        """Have a place for one more log; the one longest without news makes room."""
        if len(self._channels) < MAX_LOG_CHANNELS:
            return True
        idle = [writer for writer in self._channels if self._is_idle(writer)]
        if not idle:
            return False
        self._detach(min(idle, key=lambda writer: self._channels[writer].until))
        return True

    def _visit(self) -> None:
        """Ask who is no member for one thing after the other, whatever is here."""
        self._detach_all()
        if self._visiting is not None:
            return
        for writer, head in self._remote_heads.items():
            start = max(self._visited.get(writer, 0), head.length - MAX_VISITED)
            if writer in self._facts.devices and head.fork == 0 and start < head.length:
                self._visiting = writer
                self._effects.append(Visit(writer, start, head.length))
                return

    def _stop_visit(self) -> None:
        if self._visiting is not None:
            self._visiting = None
            self._effects.append(StopVisit())

    def _attach(self, writer: bytes, now: float) -> _LogChannel:
        channel = _LogChannel(self.is_member, now + QUIET_S)
        self._channels[writer] = channel
        self._effects.append(Attach(writer, channel.upload))
        return channel

    def _detach(self, writer: bytes) -> None:
        channel = self._channels.pop(writer)
        self._effects.append(Detach(writer))
        if channel.stalled_at is not None:
            self._fetched -= 1
            if self._sources.release(writer, self):
                self._effects.append(Released(writer))

    def _removed(self) -> bool:
        """True when the peer's device was let in once and is no member's any more."""
        fact = self._facts.devices.get(self.remote_device)
        return fact is not None and fact.identity != b"" and not fact.present

    def _send(self, kind: int, data: bytes) -> None:
        self._effects.append(Send(kind, data))

    def _put_out(self, now: float) -> None:
        """Serve the peer no more: it was removed, and is to hear of that.

        The logs are closed at once; the last block of one may be what tells it.
        """
        self._detach_all()
        self._stop_visit()
        self.state = SessionState.PARTING
        self._deadline = now + PART_LIMIT_S
        self._effects.append(FindRemoval(self.remote_device))

    def _detach_all(self) -> None:
        for writer in tuple(self._channels):
            self._detach(writer)

    def _end(self, reason: str, *, fault: bool) -> None:
        if self.state is SessionState.CLOSED:
            return
        self._detach_all()
        self._stop_visit()
        self.state = SessionState.CLOSED
        self._waiting.clear()
        self._deadline = None
        self._effects.append(Ended(reason, fault))


def _had_news(channel: _LogChannel, now: float) -> None:
    if channel.until != inf:
        channel.until = now + QUIET_S
