"""The delivery ledger: which members' devices hold a message, and who brings it on.

A pure function of what is known: the newest entry of a device tells, signed, how much
of every log it had seen, and what had been seen is held; a device that is connected
says itself how far each log reaches there. Acknowledgements (``app/rooms/hearing.py``)
let those be known too who never write. What is not known is told as not yet known:
nobody is believed to hold anything because of what they ought to have.

Where this comes from is the business of ``app/rooms/receipts.py``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from app.rooms.facts import MemberFact, RoomFacts
from app.snapshots import DeliverySnapshot, DeviceDelivery, MemberDelivery

MAX_NAMED = 3
"""People named in one sentence."""
MAX_MEMBERS_TOLD = 1_000
"""People told of at once; who lacks something comes first."""
MAX_NAME_CHARS = 64
"""Of a name in a sentence."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one entry.

    Attributes:
        writer: Device key of whoever wrote it.
        sequence: Its number in that log.
        lengths: How much of that log each device holds, as far as known.
        online: Devices of members that are connected.
    """

    writer: bytes
    sequence: int
    lengths: Mapping[bytes, int]
    online: frozenset[bytes]


class Tally:
    """How many devices hold the entries of one log, told without asking each."""

    def __init__(self, lengths: Iterable[int]) -> None:
        """Count.

        Args:
            lengths: How much of the log each device holds.
        """
        self._lengths = sorted(lengths)

    def count(self, sequence: int) -> int:
        """How many hold the entry of that number."""
        return len(self._lengths) - bisect_right(self._lengths, sequence)


def most(*lengths: Mapping[bytes, int]) -> dict[bytes, int]:
    """The largest of what several sources say of each device."""
    found: dict[bytes, int] = {}
    for source in lengths:
        for device, length in source.items():
            if length > found.get(device, 0):
                found[device] = length
    return found


def delivery(
    facts: RoomFacts, known: Known, *, own: bytes, room: str, id: str
) -> DeliverySnapshot:
    """Who holds a message, and how it comes to those who do not.

    Args:
        facts: Who is who.
        known: What is known of the message's entry.
        own: This device's key; it holds the message.
        room: The room's id, as clients name it.
        id: The message's.
    """
    ledger = _Ledger(facts, known, own)
    told = [
        ledger.member(member) for member in facts.members.values() if member.present
    ]
    told.sort(key=lambda it: (it.holding == len(it.devices), it.name.casefold()))
    holding = sum(it.holding for it in told)
    count = sum(len(it.devices) for it in told)
    return DeliverySnapshot(
        room=room,
        id=id,
        holding=holding,
        devices=count,
        sentence=f"On {holding} of {count} devices.",
        members=tuple(told[:MAX_MEMBERS_TOLD]),
        left_out=max(0, len(told) - MAX_MEMBERS_TOLD),
    )


class _Ledger:
    """Tells of one message after the other member."""

    def __init__(self, facts: RoomFacts, known: Known, own: bytes) -> None:
        self._facts = facts
        self._known = known
        self._own = own
        me = facts.member_of(own)
        self._me = me.identity if me is not None else b""
        # Whoever is connected and lacks it gets it from here, and can bring it on.
        self._carriers = self._owners(known.online)
        self._keepers = self._owners(
            device
            for device in (known.writer, *known.lengths)
            if self._holds(device) and device not in known.online
        )

    def member(self, member: MemberFact) -> MemberDelivery:
        """What is to be told of one member."""
        devices = tuple(
            DeviceDelivery(device.hex(), self._state(device), me=device == self._own)
            for device in member.devices
        )
        holding = sum(device.state == "holds" for device in devices)
        coming = sum(device.state == "coming" for device in devices)
        lacking = len(devices) - holding - coming
        carriers = _names(self._carriers, member) if lacking else ()
        keepers = _names(self._keepers, member) if lacking and not carriers else ()
        mine = member.identity == self._me
        return MemberDelivery(
            identity_key=member.identity.hex(),
            name=member.name,
            me=mine,
            holding=holding,
            devices=devices,
            brought_by=carriers,
            waits_for=keepers,
            sentence=_sentence(
                "" if mine else _short(member.name),
                (holding, coming, len(devices)),
                carriers=carriers,
                keepers=keepers,
            ),
        )

    def _holds(self, device: bytes) -> bool:
        known = self._known
        if device in (self._own, known.writer):
            return True
        return known.lengths.get(device, 0) > known.sequence

    def _state(self, device: bytes) -> str:
        if self._holds(device):
            return "holds"
        return "coming" if device in self._known.online else "waiting"

    def _owners(self, devices: Iterable[bytes]) -> dict[bytes, str]:
        """Whose these devices are, by name, this person left out."""
        owners: dict[bytes, str] = {}
        for device in devices:
            member = self._facts.member_of(device)
            inside = member is not None and device in member.devices
            if member is not None and inside and member.identity != self._me:
                owners[member.identity] = _short(member.name)
        return dict(sorted(owners.items(), key=lambda it: (it[1].casefold(), it[0])))


def _names(people: Mapping[bytes, str], member: MemberFact) -> tuple[str, ...]:
    """The names of a few but this one, and how many more there are."""
    others = ((key, name) for key, name in people.items() if key != member.identity)
    names = tuple(name for _, name in islice(others, MAX_NAMED))
    more = len(people) - (member.identity in people) - len(names)
    if not more:
        return names
    return (*names, "1 other" if more == 1 else f"{more} others")


def _short(name: str) -> str:
    return (
        name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "\u2026"
    )


def _sentence(
    who: str,
    devices: tuple[int, int, int],
    *,
    carriers: tuple[str, ...],
    keepers: tuple[str, ...],
) -> str:
    """One plain sentence about one person.

    Args:
        who: The person's name; empty for this person, of whom one device has it.
        devices: How many of theirs hold it, get it now, and there are.
        carriers: Who is online and can bring it, beside this person.
        keepers: Who has it and is not online, where nobody else is.
    """
    holding, coming, count = devices
    if holding:
        start = f"{who} has it" if who else "You have it"
        if holding == count:
            return f"{start}." if count == 1 else f"{start} on all {count} devices."
        rest = "it is on its way to the others"
        if holding + coming < count:
            rest = "the others get it when they are online"
        return f"{start} on {holding} of {count} devices; {rest}."
    if coming == count:
        return f"It is on its way to {who}."
    if coming:
        return f"It is on its way to {coming} of {count} devices of {who}."
    if carriers:
        bringing = _listed(("you", *carriers), "and")
        return f"It reaches {who} when {who} is online: {bringing} can bring it."
    sources = _listed(("you", *keepers), "or")
    return f"It reaches {who} when {who} is online together with {sources}."


def _listed(names: tuple[str, ...], word: str) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
