"""Trying the invites this profile was given, until a member lets it in.

Who asks waits for a while only; the request goes on without it, directly and through
the DHT, until there is an answer or its time is over. What is asked and believed is the
business of ``app/rooms/guest.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from app.errors import UserFacingError
from app.events import ApprovalAwaited
from app.network import Network
from app.rooms.doors import Doors
from app.rooms.guest import Guest
from app.rooms.invitations import (
    REFUSAL_SENTENCES,
    WAITING_SENTENCE,
    Admitted,
    Link,
    Refusal,
)
from app.rooms.room import Surroundings
from app.tasks import Tasks

_LOG = logging.getLogger("covey.invite")

MAX_JOINS = 16
"""Links tried at one time."""
MAX_ANSWERED = 64
"""Links whose answer is remembered, so that they are asked about anew."""
SALT_BYTES = 16
JOIN_LIMIT_S = 60.0
EXPIRED_LIMIT_S = 5.0
ASK_AGAIN_S = (0.3, 0.7, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses between look-ups for members: somebody sits before the screen."""
LINGER_S = 3600.0
"""How long a link is tried on when nobody waits any more and none gave a time."""
LINGER_PAUSE_S = 60.0
"""Pauses between look-ups meanwhile."""


class Joining:
    """The links that are being tried.

    Attributes:
        guests: One for each link, also where nobody waits any more.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        network: Network | None,
        doors: Doors,
        *,
        let_in_late: Callable[[Link, Admitted], Awaitable[None]],
        nobody: Callable[[], UserFacingError],
    ) -> None:
        """Begin with none.

        Args:
            surroundings: Profile, clock and entropy.
            network: None to stay alone.
            doors: Where to ask.
            let_in_late: Called when a member lets in whom nobody waits for any more.
            nobody: Says why nobody answered.
        """
        self.guests: dict[Link, Guest] = {}
        self._around = surroundings
        self._network = network
        self._doors = doors
        self._let_in_late = let_in_late
        self._nobody = nobody
        self._lingering: dict[Link, asyncio.Task[None]] = {}
        self._answered: OrderedDict[bytes, None] = OrderedDict()
        self._tasks = Tasks(_LOG, "an invite could not be tried on")

    @property
    def expects_members(self) -> bool:
        """True while a stranger may be the member who lets this profile in."""
        return any(guest.askers or guest.held for guest in self.guests.values())

    async def stop(self) -> None:
        """Ask nobody any more."""
        await self._tasks.cancel()
        for guest in tuple(self.guests.values()):
            guest.close()

    async def ask(self, link: Link, *, timeout_s: float | None) -> Admitted:
        """Ask to be let in; see ``Messenger.join``.

        An invite that is over by this clock is not waited for long; the clock may be
        wrong, so a member decides when one is there.
        """
        limit_s = JOIN_LIMIT_S if timeout_s is None else timeout_s
        over = 0 < link.expires_at_s * 1000 < self._around.now_ms()
        try:
            return await self.ask_for(
                link,
                min(limit_s, EXPIRED_LIMIT_S) if over else limit_s,
                # Who names a time has decided what happens after it.
                lingers=timeout_s is None,
            )
        except UserFacingError as error:
            if over and error.code in ("nobody-online", "no-network"):
                raise UserFacingError(*REFUSAL_SENTENCES[Refusal.EXPIRED]) from error
            raise

    async def ask_for(
        self, link: Link, limit_s: float, *, lingers: bool = False
    ) -> Admitted:
        """Ask for so long; raises like ``Messenger.join``.

        Args:
            link: Which.
            limit_s: How long to wait.
            lingers: Go on asking when nobody waits any more.
        """
        if self._network is None:
            raise UserFacingError("no-network", "The network cannot be used.")
        guest = self.guests.get(link)
        if guest is None:
            guest = self._begin(link)
        elif (lingering := self._lingering.pop(link, None)) is not None:
            lingering.cancel()
            # Somebody may have answered where it is looked seldom.
            self._doors.of(guest.group).refresh()
        guest.askers += 1
        in_vain = False
        try:
            async with asyncio.timeout(limit_s):
                return await self._answer_to(guest, self._network)
        except TimeoutError:
            if guest.refusal is not None:
                raise UserFacingError(*REFUSAL_SENTENCES[guest.refusal]) from None
            in_vain = lingers
            if guest.held or link.approval:
                raise UserFacingError(*WAITING_SENTENCE) from None
            raise self._nobody() from None
        finally:
            guest.askers -= 1
            if not guest.askers:
                if in_vain:
                    lingering = self._tasks.spawn(self._linger(guest, self._network))
                    self._lingering[link] = lingering
                else:
                    self._end(guest)

    def _begin(self, link: Link) -> Guest:
        if len(self.guests) >= MAX_JOINS:
            oldest = next(iter(self._lingering), None)
            if oldest is None:
                raise UserFacingError("too-many", "Too many invites are being tried.")
            self._lingering.pop(oldest).cancel()
            self._end(self.guests[oldest])
        entropy = self._around.entropy
        salt = entropy(SALT_BYTES) if link.secret in self._answered else b""
        guest = Guest(
            link,
            self._around.profile,
            entropy=entropy,
            salt=salt,
            on_held=lambda: self._around.publish(ApprovalAwaited(link.room.hex())),
        )
        self.guests[link] = guest
        self._doors.of(guest.group).ask(guest.candidate, guest.happened)
        return guest

    def _end(self, guest: Guest) -> None:
        """Be done with a link; what was asked in vain can still be answered."""
        del self.guests[guest.link]
        answered = guest.refusal is not None or guest.result.done()
        if answered:
            # To be decided about anew next time.
            self._answered[guest.link.secret] = None
            if len(self._answered) > MAX_ANSWERED:
                self._answered.popitem(last=False)
        guest.close()
        door = self._doors.of(guest.group)
        door.ask_no_more(withdraw=answered)
        self._doors.release(door)

    async def _answer_to(self, guest: Guest, network: Network) -> Admitted:
        """Wait for an answer; look again now and then, for members who just came."""
        for pause_s in itertools.chain(ASK_AGAIN_S, itertools.repeat(ASK_AGAIN_S[-1])):
            await asyncio.wait((guest.result,), timeout=pause_s)
            if guest.result.done():
                break
            self._look(guest, network)
        return guest.result.result()

    def _look(self, guest: Guest, network: Network) -> None:
        self._doors.of(guest.group).ask_again()
        network.refresh(guest.group)

    async def _linger(self, guest: Guest, network: Network) -> None:
        """Go on asking without anybody who waits, until somebody does again."""
        loop = asyncio.get_running_loop()
        end_at = loop.time() + LINGER_S
        while not guest.result.done() and loop.time() < end_at:
            await asyncio.wait((guest.result,), timeout=LINGER_PAUSE_S)
            if not guest.result.done():
                self._look(guest, network)
        admitted: Admitted | None = None
        if guest.result.done() and guest.result.exception() is None:
            admitted = guest.result.result()
        del self._lingering[guest.link]
        self._end(guest)
        if admitted is not None:
            await self._let_in_late(guest.link, admitted)
