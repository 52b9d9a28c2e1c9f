"""Pairing among members, candidates and strangers who lie: who has a right gets in.

Every seed makes another group of three members, of whom some learn of the invites late
or sleep; six candidates; and strangers that replay, damage, enlarge and misdirect what
they overheard, on connections that break. Whoever was admitted has the right keys,
nobody without an invite is ever reported, and what is kept stays within its limits.
"""

from __future__ import annotations

import random

import pytest

from net.crypto import discovery_key
from net.errors import RemoteProtocolError
from net.mux import Channel, Mux
from net.pairing import (
    Admission,
    Candidate,
    CandidateRequest,
    Drop,
    Exchange,
    Invite,
    InviteRecord,
    Member,
    Paired,
    Rejected,
    RequestReceived,
    Status,
    create_invite,
)
from net.pairing.constants import (
    MAX_PENDING_PER_INVITE,
    MAX_WAITING_PEERS,
    PROTOCOL,
)
from net.pairing.exchange import REQUEST, RESPONSE
from net.pairing.messages import (
    Decision,
    decode_frame,
    decode_request,
    encode_frame,
)
from net.pairing.request import open_sealed

KEY = b"\x10" * 32
ENCRYPTION_KEY = b"\x44" * 32
GROUP = discovery_key(KEY)
SEEDS = range(12)
LIMIT_S = 3600.0


class Connection:
    """Two muxes that lose nothing until they break."""

    def __init__(self, left: Mux, right: Mux) -> None:
        self.ends = (left, right)

    def run(self, overheard: list[bytes]) -> bool:
        """Carry what there is; what is overheard is for the strangers."""
        moved = False
        for sender, receiver in (self.ends, self.ends[::-1]):
            for frame in sender.frames_to_send():
                moved = True
                overheard.append(frame)
                receiver.receive_frame(frame)
        return moved

    def cut(self) -> None:
        for mux in self.ends:
            mux.close()


class Stranger:
    """Sends what it pleases on every channel it can open.

    It even knows the invites as members do, so that it can answer, but no seed.
    """

    def __init__(self, chance: random.Random, records: list[InviteRecord]) -> None:
        self.chance = chance
        self.records = {record.id: record for record in records}
        self.channels: list[Channel] = []
        self.known: list[bytes] = []

    def meet(self, mux: Mux) -> None:
        def asked(message: bytes) -> None:
            self.known.append(message)
            lie = self._lie(message)
            if lie is not None:
                channel.send(RESPONSE, lie)

        channel = mux.create_channel(
            PROTOCOL, GROUP, messages=[asked, self.known.append]
        )
        self.channels.append(channel)

    def act(self) -> None:
        """Say something to somebody."""
        self.channels = [channel for channel in self.channels if not channel.closed]
        if not self.channels:
            return
        channel = self.chance.choice(self.channels)
        kind = self.chance.choice((REQUEST, REQUEST, RESPONSE))
        channel.send(kind, self._message())

    def _message(self) -> bytes:
        choice = self.chance.randrange(5)
        if choice == 0:
            return encode_frame(self.chance.randbytes(self.chance.randrange(300)))
        if choice == 1:
            return encode_frame(bytes(self.chance.choice((8192, 8193, 1 << 20))))
        if not self.known:
            return encode_frame(b"")
        overheard = self.chance.choice(self.known)
        if choice == 2 or len(overheard) < 4:
            return overheard
        damaged = bytearray(overheard)
        for _ in range(self.chance.randrange(1, 4)):
            # The length stays: a frame that is none ends the connection.
            damaged[self.chance.randrange(3, len(damaged))] ^= self.chance.randrange(
                256
            )
        return bytes(damaged)

    def _lie(self, overheard: bytes) -> bytes | None:
        """Admit whoever asked into a group of its own, if that was a request."""
        try:
            request = decode_request(decode_frame(overheard))
            record = self.records[request.invite_id]
            opened = open_sealed(request, record.public_key)
        except (RemoteProtocolError, KeyError):
            return None
        admission = Admission(b"\x77" * 32, None, record.additional)
        return encode_frame(opened.respond(Decision(Status.OK, admission)))


class Party:
    """Everybody at one group's door."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.invites = [self._invite() for _ in range(4)]
        self.members = [Member(GROUP) for _ in range(3)]
        self.doors = [Exchange(GROUP, member=member) for member in self.members]
        self.candidates = [self._candidate(number) for number in range(6)]
        self.guests = [Exchange(GROUP, candidate=each) for each in self.candidates]
        records = [record for _, record in self.invites]
        self.strangers = [Stranger(self.chance, records) for _ in range(2)]
        self.connections: list[Connection] = []
        self.paired: list[Paired | None] = [None] * len(self.candidates)
        self.rejected: list[Status | None] = [None] * len(self.candidates)

    def _invite(self) -> tuple[Invite, InviteRecord]:
        return create_invite(KEY, entropy=self.chance.randbytes, data=b"welcome")

    def _candidate(self, number: int) -> Candidate:
        # The first two share an invite, the last one's no member knows.
        invite, _ = self.invites[max(0, number - 1) % 4]
        if number == 5:
            invite, _ = create_invite(KEY, entropy=self.chance.randbytes)
        request = CandidateRequest(invite, b"candidate %d" % number)
        return Candidate(request, entropy=self.chance.randbytes)

    def connect(self) -> None:
        """One more connection between somebody and a door."""
        left, right = Mux(), Mux()
        if self.chance.random() < 0.4:
            self.chance.choice([*self.doors, *self.guests]).attach(left)
            self.chance.choice(self.strangers).meet(right)
        else:
            self.chance.choice(self.doors).attach(left)
            self.chance.choice(self.guests).attach(right)
        self.connections.append(Connection(left, right))

    def step(self) -> None:
        """A second passes."""
        self.now += 1.0
        if self.chance.random() < 0.5 and len(self.connections) < 40:
            self.connect()
        if self.chance.random() < 0.05 and self.connections:
            index = self.chance.randrange(len(self.connections))
            self.connections.pop(index).cut()
        if self.now == 30.0:
            # Until now the members knew of nothing.
            for member in self.members:
                for _, record in self.invites[:3]:
                    member.add_invite(record)
                member.add_invite(self.invites[3][1], expires_at=0.0)
        for stranger in self.strangers:
            stranger.act()
        overheard: list[bytes] = []
        for connection in self.connections:
            while connection.run(overheard):
                pass
        for exchange in (*self.doors, *self.guests):
            exchange.receive(self.now)
            exchange.handle_timer(self.now)
        self.listen(overheard)
        self.decide()
        self.check()

    def listen(self, overheard: list[bytes]) -> None:
        """Strangers know what was said on other connections, from somewhere."""
        for frame in overheard:
            if frame[1:2] in (b"\0", b"\1") and self.chance.random() < 0.2:
                for stranger in self.strangers:
                    stranger.known.append(frame[2:])
                    del stranger.known[:-50]

    def decide(self) -> None:
        """Members admit most of those who ask, after a while, and remember them."""
        for member in self.members:
            while (event := member.next_event()) is not None:
                if isinstance(event, RequestReceived):
                    self._judge(member, event)
        for door in self.doors:
            door.send()

    def _judge(self, member: Member, event: RequestReceived) -> None:
        known = {record.id for _, record in self.invites}
        assert event.invite_id in known, "somebody without an invite was reported"
        said = event.receipt.user_data
        assert said.startswith(b"candidate ")
        if said == b"candidate 2":
            member.deny(event.ticket, status=Status.USED)
        elif self.chance.random() < 0.2:
            member.ignore(event.ticket)
        else:
            member.confirm(event.ticket, key=KEY, encryption_key=ENCRYPTION_KEY)

    def check(self) -> None:
        for number, candidate in enumerate(self.candidates):
            while (event := candidate.next_event()) is not None:
                if isinstance(event, Rejected):
                    self.rejected[number] = event.status
                    continue
                assert self.paired[number] is None, "paired twice"
                self.paired[number] = event
        for member in self.members:
            assert len(member.pending) <= MAX_PENDING_PER_INVITE * 5
            for pending in member._pending.values():
                assert len(pending.peers) <= MAX_WAITING_PEERS
        for exchange in (*self.doors, *self.guests):
            assert not exchange.has_input


@pytest.mark.parametrize("seed", SEEDS)
def test_who_has_a_right_gets_in_and_nobody_else(seed: int) -> None:
    print(f"seed {seed}")
    party = Party(seed)
    while party.now < LIMIT_S and not all(party.paired[n] for n in (0, 1, 3)):
        party.step()
    for number in (0, 1, 3):
        event = party.paired[number]
        assert event is not None, f"candidate {number} waits outside"
        assert event.admission.key == KEY
        assert event.admission.encryption_key == ENCRYPTION_KEY
        assert event.admission.additional is not None
        assert event.admission.additional.data == b"welcome"
    # One was refused by everybody, one's invite was over, one's was never known.
    for _ in range(800):
        party.step()
    assert (party.paired[2], party.rejected[2]) == (None, Status.USED)
    assert (party.paired[4], party.rejected[4]) == (None, Status.EXPIRED)
    assert (party.paired[5], party.rejected[5]) == (None, None)
    dropped = {drop for member in party.members for drop in member.dropped}
    assert {Drop.MALFORMED, Drop.UNKNOWN_INVITE, Drop.BAD_SEAL} <= dropped
    doubted = {drop for each in party.candidates for drop in each.dropped}
    assert {Drop.MALFORMED, Drop.NOT_OURS, Drop.BAD_CONTENT} <= doubted
