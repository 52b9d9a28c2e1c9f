"""Manifests, signature fields and the messages of a hypercore channel, damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from store.errors import RemoteProtocolError
from store.hypercore import messages
from store.hypercore.manifest import (
    Prologue,
    create_manifest,
    decode_manifest,
    encode_manifest,
)
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from store.hypercore.records import Node
from store.hypercore.signatures import (
    MAX_SIGNATURE_BYTES,
    TreeState,
    decode_signature,
    verify_signature,
)
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors

MANIFESTS = [
    bytes.fromhex(case["encoded"])
    for case in load_vectors("hypercore-manifests")["cases"]
] + [
    encode_manifest(create_manifest([], prologue=Prologue(bytes(32), 7))),
    b"\0\0\2\0\0\0",
]
SIGNED = [
    case for case in load_vectors("hypercore-signatures")["cases"] if "manifest" in case
]
BLOCKS = [bytes.fromhex(block) for block in load_vectors("hypercore-tree")["blocks"]]
FIELDS = [bytes.fromhex(case["signature"]) for case in SIGNED] + [
    b"\0\0",
    b"\xfd\x01\x01",
    b"\0\xfd\x01\x10",
    bytes(MAX_SIGNATURE_BYTES + 1),
]
PATCHED = next(case for case in SIGNED if "patch nodes" in case["name"])
# The second of two signers claims to have signed an impossibly long tree.
FIELDS.append(
    bytes.fromhex(PATCHED["signature"])[: 2 * 65 + 2]
    + b"\xff"
    + (2**53 - 1).to_bytes(8, "little")
    + b"\0"
)
CASES = [
    (case["name"], bytes.fromhex(case["encoded"]))
    for case in load_vectors("hypercore-messages")["cases"]
    if case["messageType"] != "unused"
]
CODECS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "handshake": (messages.encode_handshake, messages.decode_handshake),
    "sync": (messages.encode_sync, messages.decode_sync),
    "request": (messages.encode_request, messages.decode_request),
    "cancel": (messages.encode_cancel, messages.decode_cancel),
    "data": (messages.encode_data, messages.decode_data),
    "noData": (messages.encode_no_data, messages.decode_no_data),
    "want": (messages.encode_want, messages.decode_want),
    "bitfield": (messages.encode_bitfield, messages.decode_bitfield),
    "range": (messages.encode_range, messages.decode_range),
    "extension": (messages.encode_extension, messages.decode_extension),
    "nodes": (messages.encode_nodes, messages.decode_nodes),
}
WIDE = b"\xfe\0\0\1\0"
MESSAGES = [data for _, data in CASES] + [
    messages.encode_nodes([Node(300, 70_000, bytes(32)), Node(1, 2, bytes(32))]),
    b"\1" + WIDE + b"\0" + WIDE + b"\2ab\2" + (WIDE + WIDE + bytes(32)) * 2,
    b"\1\0\0\0\0" + WIDE,
    b"\1\0\0\0\xff" + b"\xff" * 8,
    b"\2\0\0\0" + WIDE,
    b"\0\1\xff" + b"\xff" * 6 + b"\x1f\0",
    b"\1\xff",
    b"\7\0",
]


@given(mutated(MANIFESTS))
@settings(max_examples=1500)
def test_manifests_are_read_or_refused(data: bytes) -> None:
    try:
        manifest = decode_manifest(data)
    except RemoteProtocolError:
        return
    encoded = encode_manifest(manifest)
    assert decode_manifest(encoded) == manifest
    assert len(encoded) <= len(data)


@given(st.sampled_from(SIGNED), st.data())
@settings(max_examples=1500)
def test_signatures_are_read_or_refused(
    case: dict[str, Any], data: st.DataObject
) -> None:
    manifest = decode_manifest(bytes.fromhex(case["manifest"]))
    key = bytes.fromhex(case["key"])
    field = data.draw(mutated([bytes.fromhex(case["signature"])] * 6 + FIELDS))
    tree = _tree(case["length"], case["fork"])
    try:
        verified = verify_signature(manifest, key, tree, field)
        forged = verify_signature(manifest, key, tree._replace(hash=bytes(32)), field)
    except RemoteProtocolError:
        return
    # Only what was signed is ever right, however much follows the quorum.
    assert not forged
    if verified and len(field) != 64:
        assert len(decode_signature(manifest, field).proofs) >= manifest.quorum


def _tree(length: int, fork: int) -> TreeState:
    batch = TreeBatch()
    batch.extend(BLOCKS[:length])
    return TreeState(tree_hash(batch.roots), length, fork, batch.roots)


@given(st.sampled_from(sorted(CODECS)), mutated(MESSAGES))
@settings(max_examples=2000)
@example("nodes", MESSAGES[len(CASES)])
@example("data", MESSAGES[len(CASES) + 1])
@example("data", MESSAGES[len(CASES) + 2])
@example("data", MESSAGES[len(CASES) + 3])
@example("data", b"\0")
@example("nodes", b"")
@example("nodes", b"\1\0\0")
@example("request", b"\x20\1\0\xfd\0\1")
@example("extension", b"\1\xff")
@example("bitfield", b"\7\0")
@example("range", MESSAGES[len(CASES) + 5])
def test_messages_are_read_or_refused(name: str, data: bytes) -> None:
    encode, decode = CODECS[name]
    try:
        value = decode(data)
    except RemoteProtocolError:
        return
    encoded = encode(value)
    assert decode(encoded) == value
    assert len(encoded) <= len(data) + 1


@given(st.integers(0, len(CASES) - 1), st.data())
@settings(max_examples=800)
def test_each_message_damaged(place: int, data: st.DataObject) -> None:
    name, valid = CASES[place]
    encode, decode = CODECS["want" if name == "unwant" else name]
    try:
        value = decode(data.draw(mutated([valid])))
    except RemoteProtocolError:
        return
    assert decode(encode(value)) == value
