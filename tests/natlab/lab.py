"""A small internet in network namespaces: public hosts, homes behind NATs, programs.

    tests.natlab.internet
      |-- DHT nodes              1.2.3.1 and so on, all in one namespace
      |-- public host            1.2.3.x
      |-- router -- home hosts   192.168.1.x behind 1.2.3.y, as in most homes
      |-- carrier -- routers     100.64.0.x behind 1.2.3.y, with homes behind them

The namespaces have no way out, so that the made-up public addresses stay inside. All
is removed at the end, whatever happened; programs die with the process that started
them, and what a killed run left is removed by the next one. Needs root, ``ip``,
``nft``, ``setpriv`` and TUN devices.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.natlab.internet import open_tun
from tests.natlab.programs import LabError, Program, run
from tests.natlab.routers import NatKind, Refusal, rules_of

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "1.2.3."
PRIVATE = "192.168.1."
CARRIED = "100.64.0."
CARRIED_MTU = 1280
"""Carriers tunnel; what is larger and may not be parted is lost on the way out."""

PREFIX = "covey-lab-"
ORDER_LIMIT_S = 60.0
MAPPING_S = 6
"""Routers forget what was silent for so long; real ones take 30 s or more."""


def why_no_lab() -> str | None:
    """Why the lab cannot be built here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    for tool in ("ip", "nft", "setpriv"):
        if shutil.which(tool) is None:
            return f"NATs in network namespaces need the tool {tool}"
    try:
        os.close(open_tun())
    except OSError:
        return "the lab's internet needs TUN devices"
    probe = f"{PREFIX}{os.getpid()}-probe"
    try:
        run("ip", "netns", "add", probe)
    except LabError:
        return "the system does not let us make network namespaces"
    try:
        rules = rules_of(NatKind.RANDOM, Refusal.REJECT)
        run("ip", "netns", "exec", probe, "nft", "-f", "-", stdin=rules)
    except LabError:
        return "the kernel does not translate addresses in network namespaces"
    finally:
        run("ip", "netns", "del", probe)
    return None


def sweep() -> None:
    """Remove the namespaces of runs that were killed."""
    listed = subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=False
    ).stdout
    for name in re.findall(rf"^{PREFIX}\d+-\S+", listed, re.MULTILINE):
        owner = name.removeprefix(PREFIX).split("-")[0]
        if not Path("/proc", owner).exists():
            subprocess.run(["ip", "netns", "del", name], check=False)


@dataclass
class Lab:
    """Namespaces by name, and the programs in them.

    Attributes:
        spaces: The kernel's name for each place.
        programs: Those that were not stopped yet.
        notes: What was measured, a sentence each.
    """

    spaces: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        sweep()
        try:
            self._carrier = self._spawn(
                [sys.executable, "-m", "tests.natlab.internet"], {}, "the internet"
            )
            self._space("internet")
            self._connect("internet", [])
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Remove everything."""
        for program in reversed(self.programs):
            program.end()
        self.programs.clear()
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        self.spaces.clear()

    def captured(self) -> list[dict[str, Any]]:
        """Handshake and hole punch messages that passed since this was asked last."""
        rows: list[dict[str, Any]] = self._order(do="captured")["captured"]
        return rows

    def lose_probes(self, seconds: float) -> None:
        """Lose every hole punch probe for so long."""
        self._order(do="lose-probes", seconds=seconds)

    def lose(self, share: float, seed: int) -> None:
        """Lose so much of what passes from now on."""
        self._order(do="lose", share=share, seed=seed)

    # -- places --------------------------------------------------------------------

    def add_address(self, number: int) -> str:
        """Give the internet's own namespace a further address, for a DHT node."""
        host = f"{PUBLIC}{number}"
        self._order(do="name", space=self.spaces["internet"], hosts=[host])
        self._ip("internet", f"addr add {host}/24 dev wan")
        return host

    def add_public_host(self, place: str, number: int) -> None:
        """A host of its own with a public address."""
        self._space(place)
        self._uplink(place, number)

    def add_home(
        self,
        place: str,
        number: int,
        kind: NatKind,
        refusal: Refusal = Refusal.DROP,
        *,
        carrier: str | None = None,
    ) -> None:
        """A router and two hosts, ``place-1`` and ``place-2``.

        Args:
            place: Its name.
            number: The last part of the router's address outside.
            kind: How the router translates.
            refusal: What it does with what comes in unasked.
            carrier: Whose customer it is; it is then not on the internet itself.
        """
        router = f"{place}-router"
        self._space(router)
        if carrier is None:
            self._uplink(router, number)
        else:
            self._cable(router, "wan", f"{carrier}-router", place)
            self._ip(router, f"link set wan mtu {CARRIED_MTU}")
            self._ip(router, f"addr add {CARRIED}{number}/24 dev wan")
            self._ip(router, f"route add default via {CARRIED}1")
        self._route(router, PRIVATE, rules_of(kind, refusal))
        for count in (1, 2):
            host = f"{place}-{count}"
            self._space(host)
            self._cable(host, "eth0", router, f"port{count}")
            self._ip(host, f"addr add {PRIVATE}{count + 1}/24 dev eth0")
            self._ip(host, f"route add default via {PRIVATE}1")

    def add_carrier(self, place: str, number: int, kind: NatKind) -> None:
        """A router of a carrier, whose customers share its public address."""
        router = f"{place}-router"
        self._space(router)
        self._uplink(router, number)
        self._route(router, CARRIED, rules_of(kind, Refusal.DROP))

    # -- programs ------------------------------------------------------------------

    def start(
        self,
        place: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        """Start a program in a place; it ends with the lab at the latest."""
        inside = ["ip", "netns", "exec", self.spaces[place], *command]
        return self._spawn(inside, environment or {}, place)

    def stop(self, program: Program) -> None:
        """End one program before the lab ends."""
        program.end()
        self.programs.remove(program)

    # -- inside --------------------------------------------------------------------

    def _space(self, place: str) -> None:
        name = f"{PREFIX}{os.getpid()}-{place}"
        run("ip", "netns", "add", name)
        self.spaces[place] = name
        self._ip(place, "link set lo up")

    def _uplink(self, place: str, number: int) -> None:
        host = f"{PUBLIC}{number}"
        self._connect(place, [host])
        self._ip(place, f"addr add {host}/24 dev wan")

    def _connect(self, place: str, hosts: list[str]) -> None:
        """Connect a place to the internet."""
        space = self.spaces[place]
        self._order(do="connect", space=space, device="wan", hosts=hosts)
        self._ip(place, "link set wan up")

    def _route(self, router: str, inside: str, rules: str) -> None:
        """Give a router its switch inside, and its rules."""
        self._ip(router, "link add lan type bridge")
        self._ip(router, "link set lan up")
        self._ip(router, f"addr add {inside}1/24 dev lan")
        self._inside(router, "nft", "-f", "-", stdin=rules)
        self._set(router, "ipv4/ip_forward", 1)
        self._set(router, "netfilter/nf_conntrack_udp_timeout", MAPPING_S)
        self._set(router, "netfilter/nf_conntrack_udp_timeout_stream", MAPPING_S)

    def _cable(self, place: str, device: str, router: str, port: str) -> None:
        """Connect a place to the switch in a router."""
        peer = f"{port} netns {self.spaces[router]}"
        self._ip(place, f"link add {device} type veth peer name {peer}")
        self._ip(router, f"link set {port} master lan")
        self._ip(router, f"link set {port} up")
        self._ip(place, f"link set {device} up")

    def _set(self, place: str, name: str, value: int) -> None:
        self._inside(place, "sh", "-c", f"echo {value} > /proc/sys/net/{name}")

    def _ip(self, place: str, command: str) -> None:
        run("ip", "-n", self.spaces[place], *command.split())

    def _inside(self, place: str, *command: str, stdin: str = "") -> None:
        run("ip", "netns", "exec", self.spaces[place], *command, stdin=stdin)

    def _order(self, **order: Any) -> dict[str, Any]:
        """Tell the internet to do something."""
        self._carrier.tell(order)
        return self._carrier.hear(ORDER_LIMIT_S)

    def _spawn(
        self, command: Sequence[str], environment: Mapping[str, str], name: str
    ) -> Program:
        number, path = tempfile.mkstemp()
        os.unlink(path)
        words = os.fdopen(number, "w+b")
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        program = Program(process, words, f"{name}: {' '.join(command)[:200]}")
        self.programs.append(program)
        return program
