"""Whole messengers over joined muxes: the newest page before the logs are there."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.errors import UserFacingError
from app.events import Event, HistoryDoubted
from app.messenger import Messenger
from app.rooms import exchange, page_source, pages, previews
from app.rooms.asides import Aside
from app.rooms.links import LogLink
from app.rooms.page_source import PageSource
from app.rooms.pages import AskPage, Page
from app.rooms.room import Room
from store import contents
from store.rooms import NewRoom
from tests.unit.app.rooms.conftest import Open
from tests.unit.app.rooms.joined import Wires

AT_ONCE = 100


@pytest.fixture
def withheld(monkeypatch: pytest.MonkeyPatch) -> Withheld:
    """Keeps the channels of logs closed at one end, until they are let go."""
    logs = Withheld()
    opening = LogLink.open

    def open_(link: LogLink) -> None:
        if logs.holds(link):
            logs.links.append(link)
        else:
            opening(link)

    monkeypatch.setattr(LogLink, "open", open_)
    logs.opening = opening
    return logs


class Withheld:
    """Log channels that somebody does not open."""

    def __init__(self) -> None:
        self.device = b""
        self.links: list[LogLink] = []
        self.opening = LogLink.open

    def holds(self, link: LogLink) -> bool:
        return link._link.room.device == self.device

    def let_go(self) -> None:
        self.device = b""
        for link in self.links:
            if not link._over:
                self.opening(link)


async def full_room(host: Messenger, count: int) -> None:
    """A room with so many messages, numbered from 0."""
    room = await host.create_room("Birds")
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(
            *(
                host.send(room.room, f"m{number}")
                for number in range(start, min(start + AT_ONCE, count))
            )
        )


def only_room(who: Messenger) -> Room:
    [room] = who._rooms.values()
    return room


def events_of(who: Messenger) -> list[Event]:
    """Everything that is published from now on."""
    heard: list[Event] = []
    publish = who.hub.publish

    def record(event: Event) -> None:
        heard.append(event)
        publish(event)

    who.hub.publish = record  # type: ignore[method-assign]
    return heard


async def joined_unheard(
    wires: Wires, withheld: Withheld, host: Messenger, guest: Messenger
) -> None:
    """The guest is let in, and hears no log."""
    withheld.device = guest._profile.device.public_key
    link = await host.invite("Birds")
    wires.connect(host, guest)
    joining = asyncio.create_task(guest.join(link, timeout_s=60))
    await wires.until(joining.done)
    await joining


async def test_what_stands_under_messages_is_told_with_them(
    opened: Open, withheld: Withheld
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 600)
    [liked, *_] = await ada.history("Birds", limit=20)
    for sign in (*"abcdefghijklmnopqrst",):
        await ada.react("Birds", liked.id, sign)
    asked = await ada.poll("Birds", "Tea?", ["yes", "no"], closes_at=1 << 50)
    await ada.vote("Birds", asked.id, [1])
    await joined_unheard(wires, withheld, ada, bo)
    told = {it.id: it for it in await bo.history("Birds", limit=50)}
    signs = told[liked.id].reactions
    assert [(it.emoji, it.count, it.mine) for it in signs] == [
        (sign, 1, False) for sign in "abcdefghijklmnop"
    ], "the first sixteen"
    poll = told[asked.id].poll
    assert poll is not None
    assert [(it.text, it.count, it.mine) for it in poll.options] == [
        ("yes", 0, False),
        ("no", 1, False),
    ]
    assert (poll.voters, poll.multiple, poll.closes_at) == (1, False, 1 << 50)
    assert not told[asked.id].verified
    withheld.let_go()
    await wires.until(lambda: not only_room(bo).previews.is_active)
    found = {it.id: it for it in await bo.history("Birds", limit=50)}
    assert len(found[liked.id].reactions) == 20
    assert found[asked.id].poll == poll
    assert found[asked.id].verified


async def test_the_newest_page_is_there_before_the_logs(
    opened: Open, withheld: Withheld
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 5_000)
    await joined_unheard(wires, withheld, ada, bo)
    [room] = await bo.rooms()
    assert (room.name, room.members, room.verifying) == ("Birds", 2, True)
    assert (room.trusted_name, room.can_write) == ("Ada", True)
    assert room.verified_share < 0.01
    assert room.last_message is not None
    assert room.last_message.text == "m4999"
    assert [member.name for member in await bo.members("Birds")] == ["Ada", "Bo"]

    page = await bo.history("Birds", limit=20)
    assert [message.text for message in page] == [f"m{n}" for n in range(4980, 5000)]
    assert {(m.author_name, m.verified, m.mine) for m in page} == {
        ("Ada", False, False)
    }
    theirs = only_room(bo)
    row = theirs.row.row
    assert await theirs.read(lambda it: contents.page(it, row, limit=1)) == []
    asked = [message.id for message in page[:2]]
    assert await bo.messages("Birds", [*asked, "00" * 32]) == page[:2]

    # Older ones are fetched as somebody scrolls back.
    seen = [message.text for message in page]
    while len(seen) < 300:
        reading = asyncio.create_task(bo.history("Birds", limit=70, before=page[0].id))
        await wires.until(reading.done)
        page = await reading
        assert len(page) == 70
        assert not any(message.verified for message in page)
        seen[:0] = [message.text for message in page]
    assert seen == [f"m{n}" for n in range(5000 - len(seen), 5000)]

    withheld.let_go()
    await wires.until(lambda: theirs.previews.told is None)
    [room] = await bo.rooms()
    assert (room.verifying, room.verified_share, room.trusted_name) == (False, 1.0, "")
    assert (room.members, room.can_write) == (2, True)
    page = await bo.history("Birds", limit=1000)
    assert [message.text for message in page] == [f"m{n}" for n in range(4000, 5000)]
    assert all(message.verified for message in page)
    await theirs.previews._tasks.finish()
    assert theirs.previews.refuted_count == 0


async def test_verified_messages_take_the_place_of_those_told(
    opened: Open, withheld: Withheld
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 700)
    await joined_unheard(wires, withheld, ada, bo)
    theirs = only_room(bo)
    told = [message.id for message in await bo.history("Birds", limit=50)]
    withheld.let_go()
    mixtures: set[int] = set()
    while theirs.previews.is_active:
        steps = iter((False, True))
        await wires.until(lambda steps=steps: next(steps))  # type: ignore[misc]
        page = await bo.history("Birds", limit=50)
        assert [message.id for message in page] == told
        mixtures.add(sum(message.verified for message in page))
    assert 0 in mixtures
    page = await bo.history("Birds", limit=50)
    assert [message.id for message in page] == told
    assert all(message.verified for message in page)


async def test_what_is_said_waits_until_one_may_speak(
    opened: Open, withheld: Withheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 600)
    await joined_unheard(wires, withheld, ada, bo)
    with monkeypatch.context() as short:
        short.setattr(previews, "SEND_LIMIT_S", 0.0)
        with pytest.raises(UserFacingError) as told:
            await bo.send("Birds", "too early")
        assert told.value.code == "not-synchronised"
    sending = asyncio.create_task(bo.send("Birds", "hello"))
    withheld.let_go()
    await wires.until(sending.done)
    await sending
    hers = only_room(ada)
    await wires.until(
        lambda: hers._counts.last is not None and hers._counts.last.text == "hello"
    )


async def test_a_small_room_is_waited_for(opened: Open) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 20)
    link = await ada.invite("Birds")
    wires.connect(ada, bo)
    joining = asyncio.create_task(bo.join(link, timeout_s=60))
    await wires.until(joining.done)
    await joining
    assert only_room(bo).is_member


async def test_a_page_is_enough_where_the_logs_do_not_come(
    opened: Open, withheld: Withheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "FIRST_SYNC_LIMIT_S", 0.3)
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 20)
    await joined_unheard(wires, withheld, ada, bo)
    [room] = await bo.rooms()
    assert room.verifying
    assert room.last_message is not None
    # Asked to join again, there is nothing to wait for.
    assert (await bo.join(await ada.invite("Birds"))).verifying


async def test_a_liar_is_found_out(
    opened: Open, withheld: Withheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that were changed, and a message that nobody wrote."""
    ada, bo = await opened("Ada"), await opened("Bo")
    honest = PageSource._page

    async def lying(self: PageSource, ask: AskPage, asker: bytes) -> Page | None:
        page = await honest(self, ask, asker)
        assert page is not None
        first, *between, last = page.rows
        changed = replace(first, text="never said")
        made_up = replace(last, id=b"z" * 32, clock=last.clock + 1, text="never so")
        return replace(page, rows=(changed, *between, last, made_up))

    wires = Wires()
    await full_room(ada, 600)
    monkeypatch.setattr(PageSource, "_page", lying)
    await joined_unheard(wires, withheld, ada, bo)
    page = await bo.history("Birds", limit=51)
    assert page[-1].text == "never so"
    assert page[0].text == "never said"
    events = events_of(bo)
    withheld.let_go()
    theirs = only_room(bo)
    await wires.until(lambda: theirs.previews.refuted_count > 0)
    [doubt] = [event for event in events if isinstance(event, HistoryDoubted)]
    assert (doubt.name, doubt.count) == ("Ada", 2)
    assert doubt.member == ada._profile.identity_key.hex()
    assert doubt.sentence.startswith("2 messages that Ada showed you")
    [evidence] = theirs.previews.evidence
    shown = pages.open_page(
        evidence,
        room=theirs.row.room,
        asker=bo._profile.device.public_key,
        device=ada._profile.device.public_key,
    )
    assert shown.rows[-1].text == "never so"
    texts = [message.text for message in await bo.history("Birds", limit=51)]
    assert texts == [f"m{n}" for n in range(549, 600)]


async def test_a_log_that_never_comes_is_not_waited_for_for_ever(
    opened: Open, withheld: Withheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    honest = PageSource._told

    def boasting(self: PageSource, *arguments: object) -> object:
        told = honest(self, *arguments)  # type: ignore[arg-type]
        assert told is not None
        return replace(told, lengths=tuple((w, n + 9_000) for w, n in told.lengths))

    monkeypatch.setattr(PageSource, "_told", boasting)
    wires = Wires()
    await full_room(ada, 30)
    await joined_unheard(wires, withheld, ada, bo)
    withheld.let_go()
    theirs = only_room(bo)
    await wires.until(lambda: theirs.is_member)
    assert theirs.previews.is_active
    assert theirs.previews.share < 0.1
    theirs.previews._stalled()
    assert not theirs.previews.is_active
    await theirs.previews._tasks.finish()
    assert theirs.previews.refuted_count == 0, "what was told of messages was true"


async def test_a_stranger_gets_nothing(
    opened: Open, withheld: Withheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds the room's key, and is no member, asks in vain."""
    ada, bo, eve = [await opened(name) for name in ("Ada", "Bo", "Eve")]
    wires = Wires()
    await full_room(ada, 600)
    await joined_unheard(wires, withheld, ada, bo)
    row = only_room(bo).row
    fresh = NewRoom(
        room=row.room,
        key=row.key,
        founder=row.founder,
        name="Birds",
        kind="group",
        joined_at=1,
    )
    await eve._add_room(await eve._store_room(fresh))
    given: list[bytes] = []
    pages_of = PageSource._page

    async def record(self: PageSource, ask: AskPage, asker: bytes) -> Page | None:
        given.append(asker)
        return await pages_of(self, ask, asker)

    monkeypatch.setattr(PageSource, "_page", record)
    asked: list[bytes] = []
    page_asked = Aside._page_asked

    def hear(aside: Aside, data: bytes) -> None:
        page_asked(aside, data)
        asked.append(aside.device)

    monkeypatch.setattr(Aside, "_page_asked", hear)
    wires.connect(ada, eve)
    await wires.until(lambda: eve._profile.device.public_key in asked)
    await only_room(ada)._tasks.finish()
    steps = iter([False] * 50 + [True])
    await wires.until(lambda: next(steps))
    assert not given
    assert not only_room(eve).previews.is_active
    assert (await eve.rooms())[0].verifying


async def test_who_asks_before_its_admission_is_known_is_answered_after_it(
    opened: Open, withheld: Withheld
) -> None:
    """Cy was let in by Ada, and meets Bo first, who has not heard of it."""
    ada, bo, cy = [await opened(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await full_room(ada, 600)
    link = await ada.invite("Birds")
    wires.connect(ada, bo)
    joining = asyncio.create_task(bo.join(link, timeout_s=60))
    await wires.until(joining.done)
    await wires.until(lambda: only_room(bo).is_member)
    wires.cut(ada, bo)
    withheld.device = cy._profile.device.public_key
    link = await ada.invite("Birds")
    wires.connect(ada, cy)
    joining = asyncio.create_task(cy.join(link, timeout_s=60))
    await wires.until(joining.done)
    theirs = only_room(cy)
    theirs.previews._end()
    wires.cut(ada, cy)
    wires.connect(bo, cy)
    await wires.until(lambda: bool(theirs.online))
    assert not theirs.previews.is_active
    wires.connect(ada, bo)
    await wires.until(lambda: theirs.previews.is_active)
    assert theirs.previews.trusted_name == "Bo"
    assert [m.text for m in await cy.history("Birds", limit=1)] == ["m599"]


async def test_nobody_gets_pages_without_end(
    opened: Open, withheld: Withheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_source, "MAX_PAGES_AT_ONCE", 3)
    monkeypatch.setattr(page_source, "PAGES_PER_S", 0.0)
    monkeypatch.setattr(previews, "ASK_LIMIT_S", 0.2)
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 700)
    await joined_unheard(wires, withheld, ada, bo)
    reading = asyncio.create_task(bo.history("Birds", limit=700))
    await wires.until(reading.done)
    assert len(await reading) == previews.FIRST_ROWS + 2 * pages.MAX_ROWS


async def test_who_comes_back_after_a_long_time_reads_the_newest_page_first(
    opened: Open, withheld: Withheld
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    wires = Wires()
    await full_room(ada, 10)
    link = await ada.invite("Birds")
    wires.connect(ada, bo)
    joining = asyncio.create_task(bo.join(link, timeout_s=60))
    await wires.until(joining.done)
    theirs = only_room(bo)
    await wires.until(lambda: theirs._counts.unread == 10)
    wires.cut(ada, bo)
    for start in range(0, 700, AT_ONCE):
        await asyncio.gather(
            *(ada.send("Birds", f"n{start + n}") for n in range(AT_ONCE))
        )
    withheld.device = bo._profile.device.public_key
    wires.connect(ada, bo)
    await wires.until(lambda: theirs.previews.is_active)
    [room] = await bo.rooms()
    assert (room.verifying, room.trusted_name) == (True, "Ada")
    assert room.last_message is not None
    assert room.last_message.text == "n699"
    await bo.send("Birds", "back again")
    # What is written now stands where the clock puts it, perhaps among those told.
    reading = asyncio.create_task(bo.history("Birds", limit=700))
    await wires.until(reading.done)
    verified = {message.text: message.verified for message in await reading}
    assert (verified["n699"], verified["back again"]) == (False, True)
    withheld.let_go()
    await wires.until(lambda: not theirs.previews.is_active)
    page = await bo.history("Birds", limit=1000)
    assert len(page) == 711
    assert all(message.verified for message in page)


async def test_a_page_signed_by_somebody_else_ends_the_channel(
    opened: Open, withheld: Withheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = await opened("Ada"), await opened("Bo")
    monkeypatch.setattr(
        page_source,
        "sign_page",
        lambda page, **keys: pages.sign_page(page, **(keys | {"asker": b"e" * 32})),
    )
    monkeypatch.setattr(exchange, "FIRST_SYNC_LIMIT_S", 0.3)
    wires = Wires()
    await full_room(ada, 20)
    closed: list[Aside] = []
    told = Aside._page_told

    def page_told(aside: Aside, data: bytes) -> None:
        told(aside, data)
        if aside._channel.closed:
            closed.append(aside)

    monkeypatch.setattr(Aside, "_page_told", page_told)
    with pytest.raises(UserFacingError) as refused:
        await joined_unheard(wires, withheld, ada, bo)
    assert refused.value.code == "not-synchronised"
    assert closed
    assert not only_room(bo).previews.is_active
