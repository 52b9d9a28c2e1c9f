"""Newcomers and members over two joined muxes: let in, refused, or deceived in vain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app import profile as profiles
from app.errors import UserFacingError
from app.messenger import Messenger
from app.profile import Profile
from app.rooms import admission, invitations, links, replication
from app.rooms.admission import Guest
from app.rooms.invitations import (
    ADMITTED,
    PROTOCOL,
    REFUSED,
    Admitted,
    Link,
    Refusal,
    decode_link,
    encode_refused,
)
from app.rooms.logs import OpenLog
from app.rooms.roles import Kind
from store.errors import EnvironmentFault
from store.rooms import NewRoom
from tests.unit.app.rooms.joined import ends, join, settle


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


async def ask(ada: Messenger, bo: Profile, link: Link, number: int = 1) -> Guest:
    """Show an invite on a fresh connection and wait for the answer."""
    newcomer, member = ends(number)
    ada._exchange.peer_connected(member)
    guest = Guest(link, bo)
    guest.attach(newcomer)
    await settle(newcomer, member, guest.result.done)
    ada._exchange.peer_disconnected(member)
    return guest


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
        assert (await ask(ada, bo, shown, number)).result.result() == first
    assert len(await ada.members("Birds")) == 2


async def test_a_spent_invite_is_refused(
    ada: Messenger, bo: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "OTHERS_LIMIT_S", 0.0)
    link = decode_link(await ada.invite("Birds"))
    await ask(ada, bo, link)
    profiles.create(tmp_path / "cy", name="Cy", now_s=1)
    cy = profiles.open_profile(tmp_path / "cy")
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
    guest = Guest(Link(b"?" * 16, b"r" * 32), bo)
    guest.attach(newcomer)
    join(newcomer, member)
    assert newcomer.mux.channels == []
    assert not guest.result.done()
    guest.close()


async def impostor(
    bo: Profile, link: Link, kind: int, data: bytes
) -> tuple[Guest, list[bytes]]:
    """Somebody who holds the link answers a newcomer in a member's place."""
    newcomer, liar = ends()
    invite_key = link.key_pair.public_key
    requests: list[bytes] = []
    channel = liar.mux.create_channel(
        PROTOCOL,
        invitations.channel_id(invite_key, liar.handshake_hash),
        messages=[requests.append, None, None],
        handshake=invitations.encode_handshake(
            invite_key, liar.handshake_hash, from_initiator=False
        ),
    )
    guest = Guest(link, bo)
    guest.attach(newcomer)
    join(newcomer, liar)
    channel.send(kind, data)
    join(newcomer, liar)
    return guest, requests


async def test_a_false_room_is_not_entered(ada: Messenger, bo: Profile) -> None:
    link = decode_link(await ada.invite("Birds"))
    false = Admitted(b"k" * 32, b"f" * 32, Kind.GROUP, "Birds").encode()
    guest, requests = await impostor(bo, link, ADMITTED, false)
    assert len(requests) == 1
    assert not guest.result.done()
    guest.close()


@pytest.mark.parametrize("reason", list(Refusal))
async def test_a_refusal_keeps_nobody_else_from_letting_in(
    ada: Messenger, bo: Profile, reason: Refusal
) -> None:
    link = decode_link(await ada.invite("Birds"))
    guest, _ = await impostor(bo, link, REFUSED, encode_refused(reason))
    assert guest.refusal is reason
    newcomer, member = ends(2)
    ada._exchange.peer_connected(member)
    guest.attach(newcomer)
    await settle(newcomer, member, guest.result.done)
    assert guest.result.result().belongs_to(link.room)
    guest.close()


async def test_a_stolen_request_is_of_no_use_elsewhere(
    ada: Messenger, bo: Profile
) -> None:
    link = decode_link(await ada.invite("Birds"))
    guest, [request] = await impostor(
        bo, link, REFUSED, encode_refused(Refusal.UNKNOWN)
    )
    assert not guest.result.done(), "another member may know more"
    guest.close()
    thief, member = ends(9)
    ada._exchange.peer_connected(member)
    invite_key = link.key_pair.public_key
    answers: list[bytes] = []
    channel = thief.mux.create_channel(
        PROTOCOL,
        invitations.channel_id(invite_key, thief.handshake_hash),
        messages=[None, answers.append, answers.append],
        handshake=invitations.encode_handshake(
            invite_key, thief.handshake_hash, from_initiator=True
        ),
    )
    channel.send(0, request)
    join(thief, member)
    assert channel.closed
    assert answers == []
    assert len(await ada.members("Birds")) == 1


@pytest.mark.parametrize("data", [b"", b"junk", bytes(200)])
async def test_nonsense_is_answered_by_closing(ada: Messenger, data: bytes) -> None:
    link = decode_link(await ada.invite("Birds"))
    newcomer, member = ends()
    ada._exchange.peer_connected(member)
    invite_key = link.key_pair.public_key
    channel = newcomer.mux.create_channel(
        PROTOCOL,
        invitations.channel_id(invite_key, newcomer.handshake_hash),
        messages=[None, None, None],
        handshake=invitations.encode_handshake(
            invite_key, newcomer.handshake_hash, from_initiator=True
        ),
    )
    channel.send(0, data)
    join(newcomer, member)
    assert channel.closed


async def test_a_handshake_without_the_invite_is_closed(ada: Messenger) -> None:
    link = decode_link(await ada.invite("Birds"))
    newcomer, member = ends()
    ada._exchange.peer_connected(member)
    channel = newcomer.mux.create_channel(
        PROTOCOL,
        invitations.channel_id(link.key_pair.public_key, newcomer.handshake_hash),
        messages=[None, None, None],
        handshake=b"\x01" + bytes(32),
    )
    join(newcomer, member)
    assert channel.closed


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
    [attached] = ada._exchange._attached.values()
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
    [other] = di._exchange._attached.values()
    await settle(left, right, lambda: other.room.is_member)
    assert len(tried) > 4
    await di.close()
