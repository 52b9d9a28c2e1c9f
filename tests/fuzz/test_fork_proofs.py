"""What somebody tells of a log with two histories, damaged."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import RemoteProtocolError
from store.hypercore.fork_proof import (
    decode_fork_proof,
    ended_head,
    is_proven_end,
)
from tests.fuzz.mutations import mutated
from tests.unit.store.hypercore.test_fork_proof import KEY, MANIFEST, made

PROOFS = [made(*lengths) for lengths in ((0, 1, 1), (1, 2, 1), (6, 2, 3), (37, 9, 40))]
VALID = [proof.encode() for proof in PROOFS]


@given(mutated(VALID))
@settings(max_examples=1500)
def test_proofs_are_read_or_refused(data: bytes) -> None:
    try:
        proof = decode_fork_proof(data)
    except RemoteProtocolError:
        return
    assert proof.encode() == data or len(proof.encode()) < len(data)
    with contextlib.suppress(RemoteProtocolError):
        if proof.is_signed(MANIFEST, KEY):
            assert proof.length in [it.length for it in PROOFS]
            assert is_proven_end(MANIFEST, KEY, ended_head(proof))


@given(st.sampled_from(PROOFS), st.sampled_from(PROOFS))
def test_only_what_was_signed_is_believed(one: object, other: object) -> None:
    """Parts of two proofs that fit each other are a proof of both at most."""
    mixed = one.encode()[:60] + other.encode()[60:]  # type: ignore[attr-defined]
    with contextlib.suppress(RemoteProtocolError):
        proof = decode_fork_proof(mixed)
        if proof.is_signed(MANIFEST, KEY):
            assert mixed in VALID
