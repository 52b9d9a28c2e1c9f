"""When a peer is told how far logs are here: at once, or together with other news.

In a small room everything is told at once. In a large one each entry makes every device
tell all those it is connected with, though most of them have it by then; so what is
said at the same time goes together, and what nobody waits for goes along with the next
news, or after some seconds. A machine of one session without I/O and clock.
"""

from __future__ import annotations

from math import inf

SMALL_ROOM = 16
"""Up to so many members, nothing waits."""
GATHER_S_PER_MEMBER = 0.001
"""What a peer lacks waits so long for more of the kind, 0.2 s in a room of 200, and at
the end that accepted the connection twice as long: mostly it hears the same by then."""
MAX_GATHER_S = 0.25
LATER_S_PER_MEMBER = 0.3
"""What a peer has, and what only says who heard: a minute in a room of 200."""
MAX_LATER_S = 60.0


def gather_s(members: int) -> float:
    """How long news waits for more that can be told with it."""
    if members <= SMALL_ROOM:
        return 0.0
    return min(members * GATHER_S_PER_MEMBER, MAX_GATHER_S)


def later_s(members: int) -> float:
    """How long what nobody waits for does."""
    if members <= SMALL_ROOM:
        return 0.0
    return min(members * LATER_S_PER_MEMBER, MAX_LATER_S)


class Telling:
    """What is to be told on one connection, and when.

    Attributes:
        due_at: When ``take`` should be called; infinite while there is nothing.
    """

    __slots__ = ("_writers", "due_at")

    def __init__(self) -> None:
        self.due_at = inf
        self._writers: dict[bytes, float] = {}

    def add(self, writer: bytes, due_at: float) -> None:
        """A log is to be told of, at the latest then."""
        self._writers[writer] = min(self._writers.get(writer, inf), due_at)
        self.due_at = min(self.due_at, due_at)

    def put_off(self, writer: bytes, due_at: float) -> None:
        """The peer has it by itself meanwhile."""
        before = self._writers.get(writer, inf)
        if before < due_at < inf:
            self._writers[writer] = due_at
            self.due_at = min(self._writers.values())

    def take(self) -> tuple[bytes, ...]:
        """Everything that waits, whenever it is due: it travels in one message."""
        taken = tuple(self._writers)
        self._writers.clear()
        self.due_at = inf
        return taken
