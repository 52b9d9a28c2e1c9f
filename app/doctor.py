"""What is wrong, in one sentence, and the facts it rests on."""

from __future__ import annotations

import asyncio
import mmap
from pathlib import Path
from time import process_time
from typing import Any

from app.faults import Explained, explain
from app.snapshots import NetworkSnapshot
from store.database import Database

MIN_PLAUSIBLE_MS = 1_735_689_600_000
"""2025-01-01: a clock before it is wrong."""
MAX_PLAUSIBLE_MS = 4_102_444_800_000
"""2100-01-01: a clock after it is wrong."""


def clock_sentence(now_ms: int) -> str:
    """What to tell a person whose clock cannot be right, else nothing."""
    if MIN_PLAUSIBLE_MS <= now_ms <= MAX_PLAUSIBLE_MS:
        return ""
    return "This computer's clock is wrong: set it, or invites will not work."


async def examine(
    *,
    network: NetworkSnapshot,
    reachability: dict[str, Any],
    database: Database,
    now_ms: int,
) -> dict[str, Any]:
    """Facts and verdict.

    Args:
        network: As clients see it.
        reachability: What the network's side knows besides.
        database: The profile's.
        now_ms: The wall clock, milliseconds since 1970.
    """
    health = await _health(database)
    below = reachability.get("network", {})
    facts: dict[str, Any] = {
        "state": network.state,
        "nodes": network.nodes,
        "firewall": network.firewall,
        "publicAddress": network.public_address,
        "connections": len(network.peers),
        "backend": below.get("backend", "none"),
        "eventLoop": below.get(
            "eventLoop", type(asyncio.get_running_loop()).__module__
        ),
        "bootstrap": below.get("bootstrap", []),
        "bootstrapReached": bool(below.get("bootstrapped")) and network.nodes > 0,
        "clockPlausible": not clock_sentence(now_ms),
        "clockMs": now_ms,
        "process": _process(),
        "profile": health,
        "durability": database.synchronous.value,
        **reachability,
    }
    facts["verdict"] = _verdict(network, facts)
    return facts


def _process() -> dict[str, int | None]:
    """What the core takes of the machine, as far as the system tells."""
    return {"residentBytes": _resident_bytes(), "cpuMs": round(process_time() * 1e3)}


def _resident_bytes() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * mmap.PAGESIZE


async def _health(database: Database) -> str:
    try:
        await asyncio.wrap_future(database.check())
    except Explained as error:
        return explain(error).sentence
    return "sound"


def _verdict(network: NetworkSnapshot, facts: dict[str, Any]) -> str:
    """The first thing that stands in the way, or that nothing does."""
    if facts["profile"] != "sound":
        return str(facts["profile"])
    if not facts["clockPlausible"]:
        return clock_sentence(facts["clockMs"])
    if network.state == "offline":
        return network.sentence or (
            "No node of the network answers: check the connection to the internet."
        )
    if network.state != "online":
        return "Covey is still looking for the network."
    if network.firewall == "random":
        return (
            "Your router gives every connection another port: only people in open"
            " networks, or in yours, can reach you."
        )
    if not network.peers:
        return "The network is reached; nobody of your rooms is connected now."
    count = len(network.peers)
    return f"All is well: connected to {count} device{'' if count == 1 else 's'}."
