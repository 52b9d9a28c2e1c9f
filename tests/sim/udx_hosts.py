"""UDX machines as hosts of the simulated world, and a transfer between two of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from net.udx import (
    Batch,
    Closed,
    CloseReason,
    DataReceived,
    Drained,
    EndReceived,
    Event,
    Multiplexer,
    Stream,
)
from tests.helpers.world import Address, Host, World

CHUNK_BYTES = 65_536
IP_SENDER = "10.0.0.1"
IP_RECEIVER = "10.0.0.2"
IP_RELAY = "10.0.0.3"
PORT = 5000


class UdxHost:
    """Gives a multiplexer the verbs the world drives machines with.

    Attributes:
        multiplexer: the machine.
        on_event: called with each event, at the instant it happens.
    """

    def __init__(self, world: World, label: str) -> None:
        self._world = world
        self.multiplexer = Multiplexer(entropy=world.entropy(label))
        self.on_event: Callable[[Event], None] | None = None

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> None:
        """A datagram arrived."""
        self.multiplexer.receive_datagram(socket, data, 0, address, now)

    def datagrams_to_send(self) -> Sequence[Batch]:
        """Report events, then send what follows from them."""
        batches: list[Batch] = []
        while True:
            self._report()
            batches += self.multiplexer.datagrams_to_send(self._world.now)
            if not self.multiplexer.has_work:
                return batches

    def get_timer(self) -> float | None:
        """When the machine wants to be woken."""
        return self.multiplexer.get_timer()

    def handle_timer(self, now: float) -> None:
        """Wake the machine."""
        self.multiplexer.handle_timer(now)

    def _report(self) -> None:
        while (event := self.multiplexer.next_event()) is not None:
            if self.on_event is not None:
                self.on_event(event)


class Transfer:
    """Sends bytes from one host to another; both sides end when all is there.

    Attributes:
        stream: the sending side.
        received: bytes that came out.
        closed_at: when each side was closed.
        reasons: and why.
    """

    def __init__(self, world: World, data: bytes, *, relay: bool = False) -> None:
        self._world = world
        self._data = data
        self._written = 0
        self._ended = False
        self.received = bytearray()
        self.closed_at: list[float] = []
        self.reasons: list[CloseReason] = []
        sender, receiver = UdxHost(world, "sender"), UdxHost(world, "receiver")
        self.sender_host = self._start(IP_SENDER, sender)
        self.receiver_host = self._start(IP_RECEIVER, receiver)
        self.stream = sender.multiplexer.create_stream(1)
        self._remote: Stream = receiver.multiplexer.create_stream(2)
        if relay:
            self._relay()
            self._remote.connect(102, 0, (IP_RELAY, PORT))
            self.stream.connect(101, 0, (IP_RELAY, PORT))
        else:
            self._remote.connect(1, 0, (IP_SENDER, PORT))
            self.stream.connect(2, 0, (IP_RECEIVER, PORT))
        sender.on_event = self._on_sender
        receiver.on_event = self._on_receiver
        self._pump()

    @property
    def done(self) -> bool:
        """Both sides are closed."""
        return len(self.closed_at) == 2

    def _start(self, ip: str, machine: UdxHost) -> Host:
        host = self._world.add_host(ip)
        host.run(machine, sockets={0: PORT})
        return host

    def _relay(self) -> None:
        """A third host that passes packets on between two streams of its own."""
        machine = UdxHost(self._world, "relay")
        self._start(IP_RELAY, machine)
        one = machine.multiplexer.create_stream(101)
        two = machine.multiplexer.create_stream(102)
        one.connect(1, 0, (IP_SENDER, PORT))
        two.connect(2, 0, (IP_RECEIVER, PORT))
        one.relay_to(two)
        two.relay_to(one)

    def _pump(self) -> None:
        while self._written < len(self._data):
            chunk = self._data[self._written : self._written + CHUNK_BYTES]
            self._written += len(chunk)
            if not self.stream.write(chunk):
                return
        if not self._ended:
            self._ended = True
            self.stream.end()

    def _on_sender(self, event: Event) -> None:
        if isinstance(event, Drained):
            self._pump()
        elif isinstance(event, Closed):
            self._close(event)

    def _on_receiver(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            self.received += event.data
        elif isinstance(event, EndReceived):
            self._remote.end()
        elif isinstance(event, Closed):
            self._close(event)

    def _close(self, event: Closed) -> None:
        self.closed_at.append(self._world.now)
        self.reasons.append(event.reason)
