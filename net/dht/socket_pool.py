"""Sockets for hole punching: asked of the rim, shared by reference, given back.

A puncher holds its socket while it works; a connection that was punched through it
holds it as long as its stream lives. With the last hold gone the rim is told to close
it, but never before it has told that the socket is open. Upstream: hyperdht 6.34.0
``lib/socket-pool.js``; sockets kept for later connections to the same peer are not part
of this yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from net.dht.constants import MAX_PUNCH_SOCKETS, Address
from net.dht.events import SocketReleased, SocketWanted
from net.errors import EnvironmentFault
from net.flow import Deferred

FIRST_PUNCH_SOCKET = 2


def _ignore(address: Address) -> None:
    del address


@dataclass(slots=True, eq=False)
class PunchSocket:
    """One socket asked of the rim.

    Attributes:
        number: Its name between node and rim.
        opened: Its local port, or an ``EnvironmentFault``.
        on_probe: Called with the source of each probe that arrives on it.
        holds: How many users it has.
    """

    number: int
    opened: Deferred[int] = field(default_factory=Deferred)
    on_probe: Callable[[Address], None] = _ignore
    holds: int = 1


class SocketPool:
    """All punch sockets of a node.

    Args:
        emit: Takes ``SocketWanted`` and ``SocketReleased``.

    Attributes:
        added_count: Sockets asked for so far.
        refused_count: Requests refused because of the limit.
    """

    def __init__(self, emit: Callable[[SocketWanted | SocketReleased], None]) -> None:
        self._emit = emit
        self._sockets: dict[int, PunchSocket] = {}
        self._unanswered: set[int] = set()
        self._next = FIRST_PUNCH_SOCKET
        self.added_count = 0
        self.refused_count = 0

    def __len__(self) -> int:
        return len(self._sockets)

    def __contains__(self, number: int) -> bool:
        return number in self._sockets

    @property
    def exhausted(self) -> bool:
        """True when no further socket may be asked for."""
        return len(self._sockets) + len(self._unanswered) >= MAX_PUNCH_SOCKETS

    def acquire(self) -> PunchSocket:
        """Ask for a socket, held once.

        Raises:
            EnvironmentFault: As many as allowed are open.
        """
        if self.exhausted:
            self.refused_count += 1
            raise EnvironmentFault("too many sockets are open for hole punching")
        socket = PunchSocket(self._next)
        self._next += 1
        self._sockets[socket.number] = socket
        self.added_count += 1
        self._emit(SocketWanted(socket.number))
        return socket

    def hold(self, number: int) -> None:
        """Add a user; sockets that are not of this pool need none."""
        socket = self._sockets.get(number)
        if socket is not None:
            socket.holds += 1

    def release(self, number: int) -> None:
        """Take a user away and give the socket back with the last one."""
        socket = self._sockets.get(number)
        if socket is None:
            return
        socket.holds -= 1
        if socket.holds <= 0:
            self._drop(socket)

    def opened(self, number: int, local_port: int) -> None:
        """The rim opened a socket."""
        if number in self._unanswered:
            self._unanswered.remove(number)
            self._emit(SocketReleased(number))
            return
        socket = self._sockets.get(number)
        if socket is not None:
            socket.opened.resolve(local_port)

    def failed(self, number: int) -> None:
        """The rim could not open a socket."""
        self._unanswered.discard(number)
        socket = self._sockets.get(number)
        if socket is not None:
            fault = EnvironmentFault("a socket for hole punching could not be opened")
            if socket.opened.fail(fault):
                self._sockets.pop(number, None)

    def probe(self, number: int, source: Address) -> bool:
        """A probe arrived; False if the socket is not one of this pool."""
        socket = self._sockets.get(number)
        if socket is None:
            return False
        socket.on_probe(source)
        return True

    def close(self) -> None:
        """Give all sockets back, whoever holds them."""
        for socket in list(self._sockets.values()):
            self._drop(socket)

    def _drop(self, socket: PunchSocket) -> None:
        del self._sockets[socket.number]
        socket.on_probe = _ignore
        if socket.opened.fail(EnvironmentFault("the socket was given back")):
            self._unanswered.add(socket.number)
        else:
            self._emit(SocketReleased(socket.number))
