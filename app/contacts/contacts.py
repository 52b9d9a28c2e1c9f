"""Contacts at work: asking people to write directly, and hearing who asks.

``Contacts`` belongs to the messenger and lives on the network's loop. Whoever is called
is looked for at a topic of their identity key and on every connection there is; who is
called hears of strangers by a request that holds a greeting and nothing else, and is
let decide. How many may wait is bounded, and nobody is told what became of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from app.contacts import calls
from app.contacts.calls import Call, Verdict
from app.identity import attest_data, verify_proof
from app.network import Network, Peer
from app.tasks import Tasks
from net.encoding import Reader, Writer
from net.errors import NetError, RemoteProtocolError
from store import contacts as stored
from store.contacts import ACCEPTED, ASKING, BLOCKED, CALLING, DECLINED, ContactRow
from store.errors import StoreError

if TYPE_CHECKING:
    from app.rooms.room import Surroundings
    from net.mux import Channel

_LOG = logging.getLogger("covey.contacts")

MAX_ASKING = 64
"""Requests that wait for the person; more are told to come later."""
CALLABLE_AFTER_S = 8.0
"""So long after the start strangers can call: the first seconds belong to rooms."""
MAX_CALLING = 64
"""People who are called at one time."""


class Contacts:
    """The contacts of one profile.

    Attributes:
        name_in_room: Tells the name of somebody who is in the room of two by now.
        on_agreed: Called when somebody asks whom this person called or had accepted:
            the room of theirs is to be entered.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        network: Network | None,
        on_changed: Callable[[], None],
    ) -> None:
        """Know nobody yet; ``start`` first.

        Args:
            surroundings: Profile, clock and entropy.
            network: None to stay alone.
            on_changed: Called when the list is another one.
        """
        self.on_agreed: Callable[[ContactRow], object] = _nothing
        self.name_in_room: Callable[[bytes], str | None] = _nobody
        self._around = surroundings
        self._network = network
        self._on_changed = on_changed
        self._rows: dict[bytes, ContactRow] = {}
        self._peers: set[Peer] = set()
        self._channels: dict[tuple[Peer, bytes], Channel] = {}
        self._told: set[bytes] = set()
        self._looked_for: set[bytes] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks(_LOG, "a contact could not be stored")

    @property
    def rows(self) -> list[ContactRow]:
        """Everybody, the last change first."""
        return sorted(self._rows.values(), key=lambda row: -row.at)

    def get(self, identity: bytes) -> ContactRow | None:
        """What is known of somebody."""
        return self._rows.get(identity)

    async def start(self) -> None:
        """Read who there is, wait for calls, and call those who were not reached."""
        database = self._around.profile.database
        for row in await asyncio.wrap_future(database.read(stored.every)):
            self._rows[row.identity] = row
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CALLABLE_AFTER_S, self._be_callable)
        for row in self._rows.values():
            if row.state == CALLING:
                self._look_for(row.identity)

    async def stop(self) -> None:
        """Call nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        for channel in tuple(self._channels.values()):
            channel.close()
        await self._tasks.finish()

    def _be_callable(self) -> None:
        if self._network is not None:
            own = self._around.profile.identity_key
            self._network.join(calls.topic(own), server=True, client=False)

    async def keep(self, row: ContactRow) -> None:
        """Store somebody as they are now.

        Raises:
            StoreError: The disk refused.
        """
        row = replace(row, at=self._around.now_ms())
        before = self._rows.get(row.identity)
        self._rows[row.identity] = row
        database = self._around.profile.database
        try:
            await asyncio.wrap_future(
                database.write(lambda connection: stored.put(connection, row))
            )
        except StoreError:
            if before is None:
                self._rows.pop(row.identity, None)
            else:
                self._rows[row.identity] = before
            raise
        if row.state == CALLING:
            self._look_for(row.identity)
        elif before is not None and before.state == CALLING:
            self._stop_looking(row.identity)
        self._on_changed()

    async def forget(self, identity: bytes) -> None:
        """Know somebody no more."""
        self._rows.pop(identity, None)
        self._stop_looking(identity)
        await asyncio.wrap_future(
            self._around.profile.database.write(
                lambda connection: stored.remove(connection, identity)
            )
        )
        self._on_changed()

    async def settle(self) -> None:
        """See who has come of those who are called.

        Raises:
            StoreError: The disk refused.
        """
        for row in tuple(self._rows.values()):
            name = self.name_in_room(row.identity) if row.state == CALLING else None
            if name is not None:
                await self.keep(replace(row, state=ACCEPTED, name=name, link=""))

    @property
    def may_call(self) -> bool:
        """False while too many are called already."""
        calling = sum(row.state == CALLING for row in self._rows.values())
        return calling < MAX_CALLING

    # what the network tells

    def attach(self, peer: Peer) -> None:
        """Be ready for a call on a connection, and call who may be there."""
        self._peers.add(peer)
        self._tasks.spawn(self.settle())
        own = self._around.profile.identity_key
        id = calls.channel_id(own, peer.handshake_hash)
        peer.mux.pair(calls.PROTOCOL, id, lambda _: self._called(peer, id))
        for row in tuple(self._rows.values()):
            if row.state == CALLING and row.identity not in self._told:
                self._call(peer, row.identity)

    def detach(self, peer: Peer) -> None:
        """A connection is gone."""
        self._peers.discard(peer)
        for key in [key for key in self._channels if key[0] is peer]:
            del self._channels[key]

    # calling

    def _look_for(self, identity: bytes) -> None:
        if self._network is not None and identity not in self._looked_for:
            self._looked_for.add(identity)
            self._network.join(calls.topic(identity), server=False, client=True)
        if identity not in self._told:
            for peer in tuple(self._peers):
                self._call(peer, identity)

    def _stop_looking(self, identity: bytes) -> None:
        self._told.discard(identity)
        if self._network is not None and identity in self._looked_for:
            self._looked_for.discard(identity)
            self._network.leave(calls.topic(identity))
        for key in [key for key in self._channels if key[1] == identity]:
            self._channels.pop(key).close()

    def _call(self, peer: Peer, identity: bytes) -> None:
        """Open the channel: only whom it calls will answer."""
        if (peer, identity) in self._channels:
            return
        try:
            self._channels[peer, identity] = peer.mux.create_channel(
                calls.PROTOCOL,
                calls.channel_id(identity, peer.handshake_hash),
                messages=[None, partial(self._answered, identity)],
                handshake=Writer().uint(calls.PROTOCOL_VERSION).finish(),
                on_open=partial(self._opened, peer, identity),
                on_close=partial(self._closed, peer, identity),
            )
        except NetError as error:
            _LOG.info("somebody could not be called: %s", error)

    def _opened(self, peer: Peer, identity: bytes, handshake: bytes) -> None:
        row, channel = self._rows.get(identity), self._channels.get((peer, identity))
        if channel is None:
            return
        try:
            known = Reader(handshake).uint() == calls.PROTOCOL_VERSION
        except RemoteProtocolError:
            known = False
        if row is None or row.state != CALLING or not known:
            channel.close()
            return
        profile = self._around.profile
        signable = calls.challenge(identity, peer.handshake_hash)
        proof = attest_data(profile.proof, profile.device, signable)
        call = Call(proof, profile.name, row.greeting, row.link)
        channel.send(calls.CALL, call.encode())

    def _answered(self, identity: bytes, data: bytes) -> None:
        try:
            verdict = calls.decode_answer(data)
        except RemoteProtocolError:
            return
        if verdict is Verdict.RECEIVED:
            # They are let in by whoever serves the invite from here on.
            self._told.add(identity)

    def _closed(self, peer: Peer, identity: bytes) -> None:
        self._channels.pop((peer, identity), None)

    # being called

    def _called(self, peer: Peer, id: bytes) -> None:
        heard: list[bool] = []

        def call(data: bytes) -> None:
            if heard or channel.closed:
                return
            heard.append(True)
            try:
                verdict = self._hear(decode(data))
            except RemoteProtocolError as error:
                _LOG.info("somebody called who is not proven: %s", error)
                channel.close()
                return
            channel.send(calls.ANSWER, calls.encode_answer(verdict))

        def decode(data: bytes) -> Call:
            found = calls.decode_call(data)
            own = self._around.profile.identity_key
            signable = calls.challenge(own, peer.handshake_hash)
            if not verify_proof(found.proof, data=signable):
                raise RemoteProtocolError("the caller is not proven", code="unproven")
            return found

        channel = peer.mux.create_channel(
            calls.PROTOCOL,
            id,
            messages=[call, None],
            handshake=Writer().uint(calls.PROTOCOL_VERSION).finish(),
        )

    def _hear(self, call: Call) -> Verdict:
        """Somebody calls: perhaps a stranger, perhaps whom this person calls."""
        identity, own = call.proof.identity, self._around.profile.identity_key
        if identity == own:
            return Verdict.RECEIVED
        known = self._rows.get(identity)
        asked = ContactRow(
            identity, call.name, ASKING, call.link, call.greeting, None, 0
        )
        if known is None or known.state in (ASKING, DECLINED):
            waiting = sum(row.state == ASKING for row in self._rows.values())
            if known is None and waiting >= MAX_ASKING:
                return Verdict.FULL
            if known is None or known.state == ASKING:
                self._tasks.spawn(self.keep(asked))
        elif known.state == CALLING and own < identity:
            # Both call: they come into the room of whose key is the lower one.
            pass
        elif known.state in (CALLING, ACCEPTED) and known.link != call.link:
            agreed = replace(asked, state=ACCEPTED, room=known.room)
            self._tasks.spawn(self._agree(agreed))
        elif known.state == BLOCKED:
            pass
        return Verdict.RECEIVED

    async def _agree(self, row: ContactRow) -> None:
        await self.keep(row)
        self.on_agreed(row)


def _nobody(identity: bytes) -> str | None:
    del identity
    return None


def _nothing(row: ContactRow) -> None:
    del row
