"""How people and devices come in: founding, invites, admissions, further devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.rooms.law.act import Act
from app.rooms.law.case import Case, Effect
from app.rooms.law.state import (
    Device,
    InviteState,
    Member,
    Rank,
    State,
    Tenure,
)
from app.rooms.operations.acts import (
    MAX_CUT_DEVICES,
    AddDevice,
    Admit,
    CloseInvite,
    Found,
    Invite,
)
from app.rooms.roles import Kind, Right, Role, may_invite

MAX_MEMBERS: Final = 10_000
MAX_WRITERS: Final = 2_000
"""Devices in a room whose owners may write messages."""
MAX_INVITES: Final = 10_000
"""Invites a room remembers, spent ones included."""
MAX_KNOWN_DEVICES: Final = 256
"""Devices that one person ever had in a room."""
DIRECT_MEMBERS: Final = 2


def found(state: State, act: Act, body: Found) -> Effect | None:
    """The first entry of the founder's log begins the room."""
    room = state.room
    if room.founded or act.writer != state.founder or act.place.sequence != 0:
        return None
    device, identity = act.writer, body.proof.identity
    state.put(state.devices, device, replace(state.devices[device], identity=identity))
    rank = Rank(act.place, Role.OWNER, {}, fresh=True)
    member = Member(
        identity,
        body.founder_name,
        Role.OWNER,
        devices=(device,),
        known=(device,),
        joined=act.place,
        ranks=(rank,),
    )
    state.put(state.members, identity, member)
    state.put_room(
        replace(
            room,
            kind=body.kind,
            name=body.name,
            founded=True,
            present_count=1,
            writer_count=1,
        )
    )
    return Effect(((device, 0),))


def invite(case: Case, body: Invite) -> Effect | None:
    """Whoever can sign with a key may be let in."""
    state, room = case.state, case.state.room
    if body.invite_key in state.invites or len(state.invites) >= MAX_INVITES:
        return None
    if not may_invite(room.kind, case.role, body.role):
        return None
    if room.kind is Kind.DIRECT and room.present_count >= DIRECT_MEMBERS:
        return None
    made = InviteState(body, case.actor.identity, case.place)
    state.put(state.invites, body.invite_key, made)
    return Effect()


def close_invite(case: Case, body: CloseInvite) -> Effect | None:
    """An invite lets nobody in any more: by its creator, or a senior."""
    state = case.state
    made = state.invites.get(body.invite_key)
    if made is None or made.closed:
        return None
    creator = state.members[made.creator]
    own = creator.identity == case.actor.identity
    if not own and not (case.may(Right.CLOSE_INVITES) and case.outranks(creator)):
        return None
    closed = replace(made, closed=True, touched_ms=case.act.sent_at)
    state.put(state.invites, body.invite_key, closed)
    return Effect()


def is_closed(state: State, made: InviteState) -> bool:
    """True when an invite was closed, or its creator could not make it any more."""
    creator = state.members[made.creator]
    gone = creator.left is not None and creator.left > made.since
    if made.closed or gone or not creator.present:
        return True
    return not may_invite(state.room.kind, creator.role, made.invite.role)


def invite_verdict(
    state: State, invite_key: bytes, *, identity: bytes, device: bytes, now_ms: int
) -> str:
    """Whether an invite lets a device in: ``open`` or why not.

    Returns:
        ``open``, ``yours`` (this device came by it already), ``unknown``, ``closed``,
        ``expired``, ``used`` or ``full``.
    """
    made = state.invites.get(invite_key)
    if made is None:
        return "unknown"
    member = state.members.get(identity)
    if (invite_key, device) in state.admitted:
        owner = state.owner_of(device)
        inside = owner is not None and device in owner.devices
        return "yours" if inside else "closed"
    if is_closed(state, made) or (member is not None and _is_barred(made, member)):
        return "closed"
    if made.invite.expires_at and now_ms > made.invite.expires_at:
        return "expired"
    if made.used_up:
        return "used"
    return "full" if _is_full(state, made, identity) else "open"


def _is_barred(made: InviteState, member: Member) -> bool:
    if member.present:
        return False
    thrown_out = member.barred is not None and made.since < member.barred
    return thrown_out or member.banned is not None


def _knows_of_removal(act: Act, member: Member) -> bool:
    """Who had not heard of a removal lets nobody back in."""
    barred = member.barred
    return barred is None or act.had_seen(barred.writer, barred.sequence)


def _is_full(state: State, made: InviteState, identity: bytes) -> bool:
    room, member = state.room, state.members.get(identity)
    if room.kind is Kind.DIRECT:
        return member is None and len(state.members) >= DIRECT_MEMBERS
    comes_in = member is None or not member.present
    if comes_in and room.present_count >= MAX_MEMBERS:
        return True
    role = made.invite.role if member is None or comes_in else member.role
    return state.writes(role) and room.writer_count >= MAX_WRITERS


def may_admit(case: Case, made: InviteState) -> bool:
    """True when a member may let somebody in by an invite."""
    own = made.creator == case.actor.identity
    if made.invite.own_devices and not own:
        return False
    if made.invite.approval and not own and not case.may(Right.APPROVE):
        return False
    return case.may(Right.ADMIT) and case.role >= case.state.room.admits_from


def admit(case: Case, body: Admit) -> Effect | None:
    """Somebody came with an invite and is a member from here on."""
    state, act = case.state, case.act
    device, identity = body.proof.device, body.proof.identity
    verdict = invite_verdict(
        state, body.invite_key, identity=identity, device=device, now_ms=act.sent_at
    )
    if verdict != "open" or not may_admit(case, state.invites[body.invite_key]):
        return None
    known, member = state.devices.get(device), state.members.get(identity)
    if known is not None and (known.identity != identity or known.revoked):
        return None
    made = state.invites[body.invite_key]
    direct = state.room.kind is Kind.DIRECT
    role = Role.OWNER if direct else made.invite.role
    if member is not None and member.present:
        if known is not None or len(member.devices) >= MAX_CUT_DEVICES:
            return None
        role = member.role
    elif member is not None and not _knows_of_removal(act, member):
        return None
    if not _let_in(case, identity, device, role, body.name):
        return None
    state.put(state.admitted, (body.invite_key, device), case.place)
    used = replace(made, use_count=made.use_count + 1, touched_ms=act.sent_at)
    state.put(state.invites, body.invite_key, used)
    return Effect(((device, act.length_of(device)),), role=role)


def add_device(case: Case, body: AddDevice) -> Effect | None:
    """A further device of the person who says so."""
    state, member = case.state, case.actor
    device, identity = body.proof.device, body.proof.identity
    if identity != member.identity or len(member.devices) >= MAX_CUT_DEVICES:
        return None
    known = state.devices.get(device)
    if known is not None and (
        known.identity != identity or known.revoked or known.inside
    ):
        return None
    full = state.room.writer_count >= MAX_WRITERS
    if full and state.writes(member.role):
        return None
    if not _let_in(case, identity, device, member.role, member.name):
        return None
    return Effect(((device, case.act.length_of(device)),))


def introduce_device(state: State, act: Act, body: AddDevice) -> Effect | None:
    """A device comes into its owner's personal room by itself.

    It shows that the identity's own key attested it: whoever holds that key is the
    person. A device that another one attested waits to be let in by a device that
    counts, or a revoked one could go on bringing in others. What it brings stands
    behind this act; one that was let in before, or ever, gets nothing by it.
    """
    device, member = act.writer, state.members.get(body.proof.identity)
    if state.room.kind is not Kind.PERSONAL or device != body.proof.device:
        return None
    if len(body.proof.chain) != 1 or member is None or device in state.devices:
        return None
    if len(member.devices) >= MAX_CUT_DEVICES:
        return None
    if not _enter(state, act, member.identity, device, member.role, member.name):
        return None
    return Effect(((device, 0),))


def _let_in(case: Case, identity: bytes, device: bytes, role: Role, name: str) -> bool:
    return _enter(case.state, case.act, identity, device, role, name)


def _enter(
    state: State, act: Act, identity: bytes, device: bytes, role: Role, name: str
) -> bool:
    """Open a log to somebody; False when that person had too many devices."""
    place, room = act.place, state.room
    member = state.members.get(identity)
    if member is not None and device not in member.known:
        if len(member.known) >= MAX_KNOWN_DEVICES:
            return False
        member = replace(member, known=(*member.known, device))
    rank = Rank(place, role, {}, fresh=True)
    if member is None:
        member = Member(
            identity,
            name,
            role,
            devices=(device,),
            known=(device,),
            joined=place,
            ranks=(rank,),
        )
        room = replace(room, present_count=room.present_count + 1)
    elif member.present:
        member = replace(member, devices=(*member.devices, device))
    else:
        member = replace(
            member,
            name=name,
            role=role,
            devices=(device,),
            joined=place,
            ranks=(*member.ranks, rank),
            present=True,
        )
        room = replace(room, present_count=room.present_count + 1)
    if state.writes(role):
        room = replace(room, writer_count=room.writer_count + 1)
    state.put(state.members, identity, member)
    state.put_room(room)
    tenure = Tenure(place, (place.writer, place.sequence))
    known = state.devices.get(device)
    tenures = (*known.tenures, tenure) if known is not None else (tenure,)
    ends = known.ends if known is not None else ()
    state.put(state.devices, device, Device(identity, tenures, ends))
    return True
