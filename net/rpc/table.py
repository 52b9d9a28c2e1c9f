"""The routing table: nodes in buckets by the length of the prefix shared with our id.

256 buckets of at most ``K`` nodes; inside a bucket nodes are sorted by id. The table
also keeps the order in which nodes were last heard from, which the upkeep follows.

Leaves to others: when a node is asked whether it still lives, and who takes its place
(``neighbours``). Upstream: kademlia-routing-table 1.0.6, time-ordered-set 2.0.1.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from net.rpc.addresses import Address, pack_address, packed_node_id, unpack_address

K: Final = 20
"""Nodes in one bucket and in one reply."""
BUCKETS: Final = 256
MAX_TABLE_NODES: Final = K * BUCKETS

_by_id = attrgetter("id")


class TableNode:
    """A node we know: its address and what happened with it, counted in ticks.

    Attributes:
        address: Where it is.
        packed: The same in six bytes.
        id: Its 32-byte id.
        number: The id as an integer, for distances.
        to: Our own address as this node last saw it, packed, or None.
        sampled: Tick at which ``to`` was taken as a sample, 0 if never.
        added: Tick at which it came into the table.
        pinged: Tick of the last attempt to reach it, or of its last message.
        seen: Tick of its last message.
        messages: How many messages of it came since it is in the table.
        down_hints: How often others called it dead.
    """

    __slots__ = (
        "added",
        "address",
        "down_hints",
        "id",
        "messages",
        "number",
        "packed",
        "pinged",
        "sampled",
        "seen",
        "to",
    )

    def __init__(self, packed: bytes, *, to: bytes | None = None) -> None:
        self.packed = packed
        self.address = unpack_address(packed)
        self.id = packed_node_id(packed)
        self.number = int.from_bytes(self.id, "big")
        self.to = to
        self.sampled = self.added = self.pinged = self.seen = 0
        self.messages = self.down_hints = 0

    @classmethod
    def at(cls, address: Address) -> TableNode:
        """Make the record of the node at an address."""
        return cls(pack_address(address))


class Insertion(enum.Enum):
    """What became of a node offered to the table."""

    ADDED = enum.auto()
    REPLACED = enum.auto()
    BUCKET_FULL = enum.auto()


class RoutingTable:
    """Nodes by distance from ``id``, and in the order they were last heard from."""

    def __init__(self, own_id: bytes, *, k: int = K) -> None:
        assert len(own_id) * 8 == BUCKETS, "an id has 32 bytes"
        self.id = own_id
        self.k = k
        self._number = int.from_bytes(own_id, "big")
        self._buckets: list[list[TableNode]] = [[] for _ in range(BUCKETS)]
        self._deepest = 0
        self._nodes: OrderedDict[bytes, TableNode] = OrderedDict()

    @property
    def size(self) -> int:
        """How many nodes are in the table."""
        return len(self._nodes)

    def __contains__(self, id_: bytes) -> bool:
        return id_ in self._nodes

    def get(self, id_: bytes) -> TableNode | None:
        """Give the node with this id, if known."""
        return self._nodes.get(id_)

    def add(self, node: TableNode) -> Insertion:
        """Put a node in as the newest, unless its bucket is full."""
        index = self._index(node.number)
        bucket = self._buckets[index]
        at = bisect_left(bucket, node.id, key=_by_id)
        if at < len(bucket) and bucket[at].id == node.id:
            bucket[at] = node
            self._nodes[node.id] = node
            self._nodes.move_to_end(node.id)
            return Insertion.REPLACED
        if len(bucket) >= self.k:
            return Insertion.BUCKET_FULL
        bucket.insert(at, node)
        self._nodes[node.id] = node
        self._deepest = max(self._deepest, index)
        assert len(self._nodes) <= MAX_TABLE_NODES, "more nodes than buckets hold"
        return Insertion.ADDED

    def touch(self, node: TableNode) -> None:
        """Make a known node the newest."""
        self._nodes.move_to_end(node.id)

    def remove(self, id_: bytes) -> bool:
        """Take a node out; False when it was not in."""
        node = self._nodes.pop(id_, None)
        if node is None:
            return False
        bucket = self._buckets[self._index(node.number)]
        del bucket[bisect_left(bucket, id_, key=_by_id)]
        return True

    def closest(self, target: bytes, k: int | None = None) -> list[TableNode]:
        """Give up to ``k`` nodes, bucket by bucket from the target's towards the ends.

        The order is that of the buckets walked, not that of the exact distance.
        """
        wanted = self.k if k is None else k
        start = self._index(int.from_bytes(target, "big"))
        buckets = self._buckets
        found: list[TableNode] = []
        for index in range(min(start, self._deepest), -1, -1):
            if buckets[index]:
                found += buckets[index]
                if len(found) >= wanted:
                    return found[:wanted]
        for index in range(start + 1, self._deepest + 1):
            if buckets[index]:
                found += buckets[index]
                if len(found) >= wanted:
                    break
        return found[:wanted]

    def has_room_for(self, id_: bytes) -> bool:
        """Tell whether a node that is not in yet could be added."""
        return len(self._buckets[self._index(int.from_bytes(id_, "big"))]) < self.k

    def bucket_of(self, id_: bytes) -> tuple[TableNode, ...]:
        """Give the nodes of the bucket an id belongs to, sorted by id."""
        return tuple(self._buckets[self._index(int.from_bytes(id_, "big"))])

    def oldest_first(self) -> Iterator[TableNode]:
        """Walk from the node not heard from for longest; do not change meanwhile."""
        return iter(self._nodes.values())

    def newest_first(self) -> Iterator[TableNode]:
        """Walk from the node heard from last; do not change the table meanwhile."""
        return reversed(self._nodes.values())

    def pick(self, number: int) -> TableNode | None:
        """Give a node chosen by a random number, or None from an empty table."""
        if not self._nodes:
            return None
        left = number % len(self._nodes)
        for bucket in self._buckets:
            if left < len(bucket):
                return bucket[left]
            left -= len(bucket)
        raise AssertionError("buckets and order disagree")

    def with_id(self, own_id: bytes) -> RoutingTable:
        """Give a table around another id with the nodes that fit, in the same order."""
        other = RoutingTable(own_id, k=self.k)
        for node in self._nodes.values():
            if node.id != own_id:
                other.add(node)
        return other

    def _index(self, number: int) -> int:
        distance = number ^ self._number
        return min(BUCKETS - distance.bit_length(), BUCKETS - 1)
