"""Cores that follow no forks: where they end, and trees that they give up."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.database import Database
from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore import flat_tree
from store.hypercore.core import Core, Cores
from store.hypercore.events import Conflict, CoreEvent
from store.hypercore.fork_proof import History, first_difference, prove_fork
from store.hypercore.manifest import manifest_key
from store.hypercore.records import Proof, UpgradeProof
from store.hypercore.told_history import ToldHistory
from tests.helpers.forked_logs import fork_proof, history
from tests.unit.store.hypercore.core.test_kernel import (
    Recorder,
    block_proof,
    copy_of,
    whole_proof,
)


def signed(core: Core) -> History:
    head = core.state.head
    return History(head.length, head.signature, core.state.node)


async def test_a_log_that_follows_no_forks_ends_where_its_histories_part(
    cores: Cores, core: Core, tmp_path: Path
) -> None:
    """The part that both share is still proven, fetched and kept over a restart."""
    pair = core.state.key_pair
    elsewhere = Database.open(tmp_path / "other.db", key=None)
    twin = await Cores(elsewhere).open(key_pair=pair)
    await core.append([b"a", b"b", b"c", b"mine", b"more"])
    await twin.append([b"a", b"b", b"c", b"yours"])
    core.allow_fork = False
    recorder = Recorder(core)
    events: list[CoreEvent] = []
    core.watchers.append(events.append)
    proof = await whole_proof(twin)
    await core.load_for(proof)
    assert core.check_conflict(proof)
    assert [type(event) for event in events] == [Conflict]
    assert not core.closed
    block = first_difference(signed(core), signed(twin))
    assert block == 3
    fork = prove_fork(signed(core), signed(twin), block)
    assert await core.end(fork)
    assert not await core.end(fork)
    assert (core.state.length, core.state.contiguous_length) == (3, 3)
    assert recorder.committed[-1][0] == 3
    with pytest.raises(LocalProtocolError) as caught:
        await core.append([b"a"])
    assert caught.value.code == "conflict"
    core.close()
    core = await cores.open(core.state.key)
    core.allow_fork = False
    assert core.state.ended
    assert not core.state.needs_repair
    assert await core.blocks(range(5)) == {0: b"a", 1: b"b", 2: b"c"}
    with pytest.raises(RemoteProtocolError) as told:
        core.accept(await whole_proof(twin))
    assert told.value.code == "outdated"

    third = Database.open(tmp_path / "third.db", key=None)
    reader = await Cores(third).open(core.state.key)
    # As long as it may follow forks, that is no signature.
    with pytest.raises(RemoteProtocolError):
        reader.accept(await whole_proof(core))
    reader.allow_fork = False
    await reader.accept(await whole_proof(core)).durable
    await reader.accept(await block_proof(core, 1, levels=1)).durable
    assert (reader.state.length, reader.state.ended) == (3, True)
    assert await reader.blocks([1]) == {1: b"b"}
    third.close()
    elsewhere.close()


async def test_a_log_ends_only_where_it_is_one_of_the_two(core: Core) -> None:
    pair, manifest = core.state.key_pair, core.state.manifest
    assert pair is not None
    assert manifest is not None
    core.allow_fork = False
    one, other = [b"x", b"y", b"1"], [b"x", b"y", b"2"]
    proof = fork_proof(one, other, manifest, pair)
    with pytest.raises(LocalProtocolError) as caught:
        await core.end(proof)
    assert caught.value.code == "too-short"
    await core.append([b"a", b"b", b"c"])
    with pytest.raises(LocalProtocolError) as caught:
        await core.end(proof)
    assert caught.value.code == "another-history"
    lower = fork_proof([b"a", b"b"], [b"a", b"c"], manifest, pair)
    assert await core.end(lower)
    nothing = fork_proof([b"a"], [b"b"], manifest, pair)
    assert await core.end(nothing)
    assert core.state.length == 0
    assert not await core.end(lower)


def told_by(other: History, core: Core, *more: int) -> ToldHistory:
    """Somebody's tree, its roots and some nodes with their siblings."""
    manifest = core.state.manifest
    assert manifest is not None
    told = ToldHistory(
        manifest,
        manifest_key(manifest),
        length=other.length,
        signature=other.signature,
        roots=[other.known(at) for at in flat_tree.full_roots(other.length)],
    )
    told.learn(other.known(at) for at in more)
    return told


async def test_a_tree_without_blocks_is_given_up_for_another(
    core: Core, tmp_path: Path
) -> None:
    pair, manifest = core.state.key_pair, core.state.manifest
    assert pair is not None
    assert manifest is not None
    shared = [b"%d" % at for at in range(8)]
    await core.append(shared)
    elsewhere = Database.open(tmp_path / "other.db", key=None)
    reader = await copy_of(core, Cores(elsewhere))
    reader.allow_fork = False
    for index in range(8):
        await reader.accept(await block_proof(core, index, levels=3)).durable
    # Roots behind the shared blocks, of which nobody has anything.
    hidden = history([*shared, *(b"hidden",) * 24], manifest, pair)
    roots = [hidden.known(at) for at in flat_tree.growth(8, 32)]
    upgrade = UpgradeProof(8, 24, roots, (), hidden.signature)
    await reader.accept(Proof(0, upgrade=upgrade)).durable
    assert (reader.state.length, reader.state.contiguous_length) == (32, 8)
    await core.append([b"shown", b"more"])
    true = History(10, core.state.head.signature, core.state.node)
    with pytest.raises(LocalProtocolError) as caught:
        await reader.swap(told_by(hidden, core), 8)
    assert caught.value.code == "another-history", "what leads there was not told"
    await reader.swap(told_by(true, core), 8)
    assert (reader.state.length, reader.state.contiguous_length) == (10, 8)
    assert await reader.blocks(range(8)) == dict(enumerate(shared))
    await reader.accept(await block_proof(core, 8, levels=1)).durable
    await reader.accept(await block_proof(core, 9)).durable
    assert reader.state.contiguous_length == 10
    # One that is given up for a longer one, and what others than the signer say.
    longer = history([*shared, b"a", b"b", b"c"], manifest, pair)
    with pytest.raises(LocalProtocolError) as caught:
        await reader.swap(told_by(longer, core), 9)
    assert caught.value.code == "another-history"
    fork = fork_proof([*shared, b"x"], [*shared, b"shown"], manifest, pair)
    assert await reader.end(fork)
    with pytest.raises(LocalProtocolError) as caught:
        await reader.swap(told_by(true, core), 8)
    assert caught.value.code == "conflict"
    elsewhere.close()


async def test_a_log_of_which_only_the_roots_are_here_ends_as_well(
    core: Core, tmp_path: Path
) -> None:
    """What leads to the end was never fetched: the proof has it."""
    pair, manifest = core.state.key_pair, core.state.manifest
    assert pair is not None
    assert manifest is not None
    shared = [b"%d" % at for at in range(5)]
    await core.append([*shared, b"mine", b"more", b"and more"])
    elsewhere = Database.open(tmp_path / "other.db", key=None)
    reader = await copy_of(core, Cores(elsewhere))
    reader.allow_fork = core.allow_fork = False
    fork = fork_proof([*shared, b"mine"], [*shared, b"yours"], manifest, pair)
    assert await reader.end(fork)
    assert await core.end(fork)
    assert reader.state.head == core.state.head
    await reader.accept(await block_proof(core, 4)).durable
    await reader.accept(await block_proof(core, 1, levels=2)).durable
    assert await reader.blocks([1, 4]) == {1: b"1", 4: b"4"}
    elsewhere.close()
