"""What is stored of a core, beside plain sets, and what its pages tell later."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from store.hypercore import flat_tree
from store.hypercore.bitfield import PAGE_BITS
from store.hypercore.depot import PageName
from store.hypercore.inventory import Inventory
from store.hypercore.merkle_tree import TreeBatch
from store.hypercore.records import Node

LENGTH = 40


def grown(start: int, end: int) -> list[Node]:
    """All nodes that lie in a tree of one length and not of a shorter one."""
    nodes = []
    for root in flat_tree.full_roots(end):
        low, high = flat_tree.left_span(root), flat_tree.right_span(root)
        nodes += [
            Node(index, 0, b"")
            for index in range(low, high + 1)
            if flat_tree.right_span(index) >= 2 * start
        ]
    return nodes


def paths(index: int, length: int) -> list[Node]:
    """A leaf, its ancestors and all their siblings."""
    nodes = []
    at = 2 * index
    roots = set(flat_tree.full_roots(length))
    while at not in roots:
        nodes += [Node(at, 0, b""), Node(flat_tree.sibling(at), 0, b"")]
        at = flat_tree.parent(at)
    return [*nodes, Node(at, 0, b"")]


class Model:
    """Sets in place of bits, and the pages that a database would hold."""

    def __init__(self) -> None:
        self.length = 0
        self.blocks: set[int] = set()
        self.nodes: set[int] = set()
        self.pages: dict[PageName, bytes] = {}

    def written(self, inventory: Inventory) -> None:
        for name, bits in inventory.take_pages().items():
            if bits is None:
                self.pages.pop(name, None)
            else:
                self.pages[name] = bits

    def check(self, inventory: Inventory) -> None:
        expected = next(it for it in range(LENGTH * 9) if it not in self.blocks)
        assert inventory.contiguous_length == expected
        held = {it for it in range(LENGTH * 8) if inventory.has_block(it)}
        assert held == self.blocks
        assert {it for it in range(LENGTH * 8) if inventory.blocks.get(it)} == held
        nodes = {it for it in range(2 * LENGTH * 8) if inventory.has_node(it)}
        assert nodes == self.nodes


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "fetch", "truncate", "clear", "reopen", "copy"]),
        st.integers(0, LENGTH),
        st.integers(0, LENGTH),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(STEPS)
def test_bits_are_what_sets_are(steps: list[tuple[str, int, int]]) -> None:
    model, inventory = Model(), Inventory(0, {})
    for step, first, second in steps:
        inventory = apply(model, inventory, step, first, second)
        model.check(inventory)


def apply(
    model: Model, inventory: Inventory, step: str, first: int, second: int
) -> Inventory:
    if step == "append":
        count = first % 7
        end = min(model.length + count, LENGTH * 4)
        nodes = grown(model.length, end)
        inventory.add(dict.fromkeys(range(model.length, end), b""), nodes)
        model.blocks |= set(range(model.length, end))
        model.nodes |= {node.index for node in nodes}
        model.length = end
        model.written(inventory)
    elif step == "fetch" and first < model.length:
        nodes = paths(first, model.length)
        inventory.add({first: b""}, nodes)
        model.blocks.add(first)
        model.nodes |= {node.index for node in nodes}
        model.written(inventory)
    elif step == "truncate" and first <= model.length:
        inventory.truncate(first, model.length)
        model.blocks = {it for it in model.blocks if it < first}
        model.nodes = {it for it in model.nodes if flat_tree.right_span(it) < 2 * first}
        model.length = first
        model.written(inventory)
    elif step == "clear" and first < second <= model.length:
        dropped = inventory.clear(first, second, model.length)
        model.blocks -= set(range(first, second))
        for low, high in dropped:
            gone = set(range(low, high))
            assert all(
                not model.blocks
                & set(
                    range(
                        flat_tree.left_span(it) // 2, flat_tree.right_span(it) // 2 + 1
                    )
                )
                for it in gone
            ), "only what proves nothing is dropped"
            model.nodes -= gone
        model.written(inventory)
    elif step == "reopen":
        inventory = Inventory(inventory.contiguous_length, model.pages)
    elif step == "copy":
        inventory = inventory.copy(written=inventory)
    return inventory


def test_what_is_whole_needs_no_pages() -> None:
    inventory = Inventory(0, {})
    tree = TreeBatch()
    tree.extend([b""] * 3)
    inventory.add(dict.fromkeys(range(3), b""), tree.nodes)
    inventory.place(3, 5 * PAGE_BITS)
    assert inventory.take_pages() == {}
    assert inventory.contiguous_length == 5 * PAGE_BITS


def test_pages_appear_with_the_first_gap_and_are_right_after_the_last() -> None:
    length = 3 * PAGE_BITS
    inventory = Inventory(0, {})
    inventory.place(0, length)
    inventory.take_pages()
    inventory.clear(PAGE_BITS + 5, PAGE_BITS + 6, length)
    pages = inventory.take_pages()
    assert {number for kind, number in pages if kind == 0} == {1, 2}
    again = Inventory(
        inventory.contiguous_length,
        {name: bits for name, bits in pages.items() if bits is not None},
    )
    assert not again.has_block(PAGE_BITS + 5)
    assert again.blocks.count() == length - 1
    assert again.has_node(2 * (PAGE_BITS + 6))
    again.add({PAGE_BITS + 5: b""}, [])
    assert again.contiguous_length == length
    pages.update(again.take_pages())
    whole = Inventory(
        length, {name: bits for name, bits in pages.items() if bits is not None}
    )
    assert list(whole.missing(0, length)) == []
