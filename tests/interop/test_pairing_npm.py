"""Blind pairing with npm's: every message, over a swarm, and through the DHT alone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from net import DHT, KeyPair, Swarm
from net.crypto import discovery_key
from net.pairing import (
    Additional,
    Admission,
    Candidate,
    CandidatePoll,
    CandidateRequest,
    CandidateState,
    Exchange,
    Invite,
    InviteRecord,
    Member,
    MemberPoll,
    Paired,
    Rejected,
    RequestReceived,
    Status,
    create_invite,
    create_receipt,
    decode_invite,
    verify_receipt,
)
from net.pairing.events import (
    Announce,
    GetRecord,
    LookUp,
    PutRecord,
    Unannounce,
)
from net.pairing.sealing import invite_id
from tests.interop.networks import LOCAL, as_npm, network_of, npm_node, our_node
from tests.interop.node_peer import LIMIT_S, NodePeer

pytestmark = pytest.mark.interop

KEY = bytes(range(32))
ENCRYPTION_KEY = b"\x44" * 32
GROUP = discovery_key(KEY)
USER_DATA = b"a writer's key, or whatever a room wants to know"
SEED = b"\x71" * 32
EXPIRES_AT = 1_900_000_000
STATUSES = {
    Status.REJECTED: "PAIRING_REJECTED",
    Status.USED: "INVITE_USED",
    Status.EXPIRED: "INVITE_EXPIRED",
}
ADMITTED = {"key": KEY.hex(), "encryptionKey": ENCRYPTION_KEY.hex()}


def _invite(**options: Any) -> tuple[Invite, InviteRecord]:
    return create_invite(KEY, entropy=lambda count: SEED[:count], **options)


def _record(made: dict[str, Any]) -> InviteRecord:
    """What npm says members should keep of an invite it made."""
    told = made["additional"]
    additional = told and Additional(
        bytes.fromhex(told["data"]), bytes.fromhex(told["signature"])
    )
    public_key = bytes.fromhex(made["publicKey"])
    assert invite_id(public_key).hex() == made["id"]
    return InviteRecord(invite_id(public_key), public_key, GROUP, None, additional)


def _asked(invite: Invite) -> dict[str, Any]:
    """What npm needs to know to ask as we do."""
    return {"invite": invite.encode().hex(), "userData": USER_DATA.hex()}


async def test_invites_both_ways(npm: NodePeer) -> None:
    nodes = (("8.8.8.8", 49737), ("1.1.1.1", 80))
    invite, record = _invite(
        expires_at=EXPIRES_AT, sensitive=True, additional_nodes=nodes
    )
    told = await npm.ask("pairing.decodeInvite", invite=invite.encode().hex())
    assert (told["seed"], told["id"]) == (SEED.hex(), record.id.hex())
    assert (told["discoveryKey"], told["expires"]) == (GROUP.hex(), EXPIRES_AT * 1000)
    assert (told["sensitive"], told["testInvitation"]) == (True, False)
    assert [(each["host"], each["port"]) for each in told["additionalNodes"]] == [
        *nodes
    ]
    made = await npm.ask(
        "pairing.createInvite",
        key=KEY.hex(),
        expires=EXPIRES_AT * 1000,
        testInvitation=True,
        additionalNodes=[{"host": host, "port": port} for host, port in nodes],
    )
    theirs = decode_invite(bytes.fromhex(made["invite"]))
    assert invite_id(theirs.key_pair.public_key).hex() == made["id"]
    assert (theirs.discovery_key, theirs.expires_at) == (GROUP, EXPIRES_AT)
    assert (theirs.sensitive, theirs.test_invitation) == (False, True)
    assert theirs.additional_nodes == nodes
    assert theirs.encode().hex() == made["invite"]


async def test_we_ask_and_they_answer(npm: NodePeer) -> None:
    made = await npm.ask("pairing.createInvite", key=KEY.hex(), data=b"extra".hex())
    invite = decode_invite(bytes.fromhex(made["invite"]))
    request = CandidateRequest(invite, USER_DATA)
    same = await npm.ask(
        "pairing.request", invite=made["invite"], userData=USER_DATA.hex()
    )
    assert request.encoded.hex() == same
    decision = {**ADMITTED, "additional": made["additional"]}
    asked: dict[str, Any] = {"request": same, "publicKey": made["publicKey"]}
    told = await npm.ask("pairing.answer", **asked, decision=decision)
    assert told["userData"] == USER_DATA.hex()
    assert told["receipt"] == request.receipt.encode().hex()
    admission = request.open(bytes.fromhex(told["response"])).admission
    assert admission == Admission(KEY, ENCRYPTION_KEY, _record(made).additional)
    for status in STATUSES:
        told = await npm.ask(
            "pairing.answer", **asked, decision={"status": int(status)}
        )
        assert request.open(bytes.fromhex(told["response"])).status is status


async def test_they_ask_and_we_answer(npm: NodePeer) -> None:
    invite, record = _invite(data=b"extra")
    asked: dict[str, Any] = _asked(invite)
    data = bytes.fromhex(await npm.ask("pairing.request", **asked))
    for status in Status:
        # A member answers a session once; each decision is another member's.
        member = Member(GROUP)
        member.add_invite(record)
        member.add_peer(0)
        member.receive_request(0, data, now=0.0)
        event = member.next_event()
        assert isinstance(event, RequestReceived)
        assert event.receipt.user_data == USER_DATA
        # What we say besides disturbs them not.
        if status is Status.OK:
            member.confirm(
                event.ticket,
                key=KEY,
                encryption_key=ENCRYPTION_KEY,
                extension=b"besides",
            )
        else:
            member.deny(event.ticket, status=status, extension=b"besides")
        (answer,) = member.messages_to_send()
        told = await npm.ask("pairing.open", **asked, response=answer.message.hex())
        if status is Status.OK:
            assert told["paired"] == {**ADMITTED, "data": b"extra".hex()}
        else:
            assert told == {"paired": None, "rejected": STATUSES[status]}


async def test_receipts_both_ways(npm: NodePeer) -> None:
    invite, record = _invite()
    ours = create_receipt(invite, USER_DATA)
    asked: dict[str, Any] = _asked(invite)
    assert await npm.ask("pairing.createReceipt", **asked) == ours.hex()
    assert verify_receipt(ours, record.public_key) == USER_DATA
    for key, expected in ((record.public_key, USER_DATA.hex()), (KEY, None)):
        told = await npm.ask(
            "pairing.verifyReceipt", receipt=ours.hex(), publicKey=key.hex()
        )
        assert told == expected


class Door:
    """Our pairing over a swarm of ours."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.peers: list[int] = []

    async def serve(self, swarm: Swarm) -> None:
        """Attach to every connection and move the machines until cancelled."""
        moving = asyncio.create_task(self._move())
        try:
            async for connection in swarm.connections():
                self.peers.append(self.exchange.attach(connection.mux))
        finally:
            moving.cancel()

    async def _move(self) -> None:
        while True:
            self.exchange.receive(time.monotonic())
            self.exchange.handle_timer(time.monotonic())
            await asyncio.sleep(0.01)


async def soon(take: Any) -> Any:
    """What a machine reports next."""
    async with asyncio.timeout(LIMIT_S):
        while (event := take()) is None:
            await asyncio.sleep(0.01)
    return event


@asynccontextmanager
async def swarms(
    npm: NodePeer, kind: str, door: Door, *, server: bool
) -> AsyncIterator[str]:
    """A swarm of ours with a door, and pairing of npm over a swarm of npm's."""
    async with network_of(kind, npm) as network:
        ours = Swarm(
            [network.bootstrap],
            key_pair=KeyPair.from_seed(b"\x61" * 32),
            host=LOCAL,
            port=0,
        )
        made = await npm.ask(
            "swarm.create",
            bootstrap=as_npm(network.bootstrap),
            seed="62" * 32,
            onData="mux",
        )
        pairing = await npm.ask("pairing.create", swarm=made["swarm"], poll=3_600_000)
        async with ours:
            serving = asyncio.create_task(door.serve(ours))
            discovery = await ours.join(GROUP, server=server, client=not server)
            await discovery.flushed()
            yield pairing["pairing"]
            await npm.ask("pairing.close", pairing=pairing["pairing"])
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_they_come_to_our_door(npm: NodePeer, kind: str) -> None:
    invite, record = _invite(data=b"extra")
    member = Member(GROUP)
    member.add_invite(record)
    door = Door(Exchange(GROUP, member=member))
    async with swarms(npm, kind, door, server=True) as pairing:
        await npm.ask(
            "pairing.candidate",
            pairing=pairing,
            **_asked(invite),
        )
        event = await soon(member.next_event)
        assert isinstance(event, RequestReceived)
        assert event.invite_id == record.id
        assert event.receipt.user_data == USER_DATA
        # A notice is passed over; what is said besides the keys as well.
        member.hold(event.ticket)
        door.exchange.send()
        member.confirm(
            event.ticket,
            key=KEY,
            encryption_key=ENCRYPTION_KEY,
            extension=b"besides",
        )
        told = await npm.event("pairing.paired", pairing=pairing)
        assert told["key"] == KEY.hex()
        assert told["encryptionKey"] == ENCRYPTION_KEY.hex()
        assert told["data"] == b"extra".hex()
        assert not member.dropped
        assert not door.exchange.dropped


async def test_they_are_refused_at_our_door(npm: NodePeer) -> None:
    invite, record = _invite()
    member = Member(GROUP)
    member.add_invite(record, expires_at=0.0)
    door = Door(Exchange(GROUP, member=member))
    async with swarms(npm, "ours", door, server=True) as pairing:
        await npm.ask(
            "pairing.candidate",
            pairing=pairing,
            **_asked(invite),
        )
        told = await npm.event("pairing.rejected", pairing=pairing)
        assert told["error"] == "INVITE_EXPIRED"
        assert member.next_event() is None


@pytest.mark.parametrize("kind", ["npm", "ours"])
@pytest.mark.parametrize("admitted", [True, False], ids=["admitted", "refused"])
async def test_we_come_to_their_door(npm: NodePeer, kind: str, admitted: bool) -> None:
    made = await npm.ask("pairing.createInvite", key=KEY.hex(), data=b"extra".hex())
    invite = decode_invite(bytes.fromhex(made["invite"]))
    candidate = Candidate(CandidateRequest(invite, USER_DATA), entropy=os.urandom)
    door = Door(Exchange(GROUP, candidate=candidate))
    async with swarms(npm, kind, door, server=False) as pairing:
        decision = {**ADMITTED, "additional": made["additional"]}
        await npm.ask(
            "pairing.member",
            pairing=pairing,
            discoveryKey=GROUP.hex(),
            publicKey=made["publicKey"],
            decision=decision if admitted else {"status": 2},
        )
        asked = await npm.event("pairing.asked", pairing=pairing)
        assert (asked["inviteId"], asked["userData"]) == (made["id"], USER_DATA.hex())
        event = await soon(candidate.next_event)
        if admitted:
            additional = _record(made).additional
            assert event == Paired(Admission(KEY, ENCRYPTION_KEY, additional))
        else:
            assert event == Rejected(Status.USED)
        assert not candidate.dropped


async def _carry_out(dht: DHT, poll: CandidatePoll, candidate: Candidate) -> None:
    """Do what a candidate's plan says until there is nothing to do."""
    while (action := poll.next_action()) is not None:
        match action:
            case GetRecord(public_key):
                found = await dht.mutable_get(public_key, latest=False)
                if found is not None:
                    candidate.receive_record(found.value)
                if candidate.state is CandidateState.PAIRED:
                    poll.finish()
                else:
                    poll.record_checked(time.monotonic())
            case PutRecord(key_pair, value):
                await dht.mutable_put(key_pair, value)
            case Announce(topic, key_pair):
                await dht.announce(topic, key_pair)
                poll.published(time.monotonic(), succeeded=True)
            case Unannounce(topic, key_pair):
                await dht.unannounce(topic, key_pair)
            case _:
                raise AssertionError(action)


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_we_ask_through_the_dht_alone(npm: NodePeer, kind: str) -> None:
    made = await npm.ask("pairing.createInvite", key=KEY.hex())
    invite = decode_invite(bytes.fromhex(made["invite"]))
    request = CandidateRequest(invite, USER_DATA)
    candidate = Candidate(request, entropy=os.urandom)
    poll = CandidatePoll(request, entropy=os.urandom)
    async with network_of(kind, npm) as network, our_node(network.bootstrap) as dht:
        poll.handle_timer(time.monotonic())
        await _carry_out(dht, poll, candidate)
        assert poll.announced
        # Only now does a member come.
        node = await npm_node(npm, network)
        told = await npm.ask("pairing.create", node=node, poll=200)
        await npm.ask(
            "pairing.member",
            pairing=told["pairing"],
            discoveryKey=GROUP.hex(),
            publicKey=made["publicKey"],
            decision=ADMITTED,
        )
        await npm.event("pairing.asked", pairing=told["pairing"])
        async with asyncio.timeout(LIMIT_S):
            while candidate.admission is None:
                poll.refresh()
                poll.handle_timer(time.monotonic())
                await _carry_out(dht, poll, candidate)
        assert candidate.next_event() == Paired(Admission(KEY, ENCRYPTION_KEY))
        assert not candidate.dropped
        await npm.ask("pairing.close", pairing=told["pairing"])


async def _look(dht: DHT, poll: MemberPoll, member: Member) -> None:
    """One poll of a member, as its plan says."""
    poll.handle_timer(time.monotonic())
    while (action := poll.next_action()) is not None:
        match action:
            case LookUp(topic):
                for found in await dht.lookup(topic):
                    poll.key_found(found.public_key)
                poll.lookup_ended(time.monotonic())
            case GetRecord(public_key):
                record = await dht.mutable_get(public_key, latest=False)
                settled = record is not None and member.receive_record(
                    record.value, time.monotonic()
                )
                poll.record_checked(public_key, settled=settled)
            case _:
                raise AssertionError(action)


@pytest.mark.parametrize("kind", ["npm", "ours"])
async def test_they_ask_through_the_dht_alone(npm: NodePeer, kind: str) -> None:
    invite, record = _invite()
    member = Member(GROUP)
    member.add_invite(record)
    poll = MemberPoll(GROUP, entropy=os.urandom)
    async with network_of(kind, npm) as network, our_node(network.bootstrap) as dht:
        node = await npm_node(npm, network)
        told = await npm.ask("pairing.create", node=node, poll=200)
        await npm.ask(
            "pairing.candidate",
            pairing=told["pairing"],
            **_asked(invite),
        )
        await npm.event("pairing.announced", pairing=told["pairing"])
        await _look(dht, poll, member)
        event = member.next_event()
        assert isinstance(event, RequestReceived)
        assert event.receipt.user_data == USER_DATA
        member.confirm(event.ticket, key=KEY, encryption_key=ENCRYPTION_KEY)
        (put,) = member.records_to_put()
        await dht.mutable_put(put.key_pair, put.value)
        paired = await npm.event("pairing.paired", pairing=told["pairing"])
        assert (paired["key"], paired["encryptionKey"]) == tuple(ADMITTED.values())
        # Nothing is fetched or reported a second time.
        poll.refresh()
        await _look(dht, poll, member)
        assert member.next_event() is None
        await npm.ask("pairing.close", pairing=told["pairing"])
