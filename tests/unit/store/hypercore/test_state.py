"""One core's state without a disk: what is planned, committed and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from net.crypto import KeyPair
from store.database import Database
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.acceptance import accept, begin_reorg, join
from store.hypercore.core.cores import new_core
from store.hypercore.depot import Depot, StoredCore
from store.hypercore.manifest import (
    Manifest,
    Prologue,
    Signer,
    create_manifest,
    default_manifest,
    encode_manifest,
)
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.proofs import build_proof
from store.hypercore.records import (
    BlockRequest,
    Change,
    Head,
    Node,
    NotInMemoryError,
    Proof,
    Request,
    UpgradeProof,
    UpgradeRequest,
)
from store.hypercore.signatures import sign_tree, state_of, verify_signature
from store.hypercore.state import CoreState


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    database = Database.open(tmp_path / "x.db", key=None)
    yield Depot(database)
    database.close()


PAIR = KeyPair.from_seed(bytes(32))


def fresh(depot: Depot, *, number: int = 1, writer: bool = True) -> CoreState:
    wanted = new_core(None, key_pair=PAIR)
    return CoreState(
        depot,
        StoredCore(
            number=number,
            key=wanted.key,
            discovery_key=wanted.discovery_key,
            manifest=wanted.manifest if writer else None,
            key_pair=PAIR if writer else None,
            fork=0,
            length=0,
            contiguous_length=0,
            signature=b"",
            conflict=None,
            roots=(),
            pages={},
        ),
    )


@pytest.fixture
def state(depot: Depot) -> CoreState:
    return fresh(depot)


def commit(state: CoreState) -> int:
    """Let everything that waits be committed; returns how many changes it was."""
    following = state.next_write()
    assert following is not None
    for _ in following[0]:
        state.committed_change()
    return len(following[0])


def test_changes_build_on_each_other_and_commit_in_order(state: CoreState) -> None:
    first = state.append([b"a", b"b"])
    second = state.append([b"c"])
    assert second.base is first.head
    assert (state.tip.length, state.length) == (3, 0)
    assert not state.settled
    assert state.writing
    assert state.planned.has_block(2)
    assert not state.stored.has_block(0)
    assert commit(state) == 2
    assert state.settled
    assert not state.writing
    assert state.length == state.contiguous_length == 3
    assert state.next_write() is None


def test_what_waits_is_handed_over_once(state: CoreState) -> None:
    state.append([b"a"])
    handed = state.next_write()
    assert handed is not None
    state.append([b"b"])
    following = state.next_write()
    assert following is not None
    assert [change.head.length for change in following[0]] == [2]
    assert following[1].header is not None
    assert following[1].header[:3] == (0, 2, 2)
    state.committed_change()
    assert state.length == 1
    state.committed_change()
    assert state.length == 2


def test_a_roll_back_returns_to_what_is_committed(state: CoreState) -> None:
    state.append([b"a", b"b"])
    commit(state)
    state.append([b"c"])
    state.truncate(1)
    state.append([b"d"])
    state.clear(0, 1)
    assert (state.tip.length, state.tip.fork) == (2, 1)
    state.next_write()
    state.rolled_back()
    assert state.tip is state.head
    assert state.length == 2
    assert state.next_write() is None
    assert state.planned.has_block(1)
    assert not state.planned.has_block(2)
    assert state.append([b"c"]).base is state.head


def test_nodes_are_seen_by_peers_after_the_commit(state: CoreState) -> None:
    state.append([b"a", b"b"])
    assert state.node(1) is not None
    assert state.committed.node(1) is None
    commit(state)
    assert state.committed.node(1) is not None
    state.forget()
    assert state.committed.node(1) is not None, "a root stays in memory"
    with pytest.raises(NotInMemoryError) as caught:
        state.node(0)
    assert caught.value.index == 0
    assert state.node(5) is None


def test_truncated_nodes_are_gone_at_once_and_come_anew(state: CoreState) -> None:
    state.append([b"a", b"b", b"c", b"d"])
    commit(state)
    before = state.node(6)
    state.truncate(3)
    assert state.node(6) is None
    assert state.node(3) is None
    assert state.node(4) is not None
    assert state.committed.node(6) == before
    state.append([b"other"])
    assert state.node(6) not in (None, before)
    assert commit(state) == 2
    assert state.node(6) == state.committed.node(6) != before
    assert state.epoch == 1


def test_changes_out_of_turn_are_refused(state: CoreState) -> None:
    old = state.tip
    state.append([b"a"])
    with pytest.raises(LocalProtocolError) as caught:
        state.advance(Change(old, old))
    assert caught.value.code == "invalid-operation"


def test_a_frozen_core_takes_nothing(state: CoreState) -> None:
    state.conflict = b"evidence"
    assert state.frozen
    for work in (
        lambda: state.append([b"a"]),
        lambda: state.truncate(0),
        lambda: accept(state, Proof(0)),
    ):
        with pytest.raises(LocalProtocolError) as caught:
            work()
        assert caught.value.code == "conflict"


def test_a_reader_learns_the_manifest_with_the_tree(depot: Depot) -> None:
    writer, reader = fresh(depot), fresh(depot, number=2, writer=False)
    writer.append([b"a", b"b"])
    commit(writer)
    proof = build_proof(
        Request(0, upgrade=UpgradeRequest(0, 2)), writer.head, writer.committed
    )
    with pytest.raises(RemoteProtocolError) as caught:
        accept(reader, proof._replace(manifest=encode_manifest(_other())))
    assert caught.value.code == "invalid-manifest"
    assert reader.manifest is None
    change = accept(reader, proof._replace(manifest=writer.encoded_manifest))
    reader.advance(change)
    assert reader.manifest == writer.manifest
    assert not reader.writable
    following = reader.next_write()
    assert following is not None
    assert following[1].manifest == writer.encoded_manifest
    reader.rolled_back()
    reader.advance(accept(reader, proof._replace(manifest=writer.encoded_manifest)))
    following = reader.next_write()
    assert following is not None
    assert following[1].manifest is not None, "it is not stored yet"


def test_a_log_never_loses_its_prologue(depot: Depot) -> None:
    tree = TreeBatch()
    tree.extend([b"a", b"b"])
    manifest = create_manifest(
        [Signer(PAIR.public_key)], prologue=Prologue(tree_hash(tree.roots), 2)
    )
    wanted = new_core(None, key_pair=PAIR, manifest=manifest)
    core = StoredCore(
        number=1,
        key=wanted.key,
        discovery_key=wanted.discovery_key,
        manifest=wanted.manifest,
        key_pair=PAIR,
        fork=0,
        length=0,
        contiguous_length=0,
        signature=b"",
        conflict=None,
        roots=(),
        pages={},
    )
    state = CoreState(depot, core)
    with pytest.raises(LocalProtocolError) as caught:
        state.append([b"x"])
    assert caught.value.code == "invalid-signature"
    with pytest.raises(LocalProtocolError) as caught:
        state.append([b"x", b"b", b"c"])
    assert caught.value.code == "bad-argument"
    state.append([b"a", b"b"])
    state.append([b"c"])
    with pytest.raises(LocalProtocolError) as caught:
        state.truncate(1)
    assert caught.value.code == "bad-argument"
    state.truncate(2)
    assert state.tip.length == 2


def _other() -> Manifest:
    return create_manifest([Signer(bytes(32))])


def test_a_repair_that_fails_leaves_the_tree_in_need_of_it(depot: Depot) -> None:
    whole = fresh(depot)
    whole.append([b"a", b"b"])
    commit(whole)
    head = whole.head
    stored = StoredCore(
        number=2,
        key=whole.key,
        discovery_key=whole.discovery_key,
        manifest=whole.encoded_manifest,
        key_pair=PAIR,
        fork=0,
        length=2,
        contiguous_length=2,
        signature=head.signature,
        conflict=None,
        roots=None,
        pages={},
    )
    state = CoreState(depot, stored)
    assert state.needs_repair
    proof = build_proof(Request(0, upgrade=UpgradeRequest(0, 2)), head, whole)
    state.advance(accept(state, proof))
    assert state.needs_repair, "nothing is committed"
    state.next_write()
    state.rolled_back()
    assert state.needs_repair
    with pytest.raises(LocalProtocolError) as caught:
        state.append([b"c"])
    assert caught.value.code == "needs-repair"


@pytest.mark.parametrize("version", [0, 1])
def test_one_of_two_signers_is_enough_if_the_manifest_says_so(
    depot: Depot, version: int
) -> None:
    other = KeyPair.from_seed(bytes(31) + b"\1")
    manifest = create_manifest(
        [Signer(other.public_key), Signer(PAIR.public_key)], quorum=1, version=version
    )
    wanted = new_core(None, key_pair=PAIR, manifest=manifest)
    stored = StoredCore(
        number=3,
        key=wanted.key,
        discovery_key=wanted.discovery_key,
        manifest=wanted.manifest,
        key_pair=PAIR,
        fork=0,
        length=0,
        contiguous_length=0,
        signature=b"",
        conflict=None,
        roots=(),
        pages={},
    )
    state = CoreState(depot, stored)
    state.append([b"a"])
    tree = state_of(state.tip)
    assert verify_signature(manifest, state.key, tree, state.tip.signature)


def test_a_stored_signature_that_is_no_signature_needs_repair(depot: Depot) -> None:
    whole = fresh(depot)
    whole.append([b"a"])
    commit(whole)
    stored = StoredCore(
        number=4,
        key=whole.key,
        discovery_key=whole.discovery_key,
        manifest=whole.encoded_manifest,
        key_pair=PAIR,
        fork=0,
        length=1,
        contiguous_length=1,
        signature=b"\xff\xff",
        conflict=None,
        roots=whole.head.roots,
        pages={},
    )
    assert CoreState(depot, stored).needs_repair


def test_a_stranger_cannot_put_a_prologue_into_an_old_core(depot: Depot) -> None:
    """The key of a compat core vouches for the signer, for nothing else."""
    key = PAIR.public_key
    writer = fresh(depot)
    writer.key = key
    writer.learn_manifest(default_manifest(key))
    writer._learn(default_manifest(key))
    writer.append([b"a"])
    commit(writer)
    reader = fresh(depot, number=2, writer=False)
    reader.key = key
    invented = create_manifest(
        [Signer(key)],
        prologue=Prologue(tree_hash(writer.head.roots), 1),
        user_data=b"anything",
    )
    proof = build_proof(
        Request(0, upgrade=UpgradeRequest(0, 1)), writer.head, writer
    )._replace(manifest=encode_manifest(invented))
    reader.advance(accept(reader, proof))
    assert reader.manifest == default_manifest(key)


def test_who_does_not_know_the_signers_adds_nothing(depot: Depot) -> None:
    state = fresh(depot, writer=False)
    with pytest.raises(LocalProtocolError) as caught:
        state.append([b"a"], signature=bytes(64))
    assert caught.value.code == "not-writable"


def test_clearing_behind_the_end_drops_nothing(state: CoreState) -> None:
    state.append([b"a"])
    assert state.clear(5, 6) is None


def test_other_threads_leave_no_trace_in_the_memory_of_nodes(state: CoreState) -> None:
    """What a truncation forgets must not come back with who looked meanwhile."""
    state.append([b"a", b"b", b"c"])
    commit(state)
    nodes = state.depot.nodes
    nodes._turn()
    before = dict(nodes._young)
    assert state.known_node(0) is not None
    assert nodes._young == before


def proof_of(state: CoreState, index: int, levels: int) -> Proof:
    request = Request(0, BlockRequest(index, levels))
    return build_proof(request, state.head, state.committed, b"%d" % index)


def joining_reader(depot: Depot, writer: CoreState) -> CoreState:
    """A reader with the tree's length and one block that waits to be written."""
    writer.append([b"%d" % index for index in range(8)])
    commit(writer)
    reader = fresh(depot, number=2, writer=False)
    request = Request(0, upgrade=UpgradeRequest(0, 8), manifest=True)
    upgrade = build_proof(request, writer.head, writer.committed)
    proof = upgrade._replace(manifest=writer.encoded_manifest)
    reader.advance(accept(reader, proof), takes_more=True)
    commit(reader)
    assert not reader.takes_more
    assert not join(reader, proof_of(writer, 4, 3)), "nothing waits"
    change = accept(reader, proof_of(writer, 4, 3))
    reader.advance(change, takes_more=True)
    return reader


def test_further_blocks_join_the_change_that_waits(
    depot: Depot, state: CoreState
) -> None:
    reader = joining_reader(depot, state)
    assert join(reader, proof_of(state, 5, 0))
    assert join(reader, proof_of(state, 5, 0)), "twice is once"
    assert join(reader, proof_of(state, 6, 1))
    assert reader.has_block(6)
    assert reader.has_node(12)
    assert reader.pending_bytes == 3
    assert [reader.planned.has_block(index) for index in range(4, 8)] == [
        True,
        True,
        True,
        False,
    ]
    assert not reader.stored.has_block(5)
    following = reader.next_write()
    assert following is not None
    changes, write = following
    assert [dict(change.blocks) for change in changes] == [{4: b"4", 5: b"5", 6: b"6"}]
    nodes = [row[0] for step in write.steps if step[0] == "nodes" for row in step[1]]
    assert len(nodes) == len(set(nodes))
    assert not join(reader, proof_of(state, 7, 0)), "it is handed over"
    reader.committed_change()
    assert reader.stored.has_block(6)
    assert reader.pending_bytes == 0
    assert reader.node(12) == state.node(12)


def test_what_joined_is_rolled_back_with_its_change(
    depot: Depot, state: CoreState
) -> None:
    reader = joining_reader(depot, state)
    assert join(reader, proof_of(state, 5, 0))
    reader.rolled_back()
    assert not reader.takes_more
    assert not reader.has_block(4)
    assert not reader.has_block(5)
    assert not reader.planned.has_block(5)
    assert not reader.has_node(10)


def test_only_blocks_alone_join_and_wrong_ones_change_nothing(
    depot: Depot, state: CoreState
) -> None:
    reader = joining_reader(depot, state)
    wrong = build_proof(
        Request(0, BlockRequest(5, 0)), state.head, state.committed, b"another"
    )
    with pytest.raises(RemoteProtocolError) as caught:
        join(reader, wrong)
    assert caught.value.code == "invalid-checksum"
    assert not reader.has_block(5)
    hashed = build_proof(
        Request(0, hash=BlockRequest(12, 1)), state.head, state.committed
    )
    assert not join(reader, hashed)
    assert not join(reader, proof_of(state, 5, 0)._replace(fork=1))
    reader.clear(4, 5)
    assert not join(reader, proof_of(state, 5, 0)), "something was built on it"


def test_a_manifest_that_is_learned_during_a_write_goes_with_the_next(
    depot: Depot,
) -> None:
    writer = fresh(depot)
    assert writer.manifest is not None
    state = fresh(depot, number=2, writer=False)
    state.advance(Change(state.tip, state.tip))
    first = state.next_write()
    assert first is not None
    assert first[1].manifest is None
    state.learn_manifest(writer.manifest)
    state.committed_change()
    state.advance(Change(state.tip, state.tip))
    second = state.next_write()
    assert second is not None
    assert second[1].manifest == writer.encoded_manifest


def test_a_fork_beyond_what_can_be_kept_changes_nothing(depot: Depot) -> None:
    """Rows of so long a log would lie among those of other cores."""
    state = fresh(depot)
    state.append([b"a", b"b"])
    commit(state)
    length = 1 << 40
    root = Node(length - 1, 5, bytes(32))
    head = Head(1, length, 5, (root,))
    signature = sign_tree(state.manifest, state.key, PAIR, state_of(head))  # type: ignore[arg-type]
    proof = Proof(1, upgrade=UpgradeProof(0, length, [root], [], signature))
    with pytest.raises(RemoteProtocolError) as caught:
        begin_reorg(state, proof)
    assert caught.value.code == "too-large"
    change = Change(state.tip, head, nodes=[root], truncated_to=0)
    with pytest.raises(LocalProtocolError):
        state.advance(change)
    assert state.planned.has_block(1)
    assert state.node(length - 1) is None


def test_fork_numbers_stay_safe_integers(state: CoreState) -> None:
    state.append([b"a"])
    commit(state)
    with pytest.raises(LocalProtocolError) as caught:
        state.truncate(0, fork=2**53)
    assert caught.value.code == "bad-argument"
    state.truncate(0, fork=2**53 - 1)
    with pytest.raises(LocalProtocolError):
        state.truncate(0)


@pytest.mark.parametrize("damaged", [b"", b"\xff", bytes(70)])
def test_a_damaged_manifest_is_told_anew(depot: Depot, damaged: bytes) -> None:
    wanted = new_core(None, key_pair=PAIR)
    stored = StoredCore(
        number=5,
        key=wanted.key,
        discovery_key=wanted.discovery_key,
        manifest=damaged,
        key_pair=PAIR,
        fork=0,
        length=0,
        contiguous_length=0,
        signature=b"",
        conflict=None,
        roots=(),
        pages={},
    )
    ours = CoreState(depot, stored)
    assert ours.encoded_manifest == wanted.manifest
    ours.append([b"a"])
    write = ours.next_write()
    assert write is not None
    assert write[1].manifest == wanted.manifest
    theirs = CoreState(depot, replace(stored, key_pair=None))
    assert theirs.manifest is None
    assert theirs.known_manifest(wanted.manifest) == ours.manifest
