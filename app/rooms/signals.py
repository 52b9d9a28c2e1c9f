"""What the people of a room see of each other just now: who writes, who is there.

Goes beside the logs (``app/rooms/asides.py``) from member to connected member, by
consent, is never stored and never passed on. Each is one small number::

    5 Typing    uint 0 no longer, 1 writing
    6 Presence  uint 0 away, 1 active, 2 says nothing any more

Whatever other number comes is for later versions. ``Signals`` belongs to one room and
lives on the network's loop. It says something at most every few seconds, and hears no
more often; whoever was heard to write stops after a while by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from app.events import Event, PresenceChanged, TypingChanged
from net.encoding import Reader, Writer

TYPING: Final = 5
PRESENCE: Final = 6
STOPPED, WRITING = 0, 1
AWAY, ACTIVE, SILENT = range(3)

PAUSE_S: Final = 3.0
"""Between two things of one sort that one says in a room."""
HEARING_PAUSE_S: Final = 0.5
"""What a peer says sooner after what it said before is not heard."""
TYPING_LIFE_S: Final = 8.0
"""Who writes says it again before that, or does not write any more."""
_WORDS = {AWAY: "away", ACTIVE: "active"}


class End(Protocol):
    """A connected device of a member, as ``app.rooms.asides.Aside`` is one."""

    @property
    def device(self) -> bytes:
        """Its key."""

    @property
    def identity(self) -> bytes:
        """Whose it is."""

    def tell(self, kind: int, data: bytes) -> bool:
        """Send it something; False when it cannot be told now."""


@dataclass(slots=True)
class Sharing:
    """What this person lets the members of all rooms see."""

    typing: bool = True
    presence: bool = False
    active: bool = False
    """The person is at the computer."""

    @property
    def state(self) -> int:
        """What is said of the person."""
        if not self.presence:
            return SILENT
        return ACTIVE if self.active else AWAY


def encode_sign(state: int) -> bytes:
    """``Typing`` or ``Presence``."""
    return Writer().uint(state).finish()


def decode_sign(data: bytes) -> int:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    return Reader(data).uint()


class Signals:
    """Who writes in one room, and who is there."""

    def __init__(
        self,
        room: str,
        sharing: Sharing,
        publish: Callable[[Event], None],
        name_of: Callable[[bytes], str],
    ) -> None:
        """Begin with nobody.

        Args:
            room: Its id.
            sharing: What this person lets others see; may change.
            publish: Tells clients.
            name_of: The name of a member, by identity.
        """
        self._room = room
        self._sharing = sharing
        self._publish = publish
        self._name_of = name_of
        self._told: dict[End, int] = {}
        self._present: dict[End, int] = {}
        self._writing: dict[End, asyncio.TimerHandle] = {}
        self._heard_at: dict[tuple[End, int], float] = {}
        self._said_at: dict[int, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_writing = False
        self._stopped = False

    def presence_of(self, identity: bytes) -> str:
        """``active`` or ``away`` as somebody says; empty when they do not say."""
        states = {s for end, s in self._present.items() if end.identity == identity}
        return _WORDS[max(states)] if states else ""

    def is_writing(self, identity: bytes) -> bool:
        """Whether somebody writes just now."""
        return any(end.identity == identity for end in self._writing)

    def came(self, end: End) -> None:
        """A member's device can be told things; harmless when repeated."""
        if self._told.setdefault(end, SILENT) != self._sharing.state:
            self._tell_presence(end)

    def gone(self, end: End) -> None:
        """It is connected no more."""
        self._told.pop(end, None)
        for kind in (TYPING, PRESENCE):
            self._heard_at.pop((end, kind), None)
        self._stop_writing(end)
        self._set_presence(end, SILENT)

    def heard(self, end: End, kind: int, state: int) -> None:
        """A member's device said something."""
        if self._stopped:
            return
        now = asyncio.get_running_loop().time()
        if now - self._heard_at.get((end, kind), -PAUSE_S) < HEARING_PAUSE_S:
            return
        self._heard_at[end, kind] = now
        if kind == PRESENCE and state in (AWAY, ACTIVE, SILENT):
            self._set_presence(end, state)
        elif kind == TYPING and state == STOPPED:
            self._stop_writing(end)
        elif kind == TYPING and state == WRITING:
            self._start_writing(end)

    def spoke(self, device: bytes) -> None:
        """Something that a device wrote has come: it is written."""
        for end in [end for end in self._writing if end.device == device]:
            self._stop_writing(end)

    def write(self, *, on: bool) -> None:
        """This person writes, or does not any more."""
        if on == self._is_writing and not on:
            return
        now = asyncio.get_running_loop().time()
        if on and now - self._said_at.get(TYPING, -PAUSE_S) < PAUSE_S:
            return
        if on and not self._sharing.typing:
            return
        self._is_writing = on
        if on:
            self._said_at[TYPING] = now
        for end in tuple(self._told):
            end.tell(TYPING, encode_sign(WRITING if on else STOPPED))

    def sharing_changed(self) -> None:
        """This person came or went, or lets others see more or less."""
        if not self._sharing.typing:
            self.write(on=False)
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._said_at.get(PRESENCE, -PAUSE_S) + PAUSE_S - loop.time()
        if wait_s > 0:
            self._timer = loop.call_later(wait_s, self._say_presence)
        else:
            self._say_presence()

    def stop(self) -> None:
        """Say and hear no more."""
        self._stopped = True
        timers = list(self._writing.values())
        if self._timer is not None:
            timers.append(self._timer)
        for timer in timers:
            timer.cancel()
        self._writing.clear()
        self._told.clear()
        self._timer = None

    def _say_presence(self) -> None:
        self._timer = None
        state = self._sharing.state
        late = [end for end, told in self._told.items() if told != state]
        if late:
            self._said_at[PRESENCE] = asyncio.get_running_loop().time()
        for end in late:
            self._tell_presence(end)

    def _tell_presence(self, end: End) -> None:
        state = self._sharing.state
        if end.tell(PRESENCE, encode_sign(state)):
            self._told[end] = state

    def _set_presence(self, end: End, state: int) -> None:
        before = self.presence_of(end.identity)
        if state == SILENT:
            self._present.pop(end, None)
        else:
            self._present[end] = state
        now = self.presence_of(end.identity)
        if now != before:
            self._publish(PresenceChanged(self._room, end.identity.hex(), now))

    def _start_writing(self, end: End) -> None:
        was = self.is_writing(end.identity)
        if (timer := self._writing.pop(end, None)) is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._writing[end] = loop.call_later(TYPING_LIFE_S, self._stop_writing, end)
        if not was:
            self._publish_writing(end, typing=True)

    def _stop_writing(self, end: End) -> None:
        timer = self._writing.pop(end, None)
        if timer is None:
            return
        timer.cancel()
        if not self.is_writing(end.identity):
            self._publish_writing(end, typing=False)

    def _publish_writing(self, end: End, *, typing: bool) -> None:
        name = self._name_of(end.identity)
        event = TypingChanged(self._room, end.identity.hex(), name, typing)
        self._publish(event)
