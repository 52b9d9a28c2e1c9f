"""What ``covey doctor`` prints for people: the verdict, then the facts in words.

Programs and bug reports get the facts themselves; ``app/doctor.py`` says which.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

LABEL_WIDTH = 13
ALMOST_A_MINUTE_S = 55.0

_STATES = {
    "starting": "starting",
    "searching": "looking for nodes",
    "online": "reached",
    "offline": "not reached",
}
_ROUTERS = {
    "open": "none in the way: others can reach this computer at once",
    "consistent": "keeps its ports: most people can reach this computer directly",
    "random": "gives every connection another port, which makes direct ones harder",
}


def doctor_text(facts: dict[str, Any]) -> str:
    """The report for people; the sentence that matters comes first."""
    below = _dict(facts.get("network"))
    state = str(facts.get("state", "not known yet"))
    rows = {
        "Network": f"{_STATES.get(state, state)}, {_count(facts.get('nodes'), 'node')}"
        " known",
        "First nodes": _first_nodes(facts),
        "Router": _ROUTERS.get(str(facts.get("firewall")), "not known yet"),
        "Address": facts.get("publicAddress") or "not known yet",
        "This machine": ", ".join(map(str, _list(below.get("localAddresses")))),
        "Connections": _connections(facts, below),
        "Last minute": _last_minute(_dict(facts.get("lastMinute"))),
        "Memory": _memory(_dict(facts.get("process"))),
        "Rooms": f"{_count(facts.get('topics'), 'meeting point')} announced",
        "Sockets": facts.get("backend"),
        "Clock": _clock(facts),
        "Profile": facts.get("profile"),
        "Disk writes": _durability(str(facts.get("durability"))),
        "Refused": _dropped(_dict(below.get("dropped"))),
    }
    lines = [
        f"  {label:<{LABEL_WIDTH}}  {value}" for label, value in rows.items() if value
    ]
    told = (_dict(room) for room in _list(facts.get("busiestRooms")))
    rooms = [_room(room) for room in told if "room" in room]
    return "\n".join([str(facts.get("verdict")), "", *lines, *rooms])


def _first_nodes(facts: dict[str, Any]) -> str:
    names = [str(name) for name in _list(facts.get("bootstrap"))]
    if not names:
        return ""
    answer = "answered" if facts.get("bootstrapReached") else "no answer yet"
    return f"{', '.join(names)} ({answer})"


def _connections(facts: dict[str, Any], below: dict[str, Any]) -> str:
    count = facts.get("connections", 0)
    paths = [_dict(it).get("path") for it in _list(below.get("connections"))]
    ways = [
        f"{paths.count(way)} {way}"
        for way in ("direct", "lan", "relayed")
        if way in paths
    ]
    return _count(count, "device") + (f" ({', '.join(ways)})" if ways else "")


def _last_minute(risen: dict[str, Any]) -> str:
    if not risen:
        return ""
    packets = risen.get("packetsSent", 0) + risen.get("packetsReceived", 0)
    size = risen.get("bytesSent", 0) + risen.get("bytesReceived", 0)
    seconds = float(risen.get("seconds", 0))
    span = "" if seconds > ALMOST_A_MINUTE_S else f", of {seconds:.0f} s so far"
    return f"{_count(packets, 'packet')}, {size / 1024:.0f} KiB both ways{span}"


def _memory(process: dict[str, Any]) -> str:
    resident = process.get("residentBytes")
    return f"{resident / 1024 / 1024:.0f} MiB" if resident else ""


def _room(room: dict[str, Any]) -> str:
    """What one room costs; its channels' messages, of which a packet takes several."""
    risen = _dict(room.get("lastMinute"))
    count = risen.get("messagesSent", 0) + risen.get("messagesReceived", 0)
    size = risen.get("bytesSent", 0) + risen.get("bytesReceived", 0)
    return (
        f"  {'Room ' + str(room.get('room')):<{LABEL_WIDTH}}"
        f"  {_count(room.get('members'), 'member')},"
        f" {_count(room.get('writers'), 'log')} ({room.get('logsOpen', 0)} open),"
        f" {_count(room.get('connections'), 'connection')}"
        f" with {_count(room.get('channels'), 'channel')};"
        f" last minute {_count(count, 'message')}, {size / 1024:.0f} KiB"
    )


def _clock(facts: dict[str, Any]) -> str:
    if not facts.get("clockPlausible"):
        return "wrong"
    at = datetime.fromtimestamp(int(facts.get("clockMs", 0)) / 1000, UTC)
    return f"plausible, {at:%Y-%m-%d %H:%M} UTC"


def _durability(kept: str) -> str:
    words = {"FULL": "on the disk before anybody is told", "OFF": "not waited for"}
    return words.get(kept.upper(), kept.lower())


def _dropped(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count} {why}" for why, count in sorted(counts.items()))


def _count(number: Any, noun: str) -> str:
    return f"{number or 0} {noun}" + ("" if number == 1 else "s")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
