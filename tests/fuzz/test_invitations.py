"""Links, and what is said through blind pairing, damaged: read or refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import UserFacingError
from app.identity import attest_data
from app.rooms.invitations import (
    LINK_BYTES,
    SCHEME,
    Admitted,
    Link,
    Refusal,
    Request,
    _checksum,
    answer_key_pair,
    decode_admitted,
    decode_link,
    decode_request,
    encode_refused,
    open_admitted,
    read_refused,
    seal_admitted,
)
from app.rooms.roles import Kind
from net.encoding.z_base_32 import write_z_base_32
from net.errors import RemoteProtocolError
from net.pairing import Status
from tests.fuzz.mutations import mutated
from tests.unit.app.rooms.people import BO, ROOM, ROOM_KEY, invite_pair

INVITE_KEY = invite_pair(1).public_key
ANSWER = answer_key_pair(BO.device, INVITE_KEY)
PROOF = attest_data(BO.proof, BO.device, b"challenge").encode()
REQUEST = Request("Bo", PROOF, b"s" * 64, b"a" * 32).encode()
ADMITTED = Admitted(ROOM_KEY, b"f" * 32, Kind.GROUP, "Birds", (b"k" * 32,))
SEALED = seal_admitted(
    ADMITTED,
    answer_key=ANSWER.public_key,
    invite_key=INVITE_KEY,
    entropy=lambda size: b"e" * size,
)
LINK = Link(b"s" * 16, ROOM, 7, approval=True).encode()


@given(mutated([REQUEST, b"\1\0"]))
@settings(max_examples=400)
@example(REQUEST + b"later")
def test_requests_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        request = decode_request(data)
        assert decode_request(request.encode()) == request


@given(mutated([ADMITTED.encode(), b"\2"]))
@settings(max_examples=400)
@example(Admitted(ROOM_KEY, b"f" * 32, Kind.DIRECT, "").encode())
@example(ADMITTED.encode()[:66] + b"\x63")
def test_admissions_are_read_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        admitted = decode_admitted(data)
        assert decode_admitted(admitted.encode()) == admitted


@given(mutated([SEALED]))
@settings(max_examples=300)
@example(SEALED)
@example(bytes(64))
def test_nothing_opens_but_what_was_sealed(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        opened = open_admitted(data, answer=ANSWER, invite_key=INVITE_KEY)
        assert (opened, data) == (ADMITTED, SEALED)


@given(
    mutated([encode_refused(reason) for reason in Refusal]),
    st.sampled_from([status for status in Status if status is not Status.OK]),
)
@example(b"", Status.REJECTED)
@example(b"\x63", Status.REJECTED)
@example(b"\x02", Status.REJECTED)
@example(b"", Status.USED)
def test_every_refusal_has_a_reason(data: bytes, status: Status) -> None:
    assert read_refused(status, data) in set(Refusal)


@given(mutated([LINK.encode(), SCHEME.encode()]))
@settings(max_examples=400)
@example(LINK.encode())
@example(b"x" * 600)
@example(b"covey://l")
def test_links_are_read_or_told_wrong(data: bytes) -> None:
    with suppress(UserFacingError):
        link = decode_link(data.decode("latin-1"))
        assert decode_link(link.encode()) == link


@pytest.mark.parametrize("size", [1, LINK_BYTES - 6, LINK_BYTES])
@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_whole_texts_of_other_versions_and_sizes(version: int, size: int) -> None:
    body = bytes((version,)) + bytes(size)
    with pytest.raises(UserFacingError) as told:
        decode_link(SCHEME + write_z_base_32(body + _checksum(body)))
    assert told.value.code == ("bad-invite" if version == 2 else "version")
