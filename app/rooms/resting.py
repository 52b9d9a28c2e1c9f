"""Devices that were silent for long are put to rest, and woken when they come back.

The history is confirmed by everybody's having seen it, so a device that is gone holds
its confirmation back; nothing else waits for it. Whoever is online looks now and then
whether some device has been silent for longer than the rules ask and has not heard what
was said meanwhile, and lets it rest. One that finds itself resting asks members who are
connected to wake it (``app/rooms/asides.py``), one after the other, and says again what
it said in vain (``app/rooms/rewriting.py``).

Nobody is put to rest by who has not listened: a device looks only after it was
connected for a while. The rules themselves stand in ``app/rooms/law``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from app.errors import UserFacingError
from app.events import Event, RestEnded
from app.rooms import proposals, rewriting
from app.rooms.facts import RoomFacts
from app.rooms.law import REST_AFTER_MS
from app.rooms.operations import Body, Operation
from app.rooms.rewriting import Said
from app.rooms.roles import Right
from app.rooms.view import RoomView
from app.tasks import Tasks
from store.contents.resting import said_after
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from app.rooms.outbox import Check, Written
    from store.database import Connection

T = TypeVar("T")

_LOG = logging.getLogger("covey.room")

MAX_HELD_BACK = 1_000
"""Entries whose confirmation one silent device may hold back."""
MAX_HELD_BACK_MS = 30 * 24 * 3600 * 1000
"""How long it may hold back any."""
MAX_MISSED_MS = 180 * 24 * 3600 * 1000
"""More devices than are there are put to rest only after so long: if it was only that
the two parts could not meet, all that the larger one said would have to be said again.
"""
LISTEN_S = 600.0
"""A device looks for silent ones after it was connected for so long without a break."""
JITTER_S = 3_000.0
"""And up to so much later, each device at its own time: the first one acts for all."""
LOOK_AGAIN_S = 24 * 3600.0
MAX_RESTS = 64
"""Devices put to rest after one look."""
ASK_S = 1.0
"""After so long a resting device asks to be woken: somebody may have done so."""
ASK_AGAIN_S = 30.0
"""Then it asks the next one."""
SAY_AGAIN_S = 60.0
"""After so long it tries again to say what it could not."""
REFUSED_AGAIN_S = 3_600.0
"""The same for what this person may not say now, being muted perhaps."""


class Host(Protocol):
    """What a room gives."""

    @property
    def id(self) -> str:
        """The room's id as clients name it."""

    @property
    def device(self) -> bytes:
        """This device's key."""

    @property
    def facts(self) -> RoomFacts:
        """Who is who."""

    @property
    def online(self) -> Mapping[bytes, int]:
        """Devices connected and proven now."""

    def ask_wake(self, turn: int) -> None:
        """Ask one of the connected members, whose turn it is, to wake this device."""

    async def transact(self, work: Callable[[Connection, RoomView], T]) -> T:
        """Run work on the view in the writer thread."""


def is_silent(
    *, heard: int, clock: int, said_at: int | None, held_back_count: int
) -> bool:
    """Whether a device is to be put to rest.

    Args:
        heard: Clock of its last entry, or of its being let in.
        clock: That of an entry written now.
        said_at: Clock of the first message that it has not heard, if any.
        held_back_count: Entries that are not confirmed and stand behind ``heard``.
    """
    if said_at is None or clock - heard <= REST_AFTER_MS:
        return False
    # Whoever is there acknowledges within hours.
    if clock - said_at <= REST_AFTER_MS:
        return False
    return held_back_count >= MAX_HELD_BACK or clock - said_at > MAX_HELD_BACK_MS


def silent_devices(
    connection: Connection,
    view: RoomView,
    *,
    now_ms: int,
    online: Collection[bytes] = (),
) -> list[bytes]:
    """Those that this device may put to rest now, and that had better be.

    Args:
        connection: The transaction's.
        view: The room.
        now_ms: The wall clock.
        online: Devices that are connected: they are not silent.
    """
    law, own = view.law, view.own
    if not _may(view):
        return []
    clock = max(now_ms, view.outlook().clock + 1)
    silent: dict[bytes, int] = {}
    lively_count = 1
    for key, device in law.devices.items():
        if key == own or device.resting or not law.is_inside(key):
            continue
        heard = max(view.last_clock(key), device.tenures[-1].start.clock)
        if key in online or clock - heard <= REST_AFTER_MS:
            lively_count += 1
        elif is_silent(
            heard=heard,
            clock=clock,
            said_at=said_after(connection, view.row.row, heard),
            held_back_count=view.unconfirmed_count(heard),
        ):
            silent[key] = clock - heard
    if len(silent) <= lively_count:
        return list(silent)
    # It may be those here whom the others do not hear.
    return [key for key, for_ms in silent.items() if for_ms > MAX_MISSED_MS]


def _may(view: RoomView) -> bool:
    """True while this device may put others to rest and wake them."""
    device = view.law.devices.get(view.own)
    resting = device is None or device.resting
    return not resting and view.law.may(view.own, Right.REST)


class Resting:
    """Puts others to rest, lets oneself be woken, and wakes others, in one room."""

    def __init__(
        self,
        host: Host,
        write: Callable[[Check], Awaitable[Written | None]],
        publish: Callable[[Event], None],
        now_ms: Callable[[], int],
    ) -> None:
        """Wait for facts.

        Args:
            host: The room.
            write: Writes what is checked in the writer thread.
            publish: Tells clients.
            now_ms: The wall clock.
        """
        self._host = host
        self._write = write
        self._publish = publish
        self._now_ms = now_ms
        self._looking: asyncio.TimerHandle | None = None
        self._asking: asyncio.TimerHandle | None = None
        self._saying: asyncio.TimerHandle | None = None
        self._looked_at: float | None = None
        self._turn = 0
        self._waking: set[bytes] = set()
        self._known: bool | None = None
        self._busy = False
        self._stopped = False
        self._tasks = Tasks(_LOG, "a device could not rest or wake")

    @property
    def is_resting(self) -> bool:
        """True while nothing that this device writes counts."""
        fact = self._host.facts.devices.get(self._host.device)
        return fact is not None and fact.resting

    def facts_changed(self) -> None:
        """See whether this device rests; once it does not, say again what was void."""
        resting = self.is_resting
        if self._stopped or resting == self._known:
            return
        woken = self._known is True
        self._known = resting
        self._cancel_saying()
        if resting:
            self._ask_later(ASK_S)
        else:
            self._tasks.spawn(self._say_again(woken=woken))

    def online_changed(self) -> None:
        """Somebody is connected, or nobody any more."""
        if self._stopped:
            return
        if not self._host.online:
            if self._looking is not None:
                self._looking.cancel()
                self._looking = None
            return
        if self._looking is None:
            self._look_later()
        if self.is_resting and self._asking is None:
            self._ask_later(ASK_S)

    def wake_asked(self, device: bytes) -> None:
        """A member's device, proven, says that it rests and is back."""
        fact = self._host.facts.devices.get(device)
        resting = fact is not None and fact.resting and device != self._host.device
        if resting and device not in self._waking and not self._stopped:
            self._waking.add(device)
            self._tasks.spawn(self._wake(device))

    async def stop(self) -> None:
        """Begin nothing more, and let the work in hand end."""
        self._stopped = True
        for timer in (self._looking, self._asking, self._saying):
            if timer is not None:
                timer.cancel()
        await self._tasks.finish()

    # Putting to rest.

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        part = int.from_bytes(self._host.device[:4], "big") / (1 << 32)
        due = loop.time() + LISTEN_S + part * JITTER_S
        if self._looked_at is not None:
            due = max(due, self._looked_at + LOOK_AGAIN_S)
        self._looking = loop.call_at(due, self._look)

    def _look(self) -> None:
        self._looked_at = asyncio.get_running_loop().time()
        self._look_later()
        self._tasks.spawn(self._let_rest())

    async def _let_rest(self) -> None:
        now_ms, online = self._now_ms(), frozenset(self._host.online)
        work = partial(silent_devices, now_ms=now_ms, online=online)
        try:
            silent = await self._host.transact(work)
        except (StoreError, UserFacingError) as error:
            _LOG.info("nobody looked who is silent: %s", error.code)
            return
        for device in silent[:MAX_RESTS]:
            if self._stopped:
                return
            await self._try_writing(partial(_rest, device=device))

    # Waking.

    def _ask_later(self, pause_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._asking is not None:
            self._asking.cancel()
        self._asking = loop.call_later(pause_s, self._ask)

    def _ask(self) -> None:
        self._asking = None
        if self._stopped or not self.is_resting or not self._host.online:
            return
        self._host.ask_wake(self._turn)
        self._turn += 1
        self._ask_later(ASK_AGAIN_S)

    async def _wake(self, device: bytes) -> None:
        try:
            await self._try_writing(partial(_wake, device=device))
        finally:
            self._waking.discard(device)

    async def _try_writing(self, check: Check) -> None:
        try:
            await self._write(check)
        except (StoreError, UserFacingError) as error:
            # Others look, and are asked, too.
            _LOG.info("nobody was put to rest or woken: %s", error.code)

    # Saying again.

    def _cancel_saying(self) -> None:
        if self._saying is not None:
            self._saying.cancel()
            self._saying = None

    async def _say_again(self, *, woken: bool) -> None:
        """Say what was void until nothing is missing that may be said."""
        if self._busy:
            return
        self._busy = True
        said = lost = 0
        refused: set[bytes] = set()
        taken: set[bytes] = set()
        try:
            while not self._stopped and not self.is_resting:
                plan = await self._host.transact(rewriting.plan)
                lost = plan.lost
                spare = [id for id in plan.spare if id not in taken]
                missing = [it for it in plan.missing if it.id not in refused]
                if missing:
                    said += await self._say_missing(missing, plan.names, refused)
                elif spare:
                    taken.update(spare)
                    await self._take_back(spare)
                else:
                    break
        except (StoreError, UserFacingError) as error:
            _LOG.info("what was void could not be said again yet: %s", error.code)
            self._say_later(SAY_AGAIN_S)
        finally:
            self._busy = False
        if refused:
            self._say_later(REFUSED_AGAIN_S)
        if said or (woken and lost):
            sentence = _sentence(said, lost)
            self._publish(RestEnded(self._host.id, said, lost, sentence))

    def _say_later(self, pause_s: float) -> None:
        if self._saying is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._saying = loop.call_later(pause_s, self._try_again)

    def _try_again(self) -> None:
        self._saying = None
        self._tasks.spawn(self._say_again(woken=False))

    async def _say_missing(
        self, missing: Sequence[Said], known: Mapping[bytes, bytes], refused: set[bytes]
    ) -> int:
        """Say these again in order; returns how many, and notes what may not be."""
        names = dict(known)
        count = 0
        for said in missing:
            if self._stopped:
                break
            if await self._say_one(said, names):
                count += 1
            else:
                refused.add(said.id)
        return count

    async def _take_back(self, ids: Sequence[bytes]) -> None:
        """Let words go that count nowhere and are said again, or were deleted."""
        work = partial(rewriting.retraction, ids=ids)
        for body in await self._host.transact(work):
            if not self._stopped:
                await self._write(partial(_checked, body=body))

    async def _say_one(self, said: Said, names: dict[bytes, bytes]) -> bool:
        """Say one thing again; False when this person may not any more.

        Raises:
            UserFacingError: It cannot be written now.
        """
        body = rewriting.renamed(said.operation.body, names)
        operation = Operation(said.operation.sent_at, body)

        def check(view: RoomView) -> Body | Operation | None:
            if not _may(view):
                return None
            right = rewriting.right_for(body)
            if right is not None:
                view.outlook().require(right)
            return operation

        try:
            written = await self._write(check)
        except UserFacingError as error:
            if error.code in ("read-only", "muted"):
                return False
            raise
        if written is None:
            return False
        new = written.applied.ids.get(written.sequence)
        if new is not None:
            names[said.id] = new
        return True


def _rest(view: RoomView, *, device: bytes) -> Body | None:
    view.require_member()
    known = view.law.devices.get(device)
    if known is None or known.resting or not _may(view):
        return None
    return proposals.rest(view, device)


def _wake(view: RoomView, *, device: bytes) -> Body | None:
    view.require_member()
    known = view.law.devices.get(device)
    if known is None or not known.resting or not _may(view):
        return None
    return proposals.wake(view, device)


def _checked(view: RoomView, *, body: Body) -> Body | None:
    view.require_member()
    return body if _may(view) else None


def _sentence(said: int, lost: int) -> str:
    """What to tell a person whose device was away for long."""
    start = "This device was away for so long that the room went on without it."
    parts = [start]
    if said:
        parts.append("What you wrote meanwhile has been sent again.")
    if lost:
        changes = "A change" if lost == 1 else f"{lost} changes"
        do = "does" if lost == 1 else "do"
        parts.append(
            f"{changes} to the room that you made meanwhile {do} not count:"
            " look whether it is still wanted."
        )
    return " ".join(parts)
