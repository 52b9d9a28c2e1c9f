"""Two whole messengers that talk in one room over a wire."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.events import Event
from app.hub import Subscription
from app.messenger import Messenger
from app.rooms.room import Room
from app.snapshots import MessageSnapshot
from tests.unit.app.rooms.joined import Wires

START_MS = 1_700_000_000_000


@dataclass
class Clock:
    """The wall clock of everybody."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Pair:
    """Ada owns the room Birds, and Bo is a member of it."""

    ada: Messenger
    bo: Messenger
    clock: Clock
    wires: Wires = field(default_factory=Wires)

    @property
    def room(self) -> str:
        """The room's id."""
        return self.hers.id

    @property
    def hers(self) -> Room:
        """The room at Ada's."""
        return self.ada._find("Birds")

    @property
    def his(self) -> Room:
        """The room at Bo's."""
        return self.bo._find("Birds")

    async def settle(self) -> None:
        """Carry everything until both have the same logs, understood and told."""

        def level() -> bool:
            lengths = [
                {writer: head.length for writer, head in room.heads.items()}
                for room in (self.hers, self.his)
            ]
            if lengths[0] != lengths[1]:
                return False
            # Who was told last is the client: the work in hand ends with that.
            if self.hers._tasks._tasks or self.his._tasks._tasks:
                return False
            return all(
                room.logs.derived.get(writer) == head.length
                for room in (self.hers, self.his)
                for writer, head in room.heads.items()
            )

        await self.wires.until(level)

    async def texts(self, who: Messenger) -> list[str]:
        """What somebody reads in the room."""
        return [it.text for it in await who.history(self.room)]

    async def one(self, who: Messenger, id: str) -> MessageSnapshot:
        """One message as somebody sees it."""
        return await who.message(self.room, id)


def so_far(listening: Subscription) -> list[Event]:
    """The events that wait for a listener."""
    found = list(listening._events)
    listening._events.clear()
    return found
