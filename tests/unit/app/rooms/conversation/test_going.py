"""Messages that disappear, and messages that come when it is time."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import profile as profiles
from app import schedule as schedules
from app.events import MessagesChanged, MessageStored, ScheduledChanged
from app.messenger import Messenger
from app.rooms.operations import Settings
from app.rooms.room import Room
from store import contents, drafts, holes
from store.database import Connection
from tests.unit.app.rooms.conversation.pair import Clock, Pair, so_far
from tests.unit.app.rooms.conversation.test_changing import refused
from tests.unit.app.rooms.joined import QuietNetwork

HOUR_MS = 3_600_000


async def test_a_message_disappears_in_time_for_all(pair: Pair) -> None:
    sent = await pair.ada.send("Birds", "a secret", lifetime_ms=HOUR_MS)
    await pair.ada.send("Birds", "no secret", reply_to=sent.id)
    assert sent.expires_at == pair.clock.now_ms + HOUR_MS
    await pair.settle()
    await pair.bo.react("Birds", sent.id, "x")
    pair.clock.now_ms += HOUR_MS - 1
    assert await pair.ada._expiry.sweep() == sent.expires_at
    assert await pair.texts(pair.ada) == ["a secret", "no secret"]
    pair.clock.now_ms += 1
    for who, room in ((pair.ada, pair.hers), (pair.bo, pair.his)):
        listening = who.hub.subscribe()
        assert await who._expiry.sweep() is None
        assert MessagesChanged(pair.room, (sent.id,)) in so_far(listening)
        assert await pair.texts(who) == ["no secret"]
        assert await who.messages("Birds", [sent.id]) == []
        assert await refused(who.message("Birds", sent.id)) == "unknown-message"
        reply = (await who.history("Birds"))[0].reply
        assert reply is not None
        assert reply.text == ""
        row = await room.conversation.reading.row(bytes.fromhex(sent.id))
        assert row is not None
        assert (row.text, row.expired) == ("", True)
    around = await pair.ada.history("Birds", around=sent.id)
    assert [it.text for it in around] == ["no secret"]
    [line] = await pair.bo.rooms()
    assert line.unread == 1
    assert await refused(pair.ada.edit("Birds", sent.id, "x")) == "unknown-message"


async def test_what_comes_late_goes_at_once(pair: Pair) -> None:
    pair.wires.cut(pair.ada, pair.bo)
    await pair.ada.send("Birds", "a secret", lifetime_ms=HOUR_MS)
    pair.clock.now_ms += 2 * HOUR_MS
    pair.wires.connect(pair.ada, pair.bo)
    await pair.settle()
    await pair.bo._expiry.sweep()
    assert await pair.texts(pair.bo) == []


async def test_a_room_keeps_messages_as_long_as_it_says(pair: Pair) -> None:
    await pair.ada.send("Birds", "early")
    pair.clock.now_ms += HOUR_MS
    await pair.ada.send("Birds", "late")
    await pair.settle()
    assert await pair.bo._expiry.sweep() is None
    settings = Settings(retention_ms=HOUR_MS)
    await pair.hers.moderation.change_settings(settings)
    await pair.settle()
    pair.clock.now_ms += HOUR_MS // 2
    for who in (pair.ada, pair.bo):
        due_ms = await who._expiry.sweep()
        assert await pair.texts(who) == ["late"]
        assert due_ms is not None
        assert 0 < due_ms - pair.clock.now_ms <= HOUR_MS
    pair.clock.now_ms += HOUR_MS
    assert await pair.ada._expiry.sweep() is None
    assert await pair.texts(pair.ada) == []


async def test_no_block_is_left_of_what_goes(pair: Pair) -> None:
    """What is deleted, its edits and what expires: at its author's and at others'."""
    hers, his = pair.hers, pair.his

    async def sequences(room: Room) -> set[int]:
        row, device = room.row.row, hers.device

        def look(connection: Connection) -> set[int]:
            found = holes.stored(connection, row, device, 0, 1 << 40)
            return {sequence for sequence, _ in found}

        return await room.read(look)

    async def said(text: str, lifetime_ms: int | None = None) -> tuple[str, int]:
        sent = await pair.ada.send("Birds", text, lifetime_ms=lifetime_ms)
        return sent.id, hers.heads[hers.device].length - 1

    deleted, first = await said("a secret")
    await pair.ada.edit("Birds", deleted, "a better secret")
    edit = hers.heads[hers.device].length - 1
    _, lasting = await said("no secret")
    _, passing = await said("for an hour", HOUR_MS)
    await pair.settle()
    gone = {first, edit, passing}
    for room in (hers, his):
        assert gone | {lasting} <= await sequences(room)
    await pair.ada.delete("Birds", [deleted])
    await pair.settle()
    pair.clock.now_ms += HOUR_MS
    for who, room in ((pair.ada, hers), (pair.bo, his)):
        await who._expiry.sweep()
        room.clearing.look()
        await room.clearing._tasks.finish()
        left = await sequences(room)
        assert not gone & left
        assert lasting in left
        assert (await pair.texts(who)) == ["", "no secret"]
    await pair.bo.send("Birds", "it goes on")
    await pair.settle()
    assert (await pair.texts(pair.ada))[-1] == "it goes on"


async def test_very_many_go_in_portions(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.expiry.MAX_AT_ONCE", 4)
    for number in range(11):
        await pair.ada.send("Birds", str(number), lifetime_ms=HOUR_MS + number)
    pair.clock.now_ms += 2 * HOUR_MS
    portions: list[int] = []
    whole = contents.expire

    def counted(connection: Connection, numbers: list[int]) -> contents.Outcome:
        portions.append(len(numbers))
        return whole(connection, numbers)

    monkeypatch.setattr(contents, "expire", counted)
    assert await pair.ada._expiry.sweep() is None
    assert portions == [4, 4, 3]
    assert await pair.texts(pair.ada) == []


async def test_what_waits_is_said_when_its_time_comes(pair: Pair) -> None:
    first = await pair.ada.send("Birds", "now")
    at = pair.clock.now_ms + HOUR_MS
    listening = pair.ada.hub.subscribe()
    later = await pair.ada.schedule(
        "Birds", "later @Bo", send_at=at, reply_to=first.id, lifetime_ms=HOUR_MS
    )
    assert (later.send_at, later.reply_to, later.problem) == (at, first.id, "")
    gone = await pair.ada.schedule("Birds", "never", send_at=at - 1)
    assert await pair.ada.scheduled() == [gone, later]
    assert await pair.ada.scheduled("Birds") == [gone, later]
    await pair.ada.cancel_scheduled(gone.id)
    assert await refused(pair.ada.cancel_scheduled(gone.id)) == "unknown-message"
    assert await refused(pair.ada.cancel_scheduled("x")) == "unknown-message"
    assert await pair.ada._schedule.say_due() == at
    pair.clock.now_ms = at
    assert await pair.ada._schedule.say_due() is None
    assert await pair.ada.scheduled() == []
    await pair.settle()
    said = (await pair.bo.history("Birds"))[-1]
    assert (said.text, said.reply_to, said.mentions_me) == ("later @Bo", first.id, True)
    assert (said.sent_at, said.expires_at) == (at, at + HOUR_MS)
    events = so_far(listening)
    assert events.count(ScheduledChanged(pair.room)) == 4
    assert sum(isinstance(it, MessageStored) for it in events) == 1


async def test_only_what_could_be_said_now_can_wait(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = pair.clock.now_ms
    for at in (now, now - 1, now + schedules.MAX_AHEAD_MS + 1):
        work = pair.ada.schedule("Birds", "x", send_at=at)
        assert await refused(work) == "bad-time"
    work = pair.ada.schedule("Birds", " ", send_at=now + 1)
    assert await refused(work) == "empty-message"
    monkeypatch.setattr(drafts, "MAX_SCHEDULED", 1)
    await pair.ada.schedule("Birds", "x", send_at=now + 1)
    work = pair.ada.schedule("Birds", "x", send_at=now + 1)
    assert await refused(work) == "too-many"
    await pair.ada.set_role("Birds", "Bo", "reader")
    await pair.settle()
    work = pair.bo.schedule("Birds", "x", send_at=now + 1)
    assert await refused(work) == "read-only"


async def test_what_may_not_be_said_any_more_says_why(pair: Pair) -> None:
    later = await pair.bo.schedule("Birds", "x", send_at=pair.clock.now_ms + 1)
    await pair.ada.set_role("Birds", "Bo", "reader")
    await pair.settle()
    pair.clock.now_ms += 1
    assert await pair.bo._schedule.say_due() is None
    [kept] = await pair.bo.scheduled()
    assert kept.id == later.id
    assert kept.problem.endswith(".")
    assert await pair.bo._schedule.say_due() is None
    await pair.bo.cancel_scheduled(later.id)
    assert await pair.bo.scheduled() == []


async def begin(folder: Path, clock: Clock) -> Messenger:
    messenger = Messenger(profiles.open_profile(folder), QuietNetwork(), now_ms=clock)
    await messenger.start()
    return messenger


async def test_what_waits_outlives_a_restart_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_KEYCHAIN", "off")
    profiles.create(tmp_path, name="Ada", now_s=1)
    clock = Clock()
    ada = await begin(tmp_path, clock)
    await ada.create_room("Birds")
    await ada.set_draft("Birds", "a hero")
    at = clock.now_ms + HOUR_MS
    for text in ("one", "two"):
        await ada.schedule("Birds", text, send_at=at)
    await ada.close()

    ada = await begin(tmp_path, clock)
    assert [it.text for it in await ada.scheduled()] == ["one", "two"]
    assert await ada.draft("Birds") == "a hero"
    clock.now_ms = at
    forget = drafts.drop_scheduled

    def killed(connection: Connection, id: int) -> bool:
        del connection
        raise KeyError(id)

    # As if it ended between saying and forgetting.
    monkeypatch.setattr(drafts, "drop_scheduled", killed)
    with pytest.raises(KeyError):
        await ada._schedule.say_due()
    monkeypatch.setattr(drafts, "drop_scheduled", forget)
    assert [it.text for it in await ada.history("Birds")] == ["one"]
    await ada.close()

    ada = await begin(tmp_path, clock)
    assert await ada._schedule.say_due() is None
    assert [it.text for it in await ada.history("Birds")] == ["one", "two"]
    assert await ada.scheduled() == []
    await ada.leave("Birds")
    assert await ada.rooms() == []
    await ada.close()
