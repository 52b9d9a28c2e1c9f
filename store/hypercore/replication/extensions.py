"""Messages of applications on a core's channel, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.hypercore.replication.replication import Replication
    from store.hypercore.replicator import Peer

ExtensionCallback = Callable[[bytes, "Peer"], object]


class Extension:
    """One kind of message between applications that share a core.

    Attributes:
        name: By which both sides know it.
    """

    def __init__(
        self, replication: Replication, name: str, on_message: ExtensionCallback
    ) -> None:
        self.name = name
        self.on_message = on_message
        self._replication = replication

    def send(self, message: bytes, peer: Peer) -> None:
        """Send to one peer, as ``on_message`` got it."""
        self._replication.send_extension(self.name, message, [peer])

    def broadcast(self, message: bytes) -> None:
        """Send to all peers of the core."""
        self._replication.send_extension(
            self.name, message, self._replication.machine.peers
        )

    def close(self) -> None:
        """Hear no more."""
        self._replication.forget_extension(self)
