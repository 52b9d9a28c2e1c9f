"""Both ends firewalled: handshakes are relayed, paths are punched, both roles.

On loopback everybody would be open. Here both ends are told to believe that they are
not, and told not to try local addresses, so that the whole exchange takes place; the
nodes in between note which modes of it reached them.
"""

from __future__ import annotations

import asyncio

import pytest

from net.dht.constants import Command
from net.dht.messages import Mode
from tests.interop.networks import Seen
from tests.interop.node_peer import LIMIT_S, NodePeer
from tests.interop.test_connect_npm import (
    Link,
    both_networks,
    both_roles,
    link,
    send_and_check_echo,
)

pytestmark = pytest.mark.interop

OURS_FIREWALLED = {"quick_firewall": False, "ephemeral": True}
NPM_FIREWALLED = {"quickFirewall": False, "ephemeral": True}

# What the end that listens sees of them.
RECEIVED = {
    (Command.PEER_HANDSHAKE, Mode.FROM_RELAY),
    (Command.PEER_HOLEPUNCH, Mode.FROM_RELAY),
}

# What the nodes between the two ends see of a relayed handshake and a punch.
RELAYED = {
    (Command.PEER_HANDSHAKE, Mode.FROM_CLIENT),
    (Command.PEER_HANDSHAKE, Mode.FROM_SERVER),
    (Command.PEER_HOLEPUNCH, Mode.FROM_CLIENT),
    (Command.PEER_HOLEPUNCH, Mode.FROM_SERVER),
}


@both_networks
@both_roles
async def test_two_firewalled_ends(
    npm: NodePeer,
    kind: str,
    we_connect: bool,
    notes: list[str],
) -> None:
    async with link(
        npm,
        kind,
        we_connect=we_connect,
        on_data="echo",
        ours=OURS_FIREWALLED,
        theirs=NPM_FIREWALLED,
        local_connection=False,
        fast_open=False,
    ) as made:
        await check_punched(made)
        # A path may be open before the last relayed message has come through.
        async with asyncio.timeout(LIMIT_S):
            while not (seen := await made.network.seen()) >= RELAYED:
                await asyncio.sleep(0.02)
    ends = "ours to npm's" if we_connect else "npm's to ours"
    notes.append(f"{ends}, relayed by {kind} nodes: {words(seen)}")
    notes.append(f"{ends}, received by the server: {words(made.server_seen)}")
    # Only a server is told FROM_RELAY, and none of the network's nodes is one.
    assert not seen & RECEIVED
    assert made.server_seen >= RECEIVED


@both_networks
@both_roles
async def test_two_firewalled_ends_in_a_hurry(
    npm: NodePeer, kind: str, we_connect: bool
) -> None:
    """The first probe may open the path while the exchange still goes on."""
    async with link(
        npm,
        kind,
        we_connect=we_connect,
        on_data="echo",
        ours=OURS_FIREWALLED,
        theirs=NPM_FIREWALLED,
        local_connection=False,
    ) as made:
        await check_punched(made)
        assert await made.network.seen() >= {
            (Command.PEER_HANDSHAKE, Mode.FROM_CLIENT),
            (Command.PEER_HANDSHAKE, Mode.FROM_SERVER),
        }


async def check_punched(made: Link) -> None:
    """The path is one between the two ends, not one through a node, and carries."""
    assert made.connection.path == "direct"
    assert made.connection.remote_address[1] != made.network.bootstrap[1]
    await send_and_check_echo(made.connection, 1 << 20)


def words(seen: set[Seen]) -> str:
    return ", ".join(sorted(f"{command.name} {mode.name}" for command, mode in seen))


@both_networks
@both_roles
async def test_two_firewalled_ends_of_one_local_network(
    npm: NodePeer, kind: str, we_connect: bool
) -> None:
    """With local addresses allowed, they race with the punch; either will do."""
    async with link(
        npm,
        kind,
        we_connect=we_connect,
        on_data="echo",
        ours=OURS_FIREWALLED,
        theirs=NPM_FIREWALLED,
    ) as made:
        await send_and_check_echo(made.connection, 1 << 16)
        seen = await made.network.seen()
        assert (Command.PEER_HANDSHAKE, Mode.FROM_CLIENT) in seen
        assert made.connection.path in ("lan", "direct")
        assert (Command.PEER_HANDSHAKE, Mode.FROM_RELAY) in made.server_seen
