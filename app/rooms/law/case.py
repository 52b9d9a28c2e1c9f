"""What one act is judged by: who did it, with which rank, over whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from app.rooms.law.act import Act
from app.rooms.law.state import Device, Member, Rank, State, rank_of
from app.rooms.operations.acts import Remove, RemoveDevice, Rest, SetRole
from app.rooms.roles import Kind, Right, Role, has
from store.autobase import Place

CUTTING: Final = (SetRole, Remove, RemoveDevice, Rest)
"""Acts that end or lower somebody."""
WEAK: Final = -1
"""The force of an act by which somebody ends one who is not junior to them."""


class Cut(NamedTuple):
    """What an act does to acts that stand earlier and that its author had not seen."""

    place: Place
    """Of the act that cuts."""
    device: bytes
    length: int
    role: Role | None
    """They have at most this rank; None: they are void."""
    light: bool = False
    """It leaves alone what ends or lowers somebody."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an act did that counts."""

    touched: tuple[tuple[bytes, int], ...] = ()
    """Devices, and from which number on their entries may be judged otherwise."""
    cuts: tuple[Cut, ...] = ()
    role: Role | None = None
    """By which somebody was let in: an invite says it, which may come late."""
    force: int = field(default=0, compare=False)
    """Of what ends or lowers somebody: the author's rank, or ``WEAK``."""


@dataclass(frozen=True, slots=True)
class Case:
    """An act whose author may act here."""

    state: State
    act: Act
    actor: Member
    role: Role
    """By which the act is judged."""
    spared: bool = False
    """It counts only because it does something to others; see ``Cut.light``."""

    @property
    def place(self) -> Place:
        """Where the act stands."""
        return self.act.place

    @property
    def body(self) -> Any:
        """What it says."""
        return self.act.body

    def may(self, right: Right) -> bool:
        """True when the author's rank gives a right in this room."""
        return has(self.state.room.kind, self.role, right)

    def outranks(self, target: Member) -> bool:
        """True when the author is senior to somebody.

        A rank that the target lost counts until the author knew of the loss: so
        nobody's act rests on one that it may make void.
        """
        if self.state.room.kind is Kind.DIRECT:
            return False
        known = rank_of(
            tuple(rank for rank in target.ranks if self._knows(rank)), self._knows
        )
        top = max(target.role, known or Role.READER)
        if self.role is not top:
            return self.role > top
        return self.actor.joined < target.joined

    def _knows(self, rank: Rank) -> bool:
        return self.act.had_seen(rank.since.writer, rank.since.sequence)

    def cuts_of(self, member: Member) -> dict[bytes, int]:
        """How much of each log of somebody the author had seen."""
        return {device: self.act.length_of(device) for device in member.known}


def open_case(
    state: State, act: Act, cuts: dict[bytes, list[Cut]] | None = None
) -> Case | None:
    """An act as a case, or None when its author may not act at all there.

    Args:
        state: Everything that stands before the act.
        act: Not a founding.
        cuts: By device, of acts that stand later.
    """
    device = state.devices.get(act.writer)
    if device is None or not _counts(device, act):
        return None
    cutting = isinstance(act.body, CUTTING)
    spared = device.tenures[-1].end is not None
    actor = state.members.get(device.identity)
    if actor is None or not actor.present:
        return None
    role = rank_of(
        actor.ranks,
        lambda rank: act.had_seen(rank.since.writer, rank.since.sequence),
    )
    assert role is not None
    for cut in (cuts or {}).get(act.writer, ()):
        if cut.place > act.place and cut.length <= act.place.sequence:
            if cut.light and cutting:
                spared = True
                continue
            if cut.role is None:
                return None
            role = min(role, cut.role)
    return Case(state, act, actor, role, spared)


def _counts(device: Device, act: Act) -> bool:
    tenure, end = device.tenures[-1], device.tenures[-1].end
    if end is not None:
        unheard = not act.had_seen(end.writer, end.sequence)
        if not (device.light and unheard and isinstance(act.body, CUTTING)):
            return False
    return tenure.host is None or act.had_seen(*tenure.host)
