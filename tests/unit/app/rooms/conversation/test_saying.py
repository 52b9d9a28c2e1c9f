"""What is said between two messengers: threads, mentions, forwarding, lifetimes."""

from __future__ import annotations

import pytest

from app.errors import UserFacingError
from app.events import MessageStored
from app.rooms.operations import Message
from app.rooms.operations.contents import MAX_LIFETIME_MS
from tests.unit.app.rooms.conversation.pair import Pair, so_far
from tests.unit.app.rooms.conversation.test_changing import refused


async def test_an_answer_comes_with_the_beginning_of_its_question(pair: Pair) -> None:
    asked = await pair.ada.send("Birds", "who? " + "x" * 500)
    await pair.settle()
    listening = pair.ada.hub.subscribe()
    answer = await pair.bo.send("Birds", "me", reply_to=asked.id[:12])
    assert answer.reply is not None
    assert (answer.reply.id, answer.reply.author_name) == (asked.id, "Ada")
    assert answer.reply.text == asked.text[:200]
    await pair.settle()
    [told] = [it.message for it in so_far(listening) if isinstance(it, MessageStored)]
    assert (told.reply, told.mine) == (answer.reply, False)
    await pair.ada.edit("Birds", asked.id, "nobody?")
    await pair.settle()
    reply = (await pair.bo.history("Birds"))[-1].reply
    assert reply is not None
    assert reply.text == "nobody?"
    unknown = pair.bo.send("Birds", "x", reply_to="ffff")
    assert await refused(unknown) == "unknown-message"


async def test_a_thread_has_one_root(pair: Pair) -> None:
    root = await pair.ada.send("Birds", "root")
    await pair.settle()
    first = await pair.bo.send("Birds", "first", thread=root.id)
    pair.clock.now_ms += 60_000
    second = await pair.bo.send("Birds", "second", thread=first.id)
    await pair.bo.send("Birds", "beside")
    assert (first.thread, second.thread) == (root.id, root.id)
    await pair.settle()
    hanging = await pair.ada.history("Birds", thread=root.id)
    assert [it.text for it in hanging] == ["first", "second"]
    found = await pair.one(pair.ada, root.id)
    assert (found.thread_size, found.thread_last_at) == (2, second.sent_at)
    last = await pair.ada.history("Birds", thread=root.id, before=second.id)
    assert [it.text for it in last] == ["first"]
    await pair.bo.delete("Birds", [first.id])
    assert (await pair.one(pair.bo, root.id)).thread_size == 2
    unknown = pair.ada.send("Birds", "x", thread="ffff")
    assert await refused(unknown) == "unknown-message"


async def test_people_are_called_by_name_and_by_key(pair: Pair) -> None:
    key = pair.bo._profile.identity_key.hex()
    for text, named in (("hello @bo", ()), (f"@{key[:8]}", ()), ("hello", ("Bo",))):
        sent = await pair.ada.send("Birds", text, mentions=named)
        assert (sent.mentions, sent.mentions_me) == ((key,), False)
    await pair.ada.send("Birds", "nobody here")
    await pair.settle()
    assert [it.mentions_me for it in await pair.bo.history("Birds")] == [
        *(True, True, True, False)
    ]
    [line] = await pair.bo.rooms()
    assert (line.unread, line.mentions) == (4, 3)
    second = (await pair.bo.history("Birds"))[1]
    await pair.bo.mark_read("Birds", up_to=second.id)
    [line] = await pair.bo.rooms()
    assert (line.unread, line.mentions) == (2, 1)
    first = (await pair.bo.history("Birds"))[0]
    await pair.bo.mark_read("Birds", up_to=first.id)
    [line] = await pair.bo.rooms()
    assert line.unread == 2, "what was read stays so"
    await pair.bo.mark_read("Birds")
    [line] = await pair.bo.rooms()
    assert (line.unread, line.mentions) == (0, 0)
    nobody = pair.ada.send("Birds", "x", mentions=["Eve"])
    assert await refused(nobody) == "unknown-member"


async def test_what_is_forwarded_says_who_wrote_it_first(pair: Pair) -> None:
    await pair.ada.create_room("Fish")
    sent = await pair.bo.send("Birds", "a heron @Ada", lifetime_ms=60_000)
    await pair.settle()
    told = await pair.ada.forward("Birds", sent.id, "Fish")
    assert (told.text, told.forwarded_from) == ("a heron @Ada", "Bo")
    assert (told.author_name, told.mentions, told.expires_at) == ("Ada", (), None)
    again = await pair.ada.forward("Fish", told.id, "Birds")
    assert again.forwarded_from == "Bo"
    await pair.settle()
    assert (await pair.one(pair.bo, again.id)).forwarded_from == "Bo"
    await pair.ada.delete("Fish", [told.id])
    for id, room in ((told.id, "Fish"), (told.id, "Birds")):
        code = await refused(pair.ada.forward(room, id, "Birds"))
        assert code in ("not-forwardable", "unknown-message")
    poll = await pair.ada.poll("Birds", "?", ["a", "b"])
    work = pair.ada.forward("Birds", poll.id, "Fish")
    assert await refused(work) == "not-forwardable"
    assert await refused(pair.ada.forward("Birds", again.id, "Cats")) == "unknown-room"


@pytest.mark.parametrize("lifetime_ms", [0, -1, MAX_LIFETIME_MS + 1])
async def test_a_lifetime_is_one(pair: Pair, lifetime_ms: int) -> None:
    with pytest.raises(UserFacingError) as caught:
        await pair.ada.send("Birds", "x", lifetime_ms=lifetime_ms)
    assert caught.value.code == "bad-lifetime"


async def test_pages_go_both_ways_and_around(pair: Pair) -> None:
    sent = [await pair.ada.send("Birds", str(number)) for number in range(7)]

    async def page(**options: object) -> str:
        found = await pair.ada.history("Birds", **options)  # type: ignore[arg-type]
        return "".join(it.text for it in found)

    assert await page() == "0123456"
    assert await page(limit=2) == "56"
    assert await page(limit=2, before=sent[3].id) == "12"
    assert await page(limit=2, after=sent[3].id) == "45"
    assert await page(limit=3, around=sent[3].id) == "234"
    assert await page(limit=3, around=sent[6].id) == "56"
    assert await page(limit=0, around=sent[3].id) == ""
    for bad in (
        {"before": sent[0].id, "after": sent[0].id},
        {"pinned": True, "around": sent[0].id},
        {"pinned": True, "thread": sent[0].id},
    ):
        with pytest.raises(UserFacingError) as caught:
            await page(**bad)
        assert caught.value.code == "bad-page"


async def test_a_page_of_giant_texts_is_shorter(pair: Pair) -> None:
    giant = "\u00e9" * 32_768
    for _ in range(70):
        await pair.hers.say(Message(giant))
    newest = await pair.ada.send("Birds", "newest")
    for options, first, last in (
        ({}, giant, "newest"),
        ({"after": (await pair.ada.history("Birds"))[0].id}, giant, "newest"),
        ({"around": newest.id}, giant, "newest"),
    ):
        found = await pair.ada.history("Birds", **options)  # type: ignore[arg-type]
        assert sum(len(it.text.encode()) for it in found) <= 4 * 1024 * 1024
        assert 25 <= len(found) <= 64
        assert (found[0].text, found[-1].text) == (first, last)
    oldest = await pair.ada.history("Birds", limit=1000)
    assert len(oldest) == 64


async def test_messages_are_asked_for_by_their_ids(pair: Pair) -> None:
    sent = [await pair.ada.send("Birds", str(number)) for number in range(3)]
    ids = [it.id for it in sent]
    assert await pair.ada.messages("Birds", ids) == sent
    assert await pair.ada.messages("Birds", [ids[1], "00" * 32, ids[1]]) == [sent[1]]
    assert await pair.ada.messages("Birds", []) == []
    assert await pair.ada.message("Birds", ids[0][:8]) == sent[0]
    assert await refused(pair.ada.message("Birds", "nothing")) == "unknown-message"
    assert await refused(pair.ada.messages("Birds", ["xyz"])) == "unknown-message"
    assert await refused(pair.ada.messages("Birds", ids * 17)) == "too-many"


async def test_what_is_written_and_not_said_is_kept(pair: Pair) -> None:
    assert await pair.ada.draft("Birds") == ""
    await pair.ada.set_draft("Birds", "a hero")
    await pair.ada.set_draft("Birds", "a heron ")
    assert await pair.ada.draft("Birds") == "a heron "
    assert await pair.bo.draft("Birds") == ""
    assert await refused(pair.ada.set_draft("Birds", "x" * 65537)) == "too-large"
    assert await pair.ada.draft("Birds") == "a heron "
    await pair.ada.set_draft("Birds", "")
    assert await pair.ada.draft("Birds") == ""
