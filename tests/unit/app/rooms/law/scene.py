"""Devices that write entries, some of them acts, having seen what they were shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from app.identity import Proof, bootstrap
from app.rooms.law import Act, Changes, Law
from app.rooms.operations import acts as bodies
from app.rooms.operations.acts import (
    AddDevice,
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
from net.crypto import KeyPair
from store.autobase import Place
from tests.unit.app.rooms.law.convergent import outcome


@dataclass(frozen=True)
class Seat:
    """One device of one person."""

    name: str
    identity: bytes
    device: bytes
    proof: Proof = field(repr=False)


@cache
def seat(name: str, number: int = 0) -> Seat:
    """The same device for the same name and number."""
    identity = KeyPair.from_seed(name.encode().ljust(32, b"i"))
    device = KeyPair.from_seed(f"{name}{number}".encode().ljust(32, b"d"))
    proof = bootstrap(identity, device.public_key, epoch_s=1)
    return Seat(name, identity.public_key, device.public_key, proof)


ADA, BO, CY, DI = (seat(name) for name in ("Ada", "Bo", "Cy", "Di"))


def invite_key(number: int) -> bytes:
    """The key of an invite."""
    return bytes([number]) * 32


@dataclass(frozen=True)
class Written:
    """An entry."""

    place: Place
    seen: dict[bytes, int]
    act: Act | None


class Scene:
    """A room, its logs, and a law that hears of every act as it is written."""

    def __init__(self, kind: Kind = Kind.GROUP, *, founder: Seat = ADA) -> None:
        self.logs: dict[bytes, list[Written]] = {}
        self.seen: dict[bytes, dict[bytes, int]] = {}
        self.founder = founder
        self.law = self.fresh_law()
        self.changes = Changes()
        self.write(founder, Found(kind, "Birds", founder.name, founder.proof), clock=10)

    def fresh_law(self) -> Law:
        """A law of this room that knows nothing yet."""
        return Law(self.founder.device, first_that_saw=self.first_that_saw)

    @property
    def acts(self) -> list[Act]:
        """All acts, in order."""
        written = (it.act for log in self.logs.values() for it in log)
        return sorted((it for it in written if it is not None), key=lambda it: it.place)

    def first_that_saw(self, device: bytes, host: tuple[bytes, int]) -> int | None:
        writer, sequence = host
        clock = self.logs[writer][sequence].place.clock
        return next(
            (
                it.place.sequence
                for it in self.logs.get(device, ())
                if it.seen.get(writer, 0) > sequence and it.place.clock > clock
            ),
            None,
        )

    def show(self, to: Seat, *whom: Seat) -> None:
        """Let a device see all that others wrote, and what they had seen."""
        mine = self.seen.setdefault(to.device, {})
        for other in whom:
            theirs = dict(self.seen.get(other.device, {}))
            theirs[other.device] = len(self.logs.get(other.device, ()))
            for device, length in theirs.items():
                if device != to.device and length > mine.get(device, 0):
                    mine[device] = length

    def meet(self, *seats: Seat) -> None:
        """Let devices see everything of each other."""
        for _ in range(2):
            for one in seats:
                self.show(one, *seats)

    def clock_after(self, who: Seat) -> int:
        """The lowest clock that an honest entry may have."""
        seen = self.seen.get(who.device, {})
        clocks = [self.logs[it][n - 1].place.clock for it, n in seen.items() if n]
        clocks += [it.place.clock for it in self.logs.get(who.device, ())[-1:]]
        return max(clocks, default=0) + 1

    def entry(self, who: Seat, *, clock: int | None = None) -> Place:
        """Write something that is no act."""
        return self._append(who, None, clock, None).place

    def write(
        self,
        who: Seat,
        body: bodies.Act,
        *,
        clock: int | None = None,
        sent_at: int | None = None,
    ) -> Act:
        """Write an act, and let the law hear of it."""
        act = self._append(who, body, clock, sent_at).act
        assert act is not None
        self.changes = self.law.add([act])
        return act

    def _append(
        self, who: Seat, body: bodies.Act | None, clock: int | None, sent_at: int | None
    ) -> Written:
        log = self.logs.setdefault(who.device, [])
        after = self.clock_after(who)
        clock = after if clock is None else clock
        assert clock >= after, "an entry stands behind what it had seen"
        place = Place(clock, who.device, len(log))
        seen = {**self.seen.get(who.device, {}), who.device: len(log) + 1}
        clocks = {
            it: self.logs[it][n - 1].place.clock
            for it, n in seen.items()
            if n and it != who.device
        }
        act = None
        if body is not None:
            act = Act(place, clock if sent_at is None else sent_at, body, seen, clocks)
        log.append(Written(place, seen, act))
        return log[-1]

    def length(self, who: Seat, other: Seat) -> int:
        """How much of a log the next entry of somebody will have seen."""
        if who == other:
            return len(self.logs.get(who.device, ())) + 1
        return self.seen.get(who.device, {}).get(other.device, 0)

    def cuts(self, who: Seat, *whom: Seat) -> tuple[tuple[bytes, int], ...]:
        """What somebody had seen of devices."""
        return tuple((it.device, self.length(who, it)) for it in whom)

    # Acts in short.

    def invite(
        self,
        who: Seat,
        number: int,
        *,
        role: Role = Role.MEMBER,
        uses: int = 1,
        **more: bool,
    ) -> Act:
        return self.write(who, Invite(invite_key(number), role, 0, uses, **more))

    def admit(
        self, who: Seat, number: int, whom: Seat, *, clock: int | None = None
    ) -> Act:
        body = Admit(invite_key(number), whom.name, whom.proof, bytes(64))
        return self.write(who, body, clock=clock)

    def let_in(
        self, who: Seat, number: int, whom: Seat, *, role: Role = Role.MEMBER
    ) -> None:
        """Invite and admit; the newcomer sees it."""
        self.invite(who, number, role=role)
        self.admit(who, number, whom)
        self.show(whom, who)

    def set_role(
        self, who: Seat, whom: Seat, role: Role, *, clock: int | None = None
    ) -> Act:
        body = SetRole(whom.identity, role, self.cuts(who, whom))
        return self.write(who, body, clock=clock)

    def remove(
        self, who: Seat, whom: Seat, *, ban: bool = False, clock: int | None = None
    ) -> Act:
        body = Remove(whom.identity, self.cuts(who, whom), ban=ban)
        return self.write(who, body, clock=clock)

    def mute(self, who: Seat, whom: Seat, until_ms: int) -> Act:
        return self.write(who, Mute(whom.identity, until_ms, self.cuts(who, whom)))

    def add_device(self, who: Seat, what: Seat) -> Act:
        return self.write(who, AddDevice(what.proof))

    def remove_device(self, who: Seat, what: Seat) -> Act:
        return self.write(who, RemoveDevice(what.device, self.length(who, what)))

    def rest(self, who: Seat, what: Seat, *, clock: int) -> Act:
        return self.write(who, Rest(what.device, self.length(who, what)), clock=clock)

    # Questions in short.

    def rank(self, who: Seat) -> Role | None:
        """Somebody's rank now; None for who is out."""
        member = self.law.members.get(who.identity)
        return member.role if member is not None and member.present else None

    def took_effect(self, act: Act) -> bool:
        """True when a law that never heard of an act says something else."""
        without = self.fresh_law()
        without.add(it for it in self.acts if it is not act)
        return outcome(without) != outcome(self.law)
