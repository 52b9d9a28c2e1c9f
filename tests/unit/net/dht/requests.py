"""A request that came in, with its answers recorded, for tests of handlers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from net.rpc import Address, pack_address


@dataclass
class RecordedRequest:
    """What ``net.rpc.Request`` offers, answers kept in lists."""

    command: int
    target: bytes | None = None
    value: bytes | None = None
    token: bytes | None = None
    source: Address = ("9.9.9.9", 999)
    socket: int = 0
    tid: int = 1
    to_address: Address = ("8.8.8.8", 888)
    replies: list[dict[str, Any]] = field(default_factory=list)
    relayed: list[tuple[bytes, Address, int | None]] = field(default_factory=list)

    @property
    def to(self) -> bytes:
        """Our own address, packed."""
        return pack_address(self.to_address)

    def reply(self, value: bytes | None = None, **options: Any) -> None:
        """Keep an answer."""
        self.replies.append({"value": value, **options})

    def relay(self, value: bytes, to: Address, *, socket: int | None = None) -> None:
        """Keep what is passed on."""
        self.relayed.append((value, to, socket))
