"""Translating routers for the simulated network.

Three kinds, named as the DHT names them. ``OPEN`` keeps the port and lets everyone in,
``CONSISTENT`` uses one outer port for each inner one and lets in whom the inside has
written to (by address, any port), ``RANDOM`` uses a fresh outer port for each
destination and lets in only that destination.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field

Address = tuple[str, int]

DEFAULT_LIFETIME_S = 60.0
FIRST_PORT = 20_000
LAST_PORT = 60_000


class NatKind(enum.Enum):
    """How a router maps and filters."""

    OPEN = "open"
    CONSISTENT = "consistent"
    RANDOM = "random"


@dataclass(slots=True)
class _Mapping:
    inside: Address
    outer_port: int
    used_at: float
    allowed: dict[str | Address, float] = field(default_factory=dict)


class NatBox:
    """One router with a public address and hosts behind it.

    Attributes:
        public_ip: The address the world sees.
        kind: How it maps and filters.
        lifetime_s: Seconds after which an unused mapping and a permission end.
        hairpin: True when inner hosts reach each other by the public address.
    """

    def __init__(
        self,
        public_ip: str,
        kind: NatKind,
        *,
        rng: random.Random,
        lifetime_s: float = DEFAULT_LIFETIME_S,
        hairpin: bool = False,
    ) -> None:
        self.public_ip = public_ip
        self.kind = kind
        self.lifetime_s = lifetime_s
        self.hairpin = hairpin
        self._rng = rng
        self._by_inside: dict[tuple[Address, Address | None], _Mapping] = {}
        self._by_port: dict[int, _Mapping] = {}

    def outbound(self, inside: Address, remote: Address, now: float) -> Address:
        """Give the public source address of a datagram that leaves, and let it back."""
        key = (inside, remote if self.kind is NatKind.RANDOM else None)
        mapping = self._by_inside.get(key)
        if mapping is None or self._expired(mapping, now):
            mapping = self._open(key, now)
        mapping.used_at = now
        mapping.allowed[self._permission(remote)] = now
        return (self.public_ip, mapping.outer_port)

    def inbound(self, remote: Address, port: int, now: float) -> Address | None:
        """Give the inner address a datagram from outside goes to, or None."""
        mapping = self._by_port.get(port)
        if mapping is None or self._expired(mapping, now):
            return None
        if self.kind is NatKind.OPEN:
            return mapping.inside
        allowed_at = mapping.allowed.get(self._permission(remote))
        if allowed_at is None or now - allowed_at > self.lifetime_s:
            return None
        mapping.used_at = now
        return mapping.inside

    def forward(self, inside: Address) -> None:
        """Map an inner port to the same outer port for good (an open router)."""
        assert self.kind is NatKind.OPEN, "only open routers forward"
        mapping = _Mapping(inside, inside[1], float("inf"))
        self._by_inside[inside, None] = mapping
        self._by_port[inside[1]] = mapping

    def forget_mappings(self) -> None:
        """Lose all state, as a router does that restarts."""
        self._by_inside.clear()
        self._by_port.clear()

    def _permission(self, remote: Address) -> str | Address:
        return remote if self.kind is NatKind.RANDOM else remote[0]

    def _expired(self, mapping: _Mapping, now: float) -> bool:
        return now - mapping.used_at > self.lifetime_s

    def _open(self, key: tuple[Address, Address | None], now: float) -> _Mapping:
        inside = key[0]
        old = self._by_inside.pop(key, None)
        if old is not None:
            self._by_port.pop(old.outer_port, None)
        port = inside[1]
        if self.kind is NatKind.RANDOM or port in self._by_port:
            port = self._rng.randrange(FIRST_PORT, LAST_PORT)
            while port in self._by_port:
                port = self._rng.randrange(FIRST_PORT, LAST_PORT)
        mapping = _Mapping(inside, port, now)
        self._by_inside[key] = mapping
        self._by_port[port] = mapping
        return mapping
