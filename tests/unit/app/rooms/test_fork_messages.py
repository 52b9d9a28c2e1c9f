"""What members tell each other of forked logs, as bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.rooms.fork_messages import (
    AskTree,
    Fork,
    Tree,
    decode_ask_tree,
    decode_fork,
    decode_tree,
)
from net.encoding import Writer
from net.errors import RemoteProtocolError
from store.hypercore.fork_proof import MAX_FORK_PROOF_BYTES
from store.hypercore.records import Node
from store.hypercore.told_history import MAX_ASKED_NODES

LOG = b"L" * 32
FORK = Fork(LOG, b"proof")
ASKS = (AskTree(LOG), AskTree(LOG, (1, 3, 2**40)))
TREE = Tree(LOG, 7, b"signed", (Node(3, 400, b"h" * 32), Node(9, 2**45, b"i" * 32)))


def test_what_is_told_is_what_is_heard() -> None:
    assert decode_fork(FORK.encode()) == FORK
    for ask in ASKS:
        assert decode_ask_tree(ask.encode()) == ask
    assert decode_tree(TREE.encode()) == TREE
    assert ASKS[0].encode() == LOG + b"\0"
    assert FORK.encode() == LOG + b"\5proof"


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (decode_fork, LOG),
        (decode_fork, FORK.encode() + b"\0"),
        (decode_fork, Fork(LOG, bytes(MAX_FORK_PROOF_BYTES + 1)).encode()),
        (decode_ask_tree, LOG[:-1]),
        (decode_ask_tree, ASKS[0].encode() + b"\0"),
        (decode_ask_tree, AskTree(LOG, tuple(range(MAX_ASKED_NODES + 1))).encode()),
        (decode_tree, TREE.encode()[:-1]),
        (decode_tree, TREE.encode() + b"\0"),
        (decode_tree, LOG + b"\1" + Writer().buffer(bytes(3000)).finish() + b"\0"),
        (decode_tree, Tree(LOG, 1, b"", TREE.nodes * MAX_ASKED_NODES).encode()),
    ],
)
def test_what_is_malformed_is_refused(
    decode: Callable[[bytes], object], data: bytes
) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(data)
