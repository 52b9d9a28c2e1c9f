"""Handshakes against npm's bytes, and what each side must refuse."""

from __future__ import annotations

from typing import Any

import pytest

from net.crypto import KeyPair, blake2b_256
from net.errors import LocalProtocolError, RemoteProtocolError
from net.noise import Handshake
from net.noise.cipher import SymmetricState
from net.noise.handshake import PATTERNS
from net.noise.secret_stream import stream_id
from tests.helpers.vectors import load_vectors
from tests.unit.net.noise.joined import INITIATOR, RESPONDER, handshakes, shake

CASES: list[dict[str, Any]] = load_vectors("noise-handshake")["cases"]
WITH_PAYLOADS = [case for case in CASES if "payload1" in case]
WITHOUT_PAYLOADS = [case for case in CASES if "messages" in case]
PEER_HOLEPUNCH = bytes.fromhex(
    "f1191cd5e67b10b54a507033280ed1ff0e12278268d5679c8f93d417210d168b"
)
PSK = b"p" * 32


def key(case: dict[str, Any], name: str) -> KeyPair:
    pair = KeyPair.from_seed(bytes.fromhex(case[f"{name}_seed"]))
    assert pair.public_key.hex() == case[f"{name}_public"]
    return pair


@pytest.mark.parametrize("case", WITH_PAYLOADS, ids=lambda case: case["desc"])
def test_ik_with_payloads(case: dict[str, Any]) -> None:
    prologue = bytes.fromhex(case["prologue"])
    responder_static = key(case, "responder_static")
    initiator = Handshake(
        "IK",
        initiator=True,
        static=key(case, "initiator_static"),
        remote_public_key=responder_static.public_key,
        ephemeral=key(case, "initiator_ephemeral"),
        prologue=prologue,
    )
    responder = Handshake(
        "IK",
        initiator=False,
        static=responder_static,
        ephemeral=key(case, "responder_ephemeral"),
        prologue=prologue,
    )
    first = initiator.send(bytes.fromhex(case["payload1"]))
    assert first.hex() == case["message1"]
    assert responder.receive(first).hex() == case["payload1"]
    assert responder.remote_public_key == key(case, "initiator_static").public_key
    assert not responder.complete
    second = responder.send(bytes.fromhex(case["payload2"]))
    assert second.hex() == case["message2"]
    assert initiator.receive(second).hex() == case["payload2"]
    check_results(case, initiator, responder)


def check_results(
    case: dict[str, Any], initiator: Handshake, responder: Handshake
) -> None:
    a, b = initiator.result, responder.result
    assert a is not None
    assert b is not None
    assert a.handshake_hash.hex() == b.handshake_hash.hex() == case["handshake_hash"]
    assert a.tx.hex() == b.rx.hex() == case["initiator_tx"]
    assert a.rx.hex() == b.tx.hex() == case["initiator_rx"]
    assert (a.is_initiator, b.is_initiator) == (True, False)
    assert a.local_public_key == b.remote_public_key
    assert a.remote_public_key == b.local_public_key
    if "holepunch_secret" in case:
        secret = blake2b_256(PEER_HOLEPUNCH, key=a.handshake_hash)
        assert secret.hex() == case["holepunch_secret"]
        for side, result in (("initiator", a), ("responder", b)):
            own_id = stream_id(result.handshake_hash, is_initiator=result.is_initiator)
            assert own_id.hex() == case[f"{side}_stream_id"]


@pytest.mark.parametrize("case", WITHOUT_PAYLOADS, ids=lambda case: case["pattern"])
def test_patterns(case: dict[str, Any]) -> None:
    initiator, responder = handshakes(case["pattern"])
    messages = shake(initiator, responder)
    assert [message.hex() for message in messages] == case["messages"]
    check_results(case, initiator, responder)


@pytest.mark.parametrize("pattern", ["NNpsk0", "XXpsk0"])
def test_a_shared_secret_is_part_of_the_keys(pattern: str) -> None:
    initiator, responder = handshakes(pattern, psk=PSK)
    shake(initiator, responder)
    assert initiator.result is not None
    assert responder.result is not None
    assert initiator.result.tx == responder.result.rx
    initiator, _ = handshakes(pattern, psk=PSK)
    _, stranger = handshakes(pattern, psk=b"q" * 32)
    with pytest.raises(RemoteProtocolError):
        stranger.receive(initiator.send())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_byte_of_every_message_counts(pattern: str) -> None:
    """A changed byte is noticed at once or leaves the two sides with other keys."""
    rounds = len(PATTERNS[pattern].messages)
    for turn in range(rounds):
        length = 0
        position = 0
        while position <= length:
            sender, receiver = handshakes(pattern, psk=PSK)
            for _ in range(turn):
                receiver.receive(sender.send(b"payload"))
                sender, receiver = receiver, sender
            message = bytearray(sender.send(b"payload"))
            length = len(message) - 1
            message[position] ^= 0x20
            assert not agree(sender, receiver, bytes(message))
            # Keys and tags have many bytes that behave alike; walk with a stride.
            position += 7


def agree(sender: Handshake, receiver: Handshake, message: bytes) -> bool:
    try:
        receiver.receive(message)
        shake(receiver, sender)
    except RemoteProtocolError:
        return False
    if sender.result is None or receiver.result is None:
        return False
    return sender.result.tx == receiver.result.rx


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_cut_is_refused(pattern: str) -> None:
    initiator, _ = handshakes(pattern, psk=PSK)
    message = initiator.send(b"")
    for cut in range(len(message)):
        _, responder = handshakes(pattern, psk=PSK)
        with pytest.raises(RemoteProtocolError):
            responder.receive(message[:cut])
        with pytest.raises(LocalProtocolError):
            responder.receive(message)
        assert not responder.my_turn


def test_both_must_mean_the_same_prologue() -> None:
    initiator, _ = handshakes("IK", prologue=b"a")
    _, responder = handshakes("IK", prologue=b"b")
    with pytest.raises(RemoteProtocolError):
        responder.receive(initiator.send())


def test_turns_are_kept() -> None:
    initiator, responder = handshakes("XX")
    with pytest.raises(LocalProtocolError):
        responder.send()
    with pytest.raises(LocalProtocolError):
        initiator.receive(b"")
    shake(initiator, responder)
    assert initiator.is_initiator
    for side in (initiator, responder):
        assert side.complete
        with pytest.raises(LocalProtocolError):
            side.send()
        with pytest.raises(LocalProtocolError):
            side.receive(b"")


def test_what_is_needed_is_asked_for() -> None:
    ephemeral = KeyPair.from_seed(b"\3" * 32)
    with pytest.raises(LocalProtocolError):
        Handshake("KK", initiator=True, static=INITIATOR, ephemeral=ephemeral)
    with pytest.raises(LocalProtocolError):
        Handshake("XX", initiator=True, ephemeral=ephemeral)
    for remote in (None, RESPONDER.public_key[:-1]):
        with pytest.raises(LocalProtocolError):
            Handshake(
                "IK",
                initiator=True,
                static=INITIATOR,
                remote_public_key=remote,
                ephemeral=ephemeral,
            )
    for psk in (None, b"short"):
        with pytest.raises(LocalProtocolError):
            Handshake("NNpsk0", initiator=True, ephemeral=ephemeral, psk=psk)


def test_payloads_have_a_limit() -> None:
    initiator, responder = handshakes("IK")
    responder.receive(initiator.send(bytes(65535 - 16)))
    initiator, _ = handshakes("IK")
    with pytest.raises(LocalProtocolError):
        initiator.send(bytes(65536 - 16))
    _, responder = handshakes("NN")
    with pytest.raises(RemoteProtocolError):
        responder.receive(INITIATOR.public_key + bytes(65536))


def test_a_long_protocol_name_is_hashed() -> None:
    assert SymmetricState(b"n" * 64).hash == b"n" * 64
    assert SymmetricState(b"n" * 65).hash != b"n" * 64
    assert len(SymmetricState(b"n" * 65).hash) == 64
