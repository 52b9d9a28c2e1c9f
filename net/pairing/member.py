"""The side that can admit: checks requests, has them decided, and answers.

A machine without I/O. Only a request that the holder of a known invite signed is
reported; everything else is counted and dropped. A session is answered once: whoever
asks again gets the same bytes, because two different answers would share a key stream.
Which invites there are, and what is decided, is the owner's. Follows npm blind-pairing
2.3.1 ``Member``; what is remembered, and for how long, is ours.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from net.crypto import discovery_key
from net.errors import LocalProtocolError, RemoteProtocolError
from net.pairing.candidate import DROP_OF_CODE
from net.pairing.constants import (
    MAX_ADDITIONAL_BYTES,
    MAX_ANSWERS,
    MAX_EXTENSION_BYTES,
    MAX_INVITES,
    MAX_MESSAGES_PER_MINUTE,
    MAX_NEW_PER_INVITE_AND_MINUTE,
    MAX_PEERS,
    MAX_PENDING,
    MAX_PENDING_PER_INVITE,
    MAX_RECORD_VALUE_BYTES,
    MAX_RECORDS,
    MAX_SEALED_PER_MINUTE,
    MAX_WAITING_PEERS,
    PENDING_LIMIT_S,
    Status,
)
from net.pairing.events import (
    Drop,
    MemberEvent,
    Outgoing,
    PutRecord,
    RequestLapsed,
    RequestReceived,
)
from net.pairing.invite import InviteRecord
from net.pairing.messages import (
    Additional,
    Admission,
    Decision,
    Receipt,
    decode_request,
)
from net.pairing.pace import Pace
from net.pairing.request import OpenedRequest, open_sealed, verify_receipt
from net.pairing.sealing import reply_key_pair, request_id


@dataclass(slots=True)
class _Invite:
    record: InviteRecord
    expires_at: float | None
    closed: Status | None = None
    pace: Pace = field(default_factory=lambda: Pace(MAX_NEW_PER_INVITE_AND_MINUTE))
    pending_count: int = 0

    def verdict(self, now: float) -> Status | None:
        """What everybody new is told without being asked for; None while it is open."""
        if self.closed is None and self.expires_at is not None:
            return Status.EXPIRED if now >= self.expires_at else None
        return self.closed


@dataclass(slots=True)
class _Pending:
    opened: OpenedRequest
    invite: _Invite
    lapses_at: float
    peers: set[int] = field(default_factory=set)
    by_record: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    token: bytes
    invite_id: bytes
    response: bytes


class Member:
    """One group's door.

    Moved by ``receive_request``, ``receive_record``, decisions and ``handle_timer``.

    Attributes:
        discovery_key: The group's, 32 bytes; the id of the pairing channel.
        dropped: Counters of what came and was not believed, or was too much.
    """

    def __init__(self, discovery_key: bytes) -> None:
        self.discovery_key = discovery_key
        self.dropped: Counter[Drop] = Counter()
        self._invites: dict[bytes, _Invite] = {}
        self._peers: dict[int, Pace] = {}
        self._pending: dict[bytes, _Pending] = {}
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()
        self._sealed = Pace(MAX_SEALED_PER_MINUTE)
        self._outgoing: list[Outgoing] = []
        self._notices: list[Outgoing] = []
        self._records: dict[bytes, PutRecord] = {}
        self._events: deque[MemberEvent] = deque()

    @property
    def pending(self) -> tuple[bytes, ...]:
        """Tickets of the requests that wait for a decision, oldest first."""
        return tuple(self._pending)

    def add_invite(
        self, record: InviteRecord, *, expires_at: float | None = None
    ) -> None:
        """Answer for an invite from now on; adding it again opens it again.

        Args:
            record: What its maker left for the members.
            expires_at: From when on everybody new is told that it expired, in seconds
                of the clock that ``now`` is of. The record's own time is wall-clock
                time, which only the owner knows.

        Raises:
            LocalProtocolError: It leads to another group, or there are too many.
        """
        if record.discovery_key != self.discovery_key:
            raise LocalProtocolError("an invite to another group")
        known = self._invites.get(record.id)
        if known is not None:
            known.record, known.expires_at, known.closed = record, expires_at, None
        elif len(self._invites) >= MAX_INVITES:
            raise LocalProtocolError("too many invites", code="too-many-invites")
        else:
            self._invites[record.id] = _Invite(record, expires_at)

    def close_invite(self, invite_id: bytes, status: Status) -> None:
        """Refuse everybody who has no answer yet, those who wait included.

        Args:
            invite_id: Which; nothing happens if it is not known.
            status: What they are told: ``USED``, ``EXPIRED`` or ``REJECTED``.
        """
        if status is Status.OK:
            raise LocalProtocolError("an invite cannot be closed with OK")
        invite = self._invites.get(invite_id)
        if invite is None:
            return
        invite.closed = status
        for ticket in self._pending_of(invite):
            self._decide(ticket, Decision(status))

    def remove_invite(self, invite_id: bytes) -> None:
        """Know nothing of an invite any more, nor of what was answered through it."""
        invite = self._invites.pop(invite_id, None)
        if invite is None:
            return
        for ticket in self._pending_of(invite):
            self._forget(ticket)
        for ticket, answer in list(self._answers.items()):
            if answer.invite_id == invite_id:
                del self._answers[ticket]

    def add_peer(self, peer: int) -> bool:
        """A connection has a pairing channel now.

        Returns:
            False if there are ``MAX_PEERS`` already, so that it will not be heard.
        """
        if len(self._peers) >= MAX_PEERS:
            return False
        self._peers.setdefault(peer, Pace(MAX_MESSAGES_PER_MINUTE))
        return True

    def remove_peer(self, peer: int) -> None:
        """The connection is gone; its requests stay, in case it comes back."""
        self._peers.pop(peer, None)
        for pending in self._pending.values():
            pending.peers.discard(peer)

    def receive_request(self, peer: int, data: bytes, now: float) -> None:
        """Take what a connection says is a request."""
        pace = self._peers.get(peer)
        if pace is None:
            self.dropped[Drop.UNKNOWN_PEER] += 1
        elif pace.allows(now):
            self._receive(data, now, peer=peer)
        else:
            self.dropped[Drop.TOO_OFTEN] += 1

    def receive_record(self, data: bytes, now: float) -> bool:
        """Take what stood in the DHT under a key announced on the pairing topic.

        Returns:
            Whether it is dealt with, so that it need not be fetched again.
        """
        return self._receive(data, now, peer=None)

    def recall(self, invite_id: bytes, receipt: Receipt, now: float) -> bool:
        """Have a request decided that came before this machine was made.

        It is answered in the DHT, and on connections that ask again meanwhile.

        Args:
            invite_id: Of ``RequestReceived``.
            receipt: The same.
            now: Seconds of the clock given.

        Returns:
            Whether it is reported again.
        """
        invite = self._invites.get(invite_id)
        data = receipt.encode()
        if invite is None or not verify_receipt(data, invite.record.public_key):
            self.dropped[Drop.UNKNOWN_INVITE] += 1
            return False
        opened = OpenedRequest(invite.record.public_key, receipt)
        return self._ask(opened, invite, now, peer=None)

    def confirm(
        self,
        ticket: bytes,
        *,
        key: bytes,
        encryption_key: bytes | None = None,
        additional: Additional | None = None,
        extension: bytes = b"",
    ) -> None:
        """Admit a candidate.

        Args:
            ticket: Which; must wait for a decision.
            key: 32 bytes, whose discovery key is the group's.
            encryption_key: 32 bytes, if the group has one.
            additional: Signed by the invite's key; that of the invite if not given.
            extension: What else a candidate of our own kind is told.

        Raises:
            LocalProtocolError: No such request waits, or the key is another group's.
        """
        invite = self._waiting(ticket).invite
        if discovery_key(key) != self.discovery_key:
            raise LocalProtocolError("the key of another group")
        additional = additional or invite.record.additional
        if additional is not None and len(additional.data) > MAX_ADDITIONAL_BYTES:
            raise LocalProtocolError(f"{len(additional.data)} bytes of additional data")
        _check_extension(extension)
        admission = Admission(key, encryption_key, additional)
        self._decide(ticket, Decision(Status.OK, admission, extension))

    def deny(
        self,
        ticket: bytes,
        *,
        status: Status = Status.REJECTED,
        extension: bytes = b"",
    ) -> None:
        """Refuse a candidate, and say why; raises ``LocalProtocolError`` like above."""
        _check_extension(extension)
        self._waiting(ticket)
        if status is Status.OK:
            raise LocalProtocolError("a denial cannot have the status OK")
        self._decide(ticket, Decision(status, extension=extension))

    def hold(self, ticket: bytes) -> None:
        """Tell whoever asks that a person will decide; the request goes on waiting.

        Raises:
            LocalProtocolError: No such request waits.
        """
        pending = self._waiting(ticket)
        pending.held = True
        for peer in sorted(pending.peers):
            self._notify(pending, peer)

    def waits(self, peer: int) -> bool:
        """True while a request of this connection waits for a decision."""
        return any(peer in pending.peers for pending in self._pending.values())

    def ignore(self, ticket: bytes) -> None:
        """Answer nothing; the candidate may ask again and will be reported again.

        Raises:
            LocalProtocolError: No such request waits.
        """
        self._waiting(ticket)
        self._forget(ticket)

    def messages_to_send(self) -> list[Outgoing]:
        """Responses that are due, each for one connection's channel."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def notices_to_send(self) -> list[Outgoing]:
        """What is said of requests that wait for a person, each for one channel."""
        notices, self._notices = self._notices, []
        return notices

    def records_to_put(self) -> list[PutRecord]:
        """Responses for those who asked through the DHT, or left before the answer.

        Whoever cannot put them need not ask: no more than ``MAX_RECORDS`` are kept.
        """
        records, self._records = list(self._records.values()), {}
        return records

    def get_timer(self) -> float | None:
        """When the oldest request that waits lapses; None if none does."""
        for pending in self._pending.values():
            return pending.lapses_at
        return None

    def handle_timer(self, now: float) -> None:
        """Forget requests that waited too long."""
        while (timer := self.get_timer()) is not None and timer <= now:
            ticket = next(iter(self._pending))
            self._forget(ticket)
            self._events.append(RequestLapsed(ticket))

    def next_event(self) -> MemberEvent | None:
        """What happened, oldest first; None when there is nothing new."""
        return self._events.popleft() if self._events else None

    def _receive(self, data: bytes, now: float, *, peer: int | None) -> bool:
        try:
            request = decode_request(data)
            invite = self._invites.get(request.invite_id)
            if invite is None:
                self.dropped[Drop.UNKNOWN_INVITE] += 1
                return False
            if not self._sealed.allows(now):
                self.dropped[Drop.TOO_OFTEN] += 1
                return False
            opened = open_sealed(request, invite.record.public_key)
        except RemoteProtocolError as error:
            self.dropped[DROP_OF_CODE.get(error.code, Drop.MALFORMED)] += 1
            return True
        return self._ask(opened, invite, now, peer=peer)

    def _ask(
        self, opened: OpenedRequest, invite: _Invite, now: float, *, peer: int | None
    ) -> bool:
        """Answer from memory, join what waits already, or have it decided."""
        ticket = opened.ticket
        if not self._is_its_own(opened, ticket):
            self.dropped[Drop.SESSION_REUSED] += 1
            return True
        answer = self._answers.get(ticket)
        if answer is not None:
            self._answers.move_to_end(ticket)
            self._send(answer.response, opened, peers=() if peer is None else (peer,))
            return True
        pending = self._pending.get(ticket)
        if pending is not None:
            _join(pending, peer)
            if pending.held and peer is not None:
                self._notify(pending, peer)
            return True
        if not self._has_room(invite, now):
            return False
        pending = _Pending(opened, invite, now + PENDING_LIMIT_S)
        _join(pending, peer)
        self._pending[ticket] = pending
        invite.pending_count += 1
        status = invite.verdict(now)
        if status is None:
            received = RequestReceived(ticket, invite.record.id, opened.receipt)
            self._events.append(received)
        else:
            self._decide(ticket, Decision(status))
        return True

    def _is_its_own(self, opened: OpenedRequest, ticket: bytes) -> bool:
        """False if a session is another's; its rightful owner drives out the other."""
        pending, answer = self._pending.get(ticket), self._answers.get(ticket)
        if pending is not None and pending.opened.token != opened.token:
            if not opened.is_derived:
                return False
            self._forget(ticket)
            self._events.append(RequestLapsed(ticket))
        if answer is not None and answer.token != opened.token:
            if not opened.is_derived:
                return False
            del self._answers[ticket]
        return True

    def _has_room(self, invite: _Invite, now: float) -> bool:
        if (
            len(self._pending) >= MAX_PENDING
            or invite.pending_count >= MAX_PENDING_PER_INVITE
        ):
            self.dropped[Drop.TOO_MANY] += 1
            return False
        if not invite.pace.allows(now):
            self.dropped[Drop.TOO_OFTEN] += 1
            return False
        return True

    def _decide(self, ticket: bytes, decision: Decision) -> None:
        pending = self._forget(ticket)
        opened = pending.opened
        response = opened.respond(decision)
        self._answers[ticket] = _Answer(
            opened.token, pending.invite.record.id, response
        )
        if len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)
        self._send(response, opened, peers=tuple(sorted(pending.peers)))
        if pending.by_record:
            self._send(response, opened, peers=())

    def _send(
        self, response: bytes, opened: OpenedRequest, *, peers: tuple[int, ...]
    ) -> None:
        """Queue an answer for connections, or for the DHT if there are none."""
        self._outgoing += [Outgoing(peer, response) for peer in peers]
        if not peers and len(response) <= MAX_RECORD_VALUE_BYTES:
            pair = reply_key_pair(opened.token)
            self._records[pair.public_key] = PutRecord(pair, response)
            if len(self._records) > MAX_RECORDS:
                del self._records[next(iter(self._records))]

    def _notify(self, pending: _Pending, peer: int) -> None:
        notice = request_id(pending.opened.receipt.session)
        self._notices.append(Outgoing(peer, notice))

    def _waiting(self, ticket: bytes) -> _Pending:
        pending = self._pending.get(ticket)
        if pending is None:
            raise LocalProtocolError("no such request waits", code="not-pending")
        return pending

    def _forget(self, ticket: bytes) -> _Pending:
        pending = self._pending.pop(ticket)
        pending.invite.pending_count -= 1
        assert pending.invite.pending_count >= 0
        return pending

    def _pending_of(self, invite: _Invite) -> list[bytes]:
        return [key for key, each in self._pending.items() if each.invite is invite]


def _check_extension(extension: bytes) -> None:
    if len(extension) > MAX_EXTENSION_BYTES:
        raise LocalProtocolError(f"{len(extension)} bytes of extension")


def _join(pending: _Pending, peer: int | None) -> None:
    if peer is None:
        pending.by_record = True
    elif len(pending.peers) < MAX_WAITING_PEERS:
        pending.peers.add(peer)
