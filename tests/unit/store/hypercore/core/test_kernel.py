"""The kernel: durability, order, damage, repair and conflicts of one core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from net.crypto import KeyPair
from store import Hypercore
from store.database import Connection, Database, Synchronous
from store.errors import (
    BlockMissingError,
    EnvironmentFault,
    InvalidRequestError,
    LocalProtocolError,
    RemoteProtocolError,
)
from store.hypercore.core import Core, Cores
from store.hypercore.depot import INDEX_BITS, Depot, first_core
from store.hypercore.events import CoreEvent, VerificationFailed
from store.hypercore.manifest import Prologue, Signer, create_manifest
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.proofs import missing_levels
from store.hypercore.records import (
    MAX_BLOCK_BYTES,
    BlockRequest,
    Change,
    NodeSource,
    Proof,
    Request,
    UpgradeRequest,
)


async def execute(database: Database, *statement: object) -> None:
    await asyncio.wrap_future(
        database.write(lambda connection: connection.execute(*statement).fetchall())  # type: ignore[arg-type]
    )


async def whole_proof(core: Core) -> Proof:
    request = Request(
        core.state.fork, upgrade=UpgradeRequest(0, core.state.length), manifest=True
    )
    await core.load(request)
    return core.prove(request)


async def block_proof(core: Core, index: int, *, levels: int = 0) -> Proof:
    request = Request(core.state.fork, block=BlockRequest(index, levels))
    await core.load(request)
    return core.prove(request)


async def copy_of(core: Core, cores: Cores) -> Core:
    """The same log in another database, without blocks."""
    other = await cores.open(core.state.key)
    await other.accept(await whole_proof(core)).durable
    return other


class Recorder:
    """A listener that writes down what it is told, and what the disk says then."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.committed: list[tuple[int, int]] = []
        self.cleared: list[tuple[int, int]] = []
        self.closed: list[str | None] = []
        core.listeners.append(self)

    def core_committed(self, change: Change) -> None:
        database = self.core.traffic.depot.database
        rows = database.read(
            lambda connection: connection.execute("SELECT count(*) FROM core_block").get
        ).result(60)
        self.committed.append((change.head.length, rows))

    def core_cleared(self, start: int, end: int) -> None:
        self.cleared.append((start, end))

    def core_closed(self, error: Exception | None) -> None:
        self.closed.append(getattr(error, "code", None))


async def test_what_is_told_is_on_the_disk(core: Core) -> None:
    recorder = Recorder(core)
    for number in range(5):
        await core.append([b"%d" % number])
    assert recorder.committed == [(length, length) for length in range(1, 6)]


async def test_nothing_is_seen_before_the_commit(core: Core) -> None:
    appending = asyncio.ensure_future(core.append([b"a"]))
    await asyncio.sleep(0)
    assert core.state.tip.length == 1
    assert core.state.length == 0
    assert not core.state.stored.has_block(0)
    with pytest.raises(BlockMissingError):
        core.prove(Request(0, block=BlockRequest(0, 0)))
    await appending
    assert core.state.length == 1


async def test_appends_at_once_share_commits_and_keep_their_order(core: Core) -> None:
    recorder = Recorder(core)
    answers = await asyncio.gather(
        *(core.append([b"x" * number, b"y"]) for number in range(100))
    )
    assert [length for length, _ in answers] == list(range(2, 202, 2))
    sizes = [sum(range(number + 1)) + number + 1 for number in range(100)]
    assert [size for _, size in answers] == sizes
    assert len(recorder.committed) < 10
    found = await core.blocks(range(200))
    assert [len(found[2 * number]) for number in range(100)] == list(range(100))


async def test_a_full_disk_fails_what_was_built_on_it_and_the_core_lives(
    core: Core, database: Database
) -> None:
    await core.append([b"first"])
    pages = await core.traffic.read(lambda it: it.pragma("page_count"))
    await execute(database, f"PRAGMA max_page_count = {pages}")
    works = [core.append([bytes(100_000)]) for _ in range(3)]
    results = await asyncio.gather(*works, return_exceptions=True)
    assert all(isinstance(result, EnvironmentFault) for result in results), results
    assert core.state.length == core.state.tip.length == 1
    assert not core.state.writing
    await execute(database, "PRAGMA max_page_count = 1000000")
    assert (await core.append([b"second"]))[0] == 2
    assert await core.blocks([0, 1]) == {0: b"first", 1: b"second"}


async def test_a_change_built_on_a_failed_one_fails_with_it(
    core: Core, database: Database
) -> None:
    await core.append([b"first", b"second"])

    def refuse(connection: Connection) -> None:
        connection.set_commit_hook(lambda: True)

    def allow(connection: Connection) -> None:
        connection.set_commit_hook(None)

    database.write(refuse)
    failing = asyncio.gather(
        core.append([b"third"]),
        core.truncate(1),
        core.append([b"fourth"]),
        core.clear(0, 1),
        return_exceptions=True,
    )
    results = await failing
    assert all(isinstance(result, Exception) for result in results), results
    assert (core.state.length, core.state.fork) == (2, 0)
    database.write(allow)
    await core.append([b"third"])
    assert await core.blocks([0, 1, 2]) == {0: b"first", 1: b"second", 2: b"third"}


async def test_what_cannot_be_appended(core: Core, cores: Cores) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        await core.append([bytes(MAX_BLOCK_BYTES + 1)])
    assert caught.value.code == "too-large"
    assert core.state.length == 0
    reader = await cores.open(bytes(32))
    with pytest.raises(LocalProtocolError) as caught:
        await reader.append([b"a"])
    assert caught.value.code == "not-writable"


class Broken:
    """An encryption that fails."""

    padding_bytes = 0

    def encrypt(self, _index: int, _block: bytes, _fork: int) -> bytes:
        raise ZeroDivisionError

    def decrypt(self, _index: int, _stored: bytes) -> bytes:
        raise ZeroDivisionError


async def test_a_failed_append_holds_nobody_up(core: Core) -> None:
    works = [
        core.append([b"first"]),
        core.append([b"second"]),
        core.append([b"broken"], encryption=Broken()),
        core.append([b"signed"], signature=b"wrong"),
        core.append([b"last"]),
    ]
    results = await asyncio.wait_for(
        asyncio.gather(*works, return_exceptions=True), timeout=60
    )
    assert results[:2] == [(1, 5), (2, 11)]
    assert isinstance(results[2], ZeroDivisionError)
    assert isinstance(results[3], Exception)
    assert results[4] == (3, 15)
    with pytest.raises(LocalProtocolError) as caught:
        await core.append(["text"])  # type: ignore[list-item]
    assert caught.value.code == "bad-argument"
    assert await core.append([bytearray(b"a"), memoryview(b"b")])  # type: ignore[list-item]


async def test_what_cannot_be_truncated(core: Core) -> None:
    await core.append([b"a", b"b"])
    for length, fork in ((3, None), (-1, None), (1, 0)):
        with pytest.raises(LocalProtocolError) as caught:
            await core.truncate(length, fork=fork)
        assert caught.value.code == "bad-argument"
    await core.truncate(1, fork=7)
    assert (core.state.length, core.state.fork) == (1, 7)


async def test_clearing_tells_listeners_and_frees(core: Core) -> None:
    await core.append([b"abc"] * 10)
    recorder = Recorder(core)
    assert await core.clear(2, 5) == 9
    assert await core.clear(2, 5) == 0
    assert recorder.cleared == [(2, 5)]
    assert sorted(await core.blocks(range(10))) == [0, 1, 5, 6, 7, 8, 9]


async def test_hashes_may_stay_for_those_who_lack_what_follows(
    cores: Cores, core: Core
) -> None:
    """Whoever has the log up to the middle of what is cleared gets the rest proven."""
    await core.append([b"%d" % number for number in range(16)])
    assert await core.clear(0, 12, keeps_hashes=True) == 14
    assert sorted(await core.blocks(range(16))) == [12, 13, 14, 15]
    for length in range(1, 16):
        request = Request(0, upgrade=UpgradeRequest(length, 16 - length))
        await core.load(request)
        assert core.prove(request).upgrade is not None
    other = await cores.open()
    await other.append([b"%d" % number for number in range(16)])
    await other.clear(0, 12)
    with pytest.raises(InvalidRequestError):
        await other.load(Request(0, upgrade=UpgradeRequest(5, 11)))


async def test_purging_leaves_the_neighbours_alone(
    cores: Cores, core: Core, database: Database
) -> None:
    other = await cores.open()
    await core.append([b"a"] * 5)
    await other.append([b"b"] * 5)
    await core.set_user_data("x", b"y")
    await core.purge()
    assert core.closed
    counts = await asyncio.wrap_future(
        database.read(
            lambda it: [
                it.execute(f"SELECT count(*) FROM {table}").get
                for table in ("core", "core_block", "core_node", "core_user_data")
            ]
        )
    )
    assert counts == [1, 5, 8, 0]
    assert len(await other.blocks(range(5))) == 5
    again = await cores.open(core.state.key)
    assert again.state.length == 0


async def test_a_damaged_block_is_dropped_reported_and_comes_anew(
    core: Core, database: Database
) -> None:
    await core.append([b"one", b"two", b"three"])
    good = await block_proof(core, 1)
    events: list[CoreEvent] = []
    core.watchers.append(events.append)
    id_ = (core.state.number << INDEX_BITS) + 1
    await execute(database, "UPDATE core_block SET data = x'00' WHERE id = ?", (id_,))
    core.state.forget()
    assert await core.blocks([0, 1, 2]) == {0: b"one", 2: b"three"}
    assert events == [VerificationFailed("block-damaged", index=1)]
    assert core.damaged_blocks == 1
    await core.flushed()
    assert not core.state.stored.has_block(1)
    with pytest.raises(BlockMissingError):
        await core.load(Request(0, block=BlockRequest(1, 0)))
    await core.accept(good).durable
    core.state.forget()
    assert await core.blocks([1]) == {1: b"two"}


async def test_a_missing_row_counts_as_damage(core: Core, database: Database) -> None:
    await core.append([b"one", b"two"])
    await execute(database, "DELETE FROM core_block")
    core.state.forget()
    assert await core.blocks([0, 1]) == {}
    assert core.damaged_blocks == 2


@pytest.mark.parametrize("index", [0, 4, 1, 5, 3, 11])
async def test_a_damaged_node_is_mended_from_below(
    core: Core, database: Database, index: int
) -> None:
    blocks = [b"%d" % number for number in range(16)]
    await core.append(blocks)
    events: list[CoreEvent] = []
    core.watchers.append(events.append)
    id_ = (core.state.number << INDEX_BITS) + index
    await execute(
        database, "UPDATE core_node SET hash = zeroblob(32) WHERE id = ?", (id_,)
    )
    core.state.forget()
    assert await core.blocks(range(16)) == dict(enumerate(blocks))
    assert events == [VerificationFailed("node-damaged", index=index)]
    await core.flushed()
    events.clear()
    core.state.forget()
    assert await core.blocks(range(16)) == dict(enumerate(blocks))
    assert events == []


async def test_damage_beyond_mending_drops_what_cannot_be_proven(
    core: Core, database: Database
) -> None:
    await core.append([b"%d" % number for number in range(8)])
    base = core.state.number << INDEX_BITS
    for index in (1, 0):
        await execute(
            database,
            "UPDATE core_node SET hash = zeroblob(32) WHERE id = ?",
            (base + index,),
        )
    core.state.forget()
    found = await core.blocks(range(8))
    assert sorted(found) == [4, 5, 6, 7]
    await core.flushed()
    assert [core.state.stored.has_block(index) for index in range(8)] == [
        *[False] * 4,
        *[True] * 4,
    ]


async def test_damaged_roots_are_repaired_by_a_peer(
    cores: Cores, core: Core, database: Database
) -> None:
    await core.append([b"%d" % number for number in range(7)])
    proof = await whole_proof(core)
    for damage in (
        "DELETE FROM core_node WHERE id % 1024 = 9",
        "UPDATE core_node SET hash = zeroblob(32) WHERE id % 1024 = 9",
    ):
        core.close()
        await execute(database, damage)
        core.state.forget()
        core = await cores.open(core.state.key)
        assert core.state.needs_repair
        assert core.state.length == 7
        with pytest.raises(BlockMissingError):
            await core.load(Request(0, block=BlockRequest(0, 0)))
        with pytest.raises(BlockMissingError):
            core.prove(Request(0, upgrade=UpgradeRequest(0, 7)))
        with pytest.raises(LocalProtocolError) as caught:
            await core.append([b"a"])
        assert caught.value.code == "needs-repair"
        await core.accept(proof).durable
        assert not core.state.needs_repair
        core.close()
        core = await cores.open(core.state.key)
        assert not core.state.needs_repair
        assert len(await core.blocks(range(7))) == 7


async def test_two_histories_freeze_the_core_for_good(
    cores: Cores, core: Core, tmp_path: Path
) -> None:
    pair = core.state.key_pair
    elsewhere = Database.open(tmp_path / "other.db", key=None)
    twin = await Cores(elsewhere).open(key_pair=pair)
    assert twin.state.key == core.state.key
    await core.append([b"same", b"mine", b"more"])
    await twin.append([b"same", b"yours"])
    recorder = Recorder(core)
    proof = await whole_proof(twin)
    await core.load_for(proof)
    assert core.check_conflict(proof)
    assert core.closed
    assert recorder.closed == ["conflict"]
    with pytest.raises(LocalProtocolError) as caught:
        await core.append([b"a"])
    assert caught.value.code == "conflict"
    again = await cores.open(core.state.key)
    assert again.state.frozen
    assert again.state.conflict
    with pytest.raises(LocalProtocolError) as caught:
        again.accept(proof)
    assert caught.value.code == "conflict"
    elsewhere.close()


async def test_the_same_history_is_no_conflict(core: Core, tmp_path: Path) -> None:
    elsewhere = Database.open(tmp_path / "other.db", key=None)
    await core.append([b"a", b"b", b"c"])
    shorter = await copy_of(core, Cores(elsewhere))
    await core.append([b"d", b"e"])
    proof = await whole_proof(shorter)
    await core.load_for(proof)
    assert not core.check_conflict(proof)
    elsewhere.close()


async def test_proofs_that_lie_change_nothing(core: Core, tmp_path: Path) -> None:
    elsewhere = Database.open(tmp_path / "other.db", key=None)
    await core.append([b"a", b"b", b"c"])
    reader = await Cores(elsewhere).open(core.state.key)
    proof = await whole_proof(core)
    assert proof.upgrade is not None
    forged = proof.upgrade._replace(signature=bytes(68))
    for lie, code in (
        (proof._replace(upgrade=forged), "invalid-signature"),
        (proof._replace(fork=1), "invalid-operation"),
        (proof._replace(manifest=None), "invalid-signature"),
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            reader.accept(lie)
        assert caught.value.code == code
    assert reader.state.tip.length == 0
    await reader.accept(proof).durable
    block = (await block_proof(core, 1, levels=1)).block
    assert block is not None
    with pytest.raises(RemoteProtocolError) as caught:
        reader.accept(Proof(0, block=block._replace(value=b"x")))
    assert caught.value.code == "invalid-checksum"
    assert not reader.state.planned.has_block(1)
    elsewhere.close()


async def test_a_fork_that_is_not_followed_is_told(core: Core, tmp_path: Path) -> None:
    elsewhere = Database.open(tmp_path / "other.db", key=None)
    await core.append([b"a", b"b", b"c"])
    reader = await copy_of(core, Cores(elsewhere))
    reader.allow_fork = False
    events: list[CoreEvent] = []
    reader.watchers.append(events.append)
    await core.truncate(1)
    with pytest.raises(RemoteProtocolError) as caught:
        reader.begin_reorg(await whole_proof(core))
    assert caught.value.code == "fork-refused"
    assert [(event.fork, event.length) for event in events] == [(1, 1)]  # type: ignore[union-attr]
    assert reader.state.fork == 0
    elsewhere.close()


class Shelf:
    """A place for blocks that is a dictionary."""

    def __init__(self) -> None:
        self.blocks: dict[int, bytes] = {}
        self.full = False
        self.gone = False
        self.refetch = True

    def read(self, indexes: Sequence[int]) -> dict[int, bytes]:
        if self.gone:
            raise EnvironmentFault("gone", code="file-gone")
        return {index: self.blocks[index] for index in indexes if index in self.blocks}

    def write(self, blocks: Mapping[int, bytes]) -> None:
        if self.full:
            raise EnvironmentFault("full", code="disk-full")
        self.blocks.update(blocks)

    def clear(self, start: int, end: int) -> int:
        gone = [index for index in self.blocks if start <= index < end]
        return sum(len(self.blocks.pop(index)) for index in gone)

    def damaged(self, indexes: Iterable[int]) -> bool:
        del indexes
        return self.refetch


async def test_blocks_may_lie_in_a_place_of_their_own(database: Database) -> None:
    shelf = Shelf()
    cores = Cores(database)
    cores.depot.find_place = lambda *_: shelf
    core = await cores.open()
    await core.append([b"one", b"two", b"three"])
    assert shelf.blocks == {0: b"one", 1: b"two", 2: b"three"}
    assert (await core.storage_sizes())[0] == 0
    shelf.full = True
    with pytest.raises(EnvironmentFault) as caught:
        await core.append([b"four"])
    assert caught.value.code == "disk-full"
    assert core.state.length == 3
    shelf.full = False
    core.state.forget()
    shelf.gone = True
    with pytest.raises(EnvironmentFault) as caught:
        await core.blocks([1])
    assert caught.value.code == "file-gone"
    assert core.state.stored.has_block(1)
    shelf.gone = False
    assert await core.clear(0, 1) == 3
    for refetch in (False, True):
        shelf.blocks[2], shelf.refetch = b"other", refetch
        core.state.forget()
        assert await core.blocks([1, 2]) == {1: b"two"}
        await core.flushed()
        assert core.state.stored.has_block(2) is not refetch


async def test_a_static_core_is_its_prologue(cores: Cores) -> None:
    blocks = [b"a", b"bc", b"d"]
    tree = TreeBatch()
    tree.extend(blocks)
    manifest = create_manifest([], prologue=Prologue(tree_hash(tree.roots), 3))
    core = await cores.open(manifest=manifest)
    with pytest.raises(LocalProtocolError) as caught:
        await core.append([b"a", b"bc", b"x"])
    assert caught.value.code in ("not-writable", "invalid-signature")
    await core.append(blocks)
    assert core.state.length == 3
    with pytest.raises(LocalProtocolError) as caught:
        await core.append([b"more"])
    assert caught.value.code == "not-writable"


async def test_a_core_is_opened_once(cores: Cores) -> None:
    pair = KeyPair.generate()
    opened = await asyncio.gather(*(cores.open(key_pair=pair) for _ in range(5)))
    assert len({id(core) for core in opened}) == 1
    assert await cores.open_stored(opened[0].state.discovery_key) is opened[0]
    assert await cores.open_stored(bytes(32)) is None
    opened[0].close()
    assert cores.open_cores == []


async def test_a_key_pair_may_come_later(cores: Cores) -> None:
    pair = KeyPair.generate()
    key = (await cores.open(key_pair=pair)).state.key
    cores.close()
    again = await cores.open(key)
    assert again.state.key_pair == pair
    with pytest.raises(LocalProtocolError) as caught:
        await cores.open(key, manifest=create_manifest([Signer(bytes(32))]))
    assert caught.value.code == "bad-argument"


async def test_closing_fails_what_waits(core: Core) -> None:
    appends = [asyncio.ensure_future(core.append([b"a"])) for _ in range(3)]
    await asyncio.sleep(0)
    core.close()
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert results[0] == (1, 1), "what was handed to the disk is finished"
    assert [getattr(it, "code", None) for it in results[1:]] == ["session-closed"] * 2
    with pytest.raises(LocalProtocolError):
        await core.blocks([0])


async def test_a_million_blocks_open_with_few_rows(tmp_path: Path) -> None:
    log = await Hypercore.open(tmp_path / "log", synchronous=Synchronous.NORMAL)
    for _ in range(20):
        await log.append([b""] * 5_000)
    await log.close()
    database = Database.open(tmp_path / "log" / "store.db", key=None)
    steps: list[int] = []

    def visit(connection: Connection) -> int:
        connection.set_progress_handler(lambda: steps.append(1) and False, 100)
        first = first_core(connection)
        assert first is not None
        stored = Depot(database).open_core(connection, first)
        assert stored is not None
        assert stored.pages == {}
        assert stored.roots is not None
        return stored.length

    assert database.read(visit).result(60) == 100_000
    assert len(steps) < 20, "steps of the virtual machine, by the hundred"
    database.close()


async def test_a_core_is_opened_once_though_an_opening_was_given_up(
    cores: Cores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two kernels of one log would sign two histories."""
    key_pair = KeyPair.generate()
    held = asyncio.Event()
    read = cores.traffic.read

    async def slow(work: Callable[[Connection], Any]) -> object:
        await held.wait()
        return await read(work)

    monkeypatch.setattr(cores.traffic, "read", slow)
    first = asyncio.ensure_future(cores.open(key_pair=key_pair))
    second = asyncio.ensure_future(cores.open(key_pair=key_pair))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    third = asyncio.ensure_future(cores.open(key_pair=key_pair))
    await asyncio.sleep(0)
    held.set()
    assert await second is await third


async def test_a_log_that_is_being_deleted_is_not_opened_as_it_was(
    cores: Cores, core: Core
) -> None:
    await core.append([b"a"])
    deleting = asyncio.ensure_future(core.purge())
    await asyncio.sleep(0)
    assert await cores.open_stored(core.state.discovery_key) is None
    await deleting
    again = await cores.open(core.state.key, key_pair=core.state.key_pair)
    assert again.state.length == 0


async def test_who_gives_up_waiting_for_a_deletion_does_not_stop_it(
    cores: Cores, core: Core
) -> None:
    await core.append([b"a"])
    deleting = asyncio.ensure_future(core.purge())
    await asyncio.sleep(0)
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    await core.flushed()
    assert await cores.open_stored(core.state.discovery_key) is None


async def test_a_reader_that_is_late_brings_nothing_of_a_deleted_log(
    core: Core, database: Database
) -> None:
    """The next log may have the numbers of its rows."""
    await core.append([b"a", b"b"])
    core.state.depot.blocks.drop_range(0, 1 << 62)
    core.state.depot.nodes.drop_range(0, 1 << 62)
    held = threading.Event()
    holding = [
        database.read(lambda _: held.wait(10)),
        database.read(lambda _: held.wait(10)),
    ]
    reading = asyncio.ensure_future(core.blocks([0]))
    await asyncio.sleep(0)
    deleting = asyncio.ensure_future(core.purge())
    await asyncio.sleep(0)
    held.set()
    with pytest.raises(LocalProtocolError) as caught:
        await reading
    assert caught.value.code == "session-closed"
    await deleting
    assert not len(core.state.depot.blocks)
    assert not len(core.state.depot.nodes)
    assert all(each.result() for each in holding)


async def test_a_listener_that_fails_keeps_nobody_waiting(core: Core) -> None:
    class Broken(Recorder):
        def core_committed(self, change: Change) -> None:
            raise ZeroDivisionError(change)

    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append(context["exception"])
    )
    Broken(core)
    recorder = Recorder(core)
    await core.append([b"a"])
    await core.append([b"b"])
    assert [length for length, _ in recorder.committed] == [1, 2]
    assert [type(error) for error in told] == [ZeroDivisionError] * 2


async def test_a_question_that_meets_a_truncation_is_asked_again(core: Core) -> None:
    """What the rows say between two commits belongs to neither."""
    await core.append([b"%d" % number for number in range(8)])
    core.state.depot.nodes.drop_range(0, 1 << 62)
    tries: list[None] = []

    def work(source: NodeSource) -> int:
        source.node(0)
        tries.append(None)
        if len(tries) == 1:
            raise LocalProtocolError("nothing fits together")
        return 7

    asking = asyncio.ensure_future(core.with_nodes(work, committed=True))
    core.submit(core.state.truncate(0))
    assert await asking == 7
    assert len(tries) == 2


async def test_too_much_that_waits_for_the_disk_is_known(
    cores: Cores, core: Core
) -> None:
    other = await cores.open()
    assert core.has_room
    core.submit(core.state.append([bytes(MAX_BLOCK_BYTES)] * 3))
    assert not core.has_room
    assert other.has_room, "it would not hear when there is room again"
    other.submit(other.state.append([b"a"]))
    assert not other.has_room
    await asyncio.gather(core.flushed(), other.flushed())
    assert core.has_room
    assert other.has_room
    assert core.state.depot.pending_bytes == 0


async def test_a_visit_to_the_disk_is_bounded_in_bytes(core: Core) -> None:
    """Who asks for the few large blocks of a log of small ones gets some at a time."""
    for number in range(7):
        await core.append([bytes([number]) * (5 * 1024 * 1024)])
    core.state.depot.blocks.drop_range(0, 1 << 62)
    found = await core.blocks([6, 0, 1, 2, 3, 4, 5])
    assert 6 in found
    assert len(found) < 7
    assert core.damaged_blocks == 0
    assert list(await core.blocks([3])) == [3]


async def test_what_was_written_is_not_kept_for_the_next_answer(
    core: Core, tmp_path: Path
) -> None:
    await core.append([b"a", b"b"])
    other = Database.open(tmp_path / "y.db", key=None, synchronous=Synchronous.NORMAL)
    reader = await Cores(other).open(core.state.key)
    first = reader.accept(await whole_proof(core))
    last = reader.accept(await block_proof(core, 0, levels=1))
    assert reader.accept(await block_proof(core, 1, levels=1)) is last
    assert reader._accepted is last
    await asyncio.gather(first.durable, last.durable)
    assert reader._accepted is None
    reader.close()
    other.close()


async def test_sizes_that_a_peer_shifted_do_not_damage_blocks_for_ever(
    core: Core, tmp_path: Path
) -> None:
    """The hash above two unknown siblings binds their sizes by the sum only."""
    await core.append([b"%d" % at for at in range(4)])
    other = Database.open(tmp_path / "y.db", key=None, synchronous=Synchronous.NORMAL)
    reader = await Cores(other).open(core.state.key)
    await reader.accept(await whole_proof(core)).durable
    request = Request(0, hash=BlockRequest(0, 2))
    await core.load(request)
    honest = core.prove(request)
    assert honest.hash is not None
    low, high, *above = honest.hash.nodes
    lies = [low._replace(size=low.size + 1), high._replace(size=high.size - 1)]
    lie = honest._replace(hash=honest.hash._replace(nodes=[*lies, *above]))
    await reader.accept(lie).durable
    assert reader.state.node(0) == lies[0]
    for _ in range(2):
        levels = missing_levels(0, reader.state.tip, reader.state)
        await reader.accept(await block_proof(core, 0, levels=levels)).durable
        reader.state.forget()
        await reader.blocks([0])
        await reader.flushed()
    assert await reader.blocks([0]) == {0: b"0"}
    assert reader.damaged_blocks == 0
    reader.close()
    other.close()
