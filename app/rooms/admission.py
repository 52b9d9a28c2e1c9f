"""Being let in and letting in: both ends of the channel ``covey/invite``.

``Host`` answers newcomers for the invites of one room on every connection; ``Guest``
asks every connected peer until one lets it in: a refusal stands only when nobody else
says otherwise for a while. The messages stand in ``app/rooms/invitations.py``; whether
an invite still holds is decided by the room's rules in the writer thread, where letting
in is written at the same time.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from app.errors import UserFacingError
from app.identity import attest_data, decode_proof, verify_proof
from app.network import Peer
from app.profile import Profile, clean_name
from app.rooms import invitations
from app.rooms.invitations import (
    ADMITTED,
    PROTOCOL,
    REFUSAL_SENTENCES,
    REFUSED,
    REQUEST,
    Admitted,
    Link,
    Refusal,
    Request,
)
from app.rooms.operations import Admit
from app.rooms.rules import admission_signable
from app.tasks import Tasks
from net.crypto import sign
from net.errors import LocalProtocolError, RemoteProtocolError
from store.errors import StoreError

if TYPE_CHECKING:
    from app.rooms.room import Room
    from net.mux import Channel

_LOG = logging.getLogger("covey.invite")

_REFUSALS = {
    "unknown": Refusal.UNKNOWN,
    "expired": Refusal.EXPIRED,
    "used": Refusal.USED,
    "closed": Refusal.CLOSED,
    "full": Refusal.FULL,
}
OTHERS_LIMIT_S = 8.0
"""How long others may let in whom one refused.

Its clock may be wrong, it may be behind, or it may be no member at all.
"""


class Host:
    """Lets newcomers into one room."""

    def __init__(self, room: Room, tasks: Tasks) -> None:
        self._room = room
        self._tasks = tasks

    def attach(self, peer: Peer, invite_key: bytes) -> None:
        """Answer whoever comes with this invite on this connection."""
        channel_id = invitations.channel_id(invite_key, peer.handshake_hash)
        peer.mux.pair(
            PROTOCOL, channel_id, lambda _: self._open(peer, invite_key, channel_id)
        )

    def detach(self, peer: Peer, invite_key: bytes) -> None:
        """Answer no more."""
        channel_id = invitations.channel_id(invite_key, peer.handshake_hash)
        peer.mux.unpair(PROTOCOL, channel_id)

    def _open(self, peer: Peer, invite_key: bytes, channel_id: bytes) -> None:
        asked: list[bool] = []

        def opened(handshake: bytes) -> None:
            try:
                invitations.check_handshake(
                    handshake,
                    invite_key,
                    peer.handshake_hash,
                    from_initiator=not peer.is_initiator,
                )
            except RemoteProtocolError:
                channel.close()

        def requested(data: bytes) -> None:
            if asked or channel.closed:
                return
            asked.append(True)
            try:
                body = _admission(data, invite_key, peer)
            except RemoteProtocolError as error:
                _LOG.info("a newcomer's request is wrong: %s", error)
                channel.close()
                return
            self._tasks.spawn(self._answer(channel, body))

        channel = peer.mux.create_channel(
            PROTOCOL,
            channel_id,
            messages=[requested, None, None],
            handshake=invitations.encode_handshake(
                invite_key, peer.handshake_hash, from_initiator=peer.is_initiator
            ),
            on_open=opened,
        )

    async def _answer(self, channel: Channel, body: Admit) -> None:
        try:
            verdict = await self._room.admit(body)
        except (StoreError, UserFacingError) as error:
            _LOG.error("a newcomer could not be let in: %s", error)
            channel.close()
            return
        if channel.closed:
            return
        if verdict in ("open", "yours"):
            row, facts = self._room.row, self._room.facts
            admitted = Admitted(row.key, row.founder, facts.kind, facts.name)
            channel.send(ADMITTED, admitted.encode())
        else:
            reason = _REFUSALS.get(verdict, Refusal.CLOSED)
            channel.send(REFUSED, invitations.encode_refused(reason))


class Guest:
    """One attempt to be let in by a link.

    Attributes:
        result: What a member answered, or why all who did refused.
        refusal: The first refusal, or None; ``UNKNOWN`` only when there is no other.
        askers: How many wait for the result.
    """

    def __init__(self, link: Link, profile: Profile) -> None:
        self.link = link
        self.result: asyncio.Future[Admitted] = (
            asyncio.get_running_loop().create_future()
        )
        self.refusal: Refusal | None = None
        self.askers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._profile = profile
        self._key_pair = link.key_pair
        self._channels: dict[Peer, Channel] = {}

    @property
    def invite_key(self) -> bytes:
        """The invite's public key."""
        return self._key_pair.public_key

    @property
    def topic(self) -> bytes:
        """Where members wait for the holder of this link."""
        return invitations.rendezvous(self._key_pair.public_key)

    def attach(self, peer: Peer) -> None:
        """Ask on this connection."""
        if peer in self._channels or self.result.done():
            return
        invite_key = self._key_pair.public_key
        try:
            self._channels[peer] = peer.mux.create_channel(
                PROTOCOL,
                invitations.channel_id(invite_key, peer.handshake_hash),
                messages=[None, partial(self._admitted), partial(self._refused)],
                handshake=invitations.encode_handshake(
                    invite_key, peer.handshake_hash, from_initiator=peer.is_initiator
                ),
                on_open=partial(self._opened, peer),
                on_close=partial(self._closed, peer),
            )
        except LocalProtocolError as error:
            _LOG.info("an invite could not be shown: %s", error)

    def close(self) -> None:
        """Ask nobody any more."""
        for channel in tuple(self._channels.values()):
            channel.close()
        if self._timer is not None:
            self._timer.cancel()
        if not self.result.cancel() and not self.result.cancelled():
            # Nobody may be left to look at it.
            self.result.exception()

    def _opened(self, peer: Peer, handshake: bytes) -> None:
        invite_key = self._key_pair.public_key
        channel = self._channels[peer]
        try:
            invitations.check_handshake(
                handshake,
                invite_key,
                peer.handshake_hash,
                from_initiator=not peer.is_initiator,
            )
        except RemoteProtocolError as error:
            if error.code == "version":
                self._refuse(Refusal.VERSION)
            channel.close()
            return
        profile = self._profile
        challenge = invitations.challenge(invite_key, peer.handshake_hash)
        signable = admission_signable(
            self.link.room,
            invite_key,
            profile.identity_key,
            profile.device.public_key,
        )
        request = Request(
            name=profile.name,
            proof=attest_data(profile.proof, profile.device, challenge).encode(),
            signature=sign(signable, self._key_pair.secret_key),
        )
        channel.send(REQUEST, request.encode())

    def _admitted(self, data: bytes) -> None:
        admitted = invitations.decode_admitted(data)
        if not admitted.belongs_to(self.link.room):
            _LOG.warning("somebody who is no member posed as one")
        elif not self.result.done():
            self.result.set_result(admitted)

    def _refused(self, data: bytes) -> None:
        self._refuse(invitations.decode_refused(data))

    def _refuse(self, reason: Refusal) -> None:
        """Remember a refusal, which is final when nobody lets in before long."""
        if self.refusal in (None, Refusal.UNKNOWN):
            self.refusal = reason
        if self._timer is None and self.refusal is not Refusal.UNKNOWN:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(OTHERS_LIMIT_S, self._give_up)

    def _give_up(self) -> None:
        assert self.refusal is not None
        if not self.result.done():
            sentence = REFUSAL_SENTENCES[self.refusal]
            self.result.set_exception(UserFacingError(*sentence))

    def _closed(self, peer: Peer) -> None:
        self._channels.pop(peer, None)


def _admission(data: bytes, invite_key: bytes, peer: Peer) -> Admit:
    """The operation that lets a newcomer in, its proof of this connection checked.

    Raises:
        RemoteProtocolError: The request is malformed or does not belong here.
    """
    request = invitations.decode_request(data)
    proof = decode_proof(request.proof)
    challenge = invitations.challenge(invite_key, peer.handshake_hash)
    if not verify_proof(proof, data=challenge):
        raise RemoteProtocolError("the newcomer's device is not proven")
    try:
        name = clean_name(request.name)
    except UserFacingError as error:
        raise RemoteProtocolError("the newcomer has no name") from error
    bare = replace(proof, data_signature=None)
    return Admit(invite_key, name, bare, request.signature)
