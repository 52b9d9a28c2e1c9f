"""Two muxes joined by a perfect wire."""

from __future__ import annotations

from net.encoding import Writer
from net.mux import Channel, Mux


class Wire:
    """Moves frames between two muxes and keeps what it moved."""

    def __init__(self) -> None:
        self.a = Mux()
        self.b = Mux()
        self.from_a: list[bytes] = []
        self.from_b: list[bytes] = []

    def run(self) -> None:
        """Carry frames in both directions until both are silent."""
        while self.step(self.a, self.b, self.from_a) | self.step(
            self.b, self.a, self.from_b
        ):
            pass

    def step(self, sender: Mux, receiver: Mux, log: list[bytes]) -> bool:
        """Carry what one side has; True if that was something."""
        frames = sender.frames_to_send()
        log += frames
        for frame in frames:
            receiver.receive_frame(frame)
        return bool(frames)


class Recorder:
    """Keeps what one channel reports."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def open(self, mux: Mux, protocol: str, channel_id: bytes = b"") -> Channel:
        """Open a channel with three message types that reports here."""
        return mux.create_channel(
            protocol,
            channel_id,
            messages=[self.message(0), self.message(1), None],
            handshake=b"hello",
            on_open=lambda handshake: self.events.append(("open", handshake)),
            on_close=lambda: self.events.append(("close", None)),
            on_drain=lambda: self.events.append(("drain", None)),
        )

    def message(self, kind: int):  # type: ignore[no-untyped-def]
        return lambda data: self.events.append((f"message {kind}", data))


def frame(*numbers: int) -> bytes:
    """A frame out of uints."""
    writer = Writer()
    for number in numbers:
        writer.uint(number)
    return writer.finish()


def open_frame(
    sender_id: int, protocol: str, channel_id: bytes = b"", handshake: bytes = b""
) -> bytes:
    """What a peer sends to open a channel."""
    writer = Writer().uint(0).uint(1).uint(sender_id).string(protocol)
    return writer.buffer(channel_id).raw(handshake).finish()
