"""People behind routers of the real kernel meet through a small DHT.

Everything is done by programs as a user starts them: ``covey dht``, ``covey net
listen`` and ``covey net connect``, or npm's in their place. What the handshakes looked
like on the way is told by the lab's internet.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from typing import Any

import pytest

from net.dht.constants import Command
from net.dht.messages import Mode
from tests.natlab.conftest import (
    CARRIER,
    CUSTOMERS,
    HOMES,
    PUBLIC_HOST,
    READY_LIMIT_S,
    covey,
    start_npm,
)
from tests.natlab.lab import PRIVATE, PUBLIC, Lab
from tests.natlab.programs import Program

pytestmark = [
    pytest.mark.natlab,
    # The lab is built by whichever test comes first; its own waits are bounded.
    pytest.mark.timeout(200, func_only=True),
]

ECHOED_BYTES = 1 << 20
DIAL_LIMIT_S = 90.0
PROMPT_S = 8.0
PUNCH_LIMIT_S = 18.0
"""Ten rounds of punching and what is around them."""

IDLE_S = 7.5
"""Longer than the lab's routers remember what is silent."""

LOST_SHARE = 0.05
PROBES_LOST_S = 1.5
"""From the start of the client's program; the first quick probes are lost for sure."""

Seen = tuple[Command, Mode]

RELAYED_HANDSHAKE = [
    (Command.PEER_HANDSHAKE, Mode.FROM_CLIENT),
    (Command.PEER_HANDSHAKE, Mode.FROM_RELAY),
    (Command.PEER_HANDSHAKE, Mode.FROM_SERVER),
    (Command.PEER_HANDSHAKE, Mode.REPLY),
]
RELAYED_PUNCH = [
    (Command.PEER_HOLEPUNCH, Mode.FROM_CLIENT),
    (Command.PEER_HOLEPUNCH, Mode.FROM_RELAY),
    (Command.PEER_HOLEPUNCH, Mode.FROM_SERVER),
    (Command.PEER_HOLEPUNCH, Mode.REPLY),
]


@dataclass(frozen=True)
class Dialled:
    """What came of an attempt to connect and have 1 MiB echoed."""

    opened: dict[str, Any]
    whole: bool
    """Whether the same bytes came back, all of them."""

    words: str
    status: int
    seconds: float
    rows: list[dict[str, Any]]

    @property
    def host(self) -> str:
        """The host at the other end."""
        address: str = self.opened["remoteAddress"]
        return address.rpartition(":")[0]


def public_host(place: str) -> str:
    """How the internet sees a place."""
    home = place.partition("-")[0]
    if home in HOMES:
        return f"{PUBLIC}{HOMES[home][0]}"
    return f"{PUBLIC}{(CARRIER if home in CUSTOMERS else PUBLIC_HOST)[1]}"


def listen(
    lab: Lab, place: str, network: str, kind: str, seed: str = ""
) -> tuple[Program, str]:
    """Start a server that sends back what comes; it and its key."""
    seed = seed or os.urandom(32).hex()
    if kind == "npm":
        program = start_npm(lab, place, "listen", network, seed)
    else:
        options = ("net", "listen", "--echo", "--seed", seed)
        program = lab.start(place, covey("--bootstrap", network, *options))
    told = program.hear(READY_LIMIT_S)
    assert told["event"] == "listening"
    return program, told["publicKey"]


def start_client(lab: Lab, place: str, network: str, kind: str, key: str) -> Program:
    """Start a client of that kind."""
    if kind == "npm":
        return start_npm(lab, place, "connect", network, key)
    return lab.start(place, covey("--bootstrap", network, "net", "connect", key))


def dial(
    lab: Lab,
    network: str,
    places: tuple[str, str],
    kinds: tuple[str, str] = ("covey", "covey"),
    *,
    probes_lost_s: float = 0.0,
) -> Dialled:
    """Let the second place connect to the first one, and note how that went."""
    server, key = listen(lab, places[0], network, kinds[0])
    lab.captured()
    lab.lose_probes(probes_lost_s)
    client = start_client(lab, places[1], network, kinds[1], key)
    data = os.urandom(ECHOED_BYTES)
    began_at = time.monotonic()
    try:
        done = client.finish(data, DIAL_LIMIT_S)
    finally:
        lab.stop(client)
        lab.stop(server)
    seconds = time.monotonic() - began_at
    first, _, rest = done.output.partition(b"\n")
    opened = json.loads(first) if done.status == 0 else {}
    result = Dialled(
        opened, rest == data, done.words, done.status, seconds, lab.captured()
    )
    lab.notes.append(describe(result, places, kinds, network))
    return result


def describe(
    result: Dialled, places: tuple[str, str], kinds: tuple[str, str], network: str
) -> str:
    """One line for people."""
    outcome = result.words
    if result.opened:
        path = result.opened.get("path", "path not told")
        outcome = f"{result.opened['ms']:.0f} ms, {path}, at {result.host}"
    who = f"{kinds[1]} at {places[1]} to {kinds[0]} at {places[0]}"
    return f"{who} in the network of {network}: {outcome}"


def in_order(rows: list[dict[str, Any]], wanted: list[Seen]) -> list[dict[str, Any]]:
    """The rows of those modes, each after the one before; as many as were found."""
    found: list[dict[str, Any]] = []
    for row in rows:
        at = len(found)
        if at < len(wanted) and (row["command"], row["mode"]) == wanted[at]:
            found.append(row)
    return found


def hosts_of(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """From whom to whom."""
    return [
        (row["from"].rpartition(":")[0], row["to"].rpartition(":")[0]) for row in rows
    ]


def check_relayed(result: Dialled, places: tuple[str, str], wanted: list[Seen]) -> None:
    """The messages took the way over a node that is neither of the two."""
    rows = [row for row in result.rows if row["command"] == wanted[0][0]]
    via = {it for row in rows if row["mode"] == Mode.REPLY for it in [row["from"]]}
    for relay in via:
        ours = [row for row in rows if relay in (row["from"], row["to"])]
        chain = in_order(ours, wanted)
        if len(chain) == len(wanted):
            break
    else:
        pytest.fail(f"no complete relayed exchange in {rows}")
    host = relay.rpartition(":")[0]
    server, client = (public_host(place) for place in places)
    assert host not in (server, client)
    assert hosts_of(chain) == [
        *((client, host), (host, server), (server, host), (host, client))
    ]


def check_echo(result: Dialled) -> None:
    """It worked, and nothing was said about it."""
    assert (result.status, result.words) == (0, "")
    assert result.opened["event"] == "open"
    assert result.whole


def check_sentence(result: Dialled) -> None:
    """It did not work, and one sentence says why."""
    assert (result.status, result.opened) == (1, {})
    assert re.fullmatch(r"[A-Z][^\n]*\.", result.words), result.words


def has_punched(result: Dialled) -> bool:
    """Whether hole punch messages passed."""
    return any(row["command"] == Command.PEER_HOLEPUNCH for row in result.rows)


# -- ordinary routers --------------------------------------------------------------


@pytest.mark.parametrize(
    "places", [("open", "ada-1"), ("ada-1", "open")], ids=["to-open", "from-open"]
)
def test_one_side_is_open(
    lab: Lab, covey_network: str, places: tuple[str, str]
) -> None:
    result = dial(lab, covey_network, places)
    check_echo(result)
    assert result.opened["path"] == "direct"
    assert result.host == public_host(places[0])
    check_relayed(result, places, RELAYED_HANDSHAKE)
    assert not has_punched(result), "an open side needs no punch"


@pytest.mark.parametrize(
    "kinds",
    [("covey", "covey"), ("npm", "covey"), ("covey", "npm")],
    ids=["covey-covey", "npm-server", "npm-client"],
)
@pytest.mark.parametrize("network", ["covey_network", "npm_network"])
def test_two_homes_punch(
    lab: Lab, request: pytest.FixtureRequest, network: str, kinds: tuple[str, str]
) -> None:
    places = ("ada-1", "bo-1")
    result = dial(lab, request.getfixturevalue(network), places, kinds)
    check_echo(result)
    assert result.host == public_host("ada-1")
    if kinds[1] == "covey":
        assert result.opened["path"] == "direct"
    check_relayed(result, places, RELAYED_HANDSHAKE)
    check_relayed(result, places, RELAYED_PUNCH)


@pytest.mark.parametrize(
    "kinds",
    [("covey", "covey"), ("npm", "covey"), ("covey", "npm")],
    ids=["covey-covey", "npm-server", "npm-client"],
)
def test_two_homes_punch_again_when_the_first_probes_are_lost(
    lab: Lab, covey_network: str, kinds: tuple[str, str]
) -> None:
    places = ("ada-1", "bo-1")
    result = dial(lab, covey_network, places, kinds, probes_lost_s=PROBES_LOST_S)
    check_echo(result)
    assert result.host == public_host("ada-1")
    asked = [
        row for row in result.rows if (row["command"], row["mode"]) == RELAYED_PUNCH[0]
    ]
    assert len(asked) >= 2, "a round to find out and a round to punch"


@pytest.mark.parametrize(
    "places",
    [("cy-1", "bo-1"), ("bo-1", "cy-1"), ("ed-1", "bo-1"), ("bo-1", "ed-1")],
    ids=["to-answering", "from-answering", "to-carrier", "from-carrier"],
)
def test_homes_with_other_routers_punch(
    lab: Lab, covey_network: str, places: tuple[str, str]
) -> None:
    result = dial(lab, covey_network, places, probes_lost_s=PROBES_LOST_S)
    check_echo(result)
    assert (result.opened["path"], result.host) == ("direct", public_host(places[0]))


def test_two_homes_punch_through_an_internet_that_loses_packets(
    lab: Lab, covey_network: str, seed: int
) -> None:
    lab.lose(LOST_SHARE, seed)
    try:
        result = dial(lab, covey_network, ("ada-1", "bo-1"))
    finally:
        lab.lose(0.0, seed)
    check_echo(result)
    assert (result.opened["path"], result.host) == ("direct", public_host("ada-1"))


def test_a_key_is_found_wherever_it_has_moved(lab: Lab, covey_network: str) -> None:
    seed = os.urandom(32).hex()
    for place in ("ada-1", "open", "bo-1"):
        server, key = listen(lab, place, covey_network, "covey", seed)
        client = start_client(lab, "cy-1", covey_network, "covey", key)
        opened = client.hear(DIAL_LIMIT_S)
        assert opened["remoteAddress"].startswith(f"{public_host(place)}:")
        client.tell({"said": place})
        assert client.hear(READY_LIMIT_S) == {"said": place}
        lab.stop(client)
        # As a machine that loses its power: nobody is told.
        server.process.kill()
        lab.stop(server)


def test_two_homes_punch_where_one_node_is_the_network(
    lab: Lab, smallest_network: str
) -> None:
    places = ("ada-1", "bo-1")
    result = dial(lab, smallest_network, places)
    check_echo(result)
    assert (result.opened["path"], result.host) == ("direct", public_host("ada-1"))
    check_relayed(result, places, RELAYED_PUNCH)


@pytest.mark.parametrize(
    "kinds",
    [("covey", "covey"), ("npm", "covey"), ("covey", "npm")],
    ids=["covey-covey", "npm-server", "npm-client"],
)
def test_one_home_stays_at_home(
    lab: Lab, covey_network: str, kinds: tuple[str, str]
) -> None:
    places = ("ada-1", "ada-2")
    result = dial(lab, covey_network, places, kinds)
    check_echo(result)
    assert result.host == f"{PRIVATE}2", "the bytes must not leave the home"
    if kinds[1] == "covey":
        assert result.opened["path"] == "lan"
    check_relayed(result, places, RELAYED_HANDSHAKE)


def test_silence_costs_neither_the_way_in_nor_the_stream(
    lab: Lab, covey_network: str
) -> None:
    server, key = listen(lab, "ada-1", covey_network, "covey")
    client = None
    try:
        time.sleep(IDLE_S)
        client = start_client(lab, "bo-1", covey_network, "covey", key)
        assert client.hear(DIAL_LIMIT_S)["path"] == "direct"
        client.tell({"said": 1})
        assert client.hear(READY_LIMIT_S) == {"said": 1}
        time.sleep(IDLE_S)
        client.tell({"said": 2})
        assert client.hear(READY_LIMIT_S) == {"said": 2}
    finally:
        if client is not None:
            lab.stop(client)
        lab.stop(server)


def test_neighbours_whose_carrier_turns_nothing_round_are_told(
    lab: Lab, covey_network: str
) -> None:
    """Both have one public host, and a packet to it from inside gets nowhere."""
    result = dial(lab, covey_network, ("ed-1", "eve-1"))
    check_sentence(result)
    assert "direct path" in result.words
    assert result.seconds < PUNCH_LIMIT_S


# -- routers with random ports -----------------------------------------------------


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        (("rae-1", "ada-1"), "random ports"),
        (("ada-1", "rae-1"), "random ports"),
        (("rae-1", "roy-1"), "Both sides"),
    ],
    ids=["random-server", "random-client", "both-random"],
)
def test_random_ports_end_in_one_sentence(
    lab: Lab, covey_network: str, places: tuple[str, str], reason: str
) -> None:
    result = dial(lab, covey_network, places)
    check_sentence(result)
    assert reason in result.words
    assert result.seconds < PROMPT_S


@pytest.mark.parametrize(
    "places", [("open", "rae-1"), ("rae-1", "open")], ids=["to-open", "from-open"]
)
def test_random_ports_do_not_matter_where_one_side_is_open(
    lab: Lab, covey_network: str, places: tuple[str, str]
) -> None:
    result = dial(lab, covey_network, places)
    check_echo(result)
    assert (result.opened["path"], result.host) == ("direct", public_host(places[0]))


def test_random_ports_do_not_matter_inside_one_home(
    lab: Lab, covey_network: str
) -> None:
    result = dial(lab, covey_network, ("rae-1", "rae-2"))
    check_echo(result)
    assert (result.opened["path"], result.host) == ("lan", f"{PRIVATE}2")
