"""The routing table against a model, and against the recorded order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from net.rpc.addresses import node_id
from net.rpc.table import BUCKETS, Insertion, K, RoutingTable, TableNode
from tests.unit.net.rpc.vectors import cases


def bucket_index(own: bytes, other: bytes) -> int:
    for index in range(BUCKETS):
        byte, bit = divmod(index, 8)
        if (own[byte] ^ other[byte]) >> (7 - bit) & 1:
            return index
    return BUCKETS - 1


@pytest.mark.parametrize("case", cases("closest"), ids=lambda case: case["desc"])
def test_the_closest_nodes_come_in_the_recorded_order(case: dict[str, Any]) -> None:
    table = RoutingTable(bytes.fromhex(case["own_id"]))
    for entry in case["nodes"]:
        node = TableNode.at((entry["host"], entry["port"]))
        assert node.id.hex() == entry["id"]
        table.add(node)
    found = table.closest(bytes.fromhex(case["target"]))
    assert [f"{host}:{port}" for host, port in (n.address for n in found)] == case[
        "result"
    ]


def test_a_full_bucket_takes_nobody_until_one_leaves() -> None:
    table = RoutingTable(bytes(32))
    far = [node for node in some_nodes(200) if node.id[0] >= 0x80]
    results = [table.add(node) for node in far]
    assert results == [Insertion.ADDED] * K + [Insertion.BUCKET_FULL] * (len(far) - K)
    assert table.size == K
    assert far[K].id not in table
    assert table.remove(far[0].id)
    assert not table.remove(far[0].id)
    assert table.add(far[K]) is Insertion.ADDED


def some_nodes(count: int) -> list[TableNode]:
    return [TableNode.at((f"10.1.{i >> 8}.{i & 255}", 1000 + i)) for i in range(count)]


def test_hearing_from_a_node_makes_it_the_newest() -> None:
    table = RoutingTable(bytes(32))
    one, two, three = some_nodes(3)
    for node in (one, two, three):
        table.add(node)
    table.touch(one)
    assert list(table.oldest_first()) == [two, three, one]
    assert list(table.newest_first()) == [one, three, two]


def test_another_id_keeps_the_nodes_and_their_order_but_not_itself() -> None:
    table = RoutingTable(bytes(32))
    nodes = some_nodes(30)
    for node in nodes:
        table.add(node)
    held = list(table.oldest_first())
    other = table.with_id(held[3].id)
    assert held[3].id not in other
    assert set(other.oldest_first()) <= set(held)
    order = [held.index(node) for node in other.oldest_first()]
    assert order == sorted(order)


def test_picking_reaches_every_node_and_none_from_an_empty_table() -> None:
    table = RoutingTable(bytes(32))
    assert table.pick(5) is None
    for node in some_nodes(25):
        table.add(node)
    picked = {table.pick(number) for number in range(table.size)}
    assert picked == set(table.oldest_first())


@given(st.integers(0, 200), st.binary(min_size=32, max_size=32), st.integers(0, 40))
def test_the_closest_are_as_many_as_there_are(
    count: int, target: bytes, k: int
) -> None:
    table = RoutingTable(node_id(("10.9.9.9", 1)))
    for node in some_nodes(count):
        table.add(node)
    found = table.closest(target, k)
    assert len(found) == len(set(found)) == min(k, table.size)


class TableModel(RuleBasedStateMachine):
    """Adds, touches and removes as on a plain dictionary in order of age."""

    @initialize(own=st.integers(0, 59))
    def start(self, own: int) -> None:
        self.universe = some_nodes(60)
        self.own = self.universe[own].id
        self.table = RoutingTable(self.own, k=4)
        self.model: dict[bytes, TableNode] = {}

    @rule(index=st.integers(0, 59))
    def add(self, index: int) -> None:
        node = self.universe[index]
        if node.id == self.own:
            return
        bucket = bucket_index(self.own, node.id)
        others = [n for n in self.model.values() if self.bucket(n) == bucket]
        room = self.table.has_room_for(node.id)
        result = self.table.add(node)
        assert (result is Insertion.BUCKET_FULL) <= (not room)
        if node.id in self.model:
            assert result is Insertion.REPLACED
            del self.model[node.id]
        elif len(others) >= 4:
            assert result is Insertion.BUCKET_FULL
            return
        else:
            assert result is Insertion.ADDED
        self.model[node.id] = node

    def bucket(self, node: TableNode) -> int:
        return bucket_index(self.own, node.id)

    @precondition(lambda self: self.model)
    @rule(index=st.integers(0, 59))
    def touch(self, index: int) -> None:
        node = self.universe[index]
        if node.id in self.model:
            self.table.touch(node)
            self.model[node.id] = self.model.pop(node.id)

    @rule(index=st.integers(0, 59))
    def remove(self, index: int) -> None:
        node = self.universe[index]
        assert self.table.remove(node.id) == (self.model.pop(node.id, None) is not None)

    @rule(index=st.integers(0, 59))
    def closest(self, index: int) -> None:
        target = self.universe[index].id
        start = bucket_index(self.own, target)
        order = [*range(start, -1, -1), *range(start + 1, BUCKETS)]
        expected = [
            node
            for bucket in order
            for node in sorted(self.model.values(), key=lambda n: n.id)
            if self.bucket(node) == bucket
        ]
        assert self.table.closest(target, 7) == expected[:7]

    @invariant()
    def same_nodes_in_the_same_order(self) -> None:
        if not hasattr(self, "table"):
            return
        assert list(self.table.oldest_first()) == list(self.model.values())
        assert self.table.size == len(self.model)
        for node in self.model.values():
            assert self.table.get(node.id) is node
            assert node in self.table.bucket_of(node.id)


TestTableModel = TableModel.TestCase
TestTableModel.settings = settings(max_examples=40, stateful_step_count=60)
