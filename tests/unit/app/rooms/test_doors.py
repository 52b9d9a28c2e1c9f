"""A door by itself: its topic, its looks into the DHT, and its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial

import pytest

from app.rooms import doors
from app.rooms.doors import Door, Doors
from app.tasks import Tasks
from net import KeyPair
from net.pairing import (
    Candidate,
    CandidateRequest,
    Invite,
    InviteRecord,
    Member,
    Paired,
    RequestReceived,
    create_invite,
)
from net.pairing.constants import MAX_LOOKUP_PEERS
from net.pairing.events import CandidateEvent, MemberEvent
from tests.unit.app.rooms.joined import QuietNetwork, Records, ends, settle

KEY = b"k" * 32


class WatchedNetwork(QuietNetwork):
    """Remembers how a topic was joined; may fail, or never answer."""

    def __init__(self, records: Records | None = None) -> None:
        super().__init__(records)
        self.modes: list[tuple[bool, bool] | None] = []
        self.fails = False
        self.hangs = False
        self.announced_count = 0

    def join(self, topic: bytes, *, server: bool, client: bool) -> None:
        super().join(topic, server=server, client=client)
        self.modes.append((server, client))

    def leave(self, topic: bytes) -> None:
        super().leave(topic)
        self.modes.append(None)

    def has_announced(self, count: int) -> bool:
        return self.announced_count == count

    async def put_record(self, key_pair: KeyPair, value: bytes) -> bool:
        if self.hangs:
            await asyncio.Event().wait()
        return not self.fails and await super().put_record(key_pair, value)

    async def announce(self, topic: bytes, key_pair: KeyPair) -> bool:
        self.announced_count += 1
        return not self.fails and await super().announce(topic, key_pair)


class Meeting:
    """A member's door and a candidate's, with one DHT between them."""

    def __init__(self) -> None:
        self.records = Records()
        self.here, self.there = (WatchedNetwork(self.records) for _ in range(2))
        self.invite: Invite
        self.record: InviteRecord
        self.invite, self.record = create_invite(KEY, entropy=os.urandom)
        self.group = self.record.discovery_key
        self.inside, self.outside = (
            Door(self.group, network, entropy=os.urandom, polls=asyncio.Semaphore(1))
            for network in (self.here, self.there)
        )
        self.member = Member(self.group)
        self.member.add_invite(self.record)
        request = CandidateRequest(self.invite, b"let me in")
        self.candidate = Candidate(request, entropy=os.urandom)
        self.heard: list[MemberEvent] = []
        self.told: list[CandidateEvent] = []

    def serve(self) -> None:
        self.inside.serve(self.member, self.heard.append)

    def ask(self) -> None:
        self.outside.ask(self.candidate, self.told.append)

    def admit(self) -> None:
        [event] = self.heard
        assert isinstance(event, RequestReceived)
        self.member.confirm(event.ticket, key=KEY)
        self.inside.pump()

    async def stop(self) -> None:
        await self.inside.stop()
        await self.outside.stop()


async def until(so: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(60):
        while not so():
            await asyncio.sleep(0)


async def test_the_topic_is_joined_as_the_roles_want_it() -> None:
    met = Meeting()
    met.ask()
    await until(lambda: len(met.records.values) == 1)
    await until(lambda: met.there.modes == [(False, True), (True, True)])
    met.serve()
    await until(lambda: len(met.heard) == 1)
    assert met.here.modes == [(True, False)]
    met.admit()
    # Who was answered may be waiting at the topic.
    await until(lambda: met.here.modes[-1] == (True, True))
    met.outside.refresh()
    await until(lambda: bool(met.told))
    assert isinstance(met.told[0], Paired)
    met.outside.ask_no_more(withdraw=True)
    await until(lambda: not met.records.announced[next(iter(met.records.announced))])
    assert met.there.modes[-1] is None
    met.inside.refresh()
    await until(lambda: met.here.modes[-1] == (True, False))
    met.inside.serve_no_more()
    assert met.here.modes[-1] is None
    assert met.inside.idle
    assert met.outside.idle
    await met.stop()


async def test_a_door_may_ask_and_answer() -> None:
    met = Meeting()
    left, right = ends()
    met.outside.serve(met.member, met.heard.append)
    met.ask()
    met.outside.attach(left)
    other = Door(met.group, None, entropy=os.urandom, polls=asyncio.Semaphore(1))
    member = Member(met.group)
    member.add_invite(met.record)
    asked: list[MemberEvent] = []
    other.serve(member, asked.append)
    other.attach(right)
    await settle(left, right, lambda: bool(asked))
    # Done with asking, it goes on answering on the same connections.
    met.outside.ask_no_more(withdraw=True)
    assert not met.outside.idle
    other.serve_no_more()
    await settle(left, right, lambda: not right.mux.channels)
    again: list[CandidateEvent] = []
    candidate = Candidate(CandidateRequest(met.invite, b"me too"), entropy=os.urandom)
    other.ask(candidate, again.append)
    await settle(left, right, lambda: len(met.heard) == 1)
    assert met.outside.waits(left)
    met.member.confirm(met.member.pending[0], key=KEY)
    met.outside.pump()
    await settle(left, right, lambda: bool(again))
    assert not met.outside.waits(left)
    await other.stop()
    await met.stop()


async def test_a_request_is_announced_anew_with_every_look() -> None:
    met = Meeting()
    met.there.fails = True
    met.ask()
    await until(lambda: met.there.announced_count == 1)
    met.there.fails = False
    for count in (2, 3):
        met.outside.refresh()
        await until(partial(met.there.has_announced, count))
    await until(lambda: len(met.records.values) == 1)
    # Given up without an answer, it can still be answered.
    met.outside.ask_no_more(withdraw=False)
    await met.stop()
    assert [len(keys) for keys in met.records.announced.values()] == [1]


async def test_a_door_s_end_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "LAST_LIMIT_S", 0.01)
    met = Meeting()
    met.ask()
    await until(lambda: len(met.records.values) == 1)
    met.here.hangs = True
    met.serve()
    await until(lambda: len(met.heard) == 1)
    met.admit()
    await met.stop()
    assert len(met.records.values) == 1


async def test_an_answer_has_time_at_the_end() -> None:
    met = Meeting()
    met.ask()
    await until(lambda: len(met.records.values) == 1)
    met.serve()
    await until(lambda: len(met.heard) == 1)
    met.admit()
    await met.stop()
    assert len(met.records.values) == 2


async def test_many_announced_keys_hide_no_request_for_ever() -> None:
    met = Meeting()
    met.ask()
    await until(lambda: bool(met.records.announced))
    [keys] = met.records.announced.values()
    await until(lambda: len(keys) == 1)
    junk = [b"%032d" % number for number in range(2 * MAX_LOOKUP_PEERS)]
    keys[:] = [*junk, *keys]
    met.serve()
    async with asyncio.timeout(60):
        while not met.heard:
            met.inside.refresh()
            await asyncio.sleep(0)
    await met.stop()


async def test_doors_are_there_as_long_as_they_are_used() -> None:
    met = Meeting()
    tasks = Tasks(None)
    all_doors = Doors(met.here, entropy=os.urandom, tasks=tasks)
    peer, other = ends()
    all_doors.attach(peer)
    door = all_doors.of(met.group)
    assert all_doors.of(met.group) is door
    door.serve(met.member, met.heard.append)
    all_doors.release(door)
    assert list(all_doors.all) == [met.group]
    met.outside.attach(other)
    met.ask()
    await settle(peer, other, lambda: bool(met.heard))
    all_doors.detach(peer)
    assert not door.waits(peer)
    door.serve_no_more()
    all_doors.release(door)
    assert all_doors.all == {}
    await tasks.finish()
    await all_doors.stop()
    await met.stop()
