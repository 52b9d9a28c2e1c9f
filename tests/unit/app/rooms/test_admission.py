"""Newcomers and members over two joined muxes: let in, refused, or deceived in vain."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.identity import attest_data
from app.messenger import Messenger
from app.profile import Profile
from app.rooms import invitations, links, replication
from app.rooms.doors import Door
from app.rooms.guest import Guest
from app.rooms.invitations import Admitted, Link, Refusal, decode_link
from app.rooms.law import admission_signable
from app.rooms.logs import OpenLog
from app.rooms.roles import Kind
from net.crypto import sign
from net.pairing import (
    CandidateRequest,
    Exchange,
    Member,
    RequestReceived,
    Status,
)
from net.pairing.constants import MAX_NEW_PER_INVITE_AND_MINUTE, PROTOCOL
from net.pairing.messages import (
    decode_decision,
    decode_frame,
    decode_request,
    decode_response,
    encode_frame,
)
from net.pairing.sealing import open_response
from store.errors import EnvironmentFault
from store.rooms import NewRoom
from tests.unit.app.rooms.joined import JoinedPeer, ends, join, settle
from tests.unit.app.rooms.joined import attached as attached_rooms


@pytest.fixture(autouse=True)
def _no_keychain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")


@pytest.fixture
async def ada(tmp_path: Path) -> AsyncIterator[Messenger]:
    """A member with a room."""
    profiles.create(tmp_path / "ada", name="Ada", now_s=1)
    messenger = Messenger(profiles.open_profile(tmp_path / "ada"))
    await messenger.start()
    await messenger.create_room("Birds")
    yield messenger
    await messenger.close()


@pytest.fixture
async def bo(tmp_path: Path) -> AsyncIterator[Profile]:
    """A newcomer."""
    profiles.create(tmp_path / "bo", name="Bo", now_s=1)
    opened = profiles.open_profile(tmp_path / "bo")
    yield opened
    opened.close()


def guest_of(bo: Profile, link: Link, salt: bytes = b"") -> tuple[Guest, Door]:
    """Somebody who asks by a link, and the door."""
    guest = Guest(link, bo, entropy=os.urandom, salt=salt)
    door = Door(guest.group, None, entropy=os.urandom, polls=asyncio.Semaphore(1))
    door.ask(guest.candidate, guest.happened)
    return guest, door


async def ask(
    ada: Messenger,
    bo: Profile,
    link: Link,
    number: int = 1,
    *,
    salt: bytes = b"",
    until: Callable[[Guest], bool] = lambda guest: guest.result.done(),
) -> Guest:
    """Show an invite on a fresh connection and wait for the answer."""
    newcomer, member = ends(number)
    ada._exchange.peer_connected(member)
    guest, door = guest_of(bo, link, salt)
    door.attach(newcomer)
    await settle(newcomer, member, lambda: until(guest))
    await door.stop()
    ada._exchange.peer_disconnected(member)
    return guest


async def new_profile(folder: Path, name: str) -> Profile:
    """Somebody else."""
    profiles.create(folder / name.lower(), name=name, now_s=1)
    return profiles.open_profile(folder / name.lower())


class Spoken:
    """A pairing channel whose end says what a test likes."""

    def __init__(self, peer: JoinedPeer, group: bytes) -> None:
        self.answers: list[bytes] = []
        self.channel = peer.mux.create_channel(
            PROTOCOL, group, messages=[None, self.take, None]
        )

    def take(self, data: bytes) -> None:
        self.answers.append(decode_frame(data))

    def say(self, request: bytes) -> None:
        self.channel.send(0, encode_frame(request))


def decisions(
    link: Link, request: bytes, answers: list[bytes]
) -> list[tuple[Status, bytes]]:
    """What stands in answers to a request, as everybody with the link can read."""
    public_key = link.key_pair.public_key
    session = decode_request(request).session
    found = []
    for answer in answers:
        sealed = decode_response(answer).sealed
        opened = open_response(sealed, public_key=public_key, session=session)
        assert decode_decision(opened).encode() == opened
        found.append((decode_decision(opened).status, opened))
    return found


async def answers_to(
    ada: Messenger, link: Link, requests: list[bytes], number: int = 50
) -> list[bytes]:
    """Say requests on a connection of their own; gives what was answered."""
    thief, member = ends(number)
    ada._exchange.peer_connected(member)
    spoken = Spoken(thief, link.pairing_invite.discovery_key or b"")
    for request in requests:
        spoken.say(request)
    await settle(thief, member, lambda: len(spoken.answers) == len(requests))
    ada._exchange.peer_disconnected(member)
    return spoken.answers


async def test_a_member_lets_in_and_the_log_says_so(
    ada: Messenger, bo: Profile
) -> None:
    link = decode_link(await ada.invite("Birds", role="reader"))
    guest = await ask(ada, bo, link)
    admitted = guest.result.result()
    assert admitted.belongs_to(link.room)
    assert (admitted.name, admitted.kind) == ("Birds", Kind.GROUP)
    names = [(member.name, member.role) for member in await ada.members("Birds")]
    assert names == [("Ada", "owner"), ("Bo", "reader")]


async def test_an_answer_that_was_lost_is_given_again(
    ada: Messenger, bo: Profile
) -> None:
    link = decode_link(await ada.invite("Birds"))
    other = decode_link(await ada.invite("Birds"))
    first = (await ask(ada, bo, link)).result.result()
    for number, shown in enumerate((link, other), 2):
        assert (
            await ask(ada, bo, shown, number, salt=b"%d" % number)
        ).result.result() == first
    assert len(await ada.members("Birds")) == 2


async def test_a_spent_invite_is_refused(
    ada: Messenger, bo: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rooms.guest.OTHERS_LIMIT_S", 0.0)
    link = decode_link(await ada.invite("Birds"))
    await ask(ada, bo, link)
    cy = await new_profile(tmp_path, "Cy")
    guest = await ask(ada, cy, link, 2)
    error = guest.result.exception()
    assert isinstance(error, UserFacingError)
    assert error.code == "used-invite"
    cy.close()


async def test_an_unknown_invite_is_answered_by_nobody(
    ada: Messenger, bo: Profile
) -> None:
    await ada.invite("Birds")
    newcomer, member = ends()
    ada._exchange.peer_connected(member)
    guest, door = guest_of(bo, Link(b"?" * 16, b"r" * 32))
    door.attach(newcomer)
    for _ in range(9):
        join(newcomer, member)
        await asyncio.sleep(0)
    assert newcomer.mux.channels == []
    assert not guest.result.done()
    await door.stop()


async def test_a_member_opens_no_channel_unasked(ada: Messenger) -> None:
    """A stranger does not hear which invites there are."""
    link = decode_link(await ada.invite("Birds"))
    stranger, member = ends()
    ada._exchange.peer_connected(member)
    opened: list[bytes] = []
    stranger.mux.pair(PROTOCOL, None, opened.append)
    for _ in range(9):
        join(stranger, member)
        await asyncio.sleep(0)
    assert opened == []
    group = link.pairing_invite.discovery_key
    assert group in ada._exchange._doors.all


class Impostor:
    """Somebody who holds a link and answers newcomers in a member's place."""

    def __init__(self, link: Link, *, answer: Admitted | Refusal) -> None:
        self.newcomer, self.peer = ends()
        self._link, self._answer = link, answer
        self.seen: list[bytes] = []
        key = link.key_pair.public_key
        record = invitations.pairing_record(link.room, key)
        self.member = Member(record.discovery_key)
        self.member.add_invite(record)
        self.exchange = Exchange(record.discovery_key, member=self.member)
        self.exchange.attach(self.peer.mux)

    def move(self) -> bool:
        """Answer who asked; true once somebody did."""
        self.exchange.receive(0.0)
        while event := self.member.next_event():
            assert isinstance(event, RequestReceived)
            data = event.receipt.user_data
            self.seen.append(data)
            key = self._link.key_pair.public_key
            if isinstance(self._answer, Refusal):
                status = invitations.STATUS_OF.get(self._answer, Status.REJECTED)
                reason = invitations.encode_refused(self._answer)
                self.member.deny(event.ticket, status=status, extension=reason)
                continue
            extension = invitations.seal_admitted(
                self._answer,
                answer_key=invitations.decode_request(data).answer_key,
                invite_key=key,
                entropy=os.urandom,
            )
            self.member.confirm(
                event.ticket,
                key=invitations.pairing_key(self._link.room, key),
                extension=extension,
            )
        self.exchange.send()
        return bool(self.seen)


async def deceived(
    bo: Profile, link: Link, answer: Admitted | Refusal
) -> tuple[Guest, Door, Impostor]:
    """A newcomer who met an impostor."""
    guest, door = guest_of(bo, link)
    liar = Impostor(link, answer=answer)
    door.attach(liar.newcomer)
    await settle(liar.newcomer, liar.peer, liar.move)
    for _ in range(9):
        join(liar.newcomer, liar.peer)
        await asyncio.sleep(0)
    return guest, door, liar


async def test_a_false_room_is_not_entered(ada: Messenger, bo: Profile) -> None:
    link = decode_link(await ada.invite("Birds"))
    false = Admitted(b"k" * 32, b"f" * 32, Kind.GROUP, "Birds")
    guest, door, liar = await deceived(bo, link, false)
    assert len(liar.seen) == 1
    assert guest.candidate.dropped, "the answer came"
    assert not guest.result.done()
    newcomer, member = ends(2)
    ada._exchange.peer_connected(member)
    door.attach(newcomer)
    await settle(newcomer, member, guest.result.done)
    assert guest.result.result().belongs_to(link.room)
    await door.stop()


@pytest.mark.parametrize("reason", list(Refusal))
async def test_a_refusal_keeps_nobody_else_from_letting_in(
    ada: Messenger, bo: Profile, reason: Refusal
) -> None:
    link = decode_link(await ada.invite("Birds"))
    guest, door, _ = await deceived(bo, link, reason)
    assert guest.refusal is reason
    newcomer, member = ends(2)
    ada._exchange.peer_connected(member)
    door.attach(newcomer)
    await settle(newcomer, member, guest.result.done)
    assert guest.result.result().belongs_to(link.room)
    guest.close()
    await door.stop()


async def test_a_replayed_request_reveals_and_changes_nothing(
    ada: Messenger, bo: Profile
) -> None:
    """Who holds the same link, and saw what Bo asked, asks the same."""
    link = decode_link(await ada.invite("Birds", uses=5))
    guest = await ask(ada, bo, link)
    room_key = guest.result.result().room_key
    request = guest.candidate.request.encoded
    [room] = ada._rooms.values()
    before = room.logs.heads[room.device].length
    again = await answers_to(ada, link, [request, request])
    assert again[0] == again[1], "two answers would share a key stream"
    [(status, opened), _] = decisions(link, request, again)
    assert status is Status.OK
    assert room_key not in opened
    assert room.row.founder not in opened
    assert b"Birds" not in opened
    assert room.logs.heads[room.device].length == before
    assert len(await ada.members("Birds")) == 2


async def test_a_request_replayed_after_its_maker_went_lets_nobody_in(
    ada: Messenger, bo: Profile
) -> None:
    link = decode_link(await ada.invite("Birds", uses=5))
    guest = await ask(ada, bo, link)
    await ada.kick("Birds", "Bo")
    # What was asked before is asked of a member that does not remember the answer.
    [attached] = attached_rooms(ada)
    ada._exchange._serve_invites(attached, set())
    ada._exchange._facts_changed(attached)
    request = guest.candidate.request.encoded
    answers = await answers_to(ada, link, [request])
    [(status, _)] = decisions(link, request, answers)
    assert status is Status.REJECTED
    assert [member.name for member in await ada.members("Birds")] == ["Ada"]


def asked(
    bo: Profile, link: Link, *, by: Link | None = None, **changes: object
) -> bytes:
    """The bytes of a request that is wrong in one thing."""
    key = link.key_pair.public_key
    answer = invitations.answer_key_pair(bo.device, key)
    challenge = invitations.challenge(key, answer.public_key)
    signable = admission_signable(link.room, key, bo.identity_key, bo.device.public_key)
    said = invitations.Request(
        name=bo.name,
        proof=attest_data(bo.proof, bo.device, challenge).encode(),
        signature=sign(signable, (by or link).key_pair.secret_key),
        answer_key=answer.public_key,
    )
    data = replace(said, **changes).encode()  # type: ignore[arg-type]
    return CandidateRequest(link.pairing_invite, data).encoded


async def test_wrong_requests_are_refused(ada: Messenger, bo: Profile) -> None:
    link = decode_link(await ada.invite("Birds"))
    other = decode_link(await ada.invite("Birds"))
    elsewhere = attest_data(bo.proof, bo.device, b"another answer").encode()
    stolen = invitations.answer_key_pair(bo.device, b"i" * 32).public_key
    wrong = [
        asked(bo, link, by=other),
        asked(bo, link, answer_key=stolen),
        asked(bo, link, proof=bo.proof.encode()),
        asked(bo, link, proof=elsewhere),
        asked(bo, link, name=""),
        asked(bo, link, signature=bytes(64)),
        CandidateRequest(link.pairing_invite, b"junk").encoded,
        CandidateRequest(link.pairing_invite, bytes(200)).encoded,
        CandidateRequest(link.pairing_invite, b"\x09\x00").encoded,
    ]
    for number, request in enumerate(wrong, 60):
        [answer] = await answers_to(ada, link, [request], number)
        [(status, _)] = decisions(link, request, [answer])
        assert status is Status.REJECTED
    assert len(await ada.members("Birds")) == 1
    # The invite still lets in who asks as one should.
    assert (await ask(ada, bo, link)).result.result().belongs_to(link.room)


async def test_a_newer_request_is_told_apart(ada: Messenger, bo: Profile) -> None:
    link = decode_link(await ada.invite("Birds"))
    guest, door = guest_of(bo, link)
    newer = CandidateRequest(link.pairing_invite, b"\x02\x00")
    [answer] = await answers_to(ada, link, [newer.encoded])
    decision = newer.open(answer)
    refusal = invitations.read_refused(decision.status, decision.extension)
    assert refusal is Refusal.VERSION
    guest.close()
    await door.stop()


@pytest.mark.parametrize("data", [b"", b"junk", bytes(200)])
async def test_nonsense_is_dropped(ada: Messenger, bo: Profile, data: bytes) -> None:
    link = decode_link(await ada.invite("Birds"))
    newcomer, member = ends()
    ada._exchange.peer_connected(member)
    spoken = Spoken(newcomer, link.pairing_invite.discovery_key or b"")
    spoken.say(data)
    guest_request = asked(bo, link)
    spoken.say(guest_request)
    await settle(newcomer, member, lambda: bool(spoken.answers))
    [(status, _)] = decisions(link, guest_request, spoken.answers)
    assert status is Status.OK, "the connection goes on"


async def test_a_flood_through_one_invite_is_bounded(
    ada: Messenger, bo: Profile
) -> None:
    """A leaked link: many sessions, each signed as it should be."""
    link = decode_link(await ada.invite("Birds", uses=0))
    other = decode_link(await ada.invite("Birds"))
    flood = [
        CandidateRequest(link.pairing_invite, b"junk %d" % number).encoded
        for number in range(3 * MAX_NEW_PER_INVITE_AND_MINUTE)
    ]
    for number in range(9):
        newcomer, member = ends(100 + number)
        ada._exchange.peer_connected(member)
        spoken = Spoken(newcomer, link.pairing_invite.discovery_key or b"")
        for request in flood[number::9]:
            spoken.say(request)
        join(newcomer, member)
        await asyncio.sleep(0)
    [host] = [attached.host for attached in attached_rooms(ada)]
    machine = host._desks[link.key_pair.public_key].member
    assert len(machine._answers) <= MAX_NEW_PER_INVITE_AND_MINUTE
    assert sum(machine.dropped.values()) >= len(flood) - MAX_NEW_PER_INVITE_AND_MINUTE
    # Another invite is not touched by that.
    assert (await ask(ada, bo, other, 200)).result.result().belongs_to(link.room)


async def test_an_invite_of_somebody_removed_is_closed(
    ada: Messenger, bo: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rooms.guest.OTHERS_LIMIT_S", 0.0)
    di = await second_member(ada, tmp_path)
    left, right = ends(5)
    ada._exchange.peer_connected(left)
    di._exchange.peer_connected(right)
    [hers], [his] = list(ada._rooms.values()), list(di._rooms.values())
    await settle(left, right, lambda: his.is_member)
    link = decode_link(await di.invite("Birds"))
    invite_key = link.key_pair.public_key
    await settle(left, right, lambda: invite_key in hers.facts.invites)
    await ada.kick("Birds", "Di")
    guest = await ask(ada, bo, link, 6)
    error = guest.result.exception()
    assert isinstance(error, UserFacingError)
    assert error.code == "closed-invite"
    ada._exchange.peer_disconnected(left)
    di._exchange.peer_disconnected(right)
    await di.close()


async def test_an_expired_invite_is_refused(
    tmp_path: Path, bo: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rooms.guest.OTHERS_LIMIT_S", 0.0)
    now_ms = [1_800_000_000_000]
    profile = await new_profile(tmp_path, "Ada")
    ada = Messenger(profile, now_ms=lambda: now_ms[0])
    await ada.start()
    await ada.create_room("Birds")
    link = decode_link(await ada.invite("Birds", expires_ms=60_000))
    now_ms[0] += 61_000
    guest = await ask(ada, bo, link)
    error = guest.result.exception()
    assert isinstance(error, UserFacingError)
    assert error.code == "expired-invite"
    await ada.close()


async def second_member(ada: Messenger, folder: Path) -> Messenger:
    """Di, let in by Ada, with the room but none of its entries yet."""
    profiles.create(folder / "di", name="Di", now_s=1)
    di = Messenger(profiles.open_profile(folder / "di"))
    await di.start()
    link = decode_link(await ada.invite("Birds"))
    admitted = (await ask(ada, di._profile, link)).result.result()
    fresh = NewRoom(
        room=link.room,
        key=admitted.room_key,
        founder=admitted.founder,
        name=admitted.name,
        kind="group",
        joined_at=1,
    )
    row = await di._store_room(fresh)
    await di._add_room(row)
    return di


async def test_two_members_rooms_meet_over_a_mux(
    ada: Messenger, tmp_path: Path
) -> None:
    """The whole exchange without a network: room channel, messages, delivery."""
    di = await second_member(ada, tmp_path)
    left, right = ends(5)
    ada._exchange.peer_connected(left)
    di._exchange.peer_connected(right)
    [room] = [*di._rooms.values()]
    await settle(left, right, lambda: room.is_member)
    sent = await ada.send("Birds", "hello")
    waiting = asyncio.create_task(ada.wait_delivered("Birds", sent.id))
    await settle(left, right, waiting.done)
    assert waiting.result() == 1
    assert [message.text for message in await di.history("Birds")] == ["hello"]
    [line] = await di.rooms()
    assert (line.unread, line.peers, line.members) == (1, 1, 2)
    await di.mark_read("Birds")
    assert (await di.rooms())[0].unread == 0
    ada._exchange.peer_disconnected(left)
    di._exchange.peer_disconnected(right)
    assert (await di.rooms())[0].peers == 0
    await di.close()


async def test_a_silent_peer_is_tried_again(
    ada: Messenger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "REOPEN_S", 0.0)
    di = await second_member(ada, tmp_path)
    left, right = ends(5)
    ada._exchange.peer_connected(left)
    di._exchange.peer_connected(right)
    [room] = [*di._rooms.values()]
    await settle(left, right, lambda: room.is_member and bool(room.online))
    [attached] = attached_rooms(ada)
    [link] = attached.links.links.values()
    link.session._end("silent", fault=False)
    link.pump()
    await settle(left, right, lambda: not room.online)
    await settle(left, right, lambda: bool(room.online))
    await di.send("Birds", "still here")
    [theirs] = ada._rooms.values()
    await settle(left, right, lambda: theirs.snapshot().unread == 1)
    ada._exchange.peer_disconnected(left)
    di._exchange.peer_disconnected(right)
    await di.close()


async def test_a_log_that_cannot_be_opened_is_tried_again(
    ada: Messenger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "REST_S", 0.01)
    di = await second_member(ada, tmp_path)
    left, right = ends(5)
    [theirs] = ada._rooms.values()
    borrow = theirs.logs.borrow
    tried: list[bytes] = []

    async def unreadable(writer: bytes) -> OpenLog:
        tried.append(writer)
        if len(tried) > 4:
            return await borrow(writer)
        raise EnvironmentFault("the disk is gone")

    for log in list(theirs.logs._open.values()):
        theirs.logs.give_back(log)
    await theirs.logs._tasks.finish()
    monkeypatch.setattr(theirs.logs, "borrow", unreadable)
    ada._exchange.peer_connected(left)
    di._exchange.peer_connected(right)
    [other] = attached_rooms(di)
    await settle(left, right, lambda: other.room.is_member)
    assert len(tried) > 4
    await di.close()
