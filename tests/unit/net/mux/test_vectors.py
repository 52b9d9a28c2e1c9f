"""The frames that two npm peers exchanged, byte for byte, by two of ours."""

from __future__ import annotations

from typing import Any

from net.encoding import Reader, Writer
from net.mux import Channel, Mux
from tests.helpers.vectors import load_vectors

CASES: list[dict[str, Any]] = load_vectors("protomux")["cases"]
ID = bytes.fromhex("aabb")


def frames(case: int, side: str) -> list[bytes]:
    return [bytes.fromhex(frame) for frame in CASES[case][side]]


def text(value: str) -> bytes:
    return Writer().string(value).finish()


class Pair:
    """Two muxes joined by hand; what their handlers saw is in ``events``."""

    def __init__(self) -> None:
        self.a = Mux()
        self.b = Mux()
        self.events: list[tuple[str, object]] = []

    def open(self, name: str, mux: Mux, handshake: str) -> Channel:
        def on_text(message: bytes) -> None:
            self.events.append((f"{name}0", Reader(message).string()))

        def on_uint(message: bytes) -> None:
            self.events.append((f"{name}1", Reader(message).uint()))

        def on_open(data: bytes) -> None:
            self.events.append((f"{name} open", Reader(data).string()))

        def on_close() -> None:
            self.events.append((f"{name} close", None))

        return mux.create_channel(
            "proto/1",
            ID,
            handshake=text(handshake),
            messages=[on_text, on_uint],
            on_open=on_open,
            on_close=on_close,
        )

    def check(self, case: int) -> None:
        """Both sides write exactly what the vector holds, and receive it."""
        a_writes = self.a.frames_to_send()
        assert a_writes == frames(case, "a_writes")
        for frame in a_writes:
            self.b.receive_frame(frame)
        b_writes = self.b.frames_to_send()
        assert b_writes == frames(case, "b_writes")
        for frame in b_writes:
            self.a.receive_frame(frame)


def test_session_of_two_peers() -> None:
    pair = Pair()
    a = pair.open("a", pair.a, "hi")
    b = pair.open("b", pair.b, "yo")
    pair.check(0)
    a.send(0, text("one"))
    a.send(1, Writer().uint(300).finish())
    b.send(0, text("back"))
    pair.check(1)
    with_batch(pair, a)
    second_channel(pair, a)
    pair.a.create_channel("nope")
    pair.check(4)
    a.close()
    pair.check(5)
    pair.open("a", pair.a, "again")
    pair.open("b", pair.b, "yo")
    pair.check(6)
    # The recording ends before a's side of the second opening is reported, and the
    # order between the two sides depends on their scheduling.
    seen = pair.events[: pair.events.index(("b open", "again")) + 1]
    assert sorted(seen, key=repr) == expected_events()


def with_batch(pair: Pair, a: Channel) -> None:
    a.cork()
    a.send(0, text("x"))
    a.send(0, text("y"))
    a.send(1, Writer().uint(7).finish())
    assert pair.a.frames_to_send() == []
    a.uncork()
    pair.check(2)


def second_channel(pair: Pair, a: Channel) -> None:
    def answer(_: bytes) -> None:
        pair.b.create_channel(
            "second",
            messages=[lambda message: pair.events.append(("b second", message.hex()))],
        )

    pair.b.pair("second", None, answer)
    a.cork()
    a.send(0, text("m"))
    pair.a.create_channel("second", messages=[None]).send(0, b"raw")
    a.uncork()
    pair.check(3)


def expected_events() -> list[tuple[str, object]]:
    recorded: list[list[Any]] = load_vectors("protomux")["events"]
    events = [(row[0], row[1] if len(row) > 1 else None) for row in recorded]
    return sorted(events, key=repr)
