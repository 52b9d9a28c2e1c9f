"""Two ends of a connection in one loop: muxes whose frames cross in the next turn."""

from __future__ import annotations

import asyncio
from collections import Counter

from net.mux import Mux


class LoopMux(Mux):
    """A mux that says when there is something to send."""

    def __init__(self, end: End) -> None:
        super().__init__()
        self._end = end

    def put_frame(self, frame: bytes) -> None:
        super().put_frame(frame)
        self._end.schedule()


class End:
    """One end; fits ``ReplicaConnection``."""

    def __init__(self, *, is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self.handshake_hash = bytes(range(64))
        self.remote_public_key = bytes((is_initiator,)) * 32
        self.has_room = True
        self.mux = LoopMux(self)
        self.other: End
        self.opens = Counter[str]()
        self._scheduled = False

    def schedule(self) -> None:
        """Carry what waits over in the next turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._carry)

    def close(self) -> None:
        """The connection ends, on both sides."""
        self.mux.close()
        self.other.mux.close()

    def open_channels(self, protocol: str = "hypercore/alpha") -> int:
        """Channels of a protocol that are open on both sides."""
        return sum(
            channel.opened and channel.protocol == protocol
            for channel in self.mux.channels
        )

    def _carry(self) -> None:
        self._scheduled = False
        if self.mux.closed:
            return
        for frame in self.mux.frames_to_send():
            self._count(frame)
            self.other.mux.receive_frame(frame)

    def _count(self, frame: bytes) -> None:
        for protocol in ("hypercore/alpha", "covey/heads"):
            name = protocol.encode()
            opened = bytes((len(name),)) + name
            self.opens[protocol] += frame.count(opened)


def connected() -> tuple[End, End]:
    """Both ends of a new connection."""
    left, right = End(is_initiator=True), End(is_initiator=False)
    left.other, right.other = right, left
    return left, right
