"""What the machines of blind pairing report, and what they ask their owner to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from net.crypto import KeyPair
from net.pairing.constants import Status
from net.pairing.messages import Admission, Receipt


@dataclass(frozen=True, slots=True)
class Paired:
    """A member admitted this side; what the candidate was for is done."""

    admission: Admission

    extension: bytes = field(default=b"", repr=False)
    """What a member of our own kind said besides."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A member said no; others may still say yes, so the candidate goes on."""

    status: Status

    extension: bytes = b""
    """What a member of our own kind said besides."""


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody says that a person will decide about the request."""


CandidateEvent: TypeAlias = Paired | Rejected | Held


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """Somebody with an invite asks; decide by ``confirm``, ``deny`` or ``ignore``."""

    ticket: bytes
    """32 bytes, which request is meant in the decision."""

    invite_id: bytes
    """32 bytes, through which invite."""

    receipt: Receipt
    """What the candidate says about itself, signed by the invite's key."""


@dataclass(frozen=True, slots=True)
class RequestLapsed:
    """Nothing is to be decided any more; the candidate got no answer.

    Nobody decided in time, or the request came in a session that was another's.
    """

    ticket: bytes


MemberEvent: TypeAlias = RequestReceived | RequestLapsed


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for the pairing channel of one connection."""

    peer: int
    """The number under which the owner added the connection."""

    message: bytes


@dataclass(frozen=True, slots=True)
class GetRecord:
    """Look for the mutable record of a key, any version."""

    public_key: bytes


@dataclass(frozen=True, slots=True)
class PutRecord:
    """Store a mutable record, sequence number 0."""

    key_pair: KeyPair
    value: bytes


@dataclass(frozen=True, slots=True)
class Announce:
    """Announce a key on a topic."""

    topic: bytes
    key_pair: KeyPair


@dataclass(frozen=True, slots=True)
class Unannounce:
    """Take such an announcement back."""

    topic: bytes
    key_pair: KeyPair


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look for the keys announced on a topic."""

    topic: bytes


Action: TypeAlias = GetRecord | PutRecord | Announce | Unannounce | LookUp


class Drop(Enum):
    """Why something that came was dropped; counted, never punished."""

    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    TOO_OFTEN = "too-often"
    TOO_MANY = "too-many"
    UNKNOWN_INVITE = "unknown-invite"
    UNKNOWN_PEER = "unknown-peer"
    NOT_OURS = "not-ours"
    BAD_SEAL = "bad-seal"
    BAD_CONTENT = "bad-content"
    SESSION_REUSED = "session-reused"
    NO_ROLE = "no-role"
