"""The doctor's report: a sentence first, then facts in words."""

from __future__ import annotations

from typing import Any

import pytest

from app.cli.report import doctor_text

FACTS: dict[str, Any] = {
    "state": "online",
    "nodes": 1,
    "firewall": "consistent",
    "publicAddress": "203.0.113.5:4000",
    "connections": 3,
    "backend": "plain",
    "bootstrap": ["192.0.2.1:49737", "192.0.2.2:49737"],
    "bootstrapReached": True,
    "clockPlausible": True,
    "clockMs": 1_800_000_000_000,
    "profile": "sound",
    "durability": "FULL",
    "topics": 2,
    "lastMinute": {
        "packetsSent": 200,
        "bytesSent": 9_000,
        "packetsReceived": 90,
        "bytesReceived": 6_360,
        "seconds": 60.0,
    },
    "process": {"residentBytes": 80 * 1024 * 1024, "cpuMs": 12},
    "busiestRooms": [
        {
            "room": "0123abcd",
            "members": 200,
            "writers": 180,
            "logsOpen": 21,
            "connections": 20,
            "channels": 40,
            "lastMinute": {
                "messagesSent": 30,
                "bytesSent": 1_024,
                "messagesReceived": 12,
                "bytesReceived": 2_048,
                "seconds": 60.0,
            },
        }
    ],
    "network": {
        "localAddresses": ["10.0.0.2"],
        "connections": [{"path": "direct"}, {"path": "lan"}, {"path": "direct"}],
        "dropped": {"too-short": 4, "bad-token": 1},
    },
    "verdict": "All is well.",
}


def test_the_verdict_comes_first_and_all_facts_follow_in_words() -> None:
    first, empty, *rows = doctor_text(FACTS).split("\n")
    assert (first, empty) == ("All is well.", "")
    text = "\n".join(rows)
    for part in (
        "reached, 1 node known",
        "192.0.2.1:49737, 192.0.2.2:49737 (answered)",
        "203.0.113.5:4000",
        "10.0.0.2",
        "3 devices (2 direct, 1 lan)",
        "plausible, 2027-01-15",
        "sound",
        "1 bad-token, 4 too-short",
        "290 packets, 15 KiB both ways",
        "80 MiB",
        "Room 0123abcd",
        "200 members, 180 logs (21 open), 20 connections with 40 channels;"
        " last minute 42 messages, 3 KiB",
    ):
        assert part in text
    assert not set("{}[]'") & set(text)


@pytest.mark.parametrize(
    "facts",
    [
        {"verdict": "x", "network": {}},
        {"verdict": "x", "lastMinute": {"packetsSent": 1, "seconds": 9.6}},
        {"verdict": "x", "process": {"residentBytes": None}, "busiestRooms": [{}]},
        FACTS | {"network": {}, "state": "starting", "publicAddress": None},
        FACTS | {"clockPlausible": False, "clockMs": 10**20},
    ],
)
def test_facts_that_are_not_known_leave_it_readable(facts: dict[str, Any]) -> None:
    text = doctor_text(facts)
    assert text.startswith(facts["verdict"])
    assert "None" not in text
