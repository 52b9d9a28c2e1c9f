"""Protomux, damaged, and walked through every order of its intents."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from net.errors import LocalProtocolError, RemoteProtocolError
from net.mux import Channel, Mux
from net.mux import messages as mux_messages
from net.mux import mux as mux_module
from tests.fuzz.mutations import mutated
from tests.helpers.vectors import load_vectors
from tests.unit.net.mux.joined import open_frame

VALID = [
    bytes.fromhex(frame)
    for case in load_vectors("protomux")["cases"]
    for frame in case.get("a_writes", []) + case.get("b_writes", [])
] + [
    b"\0\3\1",
    b"\0\2\1",
    b"\0\0\1\2\0x\0\0\2\3\1",
    b"\0\0\0\3\0\0\0",
    b"\0\1\2\4last\0",
    b"\0\0\0\x08\1\1\4last\0\2\3\1",
    b"\0\1\0\4zero\0",
    b"\0\1\1\7proto/1\0" + bytes(mux_messages.MAX_HANDSHAKE_BYTES + 1),
    b"\1\0" + bytes(1500),
]
# What fills up what waits: opens of one number after the other, and messages for them.
FILLING = [open_frame(number, "proto/1", b"\xaa\xbb") for number in range(1, 7)]
FILLING.append(b"\1\0" + bytes(1500))

# Small enough to be crossed by a few frames.
SMALL_LIMITS = {"MAX_CHANNELS": 4, "MAX_WAITING_OPENS": 2, "MAX_WAITING_BYTES": 5000}

Input = bytes | str
INTENTS = ("open", "open and close", "reject", "write")
INPUTS = mutated(VALID) | st.sampled_from(FILLING) | st.sampled_from(INTENTS)


@given(st.lists(INPUTS, max_size=20), st.booleans())
@settings(max_examples=600)
@example([*FILLING, "open"], True)
@example([*FILLING, "open"], False)
@example([FILLING[0]] + [FILLING[-1]] * 4, True)
@example([FILLING[0], "open and close", b"\0\3\1"], True)
@example([b"\0\0\0\x08\1\1\4last\0\2\3\1"], True)
def test_frames_are_taken_or_the_peers_fault(
    inputs: list[Input], put_off: bool
) -> None:
    mux = Mux()
    mux.pair("proto/1", None, lambda _: put_off)
    mux.pair("second", None, lambda _: _open(mux, "second"))
    mux.pair("last", None, lambda _: mux.close())
    _open(mux, "nope")
    with mock.patch.multiple(mux_module, **SMALL_LIMITS):
        try:
            for item in inputs:
                _put(mux, item)
                assert len(mux._remote) <= mux_module.MAX_CHANNELS
                assert 0 <= mux._waiting_bytes <= mux_module.MAX_WAITING_BYTES
                assert 0 <= mux._waiting_opens <= mux_module.MAX_WAITING_OPENS
                assert not mux.corked
        except RemoteProtocolError:
            assert not mux.corked
    mux.close()
    assert mux.channels == []


def _put(mux: Mux, item: Input) -> None:
    if isinstance(item, bytes):
        mux.receive_frame(item)
    elif item == "write":
        mux.frames_to_send()
    elif item == "reject":
        mux.reject("proto/1", b"\xaa\xbb")
    elif not mux.closed:
        with suppress(LocalProtocolError):
            _open(mux, "proto/1", b"\xaa\xbb", closing=item == "open and close")


def _open(
    mux: Mux, protocol: str, channel_id: bytes = b"", *, closing: bool = False
) -> None:
    got: list[bytes] = []
    channel = mux.create_channel(
        protocol,
        channel_id,
        unique=False,
        messages=[got.append, got.append],
        on_open=lambda _: channel.close() if closing else None,
    )


class End:
    """One side's view of one channel."""

    def __init__(self, side: int, name: int) -> None:
        self.side = side
        self.name = name
        self.channel: Channel | None = None
        self.events: list[str] = []
        self.received: list[bytes] = []
        self.sent: list[bytes] = []


class TwoMuxes(RuleBasedStateMachine):
    """Two muxes joined by a wire that delivers when told, in order, whole frames.

    Whatever the order of opening, sending, corking and closing: nobody blames the peer,
    each channel opens at most once and closes once, and what is received is a prefix of
    what was sent (all of it, if nobody closed).
    """

    channels = Bundle("channels")

    @initialize()
    def start(self) -> None:
        self.muxes = (Mux(), Mux())
        self.wires: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self.corks = [0, 0]
        self.ends: list[End] = []
        self.counter = 0
        for side in (0, 1):
            self.muxes[side].pair(
                "answered", None, lambda name, side=side: self._answer(side, name)
            )

    def _answer(self, side: int, name: bytes) -> None:
        self._open(side, "answered", name[0])

    def _open(self, side: int, protocol: str, name: int) -> End | None:
        mux = self.muxes[side]
        if mux.is_open(protocol, bytes((name,))):
            return None
        end = End(side, name)
        end.channel = mux.create_channel(
            protocol,
            bytes((name,)),
            messages=[end.received.append],
            on_open=lambda _: end.events.append("open"),
            on_close=lambda: end.events.append("close"),
        )
        self.ends.append(end)
        return end

    @rule(
        target=channels,
        side=st.integers(0, 1),
        protocol=st.sampled_from(("answered", "met")),
        name=st.integers(0, 3),
    )
    def open(self, side: int, protocol: str, name: int) -> End | None:
        return self._open(side, protocol, name)

    @rule(end=channels)
    def send(self, end: End | None) -> None:
        if end is None or end.channel is None:
            return
        self.counter += 1
        message = self.counter.to_bytes(4, "big")
        if end.channel.send(0, message):
            end.sent.append(message)

    @rule(end=consumes(channels))
    def close(self, end: End | None) -> None:
        if end is not None and end.channel is not None:
            end.channel.close()

    @rule(side=st.integers(0, 1))
    def cork(self, side: int) -> None:
        self.muxes[side].cork()
        self.corks[side] += 1

    @rule(side=st.integers(0, 1))
    def uncork(self, side: int) -> None:
        if self.corks[side]:
            self.corks[side] -= 1
            self.muxes[side].uncork()

    @rule(side=st.integers(0, 1), count=st.integers(1, 5))
    def deliver(self, side: int, count: int) -> None:
        self.wires[side].extend(self.muxes[side].frames_to_send())
        for _ in range(min(count, len(self.wires[side]))):
            self.muxes[1 - side].receive_frame(self.wires[side].popleft())

    @invariant()
    def reports_are_in_order(self) -> None:
        for end in getattr(self, "ends", []):
            assert end.events in ([], ["open"], ["close"], ["open", "close"])
            assert end.channel is not None
            assert end.channel.closed == ("close" in end.events)
            assert not end.received or "open" in end.events

    def teardown(self) -> None:
        if not hasattr(self, "muxes"):
            return
        for side in (0, 1):
            while self.corks[side]:
                self.uncork(side)
        for _ in range(100):
            for side in (0, 1):
                self.deliver(side, 1000)
        sent = {message for end in self.ends for message in end.sent}
        received = [message for end in self.ends for message in end.received]
        assert len(received) == len(set(received))
        assert set(received) <= sent
        for end in self.ends:
            assert end.received == sorted(end.received)
        opened = [end for end in self.ends if end.events == ["open"]]
        # Nobody is left with an open channel whose other end is gone.
        assert len(opened) % 2 == 0
        for mux in self.muxes:
            assert mux._waiting_bytes == mux._waiting_opens == 0
            mux.close()


TwoMuxes.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestTwoMuxes = TwoMuxes.TestCase
