"""Invites that are none, and the limits of those that are."""

from __future__ import annotations

import pytest

from net.errors import LocalProtocolError, RemoteProtocolError
from net.pairing import Invite, decode_invite, read_invite
from net.pairing.constants import (
    MAX_ADDITIONAL_BYTES,
    MAX_ADDITIONAL_NODES,
    MAX_INVITE_BYTES,
    MAX_USER_DATA_BYTES,
)
from net.pairing.request import CandidateRequest
from tests.unit.net.pairing.people import GROUP, invited

SEED = b"\x22" * 32
PUBLIC = ("8.8.8.8", 80)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "too-short"),
        (b"\2\1" + SEED, "unknown-version"),
        (b"\1\1" + SEED, "too-short"),
        (b"\1\2" + SEED + b"\1\2\3", "too-short"),
        (b"\1\x10" + SEED + bytes((MAX_ADDITIONAL_NODES + 1,)), "too-large"),
        (b"\1\0" + SEED + bytes(MAX_INVITE_BYTES), "too-large"),
    ],
)
def test_what_is_no_invite(data: bytes, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_invite(data)
    assert caught.value.code == code


def test_an_invite_does_not_lead_into_the_readers_own_network() -> None:
    entry = bytes((192, 168, 1, 1, 80, 0))
    decoded = decode_invite(b"\1\x10" + SEED + b"\1" + entry)
    assert decoded.additional_nodes == ()
    assert Invite(SEED, additional_nodes=(("10.0.0.1", 1), PUBLIC)).encode() == (
        Invite(SEED, additional_nodes=(PUBLIC,)).encode()
    )


def test_flags_and_bytes_of_a_newer_version_are_passed_over() -> None:
    plain = Invite(SEED, GROUP)
    newer = b"\1\x61" + SEED + GROUP + b"more"
    assert decode_invite(newer) == plain
    assert decode_invite(b"\1\2" + SEED + bytes(4)).expires_at is None


def test_what_does_not_fit_is_refused_when_made() -> None:
    many = (PUBLIC,) * (MAX_ADDITIONAL_NODES + 1)
    for options in (
        {"additional_nodes": many},
        {"data": bytes(MAX_ADDITIONAL_BYTES + 1)},
        {"expires_at": 1 << 32},
    ):
        with pytest.raises(LocalProtocolError):
            invited(**options)
    largest, _ = invited(additional_nodes=many[1:], expires_at=1)
    assert decode_invite(largest.encode()) == largest


@pytest.mark.parametrize("size", [0, MAX_USER_DATA_BYTES + 1])
def test_user_data_that_no_member_reads(size: int) -> None:
    invite, _ = invited()
    with pytest.raises(LocalProtocolError):
        CandidateRequest(invite, bytes(size))


def test_requests_need_a_group_and_a_whole_session() -> None:
    invite, _ = invited()
    with pytest.raises(LocalProtocolError, match="discovery key"):
        CandidateRequest(Invite(SEED), b"x")
    with pytest.raises(LocalProtocolError, match="session"):
        CandidateRequest(invite, b"x", session=b"short")


@pytest.mark.parametrize("text", ["", "y", "yry1retnretn", "l", "0" * 108, "é" * 8])
def test_text_that_is_no_invite(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read_invite(text)


def test_text_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_invite("y" * (MAX_INVITE_BYTES * 2))
    assert "no invite" in str(caught.value)
