"""One invite's blind pairing on every connection and in the DHT.

A ``Door`` gives time, channels and records to the machines of ``net.pairing``: a member
that answers, a candidate that asks, or both. What a request says and who is let in is
the business of ``app/rooms/admission.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from app.network import Network, Peer
from app.tasks import Tasks
from net.errors import LocalProtocolError
from net.pairing import (
    Candidate,
    CandidatePoll,
    CandidateState,
    Exchange,
    Member,
    Receipt,
)
from net.pairing.events import (
    Announce,
    CandidateEvent,
    GetRecord,
    LookUp,
    MemberEvent,
    PutRecord,
    Unannounce,
)
from net.pairing.polling import MemberPoll

_LOG = logging.getLogger("covey.invite")

MAX_POLLS = 4
"""Doors that look into the DHT at one time."""
LAST_LIMIT_S = 3.0
"""How long answers and withdrawals may take after the end."""


class Door:
    """The pairing group of one invite.

    Moved by connections, by its own timers and by ``pump`` after a decision.

    Attributes:
        group: The group's discovery key, 32 bytes: its topic.
    """

    def __init__(
        self,
        group: bytes,
        network: Network | None,
        *,
        entropy: Callable[[int], bytes],
        polls: asyncio.Semaphore,
    ) -> None:
        """Begin with neither role.

        Args:
            group: The group's discovery key.
            network: None to stay alone.
            entropy: Where pauses come from.
            polls: How many doors may be looking into the DHT at a time.
        """
        self.group = group
        self._network = network
        self._entropy = entropy
        self._polls = polls
        self._pairing = Exchange(group)
        self._pairing.on_input = self._pump_soon
        self._numbers: dict[Peer, int] = {}
        self._member: Member | None = None
        self._candidate: Candidate | None = None
        self._member_poll: MemberPoll | None = None
        self._candidate_poll: CandidatePoll | None = None
        self._on_member: Callable[[MemberEvent], None] = lambda _: None
        self._on_candidate: Callable[[CandidateEvent], None] = lambda _: None
        self._polling: dict[object, asyncio.Task[None]] = {}
        self._woken: dict[object, asyncio.Event] = {}
        self._answering = False
        self._mode: tuple[bool, bool] | None = None
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks(_LOG, "an invite's work failed")

    @property
    def idle(self) -> bool:
        """True while it neither answers nor asks."""
        return self._member is None and self._candidate is None

    def attach(self, peer: Peer) -> None:
        """Ask on this connection, or answer who asks."""
        if peer in self._numbers:
            return
        waiting = self._candidate is None
        try:
            self._numbers[peer] = self._pairing.attach(peer.mux, waiting=waiting)
        except LocalProtocolError as error:
            _LOG.info("an invite could not be shown: %s", error)
        self._pump_soon()

    def detach(self, peer: Peer) -> None:
        """The connection is gone."""
        number = self._numbers.pop(peer, None)
        if number is not None:
            self._pairing.detach(number)

    def waits(self, peer: Peer) -> bool:
        """True while somebody on this connection waits for a decision."""
        number = self._numbers.get(peer)
        return (
            number is not None
            and self._member is not None
            and self._member.waits(number)
        )

    def serve(self, member: Member, on_event: Callable[[MemberEvent], None]) -> None:
        """Answer from now on."""
        self._member, self._on_member = member, on_event
        self._pairing.set_member(member)
        self._set_mode()
        if self._network is not None:
            poll = self._member_poll = MemberPoll(self.group, entropy=self._entropy)
            self._begin_poll(poll, self._look_for_requests(poll, self._network))
        self._pump_soon()

    def recall(self, invite_id: bytes, receipt: Receipt) -> None:
        """Have a request decided that waited before the last start."""
        if self._member is not None:
            now = asyncio.get_running_loop().time()
            self._member.recall(invite_id, receipt, now)
            self._pump_soon()

    def look_again(self, token: bytes) -> None:
        """A request was ignored: where it waits in the DHT it may be read again."""
        if self._member_poll is not None:
            self._member_poll.record_ignored(token)

    def serve_no_more(self) -> None:
        """Answer nobody any more."""
        self._member = None
        self._pairing.set_member(None)
        if self._member_poll is not None:
            self._end_poll(self._member_poll)
            self._member_poll = None
        self._set_mode()

    def ask(
        self, candidate: Candidate, on_event: Callable[[CandidateEvent], None]
    ) -> None:
        """Ask from now on."""
        self._candidate, self._on_candidate = candidate, on_event
        self._pairing.set_candidate(candidate)
        self._set_mode()
        if self._network is not None:
            poll = CandidatePoll(candidate.request, entropy=self._entropy)
            self._candidate_poll = poll
            self._begin_poll(poll, self._look_for_answer(poll, self._network))
        self._pump_soon()

    def ask_again(self) -> None:
        """Ask also those who refused the channel: they may know the invite now."""
        try:
            self._pairing.reopen()
        except LocalProtocolError as error:
            _LOG.info("an invite could not be shown again: %s", error)
        self._pump_soon()

    def ask_no_more(self, *, withdraw: bool) -> None:
        """Give up, or be done.

        Args:
            withdraw: Take the request back from the DHT; otherwise a member that comes
                later still finds and answers it.
        """
        if self._candidate is None:
            return
        self._candidate.close()
        self._candidate = None
        self._pairing.set_candidate(None)
        poll, self._candidate_poll = self._candidate_poll, None
        if poll is not None:
            self._end_poll(poll)
            poll.finish()
            if withdraw and self._network is not None:
                self._tasks.spawn(self._withdraw(poll, self._network))
        self._close_channels()
        self._set_mode()

    def refresh(self) -> None:
        """The network is another one: look into its records now."""
        for poll in (self._member_poll, self._candidate_poll):
            if poll is not None:
                poll.refresh()
                self._woken[poll].set()

    def pump(self) -> None:
        """Move the machines on, and carry what they say."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        now = asyncio.get_running_loop().time()
        self._pairing.receive(now)
        self._pairing.handle_timer(now)
        while self._member is not None and (event := self._member.next_event()):
            self._on_member(event)
        while self._candidate is not None and (told := self._candidate.next_event()):
            self._on_candidate(told)
        self._put_answers()
        self._arm()

    async def stop(self) -> None:
        """Leave every connection; what is being left in the DHT has a while for it."""
        if self._member is not None:
            self.serve_no_more()
        self.ask_no_more(withdraw=False)
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self._pairing.on_input = lambda: None
        self._pairing.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LIMIT_S):
                await self._tasks.finish()
        await self._tasks.cancel()

    # inside

    def _pump_soon(self) -> None:
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._soon = None
        self.pump()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._pairing.get_timer()
        if at is not None and not self.idle:
            loop = asyncio.get_running_loop()
            # A machine whose time has come was moved just now.
            self._timer = loop.call_at(max(at, loop.time() + 0.001), self.pump)

    def _close_channels(self) -> None:
        """Begin anew with channels that only answer."""
        peers = list(self._numbers)
        for peer in peers:
            self.detach(peer)
        for peer in peers:
            if not peer.mux.closed and not self.idle:
                self.attach(peer)

    def _set_mode(self) -> None:
        """Be at the topic as the roles want it."""
        if self._network is None:
            return
        server = client = False
        if self._member is not None:
            server = True
            client = self._member_poll is not None and self._member_poll.mode.client
        if self._candidate is not None:
            client = True
            poll = self._candidate_poll
            server = server or (poll is not None and poll.mode.server)
        mode = (server, client) if server or client else None
        if mode == self._mode:
            return
        self._mode = mode
        if mode is None:
            self._network.leave(self.group)
        else:
            self._network.join(self.group, server=server, client=client)

    def _put_answers(self) -> None:
        """Leave answers for those who are not connected."""
        if self._member is None or self._network is None or self._answering:
            return
        records = self._member.records_to_put()
        if records:
            self._answering = True
            self._tasks.spawn(self._answer(records, self._network))

    async def _answer(self, records: list[PutRecord], network: Network) -> None:
        try:
            for record in records:
                async with self._polls:
                    await network.put_record(record.key_pair, record.value)
        finally:
            self._answering = False
        if self._member_poll is not None:
            self._member_poll.answered()
            self._set_mode()
        self._put_answers()

    def _begin_poll(
        self, poll: MemberPoll | CandidatePoll, work: Coroutine[Any, Any, None]
    ) -> None:
        self._woken[poll] = asyncio.Event()
        self._polling[poll] = self._tasks.spawn(work)

    def _end_poll(self, poll: MemberPoll | CandidatePoll) -> None:
        self._polling.pop(poll).cancel()
        del self._woken[poll]

    async def _next_poll(self, poll: MemberPoll | CandidatePoll) -> None:
        """Wait until a poll is due."""
        due = poll.get_timer()
        woken = self._woken[poll]
        woken.clear()
        try:
            async with asyncio.timeout_at(due):
                await woken.wait()
        except TimeoutError:
            return

    async def _look_for_requests(self, poll: MemberPoll, network: Network) -> None:
        loop = asyncio.get_running_loop()
        while True:
            poll.flushed()
            self._set_mode()
            poll.handle_timer(loop.time())
            async with self._polls:
                while (action := poll.next_action()) is not None:
                    if isinstance(action, LookUp):
                        found = await network.look_up(action.topic)
                        for public_key in self._turned(found):
                            poll.key_found(public_key)
                        poll.lookup_ended(loop.time())
                    elif isinstance(action, GetRecord):
                        await self._read_request(poll, network, action.public_key)
            await self._next_poll(poll)

    def _turned(self, found: list[bytes]) -> list[bytes]:
        """What was found, from anywhere on: who announces many keys hides no others.

        A poll looks at so many and no more.
        """
        start = int.from_bytes(self._entropy(4), "little") % max(1, len(found))
        return found[start:] + found[:start]

    async def _read_request(
        self, poll: MemberPoll, network: Network, public_key: bytes
    ) -> None:
        value = await network.get_record(public_key)
        settled = False
        if value is not None and self._member is not None:
            now = asyncio.get_running_loop().time()
            settled = self._member.receive_record(value, now)
            self.pump()
        poll.record_checked(public_key, settled=settled)

    async def _look_for_answer(self, poll: CandidatePoll, network: Network) -> None:
        loop = asyncio.get_running_loop()
        while poll.get_timer() is not None:
            if poll.announced:
                # An announcement lasts twenty minutes only.
                poll.refresh()
            poll.handle_timer(loop.time())
            async with self._polls:
                while (action := poll.next_action()) is not None:
                    if isinstance(action, GetRecord):
                        await self._read_answer(poll, network, action.public_key)
                    elif isinstance(action, PutRecord):
                        await network.put_record(action.key_pair, action.value)
                    elif isinstance(action, Announce):
                        told = await network.announce(action.topic, action.key_pair)
                        poll.published(loop.time(), succeeded=told)
                        self._set_mode()
            if poll.get_timer() is not None:
                await self._next_poll(poll)

    async def _read_answer(
        self, poll: CandidatePoll, network: Network, public_key: bytes
    ) -> None:
        value = await network.get_record(public_key)
        candidate = self._candidate
        if candidate is None:
            return
        if value is not None:
            candidate.receive_record(value)
            self.pump()
        if candidate.state is CandidateState.ASKING:
            poll.record_checked(asyncio.get_running_loop().time())

    async def _withdraw(self, poll: CandidatePoll, network: Network) -> None:
        while (action := poll.next_action()) is not None:
            if isinstance(action, Unannounce):
                await network.unannounce(action.topic, action.key_pair)


class Doors:
    """The doors of one profile, each there as long as it has a role."""

    def __init__(
        self, network: Network | None, *, entropy: Callable[[int], bytes], tasks: Tasks
    ) -> None:
        """Begin with none.

        Args:
            network: None to stay alone.
            entropy: Where pauses come from.
            tasks: Owns the work of closing doors.
        """
        self.all: dict[bytes, Door] = {}
        self._network = network
        self._entropy = entropy
        self._tasks = tasks
        self._peers: dict[Peer, None] = {}
        self._polls = asyncio.Semaphore(MAX_POLLS)

    def of(self, group: bytes) -> Door:
        """The door of an invite's group, made when there is none."""
        door = self.all.get(group)
        if door is None:
            door = self.all[group] = Door(
                group, self._network, entropy=self._entropy, polls=self._polls
            )
            for peer in self._peers:
                door.attach(peer)
        return door

    def release(self, door: Door) -> None:
        """Close a door without a role."""
        if door.idle and self.all.pop(door.group, None) is not None:
            self._tasks.spawn(door.stop())

    def attach(self, peer: Peer) -> None:
        """Have every door on this connection."""
        self._peers[peer] = None
        for door in tuple(self.all.values()):
            door.attach(peer)

    def detach(self, peer: Peer) -> None:
        """The connection is gone."""
        self._peers.pop(peer, None)
        for door in tuple(self.all.values()):
            door.detach(peer)

    def refresh(self) -> None:
        """The network is another one."""
        for door in tuple(self.all.values()):
            door.refresh()

    async def stop(self) -> None:
        """Close all."""
        await asyncio.gather(*(door.stop() for door in self.all.values()))
