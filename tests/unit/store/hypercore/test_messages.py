from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore import messages
from store.hypercore.manifest import decode_manifest, encode_manifest
from store.hypercore.messages import (
    BitfieldUpdate,
    ChannelHandshake,
    ExtensionMessage,
    MessageKind,
    NoData,
    RangeUpdate,
    Sync,
    Want,
    WireData,
    WireRequest,
    decode_data,
    decode_request,
    encode_data,
    encode_request,
)
from store.hypercore.records import (
    BlockProof,
    BlockRequest,
    HashProof,
    Node,
    Proof,
    Request,
    SeekProof,
    SeekRequest,
    UpgradeProof,
    UpgradeRequest,
)
from tests.helpers.vectors import load_vectors

VECTORS = load_vectors("hypercore-messages")
MANIFESTS = {
    case["manifest"]["signers"][0]["publicKey"]: case["encoded"]
    for case in load_vectors("hypercore-manifests")["cases"]
    if case["name"].startswith("v1 single signer default")
}
Codec = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]
CODECS: dict[str, Codec] = {
    "handshake": (messages.encode_handshake, messages.decode_handshake),
    "sync": (messages.encode_sync, messages.decode_sync),
    "request": (encode_request, decode_request),
    "cancel": (messages.encode_cancel, messages.decode_cancel),
    "data": (encode_data, decode_data),
    "noData": (messages.encode_no_data, messages.decode_no_data),
    "want": (messages.encode_want, messages.decode_want),
    "unwant": (messages.encode_want, messages.decode_want),
    "bitfield": (messages.encode_bitfield, messages.decode_bitfield),
    "range": (messages.encode_range, messages.decode_range),
    "extension": (messages.encode_extension, messages.decode_extension),
}
CASES = [case for case in VECTORS["cases"] if case["messageType"] != "unused"]


def _nodes(told: list[dict[str, Any]]) -> list[Node]:
    return [
        Node(each["index"], each["size"], bytes.fromhex(each["hash"])) for each in told
    ]


def _request(told: dict[str, Any]) -> WireRequest:
    request = Request(
        told["fork"],
        told["block"] and BlockRequest(**told["block"]),
        told["hash"] and BlockRequest(**told["hash"]),
        told["seek"] and SeekRequest(**told["seek"]),
        told["upgrade"] and UpgradeRequest(**told["upgrade"]),
        told["manifest"],
    )
    return WireRequest(told["id"], request, told["priority"])


def _data(told: dict[str, Any]) -> WireData:
    block, hash_, seek = told["block"], told["hash"], told["seek"]
    upgrade, manifest = told["upgrade"], told["manifest"]
    proof = Proof(
        told["fork"],
        block
        and BlockProof(
            block["index"], bytes.fromhex(block["value"]), _nodes(block["nodes"])
        ),
        hash_ and HashProof(hash_["index"], _nodes(hash_["nodes"])),
        seek and SeekProof(seek["bytes"], _nodes(seek["nodes"])),
        upgrade
        and UpgradeProof(
            upgrade["start"],
            upgrade["length"],
            _nodes(upgrade["nodes"]),
            _nodes(upgrade["additionalNodes"]),
            bytes.fromhex(upgrade["signature"] or ""),
        ),
        manifest and bytes.fromhex(MANIFESTS[manifest["signers"][0]["publicKey"]]),
    )
    return WireData(told["request"], proof)


def _value(name: str, told: dict[str, Any]) -> Any:
    if name == "handshake":
        return ChannelHandshake(bytes.fromhex(told["capability"]), told["seeks"])
    if name == "sync":
        return Sync(
            told["fork"],
            told["length"],
            told["remoteLength"],
            told["canUpgrade"],
            told["uploading"],
            told["downloading"],
            told["hasManifest"],
            told["allowPush"],
        )
    if name == "bitfield":
        words = [word.to_bytes(4, "little") for word in told["bitfield"]]
        return BitfieldUpdate(told["start"], b"".join(words))
    if name == "extension":
        return ExtensionMessage(told["name"], bytes.fromhex(told["message"]))
    makers: dict[str, Callable[[], Any]] = {
        "request": lambda: _request(told),
        "cancel": lambda: told["request"],
        "data": lambda: _data(told),
        "noData": lambda: NoData(told["request"], told["reason"]),
        "want": lambda: Want(told["start"], told["length"], told["any"]),
        "unwant": lambda: Want(told["start"], told["length"], told["any"]),
        "range": lambda: RangeUpdate(told["start"], told["length"], told["drop"]),
    }
    return makers[name]()


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case['name']}-{at}" for at, case in enumerate(CASES)]
)
def test_vectors(case: dict[str, Any]) -> None:
    name = case["name"]
    encode, decode = CODECS[name]
    encoded = bytes.fromhex(case["encoded"])
    value = _value(name, case["message"])
    assert encode(value) == encoded
    assert decode(encoded) == value
    if name != "extension":
        assert decode(encoded + b"\0\0") == value
    if isinstance(case["messageType"], int):
        kind = MessageKind(case["messageType"])
        assert kind.name == name.upper().replace("NODATA", "NO_DATA")


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case['name']}-{at}" for at, case in enumerate(CASES)]
)
def test_what_is_cut_off_is_refused(case: dict[str, Any]) -> None:
    _, decode = CODECS[case["name"]]
    encoded = bytes.fromhex(case["encoded"])
    shorter_is_whole = case["name"] in ("noData", "want", "unwant", "extension")
    for size in range(len(encoded)):
        try:
            decode(encoded[:size])
        except RemoteProtocolError:
            continue
        assert shorter_is_whole, size


def test_every_message_has_vectors() -> None:
    assert {case["messageType"] for case in CASES} == {"handshake", *MessageKind}


def test_old_forms_are_understood() -> None:
    for case in VECTORS["decodeTolerance"]:
        value = CODECS[case["name"]][1](bytes.fromhex(case["encoded"]))
        assert value == _value(case["name"], case["decoded"])


SIZES = (0, 1, 252, 253, 0xFFFF, 0x10000, 0xFFFFFFFF, 0x100000000, 2**53 - 1)


@pytest.mark.parametrize("number", SIZES)
def test_integers_of_every_width(number: int) -> None:
    request = WireRequest(number, Request(number, BlockRequest(number, number)))
    assert decode_request(encode_request(request)) == request
    nodes = [Node(number, number, bytes(range(32)))] * 2
    block = BlockProof(number, b"some bytes", nodes)
    data = WireData(number, Proof(number, block))
    encoded = encode_data(data)
    assert decode_data(encoded) == data
    for size in range(len(encoded)):
        with pytest.raises(RemoteProtocolError):
            decode_data(encoded[:size])


def test_integers_may_be_longer_than_needed() -> None:
    told = bytes.fromhex("01fd0500fe00000000ff0700000000000000fd0200")
    assert decode_request(told) == WireRequest(5, Request(0, BlockRequest(7, 2)))
    told = bytes.fromhex("fd01000500fd0700fe01000000aafd0000")
    assert decode_data(told) == WireData(5, Proof(0, BlockProof(7, b"\xaa", [])))


@pytest.mark.parametrize("decode", [decode_request, decode_data])
def test_unsafe_integers_are_refused(decode: Callable[[bytes], Any]) -> None:
    unsafe = b"\xff" + (2**53).to_bytes(8, "little")
    for told in (unsafe, b"\1\0\0" + unsafe, b"\1\0\0\0" + unsafe):
        with pytest.raises(RemoteProtocolError) as caught:
            decode(told)
        assert caught.value.code == "too-large"


def test_limits_are_checked_before_anything_is_made() -> None:
    nodes = [Node(0, 0, bytes(32))] * messages.MAX_PROOF_NODES
    encoded = messages.encode_nodes(nodes)
    assert messages.decode_nodes(encoded) == nodes
    too_many = messages.encode_nodes([*nodes, nodes[0]])
    words = bytes(4 * messages.MAX_BITFIELD_WORDS)
    full = messages.encode_bitfield(BitfieldUpdate(32, words))
    assert messages.decode_bitfield(full).bits == words
    for decode, told in (
        (messages.decode_nodes, too_many),
        (decode_data, b"\2\0\0\0" + too_many),
        (decode_data, b"\1\0\0\0\0" + too_many),
        (decode_data, b"\x08\0\0\0\0\0\0\xfe\0\0\0\1"),
        (messages.decode_bitfield, b"\0\xfe\1\0\1\0"),
        (messages.decode_extension, b"\xfd\1\1" + bytes(300)),
        (messages.decode_range, b"\0\1\xff" + (2**53 - 1).to_bytes(8, "little")),
        (messages.decode_want, b"\1\xff" + (2**53 - 1).to_bytes(8, "little")),
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            decode(told)
        assert caught.value.code == "too-large"


def test_other_refusals() -> None:
    for decode, told in (
        (messages.decode_bitfield, b"\7\0"),
        (messages.decode_extension, b"\1\xff"),
        (decode_data, b"\x10\0\0\4"),
        (messages.decode_nodes, b""),
        (messages.decode_nodes, b"\1\0\0"),
    ):
        with pytest.raises(RemoteProtocolError):
            decode(told)


def test_what_we_must_not_send() -> None:
    large = bytes(messages.MAX_MESSAGE_BYTES)
    wrong: list[tuple[Callable[[Any], bytes], Any]] = [
        (encode_data, WireData(1, Proof(0, BlockProof(0, large, [])))),
        (messages.encode_bitfield, BitfieldUpdate(0, b"odd")),
        (messages.encode_bitfield, BitfieldUpdate(0, bytes(4 * 65537))),
        (messages.encode_extension, ExtensionMessage("n" * 257, b"")),
        (messages.encode_handshake, ChannelHandshake(b"short")),
        (messages.encode_cancel, -1),
        (messages.encode_cancel, 2**53),
    ]
    for encode, value in wrong:
        with pytest.raises(LocalProtocolError):
            encode(value)


def test_a_priority_beyond_all_is_the_highest() -> None:
    wire_request = decode_request(b"\x20\1\0\xfd\0\1")
    assert wire_request.priority == messages.MAX_PRIORITY


def test_a_manifest_is_the_same_bytes_however_it_was_written() -> None:
    plain = bytes.fromhex(next(iter(MANIFESTS.values())))
    longer = b"\xfd\1\0" + plain[1:]
    for told in (plain, longer):
        proof = decode_data(b"\x10\1\0" + told + b"what may come one day").proof
        assert proof.manifest == plain
    assert encode_manifest(decode_manifest(longer)) == plain
