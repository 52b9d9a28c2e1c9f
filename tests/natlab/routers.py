"""What the lab's routers do, and what is told to the kernel for it."""

from __future__ import annotations

import enum


class NatKind(enum.Enum):
    """How a router translates. Nothing unasked gets in through any of them."""

    CONSISTENT = "masquerade"
    """One port outside for each socket inside, the same one if it is free."""

    RANDOM = "masquerade fully-random"
    """Another port for each destination."""


class Refusal(enum.Enum):
    """What a router does with what comes in unasked."""

    DROP = "drop"
    REJECT = "reject"
    """The sender is told, by ICMP."""

    ANSWER = "accept"
    """The router takes it for its own, and remembers the sender: whoever is probed
    before having sent anything is then given another port towards that sender."""


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
    iifname "wan" {refusal}
  }}
  chain passing {{
    type filter hook forward priority filter;
    iifname "wan" ct state established,related accept
    iifname "wan" drop
  }}
}}
"""


def rules_of(kind: NatKind, refusal: Refusal) -> str:
    """What ``nft`` is told on a router of that kind."""
    return RULES.format(masquerade=kind.value, refusal=refusal.value)
