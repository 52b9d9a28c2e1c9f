"""The two ends of linking a device: one that vouches, and one that asks who it is.

Both use the doors of blind pairing (``app/rooms/doors.py``); what they say stands in
``app/devices/pairing.py``. What a new device gets by it is the business of
``app/devices/devices.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

from app.devices import pairing
from app.devices.pairing import DeviceLink, Handover, LinkRequest
from app.errors import UserFacingError
from app.network import Network
from app.profile import Profile
from app.rooms.doors import Doors
from app.tasks import Tasks
from net.errors import LocalProtocolError, RemoteProtocolError
from net.pairing import Candidate, CandidateRequest, Member, RequestReceived, Status
from net.pairing.events import CandidateEvent, MemberEvent, Paired
from store.errors import StoreError

_LOG = logging.getLogger("covey.devices")

LINK_LIMIT_S = 15 * 60
"""How long a link holds."""
MAX_LINKS = 4
"""Links that hold at one time; a further one ends the oldest."""
LINK_AGAIN_S = (0.3, 0.7, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses between look-ups for the other device: somebody sits before the screen."""
JOIN_LIMIT_S = 60.0

Vouch = Callable[[LinkRequest], Awaitable[Handover]]
"""Lets a device in and says what it is to be told."""


class LinkDesk:
    """The links that this device gave, each for one other device.

    A link is known here only: it ends with this process, as who made it watches.
    """

    def __init__(
        self, doors: Doors, vouch: Vouch, entropy: Callable[[int], bytes]
    ) -> None:
        """Begin without links.

        Args:
            doors: Where to answer.
            vouch: Lets a device in; a UserFacingError leaves it unanswered.
            entropy: Gives random bytes.
        """
        self._doors = doors
        self._vouch = vouch
        self._entropy = entropy
        self._open: dict[DeviceLink, asyncio.Future[bytes]] = {}
        self._timers: dict[DeviceLink, asyncio.TimerHandle] = {}
        self._taken: set[DeviceLink] = set()
        self._tasks = Tasks(_LOG, "a device could not be linked")

    def make(self, now_ms: int) -> DeviceLink:
        """A link that holds from now on, for the first device that shows it."""
        while len(self._open) >= MAX_LINKS:
            self.end(next(iter(self._open)))
        expires_at_s = now_ms // 1000 + LINK_LIMIT_S
        link = DeviceLink(self._entropy(pairing.SECRET_BYTES), expires_at_s)
        loop = asyncio.get_running_loop()
        self._open[link] = loop.create_future()
        self._timers[link] = loop.call_later(LINK_LIMIT_S, self.end, link)
        member = Member(link.record.discovery_key)
        member.add_invite(link.record)
        door = self._doors.of(link.record.discovery_key)
        door.serve(member, lambda event: self._happened(link, member, event))
        return link

    async def wait(self, link: DeviceLink) -> bytes:
        """Wait until a device came by a link; returns its key.

        Raises:
            UserFacingError: ``expired-link``: nobody came, or the link is another
                process's.
        """
        expired = UserFacingError(
            "expired-link", "This device link no longer holds: make a new one."
        )
        found = self._open.get(link)
        if found is None:
            raise expired
        try:
            return await asyncio.shield(found)
        except asyncio.CancelledError:
            if found.cancelled():
                raise expired from None
            raise

    def end(self, link: DeviceLink) -> None:
        """Let a link lead nowhere."""
        self._open.pop(link).cancel()
        self._taken.discard(link)
        self._timers.pop(link).cancel()
        door = self._doors.of(link.record.discovery_key)
        door.serve_no_more()
        self._doors.release(door)

    async def stop(self) -> None:
        """Let no link lead anywhere, and the work in hand end."""
        await self._tasks.finish()
        for link in tuple(self._open):
            self.end(link)

    def _happened(self, link: DeviceLink, member: Member, event: MemberEvent) -> None:
        if not isinstance(event, RequestReceived):
            return
        try:
            said = event.receipt.user_data
            request = pairing.decode_request(said, link_key=link.key)
        except RemoteProtocolError as error:
            _LOG.info("a device's request is wrong: %s", error)
            member.deny(event.ticket)
            return
        self._tasks.spawn(self._answer(link, member, event.ticket, request))

    async def _answer(
        self, link: DeviceLink, member: Member, ticket: bytes, request: LinkRequest
    ) -> None:
        """Vouch for the first device that comes, and for no other."""
        waiting = self._open.get(link)
        if waiting is None or link in self._taken:
            self._say(link, lambda: member.deny(ticket, status=Status.USED))
            return
        self._taken.add(link)
        try:
            handover = await self._vouch(request)
            extension = pairing.seal_handover(
                handover,
                answer_key=request.answer_key,
                link_key=link.key,
                entropy=self._entropy,
            )
        except (RemoteProtocolError, StoreError, UserFacingError) as error:
            _LOG.error("a device could not be linked: %s", error)
            self._say(link, lambda: member.deny(ticket))
            self._taken.discard(link)
            return
        key = link.group_key
        if not waiting.done():
            waiting.set_result(request.device)
        self._say(link, lambda: member.confirm(ticket, key=key, extension=extension))

    def _say(self, link: DeviceLink, answer: Callable[[], None]) -> None:
        try:
            answer()
        except LocalProtocolError as error:
            _LOG.info("a device could not be answered: %s", error)
        if link in self._open:
            self._doors.of(link.record.discovery_key).pump()


async def ask_who_i_am(
    link: DeviceLink,
    profile: Profile,
    network: Network,
    doors: Doors,
    *,
    entropy: Callable[[int], bytes],
    limit_s: float,
) -> Handover:
    """Show a link until a device of its maker says who this one is.

    Raises:
        UserFacingError: ``nobody-online`` after the time; ``declined``.
    """
    result: asyncio.Future[Handover] = asyncio.get_running_loop().create_future()

    def opened(extension: bytes) -> Handover | None:
        try:
            return pairing.open_handover(
                extension, device=profile.device, link_key=link.key
            )
        except RemoteProtocolError as error:
            _LOG.warning("a handover cannot be read: %s", error)
            return None

    def happened(event: CandidateEvent) -> None:
        if result.done():
            return
        if isinstance(event, Paired):
            handover = opened(event.extension)
            assert handover is not None, "only such an answer is believed"
            result.set_result(handover)

    said = pairing.encode_request(profile.name, profile.device, link.key)
    candidate = Candidate(
        CandidateRequest(link.invite, said),
        entropy=entropy,
        believes=lambda it: it.admission is None or opened(it.extension) is not None,
    )
    door = doors.of(candidate.discovery_key)
    door.ask(candidate, happened)
    try:
        async with asyncio.timeout(limit_s):
            for pause_s in itertools.chain(
                LINK_AGAIN_S, itertools.repeat(LINK_AGAIN_S[-1])
            ):
                await asyncio.wait((result,), timeout=pause_s)
                if result.done():
                    return result.result()
                door.ask_again()
                network.refresh(candidate.discovery_key)
        raise AssertionError("it ends by an answer or the time")
    except TimeoutError:
        raise UserFacingError(
            "nobody-online",
            "The other device did not answer: let Covey run there, with this link.",
        ) from None
    finally:
        door.ask_no_more(withdraw=True)
        doors.release(door)
