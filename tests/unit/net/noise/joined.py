"""Two sides of a handshake and of a stream, from seeds, joined by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from net.crypto import KeyPair
from net.noise import Handshake, HandshakeResult, SecretStream

INITIATOR = KeyPair.from_seed(b"\1" * 32)
RESPONDER = KeyPair.from_seed(b"\2" * 32)


def entropy(seed: str) -> Callable[[int], bytes]:
    """Bytes that depend on a seed alone."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed}/{count}".encode()).digest(size)

    return draw


def handshakes(
    pattern: str, *, prologue: bytes = b"", psk: bytes | None = None
) -> tuple[Handshake, Handshake]:
    """Both sides, before the first message."""
    static = not pattern.startswith("NN")
    known = pattern in ("IK", "XK")
    return (
        Handshake(
            pattern,
            initiator=True,
            static=INITIATOR if static else None,
            remote_public_key=RESPONDER.public_key if known else None,
            ephemeral=KeyPair.from_seed(b"\3" * 32),
            prologue=prologue,
            psk=psk,
        ),
        Handshake(
            pattern,
            initiator=False,
            static=RESPONDER if static else None,
            ephemeral=KeyPair.from_seed(b"\4" * 32),
            prologue=prologue,
            psk=psk,
        ),
    )


def shake(initiator: Handshake, responder: Handshake) -> list[bytes]:
    """Carry the messages until both sides are done; returns them."""
    messages = []
    sender, receiver = initiator, responder
    while sender.my_turn:
        messages.append(sender.send())
        receiver.receive(messages[-1])
        sender, receiver = receiver, sender
    return messages


def results(pattern: str = "IK") -> tuple[HandshakeResult, HandshakeResult]:
    """What both sides agreed on."""
    initiator, responder = handshakes(pattern)
    shake(initiator, responder)
    assert initiator.result is not None
    assert responder.result is not None
    return initiator.result, responder.result


def streams(
    *, keep_alive_s: float | None = None, filter_empty: bool = False
) -> tuple[SecretStream, SecretStream]:
    """Two streams that have each other's header."""
    agreed = results()
    a, b = (
        SecretStream(
            result,
            entropy=entropy(f"stream of {result.is_initiator}"),
            keep_alive_s=keep_alive_s,
            filter_empty=filter_empty,
        )
        for result in agreed
    )
    assert carry(a, b) == carry(b, a) == []
    return a, b


def carry(
    sender: SecretStream,
    receiver: SecretStream,
    *,
    piece_bytes: int | None = None,
    now: float = 0.0,
) -> list[bytes]:
    """Move what waits from one to the other, whole or in pieces."""
    messages: list[bytes] = []
    data = b"".join(sender.data_to_send())
    for piece in pieces(data, piece_bytes or max(1, len(data))):
        messages += receiver.receive_data(piece, now)
    return messages


def pieces(data: bytes, piece_bytes: int) -> Iterable[bytes]:
    """``data`` cut every so many bytes."""
    return (data[i : i + piece_bytes] for i in range(0, len(data), piece_bytes))
