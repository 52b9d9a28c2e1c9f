"""Path MTU discovery: finds the largest packet the path carries.

Full packets are padded to the next size and sent as probes; an acknowledgement raises
the MTU, repeated loss ends the search. Sizes count IP, UDP and UDX headers, as upstream
does. It leaves to the stream: padding, sending and telling what became of a probe.
"""

from __future__ import annotations

from net.udx.packet import HEADER_BYTES, MAX_DATA_OFFSET

BASE_MTU = 1200
MAX_MTU = 1500
STEP_BYTES = 32
MAX_ATTEMPTS = 3
"""Lost probes of one size after which the search ends."""

OVERHEAD_IPV4_BYTES = 20 + 8 + HEADER_BYTES


class PathMtu:
    """The search of one stream on one path; moved by its three ``on_`` methods.

    Attributes:
        max_payload: bytes of payload that fit into one packet now.
    """

    __slots__ = ("_attempts", "_limit", "_probing", "max_payload")

    def __init__(self, *, limit: int = MAX_MTU) -> None:
        self._limit = min(limit, MAX_MTU)
        self.max_payload = BASE_MTU - OVERHEAD_IPV4_BYTES
        self._attempts = 0
        self._probing = False

    @property
    def mtu(self) -> int:
        """The size known to pass."""
        return self.max_payload + OVERHEAD_IPV4_BYTES

    def next_padding(self) -> int:
        """Padding for a full packet to make it a probe; 0 when none is wanted now."""
        if self._probing or self._attempts >= MAX_ATTEMPTS:
            return 0
        size = min(self.mtu + STEP_BYTES, self._limit)
        return min(max(size - self.mtu, 0), MAX_DATA_OFFSET)

    def on_probe_sent(self) -> None:
        """A probe is on its way; no other follows until it is decided."""
        self._probing = True

    def on_probe_acknowledged(self, datagram_bytes: int) -> None:
        """A probe of that UDP payload size arrived."""
        self._probing = False
        self._attempts = 0
        self.max_payload = max(self.max_payload, datagram_bytes - HEADER_BYTES)

    def on_probe_lost(self) -> None:
        """A probe did not arrive."""
        self._probing = False
        self._attempts += 1

    def on_too_large(self) -> None:
        """The operating system refused the size: the search is over."""
        self._probing = False
        self._attempts = MAX_ATTEMPTS

    def on_black_hole(self) -> None:
        """Full packets no longer arrive: new ones go out at the base size."""
        self.max_payload = BASE_MTU - OVERHEAD_IPV4_BYTES
        self._probing = False
        self._attempts = MAX_ATTEMPTS
