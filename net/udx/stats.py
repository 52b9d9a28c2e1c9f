"""The counters and estimates a stream shows to whoever asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """A snapshot of one stream; rates and sizes are estimates of the moment."""

    rtt_s: float | None
    """Smoothed round-trip time, None before the first acknowledgement."""

    minimum_rtt_s: float | None
    """Least round-trip time of late."""

    mtu: int
    """Bytes of IP packet the path is known to carry."""

    cwnd: int
    """Packets that may be in flight."""

    in_flight: int
    """Packets that are."""

    bandwidth_bytes_s: float
    """Payload bytes a second the path is believed to deliver."""

    mode: str
    """The state of congestion control."""

    sent_packets: int
    """DATA and END packets sent, with those sent again."""

    retransmitted_packets: int
    """Of those, sent again."""

    received_packets: int
    """Packets of any kind."""

    received_bytes: int
    """Payload bytes, each counted once."""

    queued_bytes: int
    """Bytes written that never went out yet."""

    remote_window: int
    """Bytes the peer will take."""

    bad_sacks: int
    """SACK blocks that made no sense."""
