"""A plain list beside the real log, and a second log that is fed with its proofs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from store import Hypercore
from store.database import Synchronous
from store.errors import InvalidRequestError, LocalProtocolError, NodeMissingError
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.proofs import continue_reorg, missing_levels
from store.hypercore.records import (
    BlockRequest,
    NotInMemoryError,
    Proof,
    Request,
    SeekRequest,
    UpgradeRequest,
)

T = TypeVar("T")

BLOCKS = st.binary(max_size=12)


class LogAndModel(RuleBasedStateMachine):
    """Drives a writer and a reader; the lists say what has to be there."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.written: list[bytes] = []
        self.kept: set[int] = set()
        self.fork = 0
        self.read: list[bytes] = []
        self.read_fork = 0
        self.fetched: set[int] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        self.writer = self.run(self._open("writer", None))
        self.reader = self.run(self._open("reader", self.writer.key))

    async def _open(self, name: str, key: bytes | None) -> Hypercore:
        return await Hypercore.open(
            self.folder / name, key, synchronous=Synchronous.NORMAL
        )

    def teardown(self) -> None:
        if hasattr(self, "reader"):
            self.run(self.writer.close())
            self.run(self.reader.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    @rule(block=BLOCKS)
    def append(self, block: bytes) -> None:
        appended = self.run(self.writer.append(block))
        self._wrote([block])
        assert appended.length == len(self.written)
        assert appended.byte_length == sum(map(len, self.written))

    @rule(blocks=st.lists(BLOCKS, max_size=40))
    def append_batch(self, blocks: list[bytes]) -> None:
        appended = self.run(self.writer.append(blocks))
        self._wrote(blocks)
        assert appended.length == len(self.written)

    @rule(batches=st.lists(st.lists(BLOCKS, max_size=5), min_size=2, max_size=8))
    def append_at_once(self, batches: list[list[bytes]]) -> None:
        async def all_of_them() -> list[int]:
            works = [self.writer.append(blocks) for blocks in batches]
            return [appended.length for appended in await asyncio.gather(*works)]

        lengths = self.run(all_of_them())
        for blocks, length in zip(batches, lengths, strict=True):
            self._wrote(blocks)
            assert length == len(self.written)

    def _wrote(self, blocks: list[bytes]) -> None:
        self.kept.update(range(len(self.written), len(self.written) + len(blocks)))
        self.written += blocks

    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        length = data.draw(st.integers(0, len(self.written)))
        try:
            self.run(self.writer.truncate(length))
        except NodeMissingError:
            assert not self.kept >= set(range(len(self.written)))
            return
        del self.written[length:]
        self.kept &= set(range(length))
        self.fork += 1

    @rule(data=st.data())
    def append_and_truncate_at_once(self, data: st.DataObject) -> None:
        blocks = data.draw(st.lists(BLOCKS, min_size=1, max_size=9))
        after = data.draw(st.lists(BLOCKS, max_size=3))
        length = data.draw(
            st.integers(len(self.written), len(self.written) + len(blocks))
        )

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.writer.append(blocks))
                await asyncio.sleep(0)
                group.create_task(self.writer.truncate(length))
                await asyncio.sleep(0)
                group.create_task(self.writer.append(after))

        self.run(all_of_them())
        self._wrote(blocks)
        del self.written[length:]
        self.kept &= set(range(length))
        self.fork += 1
        self._wrote(after)

    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.written)))
        end = data.draw(st.integers(start, len(self.written)))
        freed = self.run(self.writer.clear(start, end))
        gone = self.kept & set(range(start, end))
        assert freed == sum(len(self.written[index]) for index in gone)
        self.kept -= gone

    @rule()
    def reopen_writer(self) -> None:
        self.run(self.writer.close())
        self.writer = self.run(self._open("writer", None))

    @rule()
    def reopen_reader(self) -> None:
        self.run(self.reader.close())
        self.reader = self.run(self._open("reader", None))

    @rule()
    def forget(self) -> None:
        self.writer.core.state.forget()
        self.reader.core.state.forget()

    @precondition(lambda self: self.read_fork == self.fork)
    @rule()
    def upgrade(self) -> None:
        grown = len(self.written) - len(self.read)
        if grown == 0:
            return
        wanted = Request(
            self.fork, upgrade=UpgradeRequest(len(self.read), grown), manifest=True
        )
        proof = self._proof(wanted)
        if proof is not None:
            self.run(self._accept(proof))
            self.read = list(self.written)

    @precondition(lambda self: self.read_fork == self.fork and self.read)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.read) - 1))
        proof = self._proof(self.run(self._wish(index)))
        if proof is None:
            return
        self.run(self._accept(proof))
        self.fetched.add(index)

    @precondition(lambda self: self.read_fork == self.fork and self.read)
    @rule(data=st.data())
    def fetch_many_before_any_is_durable(self, data: st.DataObject) -> None:
        indexes = data.draw(
            st.lists(st.integers(0, len(self.read) - 1), min_size=2, max_size=20)
        )

        async def all_of_them() -> list[int]:
            proofs = []
            for index in indexes:
                proof = await self._try_proof(await self._wish(index))
                if proof is not None:
                    proofs.append((index, proof))
            last = None
            for _, proof in proofs:
                last = await self._take(proof)
            if last is not None:
                await last
            return [index for index, _ in proofs]

        self.fetched.update(self.run(all_of_them()))

    @precondition(lambda self: self.fork > self.read_fork and self.written)
    @rule()
    def follow_fork(self) -> None:
        wanted = Request(
            self.fork, upgrade=UpgradeRequest(0, len(self.written)), manifest=True
        )
        proof = self._proof(wanted)
        if proof is None:
            return
        shared = self.run(self._follow(proof))
        if shared is None:
            return
        common = 0
        for ours, theirs in zip(self.read, self.written, strict=False):
            if ours != theirs:
                break
            common += 1
        assert shared <= common
        # What was never fetched may be the same without the reader knowing it.
        assert all(index < shared for index in self.fetched if index < common)
        self.fetched &= set(range(shared))
        self.read, self.read_fork = list(self.written), self.fork

    @precondition(lambda self: self.read)
    @rule(data=st.data())
    def reader_clears(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.read)))
        end = data.draw(st.integers(start, len(self.read)))
        self.run(self.reader.clear(start, end))
        self.fetched -= set(range(start, end))

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def seek(self, data: st.DataObject) -> None:
        byte = data.draw(st.integers(0, sum(map(len, self.written))))
        try:
            index, offset = self.run(self.writer.seek(byte, wait=False))
        except NodeMissingError:
            assert len(self.kept) < len(self.written)
            return
        before = sum(map(len, self.written[:index]))
        assert before + offset == byte
        assert index == len(self.written) or offset <= len(self.written[index])

    async def _wish(self, index: int) -> Request:
        core = self.reader.core
        levels = await core.with_nodes(
            lambda source: missing_levels(2 * index, core.state.tip, source),
            committed=False,
        )
        return Request(self.fork, block=BlockRequest(index, levels))

    def _proof(self, request: Request) -> Proof | None:
        return self.run(self._try_proof(request))

    async def _try_proof(self, request: Request) -> Proof | None:
        try:
            return await self.writer.proof(request)
        except (LocalProtocolError, InvalidRequestError):
            assert len(self.kept) < len(self.written), "a whole log proves everything"
            return None

    async def _take(self, proof: Proof) -> asyncio.Future[None]:
        while True:
            try:
                return self.reader.core.accept(proof).durable
            except NotInMemoryError:
                await self.reader.core.load_for(proof)

    async def _accept(self, proof: Proof) -> None:
        await (await self._take(proof))

    async def _follow(self, proof: Proof) -> int | None:
        core = self.reader.core
        await core.load_for(proof)
        batch = core.begin_reorg(proof)
        while batch.want is not None:
            answer = await self._try_proof(
                Request(
                    self.fork, hash=BlockRequest(2 * batch.want.start, batch.want.nodes)
                )
            )
            if answer is None:
                return None
            current = batch
            batch = await core.with_nodes(
                lambda source, current=current, answer=answer: continue_reorg(
                    current, answer, source
                ),
                committed=False,
            )
        await core.finish_reorg(batch).durable
        return batch.ancestors

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "reader"):
            return
        self.run(self._check(self.writer, self.written, self.kept, self.fork))
        self.run(self._check(self.reader, self.read, self.fetched, self.read_fork))

    async def _check(
        self, log: Hypercore, blocks: list[bytes], held: set[int], fork: int
    ) -> None:
        assert log.length == len(blocks)
        assert log.byte_length == sum(map(len, blocks))
        assert log.fork == fork
        whole = TreeBatch()
        whole.extend(blocks)
        assert await log.tree_hash() == tree_hash(whole.roots)
        contiguous = next(
            index for index in range(len(blocks) + 1) if index not in held
        )
        assert log.contiguous_length == contiguous
        for index, block in enumerate(blocks):
            found = await log.get(index, wait=False)
            assert found == (block if index in held else None)
        assert log.core.damaged_blocks == 0
        assert not log.core.state.needs_repair


class TestLogAndModel(LogAndModel.TestCase):  # type: ignore[misc]
    settings = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def test_a_seek_request_travels_with_an_upgrade(tmp_path: Path) -> None:
    async def scenario() -> None:
        writer = await Hypercore.open(tmp_path / "a")
        await writer.append([b"abc", b"de", b"", b"fghi"])
        proof = await writer.proof(
            Request(0, seek=SeekRequest(4, 0), upgrade=UpgradeRequest(0, 4))
        )
        reader = await Hypercore.open(tmp_path / "b", writer.key)
        await reader.core.accept(
            proof._replace(manifest=writer.core.state.encoded_manifest)
        ).durable
        assert await reader.seek(4, wait=False) == (1, 1)
        await writer.close()
        await reader.close()

    asyncio.run(scenario())
