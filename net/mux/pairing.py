"""Who waits for whom: opens of both sides, matched by protocol and channel id.

Holds numbers only; what a match means is left to ``net.mux.mux``. Follows npm protomux
3.12.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_Key: TypeAlias = tuple[str, bytes]


@dataclass(slots=True)
class Pairing:
    """The opens of both sides for one protocol (and its aliases) and one id."""

    keys: list[_Key]
    """Under which names it is found."""

    open_count: int = 0
    """Channels of this side."""

    incoming: deque[int] = field(default_factory=deque)
    """The other side's numbers that no channel here has taken, oldest first."""

    outgoing: deque[int] = field(default_factory=deque)
    """This side's numbers that the other side has not answered, oldest first."""


class Pairings:
    """All pairings of one connection, moved by the mux."""

    def __init__(self) -> None:
        self._by_key: dict[_Key, Pairing] = {}
        self._by_outgoing: dict[int, Pairing] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, protocol: str, channel_id: bytes) -> Pairing | None:
        """The pairing of that name, if there is one."""
        return self._by_key.get((protocol, channel_id))

    def find_or_add(
        self, protocol: str, channel_id: bytes, aliases: Sequence[str] = ()
    ) -> Pairing:
        """The pairing of that name, findable under its aliases as well."""
        pairing = self._by_key.get((protocol, channel_id))
        if pairing is None:
            pairing = Pairing(keys=[])
        for name in (protocol, *aliases):
            key = (name, channel_id)
            if key not in self._by_key:
                self._by_key[key] = pairing
                pairing.keys.append(key)
        return pairing

    def ask(self, pairing: Pairing, local_id: int) -> None:
        """Note that this side has opened and waits for an answer."""
        pairing.outgoing.append(local_id)
        self._by_outgoing[local_id] = pairing

    def answered(self, pairing: Pairing) -> int:
        """Take the oldest number that waits for an answer."""
        local_id = pairing.outgoing.popleft()
        del self._by_outgoing[local_id]
        return local_id

    def refused(self, local_id: int) -> Pairing | None:
        """Take a number that was refused; None when it does not wait."""
        pairing = self._by_outgoing.pop(local_id, None)
        if pairing is not None:
            pairing.outgoing.remove(local_id)
        return pairing

    def forget_if_idle(self, pairing: Pairing) -> None:
        """Drop a pairing that nobody needs any more."""
        if pairing.open_count or pairing.incoming or pairing.outgoing:
            return
        for key in pairing.keys:
            self._by_key.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._by_key.clear()
        self._by_outgoing.clear()
