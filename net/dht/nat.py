"""What kind of firewall stands before one punch socket.

Other nodes tell under which address they see the socket; this class draws the
conclusion from the answers. It decides nothing about what to do with it: that is the
hole puncher's part. Upstream: hyperdht 6.34.0 ``lib/nat.js``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from net.dht.constants import Address, Firewall
from net.flow import Deferred

MIN_SAMPLES = 4
_ENOUGH_SAMPLES = 3
_SKIPPED_NODES = 5
_SKIP_FROM_NODES = 8


@dataclass(slots=True)
class _Sample:
    address: Address
    hits: int = 1


class Nat:
    """Classifies one socket from samples of its address, each from another node.

    Args:
        is_firewalled: Whether the node itself counts as firewalled, asked each time.

    Attributes:
        firewall: The verdict so far.
        addresses: Where the socket can be reached, None while that is unknown.
        analyzed: Settled once a verdict stands or no more samples will come.
        sample_count: Nodes that have told their view.
    """

    def __init__(self, is_firewalled: Callable[[], bool]) -> None:
        self._is_firewalled = is_firewalled
        self._hosts: list[_Sample] = []
        self._full: list[_Sample] = []
        self._asked: set[Address] = set()
        self._answered: set[Address] = set()
        self._pending = 0
        self._again: Callable[[], None] | None = None
        self._node_count: Callable[[], int] = lambda: 0
        self._frozen = False
        self._ended = False
        self.firewall = Firewall.UNKNOWN if is_firewalled() else Firewall.OPEN
        self.addresses: tuple[Address, ...] | None = None
        self.analyzed: Deferred[None] = Deferred()
        self.sample_count = 0

    def freeze(self) -> None:
        """Keep the verdict: the peer was told."""
        self._frozen = True

    def unfreeze(self) -> None:
        """Follow the samples again."""
        self._frozen = False
        self._conclude()

    def destroy(self) -> None:
        """Ask nobody any more and let everyone waiting go on."""
        self._ended = True
        self.analyzed.resolve(None)

    def add(self, address: Address, source: Address) -> None:
        """Take a sample: ``source`` sees the socket as ``address``.

        One sample a source counts.
        """
        if source in self._answered:
            return
        self._asked.add(source)
        self._answered.add(source)
        _count(self._hosts, (address[0], 0))
        _count(self._full, address)
        self.sample_count += 1
        enough = self.sample_count >= _ENOUGH_SAMPLES or not self._is_firewalled()
        if enough and not self._frozen:
            self._conclude()
        known = self.firewall in (Firewall.OPEN, Firewall.CONSISTENT)
        if known or self.sample_count >= MIN_SAMPLES:
            self.analyzed.resolve(None)

    def sample(
        self,
        nodes: Callable[[], Iterable[Address]],
        node_count: Callable[[], int],
        ping: Callable[[Address, Callable[[Address | None], None]], None],
    ) -> None:
        """Ask nodes until four samples are in; once more if fewer came.

        Args:
            nodes: Known nodes, the one heard last first. The five heard last are
                skipped when there are eight or more: they may be there for the peer
                this connection is about.
            node_count: How many nodes are known.
            ping: Asks a node once from this socket and calls back with the address the
                node saw, None if it did not answer.
        """
        self._again = lambda: self._ask(nodes, node_count, ping)
        self._node_count = node_count
        self._ask(nodes, node_count, ping)

    def _ask(
        self,
        nodes: Callable[[], Iterable[Address]],
        node_count: Callable[[], int],
        ping: Callable[[Address, Callable[[Address | None], None]], None],
    ) -> None:
        skip = _SKIPPED_NODES if node_count() >= _SKIP_FROM_NODES else 0
        chosen: list[Address] = []
        for node in nodes():
            if self.sample_count + len(chosen) >= MIN_SAMPLES:
                break
            if skip > 0:
                skip -= 1
            elif node not in self._asked:
                chosen.append(node)
        self._asked.update(chosen)
        self._pending = len(chosen) + 1
        for node in chosen:
            ping(node, lambda seen, node=node: self._answer(seen, node))  # type: ignore[misc]
        self._one_less()

    def _answer(self, seen: Address | None, node: Address) -> None:
        if self._ended:
            return
        if seen is not None:
            self.add(seen, node)
        self._one_less()

    def _one_less(self) -> None:
        self._pending -= 1
        if self._pending > 0 or self.sample_count >= MIN_SAMPLES or self._ended:
            return
        again, self._again = self._again, None
        if again is not None:
            again()
            return
        if self._node_count() < _ENOUGH_SAMPLES:
            self._believe_few()
        self.analyzed.resolve(None)

    def _believe_few(self) -> None:
        """Where one or two nodes are the whole network, take their word.

        Upstream stays undecided, which ends every punch; a wrong belief costs a punch
        that would not have been tried.
        """
        same = len(self._full) == 1 and self.sample_count < _ENOUGH_SAMPLES
        if same and self.firewall is Firewall.UNKNOWN and not self._frozen:
            self.firewall = Firewall.CONSISTENT
            self.addresses = (self._full[0].address,)

    def _conclude(self) -> None:
        self.firewall = self._classify()
        if self.firewall is Firewall.UNKNOWN:
            self.addresses = None
        elif self.firewall is Firewall.RANDOM:
            self.addresses = (self._hosts[0].address,)
        elif self.firewall is Firewall.CONSISTENT:
            listed: list[Address] = []
            for sample in self._full:
                if sample.hits >= 2 or len(listed) < 2:
                    listed.append(sample.address)
            self.addresses = tuple(listed)

    def _classify(self) -> Firewall:
        if not self._is_firewalled():
            return Firewall.OPEN
        before = self.firewall
        if before is Firewall.OPEN:
            before = Firewall.UNKNOWN
        if self.sample_count < _ENOUGH_SAMPLES:
            return before
        most = self._full[0].hits
        if most >= 3:
            return Firewall.CONSISTENT
        if most == 1:
            return Firewall.RANDOM
        if len(self._hosts) == 1 and self.sample_count > 3:
            return Firewall.RANDOM
        if len(self._hosts) > 1 and self._full[1].hits > 1:
            # Two addresses seen twice each: one socket behind two uplinks.
            return Firewall.CONSISTENT
        if self.sample_count > MIN_SAMPLES:
            return Firewall.RANDOM
        return before


def _count(samples: list[_Sample], address: Address) -> None:
    """Count a hit and keep the list ordered, most hits first, older before newer."""
    for index, sample in enumerate(samples):
        if sample.address != address:
            continue
        sample.hits += 1
        while index > 0 and samples[index - 1].hits < sample.hits:
            samples[index] = samples[index - 1]
            index -= 1
            samples[index] = sample
        return
    samples.append(_Sample(address))
