"""Whether others can reach us: from firewalled to open, from ephemeral to persistent.

Every ``to`` field is somebody's word on our public address. When the words agree and
we have been up for 20 minutes (or the owner wants it at start), some nodes are asked to
answer to the port of our server socket. If enough answers arrive there, and the port
outside is the port inside, we are open; our id then follows from that address.

Leaves to others: what is done about a NAT that is not open (HyperDHT). Upstream:
dht-rpc 6.27.0 ``index.js``.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from net.flow import Deferred, all_settled
from net.rpc.addresses import Address, node_id, unpack_address
from net.rpc.events import BecameEphemeral, NatUpdated, Persistent
from net.rpc.messages import PING_NAT
from net.rpc.nat_sampler import NatSampler
from net.rpc.requests import PendingRequest, Reply

if TYPE_CHECKING:
    from net.rpc.node import RpcNode

STABLE_TICKS: Final = 240
"""Ticks (20 min) before an adaptive node tries to become persistent."""
MORE_STABLE_TICKS: Final = 720
"""The same after a try or a sleep (60 min)."""
PROBED_NODES: Final = 5
MIN_PROBE_ANSWERS: Final = 3
"""Answers needed of five nodes; of fewer nodes one is enough."""


class Reachability:
    """What we believe about our own address.

    Attributes:
        firewalled: True until others were seen to reach our server socket.
        ephemeral: True until we are known to be open and stay.
        adaptive: True when the node may become persistent by itself.
        sampler: What others say our address is.
    """

    def __init__(self, node: RpcNode, *, firewalled: bool, adaptive: bool) -> None:
        self.firewalled = firewalled
        self.ephemeral = True
        self.adaptive = adaptive
        self.sampler = NatSampler()
        self._node = node
        self._stable_in = STABLE_TICKS if adaptive else 0
        self._checked_host: str | None = None
        self._unproven_sources: list[Address] = []
        self._expected_hosts: dict[str, bool] | None = None

    # -- samples -----------------------------------------------------------------

    def sample(self, to: bytes) -> None:
        """Take somebody's word on our address."""
        before = (self.sampler.host, self.sampler.port)
        self.sampler.add(*unpack_address(to))
        self._tell_if_changed(before)

    def sample_unproven(self, source: Address, to: bytes) -> None:
        """Take the word of a node without id; only a few, as bootstrap nodes are."""
        limit = max(1, len(self._node.bootstrap_nodes))
        sources = self._unproven_sources
        if len(sources) < limit and source not in sources:
            sources.append(source)
            self.sample(to)

    def witness(self, source: Address) -> None:
        """Note that a datagram came in on the server socket."""
        expected = self._expected_hosts
        if expected is not None and source[0] in expected:
            expected[source[0]] = True

    @property
    def is_probing(self) -> bool:
        """True while answers to the server socket are waited for."""
        return self._expected_hosts is not None

    # -- when to try -------------------------------------------------------------

    def on_tick(self) -> None:
        """Try to become persistent when the node has been stable long enough."""
        if not self.adaptive or not self.ephemeral:
            return
        self._stable_in -= 1
        if self._stable_in > 0:
            return
        if self._checked_host == self.sampler.host:
            self._stable_in = MORE_STABLE_TICKS
        else:
            self._node.scheduler.spawn(self.check())

    def forget_network(self) -> None:
        """After a sleep: wait an hour, check even the same host, send no id."""
        self._stable_in = MORE_STABLE_TICKS
        self._checked_host = None
        if self.adaptive and not self.ephemeral:
            self.ephemeral = True
            self._node.emit(BecameEphemeral())

    # -- trying ------------------------------------------------------------------

    async def check(self, *, only_firewall: bool = False) -> bool:
        """Find out whether others reach us, and draw the consequences.

        Args:
            only_firewall: True to become open at most, not persistent.

        Returns:
            True when something was found to be better than believed.
        """
        if not self.ephemeral or self.is_probing:
            return False
        if only_firewall and not self.firewalled:
            return False
        host, port = self.sampler.host, self.sampler.port
        if not only_firewall:
            self._stable_in = MORE_STABLE_TICKS
            self._checked_host = host
        if host is None or port == 0:
            return False
        sampler = self.sampler
        if self.firewalled:
            sampler = NatSampler()
            if not await self._is_reached(sampler):
                return False
        self.firewalled = False
        unchanged = (host, port) == (self.sampler.host, self.sampler.port)
        if not self.ephemeral or not unchanged:
            return False
        if sampler.host != host or sampler.port == 0:
            return False
        if not only_firewall:
            self.ephemeral = False
        self._adopt(sampler)
        own_id = node_id((host, sampler.port))
        if own_id != self._node.table.id:
            self._node.change_id(own_id)
        if not self.ephemeral:
            self._node.emit(Persistent())
        return True

    async def _is_reached(self, sampler: NatSampler) -> bool:
        node = self._node
        asked: list[tuple[bytes, bytes | None]] = [
            (known.packed, known.id)
            for known in islice(node.table.newest_first(), PROBED_NODES)
        ]
        if len(asked) < PROBED_NODES:
            asked += [(packed, None) for packed in node.bootstrap_nodes]
        if not asked:
            return False
        expected = {unpack_address(packed)[0]: False for packed, _ in asked}
        self._expected_hosts = expected
        requests = [self.ping_nat(packed, id_) for packed, id_ in asked]
        pending: list[Deferred[Reply]] = [*requests]
        try:
            await all_settled(pending)
        finally:
            self._expected_hosts = None
        answers = 0
        for request in requests:
            if request.error is None and expected.get(request.result().source[0]):
                answers += 1
                sampler.add(*request.result().to)
        if answers < (MIN_PROBE_ANSWERS if len(asked) >= PROBED_NODES else 1):
            return False
        if sampler.host is None or sampler.host != self.sampler.host:
            return False
        return sampler.port != 0 and sampler.port == node.server_port

    def ping_nat(self, packed: bytes, id_: bytes | None) -> PendingRequest:
        """Ask a node to answer to our server socket."""
        request = self._node.exchange.make_request(
            packed,
            command=PING_NAT,
            internal=True,
            target=None,
            value=self._node.server_port.to_bytes(2, "little"),
            node_id=id_,
        )
        self._node.exchange.submit(request)
        return request

    def _adopt(self, sampler: NatSampler) -> None:
        if sampler is self.sampler:
            return
        before = (self.sampler.host, self.sampler.port)
        self._unproven_sources = []
        self.sampler = sampler
        self._tell_if_changed(before)

    def _tell_if_changed(self, before: tuple[str | None, int]) -> None:
        now = (self.sampler.host, self.sampler.port)
        if now != before:
            self._node.emit(NatUpdated(*now))
