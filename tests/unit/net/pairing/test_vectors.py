"""Every published byte of blind pairing."""

from __future__ import annotations

from typing import Any

import pytest

from net.crypto import KeyPair, discovery_key
from net.pairing import (
    Additional,
    Admission,
    CandidateRequest,
    Invite,
    Status,
    constants,
    create_invite,
    create_receipt,
    decode_invite,
    read_invite,
    verify_receipt,
)
from net.pairing.messages import Decision, decode_request
from net.pairing.request import open_sealed
from net.pairing.sealing import (
    authentication,
    ephemeral_key_pair,
    invite_id,
    pairing_topic,
    reply_key_pair,
)
from tests.helpers.vectors import load_vectors

VECTORS: dict[str, Any] = load_vectors("blind-pairing")
KEY = bytes.fromhex(VECTORS["coreKey"])
REQUESTS: list[dict[str, Any]] = VECTORS["requests"]
REPLIES = [(request, reply) for request in REQUESTS for reply in request["replies"]]
STATUSES = {
    "PAIRING_REJECTED": Status.REJECTED,
    "INVITE_USED": Status.USED,
    "INVITE_EXPIRED": Status.EXPIRED,
}


def bytes_of(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def nodes_of(listed: list[dict[str, Any]] | None) -> Any:
    return None if listed is None else tuple((n["host"], n["port"]) for n in listed)


def test_namespaces() -> None:
    for name, value in {**VECTORS["namespaces"], **VECTORS["dhtNamespaces"]}.items():
        assert getattr(constants, f"NS_{name}").hex() == value


def test_keys_of_the_group() -> None:
    group = discovery_key(KEY)
    assert group.hex() == VECTORS["discoveryKey"]
    assert pairing_topic(group).hex() == VECTORS["pairingDiscoveryKey"]


@pytest.mark.parametrize("case", VECTORS["invites"], ids=lambda case: case["name"])
def test_invites(case: dict[str, Any]) -> None:
    options = case["options"]
    expires_ms = options.get("expires")
    invite, record = create_invite(
        KEY,
        entropy=lambda count: bytes.fromhex(case["seed"])[:count],
        expires_at=expires_ms and expires_ms // 1000,
        sensitive=options.get("sensitive", False),
        test_invitation=options.get("testInvitation", False),
        additional_nodes=nodes_of(options.get("additionalNodes")),
        data=bytes_of(options.get("data")),
    )
    assert invite.encode().hex() == case["invite"]
    assert invite.to_text() == case["inviteZ32"]
    assert record.id.hex() == case["id"]
    assert record.public_key.hex() == case["publicKey"]
    assert record.discovery_key.hex() == case["discoveryKey"]
    additional = case["additional"]
    assert record.additional == (
        additional
        and Additional(
            bytes.fromhex(additional["data"]), bytes.fromhex(additional["signature"])
        )
    )
    decoded = decode_invite(bytes.fromhex(case["invite"]))
    assert decoded == read_invite(f" {case['inviteZ32'].upper()}\n")
    assert (decoded.expires_at or 0) * 1000 == case["decodedExpires"]
    assert decoded.additional_nodes == nodes_of(case["decodedAdditionalNodes"])
    assert decoded.encode().hex() == case["invite"]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case["name"])
def test_requests(case: dict[str, Any]) -> None:
    user_data = bytes.fromhex(case["userData"])
    request = CandidateRequest(decode_invite(bytes.fromhex(case["invite"])), user_data)
    assert request.token.hex() == case["token"]
    assert request.session.hex() == case["session"]
    assert request.id.hex() == case["requestId"]
    assert authentication(request.session, user_data).hex() == case["authData"]
    assert request.encoded.hex() == case["request"]
    decoded = decode_request(request.encoded)
    assert decoded.invite_id.hex() == case["inviteId"]
    assert decoded.sealed.hex() == case["encryptedAuth"]
    for derive, name in (
        (ephemeral_key_pair, "ephemeralKeyPair"),
        (reply_key_pair, "replyKeyPair"),
    ):
        assert derive(request.token).public_key.hex() == case[name]
    opened = open_sealed(decoded, request.public_key)
    assert opened.receipt.encode().hex() == case["memberOpened"]["receipt"]
    assert opened.receipt.user_data == user_data
    assert opened.token == request.token
    assert opened.is_derived


@pytest.mark.parametrize(("case", "reply"), REPLIES)
def test_replies(case: dict[str, Any], reply: dict[str, Any]) -> None:
    invite = decode_invite(bytes.fromhex(case["invite"]))
    request = CandidateRequest(invite, bytes.fromhex(case["userData"]))
    result = reply["candidateResult"]
    response = bytes.fromhex(reply["response"])
    decision = request.open(response)
    if "rejected" in result:
        assert decision == Decision(STATUSES[result["rejected"]])
    else:
        assert decision.admission is not None
        additional = decision.admission.additional
        assert decision.admission == Admission(
            bytes.fromhex(result["key"]), bytes_of(result["encryptionKey"]), additional
        )
        assert (additional and additional.data) == bytes_of(result["data"])
    opened = open_sealed(decode_request(request.encoded), request.public_key)
    assert opened.respond(decision) == response


def test_receipts() -> None:
    told = VECTORS["receipt"]
    invite = decode_invite(bytes.fromhex(REQUESTS[0]["invite"]))
    public_key = invite.key_pair.public_key
    receipt = bytes.fromhex(told["receipt"])
    user_data = bytes.fromhex(told["verifiedUserData"])
    assert invite_id(public_key).hex() == told["id"]
    assert verify_receipt(receipt, public_key) == user_data
    assert create_receipt(invite, user_data) == receipt
    other = KeyPair.from_seed(b"\1" * 32).public_key
    assert verify_receipt(receipt, other) is None


def test_a_session_of_ones_own() -> None:
    told = VECTORS["differentSession"]
    invite = decode_invite(bytes.fromhex(REQUESTS[0]["invite"]))
    user_data = bytes.fromhex(REQUESTS[0]["userData"])
    request = CandidateRequest(
        invite, user_data, session=bytes.fromhex(told["session"])
    )
    assert request.encoded.hex() == told["request"]
    assert request.id.hex() == told["requestId"]
    opened = open_sealed(decode_request(request.encoded), request.public_key)
    assert not opened.is_derived


def test_an_invite_hides_its_seed_from_logs() -> None:
    invite = Invite(b"\x22" * 32)
    assert "22" not in repr(invite).replace("Invite(", "")
    assert "\\x10" not in repr(Admission(KEY, KEY))
