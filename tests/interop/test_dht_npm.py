"""Nodes and records: ours in npm's network, npm's in ours, and each other's data."""

from __future__ import annotations

import pytest

from net import KeyPair
from net.crypto import blake2b_256
from net.dht.messages import PeerRecord
from tests.interop.networks import NETWORK_SIZE, as_npm, network_of, npm_node, our_node
from tests.interop.node_peer import NodePeer
from tests.interop.rim import settle

pytestmark = pytest.mark.interop

OURS = KeyPair.from_seed(b"\x51" * 32)
NPM_SEED = "52" * 32
THEIRS = KeyPair.from_seed(bytes.fromhex(NPM_SEED))
TOPIC = blake2b_256(b"a topic of the interop tests")

both_networks = pytest.mark.parametrize("kind", ["npm", "ours"])


@both_networks
async def test_bootstrap_and_find_node(npm: NodePeer, kind: str) -> None:
    """A persistent node of each kind joins, and they find each other."""
    async with (
        network_of(kind, npm) as network,
        our_node(network.bootstrap, ephemeral=False, firewalled=False) as dht,
    ):
        made = await npm.ask(
            "dht.create",
            bootstrap=as_npm(network.bootstrap),
            options={"ephemeral": False, "firewalled": False},
        )
        node_id = bytes.fromhex(made["id"])
        query = dht.machine.rpc.find_node(node_id)
        await settle(dht, query.finished)
        found = [reply.source_id for reply in query.closest_replies]
        assert found[0] == node_id
        # The first node of npm's network may not know its own id yet.
        assert len(found) >= NETWORK_SIZE
        own_id = dht.machine.rpc.id
        assert own_id is not None
        told = await npm.ask("dht.findNode", node=made["node"], target=own_id.hex())
        assert own_id.hex() in {reply["id"] for reply in told}
        assert dht.port in {reply["port"] for reply in told}
        assert dht.address()[0] == "127.0.0.1"


@both_networks
async def test_announce_lookup_unannounce(npm: NodePeer, kind: str) -> None:
    async with (
        network_of(kind, npm) as network,
        our_node(network.bootstrap) as dht,
    ):
        node = await npm_node(npm, network)
        relays = [("127.0.0.1", 1234), ("10.0.0.1", 65535)]
        await dht.announce(TOPIC, OURS, relay_addresses=relays)
        await npm.ask("dht.announce", node=node, topic=TOPIC.hex(), seed=NPM_SEED)
        told = await npm.ask("dht.lookup", node=node, topic=TOPIC.hex())
        by_key = {peer["publicKey"]: peer["relayAddresses"] for peer in told}
        assert set(by_key) == {OURS.public_key.hex(), THEIRS.public_key.hex()}
        seen = [(a["host"], a["port"]) for a in by_key[OURS.public_key.hex()]]
        assert seen == relays
        found = await dht.lookup(TOPIC)
        assert {peer.public_key for peer in found} == {
            OURS.public_key,
            THEIRS.public_key,
        }
        assert PeerRecord(OURS.public_key, tuple(relays)) in found
        await dht.unannounce(TOPIC, OURS)
        told = await npm.ask("dht.lookup", node=node, topic=TOPIC.hex())
        assert {peer["publicKey"] for peer in told} == {THEIRS.public_key.hex()}
        await npm.ask("dht.unannounce", node=node, topic=TOPIC.hex(), seed=NPM_SEED)
        assert await dht.lookup(TOPIC) == []


@both_networks
async def test_find_peer(npm: NodePeer, kind: str) -> None:
    async with (
        network_of(kind, npm) as network,
        our_node(network.bootstrap) as dht,
    ):
        node = await npm_node(npm, network)
        listening = await npm.ask("dht.listen", node=node, seed=NPM_SEED)
        found = await dht.find_peer(THEIRS.public_key)
        assert {peer.record.public_key for peer in found} == {THEIRS.public_key}
        server = dht.create_server()
        await server.listen(OURS)
        told = await npm.ask("dht.findPeer", node=node, publicKey=OURS.public_key.hex())
        assert set(told) == {OURS.public_key.hex()}
        await server.close()
        await npm.ask("dht.unlisten", server=listening["server"])
        told = await npm.ask("dht.findPeer", node=node, publicKey=OURS.public_key.hex())
        assert told == []
        assert await dht.find_peer(THEIRS.public_key) == []


@both_networks
async def test_mutable_records(npm: NodePeer, kind: str) -> None:
    async with (
        network_of(kind, npm) as network,
        our_node(network.bootstrap) as dht,
    ):
        node = await npm_node(npm, network)
        for seq, value in ((3, b"first"), (4, b"second")):
            stored = await dht.mutable_put(OURS, value, seq=seq)
            told = await npm.ask(
                "dht.mutableGet", node=node, publicKey=OURS.public_key.hex()
            )
            assert told == {
                "value": value.hex(),
                "seq": seq,
                "signature": stored.signature.hex(),
            }
        missing = await npm.ask(
            "dht.mutableGet", node=node, publicKey=OURS.public_key.hex(), seq=5
        )
        assert missing is None
        put = await npm.ask(
            "dht.mutablePut", node=node, seed=NPM_SEED, value=b"npm's".hex(), seq=9
        )
        for latest in (True, False):
            record = await dht.mutable_get(THEIRS.public_key, latest=latest)
            assert record is not None
            assert (record.value, record.seq) == (b"npm's", 9)
            assert record.signature.hex() == put["signature"]
        assert await dht.mutable_get(THEIRS.public_key, seq=10) is None


@both_networks
async def test_immutable_records(npm: NodePeer, kind: str) -> None:
    async with (
        network_of(kind, npm) as network,
        our_node(network.bootstrap) as dht,
    ):
        node = await npm_node(npm, network)
        key = await dht.immutable_put(b"ours")
        assert key == blake2b_256(b"ours")
        told = await npm.ask("dht.immutableGet", node=node, hash=key.hex())
        assert told == {"value": b"ours".hex()}
        put = await npm.ask("dht.immutablePut", node=node, value=b"theirs".hex())
        assert await dht.immutable_get(bytes.fromhex(put["hash"])) == b"theirs"
        assert await dht.immutable_get(blake2b_256(b"nobody's")) is None
