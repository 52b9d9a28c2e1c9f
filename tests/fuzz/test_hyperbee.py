"""Hyperbee's blocks and messages, damaged; and trees that are none.

A log's writer chooses every pointer: to itself, forwards, in circles, to the same node
again and again, with keys in no order. Whatever it chooses, a walk ends.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from store.errors import RemoteProtocolError
from store.hyperbee.blocks import (
    MAX_KEYS,
    Block,
    Child,
    Node,
    decode_block,
    decode_header,
    encode_block,
    encode_header,
)
from store.hyperbee.diff import DiffWalk
from store.hyperbee.editor import Editor
from store.hyperbee.lookup import find_in_version, leads_to, load_root
from store.hyperbee.messages import (
    CacheHint,
    GetRequest,
    IteratorRequest,
    decode_message,
    decode_payload,
    encode_cache,
    encode_get,
    encode_iterator,
    encode_payload,
)
from store.hyperbee.protobuf import field, number_field, packed
from store.hyperbee.ranges import Cursor
from store.hyperbee.records import Bounds, Metadata, Steps
from store.hyperbee.shelf import Shelf
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hyperbee")
BLOCKS = [
    bytes.fromhex(item["block"])
    for case in VECTORS["cases"]
    for item in case["blocks"][1:]
]
OTHER_FIELDS = (
    number_field(9, 1)
    + field(9, b"other")
    + b"\x49"  # field 9, eight bytes
    + bytes(8)
    + b"\x4d"  # field 9, four bytes
    + bytes(4)
)
LEVEL = field(1, packed([1, 300, 70_000])) + field(
    2, packed([1, 2, 300, 0, 1, 1, 1, 0])
)
BLOCKS += [
    OTHER_FIELDS + BLOCKS[0],
    field(1, field(1, OTHER_FIELDS + LEVEL)) + field(2, b"key"),
    field(1, field(1, field(1, b""))) + field(2, b"") + field(3, b""),
    field(1, number_field(1, 5)) + field(2, b"k"),
    field(1, field(1, number_field(1, 5))) + field(2, b"k"),
    number_field(1, 1) + BLOCKS[0],
    b"\x48" + b"\xff" * 7 + b"\x7f" + BLOCKS[0],
    field(1, field(1, b"") * 20_000) + field(2, b"k"),
]
HEADERS = [
    encode_header(None),
    encode_header(Metadata(b"\1" * 32, b"user")) + OTHER_FIELDS,
    encode_header(Metadata(b"\1" * 32, None)),
    field(1, b"\xff") + field(2, OTHER_FIELDS),
    field(1, b"hyperbee") + field(2, number_field(1, 3)),
    number_field(1, 3),
    bytes(70_000),
]
MESSAGES = [bytes.fromhex(case["encoded"]) for case in VECTORS["extension"]]
MESSAGES += [
    OTHER_FIELDS + MESSAGES[0] + MESSAGES[1],
    number_field(2, 5),
    *(field(kind, OTHER_FIELDS) for kind in (1, 2, 3)),
    *(field(kind, number_field(number, 1)) for kind in (1, 2, 3) for number in (2, 3)),
    *(field(kind, field(number, b"x")) for kind in (2, 3) for number in (1, 2, 4)),
    field(3, number_field(8, 1)),
    bytes(1024 * 1024 + 1),
]


@given(mutated(BLOCKS), st.integers(1, 80))
@settings(max_examples=1_500)
def test_blocks_are_read_or_refused(data: bytes, seq: int) -> None:
    try:
        block = decode_block(seq, data)
        count = block.level_count
        block.is_deletion()
    except RemoteProtocolError:
        return
    assert len(block.key) + len(block.value or b"") <= len(data)
    for level in range(min(count, 50) + 1):
        with suppress(RemoteProtocolError):
            node = block.node(level)
            assert level < count
            assert len(node.seqs) <= MAX_KEYS
            assert len(node.children) in (0, len(node.seqs) + 1)
            assert all(0 < number <= seq for number in node.seqs)
            assert all(0 < child.seq <= seq for child in node.children)
    # What is read is what was written.
    try:
        numbers = [block.numbers(level) for level in range(count)]
    except RemoteProtocolError:
        return
    if any(len(pairs) % 2 for _, pairs in numbers):
        return
    nodes = [_node(*both) for both in numbers]
    again = decode_block(seq, encode_block(block.key, block.value, nodes))
    assert (again.key, again.value) == (block.key, block.value)
    assert [again.numbers(level) for level in range(count)] == numbers


def _node(seqs: list[int], pairs: list[int]) -> Node:
    children = [Child(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)]
    return Node(seqs, [None] * len(seqs), children)


@given(mutated(HEADERS))
@settings(max_examples=600)
def test_headers_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        header = decode_header(data)
        if header.protocol == "hyperbee":
            assert decode_header(encode_header(header.metadata)) == header


@given(mutated(MESSAGES))
@settings(max_examples=1_500)
def test_messages_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert len(decode_payload(data)) < len(data)
    try:
        hints = decode_message(decode_payload(encode_payload(data)))
    except RemoteProtocolError:
        return
    assert len(hints) <= 3
    for hint in hints:
        encoded = b""
        if isinstance(hint, GetRequest):
            encoded = encode_get(hint)
        elif isinstance(hint, IteratorRequest):
            assert len(hint.checkpoint) <= 96
            encoded = encode_iterator(hint)
        elif hint.blocks:
            assert isinstance(hint, CacheHint)
            encoded = encode_cache(hint.blocks)
        if encoded:
            assert decode_message(encoded) == [hint]


SEQS = st.integers(0, 14) | st.integers(0, 2**40)
PAIRS = st.tuples(SEQS, st.integers(0, 3))


def nodes(keys: st.SearchStrategy[int]) -> st.SearchStrategy[Node]:
    """Nodes with any pointers, mostly as many as belong together."""

    def make(seqs: list[int], pairs: list[tuple[int, int]], exact: bool) -> Node:
        count = len(seqs) + 1 if exact and pairs else len(pairs)
        fitting = (pairs * 10)[:count] if pairs else []
        return Node(seqs, [None] * len(seqs), [Child(*pair) for pair in fitting])

    seqs = st.lists(keys, max_size=9)
    exact = st.sampled_from([True, True, True, False])
    return st.builds(make, seqs, st.lists(PAIRS, max_size=3), exact)


LOGS = st.lists(
    st.tuples(
        st.binary(max_size=2),
        st.none() | st.just(b"v"),
        st.lists(nodes(SEQS), max_size=4),
    ),
    min_size=1,
    max_size=12,
)


class CountingShelf(Shelf):
    """Counts what is looked at, and gives up when it is too much."""

    __slots__ = ("looked",)

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0

    def block(self, seq: int) -> Block | None:
        self.looked += 1
        assert self.looked < 60_000, "the walk does not end"
        return super().block(seq)


def walk(steps: Steps[Any], log: list[bytes], shelf: CountingShelf) -> Any:
    """Run to the end; the log's writer can be blamed, nobody else."""
    try:
        wanted = next(steps)
        while True:
            # No block is waited for that cannot exist.
            assert 0 < wanted[0] < len(log)
            block = decode_block(wanted[0], log[wanted[0]])
            shelf.add(block)
            wanted = steps.send(block)
    except StopIteration as done:
        return done.value
    except RemoteProtocolError:
        return None


def circle() -> list[tuple[bytes, bytes | None, list[Node]]]:
    """Two nodes of one block that are each other's children."""
    one = Node([1], [None], [Child(1, 1), Child(1, 1)])
    two = Node([1], [None], [Child(1, 0), Child(1, 0)])
    return [(b"k", b"v", [one, two])]


def repeated(depth: int, leaf_keys: list[int]) -> list[tuple[bytes, bytes | None, Any]]:
    """A part that is pointed to nine times by one that is pointed to nine times..."""
    leaf = Node(leaf_keys, [None] * len(leaf_keys), [])
    blocks: list[tuple[bytes, bytes | None, Any]] = [(b"a", b"v", [leaf])]
    for seq in range(2, depth + 2):
        children = [Child(seq - 1, 0) for _ in range(9)]
        blocks.append((b"a%d" % seq, b"v", [Node([1] * 8, [None] * 8, children)]))
    return blocks


def shared_below(depth: int) -> list[tuple[bytes, bytes | None, Any]]:
    """Two towers of repetition that meet at the bottom, so that all is equal."""
    blocks: list[tuple[bytes, bytes | None, Any]] = [
        (b"a", b"v", [Node([1], [None], [])])
    ]
    below = [1, 1]
    for floor in range(depth):
        for side in (0, 1):
            children = [Child(below[side], 0) for _ in range(9)]
            blocks.append((b"a", b"v", [Node([1] * 8, [None] * 8, children)]))
        below = [2 + 2 * floor, 3 + 2 * floor]
    return blocks


@given(LOGS, st.binary(max_size=2), st.binary(max_size=2), st.booleans())
@settings(max_examples=600, deadline=None)
@example(circle(), b"", b"z", False)
@example(repeated(30, [1]), b"", b"z", False)
@example(repeated(30, [1]), b"", b"z", True)
@example(repeated(40, [1]), b"b", b"z", True)
@example(shared_below(25), b"", b"z", False)
def test_walks_through_any_pointers_end(
    items: list[tuple[bytes, bytes | None, list[Node]]],
    low: bytes,
    high: bytes,
    reverse: bool,
) -> None:
    log = [encode_header(None), *(encode_block(*item) for item in items)]
    version = len(log)
    bounds = Bounds(low or None, True, high or None, True)
    _walk_in_order(log, version, bounds, reverse)
    for key in (low, high, b"a"):
        walk(find_in_version(shelf := CountingShelf(), version, key), log, shelf)
        walk(leads_to(shelf := CountingShelf(), version, key, 1), log, shelf)
        for edit in (Editor.put, Editor.delete):
            _edit(log, edit, key)
    for older in range(1, version):
        shelf = CountingShelf()
        left = walk(load_root(shelf, version), log, shelf)
        right = walk(load_root(shelf, older), log, shelf)
        shelf.looked = 0
        walk(DiffWalk(shelf, left, right, bounds).take(1_000), log, shelf)
    shelf = CountingShelf()
    cursor = Cursor(shelf, None, bounds, reverse=reverse)
    places = [(seq, 0, 1) for seq in range(1, version)]
    walk(cursor.resume(places), log, shelf)
    walk(cursor.take(1_000), log, shelf)


def _walk_in_order(
    log: list[bytes], version: int, bounds: Bounds, reverse: bool
) -> None:
    shelf = CountingShelf()
    root = walk(load_root(shelf, version), log, shelf)
    cursor = Cursor(shelf, root, bounds, reverse=reverse)
    while not cursor.ended:
        taken = walk(cursor.take(1), log, shelf)
        if taken is None:
            break
        for block in taken:
            assert not bounds.ends_before(block.key)
            assert not bounds.starts_after(block.key)


def _edit(log: list[bytes], edit: Callable[..., Steps[Any]], key: bytes) -> None:
    shelf = CountingShelf()
    shelf.ahead = False
    editor = Editor(shelf)
    editor.reset(len(log))
    arguments = (key, b"v") if edit is Editor.put else (key,)
    walk(edit(editor, *arguments), log, shelf)
