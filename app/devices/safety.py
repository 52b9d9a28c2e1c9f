"""The safety number of two people: the same on both sides, to be compared by voice.

Sixty digits: thirty for each identity key, the smaller half first. Each half is the
start of an iterated hash over the key, so that finding another key with the same half
costs far more than a hash for every try.
"""

from __future__ import annotations

import hashlib

ROUNDS = 5_200
HALF_DIGITS = 30
GROUP_DIGITS = 5
_DOMAIN = b"covey safety number 1"


def safety_number(one: bytes, other: bytes) -> str:
    """Sixty digits in groups of five, for two identity keys in any order."""
    digits = "".join(sorted((_half(one), _half(other))))
    groups = range(0, len(digits), GROUP_DIGITS)
    return " ".join(digits[at : at + GROUP_DIGITS] for at in groups)


def _half(identity: bytes) -> str:
    found = _DOMAIN + identity
    for _ in range(ROUNDS):
        found = hashlib.sha512(found + identity).digest()
    number = int.from_bytes(found[:32], "big") % 10**HALF_DIGITS
    return f"{number:0{HALF_DIGITS}d}"
