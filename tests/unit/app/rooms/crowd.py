"""Several peers of one room over links that may break at any moment.

Each peer has a room view on a database of its own, as in the core, and a replication
session for each link; what its session wants done happens when the test says so, in
order, so that any interleaving can be tried.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from app.rooms.effects import (
    Acknowledged,
    Ended,
    Proven,
    ReadEntries,
    Released,
    Send,
    StoreEntries,
    Terms,
)
from app.rooms.operations import Body, Message
from app.rooms.replication import Claims, Session
from app.rooms.view import Applied, RoomFacts, RoomView
from net.errors import RemoteProtocolError as NetProtocolError
from store import history, rooms
from store.database import Database
from store.errors import RemoteProtocolError
from store.log import DatabaseLogs, Head
from tests.unit.app.rooms.people import ADA, ROOM, ROOM_KEY, Person


class CountedEntropy:
    """Bytes that are different each time and the same in each run."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return (self._seed + b"%d" % self._count).ljust(size, b"e")[:size]


class CrowdMember:
    """One device of the room."""

    def __init__(self, who: Person, folder: Path) -> None:
        self.who = who
        self.database = Database.open(folder / f"{who.name}.db", key=bytes(32))
        self.row = self.database.write(
            lambda connection: rooms.add_room(
                connection,
                room=ROOM,
                key=ROOM_KEY,
                founder=ADA.device.public_key,
                name="",
                kind="group",
                joined_at=0,
            )
        ).result(5)
        self.view = RoomView(self.row, who.device)
        self.database.write(self.view.load).result(5)
        self.facts: RoomFacts = self.view.facts(0)
        self.heads: dict[bytes, Head] = {}
        self.claims = Claims()
        self.ends: list[LinkEnd] = []
        self.held: dict[bytes, int] = {}
        self.entropy = CountedEntropy(who.name.encode())

    def write(self, body: Body, now: float) -> None:
        """Write into the own log and tell every session."""
        applied = self.database.write(
            lambda connection: self.view.append(
                connection, body, now_ms=int(now * 1000), entropy=self.entropy
            )
        ).result(5)
        self.take(applied, now)

    def take(self, applied: Applied, now: float) -> None:
        """What the core does after a transaction."""
        self.heads[applied.writer] = applied.head
        if applied.facts is not None:
            self.facts = applied.facts
        if applied.entries:
            start = applied.entries[0].sequence
            entries = [entry.data for entry in applied.entries]
            for end in list(self.ends):
                end.session.entries_stored(applied.writer, start, entries, now)
        if applied.facts is not None:
            for end in list(self.ends):
                end.session.facts_changed(applied.facts, now)

    def texts(self) -> list[str]:
        """What people see."""
        found = self.database.read(
            lambda connection: history.page(connection, self.row.row, limit=1000)
        ).result(5)
        return [message.text for message in found]


@dataclass(eq=False)
class LinkEnd:
    """One member's end of a link."""

    member: CrowdMember
    session: Session
    inbox: deque[tuple[int, bytes]] = field(default_factory=deque)
    other: LinkEnd | None = None
    opened: bool = False
    ended: Ended | None = None
    proven: Proven | None = None

    @property
    def busy(self) -> bool:
        """True while a step would do something."""
        return bool(self.session._effects) or bool(self.inbox) or not self.opened


class Crowd:
    """Members and links, moved one step at a time."""

    def __init__(self, people: list[Person], folder: Path) -> None:
        self.members = [CrowdMember(who, folder) for who in people]
        self.ends: list[LinkEnd] = []
        self.now = 1000.0
        self._links = 0

    def close(self) -> None:
        """Give the databases back."""
        for member in self.members:
            member.database.close()

    def link(self, first: CrowdMember, second: CrowdMember) -> tuple[LinkEnd, LinkEnd]:
        """Connect two members."""
        self._links += 1
        handshake_hash = b"%d" % self._links
        ends = [
            LinkEnd(
                member,
                Session(
                    Terms(
                        room=ROOM,
                        room_key=ROOM_KEY,
                        handshake_hash=handshake_hash,
                        is_initiator=initiator,
                        device=member.who.device,
                        proof=member.who.proof,
                    ),
                    heads=member.heads,
                    facts=member.facts,
                    claims=member.claims,
                    now=self.now,
                ),
            )
            for member, initiator in ((first, True), (second, False))
        ]
        ends[0].other, ends[1].other = ends[1], ends[0]
        for end in ends:
            end.member.ends.append(end)
            self.ends.append(end)
        return ends[0], ends[1]

    def cut(self, end: LinkEnd) -> None:
        """Break a link; what was under way is lost."""
        assert end.other is not None
        for side in (end, end.other):
            side.session.channel_closed()
            side.inbox.clear()
            self._forget(side)

    def step(self, end: LinkEnd) -> None:
        """Do one thing at one end: an effect if there is one, else read a message."""
        if not end.opened:
            assert end.other is not None
            end.opened = True
            end.session.remote_opened(end.other.session.handshake)
            return
        effect = end.session.next_effect()
        if effect is None:
            if end.inbox:
                end.session.receive(*end.inbox.popleft(), self.now)
            return
        assert end.other is not None
        if isinstance(effect, Send):
            end.other.inbox.append((effect.kind, effect.data))
        elif isinstance(effect, StoreEntries):
            self._store(end, effect)
        elif isinstance(effect, ReadEntries):
            self._read(end, effect)
        elif isinstance(effect, Acknowledged):
            held = end.member.held
            held[effect.device] = max(held.get(effect.device, 0), effect.length)
        elif isinstance(effect, Proven):
            end.proven = effect
        elif isinstance(effect, Released):
            for other in list(end.member.ends):
                if other is not end:
                    other.session.claims_released(self.now, effect.writer)
        elif isinstance(effect, Ended):
            end.ended = effect
            self._forget(end)

    def settle(self, limit: int = 100_000) -> None:
        """Step everybody until nothing is left to do."""
        for _ in range(limit):
            busy = [end for end in self.ends if end.busy]
            if not busy:
                return
            for end in busy:
                self.step(end)
        raise AssertionError("the peers never come to rest")

    def _store(self, end: LinkEnd, effect: StoreEntries) -> None:
        member = end.member
        failed, count, held = "", 0, False
        try:
            applied = member.database.write(
                lambda connection: member.view.put(
                    connection,
                    effect.writer,
                    effect.entries,
                    now_ms=int(self.now * 1000),
                )
            ).result(5)
        except (RemoteProtocolError, NetProtocolError) as error:
            failed = error.code
        else:
            count, held = len(applied.entries), applied.held
            member.take(applied, self.now)
        end.session.put_done(
            effect, self.now, stored_count=count, held=held, failed=failed
        )

    def _read(self, end: LinkEnd, effect: ReadEntries) -> None:
        member, want = end.member, effect.want
        entries = member.database.read(
            lambda connection: DatabaseLogs(connection, member.row.row, ROOM).read(
                want.writer, want.start, want.end, max_bytes=4096
            )
        ).result(5)
        end.session.entries_read(want, entries)

    def _forget(self, end: LinkEnd) -> None:
        if end in self.ends:
            self.ends.remove(end)
        if end in end.member.ends:
            end.member.ends.remove(end)
        if end.member.claims.release_all(end.session):
            for other in list(end.member.ends):
                other.session.claims_released(self.now)


def say(member: CrowdMember, text: str, now: float) -> None:
    """Write a message."""
    member.write(Message(text), now)
