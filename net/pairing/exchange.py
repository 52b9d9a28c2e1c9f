"""One group's pairing channel on every connection, joined to the machines.

A machine without I/O: it opens a Protomux channel on each mux it is given and again
whenever the other side does, keeps what comes until ``receive`` is called with the
time, and sends what candidate and member have to say. A channel has the protocol
``blind-pairing``, the group's discovery key as id, no handshake, message 0 for requests
and message 1 for responses, as in npm blind-pairing 2.3.1; message 2, which npm passes
over, says that a request waits for a person.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from functools import partial

from net.errors import LocalProtocolError
from net.mux import Channel, Mux
from net.pairing.candidate import Candidate
from net.pairing.constants import MAX_FRAME_BYTES, MAX_INBOX, PROTOCOL
from net.pairing.events import Drop, Outgoing
from net.pairing.member import Member
from net.pairing.messages import decode_frame, encode_frame

REQUEST = 0
RESPONSE = 1
NOTICE = 2


class _Link:
    __slots__ = ("channel", "inbox", "mux")

    def __init__(self, mux: Mux) -> None:
        self.mux = mux
        self.channel: Channel | None = None
        self.inbox: deque[tuple[int, bytes]] = deque()


class Exchange:
    """The channels of one group.

    Moved by ``attach``, by the muxes, by ``receive`` and ``handle_timer``. Either role
    may be missing, and may be set or taken away at any time.

    Attributes:
        discovery_key: The group's, 32 bytes.
        dropped: Counters of what came and found nobody, or no room.
        on_input: Called when ``receive`` has something to do.
    """

    def __init__(
        self,
        discovery_key: bytes,
        *,
        candidate: Candidate | None = None,
        member: Member | None = None,
    ) -> None:
        self.discovery_key = discovery_key
        self.dropped: Counter[Drop] = Counter()
        self.on_input: Callable[[], None] = lambda: None
        self._links: dict[int, _Link] = {}
        self._next_peer = 0
        self._candidate: Candidate | None = None
        self._member: Member | None = None
        self.set_candidate(candidate)
        self.set_member(member)

    @property
    def has_input(self) -> bool:
        """True while ``receive`` has something to do."""
        return any(link.inbox for link in self._links.values())

    def set_candidate(self, candidate: Candidate | None) -> None:
        """Ask on every connection for this candidate from now on, or for none.

        Raises:
            LocalProtocolError: It is another group's.
        """
        self._check(candidate)
        self._candidate = candidate
        if candidate is not None:
            for peer, link in self._links.items():
                if link.channel is None:
                    self._open(peer, link)
                else:
                    candidate.add_peer(peer)

    def set_member(self, member: Member | None) -> None:
        """Have this member answer on every connection from now on, or nobody.

        Raises:
            LocalProtocolError: It is another group's.
        """
        self._check(member)
        self._member = member
        if member is not None:
            for peer in self._links:
                member.add_peer(peer)

    def attach(self, mux: Mux, *, waiting: bool = False) -> int:
        """Open the channel on a connection.

        Args:
            mux: Of the connection.
            waiting: Open it only when the other side does, so that a stranger does not
                hear which groups are here.

        Returns:
            The number by which machines know the connection.

        Raises:
            LocalProtocolError: The mux is closed or has such a channel already.
        """
        peer = self._next_peer
        link = _Link(mux)
        if not waiting:
            self._open(peer, link)
        self._next_peer += 1
        self._links[peer] = link
        mux.pair(PROTOCOL, self.discovery_key, lambda _: self._open(peer, link))
        if self._member is not None:
            self._member.add_peer(peer)
        return peer

    def reopen(self) -> None:
        """Open the channel anew where the other side refused or closed it."""
        for peer, link in list(self._links.items()):
            if link.channel is None and not link.mux.closed:
                self._open(peer, link)

    def detach(self, peer: int) -> None:
        """Close the channel on a connection and open it there no more."""
        link = self._links.pop(peer, None)
        if link is None:
            return
        link.mux.unpair(PROTOCOL, self.discovery_key)
        if link.channel is not None:
            link.channel.close()
        if self._member is not None:
            self._member.remove_peer(peer)

    def close(self) -> None:
        """Detach from every connection."""
        for peer in list(self._links):
            self.detach(peer)

    def receive(self, now: float) -> None:
        """Hand what came to the machines, and send what they say."""
        for peer, link in list(self._links.items()):
            while link.inbox:
                kind, message = link.inbox.popleft()
                if kind == REQUEST and self._member is not None:
                    self._member.receive_request(peer, message, now)
                elif kind == RESPONSE and self._candidate is not None:
                    self._candidate.receive_response(peer, message, now)
                elif kind == NOTICE and self._candidate is not None:
                    self._candidate.receive_notice(peer, message, now)
                else:
                    self.dropped[Drop.NO_ROLE] += 1
        self.send()

    def get_timer(self) -> float | None:
        """When ``handle_timer`` should be called; None if nothing is to come."""
        timers = [
            machine.get_timer()
            for machine in (self._candidate, self._member)
            if machine is not None
        ]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Move the machines on, and send what they say."""
        for machine in (self._candidate, self._member):
            if machine is not None:
                machine.handle_timer(now)
        self.send()

    def send(self) -> None:
        """Put what the machines have to say on the channels, as after a decision."""
        if self._candidate is not None:
            for outgoing in self._candidate.messages_to_send():
                self._put(outgoing, REQUEST)
        if self._member is not None:
            for outgoing in self._member.messages_to_send():
                self._put(outgoing, RESPONSE)
            for outgoing in self._member.notices_to_send():
                self._put(outgoing, NOTICE)

    def _put(self, outgoing: Outgoing, kind: int) -> None:
        link = self._links.get(outgoing.peer)
        # One that left meanwhile asks again when it comes back.
        if link is not None and link.channel is not None:
            link.channel.send(kind, encode_frame(outgoing.message))

    def _open(self, peer: int, link: _Link) -> None:
        link.channel = link.mux.create_channel(
            PROTOCOL,
            self.discovery_key,
            messages=[
                partial(self._take, link, REQUEST),
                partial(self._take, link, RESPONSE),
                partial(self._take, link, NOTICE),
            ],
            on_close=lambda: self._closed(peer, link),
        )
        if self._candidate is not None:
            self._candidate.add_peer(peer)

    def _take(self, link: _Link, kind: int, data: bytes) -> None:
        if len(data) > MAX_FRAME_BYTES:
            # Not worth the connection, which others may be using.
            self.dropped[Drop.TOO_LARGE] += 1
        elif len(link.inbox) >= MAX_INBOX:
            self.dropped[Drop.TOO_OFTEN] += 1
        else:
            link.inbox.append((kind, decode_frame(data)))
            self.on_input()

    def _closed(self, peer: int, link: _Link) -> None:
        link.channel = None
        if self._candidate is not None:
            self._candidate.remove_peer(peer)
        if link.mux.closed and self._links.pop(peer, None) is not None:
            link.inbox.clear()
            if self._member is not None:
                self._member.remove_peer(peer)

    def _check(self, machine: Candidate | Member | None) -> None:
        if machine is not None and machine.discovery_key != self.discovery_key:
            raise LocalProtocolError("pairing for another group")
