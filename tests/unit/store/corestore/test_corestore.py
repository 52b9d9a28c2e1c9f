from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from net.crypto import KeyPair
from store.corestore import Corestore
from store.corestore import shelf as shelves
from store.database import Database, Synchronous
from store.errors import LocalProtocolError
from store.hypercore.capabilities import encode_id
from store.hypercore.manifest import Signer, create_manifest, manifest_key
from tests.helpers.vectors import load_vectors

PRIMARY_KEY = bytes((9,)) * 32
CASES = load_vectors("hypercore-keys")["corestore"]["cases"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Corestore]:
    async with await Corestore.open(
        tmp_path / "store", primary_key=PRIMARY_KEY, synchronous=Synchronous.NORMAL
    ) as opened:
        yield opened


async def test_names_give_the_keys_of_npm(store: Corestore) -> None:
    for case in CASES:
        place = store
        if case["namespaceName"] is not None:
            place = store.namespace(case["namespaceName"])
        core = await place.get(name=case["name"])
        assert core.key.hex() == case["coreKey"]
        assert core.discovery_key.hex() == case["discoveryKey"]
        assert core.writable == case["writable"]
        assert place.key_pair(case["name"]).public_key.hex() == case["publicKey"]
    assert [entry.key.hex() for entry in await store.cores()] == [
        case["coreKey"] for case in CASES
    ]


async def test_sessions_share_one_core(store: Corestore) -> None:
    written = await store.get(name="a")
    await written.append([b"one", b"two"])
    for other in (
        await store.get(name="a"),
        await store.get(written.key),
        await store.get(encode_id(written.key)),
        await store.get(discovery_key=written.discovery_key),
        await store.namespace("elsewhere").get(key=written.key),
    ):
        assert other.core is written.core
        assert await other.get(1) == b"two"
    assert not (await store.get(name="a", writable=False)).writable


async def test_a_name_keeps_its_first_manifest(tmp_path: Path) -> None:
    store = await Corestore.open(tmp_path, primary_key=PRIMARY_KEY)
    other = KeyPair.from_seed(bytes(32))
    manifest = create_manifest(
        [Signer(store.key_pair("a").public_key), Signer(other.public_key)], quorum=1
    )
    core = await store.get(name="a", manifest=manifest)
    assert core.key == manifest_key(manifest)
    assert core.writable
    await store.close()
    async with await Corestore.open(tmp_path) as again:
        found = await again.get(name="a")
        assert found.key == core.key
        assert found.manifest == manifest
        assert found.writable
        assert (await again.namespace("n").get(name="a")).key != core.key


async def test_the_primary_key_is_kept(tmp_path: Path) -> None:
    store = await Corestore.open(tmp_path)
    key = (await store.get(name="a")).key
    await store.close()
    await store.close()
    async with await Corestore.open(tmp_path) as again:
        assert (await again.get(name="a")).key == key
    with pytest.raises(LocalProtocolError) as caught:
        await Corestore.open(tmp_path, primary_key=PRIMARY_KEY)
    assert caught.value.code == "bad-argument"
    # The refused one has given the folder back.
    await (await Corestore.open(tmp_path)).close()


async def test_over_somebody_elses_database(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "some.db", key=None)
    store = Corestore.over(database, primary_key=PRIMARY_KEY)
    assert (await store.get(name="a")).key.hex() == CASES[0]["coreKey"]
    assert store.depot.database is database
    await store.close()
    assert store.closed
    database.read(lambda connection: connection.execute("SELECT 1").fetchall()).result()
    database.close()
    with pytest.raises(LocalProtocolError):
        Corestore.over(database, primary_key=b"short")


async def test_what_does_not_belong_together(store: Corestore) -> None:
    core = await store.get(name="a")
    for refused, code in (
        (store.get(core.key, name="b"), "bad-argument"),
        (store.get(name="b", discovery_key=core.discovery_key), "bad-argument"),
        (store.get("no id"), "bad-argument"),
        (store.get(discovery_key=bytes(32)), "core-missing"),
    ):
        with pytest.raises(LocalProtocolError) as caught:
            await refused
        assert caught.value.code == code


async def test_a_core_outlives_its_last_session_for_a_while(store: Corestore) -> None:
    core = await store.get(name="a")
    kernel, now = core.core, asyncio.get_running_loop().time()
    await core.close()
    sweep: Callable[[float], None] = store._shelf.sweep
    sweep(now + shelves.LINGER_S - 1)
    assert not kernel.closed
    again = await store.get(name="a")
    assert again.core is kernel
    sweep(now + 100 * shelves.LINGER_S)
    assert not kernel.closed
    await again.close()
    sweep(asyncio.get_running_loop().time() + shelves.LINGER_S + 1)
    assert kernel.closed
    reopened = await store.get(name="a")
    assert reopened.core is not kernel
    assert reopened.key == core.key


async def test_a_namespace_closes_its_own_sessions_only(store: Corestore) -> None:
    part = store.namespace("x")
    inside, outside = await part.get(name="a"), await store.get(name="a")
    await part.close()
    assert inside.closed
    assert not outside.closed
    assert not part.closed
    await store.close()
    assert outside.closed
    for closed in (store, part):
        with pytest.raises(LocalProtocolError) as caught:
            await closed.get(name="a")
        assert caught.value.code == "closed"


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
async def test_a_primary_key_that_is_none_spoils_no_folder(
    tmp_path: Path, key: bytes
) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        await Corestore.open(tmp_path, primary_key=key)
    assert caught.value.code == "bad-argument"
    async with await Corestore.open(tmp_path, primary_key=bytes(32)) as store:
        assert store.key_pair("a")
