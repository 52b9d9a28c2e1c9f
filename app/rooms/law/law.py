"""Who is who in a room, and whose entries count: the same wherever the same is known.

    law = Law(founder, first_that_saw=...)
    changes = law.add(acts)
    for device in changes.devices: linearizer.count(device, law.spans(device))
    law.settle(place)

A machine without disk, clock or keys. Acts are put in by ``add`` in any order; what
they make of the room is a function of their set. The rules are told in
``docs/room-rules.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from app.rooms.law.act import Act, without_load
from app.rooms.law.admissions import invite_verdict, is_closed
from app.rooms.law.case import Effect
from app.rooms.law.contest import standing_end
from app.rooms.law.history import History
from app.rooms.law.quota import Quota
from app.rooms.law.state import (
    Device,
    Epoch,
    Host,
    InviteState,
    Member,
    Rank,
    Room,
    State,
    Tenure,
    rank_of,
)
from app.rooms.operations import acts as bodies
from app.rooms.roles import SPEECH, Kind, Right, Role, has
from store.autobase import Place, Spans, Stay
from store.errors import LocalProtocolError

FirstThatSaw = Callable[[bytes, Host], int | None]
"""A device's first entry that had seen an entry and stands behind it, by number."""

_MEMBERS = (
    *(bodies.Found, bodies.Admit, bodies.SetRole, bodies.Remove, bodies.Mute),
    *(bodies.Unban, bodies.AddDevice, bodies.RemoveDevice, bodies.Rest, bodies.Wake),
    bodies.Profile,
)
_INVITES = (
    *(bodies.Found, bodies.Invite, bodies.Admit, bodies.CloseInvite, bodies.SetRole),
    *(bodies.Remove, bodies.Unban, bodies.RemoveDevice, bodies.Settings),
)
_SETTINGS = (bodies.Found, bodies.Settings)
_EPOCH = (
    *(bodies.Rotate, bodies.Admit, bodies.Remove, bodies.AddDevice),
    bodies.RemoveDevice,
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is otherwise than before."""

    devices: Mapping[bytes, int] = field(default_factory=dict)
    """From which number on a device's entries may be judged otherwise."""
    members: bool = False
    invites: bool = False
    settings: bool = False
    epoch: bool = False
    """Which one is current, or who should have it."""


class Law:
    """The outcome of all acts known so far."""

    def __init__(
        self,
        founder: bytes,
        *,
        first_that_saw: FirstThatSaw,
        firsts: Mapping[tuple[bytes, Host], int] | None = None,
    ) -> None:
        """Begin with nothing but the founder's device.

        Args:
            founder: Device key, bound by the room's id.
            first_that_saw: Of a device and an entry, given as writer and sequence: the
                number of the first entry of that device that had seen it and has a
                higher clock; None while there is none, and LocalProtocolError
                ``settled`` where that is forgotten. Any other answer is kept for ever.
            firsts: What ``firsts`` of an earlier one gave, after a restart: such
                answers cannot be had again.
        """
        self._founder = founder
        self._first_that_saw = first_that_saw
        self._state = State(founder)
        self._history = History(self._state)
        self._quotas: dict[bytes, Quota] = {}
        self._firsts = dict(firsts or {})
        self._confirmed: Place | None = None
        self._perhaps_in: set[bytes] | None = None

    def add(self, acts: Iterable[Act]) -> Changes:
        """Take authentic acts in.

        Those that stand where all is settled are void: what confirms a place shows
        that nobody who may write can add anything there.

        Args:
            acts: In any order; within one log the places rise with the sequences.
        """
        floor = self._history.floor
        added: dict[Place, Act] = {}
        removed: list[Place] = []
        for act in acts:
            counts, out = self._quota(act.writer).add(act)
            removed += self._displaced(act.writer, out, added)
            if counts and (floor is None or act.place > floor):
                added[act.place] = without_load(act)
        changed = self._history.change(added.values(), removed)
        self._perhaps_in = None
        return self._changes(it for pairs in changed.values() for it in pairs)

    def settle(self, place: Place) -> None:
        """Forget how to undo what stands up to there.

        Nothing is forgotten while somebody is out by another's hand.

        Args:
            place: Confirmed by the stays as this law gave them.
        """
        self._confirmed = place
        for device, state in self._state.devices.items():
            end = state.tenures[-1].end
            if end is not None and end.writer != device:
                return
        self._history.settle(place)

    def may_still_act(self, device: bytes, body: bodies.Act) -> bool:
        """True while one more act of a log is not void for being too many."""
        return self._quota(device).allows(removal=isinstance(body, bodies.Remove))

    @property
    def firsts(self) -> Mapping[tuple[bytes, Host], int]:
        """Every answer to ``first_that_saw`` so far."""
        return self._firsts

    # Who and what there is.

    @property
    def room(self) -> Room:
        """Kind, name, description, retention, who admits, counts."""
        return self._state.room

    @property
    def kind(self) -> Kind:
        """What sort of room it is."""
        return self._state.room.kind

    @property
    def name(self) -> str:
        """The room's name."""
        return self._state.room.name

    @property
    def members(self) -> Mapping[bytes, Member]:
        """Everybody who is or was in it, by identity."""
        return self._state.members

    @property
    def devices(self) -> Mapping[bytes, Device]:
        """Every device that was let in, by key."""
        return self._state.devices

    @property
    def invites(self) -> Mapping[bytes, InviteState]:
        """By invite key, spent ones included, oldest first."""
        return self._state.invites

    def member_of(self, device: bytes) -> Member | None:
        """The person a device belongs to, present or not."""
        return self._state.owner_of(device)

    def is_inside(self, device: bytes) -> bool:
        """True while a device belongs to somebody present, resting or not."""
        member = self._state.owner_of(device)
        return member is not None and device in member.devices

    @property
    def epoch(self) -> Epoch | None:
        """The current turn of the key; None for the room's first key."""
        return self._state.room.epoch

    @property
    def stale_epoch(self) -> bool:
        """True when somebody who is out holds the current epoch's key."""
        epoch = self._state.room.epoch
        if epoch is None:
            members = self._state.members.values()
            return any(len(m.devices) < len(m.known) for m in members)
        if not all(self.is_inside(device) for device in epoch.devices):
            return True
        # Who came in behind the turn was told the key as well.
        out = (it for it in self._state.devices.values() if not it.inside)
        ends = (it.tenures[-1].end for it in out)
        return any(end is not None and end > epoch.place for end in ends)

    # Invites.

    def invite_verdict(
        self, invite_key: bytes, *, identity: bytes, device: bytes, now_ms: int
    ) -> str:
        """Whether an invite lets a device in: ``open`` or why not.

        Args:
            invite_key: Names the invite.
            identity: Who wants to come in.
            device: With which device.
            now_ms: Wall clock of the member who admits.

        Returns:
            ``open``, ``yours`` (this device came by it already), ``unknown``,
            ``closed``, ``expired``, ``used`` or ``full``.
        """
        return invite_verdict(
            self._state, invite_key, identity=identity, device=device, now_ms=now_ms
        )

    def may_admit(self, device: bytes, invite_key: bytes) -> bool:
        """True when a device may let people in by an invite now; see its verdict too.

        Where the invite asks for approval, a person decides before it does.
        """
        made = self._state.invites.get(invite_key)
        member = self._present(device)
        if made is None or member is None:
            return False
        own = made.creator == member.identity
        if made.invite.own_devices and not own:
            return False
        if made.invite.approval and not own and not self.may(device, Right.APPROVE):
            return False
        enough = member.role >= self._state.room.admits_from
        return enough and self.may(device, Right.ADMIT)

    def invite_ended_ms(self, invite_key: bytes, now_ms: int) -> int | None:
        """Since when an invite lets nobody in; None while it does."""
        made = self._state.invites[invite_key]
        if is_closed(self._state, made):
            left = self._state.members[made.creator]
            return max(made.touched_ms, left.left_ms)
        if made.used_up:
            return made.touched_ms
        expires_at = made.invite.expires_at
        return expires_at if expires_at and now_ms > expires_at else None

    # Rights.

    def may(self, device: bytes, right: Right) -> bool:
        """True when a device's owner has a right now, mutes aside."""
        member = self._present(device)
        return member is not None and has(self.kind, member.role, right)

    def outranks(self, identity: bytes, other: bytes) -> bool:
        """True when one member is senior to another now, present or not."""
        one, two = self._state.members.get(identity), self._state.members.get(other)
        if one is None or two is None or self.kind is Kind.DIRECT:
            return False
        return (one.role, two.joined) > (two.role, one.joined)

    def muted_until_ms(self, identity: bytes) -> int:
        """Until when somebody may not speak, as the last mute says; 0 for not."""
        member = self._state.members.get(identity)
        return member.mutes[-1].until_ms if member is not None and member.mutes else 0

    def rank_at(self, device: bytes, place: Place) -> Role | None:
        """The rank by which an entry is judged; None when it does not count."""
        tenure = self._tenure_at(device, place)
        if tenure is None:
            return None
        member = self._state.members.get(self._state.devices[device].identity)
        if member is None:
            return None
        before = tuple(
            rank
            for rank in member.ranks
            if rank.since < place or (rank.fresh and rank.since == place)
        )
        role = rank_of(before, lambda rank: self._saw(device, place, rank.since))
        if role is None:
            return None
        return min([role, *_caps(member.ranks[len(before) :], device, place)])

    def muted_at(self, device: bytes, place: Place) -> bool:
        """True when an entry was written by somebody who was muted."""
        member = self._state.owner_of(device)
        until_ms = 0
        for muting in member.mutes if member is not None else ():
            longer = muting.until_ms >= until_ms
            if muting.since < place:
                if longer or self._saw(device, place, muting.since):
                    until_ms = muting.until_ms
            elif place.sequence >= muting.cuts.get(device, place.sequence + 1):
                until_ms = max(until_ms, muting.until_ms)
        return place.clock < until_ms

    def may_at(self, device: bytes, place: Place, right: Right) -> bool:
        """True when an entry's author had a right there."""
        role = self.rank_at(device, place)
        if role is None or not has(self.kind, role, right):
            return False
        return right not in SPEECH or not self.muted_at(device, place)

    def may_post(self, device: bytes, place: Place) -> bool:
        """True when the rules allow the message of an entry."""
        return self.may_at(device, place, Right.POST)

    def may_delete_at(self, device: bytes, place: Place, author: bytes) -> bool:
        """True when an entry may delete a message.

        Args:
            device: Whose entry.
            place: Where it stands.
            author: The message's, by identity. One's own may always be deleted.
        """
        actor, other = self._state.owner_of(device), self._state.members.get(author)
        role = self.rank_at(device, place)
        if role is None or actor is None:
            return False
        if actor.identity == author:
            return True
        if not has(self.kind, role, Right.DELETE_OTHERS):
            return False
        known, theirs = _rank_before(actor, place), None
        if other is not None:
            theirs = _rank_before(other, place)
        if known is None or theirs is None:
            return True
        if role is not theirs[0]:
            return role > theirs[0]
        return known[1] < theirs[1]

    # What counts.

    def spans(self, device: bytes) -> Spans:
        """Which of a log's entries count, whatever their sort."""
        state = self._state.devices.get(device)
        found: list[tuple[int, int | None]] = []
        for tenure in state.tenures if state is not None else ():
            start = self._first(device, tenure)
            end = state.limit(tenure.start) if state is not None else None
            if start is None:
                continue
            if found:
                before = found[-1][1]
                start = start if before is None else max(start, before)
            if end is None or start < end:
                found.append((start, end))
        return tuple(found)

    def stays(self) -> list[Stay]:
        """Who may write when, for ``Linearizer.settle``.

        Ask right before that: it also learns what can be asked no more afterwards.
        """
        floor = self._confirmed
        found = []
        if (doubt := self._history.doubt) is not None:
            # As if somebody had been let in there who was never heard.
            host = doubt.writer, doubt.sequence
            found.append(Stay(b"", doubt.clock - 1, host))
        for device, state in self._state.devices.items():
            member = self._state.members.get(state.identity)
            if member is not None:
                places = [rank.since for rank in member.ranks if not rank.fresh]
                places += [muting.since for muting in member.mutes]
                for at in places:
                    self._saw_number(device, (at.writer, at.sequence))
            for tenure in state.tenures:
                self._first(device, tenure)
                start, end = tenure.start.clock, tenure.end
                if end is None:
                    found.append(Stay(device, start, tenure.host))
                elif floor is None or end > floor:
                    stay = Stay(device, start, tenure.host, end.clock)
                    if not self._was_heard(device, end):
                        last = self._standing_end(device, tenure)
                        held = last.clock if last is not None and last != end else 0
                        stay = stay._replace(contested=last is None, held=held)
                    found.append(stay)
        for device, (at, end) in self._led_in().items():
            contested = not self._was_heard(device, end)
            host = at.writer, at.sequence
            found.append(Stay(device, at.clock, host, end.clock, contested))
        for device, at in self._history.void_gifts():
            self._saw_number(device, (at.writer, at.sequence))
        return found

    def ended_by_junior(self, device: bytes, length: int) -> bool:
        """Whether who ended a log at a length is not senior to its owner."""
        state = self._state.devices.get(device)
        for end in state.ends if state is not None else ():
            author = self._state.owner_of(end.place.writer)
            if state is not None and end.length == length and author is not None:
                return not self.outranks(author.identity, state.identity)
        return False

    def reaches(self) -> list[tuple[int, bytes, int]]:
        """Ranks and mutes that are not confirmed, for ``Linearizer.settle``."""
        floor = self._confirmed
        found = []
        for member in self._state.members.values():
            ranks = [(it.since, it.cuts) for it in member.ranks if not it.fresh]
            for since, cuts in (*ranks, *((it.since, it.cuts) for it in member.mutes)):
                if floor is None or since > floor:
                    found += [(since.clock, it, n) for it, n in cuts.items()]
        return found

    @property
    def perhaps_in(self) -> Set[bytes]:
        """Devices let in by some whose end may not stand: then they are in."""
        if self._perhaps_in is None:
            led = self._led_in().items()
            self._perhaps_in = {
                device
                for device, (_, end) in led
                if not self._was_heard(device, end) and not self.is_inside(device)
            }
        return self._perhaps_in

    def _led_in(self) -> dict[bytes, tuple[Place, Place]]:
        ends = {
            device: tenure.end
            for device, state in self._state.devices.items()
            for tenure in state.tenures
            if tenure.end is not None and self._standing_end(device, tenure) is None
        }
        return self._history.led_in(ends) if ends else {}

    def _standing_end(self, device: bytes, tenure: Tenure) -> Place | None:
        since = self._confirmed
        if since is not None and tenure.end is not None and tenure.end <= since:
            return tenure.end
        found = standing_end(self._state, device, tenure, since=since)
        # Where rounds did not end, whatever comes may turn what is there.
        doubt = self._history.doubt
        return found if doubt is None or found is None or found < doubt else None

    def _is_contested(self, device: bytes, tenure: Tenure) -> bool:
        """Whether what a device did unheard may make void what ended it."""
        assert tenure.end is not None
        doubt = self._history.doubt
        if doubt is not None and doubt < tenure.end:
            # Here even what it did having heard of its end decides, void or not.
            return True
        heard = self._was_heard(device, tenure.end)
        return not heard and self._standing_end(device, tenure) is None

    def _was_heard(self, device: bytes, end: Place) -> bool:
        """Whether a device went on having seen an end: all it did before is known."""
        return self._saw_number(device, (end.writer, end.sequence)) is not None

    def wanted_length(self, device: bytes) -> int | None:
        """How far a log is worth fetching; None for all of it.

        Of one that was ended all is wanted until it is sure that this holds: whatever
        it did unheard might make that void.
        """
        if device in self.perhaps_in:
            return None
        state = self._state.devices.get(device)
        if state is None:
            return 0
        tenure = state.tenures[-1]
        if state.inside or tenure.end is None or self._is_contested(device, tenure):
            return None
        end = tenure.end.writer, tenure.end.sequence
        heard = self._saw_number(device, end) or 0
        return max(heard, *(state.limit(it.start) or 0 for it in state.tenures))

    def _changes(self, changed: Iterable[tuple[Act, Effect]]) -> Changes:
        devices: dict[bytes, int] = {}
        kinds = set()
        for act, effect in changed:
            kinds.add(type(act.body))
            touched = effect.touched
            if (ranked := _whose_rights(act.body)) is not None:
                # It holds as well for devices that came in behind it.
                member = self._state.members.get(ranked)
                known = member.known if member is not None else ()
                touched += tuple((it, act.length_of(it)) for it in known)
            if self._decides_on_deletions(act.body):
                touched += tuple((it, act.length_of(it)) for it in self._deleters())
            for device, number in touched:
                devices[device] = min(devices.get(device, number), number)
        return Changes(
            devices,
            members=not kinds.isdisjoint(_MEMBERS),
            invites=not kinds.isdisjoint(_INVITES),
            settings=not kinds.isdisjoint(_SETTINGS),
            epoch=not kinds.isdisjoint(_EPOCH),
        )

    def _decides_on_deletions(self, body: bodies.Act) -> bool:
        """True for a rank that follows another: what juniors may not delete."""
        if isinstance(body, bodies.SetRole):
            return True
        if not isinstance(body, bodies.Admit):
            return False
        member = self._state.members.get(body.proof.identity)
        return member is not None and len(member.ranks) > 1

    def _deleters(self) -> Iterator[bytes]:
        """Devices that may have deleted what others wrote."""
        for member in self._state.members.values():
            ranks = member.ranks
            if any(has(self.kind, it.role, Right.DELETE_OTHERS) for it in ranks):
                yield from member.known

    def _quota(self, device: bytes) -> Quota:
        quota = self._quotas.get(device)
        if quota is None:
            quota = Quota(founding=device == self._founder)
            self._quotas[device] = quota
        return quota

    def _displaced(
        self, writer: bytes, sequences: list[int], added: dict[Place, Act]
    ) -> list[Place]:
        """The places of acts that are too many now; of new ones none remain."""
        if not sequences:
            return []
        out = set(sequences)
        for place in [it for it in added if it.writer == writer]:
            if place.sequence in out:
                del added[place]
        return self._history.places_of(writer, out)

    def _present(self, device: bytes) -> Member | None:
        member = self._state.owner_of(device)
        inside = member is not None and device in member.devices
        return member if inside else None

    def _tenure_at(self, device: bytes, place: Place) -> Tenure | None:
        """The one in which an entry counts, if any."""
        state = self._state.devices.get(device)
        if state is None:
            return None
        for tenure in reversed(state.tenures):
            if tenure.start < place:
                break
        else:
            return None
        if tenure.end is not None and place > tenure.end:
            return None
        start, end = self._first(device, tenure), state.limit(place)
        if start is None or place.sequence < start:
            return None
        return tenure if end is None or place.sequence < end else None

    def _first(self, device: bytes, tenure: Tenure) -> int | None:
        return 0 if tenure.host is None else self._saw_number(device, tenure.host)

    def _saw(self, device: bytes, place: Place, act: Place) -> bool:
        """True when an entry had seen an act."""
        number = self._saw_number(device, (act.writer, act.sequence))
        return number is not None and number <= place.sequence

    def _saw_number(self, device: bytes, host: Host) -> int | None:
        if host[0] == device:
            return host[1] + 1
        number = self._firsts.get((device, host))
        if number is None:
            try:
                number = self._first_that_saw(device, host)
            except LocalProtocolError as error:
                if error.code != "settled":
                    raise
                # It saw that while nothing of it counted: all that will has seen it.
                number = 0
            if number is not None:
                self._firsts[device, host] = number
        return number


def _whose_rights(body: bodies.Act) -> bytes | None:
    """The person all of whose devices have another rank or mute by an act."""
    if isinstance(body, bodies.SetRole | bodies.Mute):
        return body.identity
    return body.proof.identity if isinstance(body, bodies.Admit) else None


def _caps(ranks: Iterable[Rank], device: bytes, place: Place) -> list[Role]:
    """Ranks set later by somebody who had not seen an entry."""
    return [
        rank.role
        for rank in ranks
        if place.sequence >= rank.cuts.get(device, place.sequence + 1)
    ]


def _rank_before(member: Member, place: Place) -> tuple[Role, Place] | None:
    """Somebody's rank at a place, and since when that person was in."""
    found = None
    for rank in member.ranks:
        if rank.since > place:
            break
        joined = rank.since if rank.fresh or found is None else found[1]
        found = (rank.role, joined)
    return found
