"""How fast a stream may send: delivery rate, BBR version 1 and pacing.

* :class:`DeliveryRate` measures, packet by packet sent and delivered, how fast the path
  delivers (draft-cheng-iccrg-delivery-rate-estimation).
* :class:`Bbr` models the path as a bottleneck bandwidth and a minimum round-trip time
  and derives a window and a pacing rate
  (draft-cardwell-iccrg-bbr-congestion-control-00, with the compensation for
  aggregated acknowledgements of Linux).
* :class:`Pacer` spreads packets over time at that rate.

Units are packets and seconds. It leaves to the stream: what was delivered and lost.
The constants are those of libudx, so that streams of both kinds share a link fairly.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from net.udx.flights import Flight, Transmission

INITIAL_CWND = 10
MIN_CWND = 4
HIGH_GAIN = 2.88539
"""2 / ln 2: the least gain that doubles the rate each round trip."""

PACING_MARGIN = 0.99
CYCLE_GAINS = (1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
CWND_GAIN = 2.0
BANDWIDTH_ROUNDS = 10
MIN_RTT_WINDOW_S = 10.0
PROBE_RTT_S = 0.2
FULL_BANDWIDTH_GROWTH = 1.25
FULL_BANDWIDTH_ROUNDS = 3
AGGREGATION_ROUNDS = 5
MAX_AGGREGATION_S = 0.1
MAX_QUANTUM_PACKETS = 44
"""Packets of one full segmentation-offload buffer at an MTU of 1500."""

QUANTUM_S = 0.001
"""Pacing works in steps of this length, the resolution of event loops' timers."""

LATENESS_S = 0.002
"""Sending time that is made up for when a timer fires late."""


@dataclass(slots=True)
class RateSample:
    """What one acknowledgement says about the path."""

    acked_count: int = 0
    """Packets it reported as delivered."""

    lost_count: int = 0
    """Packets found lost with it."""

    delivered_count: int = -1
    """Packets delivered over :attr:`interval_s`; -1 when there is no measure."""

    interval_s: float = 0.0
    prior_delivered: int = 0
    """Packets delivered when the newest of these was sent."""

    app_limited: bool = False
    rtt: float | None = None
    """Seconds, of a packet that was sent once."""


class DeliveryRate:
    """Counts deliveries; moved by :meth:`on_send` and :meth:`on_delivered`.

    Attributes:
        delivered_count: packets delivered in the life of the stream.
    """

    __slots__ = (
        "_app_limited_until",
        "_delivered_at",
        "_newest",
        "_window_started_at",
        "delivered_count",
    )

    def __init__(self) -> None:
        self.delivered_count = 0
        self._delivered_at = 0.0
        self._window_started_at = 0.0
        self._app_limited_until = 0
        self._newest: Transmission | None = None

    def on_send(self, now: float, in_flight_count: int) -> Transmission:
        """The record for packets sent now."""
        if in_flight_count == 0:
            self._window_started_at = now
            self._delivered_at = now
        # By position: by name each of these, one a packet, would take twice as long.
        return Transmission(
            now,
            self.delivered_count,
            self._delivered_at,
            self._window_started_at,
            self._app_limited_until > 0,
        )

    def on_idle_window(self, in_flight_count: int) -> None:
        """The application has less to send than the path would take."""
        self._app_limited_until = self.delivered_count + in_flight_count or 1

    def on_delivered(self, flight: Flight, now: float) -> None:
        """Count a run as delivered."""
        self.delivered_count += flight.count
        self._delivered_at = now
        transmission = flight.transmission
        newest = self._newest
        if newest is None or transmission.delivered_count >= newest.delivered_count:
            self._newest = transmission

    def finish(self, sample: RateSample, now: float, minimum_rtt: float | None) -> None:
        """Complete the sample of one acknowledgement."""
        newest, self._newest = self._newest, None
        if self.delivered_count > self._app_limited_until:
            self._app_limited_until = 0
        if newest is None:
            return
        self._window_started_at = newest.sent_at
        send_s = newest.sent_at - newest.window_started_at
        ack_s = now - newest.delivered_at
        sample.prior_delivered = newest.delivered_count
        sample.app_limited = newest.app_limited
        interval = send_s if send_s > ack_s else ack_s
        if interval <= 0 or (minimum_rtt is not None and interval < minimum_rtt):
            return
        sample.interval_s = interval
        sample.delivered_count = self.delivered_count - newest.delivered_count


class Mode(enum.Enum):
    """The four states of BBR."""

    STARTUP = "startup"
    DRAIN = "drain"
    PROBE_BANDWIDTH = "probe bandwidth"
    PROBE_RTT = "probe rtt"


class _MaxOverRounds:
    """The largest value of the last :data:`BANDWIDTH_ROUNDS` rounds."""

    __slots__ = ("_values", "value")

    def __init__(self) -> None:
        self._values: list[tuple[int, float]] = []
        self.value = 0.0

    def update(self, value: float, round_count: int) -> None:
        oldest = round_count - BANDWIDTH_ROUNDS
        values = self._values
        while values and values[-1][1] <= value:
            values.pop()
        values.append((round_count, value))
        while values[0][0] < oldest:
            values.pop(0)
        self.value = values[0][1]


class Bbr:
    """The model of the path; moved by :meth:`on_ack` and the recovery methods.

    Attributes:
        mode: the state.
        cwnd: packets that may be in flight.
        pacing_rate: packets a second.
        pacing_gain: the factor applied to the bandwidth at present.
        quantum: packets to hand to the network at once, about a millisecond's worth.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self.mode = Mode.STARTUP
        self.cwnd = INITIAL_CWND
        self.pacing_rate = INITIAL_CWND / 0.001 * HIGH_GAIN
        self.quantum = int(self.pacing_rate * QUANTUM_S)
        self.pacing_gain = HIGH_GAIN
        self._cwnd_gain = HIGH_GAIN
        self._rtt_seen = False
        self._bandwidth = _MaxOverRounds()
        self._round_count = 0
        self._round_start = False
        self._next_round_delivered = 0
        self._full_bandwidth = 0.0
        self._full_rounds = 0
        self._full = False
        self._cycle_index = 0
        self._cycle_started_at = 0.0
        self._min_rtt: float | None = None
        self._min_rtt_at = 0.0
        self._probe_rtt_until: float | None = None
        self._probe_rtt_round_done = False
        self._prior_cwnd = 0
        self._idle_restart = False
        self._recovering = False
        self._conserving = False
        self._extra_acked = [0.0, 0.0]
        self._extra_index = 0
        self._extra_rounds = 0
        self._epoch_at = 0.0
        self._epoch_acked = 0.0
        self._settled = False

    @property
    def bandwidth(self) -> float:
        """Packets a second the path is believed to deliver."""
        return self._bandwidth.value

    @property
    def minimum_rtt(self) -> float | None:
        """Seconds; least round trip within ten seconds."""
        return self._min_rtt

    def on_idle_restart(self, now: float) -> None:
        """Sending starts again with nothing in flight, after the application paused."""
        self._idle_restart = True
        self._epoch_at = now
        self._epoch_acked = 0.0
        if self.mode is Mode.PROBE_BANDWIDTH:
            self._set_pacing(1.0)

    def enter_recovery(
        self, *, in_flight: int, acked_count: int, delivered: int
    ) -> None:
        """Loss was found: conserve packets for one round."""
        self._save_cwnd()
        self._settled = False
        self._recovering = True
        self._conserving = True
        self._next_round_delivered = delivered
        self.cwnd = max(in_flight + acked_count, MIN_CWND)

    def on_timeout(self, in_flight_count: int) -> None:
        """The retransmission timer fired: start again from what is still in flight."""
        self._save_cwnd()
        self._settled = False
        self._recovering = True
        self._conserving = False
        self._full_bandwidth = 0.0
        self.cwnd = max(in_flight_count + 1, MIN_CWND)

    def exit_recovery(self) -> None:
        """All packets sent before the loss are delivered."""
        self._settled = False
        self._recovering = False
        self._conserving = False
        self.cwnd = max(self.cwnd, self._prior_cwnd)

    def on_ack(
        self, sample: RateSample, *, delivered: int, in_flight: int, now: float
    ) -> None:
        """Take one acknowledgement into the model.

        Args:
            sample: its measures.
            delivered: packets delivered so far.
            in_flight: packets in flight after it.
            now: seconds.
        """
        if self._settled and self._says_nothing_new(sample, now):
            if sample.prior_delivered >= self._next_round_delivered:
                self._next_round_delivered = delivered
                self._round_count += 1
            self._idle_restart = False
            return
        before = self.cwnd, self.pacing_rate
        self._update_bandwidth(sample, delivered)
        self._update_aggregation(sample, now)
        if self.mode is Mode.PROBE_BANDWIDTH:
            self._update_cycle(sample, in_flight, now)
        self._check_full(sample)
        self._check_drain(in_flight, now)
        self._update_min_rtt(sample, delivered, in_flight, now)
        self._set_gains()
        self._set_pacing(self.pacing_gain)
        self._set_cwnd(sample, delivered, in_flight)
        self._settled = (
            self.mode is Mode.STARTUP
            and delivered > INITIAL_CWND
            and before == (self.cwnd, self.pacing_rate)
            and not self._recovering
        )

    def _says_nothing_new(self, sample: RateSample, now: float) -> bool:
        """Whether a settled model would stay as it is, which saves working it out.

        An application that sends little, question by question, fills no pipe: all that
        its acknowledgements could tell is a higher bandwidth or a lower round trip.
        """
        rtt, least = sample.rtt, self._min_rtt
        return (
            sample.app_limited
            and 0 < sample.delivered_count < self._bandwidth.value * sample.interval_s
            and rtt is not None
            and least is not None
            and rtt > least
            and now <= self._min_rtt_at + MIN_RTT_WINDOW_S
            and not sample.lost_count
        )

    def _update_bandwidth(self, sample: RateSample, delivered: int) -> None:
        self._round_start = False
        if sample.delivered_count < 0 or sample.interval_s <= 0:
            return
        if sample.prior_delivered >= self._next_round_delivered:
            self._next_round_delivered = delivered
            self._round_count += 1
            self._round_start = True
            self._conserving = False
        bandwidth = sample.delivered_count / sample.interval_s
        if not sample.app_limited or bandwidth >= self._bandwidth.value:
            self._bandwidth.update(bandwidth, self._round_count)

    def _update_aggregation(self, sample: RateSample, now: float) -> None:
        """Learn how much more is acknowledged at once than the bandwidth explains."""
        if sample.acked_count <= 0 or sample.delivered_count < 0:
            return
        if self._round_start:
            self._extra_rounds += 1
            if self._extra_rounds >= AGGREGATION_ROUNDS:
                self._extra_rounds = 0
                self._extra_index = 1 - self._extra_index
                self._extra_acked[self._extra_index] = 0.0
        expected = self._bandwidth.value * (now - self._epoch_at)
        if self._epoch_acked <= expected:
            self._epoch_acked = 0.0
            self._epoch_at = now
            expected = 0.0
        self._epoch_acked += sample.acked_count
        extra = min(self._epoch_acked - expected, self.cwnd)
        if extra > self._extra_acked[self._extra_index]:
            self._extra_acked[self._extra_index] = extra

    def _update_cycle(self, sample: RateSample, in_flight: int, now: float) -> None:
        gain = CYCLE_GAINS[self._cycle_index]
        full_length = now - self._cycle_started_at > (self._min_rtt or 0.0)
        if gain > 1:
            enough = in_flight >= self._in_flight_target(gain)
            advance = full_length and (sample.lost_count > 0 or enough)
        elif gain < 1:
            advance = full_length or in_flight <= self._in_flight_target(1.0)
        else:
            advance = full_length
        if advance:
            self._cycle_index = (self._cycle_index + 1) % len(CYCLE_GAINS)
            self._cycle_started_at = now

    def _check_full(self, sample: RateSample) -> None:
        if self._full or not self._round_start or sample.app_limited:
            return
        if self._bandwidth.value >= self._full_bandwidth * FULL_BANDWIDTH_GROWTH:
            self._full_bandwidth = self._bandwidth.value
            self._full_rounds = 0
            return
        self._full_rounds += 1
        self._full = self._full_rounds >= FULL_BANDWIDTH_ROUNDS

    def _check_drain(self, in_flight: int, now: float) -> None:
        if self.mode is Mode.STARTUP and self._full:
            self.mode = Mode.DRAIN
        if self.mode is Mode.DRAIN and in_flight <= self._in_flight_target(1.0):
            self._enter_probe_bandwidth(now)

    def _enter_probe_bandwidth(self, now: float) -> None:
        self.mode = Mode.PROBE_BANDWIDTH
        # Any phase but the draining one (1), so that streams do not move in step.
        choice = self._entropy(1)[0] % (len(CYCLE_GAINS) - 1)
        self._cycle_index = choice + 1 if choice else 0
        self._cycle_started_at = now

    def _update_min_rtt(
        self, sample: RateSample, delivered: int, in_flight: int, now: float
    ) -> None:
        expired = (
            self._min_rtt is not None and now > self._min_rtt_at + MIN_RTT_WINDOW_S
        )
        if sample.rtt is not None and (
            self._min_rtt is None or sample.rtt <= self._min_rtt or expired
        ):
            self._min_rtt = sample.rtt
            self._min_rtt_at = now
        if expired and not self._idle_restart and self.mode is not Mode.PROBE_RTT:
            self.mode = Mode.PROBE_RTT
            self._save_cwnd()
            self._probe_rtt_until = None
        if self.mode is Mode.PROBE_RTT:
            if self._probe_rtt_until is None:
                if in_flight <= MIN_CWND:
                    self._probe_rtt_until = now + PROBE_RTT_S
                    self._probe_rtt_round_done = False
                    self._next_round_delivered = delivered
            else:
                self._probe_rtt_round_done |= self._round_start
                if self._probe_rtt_round_done and now > self._probe_rtt_until:
                    self._leave_probe_rtt(now)
        if sample.delivered_count > 0:
            self._idle_restart = False

    def _leave_probe_rtt(self, now: float) -> None:
        self._min_rtt_at = now
        self.cwnd = max(self.cwnd, self._prior_cwnd)
        if self._full:
            self._enter_probe_bandwidth(now)
        else:
            self.mode = Mode.STARTUP

    def _set_gains(self) -> None:
        if self.mode is Mode.STARTUP:
            self.pacing_gain = self._cwnd_gain = HIGH_GAIN
        elif self.mode is Mode.DRAIN:
            self.pacing_gain, self._cwnd_gain = 1 / HIGH_GAIN, HIGH_GAIN
        elif self.mode is Mode.PROBE_BANDWIDTH:
            self.pacing_gain = CYCLE_GAINS[self._cycle_index]
            self._cwnd_gain = CWND_GAIN
        else:
            self.pacing_gain = self._cwnd_gain = 1.0

    def _set_pacing(self, gain: float) -> None:
        if not self._rtt_seen and self._min_rtt is not None:
            self._rtt_seen = True
            rtt = max(self._min_rtt, 0.00005)
            self.pacing_rate = self.cwnd / rtt * HIGH_GAIN
        rate = self._bandwidth.value * gain * PACING_MARGIN
        if rate > 0 and (self._full or rate > self.pacing_rate):
            self.pacing_rate = rate
        self.quantum = max(
            1, min(int(self.pacing_rate * QUANTUM_S), MAX_QUANTUM_PACKETS)
        )

    def _in_flight_target(self, gain: float) -> int:
        if self._min_rtt is None:
            return INITIAL_CWND
        target = self._bandwidth.value * self._min_rtt * gain
        # Room for what waits in the offload buffers of both sides; none at rates where
        # packets go out one by one, so that upstream's streams get their share.
        target += 3 * (self.quantum - 1)
        return max(int(target) + 1, MIN_CWND)

    def _set_cwnd(self, sample: RateSample, delivered: int, in_flight: int) -> None:
        acked = sample.acked_count
        if acked:
            if self._recovering and sample.lost_count:
                self.cwnd = max(self.cwnd - sample.lost_count, 1)
            if self._conserving:
                self.cwnd = max(self.cwnd, in_flight + acked)
            else:
                self._grow_cwnd(acked, delivered)
        self.cwnd = max(self.cwnd, MIN_CWND)
        if self.mode is Mode.PROBE_RTT:
            self.cwnd = min(self.cwnd, MIN_CWND)

    def _grow_cwnd(self, acked: int, delivered: int) -> None:
        target = self._in_flight_target(self._cwnd_gain)
        if self._full:
            most = self._bandwidth.value * min(MAX_AGGREGATION_S, self._min_rtt or 0.0)
            most = max(most, 3 * self.quantum)
            target += int(min(max(self._extra_acked), most))
            self.cwnd = min(self.cwnd + acked, target)
        elif self.cwnd < target or delivered < INITIAL_CWND:
            self.cwnd += acked

    def _save_cwnd(self) -> None:
        if self._recovering or self.mode is Mode.PROBE_RTT:
            self._prior_cwnd = max(self._prior_cwnd, self.cwnd)
        else:
            self._prior_cwnd = self.cwnd


class Pacer:
    """Spreads packets over time; moved by :meth:`on_send`.

    The average never exceeds the rate given; bursts last :data:`QUANTUM_S`, because
    timers come no finer.
    """

    __slots__ = ("_next_at",)

    def __init__(self) -> None:
        self._next_at = 0.0

    def on_send(self, count: int, rate: float, now: float) -> None:
        """Account for packets sent at a rate in packets a second."""
        earliest = now - LATENESS_S
        if self._next_at < earliest:
            self._next_at = earliest
        self._next_at += count / rate

    def allows(self, now: float) -> bool:
        """True when another quantum may go out."""
        return self._next_at <= now + QUANTUM_S

    @property
    def next_at(self) -> float:
        """When to look again after a refusal."""
        return self._next_at
