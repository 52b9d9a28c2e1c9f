"""Requests and responses with their seals: what each side makes and what it believes.

A ``CandidateRequest`` is made from an invite and opens responses; an ``OpenedRequest``
is what a member finds in a request, and makes responses. When they travel, and how
often, is decided in ``candidate`` and ``member``. Follows npm blind-pairing-core 2.10.1
``index.js``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from net.crypto import KeyPair, blake2b_256, discovery_key, verify
from net.errors import LocalProtocolError, RemoteProtocolError
from net.pairing.constants import MAX_USER_DATA_BYTES, Status
from net.pairing.invite import Invite
from net.pairing.messages import (
    SESSION_BYTES,
    Admission,
    Decision,
    Identification,
    Receipt,
    Request,
    Response,
    decode_decision,
    decode_identification,
    decode_receipt,
    decode_response,
)
from net.pairing.sealing import (
    invite_id,
    is_signed,
    open_request,
    open_response,
    request_id,
    seal_request,
    seal_response,
    session_of,
    sign_request,
    token_of,
)


class CandidateRequest:
    """One request of this side; the same invite, data and session give the same bytes.

    Attributes:
        discovery_key: The group's, from the invite.
        public_key: The invite's.
        user_data: What is said about this side.
        token: Derived from invite and data; names the records in the DHT.
        session: 32 bytes.
        id: By which responses name it.
    """

    def __init__(
        self, invite: Invite, user_data: bytes, *, session: bytes | None = None
    ) -> None:
        """Prepare a request.

        Args:
            invite: With a discovery key.
            user_data: At least one byte, because members cannot read fewer.
            session: 32 random bytes for a request of its own after a refusal; derived
                from invite and data if not given, so that sending twice asks once.

        Raises:
            LocalProtocolError: Of these one does not fit.
        """
        if invite.discovery_key is None:
            raise LocalProtocolError("an invite without a discovery key")
        if not 0 < len(user_data) <= MAX_USER_DATA_BYTES:
            raise LocalProtocolError(f"{len(user_data)} bytes of user data")
        if session is not None and len(session) != SESSION_BYTES:
            raise LocalProtocolError(f"a session of {len(session)} bytes")
        self._key_pair: KeyPair = invite.key_pair
        self.discovery_key = invite.discovery_key
        self.public_key = self._key_pair.public_key
        self.user_data = user_data
        self.token = token_of(self.public_key, user_data)
        self.session = session_of(self.token) if session is None else session
        self.id = request_id(self.session)

    @cached_property
    def receipt(self) -> Receipt:
        """Proof for those who know the invite's public key that this was asked."""
        signature = sign_request(
            self._key_pair, session=self.session, user_data=self.user_data
        )
        return Receipt(self.session, signature, self.user_data)

    @cached_property
    def encoded(self) -> bytes:
        """The bytes of the request."""
        said = Identification(self.receipt.signature, self.user_data)
        sealed = seal_request(
            said.encode(), public_key=self.public_key, session=self.session
        )
        return Request(invite_id(self.public_key), self.session, sealed).encode()

    def open(self, data: bytes) -> Decision:
        """Read a response.

        Returns:
            The decision; keys in it belong to the invite's group, and additional data
            was signed by whoever made the invite.

        Raises:
            RemoteProtocolError: It answers another request (code ``not-ours``), was not
                sealed for this one, or names keys of another group (``wrong-key``).
        """
        response = decode_response(data)
        if response.request_id != self.id:
            raise RemoteProtocolError("another request's answer", code="not-ours")
        decision = decode_decision(
            open_response(
                response.sealed, public_key=self.public_key, session=self.session
            )
        )
        if decision.admission is not None:
            self._check(decision.admission)
        return decision

    def _check(self, admission: Admission) -> None:
        if discovery_key(admission.key) != self.discovery_key:
            raise RemoteProtocolError("a key of another group", code="wrong-key")
        extra = admission.additional
        if extra is not None and not verify(
            extra.data, extra.signature, self.public_key
        ):
            raise RemoteProtocolError("data that nobody signed", code="bad-signature")


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request whose seal and signature are right."""

    public_key: bytes
    """The invite's, 32 bytes."""

    receipt: Receipt
    """Session, signature and user data, for those who were not there."""

    @property
    def ticket(self) -> bytes:
        """What members tell requests apart by: one a session of an invite, 32 bytes."""
        return blake2b_256(self.public_key, self.receipt.session)

    @property
    def is_derived(self) -> bool:
        """True if the session follows from invite and data, so that nobody else's does.

        Sessions travel in clear: whoever saw one may send a request of their own in it,
        but not one of which this is true.
        """
        return self.receipt.session == session_of(self.token)

    @property
    def token(self) -> bytes:
        """Derived from invite and data; names the records in the DHT."""
        return token_of(self.public_key, self.receipt.user_data)

    def respond(self, decision: Decision) -> bytes:
        """The bytes of a response; never make two different ones for one session."""
        assert (decision.status is Status.OK) == (decision.admission is not None)
        sealed = seal_response(
            decision.encode(),
            public_key=self.public_key,
            session=self.receipt.session,
        )
        return Response(request_id(self.receipt.session), sealed).encode()


def open_sealed(request: Request, public_key: bytes) -> OpenedRequest:
    """Open a request with the public key of the invite it names.

    Raises:
        RemoteProtocolError: It was sealed for another one, is not signed (code
            ``bad-signature``), or says nothing.
    """
    session = request.session
    plaintext = open_request(request.sealed, public_key=public_key, session=session)
    said = decode_identification(plaintext)
    receipt = Receipt(session, said.signature, said.user_data)
    if not _holds(receipt, public_key):
        raise RemoteProtocolError("not the invite's signature", code="bad-signature")
    return OpenedRequest(public_key, receipt)


def create_receipt(invite: Invite, user_data: bytes) -> bytes:
    """Proof that the holder of an invite agrees to some data, without a request."""
    return CandidateRequest(invite, user_data).receipt.encode()


def verify_receipt(data: bytes, public_key: bytes) -> bytes | None:
    """The user data of a receipt, or None if the invite's holder did not sign it.

    Raises:
        RemoteProtocolError: It is no receipt.
    """
    receipt = decode_receipt(data)
    return receipt.user_data if _holds(receipt, public_key) else None


def _holds(receipt: Receipt, public_key: bytes) -> bool:
    return is_signed(
        public_key,
        receipt.signature,
        session=receipt.session,
        user_data=receipt.user_data,
    )
