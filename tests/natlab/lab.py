"""A small internet in network namespaces: public hosts, homes behind NATs, programs.

    tests.natlab.internet
      |-- DHT nodes              1.2.3.1 and so on, all in one namespace
      |-- public host            1.2.3.x
      |-- router -- home hosts   192.168.1.x behind 1.2.3.y, as in most homes
      ...

The namespaces have no way out, so that the made-up public addresses stay inside. All
is removed at the end, whatever happened; programs die with the process that started
them, and what a killed run left is removed by the next one. Needs root, ``ip``,
``nft``, ``setpriv`` and TUN devices.
"""

from __future__ import annotations

import enum
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO, Self

from tests.natlab.internet import open_tun

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "1.2.3."
PRIVATE = "192.168.1."
PREFIX = "covey-lab-"
WORDS_LIMIT = 2000
END_LIMIT_S = 5.0
ORDER_LIMIT_S = 10.0
MAPPING_S = 6
"""Routers forget what was silent for so long; real ones take 30 s or more."""


class NatKind(enum.Enum):
    """How a router translates; what comes in unasked is dropped by all of them."""

    CONSISTENT = "masquerade"
    """One port outside for each socket inside, the same one if it is free."""

    RANDOM = "masquerade fully-random"
    """Another port for each destination."""


RULES = """
table ip nat {{
  chain outgoing {{
    type nat hook postrouting priority srcnat;
    oifname "wan" {masquerade}
  }}
}}
table ip filter {{
  chain own {{
    type filter hook input priority filter;
    iifname "wan" ct state established,related accept
    iifname "wan" drop
  }}
  chain passing {{
    type filter hook forward priority filter;
    iifname "wan" ct state established,related accept
    iifname "wan" drop
  }}
}}
"""


def rules_of(kind: NatKind) -> str:
    """What ``nft`` is told on a router of that kind."""
    return RULES.format(masquerade=kind.value)


class LabError(Exception):
    """The lab or a program in it did not do what it must."""


def run(*command: str, stdin: str = "") -> None:
    """Run one command of the system.

    Raises:
        LabError: It failed.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, input=stdin, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")


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
        rules = rules_of(NatKind.RANDOM)
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


class Program:
    """A program in one of the lab's places; what it prints is JSON, a line each."""

    def __init__(
        self, process: subprocess.Popen[bytes], words: BinaryIO, name: str
    ) -> None:
        self.process = process
        self._words = words
        self._name = name
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader: threading.Thread | None = None

    def hear(self, limit_s: float) -> dict[str, Any]:
        """The next thing it tells.

        Raises:
            LabError: It ended, or told nothing in time.
        """
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        try:
            line = self._lines.get(timeout=limit_s)
        except Empty:
            text = f"{self._name} told nothing in {limit_s:g} s: {self.words()}"
            raise LabError(text) from None
        if not line:
            raise LabError(f"{self._name} ended: {self.words()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def tell(self, what: Mapping[str, Any]) -> None:
        """Give it a line of JSON."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def finish(self, data: bytes, limit_s: float) -> Finished:
        """Give it all of its input, and wait for its end.

        Raises:
            LabError: It took too long.
        """
        try:
            output, _ = self.process.communicate(data, timeout=limit_s)
        except subprocess.TimeoutExpired:
            text = f"{self._name} did not end in {limit_s:g} s: {self.words()}"
            raise LabError(text) from None
        return Finished(self.process.returncode, output, self.words())

    def words(self) -> str:
        """The end of what it wrote to standard error."""
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - WORDS_LIMIT))
        return self._words.read().decode(errors="replace").strip()

    def end(self) -> None:
        """End it; forgiving, because it may have ended."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._reader is not None:
            self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self._words):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a program."""

    status: int
    output: bytes
    words: str
    """The end of its standard error."""


@dataclass
class Lab:
    """Namespaces by name, and the programs in them.

    Attributes:
        spaces: The kernel's name for each place.
        programs: Those that were not stopped yet.
    """

    spaces: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)

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

    # -- places --------------------------------------------------------------------

    def add_address(self, number: int) -> str:
        """Give the internet's own namespace a further address, for a DHT node."""
        host = f"{PUBLIC}{number}"
        self._order(do="name", space=self.spaces["internet"], hosts=[host])
        self._ip("internet", f"addr add {host}/24 dev wan")
        return host

    def add_public_host(self, place: str, number: int) -> str:
        """A host of its own with a public address; returns the address."""
        self._space(place)
        return self._uplink(place, number)

    def add_home(self, place: str, number: int, kind: NatKind, hosts: int = 1) -> str:
        """A router with hosts ``place-1`` and so on; returns its public address."""
        router = f"{place}-router"
        self._space(router)
        public = self._uplink(router, number)
        self._ip(router, "link add lan type bridge")
        self._ip(router, "link set lan up")
        self._ip(router, f"addr add {PRIVATE}1/24 dev lan")
        for count in range(1, hosts + 1):
            host = f"{place}-{count}"
            self._space(host)
            self._cable(host, router, f"port{count}")
            self._ip(host, f"addr add {PRIVATE}{count + 1}/24 dev eth0")
            self._ip(host, f"route add default via {PRIVATE}1")
        self._inside(router, "nft", "-f", "-", stdin=rules_of(kind))
        self._set(router, "ipv4/ip_forward", 1)
        self._set(router, "netfilter/nf_conntrack_udp_timeout", MAPPING_S)
        self._set(router, "netfilter/nf_conntrack_udp_timeout_stream", MAPPING_S)
        return public

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

    def _uplink(self, place: str, number: int) -> str:
        host = f"{PUBLIC}{number}"
        self._connect(place, [host])
        self._ip(place, f"addr add {host}/24 dev wan")
        return host

    def _connect(self, place: str, hosts: list[str]) -> None:
        """Connect a place to the internet."""
        space = self.spaces[place]
        self._order(do="connect", space=space, device="wan", hosts=hosts)
        self._ip(place, "link set wan up")

    def _cable(self, host: str, router: str, port: str) -> None:
        """Connect a host to the switch in its router."""
        peer = f"{port} netns {self.spaces[router]}"
        self._ip(host, f"link add eth0 type veth peer name {peer}")
        self._ip(router, f"link set {port} master lan")
        self._ip(router, f"link set {port} up")
        self._ip(host, "link set eth0 up")

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
