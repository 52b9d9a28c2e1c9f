"""The bytes of requests, responses and receipts.

    request    fixed32 invite id | buffer session | buffer sealed
      sealed     fixed64 signature | buffer user data
    response   fixed32 request id | buffer sealed
      sealed     uint status, and if that is 0:
                 uint flags | fixed32 key | [1] fixed32 encryption key
                 | [2] buffer data | [2] fixed64 signature | [128] buffer extension
                 and else, in answers that have one: uint flags | [128] buffer extension
    notice     fixed32 request id: the request waits for a person to decide
    receipt    fixed32 session | fixed64 signature | buffer user data

Bytes left over are ignored, and so are flags nobody knows; so the extension and the
notice, which are ours alone, disturb nobody. What is sealed is opened in
``net.pairing.request``. Follows npm blind-pairing-core 2.10.1 ``lib/messages.js``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from net.constants import HASH_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from net.crypto import AEAD_TAG_BYTES
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from net.pairing.constants import (
    MAX_ADDITIONAL_BYTES,
    MAX_EXTENSION_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_USER_DATA_BYTES,
    Status,
)

SESSION_BYTES = 32
KEY_BYTES = 32

_ENCRYPTION_KEY = 1
_ADDITIONAL = 2
_EXTENSION = 128


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it travels."""

    invite_id: bytes
    """32 bytes, which invite it came through."""

    session: bytes
    """32 bytes, chosen by the candidate."""

    sealed: bytes
    """Signature and user data, for those who know the invite's public key."""

    def encode(self) -> bytes:
        """The bytes of a request."""
        writer = Writer().fixed(self.invite_id, HASH_BYTES)
        return writer.buffer(self.session).buffer(self.sealed).finish()


def decode_request(data: bytes) -> Request:
    """Raises ``RemoteProtocolError`` unless it could be a request."""
    reader = Reader(_bounded(data))
    invite_id = reader.fixed(HASH_BYTES)
    session = reader.buffer(max_bytes=SESSION_BYTES)
    if len(session) != SESSION_BYTES:
        raise RemoteProtocolError(f"a session of {len(session)} bytes")
    sealed = reader.buffer()
    if len(sealed) <= AEAD_TAG_BYTES + SIGNATURE_BYTES:
        raise RemoteProtocolError("too little is sealed", code="too-short")
    return Request(invite_id, session, sealed)


@dataclass(frozen=True, slots=True)
class Identification:
    """What is sealed in a request."""

    signature: bytes
    """64 bytes over session and user data, by the invite's key."""

    user_data: bytes
    """What the candidate says about itself; never empty."""

    def encode(self) -> bytes:
        """The bytes before sealing."""
        writer = Writer().fixed(self.signature, SIGNATURE_BYTES)
        return writer.buffer(self.user_data).finish()


def decode_identification(data: bytes) -> Identification:
    """Raises ``RemoteProtocolError``, also for a candidate that says nothing."""
    reader = Reader(data)
    signature = reader.fixed(SIGNATURE_BYTES)
    return Identification(signature, _read_user_data(reader))


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that the holder of an invite asked with some data."""

    session: bytes
    """32 bytes."""

    signature: bytes
    """64 bytes, by the invite's key."""

    user_data: bytes
    """What was asked with."""

    def encode(self) -> bytes:
        """The bytes of a receipt."""
        writer = Writer().fixed(self.session, SESSION_BYTES)
        writer.fixed(self.signature, SIGNATURE_BYTES)
        return writer.buffer(self.user_data).finish()


def decode_receipt(data: bytes) -> Receipt:
    """Raises ``RemoteProtocolError``; says nothing about the signature."""
    reader = Reader(_bounded(data))
    session = reader.fixed(SESSION_BYTES)
    signature = reader.fixed(SIGNATURE_BYTES)
    return Receipt(session, signature, _read_user_data(reader))


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it travels."""

    request_id: bytes
    """32 bytes, derived from the request's session."""

    sealed: bytes
    """The decision, for those who know the invite's public key."""

    def encode(self) -> bytes:
        """The bytes of a response."""
        writer = Writer().fixed(self.request_id, HASH_BYTES)
        return writer.buffer(self.sealed).finish()


def decode_response(data: bytes) -> Response:
    """Raises ``RemoteProtocolError`` unless it could be a response."""
    reader = Reader(_bounded(data))
    request_id = reader.fixed(HASH_BYTES)
    sealed = reader.buffer()
    if len(sealed) <= AEAD_TAG_BYTES:
        raise RemoteProtocolError("too little is sealed", code="too-short")
    return Response(request_id, sealed)


@dataclass(frozen=True, slots=True)
class Additional:
    """Data that whoever made the invite gives to all who come through it."""

    data: bytes
    """At most ``MAX_ADDITIONAL_BYTES``."""

    signature: bytes
    """64 bytes over the data alone, by the invite's key."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What an admitted candidate gets."""

    key: bytes = field(repr=False)
    """32 bytes, whose discovery key is the invite's."""

    encryption_key: bytes | None = field(default=None, repr=False)
    """32 bytes, if the group has one."""

    additional: Additional | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is sealed in a response."""

    status: Status

    admission: Admission | None = None
    """There if, and only if, the status is ``OK``."""

    extension: bytes = field(default=b"", repr=False)
    """What members and candidates of our own kind say besides."""

    def encode(self) -> bytes:
        """The bytes before sealing."""
        writer = Writer().uint(self.status)
        if self.admission is None:
            if self.extension:
                writer.uint(_EXTENSION).buffer(self.extension)
            return writer.finish()
        key, additional = self.admission.encryption_key, self.admission.additional
        flags = _ENCRYPTION_KEY if key is not None else 0
        flags |= _ADDITIONAL if additional is not None else 0
        flags |= _EXTENSION if self.extension else 0
        writer.uint(flags).fixed(self.admission.key, KEY_BYTES)
        if key is not None:
            writer.fixed(key, KEY_BYTES)
        if additional is not None:
            writer.buffer(additional.data).fixed(additional.signature, SIGNATURE_BYTES)
        if self.extension:
            writer.buffer(self.extension)
        return writer.finish()


def decode_decision(data: bytes) -> Decision:
    """Raises ``RemoteProtocolError``; a status nobody knows is a rejection."""
    reader = Reader(data)
    number = reader.uint()
    if number != Status.OK:
        status = Status(number) if number in set(Status) else Status.REJECTED
        flags = reader.uint() if reader.remaining else 0
        return Decision(status, extension=_read_extension(reader, flags))
    flags = reader.uint()
    key = reader.fixed(PUBLIC_KEY_BYTES)
    encryption_key = reader.fixed(KEY_BYTES) if flags & _ENCRYPTION_KEY else None
    additional = None
    if flags & _ADDITIONAL:
        extra = reader.buffer(max_bytes=MAX_ADDITIONAL_BYTES)
        additional = Additional(extra, reader.fixed(SIGNATURE_BYTES))
    admission = Admission(key, encryption_key, additional)
    return Decision(Status.OK, admission, _read_extension(reader, flags))


def encode_frame(message: bytes) -> bytes:
    """One message of the channel: buffer, the request or the response."""
    return Writer().buffer(message).finish()


def decode_frame(data: bytes) -> bytes:
    """The inverse of ``encode_frame``; raises ``RemoteProtocolError``."""
    return Reader(data).buffer(max_bytes=MAX_MESSAGE_BYTES)


def _read_extension(reader: Reader, flags: int) -> bytes:
    if not flags & _EXTENSION:
        return b""
    return reader.buffer(max_bytes=MAX_EXTENSION_BYTES)


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError(f"a message of {len(data)} bytes", code="too-large")
    return data


def _read_user_data(reader: Reader) -> bytes:
    user_data = reader.buffer(max_bytes=MAX_USER_DATA_BYTES)
    if not user_data:
        raise RemoteProtocolError("a candidate without data", code="no-user-data")
    return user_data
