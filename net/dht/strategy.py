"""Which way of punching fits two firewalls: a table, and no more.

Open counts as consistent. The ways against random ports are named here so that they
have their place; :mod:`net.dht.holepuncher` refuses them, as upstream does while such
a punch is not allowed. Upstream: hyperdht 6.34.0 ``lib/holepuncher.js``.
"""

from __future__ import annotations

from enum import Enum

from net.dht.constants import Firewall


class Strategy(Enum):
    """What to do to get through."""

    CONSISTENT = "probe the known addresses of the peer"
    RANDOM_REMOTE = "probe random ports of the peer's verified host"
    RANDOM_LOCAL = "open many sockets towards the peer's verified address"
    IMPOSSIBLE = "nothing helps"


_TABLE: dict[tuple[Firewall, Firewall], tuple[Strategy, bool]] = {
    # (local, remote): what to do, and whether it needs a verified remote address
    (Firewall.CONSISTENT, Firewall.CONSISTENT): (Strategy.CONSISTENT, False),
    (Firewall.CONSISTENT, Firewall.RANDOM): (Strategy.RANDOM_REMOTE, True),
    (Firewall.RANDOM, Firewall.CONSISTENT): (Strategy.RANDOM_LOCAL, True),
    (Firewall.RANDOM, Firewall.RANDOM): (Strategy.IMPOSSIBLE, False),
}

NEEDS_MANY_PROBES = frozenset({Strategy.RANDOM_REMOTE, Strategy.RANDOM_LOCAL})
"""Strategies that are rationed, because they send thousands of datagrams."""


def read_firewall(value: int) -> Firewall:
    """A firewall as a peer wrote it; what is unknown to us is as bad as random."""
    return Firewall(value) if value < Firewall.RANDOM else Firewall.RANDOM


def coerce(firewall: Firewall) -> Firewall:
    """Open is at least as good as consistent."""
    return Firewall.CONSISTENT if firewall is Firewall.OPEN else firewall


def choose_strategy(
    local: Firewall, remote: Firewall, *, has_verified_address: bool
) -> Strategy:
    """Look up what two firewalls call for.

    Args:
        local: The own firewall.
        remote: The peer's.
        has_verified_address: Whether the peer proved one of its hosts.
    """
    entry = _TABLE.get((coerce(local), coerce(remote)))
    if entry is None:
        return Strategy.IMPOSSIBLE
    strategy, needs_verified = entry
    if needs_verified and not has_verified_address:
        return Strategy.IMPOSSIBLE
    return strategy
