"""Two Covey streams and one of npm share a slow link: it is used, and used fairly.

The link is a veth pair between two network namespaces with a token bucket on the
sending side. The test makes and removes both; it needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.node_peer import MODULES, why_not

pytestmark = [pytest.mark.natlab, pytest.mark.slow, pytest.mark.timeout(180)]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RATE_BITS = 20_000_000
QUEUE_BYTES = 125_000
SECONDS = 36.0
WARM_UP_S = 12.0
SENDER_HOST = "10.199.77.1"
RECEIVER_HOST = "10.199.77.2"
# What a byte of payload costs on the wire: IP, UDP and UDX headers, and Ethernet's.
OVERHEAD = (1500 + 14) / 1452


@dataclass(frozen=True)
class Lab:
    """The names of the two namespaces."""

    senders: str
    receivers: str


def run(command: str) -> None:
    """Run one command of the system; loud when it fails."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def why_no_lab() -> str | None:
    """Why namespaces cannot be made here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if shutil.which("ip") is None or shutil.which("tc") is None:
        return "network namespaces need the tools ip and tc"
    probe = f"covey-probe-{os.getpid()}"
    made = subprocess.run(
        ["ip", "netns", "add", probe], capture_output=True, check=False
    )
    if made.returncode != 0:
        return "the system does not let us make network namespaces"
    run(f"ip netns del {probe}")
    return None


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two namespaces with a slow link between them."""
    reason = why_no_lab()
    if reason is not None:
        pytest.skip(reason)
    tag = os.getpid() % 100_000
    names = Lab(f"covey-s-{tag}", f"covey-r-{tag}")
    left, right = f"cvs{tag}", f"cvr{tag}"
    try:
        run(f"ip netns add {names.senders}")
        run(f"ip netns add {names.receivers}")
        run(
            f"ip link add {left} netns {names.senders} type veth "
            f"peer name {right} netns {names.receivers}"
        )
        for name, device, host in (
            (names.senders, left, SENDER_HOST),
            (names.receivers, right, RECEIVER_HOST),
        ):
            run(f"ip -n {name} addr add {host}/24 dev {device}")
            run(f"ip -n {name} link set {device} up")
            run(f"ip -n {name} link set lo up")
        run(
            f"ip netns exec {names.senders} tc qdisc add dev {left} root tbf "
            f"rate {RATE_BITS} burst 5000 limit {QUEUE_BYTES}"
        )
        yield names
    finally:
        for name in (names.senders, names.receivers):
            subprocess.run(
                ["ip", "netns", "del", name], capture_output=True, check=False
            )


Command = Callable[[dict[str, Any]], list[str]]


def covey(options: dict[str, Any]) -> list[str]:
    """The command of a Covey flow."""
    return [sys.executable, "-m", "tests.natlab.udx_flow", json.dumps(options)]


def npm(options: dict[str, Any]) -> list[str]:
    """The command of an npm flow."""
    settings = options | {"module": str(MODULES / "udx-native")}
    return ["node", str(HERE / "udx_flow.js"), json.dumps(settings)]


def start(namespace: str, command: list[str]) -> subprocess.Popen[str]:
    """Run one end of a flow in a namespace."""
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_flows(lab: Lab, kinds: list[Command]) -> list[tuple[list[Any], list[Any]]]:
    """Run flows side by side; the reports of each sender and receiver."""
    processes = []
    for number, command in enumerate(kinds):
        receiver = {
            "role": "receive",
            "host": RECEIVER_HOST,
            "port": 7000 + number,
            "remoteHost": SENDER_HOST,
            "remotePort": 8000 + number,
            "id": 2,
            "remoteId": 1,
            "seconds": SECONDS,
        }
        sender = receiver | {
            "role": "send",
            "host": SENDER_HOST,
            "port": 8000 + number,
            "remoteHost": RECEIVER_HOST,
            "remotePort": 7000 + number,
            "id": 1,
            "remoteId": 2,
        }
        receiving = start(lab.receivers, command(receiver))
        sending = start(lab.senders, command(sender))
        processes.append((sending, receiving))
    reports = []
    try:
        for pair in processes:
            outputs = [process.communicate(timeout=SECONDS + 60)[0] for process in pair]
            lines = [[json.loads(it) for it in text.splitlines()] for text in outputs]
            reports.append((lines[0], lines[1]))
    finally:
        for process in (process for pair in processes for process in pair):
            if process.poll() is None:
                process.kill()
                process.wait()
    return reports


def rate_bits(receiver: list[dict[str, Any]], start_at: float, end_at: float) -> float:
    """Bits a second on the wire between two instants."""
    within = [it for it in receiver if start_at <= it["at"] <= end_at]
    amount = within[-1]["bytes"] - within[0]["bytes"]
    return amount * 8 * OVERHEAD / (within[-1]["at"] - within[0]["at"])


def jain(rates: list[float]) -> float:
    """Jain's index of fairness: 1 is equal, 1/n is one taking all."""
    return sum(rates) ** 2 / (len(rates) * sum(rate**2 for rate in rates))


def judge(name: str, reports: list[tuple[list[Any], list[Any]]]) -> tuple[float, float]:
    """Print what the flows got; returns the share of the link used and the fairness."""
    start_at = max(receiver[0]["at"] for _, receiver in reports) + WARM_UP_S
    end_at = min(receiver[-1]["at"] for _, receiver in reports)
    rates = [rate_bits(receiver, start_at, end_at) for _, receiver in reports]
    delays = [
        it["rtt"] * 1000
        for sender, _ in reports
        for it in sender
        if it.get("rtt") and start_at <= it["at"] <= end_at
    ]
    used = sum(rates) / RATE_BITS
    fairness = jain(rates)
    resent = [sender[-1]["resent"] for sender, _ in reports]
    print(
        f"\n{name}: "
        + ", ".join(f"{rate / 1e6:.2f}" for rate in rates)
        + f" Mbit/s; link {used:.0%} used; Jain {fairness:.3f}; round trip mean "
        f"{sum(delays) / len(delays):.0f} ms, most {max(delays):.0f} ms, of which the "
        f"queue holds up to {QUEUE_BYTES * 8000 / RATE_BITS:.0f} ms; resent {resent}"
    )
    return used, fairness


def test_two_covey_streams_and_one_of_npm_share_a_link(lab: Lab) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    used, fairness = judge("covey, covey, npm", run_flows(lab, [covey, covey, npm]))
    assert used >= 0.8
    assert fairness >= 0.8


def test_one_covey_stream_fills_a_link(lab: Lab) -> None:
    used, _ = judge("covey", run_flows(lab, [covey]))
    assert used >= 0.8
