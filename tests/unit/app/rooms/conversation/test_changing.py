"""Edits, deletions, reactions, pins and votes between two messengers."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from app.errors import UserFacingError
from app.events import MessagesChanged
from app.rooms.conversation import MAX_DELETED_AT_ONCE
from app.rooms.conversation.changing import portions
from app.rooms.operations import (
    Body,
    Delete,
    Deleted,
    Edit,
    Pin,
    React,
    Unknown,
    Vote,
    decode_operation,
)
from app.rooms.operations.contents import MAX_DELETED, MAX_DELETED_LINKS
from app.rooms.roles import Right
from app.rooms.room import Room
from app.rooms.view import RoomView
from store import contents, rooms
from store.autobase import Link, decode_entry
from store.database import Connection
from tests.unit.app.rooms.conversation.pair import Pair, so_far


async def refused(work: Awaitable[object]) -> str:
    with pytest.raises(UserFacingError) as caught:
        await work
    assert caught.value.sentence.endswith(".")
    return caught.value.code


async def last_said(room: Room) -> Body:
    """What stands at the end of somebody's own log."""
    device, end = room.device, room.heads[room.device].length

    def look(connection: Connection, view: RoomView) -> Body:
        [block] = rooms.log_blocks(connection, room.row.row, device, end - 1, end)
        opened = view.keys.ring.open(block, writer=device, sequence=end - 1)
        return decode_operation(decode_entry(device, end - 1, opened).payload).body

    return await room.transact(look)


async def test_who_responded_is_told_by_name(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "a heron")
    poll = await pair.ada.poll("Birds", "Tea?", ["yes", "no"])
    await pair.settle()
    for who, emoji in ((pair.bo, "\N{SPARKLES}"), (pair.bo, "+"), (pair.ada, "+")):
        await who.react("Birds", sent.id, emoji)
        await pair.settle()
    await pair.bo.vote("Birds", poll.id, [1])
    await pair.settle()
    told = await pair.ada.responses("Birds", sent.id[:10])
    assert [(it.name, it.me, it.emojis, it.choices) for it in told] == [
        ("Ada", True, ("+",), ()),
        ("Bo", False, ("\N{SPARKLES}", "+"), ()),
    ]
    [voter] = await pair.ada.responses("Birds", poll.id)
    assert (voter.name, voter.emojis, voter.choices) == ("Bo", (), (1,))
    await pair.bo.react("Birds", sent.id, "+", on=False)
    await pair.bo.vote("Birds", poll.id, [])
    assert [it.emojis for it in await pair.bo.responses("Birds", sent.id)] == [
        ("+",),
        ("\N{SPARKLES}",),
    ]
    assert await pair.bo.responses("Birds", poll.id) == []
    assert await refused(pair.ada.responses("Birds", "ab" * 32)) == "unknown-message"
    await pair.ada.delete("Birds", [sent.id])
    await pair.settle()
    assert await pair.bo.responses("Birds", sent.id) == []


async def test_an_edit_is_read_everywhere_and_told(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "a haron")
    await pair.settle()
    listening = pair.bo.hub.subscribe()
    edited = await pair.ada.edit("Birds", sent.id, "a heron, @Bo")
    assert (edited.text, edited.edited, edited.id) == ("a heron, @Bo", True, sent.id)
    await pair.settle()
    assert MessagesChanged(pair.room, (sent.id,)) in so_far(listening)
    [theirs] = await pair.bo.messages("Birds", [sent.id])
    assert (theirs.text, theirs.edited) == ("a heron, @Bo", True)
    assert theirs.mentions_me
    [line] = await pair.bo.rooms()
    assert (line.unread, line.mentions) == (1, 1)


async def test_only_who_wrote_a_message_edits_it(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "mine")
    await pair.settle()
    assert await refused(pair.bo.edit("Birds", sent.id, "his")) == "not-allowed"
    # Somebody whose program does not ask changes nothing either.
    await pair.his.say(Edit(bytes.fromhex(sent.id), "his"))
    await pair.settle()
    for who in (pair.ada, pair.bo):
        message = await pair.one(who, sent.id)
        assert (message.text, message.edited) == ("mine", False)
    poll = await pair.ada.poll("Birds", "what?", ["a", "b"])
    assert await refused(pair.ada.edit("Birds", poll.id, "x")) == "not-editable"


async def test_words_are_checked_before_they_are_said_again(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "mine")
    assert await refused(pair.ada.edit("Birds", sent.id, " ")) == "empty-message"
    giant = "x" * 65537
    assert await refused(pair.ada.edit("Birds", sent.id, giant)) == "too-large"
    assert await refused(pair.ada.send("Birds", giant)) == "too-large"
    assert await refused(pair.ada.edit("Birds", sent.id, "\ud800")) == "bad-text"
    assert await refused(pair.ada.edit("Birds", "ffff", "x")) == "unknown-message"
    whole = "\u00e9" * 32768
    assert (await pair.ada.edit("Birds", sent.id, whole)).text == whole


async def test_a_deletion_takes_the_words_and_names_the_edits(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "one")
    await pair.settle()
    await pair.bo.send("Birds", "an answer", reply_to=sent.id)
    await pair.settle()
    for text in ("two", "three"):
        await pair.ada.edit("Birds", sent.id, text)
    await pair.ada.pin("Birds", sent.id)
    listening = pair.bo.hub.subscribe()
    await pair.ada.delete("Birds", [sent.id])
    await pair.settle()
    for who in (pair.ada, pair.bo):
        message = await pair.one(who, sent.id)
        assert (message.text, message.deleted, message.edited) == ("", True, False)
        assert not message.pinned
        assert await who.history("Birds", pinned=True) == []
        answer = (await who.history("Birds"))[-1]
        assert answer.reply is not None
        assert (answer.reply.text, answer.reply.deleted) == ("", True)
    assert any(isinstance(it, MessagesChanged) for it in so_far(listening))

    said = await last_said(pair.hers)
    assert isinstance(said, Delete)
    assert said.targets[0].id.hex() == sent.id
    assert len(said.targets) == 3
    assert {it.writer for it in said.targets} == {pair.hers.device}
    # Each with the place that it had.
    sequences = [it.sequence for it in said.targets]
    assert sequences == sorted(set(sequences))
    assert [it.clock for it in said.targets] == sorted(
        {it.clock for it in said.targets}
    )


async def test_what_is_deleted_is_changed_no_more(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "one")
    poll = await pair.ada.poll("Birds", "which?", ["a", "b"])
    await pair.ada.delete("Birds", [sent.id, poll.id, sent.id])
    await pair.ada.delete("Birds", [sent.id])
    for work in (
        pair.ada.edit("Birds", sent.id, "x"),
        pair.ada.react("Birds", sent.id, "x"),
        pair.ada.pin("Birds", sent.id),
        pair.ada.vote("Birds", poll.id, [0]),
    ):
        assert await refused(work) == "deleted-message"
    message = await pair.one(pair.ada, poll.id)
    assert (message.kind, message.text, message.poll) == ("poll", "", None)


async def test_others_messages_go_by_seniority_all_or_none(pair: Pair) -> None:
    hers = await pair.ada.send("Birds", "hers")
    await pair.settle()
    his = await pair.bo.send("Birds", "his")
    await pair.settle()
    both = [hers.id, his.id]
    assert await refused(pair.bo.delete("Birds", both)) == "not-allowed"
    assert await pair.texts(pair.bo) == ["hers", "his"]
    unknown = [his.id, "ffff"]
    assert await refused(pair.bo.delete("Birds", unknown)) == "unknown-message"
    many = [his.id] * (MAX_DELETED_AT_ONCE + 1)
    assert await refused(pair.bo.delete("Birds", many)) == "too-many"

    # Somebody whose program does not ask deletes nothing either.
    row = await pair.his.conversation.reading.row_of(hers.id)
    named = await pair.his.transact(
        lambda connection, view: view.named(connection, row.device, row.sequence)
    )
    assert named is not None
    await pair.his.say(Delete((named,)))
    await pair.settle()
    for who in (pair.ada, pair.bo):
        assert await pair.texts(who) == ["hers", "his"]

    await pair.ada.delete("Birds", both)
    await pair.settle()
    for who in (pair.ada, pair.bo):
        assert await pair.texts(who) == ["", ""]


async def test_many_are_deleted_at_once(pair: Pair) -> None:
    sent = [await pair.ada.send("Birds", f"{n}") for n in range(MAX_DELETED + 6)]
    await pair.settle()
    await pair.ada.delete("Birds", [it.id for it in sent])
    await pair.settle()
    assert set(await pair.texts(pair.bo)) == {""}


def test_deletions_hold_as_many_entries_and_links_as_they_may() -> None:
    def named(count: int) -> Deleted:
        links = tuple(Link(bytes([n]) * 32, 1) for n in range(count))
        return Deleted(bytes(32), b"\xff" * 32, 0, 1, links)

    assert portions([]) == []
    plain = [named(0)] * (MAX_DELETED * 2 + 1)
    assert [len(it) for it in portions(plain)] == [MAX_DELETED, MAX_DELETED, 1]
    linked = [named(64)] * (MAX_DELETED_LINKS // 64 + 1)
    assert [len(it) for it in portions(linked)] == [MAX_DELETED_LINKS // 64, 1]


async def test_reactions_are_counted_by_person(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "one")
    await pair.settle()
    await pair.bo.react("Birds", sent.id, "\u2764")
    await pair.settle()
    mine = await pair.ada.react("Birds", sent.id, " \u2764 ")
    assert [(it.emoji, it.count, it.mine) for it in mine.reactions] == [
        ("\u2764", 2, True)
    ]
    length = pair.hers.heads[pair.hers.device].length
    await pair.ada.react("Birds", sent.id, "\u2764")
    await pair.ada.react("Birds", sent.id, "\U0001f44d", on=False)
    assert pair.hers.heads[pair.hers.device].length == length, "nothing new to say"
    await pair.ada.react("Birds", sent.id, "\u2764", on=False)
    await pair.settle()
    theirs = await pair.one(pair.bo, sent.id)
    assert [(it.count, it.mine) for it in theirs.reactions] == [(1, True)]
    for bad in ("", " ", "x" * 65, "a b", "\u202e", "\n"):
        assert await refused(pair.ada.react("Birds", sent.id, bad)) == "bad-emoji"


async def test_a_message_is_changed_so_often_and_not_more(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "one")
    for number in range(contents.MAX_CHANGES):
        await pair.ada.react("Birds", sent.id, "x", on=number % 2 == 0)
    work = pair.ada.react("Birds", sent.id, "x")
    assert await refused(work) == "too-many-changes"


async def test_pins_are_set_by_moderators_and_found(pair: Pair) -> None:
    first = await pair.ada.send("Birds", "one")
    await pair.settle()
    second = await pair.bo.send("Birds", "two")
    await pair.settle()
    assert await refused(pair.bo.pin("Birds", second.id)) == "read-only"
    await pair.his.say(Pin(bytes.fromhex(second.id), True), right=Right.POST)
    await pair.settle()
    assert await pair.ada.history("Birds", pinned=True) == []
    for message in (second, first):
        assert (await pair.ada.pin("Birds", message.id)).pinned
    await pair.settle()
    pinned = await pair.bo.history("Birds", pinned=True)
    assert [it.text for it in pinned] == ["one", "two"]
    assert not (await pair.ada.pin("Birds", first.id, on=False)).pinned
    await pair.settle()
    [left] = await pair.bo.history("Birds", pinned=True)
    assert left.text == "two"


async def test_a_poll_is_answered_once_by_each(pair: Pair) -> None:
    asked = await pair.ada.poll("Birds", "which?", ["a", "b", "c"])
    assert (asked.kind, asked.text) == ("poll", "which?")
    await pair.settle()
    await pair.ada.vote("Birds", asked.id, [0])
    await pair.bo.vote("Birds", asked.id, [0])
    changed = (await pair.bo.vote("Birds", asked.id, [2])).poll
    assert changed is not None
    await pair.settle()
    poll = (await pair.one(pair.ada, asked.id)).poll
    assert poll is not None
    assert [(it.text, it.count, it.mine) for it in poll.options] == [
        ("a", 1, True),
        ("b", 0, False),
        ("c", 1, False),
    ]
    assert (poll.voters, poll.multiple, poll.closes_at) == (2, False, None)
    for bad in ([0, 1], [3], [-1]):
        assert await refused(pair.bo.vote("Birds", asked.id, bad)) == "bad-vote"
    await pair.bo.vote("Birds", asked.id, [])
    await pair.settle()
    poll = (await pair.one(pair.ada, asked.id)).poll
    assert poll is not None
    assert poll.voters == 1
    sent = await pair.ada.send("Birds", "no poll")
    assert await refused(pair.ada.vote("Birds", sent.id, [0])) == "not-a-poll"


async def test_votes_that_fit_no_poll_count_for_nobody(pair: Pair) -> None:
    asked = await pair.ada.poll("Birds", "which?", ["a", "b"])
    await pair.settle()
    poll = bytes.fromhex(asked.id)
    for choices in ((7,), (0, 1)):
        await pair.his.say(Vote(poll, choices))
    await pair.his.say(Vote(bytes(32), (0,)))
    await pair.his.say(React(bytes(32), "x", True))
    await pair.his.say(Unknown(99, b"from a newer version"))
    await pair.settle()
    for who in (pair.ada, pair.bo):
        found = await who.history("Birds")
        assert [it.kind for it in found] == ["poll", "newer"]
        assert found[0].poll is not None
        assert (found[0].poll.voters, found[1].text) == (0, "")
    newer = found[1]
    assert await refused(pair.bo.edit("Birds", newer.id, "x")) == "not-editable"
    work = pair.bo.forward("Birds", newer.id, "Birds")
    assert await refused(work) == "not-forwardable"


async def test_a_poll_closes(pair: Pair) -> None:
    closes_at = pair.clock.now_ms + 1_000
    asked = await pair.ada.poll("Birds", "which?", ["a", "b"], closes_at=closes_at)
    await pair.ada.vote("Birds", asked.id, [0])
    pair.clock.now_ms += 1_001
    assert await refused(pair.ada.vote("Birds", asked.id, [1])) == "poll-closed"
    for options in (["a"], ["a", "a "], ["a"] * 21):
        assert await refused(pair.ada.poll("Birds", "?", options)) == "bad-poll"
    work = pair.ada.poll("Birds", "?", ["a", "b"], closes_at=pair.clock.now_ms)
    assert await refused(work) == "bad-poll"
    giant = pair.ada.poll("Birds", "?", ["a", "x" * 513])
    assert await refused(giant) == "too-large"
    giant = pair.ada.poll("Birds", "x" * 4097, ["a", "b"])
    assert await refused(giant) == "too-large"
    assert await refused(pair.ada.poll("Birds", " ", ["a", "b"])) == "empty-message"
