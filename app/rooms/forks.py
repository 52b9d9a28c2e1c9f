"""Logs with two histories in one room: found out, proven, passed on, and ended alike.

Two peers that hold one history each find where they part by asking for nodes of each
other's trees, and make the proof that anybody can check. Every member passes it on to
every other, and to whoever comes later. Of several proofs of one log the one of the
lowest length holds, so that everybody ends with the same part of it. ``Forks`` lives on
the loop; what ends the log is ``RoomLogs``, what that does to the history ``RoomView``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from app.rooms.blocks import MAX_WRITERS, log_manifest
from app.rooms.fork_messages import (
    ASK_TREE,
    FORK,
    TREE,
    AskTree,
    Fork,
    Tree,
    decode_ask_tree,
    decode_fork,
    decode_tree,
)
from app.rooms.histories import compare, tell
from app.tasks import Tasks
from net import errors as net_errors
from store.errors import NodeMissingError, RemoteProtocolError, StoreError
from store.hypercore import flat_tree
from store.hypercore.fork_proof import ForkProof, decode_fork_proof
from store.hypercore.manifest import manifest_key
from store.hypercore.told_history import ToldHistory

if TYPE_CHECKING:
    from app.rooms.facts import RoomFacts
    from app.rooms.logs import RoomLogs

_LOG = logging.getLogger("covey.room")

MAX_HEARD: Final = MAX_WRITERS
"""Proofs looked at of one peer on one connection."""
MAX_ANSWERS: Final = 1_024
"""Questions of one peer that are answered on one connection."""
MAX_PENDING: Final = 64
"""Proofs kept of devices that nobody let in as far as known here."""
MAX_ROUNDS: Final = 64
"""Questions to one peer until it is known where two histories part."""
ANSWER_LIMIT_S: Final = 20.0
SEARCH_PAUSE_S: Final = 20.0
"""Before the same peer is asked for the same log again."""
SWAP_PAUSE_S: Final = 20.0
"""Before a tree whose blocks nobody brings is given up for another one again."""
ANEW_PAUSE_S: Final = 5.0
"""Between two times that a room is derived anew, and at least ``ANEW_FACTOR`` times as
long as that took: who signs one history after the other keeps nobody busy."""
ANEW_FACTOR: Final = 10.0

_MALFORMED = (RemoteProtocolError, net_errors.RemoteProtocolError)


def fork_sentence(name: str, *, own: bool) -> str:
    """The sentence for a person.

    Args:
        name: Whose device it is.
        own: It is another one of this person's.
    """
    whose = "Another device of yours" if own else f"A device of {name or 'somebody'}"
    return (
        f"{whose} has written two histories of this room. What both have in common"
        " counts; what that device wrote from there on counts for nobody."
    )


class End(Protocol):
    """A peer that proofs are heard of and told."""

    @property
    def device(self) -> bytes:
        """Its device, proven."""

    def tell(self, kind: int, data: bytes) -> bool:
        """Tell it something, if it is a member and there."""

    def ask(self, kind: int, data: bytes) -> bool:
        """Ask it something, also if it is not known as a member."""


Freeze = Callable[[bytes, ForkProof], Awaitable[bool]]
"""Ends a log in the view; tells whether all had to be derived anew."""


class Forks:
    """What is known of forked logs in one room.

    Attributes:
        on_mended: Called with a log that may be fetched again, after it was kept from
            that by a tree of which there are no blocks.
    """

    def __init__(
        self,
        logs: RoomLogs,
        room_key: bytes,
        freeze: Freeze,
        facts: Callable[[], RoomFacts],
    ) -> None:
        """Begin with what the logs know.

        Args:
            logs: The room's.
            room_key: Its key.
            freeze: Keeps a proof, derives what it changes and ends the log.
            facts: Who is who.
        """
        self.on_mended: Callable[[bytes], None] = _unheard
        self._logs = logs
        self._room_key = room_key
        self._freeze = freeze
        self._facts = facts
        self._ends: dict[End, None] = {}
        self._heard: dict[End, int] = {}
        self._answered: dict[End, int] = {}
        self._suspected: dict[bytes, None] = {}
        self._searching: set[tuple[End, bytes]] = set()
        self._searched_at: dict[tuple[End, bytes], float] = {}
        self._questions: dict[End, asyncio.Future[Tree]] = {}
        self._asking: dict[End, asyncio.Lock] = {}
        self._swapped_at: dict[bytes, float] = {}
        self._turn = 0
        self._pending: dict[bytes, ForkProof] = {}
        self._due: dict[bytes, ForkProof] = {}
        self._not_before = 0.0
        self._running = False
        self._stopped = False
        self._tasks = Tasks(_LOG, "a forked log could not be dealt with")
        logs.on_contradiction = self.suspect

    async def stop(self) -> None:
        """End what goes on; what was proven but not kept yet is heard again."""
        self._stopped = True
        await self._tasks.cancel()

    # Who is there.

    def came(self, end: End) -> None:
        """A member's device can be told things; harmless when repeated."""
        if end in self._ends or self._stopped:
            return
        self._ends[end] = None
        for writer, proof in self._logs.proofs.items():
            end.tell(FORK, Fork(writer, proof.encode()).encode())
        for writer in self._suspected:
            self._search(end, writer)

    def gone(self, end: End) -> None:
        """It is connected no more."""
        for known in (self._ends, self._heard, self._answered, self._asking):
            known.pop(end, None)
        for key in [key for key in self._searched_at if key[0] is end]:
            del self._searched_at[key]
        question = self._questions.pop(end, None)
        if question is not None:
            question.cancel()

    def facts_changed(self) -> None:
        """Devices may have been let in of which there are proofs."""
        devices = self._facts().devices
        for writer in [it for it in self._pending if it in devices]:
            self._take(writer, self._pending.pop(writer))

    # What is heard.

    def heard(self, end: End, data: bytes) -> bool:
        """A peer tells of a fork; False when it breaks the rules."""
        count = self._heard[end] = self._heard.get(end, 0) + 1
        if count > MAX_HEARD or self._stopped:
            return True
        try:
            told = decode_fork(data)
            proof = decode_fork_proof(told.proof)
            manifest = log_manifest(told.writer, self._room_key)
            if self._is_news(told.writer, proof) and not proof.is_signed(
                manifest, manifest_key(manifest)
            ):
                return False
        except _MALFORMED:
            return False
        self._take(told.writer, proof)
        return True

    def asked(self, end: End, data: bytes) -> bool:
        """A member asks for a tree; False when it breaks the rules."""
        try:
            ask = decode_ask_tree(data)
        except net_errors.RemoteProtocolError:
            return False
        count = self._answered[end] = self._answered.get(end, 0) + 1
        if count <= MAX_ANSWERS and not self._stopped:
            self._tasks.spawn(self._answer(end, ask))
        return True

    def told(self, end: End, data: bytes) -> bool:
        """A peer tells of its tree; False when it breaks the rules."""
        try:
            tree = decode_tree(data)
        except net_errors.RemoteProtocolError:
            return False
        question = self._questions.pop(end, None)
        if question is not None and not question.done():
            question.set_result(tree)
        return True

    def suspect(self, writer: bytes) -> None:
        """Somebody has another history of a log than is here: find out where."""
        if self._stopped:
            return
        self._suspected[writer] = None
        for end in tuple(self._ends):
            self._search(end, writer)

    def stuck(self, writer: bytes) -> None:
        """Nobody brings the blocks of a tree: see whether members have another one."""
        ends = tuple(self._ends)
        if ends and not self._stopped:
            self._turn += 1
            self._tasks.spawn(self._swap(ends[self._turn % len(ends)], writer))

    # Finding out where.

    def _search(self, end: End, writer: bytes) -> None:
        now = asyncio.get_running_loop().time()
        key = end, writer
        last = self._searched_at.get(key, -SEARCH_PAUSE_S)
        if key in self._searching or now - last < SEARCH_PAUSE_S:
            return
        self._searched_at[key] = now
        self._searching.add(key)
        self._tasks.spawn(self._find(end, writer))

    async def _find(self, end: End, writer: bytes) -> None:
        try:
            proof = await self._difference(end, writer)
        except _MALFORMED as error:
            _LOG.warning("a peer told of a tree that is none: %s", error)
        except (StoreError, TimeoutError, asyncio.CancelledError) as error:
            _LOG.info("two histories could not be held against each other: %s", error)
        else:
            if proof is not None:
                self._take(writer, proof)
        finally:
            self._searching.discard((end, writer))

    async def _difference(self, end: End, writer: bytes) -> ForkProof | None:
        """Ask a peer until it is known where its history parts from ours."""
        told = await self._told(end, writer)
        if told is None:
            return None
        for _ in range(MAX_ROUNDS):
            try:
                return await compare(self._logs, writer, told)
            except NodeMissingError as missing:
                if told.history.node(missing.index) is not None:
                    # What it takes is not here: whoever has it finds out.
                    self._tasks.spawn(self._swap(end, writer))
                    return None
                index = missing.index
            if not await self._learn(end, writer, told, index):
                return None
        return None

    async def _told(self, end: End, writer: bytes) -> ToldHistory | None:
        """The tree that a peer has of a log, as far as its roots."""
        tree = await self._ask(end, AskTree(writer))
        if tree is None:
            return None
        manifest = log_manifest(writer, self._room_key)
        return ToldHistory(
            manifest,
            manifest_key(manifest),
            length=tree.length,
            signature=tree.signature,
            roots=tree.nodes,
        )

    async def _learn(
        self, end: End, writer: bytes, told: ToldHistory, index: int
    ) -> bool:
        """Ask for what leads to a node; False when that brings nothing."""
        wanted = tuple(told.wanted(index))
        tree = await self._ask(end, AskTree(writer, wanted))
        return tree is not None and told.learn(tree.nodes)

    async def _swap(self, end: End, writer: bytes) -> None:
        """Take a peer's tree in place of one of which nothing more is to be had.

        So nobody is kept from a log by a tree that its device signed and never showed.
        """
        now = asyncio.get_running_loop().time()
        last = self._swapped_at.get(writer, -SWAP_PAUSE_S)
        if now - last < SWAP_PAUSE_S or writer == self._logs.device:
            return
        self._swapped_at[writer] = now
        try:
            told = await self._told(end, writer)
            if told is not None and await self._leads_to(end, writer, told):
                _LOG.warning("a signed tree of which nobody has the blocks is given up")
                self.on_mended(writer)
        except _MALFORMED as error:
            _LOG.warning("a peer told of a tree that is none: %s", error)
        except (StoreError, TimeoutError, asyncio.CancelledError) as error:
            _LOG.info("a tree could not be taken from a peer: %s", error)

    async def _leads_to(self, end: End, writer: bytes, told: ToldHistory) -> bool:
        log = await self._logs.borrow(writer)
        try:
            state = log.core.core.state
            shared, head = state.contiguous_length, state.head
            if (
                shared == head.length
                or told.length <= shared
                or head.roots == told.head.roots
                # What is here behind the gap is worth more than another tree.
                or state.stored.blocks.count(shared, head.length)
                or log.reach != shared
            ):
                return False
            for index in flat_tree.full_roots(shared):
                if told.history.node(index) is not None:
                    continue
                # What leads to it comes at once.
                if not await self._learn(end, writer, told, index):
                    return False
            await log.core.core.swap(told, shared)
        finally:
            self._logs.give_back(log)
        return True

    async def _ask(self, end: End, ask: AskTree) -> Tree | None:
        """One question after the other; None when there is no answer to it."""
        async with self._asking.setdefault(end, asyncio.Lock()):
            question = asyncio.get_running_loop().create_future()
            if end not in self._ends or not end.ask(ASK_TREE, ask.encode()):
                return None
            self._questions[end] = question
            async with asyncio.timeout(ANSWER_LIMIT_S):
                tree: Tree = await question
        return tree if tree.writer == ask.writer else None

    async def _answer(self, end: End, ask: AskTree) -> None:
        if not self._logs.length(ask.writer):
            return
        try:
            history, nodes = await tell(self._logs, ask.writer, ask.indexes)
        except StoreError as error:
            _LOG.info("a tree could not be told: %s", error)
            return
        tree = Tree(ask.writer, history.length, history.signature, tuple(nodes))
        end.tell(TREE, tree.encode())

    # What is proven.

    def _is_news(self, writer: bytes, proof: ForkProof) -> bool:
        known = (self._logs.proofs, self._due, self._pending)
        lengths = [found[writer].length for found in known if writer in found]
        return proof.length < min(lengths, default=proof.length + 1)

    def _take(self, writer: bytes, proof: ForkProof) -> None:
        """Have a proof kept and its log ended, if none of a lower length is known."""
        if self._stopped or not self._is_news(writer, proof):
            return
        if writer not in self._facts().devices:
            if len(self._pending) < MAX_PENDING or writer in self._pending:
                self._pending[writer] = proof
            return
        self._due[writer] = proof
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._due and not self._stopped:
                if (wait_s := self._not_before - loop.time()) > 0:
                    await asyncio.sleep(wait_s)
                writer = next(iter(self._due))
                proof = self._due[writer]
                began = loop.time()
                try:
                    anew = await self._freeze(writer, proof)
                except StoreError as error:
                    _LOG.error("a proof of a fork could not be kept: %s", error)
                    # It is told again, and perhaps there is room then.
                    del self._due[writer]
                    continue
                if anew:
                    pause_s = ANEW_FACTOR * (loop.time() - began)
                    self._not_before = loop.time() + max(ANEW_PAUSE_S, pause_s)
                if self._due.get(writer) is proof:
                    del self._due[writer]
                self._spread(writer, proof)
        finally:
            self._running = False

    def _spread(self, writer: bytes, proof: ForkProof) -> None:
        _LOG.error("a device of the room has signed two histories: its log is frozen")
        self._suspected.pop(writer, None)
        data = Fork(writer, proof.encode()).encode()
        for end in tuple(self._ends):
            end.tell(FORK, data)


def _unheard(writer: bytes) -> None:
    del writer
