"""Blind pairing: asking the members of a group for its key by an invite."""

from __future__ import annotations

from net.pairing.candidate import Candidate, CandidateState
from net.pairing.constants import Status
from net.pairing.events import (
    Drop,
    Held,
    Outgoing,
    Paired,
    Rejected,
    RequestLapsed,
    RequestReceived,
)
from net.pairing.exchange import Exchange
from net.pairing.invite import (
    Invite,
    InviteRecord,
    create_invite,
    decode_invite,
    read_invite,
)
from net.pairing.member import Member
from net.pairing.messages import (
    Additional,
    Admission,
    Decision,
    Receipt,
    decode_receipt,
)
from net.pairing.polling import CandidatePoll, MemberPoll, Mode
from net.pairing.request import CandidateRequest, create_receipt, verify_receipt

__all__ = [
    "Additional",
    "Admission",
    "Candidate",
    "CandidatePoll",
    "CandidateRequest",
    "CandidateState",
    "Decision",
    "Drop",
    "Exchange",
    "Held",
    "Invite",
    "InviteRecord",
    "Member",
    "MemberPoll",
    "Mode",
    "Outgoing",
    "Paired",
    "Receipt",
    "Rejected",
    "RequestLapsed",
    "RequestReceived",
    "Status",
    "create_invite",
    "create_receipt",
    "decode_invite",
    "decode_receipt",
    "read_invite",
    "verify_receipt",
]
