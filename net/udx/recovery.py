"""Round-trip times, loss detection by time (RACK), and the timers of last resort.

RFC 8985 for RACK and the tail loss probe, RFC 6298 for the estimator, with constants
of libudx. A packet counts as lost when one sent later was acknowledged and enough time
has passed for reordering; when nothing comes back at all, a probe and then the
retransmission timer speak.

This module decides *what* is lost and *when* to look again. It leaves to the stream:
sending, and telling congestion control.
"""

from __future__ import annotations

from collections.abc import Iterable

from net.udx.flights import Flight, Flights

INITIAL_RTO_S = 1.0
MIN_RTO_S = 1.0
MAX_RTO_S = 30.0
MAX_TIMEOUTS = 6
"""Time-outs of the oldest packet that are answered by sending it again."""

MIN_RTT_WINDOW_S = 300.0
SUSPECT_RTT_S = 5.0
"""Samples above this and far from the mean are clamped; machines sleep."""

MIN_PROBE_DELAY_S = 0.01
"""Tail loss probes wait at least this long, so that a busy event loop on either side is
not taken for loss."""

SINGLE_PACKET_DELAY_S = 0.002
"""Added to the probe delay when one packet is in flight, for its acknowledgement."""

MIN_REORDER_WINDOW_S = 0.001
"""Once reordering was seen, wait at least this long for a late packet."""

MAX_WINDOW_QUARTERS = 16
"""Quarters of the least round trip that a late packet may be waited for; one is added
when a packet sent again turns out to have been late only."""

REORDER_SACKED_PACKETS = 3
"""So many packets reported beyond a gap make it loss if nothing was ever reordered."""


class RoundTrip:
    """Smoothed round-trip time and what follows from it; moved by :meth:`sample`.

    Attributes:
        smoothed_s: smoothed round-trip time, None before the first sample.
        variation_s: its mean deviation.
        minimum_s: least sample within five minutes, None before the first.
    """

    __slots__ = ("_minimum_at", "minimum_s", "smoothed_s", "variation_s")

    def __init__(self) -> None:
        self.smoothed_s: float | None = None
        self.variation_s = 0.0
        self.minimum_s: float | None = None
        self._minimum_at = 0.0

    def sample(self, rtt: float, now: float) -> None:
        """Take the round-trip time of a packet that was sent once."""
        smoothed = self.smoothed_s
        if smoothed is None:
            self.smoothed_s = rtt
            self.variation_s = rtt / 2
        else:
            limit = smoothed + 5 * self.variation_s
            if rtt > SUSPECT_RTT_S and rtt > limit:
                rtt = min(limit, MAX_RTO_S)
            self.variation_s += (abs(smoothed - rtt) - self.variation_s) / 4
            self.smoothed_s = smoothed + (rtt - smoothed) / 8
        minimum = self.minimum_s
        if (
            minimum is None
            or rtt <= minimum
            or now - self._minimum_at > MIN_RTT_WINDOW_S
        ):
            self.minimum_s = rtt
            self._minimum_at = now

    @property
    def rto(self) -> float:
        """Retransmission time-out in seconds."""
        if self.smoothed_s is None:
            return INITIAL_RTO_S
        rto = self.smoothed_s + 4 * self.variation_s
        return MIN_RTO_S if rto < MIN_RTO_S else min(rto, MAX_RTO_S)

    def probe_delay(self, in_flight_count: int) -> float | None:
        """Seconds of silence before a tail loss probe; None before the first sample."""
        if self.smoothed_s is None:
            return None
        delay = 2 * self.smoothed_s
        if in_flight_count == 1:
            delay += SINGLE_PACKET_DELAY_S
        return delay if delay > MIN_PROBE_DELAY_S else MIN_PROBE_DELAY_S


class LossDetection:
    """RACK: finds packets overtaken by later ones; moved by acknowledgements.

    Attributes:
        reordering_seen: a packet sent once was delivered behind a later one.
        deadline: when :meth:`find_lost` should run again, None if nothing is pending.
    """

    __slots__ = (
        "_highest_delivered",
        "_newest_end",
        "_newest_rtt",
        "_newest_sent_at",
        "_round_trip",
        "_window_quarters",
        "deadline",
        "reordering_seen",
    )

    def __init__(self, round_trip: RoundTrip) -> None:
        self._round_trip = round_trip
        self._newest_sent_at = 0.0
        self._newest_rtt = 0.0
        self._newest_end = -1
        self._highest_delivered = -1
        self._window_quarters = 1
        self.reordering_seen = False
        self.deadline: float | None = None

    def on_delivered(self, flights: Iterable[Flight], now: float) -> None:
        """Learn from runs that one acknowledgement reported as delivered."""
        highest = self._highest_delivered
        minimum = self._round_trip.minimum_s
        for flight in flights:
            end = flight.first_seq + flight.count
            sent_at = flight.transmission.sent_at
            if flight.sent_count > 1:
                # Too fast for the copy: the original arrived, late.
                if minimum is not None and now - sent_at < minimum:
                    self.reordering_seen = True
                    self._window_quarters = min(
                        self._window_quarters + 1, MAX_WINDOW_QUARTERS
                    )
                    continue
            elif end <= highest:
                self.reordering_seen = True
            if end > self._highest_delivered:
                self._highest_delivered = end
            newest = self._newest_sent_at
            if sent_at > newest or (sent_at == newest and end > self._newest_end):
                self._newest_sent_at = sent_at
                self._newest_end = end
                self._newest_rtt = now - sent_at

    def find_lost(
        self, flights: Flights, now: float, *, recovering: bool, sacked_count: int
    ) -> list[Flight]:
        """Runs that must be taken for lost now; sets :attr:`deadline` for the others.

        Args:
            flights: where to look.
            now: seconds.
            recovering: loss recovery is going on.
            sacked_count: packets reported beyond the cumulative acknowledgement.
        """
        self.deadline = None
        if self._newest_end < 0:
            flights.forget_old()
            return []
        wait = self._newest_rtt + self._reorder_window(
            recovering=recovering, sacked_count=sacked_count
        )
        lost: list[Flight] = []
        for flight in flights.sent_before(self._newest_sent_at):
            sent_at = flight.transmission.sent_at
            if sent_at == self._newest_sent_at and flight.end_seq > self._newest_end:
                continue
            if sent_at + wait <= now:
                lost.append(flight)
            elif self.deadline is None:
                self.deadline = sent_at + wait
        return lost

    def timed_out_before(self, now: float) -> float:
        """Packets sent by then are lost when the retransmission timer fires."""
        return now - self._newest_rtt - self._reorder_window(recovering=True)

    def _reorder_window(self, *, recovering: bool, sacked_count: int = 0) -> float:
        if not self.reordering_seen and (
            recovering or sacked_count >= REORDER_SACKED_PACKETS
        ):
            return 0.0
        smoothed = self._round_trip.smoothed_s or 0.0
        window = (self._round_trip.minimum_s or 0.0) / 4 * self._window_quarters
        return max(min(window, smoothed), MIN_REORDER_WINDOW_S)
