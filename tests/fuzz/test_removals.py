"""What shows somebody's removal, damaged: refused, or the removal that it was."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings

from app.rooms.blocks import log_manifest
from app.rooms.operations import Mute, Operation, Remove, encode_operation
from app.rooms.removals import (
    MAX_NODES,
    Evidence,
    check_evidence,
    decode_evidence,
    decode_removal,
    encode_evidence,
)
from app.rooms.seals import EpochSeal, block_key, read_header
from net.constants import MAX_SAFE_UINT
from net.crypto import KeyPair
from net.errors import RemoteProtocolError
from store.autobase import encode_entry
from store.hypercore.manifest import manifest_key
from store.hypercore.merkle_tree import leaf, tree_hash
from store.hypercore.signatures import TreeState, sign_tree
from tests.fuzz.mutations import mutated

ROOM: Final = b"r" * 32
ROOM_KEY: Final = b"k" * 32
ME: Final = b"m" * 32
WRITER: Final = KeyPair.from_seed(b"w" * 32)
ENTROPY: Final = Random("removals").randbytes


def evidence(plaintext: bytes) -> bytes:
    """What a device shows whose log has one entry."""
    writer = WRITER.public_key
    block = EpochSeal(ROOM_KEY, ROOM).seal(
        plaintext, writer=writer, sequence=0, entropy=ENTROPY
    )
    root = leaf(0, block)
    manifest = log_manifest(writer, ROOM_KEY)
    tree = TreeState(tree_hash((root,)), 1, 0, (root,))
    signature = sign_tree(manifest, manifest_key(manifest), WRITER, tree)
    salt = read_header(block).salt
    key = block_key(ROOM_KEY, room=ROOM, writer=writer, sequence=0, salt=salt)
    roots = ((root.size, root.hash),)
    return encode_evidence(Evidence(writer, 0, block, key, 1, roots, signature, ()))


def entry(body: Any) -> bytes:
    return encode_entry(1, (), encode_operation(Operation(1, body)))


TRUE: Final = [evidence(entry(Remove(ME, (), ban=ban))) for ban in (False, True)]
FALSE: Final = [
    evidence(entry(Remove(b"o" * 32, ()))),
    evidence(entry(Mute(ME, 1, ()))),
    evidence(encode_entry(1, (), b"")),
    evidence(b"no entry"),
    encode_evidence(decode_evidence(TRUE[0])._replace(length=3)),
    encode_evidence(decode_evidence(TRUE[0])._replace(length=MAX_SAFE_UINT)),
    encode_evidence(decode_evidence(TRUE[0])._replace(signature=b"\xff")),
    encode_evidence(decode_evidence(TRUE[0])._replace(siblings=((1, bytes(32)),))),
    encode_evidence(
        decode_evidence(TRUE[0])._replace(siblings=((MAX_SAFE_UINT, bytes(32)),))
    ),
]
ME_HERE: Final = {"room": ROOM, "room_key": ROOM_KEY, "identity": ME}


@settings(max_examples=600)
@given(mutated([*TRUE, *FALSE]))
def test_evidence_is_what_it_was_or_refused(data: bytes) -> None:
    try:
        shown = decode_evidence(data)
    except RemoteProtocolError:
        return
    assert max(len(shown.roots), len(shown.siblings)) <= MAX_NODES
    assert decode_evidence(encode_evidence(shown)) == shown
    try:
        removal = check_evidence(shown, **ME_HERE)
    except RemoteProtocolError:
        return
    assert encode_evidence(shown) in TRUE
    assert decode_removal(removal.encode()) == removal


@pytest.mark.parametrize("data", FALSE)
def test_what_removes_nobody_here_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        check_evidence(decode_evidence(data), **ME_HERE)
