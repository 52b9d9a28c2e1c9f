"""A world of rooms without a network: devices that write, meet, part, stop and crash.

Each device has a ``RoomView`` on a database of its own, in memory. Logs are lists of
blocks that go from one to the other in pieces, twice, and in any order of logs; keys
that one lacks are asked of whom one meets, as on the second channel of a room. What
people do is drawn by ``tests/sim/rooms_deeds.py``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import apsw

from app.errors import UserFacingError
from app.identity import bootstrap
from app.rooms import timeline
from app.rooms import view as views
from app.rooms.operations import Acknowledge, Body, decode_operation, number_of
from app.rooms.timeline import Held
from app.rooms.view import Applied, RoomView
from net.crypto import KeyPair, discovery_key
from store import contents, rooms
from store.autobase import decode_entry
from store.schema import PROFILE, migrate
from tests.unit.app.rooms.crowd import FRESH, CountedEntropy, begin_log, log_key
from tests.unit.app.rooms.people import ADA, ROOM_KEY, Person

T = TypeVar("T")

START_MS = 1_700_000_000_000
DAY_MS = 24 * 3600 * 1000
NAMES = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal", "Ida", "Jo")
SETTLE_ENTRIES = 4
SAVE_ENTRIES = 8


@cache
def seat(name: str, number: int = 0) -> Person:
    """The same device for the same name and number."""
    if name == ADA.name and not number:
        return ADA
    identity = KeyPair.from_seed(name.encode().ljust(32, b"i"))
    label = name if not number else f"{name}{number}"
    device = KeyPair.from_seed(label.encode().ljust(32, b"d"))
    return Person(
        label,
        identity,
        device,
        bootstrap(identity, device.public_key, epoch_s=1),
    )


@cache
def _blank() -> bytes:
    connection = apsw.Connection(":memory:")
    migrate(connection, PROFILE)
    data = connection.serialize("main")
    connection.close()
    return data


@contextmanager
def small_steps() -> Iterator[None]:
    """Confirm and save after few entries, so that short histories show both."""
    settle, save = views.SETTLE_ENTRIES, timeline.SAVE_ENTRIES
    views.SETTLE_ENTRIES, timeline.SAVE_ENTRIES = SETTLE_ENTRIES, SAVE_ENTRIES
    try:
        yield
    finally:
        views.SETTLE_ENTRIES, timeline.SAVE_ENTRIES = settle, save


class CrashError(Exception):
    """The process ends before the commit."""


class Peer:
    """One device: its database, its view, and the blocks it has."""

    def __init__(self, who: Person) -> None:
        self.who = who
        self.device = who.device.public_key
        self.identity = who.identity.public_key
        # Of no two names one begins with the other.
        self.entropy = CountedEntropy(who.name.encode() + b":")
        self.connection = apsw.Connection(":memory:")
        self.connection.deserialize("main", _blank())
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.row = self.run(lambda connection: rooms.add_room(connection, FRESH))
        self.logs: dict[bytes, list[bytes]] = {}
        self._kept: dict[bytes, int] = {}
        self._bases: dict[bytes, int] = {}
        self.skew_ms = 0
        self.left = False
        """The device heard itself go and writes no more, unless it comes back."""
        self.view: RoomView
        self.start()

    def close(self) -> None:
        """Give the database back."""
        self.connection.close()

    def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """One transaction."""
        self.connection.execute("BEGIN")
        try:
            result = work(self.connection)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return result

    def start(self) -> None:
        """A view as after a start."""
        self.view = RoomView(self.row, self.who.device, entropy=self.entropy)
        self.run(self.view.load)

    @property
    def is_in(self) -> bool:
        """True while this device believes to belong to the room."""
        return self.view.law.is_inside(self.device)

    def keep(self, writer: bytes, blocks: list[bytes]) -> None:
        """Have blocks durable in the log's core."""
        log = self.logs.setdefault(writer, [])
        start = len(log)
        log += blocks

        def work(connection: apsw.Connection) -> None:
            base = self._bases.get(writer)
            if base is None:
                begin_log(connection, self.row.row, writer)
                name = discovery_key(log_key(writer, ROOM_KEY))
                connection.execute(
                    "INSERT INTO core (discovery_key, key) VALUES (?, x'')", (name,)
                )
                base = self._bases[writer] = connection.last_insert_rowid() << 40
            connection.executemany(
                "INSERT INTO core_block (id, data) VALUES (?, ?)",
                [(base | at, block) for at, block in enumerate(blocks, start)],
            )

        self.run(work)

    def derive(self, writer: bytes, now_ms: int, *, crash: bool = False) -> Applied:
        """Derive what a log has that was not derived, and what waited for that."""
        start = self.view.length(writer)
        fresh = self.logs[writer][start:]

        def work(connection: apsw.Connection) -> Applied:
            applied = self.view.derive(connection, writer, start, fresh, now_ms=now_ms)
            if crash:
                raise CrashError
            return applied

        try:
            applied = self.run(work)
        except CrashError:
            self.start()
            return Applied(writer, held=Held.CAUSES)
        for woken in applied.woken:
            if woken in self.logs:
                self.derive(woken, now_ms)
        return applied

    def derive_all(self, now_ms: int) -> None:
        """Try every log that is not derived to its end."""
        for writer in sorted(self.logs):
            if self.view.length(writer) < len(self.logs[writer]):
                self.derive(writer, now_ms)

    def reread(self) -> None:
        """Put words back that a deletion wiped that turned out void."""
        row = self.row.row
        for block in contents.to_reread(self.connection, row, limit=1000):
            sealed = self.logs[block.writer][block.sequence]
            plain = self.view.keys.ring.open(
                sealed, writer=block.writer, sequence=block.sequence
            )
            entry = decode_entry(block.writer, block.sequence, plain)
            operation = decode_operation(entry.payload)
            fresh = contents.NewContent(
                entry.sequence,
                entry.clock,
                bytes(32),
                operation.sent_at,
                number_of(operation.body),
                operation.body,  # type: ignore[arg-type]
            )
            contents.restore(self.connection, row, block.writer, [fresh])

    def take_keys(self, keys: list[bytes], now_ms: int) -> bool:
        """Somebody answered what was asked."""
        before = len(self.view.keys.ring)
        applied = self.run(
            lambda connection: self.view.take_keys(connection, keys, now_ms=now_ms)
        )
        for woken in applied.woken:
            self.derive(woken, now_ms)
        return len(self.view.keys.ring) > before


@dataclass
class World:
    """All devices, the time, and what was written.

    Attributes:
        peers: By device key; those that were told of the room.
        said: Ids of what people said: writer and sequence.
        groups: Which peers meet; who is in none meets nobody.
        quarrels: How likely each thing that happens is one where people end each other
            at the same time.
        picky: Nobody asks for more of a log than the rules say is wanted, as rooms do
            that replicate.
    """

    seed: int
    chance: random.Random = field(init=False)
    peers: dict[bytes, Peer] = field(default_factory=dict)
    said: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    now_ms: int = START_MS
    groups: list[list[Peer]] = field(default_factory=list)
    crash_rate: float = 0.02
    quarrels: float = 0.0
    picky: bool = False
    watchers: list[Callable[[Peer], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def close(self) -> None:
        """Give the databases back."""
        for peer in self.peers.values():
            peer.close()

    def peer(self, who: Person) -> Peer:
        """A device, that knows the room from here on."""
        device = who.device.public_key
        if device not in self.peers:
            made = self.peers[device] = Peer(who)
            made.skew_ms = self.chance.choice((0, 0, -3_600_000, 90_000, 7_200_000))
        return self.peers[device]

    def clock(self, peer: Peer) -> int:
        """What a device takes for the time."""
        return self.now_ms + peer.skew_ms

    def write(
        self,
        peer: Peer,
        make: Callable[[RoomView], Body],
        *,
        now_ms: int | None = None,
    ) -> Applied | None:
        """Somebody writes; None where the program says no."""
        now_ms = self.clock(peer) if now_ms is None else now_ms
        # What is written stands behind what was, as in the core.
        if self.view_lags(peer):
            peer.derive(peer.device, now_ms)
        try:
            block = peer.view.draft(make(peer.view), now_ms=now_ms)
        except UserFacingError:
            return None
        peer.keep(peer.device, [block])
        crash = self.chance.random() < self.crash_rate
        applied = peer.derive(peer.device, now_ms, crash=crash)
        if crash:
            applied = peer.derive(peer.device, now_ms)
            # What waited for something is tried again after a start.
            peer.derive_all(now_ms)
        for sequence, id in applied.ids.items():
            self.said[id] = (peer.device, sequence)
        self.watch(peer)
        return applied

    def view_lags(self, peer: Peer) -> bool:
        """True when a device has not derived what it wrote."""
        own = peer.logs.get(peer.device, [])
        return peer.view.length(peer.device) < len(own)

    def watch(self, peer: Peer) -> None:
        """Let the observers look at somebody."""
        for watcher in self.watchers:
            watcher(peer)

    # Meeting.

    def meet(self, one: Peer, other: Peer, *, whole: bool = False) -> bool:
        """One hears some of what the other has; tells whether anything was new."""
        chance, now_ms = self.chance, self.clock(one)
        todo = [it for it in other.logs if self._lacks(one, it, other.logs[it])]
        todo.sort()
        heard = bool(todo)
        while todo:
            writer = chance.choice(todo)
            have, log = self._length(one, writer), other.logs[writer]
            done = have >= len(log) or (not whole and chance.random() < 0.12)
            wanted = self._wanted(one, writer, log)
            if done or have >= wanted:
                todo.remove(writer)
                continue
            # A piece may overlap with what came before.
            start = max(0, have - chance.randint(0, 2))
            end = min(have + chance.choice((1, 2, 5, 50)), wanted)
            self.deliver(one, writer, start, log[start:end], now_ms)
        heard = self._ask_keys(one, other) or heard
        self.watch(one)
        return heard

    def deliver(
        self, peer: Peer, writer: bytes, start: int, blocks: list[bytes], now_ms: int
    ) -> None:
        """Blocks of a log come, some perhaps again."""
        have = self._length(peer, writer)
        peer.keep(writer, blocks[have - start :])
        crash = self.chance.random() < self.crash_rate
        peer.derive(writer, now_ms, crash=crash)
        if crash:
            peer.derive_all(now_ms)

    def _lacks(self, peer: Peer, writer: bytes, log: list[bytes]) -> bool:
        return self._length(peer, writer) < self._wanted(peer, writer, log)

    def _wanted(self, peer: Peer, writer: bytes, log: list[bytes]) -> int:
        """How much of a log somebody would fetch who was offered all of it."""
        law = peer.view.law
        wanted = law.wanted_length(writer)
        if not self.picky or wanted is None:
            return len(log)
        lacked = peer.view.timeline.lacked(law.wanted_length)
        return min(len(log), max(wanted, lacked.get(writer, 0)))

    def _length(self, peer: Peer, writer: bytes) -> int:
        return len(peer.logs.get(writer, ()))

    def _ask_keys(self, one: Peer, other: Peer) -> bool:
        missing = one.view.keys.ring.missing
        if not missing or not other.view.law.is_inside(one.device):
            return False
        return one.take_keys(other.view.keys.of(missing), self.clock(one))

    def gather(self, peers: list[Peer]) -> None:
        """Let peers meet until nobody hears anything new."""
        for _ in range(30):
            news = False
            for one in peers:
                for other in peers:
                    if one is not other:
                        news = self.meet(one, other, whole=True) or news
            if not news:
                return
        raise AssertionError("the peers never come to rest")

    def heal(self) -> None:
        """Everybody gets everything; whoever is in says so, and all hear of that."""
        self.crash_rate = 0.0
        peers = list(self.peers.values())
        last = max((peer.view.facts(0).confirmed_clock for peer in peers), default=0)
        clocks = [peer.view._timeline.linearizer.clock for peer in peers]
        self.now_ms = max(self.now_ms, last, *clocks) + DAY_MS
        for turn in range(3):
            for peer in peers:
                peer.skew_ms = 0
                peer.derive_all(self.now_ms)
            self.gather(peers)
            for peer in peers:
                peer.derive_all(self.now_ms)
                peer.reread()
            self.gather(peers)
            if turn == 2:
                break
            self.now_ms += 60_000
            for peer in peers:
                if peer.is_in:
                    self.write(peer, lambda _: Acknowledge())

    def restart(self, peer: Peer) -> None:
        """Stop and start one device: it knows what it knew."""
        before = told(peer)
        peer.start()
        peer.derive_all(self.clock(peer))
        assert told(peer) == before, f"{peer.who.name} forgot something"


def told(peer: Peer) -> tuple[object, ...]:
    """Everything a device says of the room that must be the same for all who are in."""
    law = peer.view.law
    members = {
        key: (
            it.name,
            it.role,
            it.devices,
            it.known,
            it.joined,
            it.present,
            it.banned,
            it.barred,
            law.muted_until_ms(key),
            it.picture_hash,
        )
        for key, it in law.members.items()
    }
    invites = {
        key: (it.creator, it.use_count, it.closed, it.touched_ms)
        for key, it in law.invites.items()
    }
    room, epoch = law.room, law.epoch
    return (
        shown(peer),
        members,
        invites,
        (room.kind, room.name, room.description, room.retention_ms, room.admits_from),
        (room.present_count, room.writer_count),
        epoch.id if epoch is not None else b"",
        law.stale_epoch,
    )


def shown(peer: Peer) -> list[tuple[object, ...]]:
    """What people see, from the first message to the last."""
    peer.reread()
    connection, row = peer.connection, peer.row.row
    page = contents.page(connection, row, limit=1000)
    assert len(page) < 1000, "more than one page: choose shorter histories"
    reactions = contents.reactions(connection, page)
    tallies = contents.tallies(connection, page)
    return [
        (
            it.place,
            it.id,
            it.identity,
            it.text,
            it.edited_at,
            it.deleted,
            it.pinned,
            it.mentions,
            it.poll,
            tuple((r.emoji, r.identities) for r in reactions.get(it.id, ())),
            tallies.get(it.id),
        )
        for it in page
    ]
