"""One lab for all tests of NATs: places, networks of both kinds, and what runs there.

Its public addresses: 1 to 5 a network of Covey's nodes, 6 a network of one node, 7 to
11 a network of npm's nodes, from 20 on hosts and routers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.interop.node_peer import MODULES, why_not
from tests.natlab.internet import DELAY_S
from tests.natlab.lab import ROOT, Lab, why_no_lab
from tests.natlab.programs import Program
from tests.natlab.routers import NatKind, Refusal

PORT = 49737
READY_LIMIT_S = 60.0
NETWORK_SIZE = 5
NPM_ROLE = ROOT / "tests" / "natlab" / "npm_role.js"

HOMES = {
    "ada": (21, NatKind.CONSISTENT, Refusal.DROP),
    "bo": (22, NatKind.CONSISTENT, Refusal.REJECT),
    "cy": (23, NatKind.CONSISTENT, Refusal.ANSWER),
    "rae": (24, NatKind.RANDOM, Refusal.DROP),
    "roy": (25, NatKind.RANDOM, Refusal.REJECT),
}
"""Number of the public address and kind of the router; two hosts in each home."""

CARRIER = ("carrier", 26)
CUSTOMERS = {"ed": 11, "eve": 12}
"""Homes that share the carrier's public address, with ordinary routers of their own."""

PUBLIC_HOST = ("open", 20)


def covey(*arguments: str) -> list[str]:
    """A command line of Covey's."""
    return [sys.executable, "-m", "app", "--json", *arguments]


def npm(*arguments: str) -> list[str]:
    """The same of npm's."""
    return ["node", str(NPM_ROLE), *arguments]


def start_npm(lab: Lab, place: str, *arguments: str) -> Program:
    """Start a role of npm's in a place."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    return lab.start(place, npm(*arguments), {"NODE_PATH": str(MODULES)})


@pytest.fixture(scope="package")
def lab(notes: list[str]) -> Iterator[Lab]:
    """Homes with routers of all kinds, some behind a carrier's, and a public host."""
    reason = why_no_lab()
    if reason is not None:
        pytest.skip(reason)
    with Lab() as lab:
        lab.add_public_host(*PUBLIC_HOST)
        for name, (number, kind, refusal) in HOMES.items():
            lab.add_home(name, number, kind, refusal)
        lab.add_carrier(*CARRIER, NatKind.CONSISTENT)
        for name, number in CUSTOMERS.items():
            lab.add_home(name, number, NatKind.CONSISTENT, carrier=CARRIER[0])
        yield lab
    if lab.notes:
        notes.append(f"measured in the lab, {2 * DELAY_S * 1000:.0f} ms a round trip:")
        notes.extend(f"  {note}" for note in lab.notes)


@pytest.fixture(scope="package")
def covey_network(lab: Lab) -> str:
    """Five programs ``covey dht``; where to enter their network."""
    hosts = [lab.add_address(1 + count) for count in range(NETWORK_SIZE)]
    bootstrap = start_first_node(lab, hosts[0])
    nodes = [
        lab.start(
            "internet",
            covey(
                *("--bootstrap", bootstrap, "dht", "--host", host, "--port", str(PORT))
            ),
        )
        for host in hosts[1:]
    ]
    for node in nodes:
        assert node.hear(READY_LIMIT_S)["event"] == "ready"
    return bootstrap


@pytest.fixture(scope="package")
def smallest_network(lab: Lab) -> str:
    """A network of one node."""
    return start_first_node(lab, lab.add_address(6))


@pytest.fixture(scope="package")
def npm_network(lab: Lab) -> str:
    """Five nodes of npm's; where to enter their network."""
    hosts = [lab.add_address(7 + count) for count in range(NETWORK_SIZE)]
    nodes = start_npm(lab, "internet", "dht", str(PORT), *hosts)
    assert nodes.hear(READY_LIMIT_S)["event"] == "ready"
    return f"{hosts[0]}:{PORT}"


def start_first_node(lab: Lab, host: str) -> str:
    """Start ``covey dht --isolated``; returns its address."""
    node = lab.start(
        "internet",
        covey("dht", "--isolated", "--host", host, "--port", str(PORT)),
    )
    told = node.hear(READY_LIMIT_S)
    assert told == {"event": "ready", "host": host, "port": PORT}
    return f"{host}:{PORT}"
