"""Several peers of one room over links that may break at any moment.

Each peer has a room view on a database of its own, as in the core, and a replication
session for each link; what its session wants done happens when the test says so, in
order, so that any interleaving can be tried. In place of hypercores stand lists of
blocks, and of their channels a model of what these promise: open once both ends have
attached, refused to whom the session does not answer, blocks in order from an end that
uploads, what is written pushed to who has everything before it, and a fork found when
two lists of blocks contradict each other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.rooms.blocks import LogHead, log_key
from app.rooms.effects import (
    Acknowledged,
    Attach,
    CheckSigned,
    Detach,
    Ended,
    FindRemoval,
    Proven,
    Released,
    Send,
    ShowHead,
    StopVisit,
    Terms,
    Visit,
)
from app.rooms.facts import RoomFacts
from app.rooms.messages import SignedHead
from app.rooms.operations import Admit, Body, Message
from app.rooms.replication import Session
from app.rooms.sources import Sources
from app.rooms.view import Applied, RoomView
from net.crypto import blake2b_256, discovery_key
from store import contents, rooms
from store.database import Connection, Database
from tests.unit.app.rooms.people import (
    ADA,
    BO,
    CY,
    DI,
    ROOM,
    ROOM_KEY,
    Person,
    admit,
    found,
    invite,
)

FRESH = rooms.NewRoom(
    room=ROOM,
    key=ROOM_KEY,
    founder=ADA.device.public_key,
    name="",
    kind="group",
    joined_at=0,
)
CARRIED = 64
"""Blocks that a channel brings in one step."""


class CountedEntropy:
    """Bytes that are different each time and the same in each run."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return (self._seed + b"%d" % self._count).ljust(size, b"e")[:size]


def begin_log(connection: Connection, row: int, writer: bytes) -> None:
    """Have a row for somebody's log."""
    rooms.begin_log(
        connection,
        row,
        writer=writer,
        discovery_key=discovery_key(log_key(writer, ROOM_KEY)),
    )


def keep_blocks(connection: Connection, writer: bytes, blocks: list[bytes]) -> None:
    """Have blocks where a core keeps them: a view that starts reads them there."""
    name = discovery_key(log_key(writer, ROOM_KEY))
    connection.execute(
        "INSERT INTO core (discovery_key, key) VALUES (?, x'') ON CONFLICT DO NOTHING",
        (name,),
    )
    core = connection.execute("SELECT id FROM core WHERE discovery_key = ?", (name,))
    base = int(core.get) << 40
    connection.executemany(
        "INSERT OR IGNORE INTO core_block (id, data) VALUES (?, ?)",
        [(base | number, block) for number, block in enumerate(blocks)],
    )


def tree_of(blocks: list[bytes]) -> bytes:
    """Stands for the hash of the tree over blocks."""
    return blake2b_256(*blocks) if blocks else bytes(32)


class CrowdMember:
    """One device of the room."""

    def __init__(self, who: Person, folder: Path) -> None:
        self.who = who
        self.device = who.device.public_key
        self.database = Database.open(folder / f"{who.name}.db", key=bytes(32))
        self.row = self.database.write(
            lambda connection: rooms.add_room(connection, FRESH)
        ).result(60)
        self.entropy = CountedEntropy(who.name.encode())
        self.view = self.fresh_view()
        self.database.write(self.view.load).result(60)
        self.facts: RoomFacts = self.view.facts(0)
        self.logs: dict[bytes, list[bytes]] = {}
        self.heads: dict[bytes, LogHead] = {}
        self.sources = Sources()
        self.ends: list[LinkEnd] = []
        self.held: dict[bytes, int] = {}

    def fresh_view(self) -> RoomView:
        """A view as after a start, to be loaded."""
        return RoomView(self.row, self.who.device, entropy=self.entropy)

    def write(self, body: Body, now: float) -> Applied:
        """Write into the own log and tell every session."""
        block = self.view.draft(body, now_ms=int(now * 1000))
        return self.take(self.device, [block], now)

    def admit(self, body: Admit, now: float) -> str:
        """A newcomer asks; the verdict."""
        verdict = self.view.admission_verdict(body, now_ms=int(now * 1000))
        if verdict != "open":
            return verdict
        self.write(body, now)
        again = self.view.admission_verdict(body, now_ms=int(now * 1000))
        return "open" if again == "yours" else "closed"

    def take(self, writer: bytes, blocks: list[bytes], now: float) -> Applied:
        """What the core does once blocks are durable."""
        log = self.logs.setdefault(writer, [])
        for end in self.ends:
            end.push(writer, len(log), blocks)
        log += blocks
        self.heads[writer] = LogHead(len(log), tree_of(log))
        self._tell(writer, now)
        return self.derive(writer, now)

    def derive(self, writer: bytes, now: float) -> Applied:
        """Derive what a log has that was not derived."""

        def work(connection: Connection) -> Applied:
            begin_log(connection, self.row.row, writer)
            keep_blocks(connection, writer, self.logs[writer])
            start = self.view.length(writer)
            return self.view.derive(
                connection,
                writer,
                start,
                self.logs[writer][start:],
                now_ms=int(now * 1000),
            )

        applied = self.database.write(work).result(60)
        for woken in applied.woken:
            self.derive(woken, now)
        if applied.facts is not None:
            self.facts = applied.facts
            for end in list(self.ends):
                end.session.facts_changed(applied.facts, now)
        return applied

    def freeze(self, writer: bytes, now: float) -> None:
        """There is evidence that a device signed two histories."""
        head = self.heads[writer]
        self.heads[writer] = LogHead(head.length, head.hash, forked=True)
        self._tell(writer, now)

    def _tell(self, writer: bytes, now: float) -> None:
        for end in list(self.ends):
            end.session.head_changed(writer, now)

    def texts(self) -> list[str]:
        """What people see."""
        found = self.database.read(
            lambda connection: contents.page(connection, self.row.row, limit=1000)
        ).result(60)
        return [message.text for message in found]


@dataclass(eq=False)
class LinkEnd:
    """One member's end of a link."""

    member: CrowdMember
    session: Session
    inbox: deque[tuple[int | str, Any]] = field(default_factory=deque)
    other: LinkEnd | None = None
    opened: bool = False
    ended: Ended | None = None
    proven: Proven | None = None
    attached: dict[bytes, bool] = field(default_factory=dict)
    """Logs that are open here, and whether they may be served."""
    open_there: dict[bytes, int] = field(default_factory=dict)
    """Logs of which the other side's open was answered."""
    offered: dict[bytes, int] = field(default_factory=dict)
    """Logs whose own open is neither rejected nor closed."""
    opens: int = 0
    """How often a log was opened here; opens and closes are numbered, as in a mux."""
    visit: Visit | None = None
    """What is being fetched apart from the logs here."""
    visits: list[Visit] = field(default_factory=list)
    """All of these so far."""

    @property
    def busy(self) -> bool:
        """True while a step would do something."""
        waiting = bool(self.session._effects) or bool(self.inbox) or not self.opened
        return waiting or self.next_log() is not None or self.can_visit

    def push(self, writer: bytes, start: int, blocks: list[bytes]) -> None:
        """Send what became durable here, where the channel is open."""
        assert self.other is not None
        uploading = self.attached.get(writer) and writer in self.open_there
        if uploading and writer == self.member.device:
            self.other.inbox.append(("push", (writer, start, blocks)))

    @property
    def can_visit(self) -> bool:
        """True when the other end lets itself be asked for what is visited."""
        visit, other = self.visit, self.other
        return (
            visit is not None
            and other is not None
            and other.member is not self.member
            and bool(other.attached.get(visit.writer))
            and len(other.member.logs.get(visit.writer, ())) >= visit.end
        )

    def next_log(self) -> bytes | None:
        """A log of which the other end would bring something now."""
        other = self.other
        assert other is not None
        for writer in self.attached:
            if writer not in self.open_there or writer not in other.open_there:
                continue
            mine = self.member.logs.get(writer, [])
            theirs = other.member.logs.get(writer, [])
            head = self.member.heads.get(writer)
            if other.attached.get(writer) and len(theirs) > len(mine):
                fact = self.member.facts.devices.get(writer)
                wanted = fact.wanted_length if fact is not None else None
                if wanted is not None and len(mine) >= wanted:
                    continue
                if head is None or not head.forked:
                    return writer
        return None


class Crowd:
    """Members and links, moved one step at a time."""

    def __init__(self, people: list[Person], folder: Path) -> None:
        self.folder = folder
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
                    sources=member.sources,
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
            side.inbox.clear()
            side.session.channel_closed()
            while (effect := side.session.next_effect()) is not None:
                self._do(side, effect)
            side.inbox.clear()
            self._forget(side)

    def step(self, end: LinkEnd) -> None:
        """Do one thing at one end: an effect, else read a message, else fetch."""
        if not end.opened:
            assert end.other is not None
            end.opened = True
            end.session.remote_opened(end.other.session.handshake)
            return
        effect = end.session.next_effect()
        if effect is not None:
            self._do(end, effect)
        elif end.inbox:
            self._read(end, *end.inbox.popleft())
        elif (writer := end.next_log()) is not None:
            self._fetch(end, writer)
        elif end.can_visit:
            self._visit(end)

    def settle(self, limit: int = 100_000) -> None:
        """Step everybody until nothing is left to do."""
        for _ in range(limit):
            busy = [end for end in self.ends if end.busy]
            if not busy:
                return
            for end in busy:
                self.step(end)
        raise AssertionError("the peers never come to rest")

    def pass_time(self, seconds: float) -> None:
        """Let time go by, with every timer in its turn."""
        until = self.now + seconds
        while True:
            due = [
                (timer, number)
                for number, end in enumerate(self.ends)
                if (timer := end.session.get_timer()) is not None and timer <= until
            ]
            if not due:
                break
            self.now, number = min(due)
            self.ends[number].session.handle_timer(self.now)
            self.settle()
        self.now = until

    def _do(self, end: LinkEnd, effect: object) -> None:
        other, member = end.other, end.member
        assert other is not None
        if isinstance(effect, Send):
            other.inbox.append((effect.kind, effect.data))
        elif isinstance(effect, Attach):
            assert effect.writer not in end.attached
            end.attached[effect.writer] = effect.upload
            self._offer(end, effect.writer)
        elif isinstance(effect, Detach):
            del end.attached[effect.writer]
            end.open_there.pop(effect.writer, None)
            if (number := end.offered.pop(effect.writer, None)) is not None:
                other.inbox.append(("close", (effect.writer, number)))
        elif isinstance(effect, Visit):
            assert end.visit is None
            end.visit = effect
            end.visits.append(effect)
            other.inbox.append(("open", (effect.writer, 0)))
        elif isinstance(effect, StopVisit):
            if end.visit is not None:
                other.inbox.append(("close", (end.visit.writer, 0)))
                end.visit = None
        elif isinstance(effect, ShowHead):
            head = member.heads[effect.writer]
            tree = tree_of(member.logs[effect.writer])
            end.session.show(SignedHead(effect.writer, 0, head.length, tree, b"s"))
        elif isinstance(effect, CheckSigned):
            shown = effect.head
            mine = member.logs[shown.writer][: shown.length]
            if len(mine) == shown.length and tree_of(mine) != shown.hash:
                member.freeze(shown.writer, self.now)
        elif isinstance(effect, FindRemoval):
            end.session.part(b"shown")
        elif isinstance(effect, Acknowledged):
            held = member.held
            held[effect.device] = max(held.get(effect.device, 0), effect.length)
        elif isinstance(effect, Proven):
            end.proven = effect
        elif isinstance(effect, Released):
            for beside in list(member.ends):
                if beside is not end:
                    beside.session.sources_freed(self.now, effect.writer)
        elif isinstance(effect, Ended):
            assert not end.attached, "an ended session has no log open"
            end.ended = effect
            self._forget(end)

    def _read(self, end: LinkEnd, kind: int | str, data: Any) -> None:
        """A message arrives, of the room's channel or about one of a log."""
        assert end.other is not None
        if isinstance(kind, int):
            end.session.receive(kind, data, self.now)
        elif kind == "push":
            writer, start, blocks = data
            here = len(end.member.logs.get(writer, ()))
            if writer in end.attached and start == here:
                end.member.take(writer, blocks, self.now)
        else:
            self._read_of_channel(end, kind, *data)

    def _read_of_channel(
        self, end: LinkEnd, kind: str, writer: bytes, number: int
    ) -> None:
        """The other end opens or closes a log, or refuses to."""
        assert end.other is not None
        if kind == "open":
            if writer in end.attached or end.session.log_asked(writer, self.now):
                end.open_there[writer] = number
                if writer in end.attached and writer not in end.offered:
                    self._offer(end, writer)
            else:
                end.other.inbox.append(("reject", (writer, number)))
            return
        numbers = end.offered if kind == "reject" else end.open_there
        if numbers.get(writer) == number:
            end.offered.pop(writer, None)
            end.open_there.pop(writer, None)
            end.session.log_closed(writer, self.now)

    def _offer(self, end: LinkEnd, writer: bytes) -> None:
        assert end.other is not None
        end.opens += 1
        end.offered[writer] = end.opens
        end.other.inbox.append(("open", (writer, end.opens)))

    def _fetch(self, end: LinkEnd, writer: bytes) -> None:
        """The other end brings blocks, or what contradicts those here."""
        assert end.other is not None
        mine = end.member.logs.get(writer, [])
        theirs = end.other.member.logs[writer]
        if theirs[: len(mine)] != mine:
            end.member.freeze(writer, self.now)
            end.other.member.freeze(writer, self.now)
            return
        stop = len(mine) + CARRIED
        fact = end.member.facts.devices.get(writer)
        if fact is not None and fact.wanted_length is not None:
            stop = min(stop, fact.wanted_length)
        end.member.take(writer, theirs[len(mine) : stop], self.now)

    def _visit(self, end: LinkEnd) -> None:
        """The other end brings what was asked for; what continues a log is kept."""
        visit = end.visit
        assert visit is not None
        assert end.other is not None
        end.visit = None
        end.other.inbox.append(("close", (visit.writer, 0)))
        mine = end.member.logs.get(visit.writer, [])
        theirs = end.other.member.logs[visit.writer][: visit.end]
        forked = theirs[: len(mine)] != mine[: len(theirs)]
        if not forked and visit.start <= len(mine) < len(theirs):
            end.member.take(visit.writer, theirs[len(mine) :], self.now)
        end.session.visit_over(visit, self.now)

    def _forget(self, end: LinkEnd) -> None:
        if end in self.ends:
            self.ends.remove(end)
        if end in end.member.ends:
            end.member.ends.remove(end)


def say(member: CrowdMember, text: str, now: float) -> None:
    """Write a message."""
    member.write(Message(text), now)


def begin(crowd: Crowd, count: int) -> None:
    """Ada founds the room and lets the others in."""
    ada = crowd.members[0]
    ada.write(found(), crowd.now)
    ada.write(invite(1, uses=0), crowd.now)
    for who in (BO, CY, DI)[: count - 1]:
        ada.write(admit(1, who), crowd.now)


def told(end: LinkEnd, crowd: Crowd, kind: int, data: bytes) -> None:
    """A message arrives at one end, which does what follows."""
    end.inbox.append((kind, data))
    while end.busy:
        crowd.step(end)
