"""A seeded universe for machines without I/O: clock, network, routers, crashes.

    with World(seed=7, link=Link(loss=0.05, delay_max_s=0.2)) as world:
        host = world.add_host("10.0.0.1")
        host.run(machine, sockets={0: 49737, 1: None})
        world.run_until(lambda: machine.bootstrapped, limit_s=30)

Any object with the machine verbs can be run (see :class:`Machine`); one whose verbs
differ is wrapped by its test. Everything random comes from the seed, and things happen
in the order (time, sequence), so that a seed replays a run to the byte: compare
``World.fingerprint``. An event touches only the machine it concerns, which is what lets
a thousand of them run. An error inside the ``with`` block carries the seed.
"""

from __future__ import annotations

import heapq
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeVar

from net.flow import Deferred
from tests.helpers.nat_box import DEFAULT_LIFETIME_S, Address, NatBox, NatKind

T = TypeVar("T")

MAX_CALLS_IN_ONE_INSTANT = 10_000
FIRST_FREE_PORT = 49152
INNER_HOPS = 1


class SentDatagram(Protocol):
    """What a machine gives to send; ``ttl`` and ``segment_size`` may be absent."""

    @property
    def socket(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def address(self) -> Address: ...


class Machine(Protocol):
    """The verbs the world drives a machine with."""

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, socket: int
    ) -> object: ...
    def datagrams_to_send(self) -> Sequence[SentDatagram]: ...
    def get_timer(self) -> float | None: ...
    def handle_timer(self, now: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Link:
    """How datagrams travel; chances are 0 to 1 for each datagram."""

    loss: float = 0.0
    """Chance to vanish."""
    duplicate: float = 0.0
    """Chance to arrive twice, each copy with a delay of its own."""
    reorder: float = 0.0
    """Chance to be held back by up to ``reorder_s`` more."""
    reorder_s: float = 0.05
    delay_min_s: float = 0.01
    delay_max_s: float = 0.01
    """Equal delays keep the order of sending."""
    mtu_bytes: int = 65_507
    """Larger payloads vanish."""
    hops: int = 10
    """Datagrams with a smaller ttl open routers on their way and then vanish."""
    rate_bytes_s: float | None = None
    """Speed of the sender's line, None for no limit."""
    queue_bytes: int = 65_536
    """What the sender's line holds before it drops, where it has a speed."""


class Passage:
    """One datagram on its way, as observers see it."""

    __slots__ = ("data", "destination", "host", "sent_at", "source")

    def __init__(
        self,
        host: Host,
        source: Address,
        destination: Address,
        data: bytes,
        sent_at: float,
    ) -> None:
        self.host = host
        self.source = source
        self.destination = destination
        self.data = data
        self.sent_at = sent_at


class Observer:
    """Sees all that happens, and ends the run by AssertionError; idle by default."""

    def on_sent(self, passage: Passage) -> None:
        """A host has sent a datagram (source as seen from outside)."""

    def on_delivered(self, passage: Passage, receiver: Host) -> None:
        """A datagram was handed to a machine, which has dealt with it."""

    def on_dropped(self, passage: Passage, reason: str) -> None:
        """A datagram ended before any machine."""

    def on_step(self, world: World) -> None:
        """An event is done; invariants over all machines go here."""


class Host:
    """A computer with an address, sockets and one machine that may crash and return.

    Attributes:
        ip: Its own address (an inner one when behind a router).
        nat: The router it is behind, or None.
        machine: What runs on it, or None when it is down.
        sockets: Local port of each open socket.
    """

    def __init__(self, world: World, ip: str, nat: NatBox | None) -> None:
        self.world = world
        self.ip = ip
        self.nat = nat
        self.machine: Machine | None = None
        self.sockets: dict[int, int] = {}
        self.armed_at: float | None = None
        self.line_free_at = 0.0

    def run(self, machine: Machine, *, sockets: dict[int, int | None]) -> None:
        """Put a machine on this host with sockets (None: any free port)."""
        assert self.machine is None, "the host runs a machine already"
        self.machine = machine
        for socket, port in sockets.items():
            self.open_socket(socket, port)

    def open_socket(self, socket: int, port: int | None = None) -> int:
        """Bind a socket and return its local port."""
        assert socket not in self.sockets, "socket is open"
        bound = self.world._bind(self, socket, port)
        self.sockets[socket] = bound
        return bound

    def close_socket(self, socket: int) -> None:
        """Close a socket; datagrams to its port are dropped from now on."""
        self.world._unbind(self, self.sockets.pop(socket))

    def crash(self) -> None:
        """End the machine at once; nothing of it is sent any more."""
        for socket in list(self.sockets):
            self.close_socket(socket)
        self.machine = None
        self.armed_at = None

    def address(self, socket: int = 0) -> Address:
        """The local address of a socket."""
        return (self.ip, self.sockets[socket])

    def call(self, action: Callable[[], T]) -> T:
        """Act on the machine at the present instant, and send what follows."""
        assert self.machine is not None, "the host is down"
        self.machine.handle_timer(self.world.now)
        result = action()
        self.world._pump(self)
        return result


class World:
    """The clock, the network and all hosts of one simulated run.

    Attributes:
        seed: What all chance comes from.
        now: Seconds since the start.
        random: For the test's own choices, from the seed as well.
        counts: Datagrams ``sent``, ``delivered`` and dropped, by reason.
        fingerprint: A checksum over everything delivered, in order.
    """

    def __init__(self, seed: int, *, link: Link | None = None) -> None:
        self.seed = seed
        self.now = 0.0
        self.link = link or Link()
        self.random = random.Random(f"{seed}/world")
        self.counts: Counter[str] = Counter()
        self.fingerprint = 0
        self.hosts: list[Host] = []
        self.observers: list[Observer] = []
        self._links: dict[tuple[str, str], Link] = {}
        self._partitions: list[tuple[frozenset[str], frozenset[str]]] = []
        self._bound: dict[Address, tuple[Host, int]] = {}
        self._nats: dict[str, NatBox] = {}
        # (at, sequence, host, its machine to be woken), or without a host a datagram
        # that arrives or an action of the test.
        self._events: list[tuple[float, int, Host | None, Any]] = []
        self._sequence = 0
        self._next_port = FIRST_FREE_PORT
        self._network_random = random.Random(f"{seed}/network")

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            note = f"world: seed {self.seed}, at {self.now:.3f} s, {dict(self.counts)}"
            error.add_note(note)
            print(note)

    # -- building ----------------------------------------------------------------

    def entropy(self, label: str) -> Callable[[int], bytes]:
        """A source of random bytes of its own for each label."""
        return random.Random(f"{self.seed}/entropy/{label}").randbytes

    def add_host(self, ip: str, *, nat: NatBox | None = None) -> Host:
        """Add a computer; several may share an address and differ in ports."""
        host = Host(self, ip, nat)
        self.hosts.append(host)
        return host

    def remove_host(self, host: Host) -> None:
        """Take a computer away for good."""
        host.crash()
        self.hosts.remove(host)

    def add_nat(
        self,
        public_ip: str,
        kind: NatKind,
        *,
        lifetime_s: float = DEFAULT_LIFETIME_S,
        hairpin: bool = False,
    ) -> NatBox:
        """Add a router with its public address."""
        assert public_ip not in self._nats, "the address is taken"
        rng = random.Random(f"{self.seed}/nat/{public_ip}")
        nat = NatBox(public_ip, kind, rng=rng, lifetime_s=lifetime_s, hairpin=hairpin)
        self._nats[public_ip] = nat
        return nat

    def set_link(self, from_ip: str, to_ip: str, link: Link) -> None:
        """Give one direction between two public addresses a link of its own."""
        self._links[from_ip, to_ip] = link

    def partition(
        self, one: Iterable[str], other: Iterable[str], *, one_way: bool = False
    ) -> Callable[[], None]:
        """Cut public addresses off each other; call the result to heal.

        Args:
            one: Addresses on this side.
            other: Addresses on the other side.
            one_way: True to drop only what goes from ``one`` to ``other``.
        """
        cuts = [(frozenset(one), frozenset(other))]
        if not one_way:
            cuts.append((cuts[0][1], cuts[0][0]))
        self._partitions.extend(cuts)

        def heal() -> None:
            for cut in cuts:
                if cut in self._partitions:
                    self._partitions.remove(cut)

        return heal

    def call_at(self, at: float, action: Callable[[], None]) -> None:
        """Do something at an instant of the run."""
        self._push(max(at, self.now), None, action)

    # -- running -----------------------------------------------------------------

    def run_until(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Run until a condition holds.

        Raises:
            AssertionError: ``limit_s`` seconds of the run passed, or nothing is left
                to happen, and the condition still does not hold.
        """
        end = self.now + limit_s
        self._pump_all()
        while not condition():
            if not self._events:
                raise AssertionError(f"deadlock at {self.now:.3f} s, seed {self.seed}")
            if self._events[0][0] > end:
                raise AssertionError(f"not within {limit_s} s, seed {self.seed}")
            self._step()

    def run_for(self, duration_s: float) -> None:
        """Run for a time."""
        end = self.now + duration_s
        self._pump_all()
        while self._events and self._events[0][0] <= end:
            self._step()
        self.now = end

    def wait(self, deferred: Deferred[T], limit_s: float) -> T:
        """Run until a result is there and return it, or raise its error."""
        self.run_until(lambda: deferred.settled, limit_s)
        return deferred.result()

    # -- inside ------------------------------------------------------------------

    def _push(self, at: float, host: Host | None, what: Any) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (at, self._sequence, host, what))

    def _step(self) -> None:
        at, _, host, what = heapq.heappop(self._events)
        self.now = at
        if type(what) is Passage:
            self._deliver(what)
        elif host is None:
            what()
            self._pump_all()
        elif host.armed_at == at and host.machine is what and host.machine is not None:
            self._fire(host, host.machine, at)
        for observer in self.observers:
            observer.on_step(self)

    def _fire(self, host: Host, machine: Machine, at: float) -> None:
        host.armed_at = None
        for _ in range(MAX_CALLS_IN_ONE_INSTANT):
            due = machine.get_timer()
            if due is None or due > at:
                break
            machine.handle_timer(at)
            self._send_all(host, machine)
        else:
            raise AssertionError(f"timer of {host.ip} never passes, seed {self.seed}")
        self._arm(host, machine)

    def _pump_all(self) -> None:
        for host in self.hosts:
            if host.machine is not None:
                self._pump(host)

    def _pump(self, host: Host) -> None:
        machine = host.machine
        if machine is not None:
            self._send_all(host, machine)
            self._arm(host, machine)

    def _arm(self, host: Host, machine: Machine) -> None:
        due = machine.get_timer()
        if due is not None and (host.armed_at is None or due < host.armed_at):
            host.armed_at = max(due, self.now)
            self._push(host.armed_at, host, machine)

    def _send_all(self, host: Host, machine: Machine) -> None:
        for sent in machine.datagrams_to_send():
            segment = getattr(sent, "segment_size", None)
            ttl = getattr(sent, "ttl", None)
            data = bytes(sent.data)
            if not segment or segment >= len(data):
                self._send(host, sent.socket, sent.address, data, ttl)
                continue
            for start in range(0, len(data), segment):
                part = data[start : start + segment]
                self._send(host, sent.socket, sent.address, part, ttl)

    def _send(
        self, host: Host, socket: int, to: Address, data: bytes, ttl: int | None
    ) -> None:
        self.counts["sent"] += 1
        port = host.sockets.get(socket)
        if port is None:
            self._drop(Passage(host, (host.ip, 0), to, data, self.now), "socket closed")
            return
        source = (host.ip, port)
        nat, hops = host.nat, None
        if nat is not None:
            local = self._bound.get(to)
            if local is not None and local[0].nat is nat:
                hops = INNER_HOPS
            elif to[0] == nat.public_ip and not nat.hairpin:
                self._drop(Passage(host, source, to, data, self.now), "no hairpin")
                return
            else:
                source = nat.outbound(source, to, self.now)
        passage = Passage(host, source, to, data, self.now)
        for observer in self.observers:
            observer.on_sent(passage)
        link = self._links.get((source[0], to[0]), self.link) if self._links else None
        self._travel(passage, link or self.link, ttl, hops)

    def _travel(
        self, passage: Passage, link: Link, ttl: int | None, hops: int | None
    ) -> None:
        rng = self._network_random
        size = len(passage.data)
        if ttl is not None and ttl < (link.hops if hops is None else hops):
            self._drop(passage, "ttl")
            return
        if size > link.mtu_bytes:
            self._drop(passage, "mtu")
            return
        if self._partitions and self._cut(passage):
            self._drop(passage, "partition")
            return
        start = self.now
        if link.rate_bytes_s is not None:
            host = passage.host
            waiting_s = max(0.0, host.line_free_at - self.now)
            if waiting_s * link.rate_bytes_s + size > link.queue_bytes:
                self._drop(passage, "queue")
                return
            start = host.line_free_at = self.now + waiting_s + size / link.rate_bytes_s
        if link.loss and rng.random() < link.loss:
            self._drop(passage, "loss")
            return
        if link.duplicate and rng.random() < link.duplicate:
            self._push(start + self._delay_s(link), None, passage)
        self._push(start + self._delay_s(link), None, passage)

    def _delay_s(self, link: Link) -> float:
        rng = self._network_random
        delay = link.delay_min_s
        if link.delay_max_s > delay:
            delay += (link.delay_max_s - delay) * rng.random()
        if link.reorder and rng.random() < link.reorder:
            delay += link.reorder_s * rng.random()
        return delay

    def _cut(self, passage: Passage) -> bool:
        source, to = passage.source[0], passage.destination[0]
        return any(source in one and to in other for one, other in self._partitions)

    def _deliver(self, passage: Passage) -> None:
        to = passage.destination
        if self._nats and to[0] in self._nats:
            inner = self._nats[to[0]].inbound(passage.source, to[1], self.now)
            if inner is None:
                self._drop(passage, "filtered")
                return
            to = inner
        elif self._nats and self._behind_foreign_nat(passage, to):
            self._drop(passage, "unreachable")
            return
        bound = self._bound.get(to)
        if bound is None:
            self._drop(passage, "closed port")
            return
        host, socket = bound
        machine = host.machine
        if machine is None:
            self._drop(passage, "host down")
            return
        self.counts["delivered"] += 1
        self.fingerprint = zlib.crc32(passage.data, self.fingerprint)
        machine.receive_datagram(passage.data, passage.source, self.now, socket=socket)
        self._send_all(host, machine)
        self._arm(host, machine)
        for observer in self.observers:
            observer.on_delivered(passage, host)

    def _behind_foreign_nat(self, passage: Passage, to: Address) -> bool:
        bound = self._bound.get(to)
        if bound is None or bound[0].nat is None:
            return False
        return bound[0].nat is not passage.host.nat

    def _drop(self, passage: Passage, reason: str) -> None:
        self.counts[reason] += 1
        for observer in self.observers:
            observer.on_dropped(passage, reason)

    def _bind(self, host: Host, socket: int, port: int | None) -> int:
        if not port:
            while (host.ip, self._next_port) in self._bound:
                self._next_port += 1
            port = self._next_port
            self._next_port = max(FIRST_FREE_PORT, (port + 1) % 65_536)
        assert (host.ip, port) not in self._bound, f"port {port} is taken"
        self._bound[host.ip, port] = (host, socket)
        if host.nat is not None and host.nat.kind is NatKind.OPEN:
            host.nat.forward((host.ip, port))
        return port

    def _unbind(self, host: Host, port: int) -> None:
        del self._bound[host.ip, port]
