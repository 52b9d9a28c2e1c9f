from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from store.corestore import Corestore, crossing
from store.corestore import link as links
from store.corestore.carrier import MAX_REOPENS, PeerKind
from store.corestore.link import StoreLink
from store.database import Synchronous
from store.hypercore.session import Hypercore
from tests.unit.store.corestore.joined import End, connected

LIMIT_S = 60.0


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(LIMIT_S):
        while not holds():
            await asyncio.sleep(0)


class Stores:
    """Two corestores and what connects them."""

    def __init__(self, left: Corestore, right: Corestore) -> None:
        self.left = left
        self.right = right
        self.ends: tuple[End, End]

    def connect(self) -> tuple[StoreLink, StoreLink]:
        self.ends = connected()
        return (
            self.left.replicate(self.ends[0]).link,
            self.right.replicate(self.ends[1]).link,
        )

    async def log(self, name: str, length: int) -> tuple[Hypercore, Hypercore]:
        """A log written on the left, and a session on the right."""
        written = await self.left.get(name=name)
        if length:
            await written.append([b"%d" % index for index in range(length)])
        return written, await self.right.get(written.key)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    left, right = [
        await Corestore.open(tmp_path / side, synchronous=Synchronous.NORMAL)
        for side in ("left", "right")
    ]
    yield Stores(left, right)
    await left.close()
    await right.close()


async def test_what_was_written_before_arrives(stores: Stores) -> None:
    written, read = await stores.log("a", 5)
    left, right = stores.connect()
    assert await read.get(4) == b"4"
    assert read.length == 5
    assert left.kind is right.kind is PeerKind.COVEY
    assert stores.ends[0].opens["hypercore/alpha"] == 1
    await written.append(b"5")
    assert await read.get(5) == b"5"


async def test_a_log_opened_later_is_exchanged_too(stores: Stores) -> None:
    stores.connect()
    written, read = await stores.log("later", 3)
    assert await read.get(2) == b"2"
    assert await written.get(2) == b"2"


async def test_update_waits_for_what_the_peer_tells(stores: Stores) -> None:
    _, read = await stores.log("a", 7)
    stores.connect()
    assert await read.update()
    assert read.length == 7
    assert not await read.update()


async def test_only_logs_with_news_open_a_channel(stores: Stores) -> None:
    logs = [await stores.log(f"log {number}", 2) for number in range(60)]
    stores.connect()
    for _, read in logs:
        assert await read.get(0) == b"0"
        assert await read.get(1) == b"1"
    for end in stores.ends:
        end.close()
    await until(lambda: not stores.left.links and not stores.right.links)
    await logs[7][0].append(b"news")
    left, right = stores.connect()
    assert await logs[7][1].get(2) == b"news"
    await until(lambda: left.table.complete and right.table.complete)
    assert sum(end.opens["hypercore/alpha"] for end in stores.ends) == 2
    assert stores.ends[0].open_channels() == 1


async def test_news_of_a_closed_log_wait_for_a_session(stores: Stores) -> None:
    written, read = await stores.log("a", 1)
    stores.connect()
    assert await read.get(0) == b"0"
    for end in stores.ends:
        end.close()
    await read.close()
    stores.right._shelf.sweep(asyncio.get_running_loop().time() + 1000)
    assert read.core.closed
    await written.append(b"1")
    left, right = stores.connect()
    await until(lambda: left.table.complete and right.table.complete)
    assert right.table.remote_head(read.key) == (0, 2, 2)
    assert stores.ends[0].open_channels() == 0
    again = await stores.right.get(read.key)
    assert await again.get(1) == b"1"


async def test_a_block_is_asked_for_though_the_heads_are_even(stores: Stores) -> None:
    written, read = await stores.log("a", 9)
    stores.connect()
    assert await read.get(8) == b"8"
    for side, core in ((stores.left, written), (stores.right, read)):
        await core.clear(3)
        assert core.contiguous_length <= 3
        del side
    for end in stores.ends:
        end.close()
    await read.get(8)
    await written.clear(0, 8)
    left, right = stores.connect()
    await until(lambda: left.table.complete and right.table.complete)
    assert stores.ends[0].open_channels() == 0
    wish = asyncio.ensure_future(written.get(8))
    assert await wish == b"8"
    missing = asyncio.ensure_future(read.get(3))
    await until(lambda: stores.ends[0].open_channels() == 1)
    assert not missing.done()
    missing.cancel()


async def test_idle_channels_close_and_news_open_them_again(stores: Stores) -> None:
    written, read = await stores.log("a", 2)
    left, right = stores.connect()
    await read.get(1)
    assert await read.get(0) == b"0"
    await until(lambda: stores.ends[0].open_channels() == 1)
    now = asyncio.get_running_loop().time()
    for step in range(1, 4):
        for link in (left, right):
            link.sweep(now + step * (links.IDLE_S + 1))
    await until(lambda: stores.ends[0].open_channels() == 0)
    assert not left._open or not right._open
    await until(lambda: left.table.standing(read.key) is not None)
    for link in (left, right):
        link._settled = {
            key: (head, at - links.RETRY_S) for key, (head, at) in link._settled.items()
        }
    await written.append(b"2")
    assert await read.get(2) == b"2"


async def test_a_plain_peer_gets_a_channel_for_every_open_log(stores: Stores) -> None:
    await stores.log("a", 1)
    idle = await stores.left.get(name="b")
    await idle.close()
    left, right = connected()
    attachment = stores.left.replicate(left)
    await until(lambda: attachment.link.kind is PeerKind.PLAIN)
    await until(lambda: left.opens["hypercore/alpha"] > 0)
    await until(lambda: not left._scheduled and not right._scheduled)
    # The one with a session, and the one that lingers after its session.
    assert left.opens["hypercore/alpha"] == 2
    # Who begins to replicate later is answered, and tells that it is no plain peer.
    stores.right.replicate(right)
    read = stores.right._sessions[0]
    assert await read.get(0) == b"0"
    assert attachment.link.kind is PeerKind.COVEY


async def test_stored_logs_are_served_without_a_session(stores: Stores) -> None:
    written, read = await stores.log("a", 4)
    await written.close()
    stores.left._shelf.sweep(asyncio.get_running_loop().time() + 1000)
    assert written.core.closed
    stores.connect()
    assert await read.get(3) == b"3"
    served = stores.left._shelf.cores.get(read.discovery_key)
    assert served is not None
    assert served.session_count == 0
    stores.left._shelf.sweep(asyncio.get_running_loop().time() + 1000)
    assert not served.closed
    for end in stores.ends:
        end.close()
    stores.left._shelf.sweep(asyncio.get_running_loop().time() + 2000)
    stores.left._shelf.sweep(asyncio.get_running_loop().time() + 3000)
    assert served.closed


async def test_a_deleted_log_is_told_of_no_longer(stores: Stores) -> None:
    written, read = await stores.log("a", 1)
    left, right = stores.connect()
    await until(lambda: left.table.complete and right.table.complete)
    assert await read.get(0) == b"0"
    await written.purge()
    await until(lambda: stores.ends[0].open_channels() == 0)
    # Whoever asks for it finds out.
    read.core.replication.attach(stores.ends[1])
    await until(lambda: right.table.remote_head(read.key) is None)
    assert not right.table.may_have(read.key)


async def test_strangers_logs_are_refused(stores: Stores) -> None:
    read = await stores.right.get(bytes(32))
    left, right = connected()
    stores.left.replicate(left)
    # A plain peer that asks for what is not there.
    attachment = read.core.replication.attach(right)
    assert attachment.link is not None
    await until(lambda: attachment.link is None)
    assert left.open_channels() == 0


async def test_only_the_cores_given_are_replicated(stores: Stores) -> None:
    one, read_one = await stores.log("one", 1)
    _, read_two = await stores.log("two", 1)
    ends = connected()
    first = stores.left.replicate(ends[0], cores=[one])
    stores.right.replicate(ends[1])
    assert await read_one.get(0) == b"0"
    await until(lambda: first.link.table.complete)
    assert await read_two.get(0, wait=False) is None
    assert not first.link.has_open(read_two.discovery_key)
    # A second call adds to it.
    second = stores.left.replicate(ends[0])
    assert second.link is first.link
    assert await read_two.get(0) == b"0"
    await second.close()
    await until(lambda: not first.link.has_open(read_two.discovery_key))
    assert not first.closed
    await first.close()
    assert first.closed
    assert not stores.left.links
    await until(lambda: ends[0].open_channels() == 0)


async def test_channels_are_bounded_and_take_turns(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_OPEN", 3)
    logs = [await stores.log(f"log {number}", 1) for number in range(8)]
    left, right = stores.connect()

    def all_there() -> bool:
        assert len(right._ours) <= 3
        return all(read.length == 1 for _, read in logs)

    await until(all_there)
    assert stores.ends[1].opens["hypercore/alpha"] >= 8
    assert left.kind is PeerKind.COVEY


async def test_more_opens_than_may_wait(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossing, "MAX_PENDING", 2)
    logs = [await stores.log(f"log {number}", 1) for number in range(9)]
    for written, _ in logs:
        await written.close()
    stores.left._shelf.sweep(asyncio.get_running_loop().time() + 1000)
    left, right = connected()
    stores.left.replicate(left)
    # All at once, as a plain peer does it.
    for _, read in logs:
        read.core.replication.attach(right)
    for _, read in logs:
        assert await read.get(0) == b"0"


async def test_nonsense_about_heads_makes_a_plain_peer(stores: Stores) -> None:
    await stores.log("a", 1)
    left, right = connected()
    attachment = stores.left.replicate(left)
    closed: list[bool] = []
    liar = right.mux.create_channel(
        "covey/heads", messages=[None], on_close=lambda: closed.append(True)
    )
    right.mux.cork()
    liar.send(0, b"\0\1")
    right.mux.uncork()
    await until(lambda: bool(closed))
    assert attachment.link.kind is PeerKind.PLAIN
    assert not left.mux.closed


async def test_the_end_of_a_connection_ends_the_link(stores: Stores) -> None:
    written, read = await stores.log("a", 1)
    left, right = stores.connect()
    await read.get(0)
    stores.ends[0].close()
    await until(lambda: left.closed and right.closed)
    assert not stores.left.links
    # A new connection goes on.
    await written.append(b"1")
    stores.connect()
    assert await read.get(1) == b"1"


async def closed_and_swept(stores: Stores, *logs: Hypercore) -> None:
    """Logs that are stored on the left and not open."""
    for log in logs:
        await log.close()
    stores.left._shelf.sweep(asyncio.get_running_loop().time() + 1000)
    assert not stores.left._shelf.cores.open_cores


async def test_who_replicates_again_is_told_everything_again(stores: Stores) -> None:
    written, read = await stores.log("a", 3)
    await closed_and_swept(stores, written)
    left, right = connected()
    stays = stores.left.replicate(left).link
    for _ in range(2):
        leaves = stores.right.replicate(right)
        link = leaves.link
        await until(lambda link=link: link.table.complete)  # type: ignore[misc]
        # Heads are not told of a log with a channel of its own.
        assert link.table.remote_head(read.key) or link.has_open(read.discovery_key)
        await until(lambda: read.length == 3)
        assert stays.kind is PeerKind.COVEY
        await leaves.close()
        await until(lambda: stays.kind is PeerKind.PLAIN)


async def test_a_peer_that_opens_and_closes_is_refused_in_the_end(
    stores: Stores,
) -> None:
    await stores.log("a", 1)
    left, right = connected()
    stores.left.replicate(left)
    await until(lambda: right.opens["covey/heads"] + left.opens["covey/heads"] == 1)
    for _ in range(2 * MAX_REOPENS):
        told: list[bytes] = []
        ended: list[bool] = []
        channel = right.mux.create_channel(
            "covey/heads",
            messages=[told.append],
            on_close=lambda ended=ended: ended.append(True),  # type: ignore[misc]
        )
        await until(lambda told=told, ended=ended: bool(told or ended))  # type: ignore[misc]
        channel.close()
        await until(lambda: not left._scheduled and not right._scheduled)
    assert left.opens["covey/heads"] == MAX_REOPENS + 1
    assert not left.mux.closed


async def test_two_stores_on_one_connection(stores: Stores, tmp_path: Path) -> None:
    other = await Corestore.open(tmp_path / "other", synchronous=Synchronous.NORMAL)
    one, read_one = await stores.log("one", 2)
    two = await other.get(name="two")
    await two.append([b"a", b"b", b"c"])
    read_two = await stores.right.get(two.key)
    hidden = await other.get(name="hidden")
    await hidden.append(b"stored")
    await hidden.close()
    other._shelf.sweep(asyncio.get_running_loop().time() + 1000)
    read_hidden = await stores.right.get(hidden.key)
    left, right = connected()
    first = stores.left.replicate(left)
    second = other.replicate(left)
    there = stores.right.replicate(right).link
    assert await read_one.get(1) == b"1"
    assert await read_two.get(2) == b"c"
    assert await read_hidden.get(0) == b"stored"
    assert left.opens["covey/heads"] == 1
    assert there.kind is first.link.kind is second.link.kind is PeerKind.COVEY
    # The second way round, and after one of them has gone.
    mine = await stores.right.get(name="mine")
    await mine.append(b"m")
    assert await (await other.get(mine.key)).get(0) == b"m"
    await second.close()
    await until(lambda: there.table.remote_head(two.key) is None)
    await one.append(b"2")
    assert await read_one.get(2) == b"2"
    await other.close()


async def test_a_log_of_two_stores_on_one_connection(
    stores: Stores, tmp_path: Path
) -> None:
    other = await Corestore.open(tmp_path / "other", synchronous=Synchronous.NORMAL)
    written, read = await stores.log("a", 2)
    copy = await other.get(written.key)
    left, right = connected()
    first = stores.left.replicate(left)
    other.replicate(left)
    stores.right.replicate(right)
    assert await read.get(1) == b"1"
    await first.close()
    await read.close()
    assert await copy.get(0, wait=False) is None
    await other.close()


async def test_who_leaves_keeps_no_open_waiting(stores: Stores) -> None:
    written, read = await stores.log("a", 1)
    await closed_and_swept(stores, written)
    left, right = connected()
    attachment = stores.left.replicate(left)
    ended: list[bool] = []
    right.mux.create_channel(
        "hypercore/alpha",
        read.discovery_key,
        on_close=lambda: ended.append(True),
    )
    await until(lambda: bool(attachment.link._crossing._pending))
    await attachment.close()
    await until(lambda: bool(ended))
