"""What somebody tells of a log with two histories, damaged."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import RemoteProtocolError
from store.hypercore.fork_proof import (
    MAX_FORK_PROOF_BYTES,
    decode_fork_proof,
    ended_head,
    is_proven_end,
)
from tests.fuzz.mutations import mutated
from tests.unit.store.hypercore.test_fork_proof import KEY, MANIFEST, made

PROOFS = [made(*lengths) for lengths in ((0, 1, 1), (1, 2, 1), (6, 2, 3), (37, 9, 40))]
VALID = [proof.encode() for proof in PROOFS]
ONE, TWO = PROOFS[2].branches
HUGE = replace(ONE, leaf=ONE.leaf._replace(size=2**53 - 1))
HOSTILE = [
    bytes(MAX_FORK_PROOF_BYTES + 1),
    replace(PROOFS[2], branches=(TWO, ONE)).encode(),
    replace(PROOFS[2], branches=(HUGE, TWO)).encode(),
    replace(PROOFS[2], branches=(replace(ONE, length=6), TWO)).encode(),
]


@given(mutated(VALID) | st.sampled_from(HOSTILE))
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
