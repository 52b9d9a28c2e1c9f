from __future__ import annotations

from typing import Any

import pytest

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.encryption import (
    PADDING_BYTES,
    BlockEncryption,
    DefaultEncryption,
    derive_block_key,
)
from store.hypercore.merkle_tree import TreeBatch, tree_hash
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hypercore-encryption")
KEY = bytes.fromhex(VECTORS["cases"][0]["encryptionKey"])
CORE_KEY = bytes.fromhex(VECTORS["cases"][0]["coreKey"])


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_blocks(case: dict[str, Any]) -> None:
    encryption = DefaultEncryption(
        bytes.fromhex(case["encryptionKey"]), bytes.fromhex(case["coreKey"])
    )
    plain, stored = bytes.fromhex(case["plain"]), bytes.fromhex(case["block"])
    assert encryption.block_key.hex() == case["blockKey"]
    assert encryption.blinding_key.hex() == case["blindingKey"]
    assert encryption.encrypt(case["index"], plain, case["fork"]) == stored
    assert encryption.decrypt(case["index"], stored) == plain
    assert len(stored) == len(plain) + encryption.padding_bytes


def test_other_derivations() -> None:
    case = VECTORS["compatDerivation"]
    compat = DefaultEncryption(KEY, CORE_KEY, compat=True)
    assert compat.block_key.hex() == case["blockKey"]
    assert compat.blinding_key.hex() == case["blindingKey"]
    case = VECTORS["blockKeyGiven"]
    given = DefaultEncryption(KEY, CORE_KEY, is_block_key=True)
    assert given.block_key.hex() == case["blockKey"]
    assert given.blinding_key.hex() == case["blindingKey"]


def test_a_whole_encrypted_log() -> None:
    case = VECTORS["core"]
    core_key = bytes.fromhex(case["key"])
    assert derive_block_key(KEY, core_key).hex() == case["blockKeyHelper"]
    # Who has the block key reads this log without the encryption key.
    reader = DefaultEncryption(
        derive_block_key(KEY, core_key), core_key, is_block_key=True
    )
    stored = [bytes.fromhex(block) for block in case["stored"]]
    plain = [reader.decrypt(index, block) for index, block in enumerate(stored)]
    assert [block.hex() for block in plain] == case["plain"]
    tree = TreeBatch()
    tree.extend(stored)
    assert tree_hash(tree.roots).hex() == case["treeHash"]
    assert tree.byte_length == case["rawByteLength"]
    assert tree.byte_length - PADDING_BYTES * tree.length == case["byteLength"]


def test_wrong_input() -> None:
    encryption: BlockEncryption = DefaultEncryption(KEY, CORE_KEY)
    assert encryption.decrypt(5, encryption.encrypt(5, b"", 0)) == b""
    with pytest.raises(RemoteProtocolError):
        encryption.decrypt(0, bytes(PADDING_BYTES - 1))
    with pytest.raises(LocalProtocolError):
        DefaultEncryption(KEY[:-1], CORE_KEY)
