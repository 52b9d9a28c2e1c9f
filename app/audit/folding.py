"""What acts make of a room, act by act: which took effect, and why others did not.

The judging is that of ``app/rooms/law``; here all acts are known at once. ``fold`` says
which of them are in force, ``replay`` goes through them once more and tells each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from app.audit.telling import words_of
from app.rooms.law import Act
from app.rooms.law.admissions import invite_verdict
from app.rooms.law.case import Case, open_case
from app.rooms.law.history import History
from app.rooms.law.judgement import judge
from app.rooms.law.quota import Quota
from app.rooms.law.state import Member, State
from app.rooms.operations import acts as bodies
from app.rooms.roles import Right
from store.autobase import Place

_VERDICTS: Final = {
    "yours": "the invite had let that device in before",
    "unknown": "there was no such invite",
    "closed": "the invite let nobody in any more",
    "expired": "the invite had expired",
    "used": "the invite was used up",
    "full": "the room was full",
}


_RIGHTS: Final[dict[type[Any], Right]] = {
    bodies.Invite: Right.INVITE,
    bodies.Admit: Right.ADMIT,
    bodies.SetRole: Right.SET_ROLES,
    bodies.Remove: Right.REMOVE,
    bodies.Rotate: Right.ROTATE,
    bodies.Mute: Right.MUTE,
    bodies.Unban: Right.REMOVE,
    bodies.Rest: Right.REST,
    bodies.Wake: Right.REST,
    bodies.Settings: Right.SETTINGS,
}


class Outcome(NamedTuple):
    """A room behind its last act."""

    state: State
    in_force: frozenset[Place]
    """Acts that took effect."""
    surplus: frozenset[Place]
    """Acts that are void because their log has too many."""


class Told(NamedTuple):
    """What became of one act."""

    act: Act
    says: str
    identity: bytes | None
    """Of whose device it is; None for a device of nobody."""
    name: str
    """That person's, then."""
    why: str | None
    """Why it had no effect; None when it had one."""

    def to_object(self) -> dict[str, Any]:
        """The part of the act's line that says so."""
        by = None
        if self.identity is not None:
            by = {"identity": self.identity.hex(), "name": self.name}
        effect = "void" if self.why is not None else "in force"
        return {"says": self.says, "by": by, "effect": effect, "why": self.why}


def fold(founder: bytes, acts: Sequence[Act]) -> Outcome:
    """Judge all acts together.

    Args:
        founder: The device whose first entry begins the room.
        acts: Authentic ones, in the order of their places.
    """
    counted: dict[bytes, dict[int, Act]] = {}
    quotas: dict[bytes, Quota] = {}
    for act in acts:
        quota = quotas.get(act.writer)
        if quota is None:
            quota = quotas[act.writer] = Quota(founding=act.writer == founder)
        mine = counted.setdefault(act.writer, {})
        counts, out = quota.add(act)
        if counts:
            mine[act.place.sequence] = act
        for sequence in out:
            mine.pop(sequence, None)
    kept = [act for mine in counted.values() for act in mine.values()]
    state = State(founder)
    in_force = frozenset(History(state).change(kept, ()))
    surplus = frozenset(act.place for act in acts) - {act.place for act in kept}
    return Outcome(state, in_force, surplus)


def replay(founder: bytes, acts: Sequence[Act], outcome: Outcome) -> Iterator[Told]:
    """Tell each act at its place, in order.

    Args:
        founder: As for ``fold``.
        acts: The same.
        outcome: What ``fold`` gave.
    """
    state = State(founder)
    for act in acts:
        says = words_of(act, state)
        effective = act.place in outcome.in_force
        why = None if effective else _why_void(act, state, outcome)
        identity, name = _author(act, state)
        yield Told(act, says, identity, name, why)
        if effective:
            judge(state, act)
            # What is told is never taken back.
            state.take_undo()


def members_of(state: State) -> list[Member]:
    """Everybody who is or was in the room, by identity."""
    return [state.members[identity] for identity in sorted(state.members)]


def room_object(state: State) -> dict[str, Any]:
    """The line of the room behind its last act."""
    room = state.room
    return {
        "type": "room",
        "name": room.name,
        "kind": room.kind.word,
        "description": room.description,
        "retentionMs": room.retention_ms,
        "admitsFrom": room.admits_from.word,
        "members": room.present_count,
        "epoch": None if room.epoch is None else room.epoch.id.hex(),
    }


def member_object(member: Member) -> dict[str, Any]:
    """The line of one person."""
    return {
        "type": "member",
        "identity": member.identity.hex(),
        "name": member.name,
        "role": member.role.word,
        "present": member.present,
        "banned": member.banned is not None,
        "mutedUntil": member.mutes[-1].until_ms if member.mutes else 0,
        "devices": sorted(device.hex() for device in member.devices),
    }


def _author(act: Act, state: State) -> tuple[bytes | None, str]:
    if isinstance(act.body, bodies.Found):
        return act.body.proof.identity, act.body.founder_name
    member = state.owner_of(act.writer)
    return (None, "") if member is None else (member.identity, member.name)


def _why_void(act: Act, state: State, outcome: Outcome) -> str:
    if act.place in outcome.surplus:
        return "its device had made too many acts"
    if isinstance(act.body, bodies.Found):
        return "the room begins with the first entry of its founder"
    device = state.devices.get(act.writer)
    if device is None or not device.identity:
        return "its device had not been let in"
    case = open_case(state, act)
    if case is None:
        if device.tenures[-1].end is not None:
            return "its device was out of the room"
        return "its author had not seen that the device was let in"
    effect = judge(state, act)
    undo = state.take_undo()
    state.undo(undo)
    if effect is not None:
        return "a later act that had not seen it took away the right to it"
    return _why_refused(case)


def _why_refused(case: Case) -> str:
    """Why an act did nothing whose author might act there."""
    state, act, body = case.state, case.act, case.body
    right = _RIGHTS.get(type(body))
    if isinstance(body, bodies.Remove) and body.identity == case.actor.identity:
        right = None
    owner = None
    if isinstance(body, bodies.RemoveDevice | bodies.Rest | bodies.Wake):
        owner = state.owner_of(body.device)
        if owner is None:
            return "it is about a device that had never been in the room"
    if isinstance(body, bodies.RemoveDevice) and owner != case.actor:
        right = Right.REMOVE_DEVICES
    if right is not None and not case.may(right):
        return f"the rank of {case.role.word} gave no right to that"
    if isinstance(body, bodies.Admit):
        proof = body.proof
        verdict = invite_verdict(
            state,
            body.invite_key,
            identity=proof.identity,
            device=proof.device,
            now_ms=act.sent_at,
        )
        return _VERDICTS.get(verdict, "its author could not let anybody in by it")
    if isinstance(body, bodies.SetRole | bodies.Remove | bodies.Mute):
        target = state.members.get(body.identity)
        if target is None:
            return "it is about somebody who had never been in the room"
        if not act.knows(body.cuts):
            return "it names other lengths of logs than its author had seen"
        if target != case.actor and not case.outranks(target):
            return "its author was not senior to that person"
    if (
        isinstance(body, bodies.RemoveDevice | bodies.Rest)
        and act.length_of(body.device) != body.length
    ):
        return "it names another length of a log than its author had seen"
    if isinstance(body, bodies.Rest):
        return "that device had not been silent for long enough"
    return "the rules allowed nothing of that sort there"
