"""Every body of a HyperDHT message against the published vectors, both directions."""

from __future__ import annotations

from typing import Any

import pytest

from net.crypto import KeyPair, blake2b_256, discovery_key, namespace
from net.dht import constants
from net.dht.constants import MAX_PAYLOAD_ADDRESSES
from net.dht.handshake import PayloadBox
from net.dht.messages import (
    Announcement,
    DhtAddress,
    HandshakeMessage,
    HolepunchInfo,
    HolepunchMessage,
    HolepunchPayload,
    LookupReply,
    MutablePut,
    MutableValue,
    NoisePayload,
    PeerRecord,
    PluginRequest,
    RelayInfo,
    RelayThroughInfo,
    UdxInfo,
    encode_lookup_reply,
)
from net.dht.records import (
    announcement_signable,
    mutable_signable,
    sign_mutable,
    signed_announcement,
    signed_unannouncement,
    verify_announcement,
    verify_mutable,
)
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from tests.helpers.vectors import load_vectors

CASES = load_vectors("hyperdht-messages")["cases"]
KINDS = {case["kind"] for case in CASES}


def cases(kind: str) -> Any:
    found = [case for case in CASES if case["kind"] == kind]
    assert found, kind
    return pytest.mark.parametrize(
        "case", found, ids=[c.get("note", str(n)) for n, c in enumerate(found)]
    )


def raw(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def address(value: Any) -> tuple[str, int] | None:
    return None if value is None else (value["host"], value["port"])


def addresses(value: Any) -> tuple[tuple[str, int], ...]:
    return tuple((a["host"], a["port"]) for a in value or ())


def peer(value: Any) -> PeerRecord:
    key = bytes.fromhex(value["publicKey"])
    return PeerRecord(key, addresses(value["relayAddresses"]))


def noise_payload(value: Any) -> NoisePayload:
    punch, udx, through = value["holepunch"], value["udx"], value["relayThrough"]
    relays = value.get("relayAddresses")
    return NoisePayload(
        version=value.get("version", 1),
        error=value["error"],
        firewall=value["firewall"],
        holepunch=None
        if punch is None
        else HolepunchInfo(
            punch["id"],
            tuple(
                RelayInfo(*addresses([r["relayAddress"], r["peerAddress"]]))
                for r in punch["relays"]
            ),
        ),
        addresses4=addresses(value["addresses4"]),
        addresses6=addresses(value["addresses6"]),
        udx=None
        if udx is None
        else UdxInfo(udx["id"], udx["reusableSocket"], udx["seq"]),
        secret_stream_version=None if value["secretStream"] is None else 1,
        relay_through=None
        if through is None
        else RelayThroughInfo(
            bytes.fromhex(through["publicKey"]), bytes.fromhex(through["token"])
        ),
        relay_addresses=None if relays is None else addresses(relays),
    )


def holepunch_payload(value: Any) -> HolepunchPayload:
    listed = value["addresses"]
    return HolepunchPayload(
        error=value["error"],
        firewall=value["firewall"],
        round=value["round"],
        connected=value["connected"],
        punching=value["punching"],
        addresses=None if listed is None else addresses(listed),
        remote_address=address(value["remoteAddress"]),
        token=raw(value["token"]),
        remote_token=raw(value["remoteToken"]),
    )


def test_no_kind_of_vector_is_left_out() -> None:
    assert {
        "namespace",
        "keypair",
        "discoveryKey",
        "peer_handshake",
        "peer_holepunch",
        "noise_payload",
        "holepunch_payload",
        "holepunch_payload_box",
        "holepunch_token",
        "peer",
        "lookup_reply",
        "announce",
        "unannounce",
        "announce_refresh_only",
        "mutable",
        "immutable",
        "plugin_request",
        "hyperdht_address",
    } == KINDS


@cases("namespace")
def test_namespaces(case: Any) -> None:
    value = bytes.fromhex(case["value"])
    assert namespace(case["base"], case["byte"]) == value
    if case["base"] == "hyperswarm/dht":
        assert getattr(constants, "NS_" + case["name"]) == value


@cases("keypair")
def test_key_pairs_and_targets(case: Any) -> None:
    pair = KeyPair.from_seed(bytes.fromhex(case["seed"]))
    assert pair.public_key.hex() == case["publicKey"]
    assert blake2b_256(pair.public_key).hex() == case["peer_target"]


@cases("discoveryKey")
def test_discovery_keys(case: Any) -> None:
    assert discovery_key(bytes.fromhex(case["key"])).hex() == case["value"]


@cases("peer_handshake")
def test_handshake_messages(case: Any) -> None:
    value = case["value"]
    message = HandshakeMessage(
        value["mode"],
        bytes.fromhex(value["noise"]),
        address(value["peerAddress"]),
        address(value["relayAddress"]),
    )
    assert message.encode().hex() == case["encoded"]
    assert HandshakeMessage.decode(bytes.fromhex(case["encoded"])) == message


@cases("peer_holepunch")
def test_holepunch_messages(case: Any) -> None:
    value = case["value"]
    message = HolepunchMessage(
        value["mode"],
        value["id"],
        bytes.fromhex(value["payload"]),
        address(value["peerAddress"]),
    )
    assert message.encode().hex() == case["encoded"]
    assert HolepunchMessage.decode(bytes.fromhex(case["encoded"])) == message


@cases("noise_payload")
def test_noise_payloads(case: Any) -> None:
    assert NoisePayload.decode(bytes.fromhex(case["encoded"])) == noise_payload(
        case["decoded"]
    )
    if "value" in case:
        assert noise_payload(case["value"]).encode().hex() == case["encoded"]


@cases("holepunch_payload")
def test_holepunch_payloads(case: Any) -> None:
    payload = holepunch_payload(case["value"])
    assert payload.encode().hex() == case["encoded"]
    assert HolepunchPayload.decode(bytes.fromhex(case["encoded"])) == payload


@cases("holepunch_payload_box")
def test_holepunch_boxes(case: Any) -> None:
    nonce = bytes.fromhex(case["nonce"])
    drawn = iter([bytes(32), nonce])
    box = PayloadBox(
        bytes.fromhex(case["holepunchSecret"]), entropy=lambda size: next(drawn)[:size]
    )
    payload = HolepunchPayload.decode(bytes.fromhex(case["plain"]))
    assert box.seal(payload).hex() == case["box"]
    assert box.open(bytes.fromhex(case["box"])) == payload


@cases("holepunch_token")
def test_holepunch_tokens(case: Any) -> None:
    secret = bytes.fromhex(case["localSecret"])
    box = PayloadBox(bytes(32), entropy=lambda size: secret[:size])
    assert box.token((case["host"], 1)).hex() == case["token"]
    assert box.token((case["host"], 2)).hex() == case["token"]


@cases("peer")
def test_peer_records(case: Any) -> None:
    record = peer(case["value"])
    assert record.encode().hex() == case["encoded"]
    assert PeerRecord.decode(bytes.fromhex(case["encoded"])) == record


@cases("lookup_reply")
def test_lookup_replies(case: Any) -> None:
    decoded = LookupReply.decode(bytes.fromhex(case["encoded"]))
    assert decoded.peers == tuple(peer(p) for p in case["decoded"]["peers"])
    assert decoded.bump == case["decoded"]["bump"]
    if "peers" in case:
        records = [bytes.fromhex(p) for p in case["peers"]]
        assert encode_lookup_reply(records, case["bump"]).hex() == case["encoded"]


@cases("announce")
def test_announcements(case: Any) -> None:
    pair = KeyPair.from_seed(bytes.fromhex(case["seed"]))
    where = {
        "target": bytes.fromhex(case["target"]),
        "node_id": bytes.fromhex(case["node_id"]),
        "token": bytes.fromhex(case["token"]),
    }
    record = peer(case["peer"])
    assert record.encode().hex() == case["peer_encoded"]
    refresh = raw(case["refresh"])
    signable = announcement_signable(
        constants.NS_ANNOUNCE, **where, peer=record, refresh=refresh
    )
    assert signable.hex() == case["signable"]
    announcement = Announcement.decode(bytes.fromhex(case["encoded"]))
    assert announcement == Announcement(
        record, refresh, bytes.fromhex(case["signature"]), case["bump"]
    )
    assert announcement.encode().hex() == case["encoded"]
    assert verify_announcement(announcement, constants.NS_ANNOUNCE, **where)
    assert not verify_announcement(announcement, constants.NS_UNANNOUNCE, **where)
    other_node = {**where, "node_id": bytes(32)}
    assert not verify_announcement(announcement, constants.NS_ANNOUNCE, **other_node)
    if refresh is None:
        ours = signed_announcement(
            pair, **where, relay_addresses=record.relay_addresses, bump=case["bump"]
        )
        assert ours.hex() == case["encoded"]


@cases("unannounce")
def test_unannouncements(case: Any) -> None:
    pair = KeyPair.from_seed(bytes.fromhex(case["seed"]))
    where = {
        "target": bytes.fromhex(case["target"]),
        "node_id": bytes.fromhex(case["node_id"]),
        "token": bytes.fromhex(case["token"]),
    }
    assert signed_unannouncement(pair, **where).hex() == case["encoded"]
    announcement = Announcement.decode(bytes.fromhex(case["encoded"]))
    assert verify_announcement(announcement, constants.NS_UNANNOUNCE, **where)
    assert not verify_announcement(announcement, constants.NS_ANNOUNCE, **where)


@cases("announce_refresh_only")
def test_refreshes_alone(case: Any) -> None:
    announcement = Announcement.decode(bytes.fromhex(case["encoded"]))
    assert announcement.peer is None
    assert announcement.refresh is not None
    assert blake2b_256(announcement.refresh).hex() == case["stored_key"]
    assert announcement.encode().hex() == case["encoded"]


@cases("mutable")
def test_mutable_records(case: Any) -> None:
    pair = KeyPair.from_seed(bytes.fromhex(case["seed"]))
    seq, value = case["seq"], bytes.fromhex(case["value"])
    assert mutable_signable(seq, value).hex() == case["signable"]
    signature = sign_mutable(pair, seq, value)
    assert signature.hex() == case["signature"]
    assert verify_mutable(pair.public_key, seq, value, signature)
    assert not verify_mutable(pair.public_key, seq + 1, value, signature)
    put = MutablePut(pair.public_key, seq, value, signature)
    assert put.encode().hex() == case["put_request"]
    assert MutablePut.decode(bytes.fromhex(case["put_request"])) == put
    stored = MutableValue(seq, value, signature)
    assert stored.encode().hex() == case["get_response"]
    assert MutableValue.decode(bytes.fromhex(case["get_response"])) == stored
    assert Writer().uint(seq).finish().hex() == case["get_request_value"]
    assert Reader(bytes.fromhex(case["get_request_value"])).uint() == seq


@cases("immutable")
def test_immutable_targets(case: Any) -> None:
    assert blake2b_256(bytes.fromhex(case["value"])).hex() == case["target"]


@cases("plugin_request")
def test_plugin_requests(case: Any) -> None:
    value = case["value"]
    request = PluginRequest(
        value["plugin"], value["version"], value["command"], raw(value["value"])
    )
    assert request.encode().hex() == case["encoded"]
    assert PluginRequest.decode(bytes.fromhex(case["encoded"])) == request


@cases("hyperdht_address")
def test_addresses_for_people(case: Any) -> None:
    nodes = None if case["nodes"] is None else addresses(case["nodes"])
    value = DhtAddress(bytes.fromhex(case["key"]), nodes)
    assert value.encode().hex() == case["encoded"]
    assert DhtAddress.decode(bytes.fromhex(case["encoded"])) == value
    assert DhtAddress.decode(value.public_key) == DhtAddress(value.public_key)


def test_too_many_addresses_are_refused() -> None:
    allowed = PeerRecord(bytes(32), (("1.2.3.4", 5),) * MAX_PAYLOAD_ADDRESSES)
    assert PeerRecord.decode(allowed.encode()) == allowed
    more = PeerRecord(bytes(32), (("1.2.3.4", 5),) * (MAX_PAYLOAD_ADDRESSES + 1))
    with pytest.raises(RemoteProtocolError) as refusal:
        PeerRecord.decode(more.encode())
    assert refusal.value.code == "too-large"


def test_stream_ids_of_more_than_32_bits_are_refused() -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        NoisePayload.decode(NoisePayload(udx=UdxInfo(1 << 32)).encode())
    assert refusal.value.code == "too-large"
