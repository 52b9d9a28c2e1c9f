"""A seeded universe of replicators: nodes, links with delays, a clock, a log.

A node is a machine over a ``MemoryCore``. Everything happens in the order (time,
sequence), so that a seed replays a run. Messages are given as they leave, so that a
test or a liar may look at, change or keep them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from store.errors import RemoteProtocolError
from store.hypercore.messages import MessageKind
from store.hypercore.replicator import Loads, Peer, Replicator, ReplicatorOptions
from tests.helpers.memory_core import MemoryCore

SHARE_BYTES = 64 * 1024

Tamper = Callable[["Wire", int, bytes], "list[tuple[int, bytes]]"]


class Sent(NamedTuple):
    """One message on its way."""

    sender: str
    receiver: str
    kind: MessageKind
    message: bytes


@dataclass
class Node:
    """One machine with its core."""

    name: str
    core: MemoryCore
    machine: Replicator
    tamper: Tamper | None = None
    """Gets each message that leaves and gives those that shall leave."""
    ended: list[str] = field(default_factory=list)
    """Codes for which it closed peers' channels."""
    wires: list[Wire] = field(default_factory=list)
    timer_at: float | None = None


class Wire:
    """One end of a link; fits ``PeerLink``."""

    def __init__(self, world: ReplicaWorld, node: Node, delay_s: float) -> None:
        self.world = world
        self.node = node
        self.delay_s = delay_s
        self.open = True
        self.other: Wire
        self.peer: Peer

    def send(self, kind: int, message: bytes) -> bool:
        if not self.open:
            return False
        messages = [(kind, message)]
        if self.node.tamper is not None:
            messages = self.node.tamper(self, kind, message)
        for each in messages:
            self.world.carry(self, *each)
        return True

    def close(self, code: str | None) -> None:
        if code is not None and self.open:
            self.node.ended.append(code)
        self.world.cut(self)


class ReplicaWorld:
    """Nodes, links and a clock.

    Attributes:
        now: Seconds.
        sent: Every message, if ``record`` is on.
        random: The only source of chance.
    """

    def __init__(self, seed: int = 0, *, record: bool = False) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.now = 0.0
        self.record = record
        self.sent: list[Sent] = []
        self.nodes: list[Node] = []
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = 0
        self._dirty: dict[str, Node] = {}

    def add(
        self, name: str, core: MemoryCore, options: ReplicatorOptions | None = None
    ) -> Node:
        machine = Replicator(
            core, random.Random(self.random.randrange(1 << 30)), options=options
        )
        core.machine = machine
        node = Node(name, core, machine)
        self.nodes.append(node)
        return node

    def connect(
        self,
        first: Node,
        second: Node,
        *,
        delay_s: float = 0.01,
        upload: bool = True,
        download: bool = True,
    ) -> tuple[Wire, Wire]:
        """Open a channel between two nodes; the flags are the first one's."""
        one, two = Wire(self, first, delay_s), Wire(self, second, delay_s)
        one.other, two.other = two, one
        one.peer = Peer(
            one,
            second.name.encode(),
            allow_upload=upload,
            allow_download=download,
        )
        two.peer = Peer(two, first.name.encode())
        for wire in (one, two):
            wire.node.wires.append(wire)
        for wire in (one, two):
            wire.node.machine.open_peer(wire.peer, seeks=True)
            self.touch(wire.node)
        return one, two

    def cut(self, wire: Wire) -> None:
        """Close a channel from one side; the other hears of it after the delay."""
        if not wire.open:
            return
        wire.open = False
        self._drop(wire)
        other = wire.other
        self.at(self.now + wire.delay_s, lambda: self._hear_close(other))

    def carry(self, wire: Wire, kind: int, message: bytes) -> None:
        other = wire.other
        if self.record:
            name = other.node.name
            self.sent.append(Sent(wire.node.name, name, MessageKind(kind), message))
        at = self.now + wire.delay_s
        self.at(at, lambda: self._deliver(other, kind, message))

    def at(self, time: float, event: Callable[[], object]) -> None:
        """Have something happen."""
        self._sequence += 1
        heapq.heappush(self._events, (time, self._sequence, event))

    def touch(self, node: Node) -> None:
        """Let a node end its turn."""
        self._dirty[node.name] = node

    def run(
        self, limit_s: float = 60.0, until: Callable[[], bool] | None = None
    ) -> None:
        """Go on until nothing happens any more, a condition holds, or time is up."""
        end = self.now + limit_s
        while True:
            if not self._events or self._events[0][0] > self.now:
                # What comes at the same instant is one turn.
                self._settle()
            if until is not None and until():
                return
            if not self._events or self._events[0][0] > end:
                self.now = end
                return
            self.now, _, event = heapq.heappop(self._events)
            event()

    # -- inside --------------------------------------------------------------------

    def _deliver(self, wire: Wire, kind: int, message: bytes) -> None:
        if not wire.open:
            return
        try:
            wire.node.machine.receive(wire.peer, kind, message, self.now)
        except RemoteProtocolError as error:
            wire.close(error.code)
        self.touch(wire.node)

    def _hear_close(self, wire: Wire) -> None:
        if wire.open:
            wire.open = False
            self._drop(wire)

    def _drop(self, wire: Wire) -> None:
        wire.node.wires.remove(wire)
        wire.node.machine.close_peer(wire.peer)
        self.touch(wire.node)

    def _settle(self) -> None:
        while self._dirty:
            _, node = self._dirty.popitem()
            self._end_turn(node)

    def _end_turn(self, node: Node) -> None:
        machine, core = node.machine, node.core
        machine.flush(self.now)
        for wire in list(node.wires):
            while wire.open and wire.peer.has_work:
                try:
                    machine.serve(wire.peer, SHARE_BYTES, self.now)
                except RemoteProtocolError as error:
                    wire.close(error.code)
        loads = machine.take_loads()
        if any(loads):
            self.at(self.now + 0.001, lambda: self._loaded(node, loads))
        if core.writing:
            delay_s = self.random.uniform(0.0, 0.005)
            self.at(self.now + delay_s, lambda: self._commit(node))
        due = machine.get_timer()
        if due is not None and (node.timer_at is None or due < node.timer_at):
            node.timer_at = due
            self.at(max(due, self.now), lambda: self._ring(node, due))

    def _ring(self, node: Node, due: float) -> None:
        if node.timer_at == due:
            node.timer_at = None
            node.machine.handle_timer(self.now)
            self.touch(node)

    def _commit(self, node: Node) -> None:
        node.core.commit()
        self.touch(node)

    def _loaded(self, node: Node, loads: Loads) -> None:
        node.core.not_loaded.clear()
        for peer, _ in loads.answers:
            node.machine.answers_loaded(peer)
        for peer, _ in loads.proofs:
            node.machine.proofs_loaded(peer, self.now)
        for peer, _ in loads.forks:
            node.machine.fork_loaded(peer)
        self.touch(node)
