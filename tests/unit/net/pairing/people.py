"""Invites, candidates and members for tests, without any chance in them."""

from __future__ import annotations

from typing import Any

from net.crypto import discovery_key
from net.pairing import (
    Candidate,
    CandidateRequest,
    Invite,
    InviteRecord,
    Member,
    create_invite,
)
from net.pairing.messages import Identification, Request
from net.pairing.sealing import invite_id, seal_request, sign_request

KEY = b"\x10" * 32
GROUP = discovery_key(KEY)
SESSION = b"\x66" * 32


def none_of_it(count: int) -> bytes:
    """Entropy that makes every random wait the shortest."""
    return bytes(count)


def invited(seed: int = 0x22, **options: Any) -> tuple[Invite, InviteRecord]:
    """An invite to the group; another seed makes another one."""
    return create_invite(KEY, entropy=lambda count: bytes((seed,)) * count, **options)


def asking(
    invite: Invite, user_data: bytes = b"hello member", session: bytes | None = None
) -> CandidateRequest:
    """A request through an invite."""
    return CandidateRequest(invite, user_data, session=session)


def candidate_of(request: CandidateRequest, *peers: int) -> Candidate:
    """A candidate with connections."""
    candidate = Candidate(request, entropy=none_of_it)
    for peer in peers:
        assert candidate.add_peer(peer)
    return candidate


def member_of(*records: InviteRecord, peers: tuple[int, ...] = (0,)) -> Member:
    """A member with invites and connections."""
    member = Member(GROUP)
    for record in records:
        member.add_invite(record)
    for peer in peers:
        assert member.add_peer(peer)
    return member


def forged(
    invite: Invite,
    *,
    user_data: bytes = b"hello member",
    session: bytes = SESSION,
    signature: bytes | None = None,
) -> bytes:
    """A request with whatever in it, sealed as it should be."""
    pair = invite.key_pair
    if signature is None:
        signature = sign_request(pair, session=session, user_data=user_data)
    said = Identification(signature, user_data).encode()
    sealed = seal_request(said, public_key=pair.public_key, session=session)
    return Request(invite_id(pair.public_key), session, sealed).encode()
