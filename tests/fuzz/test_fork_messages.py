"""What members tell each other of forked logs, damaged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rooms.fork_messages import decode_ask_tree, decode_fork, decode_tree
from net.errors import RemoteProtocolError
from store.errors import RemoteProtocolError as StoreProtocolError
from store.hypercore import flat_tree
from store.hypercore.records import Node
from store.hypercore.told_history import MAX_ASKED_NODES, ToldHistory
from tests.fuzz.mutations import mutated
from tests.helpers.forked_logs import history
from tests.unit.app.rooms.test_fork_messages import ASKS, FORK, TREE
from tests.unit.store.hypercore.test_fork_proof import KEY, MANIFEST, PAIR, blocks


class Told(Protocol):
    def encode(self) -> bytes: ...


KINDS: list[tuple[Callable[[bytes], Told], list[bytes]]] = [
    (decode_fork, [FORK.encode()]),
    (decode_ask_tree, [ask.encode() for ask in ASKS]),
    (decode_tree, [TREE.encode()]),
]


@pytest.mark.parametrize(("decode", "valid"), KINDS)
@given(data=st.data())
@settings(max_examples=300)
def test_messages_are_read_or_refused(
    decode: Callable[[bytes], Told], valid: list[bytes], data: st.DataObject
) -> None:
    message = data.draw(mutated(valid))
    try:
        told = decode(message)
    except RemoteProtocolError:
        return
    assert decode(told.encode()) == told


WHOLE = history(blocks(29), MANIFEST, PAIR)
ROOTS = [WHOLE.known(index) for index in flat_tree.full_roots(29)]
NODES = [node for index in range(57) if (node := WHOLE.node(index)) is not None]
KEPT = st.sampled_from(["true"] * 12 + ["false", "lacking"])


def told_of(nodes: list[Node], data: st.DataObject) -> list[Node]:
    """What a peer says of nodes: some are others, some are left out."""
    told = [Node(2**60, 1, bytes(32))]
    for node in nodes:
        kept = data.draw(KEPT)
        if kept != "lacking":
            lie = node._replace(hash=bytes(32))
            told.append(node if kept == "true" else lie)
    return told


@given(st.data(), st.sampled_from([29, 29, 29, 28, 0, 2**50]), st.integers(0, 2**54))
@settings(max_examples=300)
def test_no_node_is_believed_that_is_another_one(
    data: st.DataObject, length: int, index: int
) -> None:
    with contextlib.suppress(StoreProtocolError):
        known = ToldHistory(
            MANIFEST,
            KEY,
            length=length,
            signature=WHOLE.signature,
            roots=told_of(ROOTS, data),
        )
        assert length == 29
        assert len(known.wanted(index)) <= MAX_ASKED_NODES
        with contextlib.suppress(StoreProtocolError):
            known.learn(told_of(NODES, data))
        for node in NODES:
            found = known.history.node(node.index)
            assert found is None or found.hash == node.hash
