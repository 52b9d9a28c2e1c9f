"""Letting in: what a member decides about newcomers, and says to them.

``Host`` answers newcomers for the invites of one room, at once or after a person has
decided. How requests and answers travel is the business of ``app/rooms/doors.py``,
their bytes stand in ``app/rooms/invitations.py``, the other end in
``app/rooms/guest.py``; whether an invite still holds is decided by the room's rules in
the writer thread, where letting in is written at the same time.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.identity import decode_proof, verify_proof
from app.network import Peer
from app.profile import clean_name
from app.rooms import invitations
from app.rooms.invitations import (
    STATUS_OF,
    Admitted,
    Refusal,
)
from app.rooms.kept_requests import KeptRequest
from app.rooms.law import admission_signable
from app.rooms.operations import Admit
from app.rooms.roles import Role
from app.tasks import Tasks
from net.crypto import verify
from net.errors import LocalProtocolError, RemoteProtocolError
from net.pairing import (
    Member,
    RequestReceived,
    Status,
)
from net.pairing.sealing import token_of
from store.errors import StoreError

if TYPE_CHECKING:
    from app.rooms.doors import Door
    from app.rooms.room import Room
    from net.pairing.events import MemberEvent

_LOG = logging.getLogger("covey.invite")

REFUSALS = {
    "unknown": Refusal.UNKNOWN,
    "expired": Refusal.EXPIRED,
    "used": Refusal.USED,
    "closed": Refusal.CLOSED,
    "full": Refusal.FULL,
}
"""What a verdict of the rules means to the newcomer."""
MAX_APPROVALS = 64
"""Newcomers to one room who wait for a person to decide; more may ask again later."""

MAX_APPROVALS_PER_INVITE = 32
"""The same by one invite, so that a link in wrong hands does not shut out others."""
MAX_DECLINED = 1_024
"""Devices that were declined and need not ask a person again by the same invite."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who waits for a person to decide."""

    id: bytes
    """By which the decision names it, 32 bytes."""
    name: str
    """What the newcomer calls itself."""
    identity: bytes
    """Its identity key, proven."""
    device: bytes
    """Its device key, proven."""
    invite_key: bytes
    """The invite it came by."""
    role: Role = Role.READER
    """What the invite makes of it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A newcomer and what is needed to answer."""

    newcomer: Newcomer
    body: Admit
    answer_key: bytes
    token: bytes
    """Names the request in the DHT."""
    kept: KeptRequest


@dataclass(frozen=True, slots=True)
class Terms:
    """What the room's acts say to somebody who comes by an invite."""

    verdict: str
    """Of the rules: ``open``, or why not."""
    role: Role = Role.READER
    """What the invite makes of a newcomer."""
    approval: bool = False
    """A person decides."""
    may_admit: bool = False
    """This device may let in by it."""


class _Desk:
    """The machine that answers for one invite, and its door."""

    def __init__(self, door: Door, member: Member) -> None:
        self.door = door
        self.member = member


class Host:
    """Lets newcomers into one room.

    Attributes:
        waiting: Who waits for a person's decision, by id, oldest first.
    """

    def __init__(
        self,
        room: Room,
        tasks: Tasks,
        *,
        entropy: Callable[[int], bytes],
        terms: Callable[[Newcomer], Awaitable[Terms]],
        later_keys: Callable[[], Awaitable[tuple[bytes, ...]]],
        on_waiting: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        """Begin without invites.

        Args:
            room: Which room.
            tasks: Owns the work of deciding.
            entropy: Gives random bytes.
            terms: Tells what the rules say to a newcomer.
            later_keys: Gives the keys after the room's first, newest first.
            on_waiting: Called when others wait than before.
            now_ms: The wall clock.
        """
        self._room = room
        self._tasks = tasks
        self._entropy = entropy
        self._terms = terms
        self._later_keys = later_keys
        self._on_waiting = on_waiting
        self._now_ms = now_ms
        self._kept = list(room.kept_requests)
        self._unkept = False
        self._desks: dict[bytes, _Desk] = {}
        self._declined: OrderedDict[tuple[bytes, bytes], None] = OrderedDict()
        self._stale = False
        self._looking = False
        self.waiting: dict[bytes, _Waiting] = {}

    def serve(self, invite_key: bytes, door: Door) -> None:
        """Answer whoever comes with this invite."""
        record = invitations.pairing_record(self._room.row.room, invite_key)
        member = Member(record.discovery_key)
        member.add_invite(record)
        self._desks[invite_key] = _Desk(door, member)
        door.serve(member, lambda event: self._happened(invite_key, event))
        for kept in self._kept:
            if kept.invite_key == invite_key:
                door.recall(record.id, kept.receipt)

    def serve_no_more(self, invite_key: bytes) -> Door:
        """Answer no more; gives the door back."""
        desk = self._desks.pop(invite_key)
        desk.door.serve_no_more()
        gone = [
            id
            for id, waiting in self.waiting.items()
            if waiting.body.invite_key == invite_key
        ]
        self._wait_no_more(gone)
        return desk.door

    def facts_changed(self) -> None:
        """Answer whom another member let in, or whose invite no longer holds."""
        if not self.waiting:
            return
        self._stale = True
        if not self._looking:
            self._looking = True
            self._tasks.spawn(self._look_through())

    async def _look_through(self) -> None:
        try:
            while self._stale:
                self._stale = False
                for waiting in tuple(self.waiting.values()):
                    newcomer = waiting.newcomer
                    terms = await self._terms(newcomer)
                    over = terms.verdict != "open" or self._is_in(newcomer)
                    if over and newcomer.id in self.waiting:
                        self._wait_no_more([newcomer.id])
                        await self._decide(waiting)
        finally:
            self._looking = False

    def _is_in(self, newcomer: Newcomer) -> bool:
        known = self._room.facts.devices.get(newcomer.device)
        return known is not None and known.present

    def waits(self, peer: Peer) -> bool:
        """True while somebody on this connection waits for a decision."""
        return any(desk.door.waits(peer) for desk in self._desks.values())

    async def approve(self, id: bytes) -> str:
        """Let in who waits under that id; gives what ``_decide`` gives.

        Raises:
            UserFacingError: ``unknown-request``: nobody waits under it, any more.
        """
        waiting = self._take(id)
        return await self._decide(waiting)

    def deny(self, id: bytes) -> None:
        """Refuse who waits under that id; may raise ``unknown-request``."""
        newcomer = self._take(id).newcomer
        self._declined[newcomer.invite_key, newcomer.device] = None
        if len(self._declined) > MAX_DECLINED:
            self._declined.popitem(last=False)
        self._refuse(newcomer.invite_key, id, Refusal.DECLINED)

    def _take(self, id: bytes) -> _Waiting:
        waiting = self.waiting.get(id)
        if waiting is None:
            raise UserFacingError(
                "unknown-request", "Nobody waits to be let in under that name."
            )
        self._wait_no_more([id])
        return waiting

    def _wait_no_more(self, ids: list[bytes]) -> None:
        for id in ids:
            del self.waiting[id]
        if ids:
            self._others_wait()

    def _others_wait(self) -> None:
        """Tell it, and keep those who wait now over a restart."""
        self._on_waiting()
        if not self._unkept:
            self._unkept = True
            self._tasks.spawn(self._keep())

    async def _keep(self) -> None:
        self._unkept = False
        try:
            await self._room.keep_requests(
                [*(it.kept for it in self.waiting.values()), *self._kept]
            )
        except StoreError as error:
            # They wait all the same, and would be asked for anew after a restart.
            _LOG.error("who waits could not be stored: %s", error)

    def _happened(self, invite_key: bytes, event: MemberEvent) -> None:
        if not isinstance(event, RequestReceived):
            self._wait_no_more([id for id in (event.ticket,) if id in self.waiting])
            return
        try:
            waiting = self._read(invite_key, event)
        except RemoteProtocolError as error:
            _LOG.info("a newcomer's request is wrong: %s", error)
            newer = error.code == "version"
            reason = Refusal.VERSION if newer else Refusal.CLOSED
            self._refuse(invite_key, event.ticket, reason)
            return
        # From here on it is among those who wait, or decided.
        self._kept = [it for it in self._kept if it.receipt != waiting.kept.receipt]
        self._tasks.spawn(self._consider(waiting))

    async def _consider(self, waiting: _Waiting) -> None:
        """Let in at once, have a person decide, or leave it to other members."""
        newcomer = waiting.newcomer
        terms = await self._terms(newcomer)
        if terms.verdict != "open" or self._is_in(newcomer):
            await self._decide(waiting)
        elif not terms.may_admit:
            self._ignore(waiting)
        elif not terms.approval:
            await self._decide(waiting)
        elif (newcomer.invite_key, newcomer.device) in self._declined:
            self._refuse(newcomer.invite_key, newcomer.id, Refusal.DECLINED)
        else:
            newcomer = replace(newcomer, role=terms.role)
            self._ask_person(replace(waiting, newcomer=newcomer))

    def _ignore(self, waiting: _Waiting) -> None:
        """Leave a request unanswered; it may be made again."""
        desk = self._desks.get(waiting.newcomer.invite_key)
        if desk is None:
            return
        try:
            desk.member.ignore(waiting.newcomer.id)
        except LocalProtocolError as error:
            _LOG.info("a newcomer's request is gone: %s", error)
        desk.door.look_again(waiting.token)

    def _ask_person(self, waiting: _Waiting) -> None:
        mine = waiting.newcomer
        for other in tuple(self.waiting.values()):
            theirs = other.newcomer
            if (theirs.device, theirs.invite_key) == (mine.device, mine.invite_key):
                # What a device asked before it asks no more.
                del self.waiting[theirs.id]
                self._ignore(other)
        desk = self._desks.get(mine.invite_key)
        if desk is None:
            return
        same = [
            other
            for other in self.waiting.values()
            if other.newcomer.invite_key == mine.invite_key
        ]
        many = len(same) >= MAX_APPROVALS_PER_INVITE
        if many or len(self.waiting) >= MAX_APPROVALS:
            _LOG.warning("too many newcomers wait for a decision")
            self._ignore(waiting)
            return
        try:
            desk.member.hold(mine.id)
        except LocalProtocolError as error:
            _LOG.info("a newcomer's request is gone: %s", error)
            return
        desk.door.pump()
        self.waiting[mine.id] = waiting
        self._others_wait()

    def _read(self, invite_key: bytes, event: RequestReceived) -> _Waiting:
        """What a newcomer asks, its proof checked.

        Raises:
            RemoteProtocolError: The request is malformed or was made for another
                invite or answer.
        """
        request = invitations.decode_request(event.receipt.user_data)
        proof = decode_proof(request.proof)
        challenge = invitations.challenge(invite_key, request.answer_key)
        if not verify_proof(proof, data=challenge):
            raise RemoteProtocolError("the newcomer's device is not proven")
        try:
            name = clean_name(request.name)
        except UserFacingError as error:
            raise RemoteProtocolError("the newcomer has no name") from error
        signable = admission_signable(
            self._room.row.room, invite_key, proof.identity, proof.device
        )
        if not verify(signable, request.signature, invite_key):
            raise RemoteProtocolError("the invite did not sign the newcomer's keys")
        bare = replace(proof, data_signature=None)
        body = Admit(invite_key, name, bare, request.signature)
        newcomer = Newcomer(
            event.ticket, name, proof.identity, proof.device, invite_key
        )
        token = token_of(invite_key, event.receipt.user_data)
        same = (it for it in self._kept if it.receipt == event.receipt)
        fresh = KeptRequest(invite_key, self._now_ms(), event.receipt)
        kept = next(same, fresh)
        return _Waiting(newcomer, body, request.answer_key, token, kept)

    async def _decide(self, waiting: _Waiting) -> str:
        """Let in when the rules allow it, and answer.

        Returns:
            The rules' verdict, or ``failed`` when it could not be written.
        """
        invite_key = waiting.body.invite_key
        try:
            verdict = await self._room.admit(waiting.body)
            let_in = verdict in ("open", "yours")
            keys = await self._later_keys() if let_in else ()
        except (StoreError, UserFacingError) as error:
            _LOG.error("a newcomer could not be let in: %s", error)
            # It may ask again when the disk has room.
            self._ignore(waiting)
            return "failed"
        if let_in:
            self._admit(waiting, keys)
        else:
            reason = REFUSALS.get(verdict, Refusal.CLOSED)
            self._refuse(invite_key, waiting.newcomer.id, reason)
        return verdict

    def _admit(self, waiting: _Waiting, keys: tuple[bytes, ...]) -> None:
        invite_key = waiting.body.invite_key
        desk = self._desks.get(invite_key)
        if desk is None:
            return
        row, facts = self._room.row, self._room.facts
        try:
            extension = invitations.seal_admitted(
                Admitted(row.key, row.founder, facts.kind, facts.name, keys),
                answer_key=waiting.answer_key,
                invite_key=invite_key,
                entropy=self._entropy,
            )
            key = invitations.pairing_key(row.room, invite_key)
            desk.member.confirm(waiting.newcomer.id, key=key, extension=extension)
        except (RemoteProtocolError, LocalProtocolError) as error:
            _LOG.info("a newcomer could not be answered: %s", error)
        desk.door.pump()

    def _refuse(self, invite_key: bytes, ticket: bytes, reason: Refusal) -> None:
        desk = self._desks.get(invite_key)
        if desk is None:
            return
        status = STATUS_OF.get(reason, Status.REJECTED)
        extension = invitations.encode_refused(reason)
        try:
            desk.member.deny(ticket, status=status, extension=extension)
        except LocalProtocolError as error:
            _LOG.info("a newcomer could not be refused: %s", error)
        desk.door.pump()
