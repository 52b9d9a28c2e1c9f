"""One core without I/O: what is known, what is being written, what follows from it.

Each step makes a ``Change``, which whoever called hands to the writer. ``head`` and
``stored`` are what is committed, and all that peers may see; ``tip`` and ``planned``
include what is being written, and the next step builds on these. Changes are committed
in the order in which they were made; when one fails, all that were built on it fail
with it, and ``rolled_back`` returns to what is committed.

Follows npm hypercore 11.37.1 (``lib/core.js``, ``lib/session-state.js``) in what is
allowed, not in how it is done.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence

from net.crypto import KeyPair
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.cache import BLOCK_WEIGHT, MAX_CACHED_BLOCK, NODE_WEIGHT
from store.hypercore.depot import INDEX_BITS, CoreWrite, Depot, StoredCore
from store.hypercore.fork_proof import ForkProof, ended_head, is_ended, is_proven_end
from store.hypercore.inventory import MAX_CORE_LENGTH, Inventory
from store.hypercore.manifest import (
    Manifest,
    belongs_to,
    decode_manifest,
    default_manifest,
    encode_manifest,
    is_compat,
)
from store.hypercore.merkle_tree import TreeBatch, truncated_roots
from store.hypercore.records import (
    BlockProof,
    Change,
    Head,
    Node,
    NotInMemoryError,
)
from store.hypercore.signatures import sign_alone, state_of, verify_signature
from store.hypercore.told_history import ToldHistory
from store.hypercore.wire import MAX_SAFE_UINT


class CommittedNodes:
    """The ``NodeSource`` of what peers may see."""

    __slots__ = ("_state",)

    def __init__(self, state: CoreState) -> None:
        self._state = state

    def node(self, index: int) -> Node | None:
        """A committed node; see ``NodeSource``."""
        state = self._state
        if not state.stored.has_node(index):
            return None
        node = state.known_node(index)
        if node is None:
            raise NotInMemoryError(index)
        return node


class CoreState:
    """One core's tree, holdings and right to write.

    It is itself the ``NodeSource`` that includes what is being written.

    Attributes:
        depot: Where its rows are, for the memory they share.
        number: Of its row.
        base: The id of its first row.
        key: 32 bytes.
        discovery_key: 32 bytes, for peers to meet at.
        key_pair: Whose signature is made here; None for a reader.
        head: The committed state of the tree.
        tip: The state with everything that is being written.
        stored: What is committed of blocks and nodes.
        committed: The nodes that peers may see.
        conflict: Evidence that the log has two histories; it is frozen then.
        may_end: The log never begins anew, so that a proof of two histories ends it
            where they part (see ``fork_proof``).
        pending_bytes: Of blocks that are being written.
        epoch: Counts the committed changes that dropped anything.
    """

    def __init__(
        self, depot: Depot, core: StoredCore, *, key_pair: KeyPair | None = None
    ) -> None:
        """Begin with what the database knows."""
        self.depot = depot
        self.number = core.number
        self.base = core.number << INDEX_BITS
        self.place = core.place
        self.key = core.key
        self.discovery_key = core.discovery_key
        self.manifest: Manifest | None = None
        self.compat = False
        self._encoded: bytes | None = None
        self._manifest_handed = False
        manifest = _stored_manifest(core)
        if manifest is not None:
            self._learn(manifest)
        self._manifest_stored = self._encoded == core.manifest is not None
        self.key_pair = key_pair or core.key_pair
        self.conflict = core.conflict
        self.may_end = False
        self.epoch = 0
        self.stored = Inventory(core.contiguous_length, core.pages)
        self._planned = Inventory(core.contiguous_length, core.pages)
        # What has joined a change and is not in ``_planned`` yet.
        self._joined_nodes: list[Node] = []
        self._joined_blocks: dict[int, bytes] = {}
        self._taking: tuple[list[Node], dict[int, bytes]] | None = None
        self._roots: tuple[Head | None, dict[int, Node]] = (None, {})
        self.committed = CommittedNodes(self)
        self._pending: deque[tuple[Change, list[tuple[int, int]]]] = deque()
        self._handed = 0
        self.pending_bytes = 0
        self._fresh: dict[int, Node] = {}
        self.head = self.tip = self._opened(core)

    @property
    def fork(self) -> int:
        """Committed fork number."""
        return self.head.fork

    @property
    def length(self) -> int:
        """Committed blocks."""
        return self.head.length

    @property
    def byte_length(self) -> int:
        """Committed stored bytes."""
        return self.head.byte_length

    @property
    def contiguous_length(self) -> int:
        """Committed blocks from the start on without a gap."""
        return self.stored.contiguous_length

    @property
    def planned(self) -> Inventory:
        """What is stored with everything that is being written."""
        if self._joined_nodes or self._joined_blocks:
            self._planned.add(self._joined_blocks, self._joined_nodes)
            self._joined_nodes, self._joined_blocks = [], {}
        return self._planned

    @property
    def needs_repair(self) -> bool:
        """True while the roots are not known, only how long the log is."""
        return not self.head.is_whole

    @property
    def frozen(self) -> bool:
        """True once the log was found to have two histories."""
        return self.conflict is not None

    @property
    def ended(self) -> bool:
        """True once the log ends where its two histories part."""
        return is_ended(self.tip.signature)

    @property
    def writable(self) -> bool:
        """True when this core can be appended to here."""
        pair, manifest = self.key_pair, self.manifest
        return (
            pair is not None
            and manifest is not None
            and manifest.signer_for(pair.public_key) is not None
        )

    @property
    def writing(self) -> bool:
        """True while anything is being written."""
        return bool(self._pending)

    @property
    def dropping(self) -> bool:
        """True while blocks or nodes are being dropped."""
        return any(
            change.truncated_to is not None or change.cleared is not None
            for change, _ in self._pending
        )

    @property
    def settled(self) -> bool:
        """False while another tree than the committed one is being written."""
        return self.tip is self.head

    @property
    def encoded_manifest(self) -> bytes | None:
        """The manifest as it is stored and sent."""
        return self._encoded

    def node(self, index: int) -> Node | None:
        """A node, what is being written included; see ``NodeSource``."""
        node = self._fresh.get(index)
        if node is not None:
            return node
        if not self._planned.has_node(index):
            return None
        node = self.known_node(index)
        if node is None:
            raise NotInMemoryError(index)
        return node

    def has_block(self, index: int) -> bool:
        """Tells whether a block is stored or being written."""
        return index in self._joined_blocks or self._planned.has_block(index)

    def has_node(self, index: int) -> bool:
        """Tells whether a node is stored or being written."""
        return index in self._fresh or self._planned.has_node(index)

    def known_node(self, index: int) -> Node | None:
        """A node that was committed and checked, if it is in memory."""
        head = self.head
        # Readers' threads ask as well: they see both or none, and leave no trace.
        roots_of, roots = self._roots
        if roots_of is not head:
            roots = {root.index: root for root in head.roots}
            self._roots = head, roots
        node = roots.get(index)
        return self.depot.nodes.peek(self.base | index) if node is None else node

    def append(
        self, blocks: Sequence[bytes], *, signature: bytes | None = None
    ) -> Change:
        """Add blocks, given as they are stored; see ``plan_append``."""
        return self.advance(self.plan_append(blocks, signature=signature))

    def plan_append(
        self, blocks: Sequence[bytes], *, signature: bytes | None = None
    ) -> Change:
        """The change that adds blocks; ``advance`` has to take it next.

        May be called in another thread.

        Args:
            blocks: Stored bytes.
            signature: The assembled signature of the tree that comes out, for logs of
                several signers.

        Raises:
            LocalProtocolError: ``not-writable``, ``too-large``, ``conflict``, or
                ``invalid-signature`` for one given that does not fit.
        """
        tip = self.tip
        self.check_writable(signature)
        if tip.length + len(blocks) > MAX_CORE_LENGTH:
            raise LocalProtocolError("the log is full", code="too-large")
        prologue = self.manifest.prologue if self.manifest is not None else None
        if prologue and tip.length < prologue.length < tip.length + len(blocks):
            raise LocalProtocolError(
                "the prologue is appended first, alone", code="bad-argument"
            )
        batch = TreeBatch(tip.roots, tip.length, tip.byte_length)
        batch.extend(blocks)
        head = self._signed(
            Head(tip.fork, batch.length, batch.byte_length, batch.roots), signature
        )
        return Change(
            base=tip,
            head=head,
            nodes=batch.nodes,
            blocks=dict(enumerate(blocks, tip.length)),
        )

    def truncate(
        self, length: int, *, fork: int | None = None, signature: bytes | None = None
    ) -> Change:
        """Keep the first blocks only, under a higher fork number.

        Args:
            length: Blocks that stay.
            fork: The new fork number; one more than now unless given.
            signature: As for ``append``.

        Raises:
            LocalProtocolError: The core cannot be cut there (``bad-argument``), or is
                not writable.
            NodeMissingError: The hashes at that length were cleared.
            NotInMemoryError: Nodes have to be loaded first.
        """
        tip = self.tip
        self.check_writable(signature)
        fork = tip.fork + 1 if fork is None else fork
        prologue = self.manifest.prologue if self.manifest else None
        if not 0 <= length <= tip.length:
            raise LocalProtocolError(
                f"{length} blocks cannot stay of {tip.length}", code="bad-argument"
            )
        if prologue is not None and length < prologue.length:
            raise LocalProtocolError("the prologue stays", code="bad-argument")
        if not tip.fork < fork <= MAX_SAFE_UINT:
            raise LocalProtocolError("a fork number only grows", code="bad-argument")
        roots = truncated_roots(length, self)
        size = sum(root.size for root in roots)
        head = self._signed(Head(fork, length, size, roots), signature)
        return self.advance(Change(base=tip, head=head, truncated_to=length))

    def end(self, proof: ForkProof) -> Change | None:
        """End the log where its two histories part; None when it ends there or before.

        Args:
            proof: Signed, and of this log.

        Raises:
            LocalProtocolError: ``too-short``: the log is not here up to there.
                ``another-history``: what is here is neither of the two.
            NotInMemoryError: Nodes have to be loaded first.
        """
        tip, head = self.tip, ended_head(proof)
        if self.ended and tip.length <= head.length:
            return None
        if tip.length < head.length or not tip.is_whole:
            raise LocalProtocolError("the log is shorter here", code="too-short")
        stored = [self.node(root.index) for root in head.roots]
        roots, fresh = [], []
        for shown, known in zip(head.roots, stored, strict=True):
            if known is not None and known.hash != shown.hash:
                raise LocalProtocolError(
                    "the log has a third history", code="another-history"
                )
            if known is None:
                # No block below it is here: that would have brought it.
                fresh.append(shown)
            # The sizes of those in the proof may not be vouched for.
            roots.append(known or shown)
        size = sum(root.size for root in roots)
        head = Head(tip.fork, head.length, size, tuple(roots), head.signature)
        change = Change(base=tip, head=head, nodes=fresh, truncated_to=head.length)
        return self.advance(change)

    def swap(self, told: ToldHistory, shared: int) -> Change:
        """Take another signed tree, when nobody brings the blocks of the one here.

        Args:
            told: The other one, with what leads to the roots of what both share.
            shared: Blocks; those behind are dropped.

        Raises:
            LocalProtocolError: ``conflict``: the log has ended.
                ``another-history``: they do not share so much.
            NotInMemoryError: Nodes have to be loaded first.
        """
        tip = self.tip
        if self.ended or self.conflict is not None:
            raise LocalProtocolError("the log has ended", code="conflict")
        for index in flat_tree.full_roots(shared):
            ours, theirs = self.node(index), told.history.node(index)
            if ours is None or theirs is None or ours.hash != theirs.hash:
                raise LocalProtocolError("that is not shared", code="another-history")
        fresh = [
            node
            for node in told.nodes
            if flat_tree.right_span(node.index) >= 2 * shared
            or not self.has_node(node.index)
        ]
        change = Change(base=tip, head=told.head, nodes=fresh, truncated_to=shared)
        return self.advance(change)

    def clear(
        self, start: int, end: int, *, keeps_hashes: bool = False
    ) -> Change | None:
        """Drop blocks and keep the tree; None when none of them is here.

        Args:
            start: First block to drop.
            end: Block behind the last one.
            keeps_hashes: So that whoever has the log up to the middle of these blocks
                can be proven what follows.
        """
        if not 0 <= start <= end:
            raise LocalProtocolError("no such range of blocks", code="bad-argument")
        end = min(end, self.tip.length)
        if not self.planned.blocks.count(start, end):
            return None
        return self.advance(
            Change(
                base=self.tip,
                head=self.tip,
                cleared=(start, end),
                keeps_hashes=keeps_hashes,
            )
        )

    def check_writable(self, signature: bytes | None) -> None:
        """Refuse what may not be written.

        Raises:
            LocalProtocolError: ``conflict`` or ``not-writable``.
        """
        if self.conflict is not None or self.ended:
            raise LocalProtocolError(
                "the log has two histories and takes nothing more", code="conflict"
            )
        if not self.tip.is_whole:
            raise LocalProtocolError(
                "the log's tree is damaged and not yet repaired", code="needs-repair"
            )
        prologue = self.manifest.prologue if self.manifest is not None else None
        unborn = prologue is not None and self.tip.length < prologue.length
        if not self.writable and signature is None and not unborn:
            raise LocalProtocolError(
                "the key to write this log is not here", code="not-writable"
            )

    def advance(self, change: Change, *, takes_more: bool = False) -> Change:
        """Build on a change whose base is the tip; it has to be written next.

        Args:
            change: What one step does.
            takes_more: If it only adds to the tree that there is, ``join`` may make it
                larger until it is written.

        Raises:
            LocalProtocolError: Something else was built on that base meanwhile.
        """
        if change.base is not self.tip:
            raise LocalProtocolError(
                "the tree has changed meanwhile", code="invalid-operation"
            )
        if change.head.length > MAX_CORE_LENGTH:
            raise LocalProtocolError("the log is full", code="too-large")
        self._taking = None
        if takes_more and change.head is change.base:
            taking = [*change.nodes], {**change.blocks}
            change = Change(change.base, change.head, *taking)
            self._taking = taking
        if change.truncated_to is not None:
            self._cut_fresh(change.truncated_to, change.base.length)
        for node in change.nodes:
            self._fresh[node.index] = node
        dropped = self._apply(self.planned, change)
        for span in dropped:
            for index in [it for it in self._fresh if span[0] <= it < span[1]]:
                del self._fresh[index]
        self.tip = change.head
        self._pending.append((change, dropped))
        self._weigh(sum(map(len, change.blocks.values())))
        return change

    @property
    def takes_more(self) -> bool:
        """True while ``join`` may add to a change that waits to be written."""
        return self._taking is not None

    def join(self, nodes: Sequence[Node], block: BlockProof) -> None:
        """Make the change that waits larger by what a verified proof brought.

        So noting, writing and telling cost once for many blocks. A node that is stored
        stays: the sizes of a new one may not be vouched for.

        Args:
            nodes: As they were verified.
            block: The one that was proven.
        """
        assert self._taking is not None, "asked before"
        all_nodes, all_blocks = self._taking
        fresh, has_node = self._fresh, self._planned.has_node
        for node in nodes:
            index = node.index
            if index not in fresh and not has_node(index):
                fresh[index] = node
                all_nodes.append(node)
                self._joined_nodes.append(node)
        if not self.has_block(block.index):
            all_blocks[block.index] = self._joined_blocks[block.index] = block.value
            self._weigh(len(block.value))

    def next_write(self) -> tuple[list[Change], CoreWrite] | None:
        """Everything that waits to be written, as one write; None when nothing does."""
        waiting = [self._pending[at] for at in range(self._handed, len(self._pending))]
        if not waiting:
            return None
        self._handed = len(self._pending)
        self._taking = None
        write = CoreWrite(self.number, place=self.place)
        rows = _Rows(write, self.base)
        for change, dropped in waiting:
            if change.truncated_to is not None:
                rows.truncate(change.truncated_to, change.base.length)
            if change.cleared is not None:
                rows.clear(change.cleared, dropped)
            rows.put(change)
        rows.flush()
        tip = self.tip
        write.pages = self.planned.take_pages()
        write.header = (
            tip.fork,
            tip.length,
            self.planned.contiguous_length,
            tip.signature,
        )
        if not self._manifest_stored:
            write.manifest = self._encoded
            self._manifest_handed = write.manifest is not None
        return [change for change, _ in waiting], write

    def committed_change(self) -> Change:
        """Note that the oldest change is committed; it is given back."""
        change, _ = self._pending.popleft()
        block_bytes = sum(map(len, change.blocks.values()))
        self._weigh(-block_bytes)
        self._handed -= 1
        self._forget_dropped(change)
        self._apply(self.stored, change)
        fresh, base = self._fresh, self.base
        if not self._pending:
            fresh.clear()
        else:
            for node in change.nodes:
                if fresh.get(node.index) is node:
                    del fresh[node.index]
        if change.nodes:
            self.depot.nodes.put_all(
                {base | node.index: node for node in change.nodes},
                NODE_WEIGHT * len(change.nodes),
            )
        self._keep_blocks(change.blocks, block_bytes)
        self._manifest_stored |= self._manifest_handed
        self.head = change.head
        return change

    def rolled_back(self) -> None:
        """Return to what is committed: nothing that was being written will be."""
        self._pending.clear()
        self._handed = 0
        self._manifest_handed = False
        self._weigh(-self.pending_bytes)
        self._fresh.clear()
        self._planned = self.stored.copy(written=self.planned)
        self._taking = None
        self.tip = self.head

    def _weigh(self, size: int) -> None:
        self.pending_bytes += size
        self.depot.pending_bytes += size

    def _keep_blocks(self, fresh: Mapping[int, bytes], size: int) -> None:
        """Keep blocks in memory that were just written."""
        base, blocks = self.base, self.depot.blocks
        if self.place is not None:
            # A file is the user's to change or remove: nothing of it lives on here.
            return
        if size <= MAX_CACHED_BLOCK:
            blocks.put_all(
                {base | index: block for index, block in fresh.items()},
                size + BLOCK_WEIGHT * len(fresh),
            )
            return
        for index, block in fresh.items():
            if len(block) <= MAX_CACHED_BLOCK:
                blocks.put(base | index, block)

    def forget(self) -> None:
        """Drop from memory what other cores may use the room for."""
        self.epoch += 1
        end = self.base + (1 << INDEX_BITS)
        self.depot.nodes.drop_range(self.base, end)
        self.depot.blocks.drop_range(self.base, end)

    def known_manifest(self, offered: bytes | None) -> Manifest:
        """The core's manifest, or else the one offered, or the oldest cores'.

        Raises:
            RemoteProtocolError: ``invalid-manifest``: the one offered is another's.
        """
        if self.manifest is not None:
            return self.manifest
        if offered is None:
            # Cores older than manifests: their key is the signer's.
            return default_manifest(self.key)
        manifest = decode_manifest(offered)
        if not belongs_to(self.key, manifest):
            raise RemoteProtocolError(
                "the manifest is not of this key", code="invalid-manifest"
            )
        if is_compat(self.key, manifest):
            # Their key is no hash, so what else a stranger's manifest says is invented.
            return default_manifest(self.key)
        return manifest

    def learn_manifest(self, manifest: Manifest) -> None:
        """Keep a manifest that ``known_manifest`` let pass, with the next write."""
        if self.manifest is None:
            self._learn(manifest)

    def complete(self, core: StoredCore) -> None:
        """Take over the key pair and manifest that the database has meanwhile."""
        self.key_pair = core.key_pair or self.key_pair
        if core.manifest is not None and self.manifest is None:
            self._learn(decode_manifest(core.manifest))
            self._manifest_stored = True

    def _learn(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._encoded = encode_manifest(manifest)
        self.compat = is_compat(self.key, manifest)

    def _opened(self, core: StoredCore) -> Head:
        """The stored head, unless its roots are not what was signed."""
        if core.roots is not None:
            size = sum(root.size for root in core.roots)
            head = Head(core.fork, core.length, size, core.roots, core.signature)
            if not core.length or self._is_right(head):
                return head
        return Head(core.fork, core.length, 0, (), core.signature)

    def _is_right(self, head: Head) -> bool:
        if self.manifest is None:
            return True
        try:
            if is_ended(head.signature):
                return is_proven_end(self.manifest, self.key, head)
            tree = state_of(head)
            return verify_signature(self.manifest, self.key, tree, head.signature)
        except RemoteProtocolError:
            return False

    def _signed(self, head: Head, signature: bytes | None) -> Head:
        """The head with its signature: the one given, ours, or none of a prologue."""
        manifest, pair = self.manifest, self.key_pair
        if manifest is None:
            raise LocalProtocolError(
                "who signs this log is not known here", code="not-writable"
            )
        tree = state_of(head)
        prologue = manifest.prologue
        fixed = prologue is not None and head.length <= prologue.length
        if signature is None and fixed:
            signature = b""
        if signature is None:
            assert pair is not None, "checked before"
            if manifest.quorum > 1:
                raise LocalProtocolError(
                    "this log needs the signature of several", code="not-writable"
                )
            signature = sign_alone(manifest, self.key, pair, tree)
        elif not verify_signature(manifest, self.key, tree, signature):
            raise LocalProtocolError(
                "the signature is not of this tree", code="invalid-signature"
            )
        return Head(head.fork, head.length, head.byte_length, head.roots, signature)

    def _apply(self, holdings: Inventory, change: Change) -> list[tuple[int, int]]:
        """Note a change in one of the inventories; returns dropped ranges of nodes."""
        dropped: list[tuple[int, int]] = []
        before = change.base.length
        if change.truncated_to is not None:
            holdings.truncate(change.truncated_to, before)
        if change.cleared is not None:
            dropped = holdings.clear(
                *change.cleared, before, keeps_hashes=change.keeps_hashes
            )
        holdings.add(change.blocks, change.nodes)
        return dropped

    def _cut_fresh(self, length: int, before: int) -> None:
        crossing = set(flat_tree.crossing(length, before))
        for index in [it for it in self._fresh if it >= 2 * length or it in crossing]:
            del self._fresh[index]

    def _forget_dropped(self, change: Change) -> None:
        """Take what a commit drops out of the memory."""
        nodes, blocks, base = self.depot.nodes, self.depot.blocks, self.base
        if change.truncated_to is not None:
            length, before = change.truncated_to, change.base.length
            nodes.drop_range(base + 2 * length, base + 2 * before)
            for index in flat_tree.crossing(length, before):
                nodes.drop(base | index)
            blocks.drop_range(base + length, base + before)
            self.epoch += 1
        if change.cleared is not None:
            start, end = change.cleared
            blocks.drop_range(base + start, base + end)
            self.epoch += 1


def _stored_manifest(core: StoredCore) -> Manifest | None:
    """The stored manifest; if that is damaged, what else tells it, or None."""
    if core.manifest is None:
        return None
    told = []
    with contextlib.suppress(RemoteProtocolError):
        told.append(decode_manifest(core.manifest))
    if core.key_pair is not None:
        told.append(default_manifest(core.key_pair.public_key))
    return next((each for each in told if belongs_to(core.key, each)), None)


class _Rows:
    """Turns changes into the steps of a write, joining what may be joined."""

    def __init__(self, write: CoreWrite, base: int) -> None:
        self._write = write
        self._base = base
        self._nodes: list[tuple[int, int, bytes]] = []
        self._blocks: dict[int, bytes] = {}

    def put(self, change: Change) -> None:
        base = self._base
        self._nodes += [
            (base | index, size, hash_) for index, size, hash_ in change.nodes
        ]
        self._blocks.update(change.blocks)

    def flush(self) -> None:
        if self._nodes:
            self._write.steps.append(("nodes", self._nodes))
            self._nodes = []
        if self._blocks:
            self._write.steps.append(("blocks", self._blocks))
            self._blocks = {}

    def truncate(self, length: int, before: int) -> None:
        self.flush()
        steps = self._write.steps
        steps.append(("drop-blocks", (length, before)))
        steps.append(("drop-nodes", (2 * length, 2 * before)))
        for index in flat_tree.crossing(length, before):
            steps.append(("drop-nodes", (index, index + 1)))

    def clear(self, blocks: tuple[int, int], nodes: list[tuple[int, int]]) -> None:
        self.flush()
        self._write.steps.append(("drop-blocks", blocks))
        self._write.steps.extend(("drop-nodes", span) for span in nodes)
