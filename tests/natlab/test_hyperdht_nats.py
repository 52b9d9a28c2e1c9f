"""Two homes behind routers of the real kernel meet through a small DHT and punch.

Five network namespaces: the internet with the DHT's nodes, two routers that translate
addresses and let nothing in unasked, and one host behind each. Each role is played by
Covey and by npm. Needs root; run as a program this file plays Covey's roles.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from net import DHT, KeyPair
from tests.interop.node_peer import MODULES, why_not

ROOT = Path(__file__).resolve().parent.parent.parent
INTERNET = "45.45.45."
BOOTSTRAP = (INTERNET + "1", 49737)
HOMES = {"a": INTERNET + "11", "b": INTERNET + "12"}
KEYS = KeyPair.from_seed(b"\x09" * 32)
LIMIT_S = 30.0

pytestmark = [pytest.mark.natlab, pytest.mark.slow, pytest.mark.timeout(120)]

NPM_SERVER = f"""
const DHT = require('hyperdht')
const node = new DHT({{ bootstrap: [{{ host: '{BOOTSTRAP[0]}', port: 49737 }}] }})
const server = node.createServer((stream) => {{
  stream.on('error', () => {{}})
  stream.pipe(stream)
}})
server.listen(DHT.keyPair(Buffer.alloc(32, 9))).then(() => {{
  console.log(JSON.stringify({{ event: 'listening', firewalled: node.firewalled }}))
}})
"""
NPM_CLIENT = f"""
const DHT = require('hyperdht')
const node = new DHT({{ bootstrap: [{{ host: '{BOOTSTRAP[0]}', port: 49737 }}] }})
const stream = node.connect(DHT.keyPair(Buffer.alloc(32, 9)).publicKey)
stream.on('open', () => stream.write('hello'))
stream.on('error', (error) => {{
  console.log(JSON.stringify({{ event: 'failed', code: error.code }}))
}})
stream.on('data', (data) => {{
  const host = stream.rawStream.remoteHost
  console.log(JSON.stringify({{ event: 'echoed', text: data.toString(), host }}))
}})
"""


# -- Covey's roles, each in a process of its own -----------------------------------


def tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def play_internet(count: int) -> None:
    nodes = [DHT.bootstrapper(BOOTSTRAP[1], BOOTSTRAP[0])]
    for number in range(2, count + 1):
        host = f"{INTERNET}{number}"
        nodes.append(
            DHT([BOOTSTRAP], host=host, port=49737, ephemeral=False, firewalled=False)
        )
    for node in nodes:
        await node.ready()
    tell(event="listening")
    await asyncio.sleep(LIMIT_S * 3)


async def play_server() -> None:
    async with DHT([BOOTSTRAP]) as dht:
        server = dht.create_server()
        await server.listen(KEYS)
        tell(event="listening", firewalled=dht.machine.rpc.firewalled)
        async for connection in server:
            tell(event="connection", path=connection.path)
            async for chunk in connection:
                await connection.write(chunk)


async def play_client() -> None:
    async with DHT([BOOTSTRAP]) as dht:
        await dht.ready()
        connection = await dht.connect(KEYS.public_key)
        await connection.write(b"hello")
        async for chunk in connection:
            tell(
                event="echoed",
                text=chunk.decode(),
                host=connection.remote_address[0],
                path=connection.path,
                steps=[step for _, step in connection.opened_trace],
            )
            break
        await asyncio.sleep(LIMIT_S)


# -- the lab -----------------------------------------------------------------------


def run(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def why_no_lab() -> str | None:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    for tool in ("ip", "iptables"):
        if shutil.which(tool) is None:
            return f"routers in namespaces need the tool {tool}"
    probe = f"covey-nat-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True)
    if made.returncode != 0:
        return "the system does not let us make network namespaces"
    nat = f"ip netns exec {probe} iptables -t nat -A POSTROUTING -j MASQUERADE"
    works = subprocess.run(nat.split(), capture_output=True).returncode == 0
    run(f"ip netns del {probe}")
    return None if works else "the kernel does not translate addresses here"


class Lab:
    """The namespaces by role, and the processes in them."""

    def __init__(self) -> None:
        tag = os.getpid() % 100_000
        self.spaces = {
            role: f"cvn{tag}-{role}"
            for role in ("internet", "router-a", "router-b", "home-a", "home-b")
        }
        self.processes: list[subprocess.Popen[str]] = []

    def build(self) -> None:
        for space in self.spaces.values():
            run(f"ip netns add {space}")
            run(f"ip -n {space} link set lo up")
        internet = self.spaces["internet"]
        run(f"ip -n {internet} link add br0 type bridge")
        run(f"ip -n {internet} link set br0 up")
        for number in range(1, 5):
            run(f"ip -n {internet} addr add {INTERNET}{number}/24 dev br0")
        for name, public in HOMES.items():
            self._build_home(name, public, f"192.168.{public.rsplit('.', 1)[1]}.")

    def _build_home(self, name: str, public: str, inside: str) -> None:
        internet = self.spaces["internet"]
        router, home = self.spaces[f"router-{name}"], self.spaces[f"home-{name}"]
        run(
            f"ip link add to-{name} netns {internet} type veth"
            f" peer name wan netns {router}"
        )
        run(f"ip link add lan netns {router} type veth peer name eth0 netns {home}")
        run(f"ip -n {internet} link set to-{name} master br0")
        run(f"ip -n {internet} link set to-{name} up")
        run(f"ip -n {router} addr add {public}/24 dev wan")
        run(f"ip -n {router} addr add {inside}1/24 dev lan")
        run(f"ip -n {router} link set wan up")
        run(f"ip -n {router} link set lan up")
        run(f"ip -n {home} addr add {inside}2/24 dev eth0")
        run(f"ip -n {home} link set eth0 up")
        run(f"ip -n {home} route add default via {inside}1")
        enter = f"ip netns exec {router}"
        run(f"{enter} sysctl -qw net.ipv4.ip_forward=1")
        run(f"{enter} iptables -t nat -A POSTROUTING -o wan -j MASQUERADE")
        run(f"{enter} iptables -A INPUT -i wan -j DROP")
        known = "-m conntrack --ctstate ESTABLISHED,RELATED"
        run(f"{enter} iptables -A FORWARD -i wan {known} -j ACCEPT")
        run(f"{enter} iptables -A FORWARD -i wan -j DROP")

    def start(self, role: str, command: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.spaces[role], *command],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "NODE_PATH": str(MODULES)},
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


@contextmanager
def built_lab() -> Iterator[Lab]:
    lab = Lab()
    try:
        lab.build()
        yield lab
    finally:
        lab.end()


def hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next thing a process tells; the test's time limit bounds the wait."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the process ended early"
    told: dict[str, Any] = json.loads(line)
    return told


def covey(role: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "tests.natlab.test_hyperdht_nats", role, *more]


def npm(script: str) -> list[str]:
    return ["node", "-e", script]


@pytest.mark.parametrize(
    ("nodes", "server", "client"),
    [
        (4, covey("server"), covey("client")),
        (1, covey("server"), covey("client")),
        (4, npm(NPM_SERVER), covey("client")),
        (4, covey("server"), npm(NPM_CLIENT)),
    ],
    ids=["covey-covey", "covey-covey-one-node", "npm-server", "npm-client"],
)
def test_two_homes_meet(nodes: int, server: list[str], client: list[str]) -> None:
    reason = why_no_lab() or (why_not() if "node" in (server[0], client[0]) else None)
    if reason is not None:
        pytest.skip(reason)
    with built_lab() as lab:
        hear(lab.start("internet", covey("internet", str(nodes))))
        listening = lab.start("home-a", server)
        assert hear(listening) == {"event": "listening", "firewalled": True}
        echoed = hear(lab.start("home-b", client))
        assert (echoed["event"], echoed["text"]) == ("echoed", "hello")
        assert echoed["host"] == HOMES["a"]
        if "path" in echoed:
            assert echoed["path"] == "direct"
            through = [s for s in echoed["steps"] if s.startswith("handshake complete")]
            assert INTERNET in through[0], "the handshake went through a relay"
        if server[0] != "node":
            assert hear(listening) == {"event": "connection", "path": "direct"}


PLAYS: dict[str, Callable[..., Any]] = {
    "internet": lambda count: play_internet(int(count)),
    "server": play_server,
    "client": play_client,
}

if __name__ == "__main__":
    asyncio.run(PLAYS[sys.argv[1]](*sys.argv[2:]))
