"""Every handshake pattern against npm's, both roles, with payloads and prologue."""

from __future__ import annotations

import pytest

from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from net.noise import Handshake
from net.noise.handshake import PATTERNS
from tests.interop.node_peer import NodePeer, NodePeerError

pytestmark = pytest.mark.interop

OURS = KeyPair.from_seed(b"\x71" * 32)
NPM_SEED = "72" * 32
THEIRS = KeyPair.from_seed(bytes.fromhex(NPM_SEED))
PROLOGUE = b"both sides know this"
PSK = b"p" * 32

both_roles = pytest.mark.parametrize("initiator", [True, False], ids=["out", "in"])


def our_side(pattern: str, *, initiator: bool, psk: bytes = PSK) -> Handshake:
    rules = PATTERNS[pattern]
    return Handshake(
        pattern,
        initiator=initiator,
        static=OURS if rules.has_static_keys else None,
        remote_public_key=THEIRS.public_key,
        ephemeral=KeyPair.generate(),
        prologue=PROLOGUE,
        psk=psk,
    )


async def npm_side(npm: NodePeer, pattern: str, *, initiator: bool) -> str:
    side: str = await npm.ask(
        "noise.start",
        pattern=pattern,
        initiator=initiator,
        seed=NPM_SEED,
        remotePublicKey=OURS.public_key.hex(),
        prologue=PROLOGUE.hex(),
        psk=PSK.hex() if PATTERNS[pattern].needs_psk else None,
    )
    return side


@both_roles
@pytest.mark.parametrize("pattern", PATTERNS)
async def test_a_pattern(npm: NodePeer, pattern: str, initiator: bool) -> None:
    ours = our_side(pattern, initiator=initiator)
    side = await npm_side(npm, pattern, initiator=not initiator)
    for number in range(len(PATTERNS[pattern].messages)):
        payload = b"payload %d" % number
        if ours.my_turn:
            message = ours.send(payload).hex()
            got = await npm.ask("noise.receive", side=side, message=message)
            assert bytes.fromhex(got) == payload
        else:
            sent = await npm.ask("noise.send", side=side, payload=payload.hex())
            assert ours.receive(bytes.fromhex(sent)) == payload
    result = ours.result
    assert result is not None
    told = await npm.ask("noise.result", side=side)
    assert told["tx"] == result.rx.hex()
    assert told["rx"] == result.tx.hex()
    assert told["hash"] == result.handshake_hash.hex()
    if PATTERNS[pattern].has_static_keys:
        assert told["remotePublicKey"] == OURS.public_key.hex()
        assert result.remote_public_key == THEIRS.public_key


@pytest.mark.parametrize("pattern", ["NNpsk0", "XXpsk0"])
async def test_another_secret_is_refused_by_both(npm: NodePeer, pattern: str) -> None:
    ours = our_side(pattern, initiator=True, psk=b"q" * 32)
    side = await npm_side(npm, pattern, initiator=False)
    with pytest.raises(NodePeerError):
        await npm.ask("noise.receive", side=side, message=ours.send(b"x").hex())
    ours = our_side(pattern, initiator=False, psk=b"q" * 32)
    side = await npm_side(npm, pattern, initiator=True)
    message = await npm.ask("noise.send", side=side, payload=b"x".hex())
    with pytest.raises(RemoteProtocolError):
        ours.receive(bytes.fromhex(message))
