"""A hypercore in memory for the replicator's machine: real trees, real signatures.

It verifies with the same functions as the kernel, so a lie that it takes is a lie that
the kernel would take. What is accepted is committed at once, or by ``commit`` when it
was made with ``slow=True``.
"""

from __future__ import annotations

from collections import deque
from typing import Any, cast

from net.crypto import KeyPair
from store.errors import (
    BlockMissingError,
    LocalProtocolError,
    RemoteProtocolError,
)
from store.hypercore import acceptance
from store.hypercore.inventory import Inventory
from store.hypercore.manifest import (
    Manifest,
    decode_manifest,
    default_manifest,
    encode_manifest,
    manifest_key,
)
from store.hypercore.merkle_tree import TreeBatch, truncated_roots
from store.hypercore.messages import WireData, encode_data
from store.hypercore.proofs import ReorgBatch, build_proof, continue_reorg
from store.hypercore.records import (
    Change,
    Head,
    Node,
    NotInMemoryError,
    Proof,
    Request,
)
from store.hypercore.replicator import Replicator
from store.hypercore.signatures import sign_tree, state_of


class MemoryCore:
    """One core; ``machine`` is told of commits once it is set.

    Attributes:
        blocks: Stored blocks.
        not_loaded: Nodes and blocks (by leaf) that count as being on the disk only.
    """

    def __init__(
        self,
        key: bytes | None = None,
        *,
        key_pair: KeyPair | None = None,
        slow: bool = False,
    ) -> None:
        self.key_pair = key_pair
        self.manifest: Manifest | None = None
        if key_pair is not None:
            self.manifest = default_manifest(key_pair.public_key)
        self.key = key or manifest_key(cast("Manifest", self.manifest))
        self.compat = False
        self.conflict: bytes | None = None
        self.may_end = False
        self.head = self.tip = Head()
        self.planned = Inventory(0, {})
        self.stored = Inventory(0, {})
        self.nodes: dict[int, Node] = {}
        self.committed_nodes: dict[int, Node] = {}
        self.blocks: dict[int, bytes] = {}
        self.not_loaded: set[int] = set()
        self.machine: Replicator | None = None
        self.slow = slow
        self.has_room = True
        self._pending: deque[Change] = deque()

    # -- as the state of a core, for ``acceptance`` --------------------------------

    @property
    def fork(self) -> int:
        return self.head.fork

    @property
    def length(self) -> int:
        return self.head.length

    @property
    def byte_length(self) -> int:
        return self.head.byte_length

    @property
    def contiguous_length(self) -> int:
        return self.stored.contiguous_length

    @property
    def needs_repair(self) -> bool:
        return False

    @property
    def settled(self) -> bool:
        return self.tip is self.head

    @property
    def has_manifest(self) -> bool:
        return self.manifest is not None

    @property
    def frozen(self) -> bool:
        return self.conflict is not None

    @property
    def ended(self) -> bool:
        return False

    @property
    def evidence(self) -> bytes | None:
        return self.conflict

    def node(self, index: int) -> Node | None:
        if index in self.not_loaded:
            raise NotInMemoryError(index)
        return self.nodes.get(index)

    def known_manifest(self, offered: bytes | None) -> Manifest:
        if self.manifest is not None:
            return self.manifest
        if offered is None:
            return default_manifest(self.key)
        manifest = decode_manifest(offered)
        assert manifest_key(manifest) == self.key
        return manifest

    def learn_manifest(self, manifest: Manifest) -> None:
        self.manifest = manifest

    # -- as the machine's ``LocalCore`` --------------------------------------------

    def has_block(self, index: int) -> bool:
        return self.planned.has_block(index)

    def has_node(self, index: int) -> bool:
        return index in self.nodes

    def missing_bits(self, start: int, count: int) -> int:
        words = self.planned.blocks.words(start, count >> 5)
        return int.from_bytes(words, "little") ^ ((1 << count) - 1)

    def first_missing(self, start: int, end: int) -> int | None:
        found = self.planned.blocks.first_unset(start)
        return found if found < end else None

    def first_uncommitted(self, start: int, end: int) -> int | None:
        found = self.stored.blocks.first_unset(start)
        return found if found < end else None

    def committed_words(self, start: int, count: int) -> bytes:
        return self.stored.blocks.words(start, count)

    def prove(self, request: Request) -> Proof:
        block = None
        if request.block is not None:
            index = request.block.index
            if not self.stored.has_block(index):
                raise BlockMissingError("not here")
            if 2 * index in self.not_loaded:
                raise NotInMemoryError(2 * index)
            block = self.blocks[index]
        proof = build_proof(request, self.head, _Committed(self), block)
        if request.manifest and self.manifest is not None:
            proof = proof._replace(manifest=encode_manifest(self.manifest))
        return proof

    def accept(self, proof: Proof) -> None:
        self._take(acceptance.accept(cast("Any", self), proof))

    def begin_reorg(self, proof: Proof) -> ReorgBatch:
        return acceptance.begin_reorg(cast("Any", self), proof)

    def continue_reorg(self, batch: ReorgBatch, proof: Proof) -> ReorgBatch:
        return continue_reorg(batch, proof, self)

    def finish_reorg(self, batch: ReorgBatch) -> None:
        try:
            self._take(acceptance.finish_reorg(cast("Any", self), batch))
        except LocalProtocolError as error:
            raise RemoteProtocolError(str(error), code="outdated") from error

    def check_conflict(self, proof: Proof) -> bool:
        if acceptance.contradicts(cast("Any", self), proof, self):
            self.conflict = encode_data(WireData(0, proof))
            return True
        return False

    # -- what tests do -------------------------------------------------------------

    def append(self, *blocks: bytes) -> None:
        """Add blocks, signed."""
        batch = TreeBatch(self.tip.roots, self.tip.length, self.tip.byte_length)
        batch.extend(blocks)
        self._take(
            Change(
                base=self.tip,
                head=self._signed(self.tip.fork, batch),
                nodes=batch.nodes,
                blocks=dict(enumerate(blocks, self.tip.length)),
            )
        )

    def truncate(self, length: int) -> None:
        """Keep the first blocks only, on the next fork."""
        roots = truncated_roots(length, self)
        batch = TreeBatch(roots, length, sum(root.size for root in roots))
        head = self._signed(self.tip.fork + 1, batch)
        self._take(Change(base=self.tip, head=head, truncated_to=length))

    def clear(self, start: int, end: int) -> None:
        """Drop blocks, and the nodes that prove nothing any more."""
        for holdings in (self.planned, self.stored):
            for low, high in holdings.clear(start, end, self.length):
                for nodes in (self.nodes, self.committed_nodes):
                    for index in [at for at in nodes if low <= at < high]:
                        del nodes[index]
        for index in range(start, end):
            self.blocks.pop(index, None)
        if self.machine is not None:
            self.machine.cleared(start, end)

    def commit(self) -> None:
        """Commit all that was accepted."""
        while self._pending:
            self._commit(self._pending.popleft())

    def lose_writes(self) -> None:
        """The disk refuses what was being written."""
        self._pending.clear()
        self.tip = self.head
        self.planned = self.stored.copy(written=self.planned)
        self.nodes = dict(self.committed_nodes)
        if self.machine is not None:
            self.machine.write_failed()

    @property
    def writing(self) -> bool:
        """Something waits for ``commit``."""
        return bool(self._pending)

    def _signed(self, fork: int, batch: TreeBatch) -> Head:
        assert self.key_pair is not None
        assert self.manifest is not None
        head = Head(fork, batch.length, batch.byte_length, batch.roots)
        signature = sign_tree(self.manifest, self.key, self.key_pair, state_of(head))
        return Head(fork, batch.length, batch.byte_length, batch.roots, signature)

    def _take(self, change: Change) -> None:
        assert change.base is self.tip
        if change.truncated_to is not None:
            self._cut(self.planned, change)
        self.planned.add(change.blocks, change.nodes)
        for node in change.nodes:
            self.nodes[node.index] = node
        self.tip = change.head
        self._pending.append(change)
        if not self.slow:
            self.commit()

    def _cut(self, holdings: Inventory, change: Change) -> None:
        assert change.truncated_to is not None
        holdings.truncate(change.truncated_to, change.base.length)

    def _commit(self, change: Change) -> None:
        if change.truncated_to is not None:
            self._cut(self.stored, change)
            for index in [at for at in self.blocks if at >= change.truncated_to]:
                del self.blocks[index]
            roots = {root.index for root in change.head.roots}
            for nodes, holdings in (
                (self.nodes, self.planned),
                (self.committed_nodes, self.stored),
            ):
                for index in [at for at in nodes if not holdings.has_node(at)]:
                    if index not in roots:
                        del nodes[index]
        self.stored.add(change.blocks, change.nodes)
        self.committed_nodes.update({node.index: node for node in change.nodes})
        self.blocks.update(change.blocks)
        self.head = change.head
        if self.machine is not None:
            self.machine.committed(
                list(change.blocks),
                old_length=change.base.length,
                truncated_to=change.truncated_to,
                head_changed=change.head is not change.base,
            )


class _Committed:
    """The nodes that peers may see."""

    def __init__(self, core: MemoryCore) -> None:
        self._core = core

    def node(self, index: int) -> Node | None:
        if index in self._core.not_loaded:
            raise NotInMemoryError(index)
        return self._core.committed_nodes.get(index)
