"""A room without an engine: real keys, sealed blocks, signed trees and causality."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import NamedTuple

from app.audit import Audit, Setting, export_lines, verify_export
from app.audit.exporting import Gathered, Shown, SourceLog, Take
from app.audit.proofs import manifest_of, path_length
from app.identity import Proof, bootstrap
from app.rooms.key_ring import KeyRing
from app.rooms.keys import log_namespace, room_id
from app.rooms.law import admission_signable
from app.rooms.operations import Body, Operation, encode_operation
from app.rooms.operations.acts import (
    Admit,
    Found,
    Invite,
    Mute,
    Remove,
    RemoveDevice,
    Rest,
    SetRole,
)
from app.rooms.roles import Kind, Role
from app.rooms.seals import epoch_id
from net.constants import MAX_SAFE_UINT
from net.crypto import KeyPair, blake2b_256, sign
from store.autobase import Entry, Linearizer, Link, Place, encode_entry
from store.hypercore import flat_tree
from store.hypercore.manifest import manifest_key
from store.hypercore.merkle_tree import TreeBatch
from store.hypercore.records import Head, Node
from store.hypercore.signatures import sign_alone, state_of

ROOM_KEY = b"k" * 32
SECOND_KEY = b"l" * 32
START_MS = 1_700_000_000_000


class PaperAct(NamedTuple):
    """An act as a room keeps it."""

    place: Place
    seen: Mapping[bytes, int]
    clocks: Mapping[bytes, int]
    data: bytes


class PaperRow(NamedTuple):
    """How far a log is."""

    writer: bytes
    derived: int
    proof: bytes


@dataclass(frozen=True)
class Seat:
    """One device of one person."""

    name: str
    identity: KeyPair
    device: KeyPair
    proof: Proof = field(repr=False)

    @property
    def key(self) -> bytes:
        return self.device.public_key

    @property
    def who(self) -> bytes:
        return self.identity.public_key


@cache
def seat(name: str, number: int = 0) -> Seat:
    """The same device for the same name and number."""
    identity = KeyPair.from_seed(name.encode().ljust(32, b"i"))
    device = KeyPair.from_seed(f"{name}{number}".encode().ljust(32, b"d"))
    return Seat(
        name, identity, device, bootstrap(identity, device.public_key, epoch_s=1)
    )


ADA, BO, CY, DI = (seat(name) for name in ("Ada", "Bo", "Cy", "Di"))


def invite_pair(number: int) -> KeyPair:
    """The key pair of an invite."""
    return KeyPair.from_seed(bytes([number]) * 32)


class PaperLog:
    """One device's log; fits ``SourceLog``."""

    def __init__(self, seat: Seat, namespace: bytes) -> None:
        self.blocks: list[bytes] = []
        self.clocks: list[int] = []
        self.open_count = 0
        self._seat = seat
        self._manifest = manifest_of(seat.key, namespace)
        self._tree = TreeBatch()

    def append(self, block: bytes, clock: int) -> None:
        self.blocks.append(block)
        self.clocks.append(clock)
        self._tree.append(block)

    @property
    def head(self) -> Head:
        tree = self._tree
        head = Head(0, tree.length, tree.byte_length, tree.roots)
        key = manifest_key(self._manifest)
        signed = sign_alone(self._manifest, key, self._seat.device, state_of(head))
        return Head(0, tree.length, tree.byte_length, tree.roots, signed)

    async def show(self, sequence: int, length: int) -> Shown:
        nodes: dict[int, Node] = {node.index: node for node in self._tree.nodes}
        at, path = 2 * sequence, []
        for _ in range(path_length(sequence, length)):
            beside = nodes[flat_tree.sibling(at)]
            path.append((beside.size, beside.hash))
            at = flat_tree.parent(at)
        return Shown(self.blocks[sequence], tuple(path))

    async def close(self) -> None:
        self.open_count -= 1


class PaperRoom:
    """Who writes what having seen what; fits ``Source``."""

    def __init__(self, kind: Kind = Kind.GROUP, *, room_key: bytes = ROOM_KEY) -> None:
        self.room = room_id(room_key, ADA.key)
        self.namespace = log_namespace(room_key)
        self.ring = KeyRing(self.room, (room_key, SECOND_KEY))
        self.epoch = epoch_id(room_key)
        self.logs: dict[bytes, PaperLog] = {}
        self.linearizer = Linearizer()
        self.stored: list[PaperAct] = []
        self._seen: dict[bytes, dict[bytes, int]] = {}
        self._linked: dict[bytes, dict[bytes, int]] = {}
        self._salts = 0
        self.write(ADA, Found(kind, "Birds", ADA.name, ADA.proof))

    # Writing.

    def show(self, to: Seat, *whom: Seat) -> None:
        """Let a device link to all that others wrote."""
        mine = self._seen.setdefault(to.key, {})
        for other in whom:
            mine[other.key] = len(self.logs[other.key].blocks)

    def meet(self, *seats: Seat) -> None:
        """Let devices link to everything of each other."""
        for one in seats:
            self.show(one, *(it for it in seats if it != one and it.key in self.logs))

    def write(
        self,
        who: Seat,
        body: Body | bytes,
        *,
        clock: int | None = None,
        backdated: bool = False,
    ) -> None:
        """Append an entry that has seen what its author was shown.

        Args:
            who: Whose log.
            body: An act, or the bytes of anything else.
            clock: The lowest one that it may have.
            backdated: It has this one, whatever its author had seen.
        """
        log = self.logs.get(who.key)
        if log is None:
            log = self.logs[who.key] = PaperLog(who, self.namespace)
        seen, sequence = self._seen.get(who.key, {}), len(log.blocks)
        links = self._fresh_links(who)
        self._linked[who.key] = dict(seen)
        behind = [self.logs[it].clocks[n - 1] for it, n in seen.items()]
        after = max([*log.clocks[-1:], *behind], default=START_MS) + 1
        if clock is None or not backdated:
            clock = max(after, clock or 0)
        payload = body
        if not isinstance(body, bytes):
            payload = encode_operation(Operation(clock, body))
        assert isinstance(payload, bytes)
        block = self.ring.seal(
            encode_entry(clock, links, payload),
            epoch=self.epoch,
            writer=who.key,
            sequence=sequence,
            entropy=self._entropy,
        )
        log.append(block, clock)
        entry = Entry(who.key, sequence, clock, links, payload)
        if not backdated:
            self.linearizer.receive(entry, horizon=MAX_SAFE_UINT)
        if not isinstance(body, bytes):
            self._store(entry)

    def knows(self, who: Seat, other: Seat) -> int:
        """How much of a log the next entry of somebody will have seen."""
        if who == other:
            log = self.logs.get(who.key)
            return 1 + (len(log.blocks) if log is not None else 0)
        links = self._fresh_links(who)
        return self.linearizer.would_see(who.key, links, other.key)

    def cuts(self, who: Seat, *whom: Seat) -> tuple[tuple[bytes, int], ...]:
        """What somebody had seen of devices."""
        return tuple((it.key, self.knows(who, it)) for it in whom)

    def _fresh_links(self, who: Seat) -> tuple[Link, ...]:
        """To what the author has seen and not linked to yet."""
        linked = self._linked.get(who.key, {})
        items = self._seen.get(who.key, {}).items()
        fresh = [Link(*item) for item in items if item[1] > linked.get(item[0], 0)]
        return tuple(sorted(fresh))

    def let_in(
        self, who: Seat, number: int, whom: Seat, *, role: Role = Role.MEMBER
    ) -> None:
        """Invite and admit; the newcomer sees it."""
        self.write(who, Invite(invite_pair(number).public_key, role, 0, 1))
        self.admit(who, number, whom)
        self.show(whom, who)

    def admit(self, who: Seat, number: int, whom: Seat) -> None:
        """Let somebody in by the invite of that number."""
        pair = invite_pair(number)
        signable = admission_signable(self.room, pair.public_key, whom.who, whom.key)
        signature = sign(signable, pair.secret_key)
        self.write(who, Admit(pair.public_key, whom.name, whom.proof, signature))

    def remove(self, who: Seat, whom: Seat, *, ban: bool = False) -> None:
        self.write(who, Remove(whom.who, self.cuts(who, whom), ban=ban))

    def set_role(self, who: Seat, whom: Seat, role: Role) -> None:
        self.write(who, SetRole(whom.who, role, self.cuts(who, whom)))

    def mute(self, who: Seat, whom: Seat, until_ms: int) -> None:
        self.write(who, Mute(whom.who, until_ms, self.cuts(who, whom)))

    # As a source.

    async def gather(self, take: Take) -> Gathered:
        logs = [PaperRow(it, len(log.blocks), b"") for it, log in self.logs.items()]
        return take(logs, sorted(self.stored, key=lambda it: it.place))

    async def open(self, writer: bytes) -> SourceLog:
        log = self.logs[writer]
        log.open_count += 1
        return log

    def block_key(self, block: bytes, writer: bytes, sequence: int) -> bytes:
        return self.ring.block_key(block, writer=writer, sequence=sequence)

    def setting(self, who: Seat = ADA) -> Setting:
        """That somebody exports it."""
        return Setting(
            room=self.room,
            founder=ADA.key,
            namespace=self.namespace,
            device=who.device,
            identity=who.who,
            proof=who.proof.encode(),
            name=who.name,
            exported_at=START_MS + 1_000_000,
        )

    def _entropy(self, count: int) -> bytes:
        self._salts += 1
        return blake2b_256(self._salts.to_bytes(8, "little"))[:count]

    def _store(self, entry: Entry) -> None:
        seen = {
            other: self.linearizer.causality.seen(entry.writer, entry.sequence, other)
            for other in self.logs
            if other != entry.writer
        }
        seen = {other: length for other, length in seen.items() if length}
        clocks = {other: self.logs[other].clocks[n - 1] for other, n in seen.items()}
        place = Place(entry.clock, entry.writer, entry.sequence)
        self.stored.append(PaperAct(place, seen, clocks, entry.payload))


def exported(room: PaperRoom, who: Seat = ADA) -> list[bytes]:
    """The lines of an export."""

    async def collect() -> list[bytes]:
        return [line async for line in export_lines(room, room.setting(who))]

    return asyncio.run(collect())


def verified(lines: Iterable[bytes]) -> Audit:
    """What a verifier makes of these lines."""
    return verify_export(BytesIO(b"".join(lines)))


def busy_room() -> PaperRoom:
    """A room in which much happened, also at once."""
    room = PaperRoom()
    room.let_in(ADA, 1, BO, role=Role.MODERATOR)
    room.let_in(ADA, 2, CY)
    room.meet(ADA, BO, CY)
    room.write(BO, b"a message that is nobody's business")
    room.write(CY, b"another one")
    room.meet(ADA, BO, CY)
    room.mute(BO, CY, START_MS + 5_000)
    room.set_role(ADA, CY, Role.MODERATOR)
    room.write(CY, b"")
    # At the same time: the senior one counts.
    room.show(CY, ADA)
    room.remove(BO, CY)
    room.remove(CY, BO)
    room.meet(ADA, BO, CY)
    room.remove(ADA, CY, ban=True)
    room.epoch = epoch_id(SECOND_KEY)
    room.let_in(ADA, 3, DI)
    room.write(DI, b"hello")
    room.write(DI, RemoveDevice(CY.key, room.knows(DI, CY)))
    room.meet(ADA, DI)
    room.write(ADA, Rest(DI.key, room.knows(ADA, DI)))
    return room
