"""What a room looks like to somebody who looks after it, and what they may do there.

Functions of a ``RoomView``, run in the writer thread; pure. What is offered here is
checked again where it is written (``app/rooms/proposals.py``).
"""

from __future__ import annotations

from app.rooms.law import InviteState, Member
from app.rooms.roles import Right, Role, may_give, may_invite
from app.rooms.view import RoomView
from app.snapshots import InviteSnapshot, PersonSnapshot, RoomDetails

MAX_INVITES_SHOWN = 100
"""Open invites that are told of, the newest first."""

ROOM_RIGHTS = {
    "settings": Right.SETTINGS,
    "approve": Right.APPROVE,
    "rotate": Right.ROTATE,
    "pin": Right.PIN,
    "delete": Right.DELETE_OTHERS,
}
"""Rights over the whole room, by the words that clients know."""
_OVER_OTHERS = {
    "role": Right.SET_ROLES,
    "mute": Right.MUTE,
    "remove": Right.REMOVE,
}


def survey(view: RoomView, room: str, identity: bytes, now_ms: int) -> RoomDetails:
    """Everything about a room that stands in its acts.

    Args:
        view: The room's.
        room: Its id.
        identity: Who asks.
        now_ms: Tells which invites are open.
    """
    law = view.law
    me = law.members.get(identity)
    role = me.role if me is not None and me.present else None
    told = law.room
    return RoomDetails(
        room=room,
        description=told.description,
        retention_ms=told.retention_ms,
        admits_from=told.admits_from.word,
        role=role.word if role is not None else "",
        may=tuple(
            word for word, right in ROOM_RIGHTS.items() if law.may(view.own, right)
        ),
        invites_as=tuple(
            wanted.word
            for wanted in Role
            if role is not None and may_invite(law.kind, role, wanted)
        ),
        people=tuple(
            _person(view, member, identity)
            for member in law.members.values()
            if member.present or member.banned is not None
        ),
        invites=_invites(view, identity, now_ms),
    )


def _person(view: RoomView, member: Member, me: bytes) -> PersonSnapshot:
    law, actor = view.law, view.law.members.get(me)
    junior = law.outranks(me, member.identity)
    may = [
        word
        for word, right in _OVER_OTHERS.items()
        if junior and law.may(view.own, right)
    ]
    roles = tuple(
        wanted.word
        for wanted in Role
        if "role" in may and actor is not None and may_give(actor.role, wanted)
    )
    return PersonSnapshot(
        identity_key=member.identity.hex(),
        name=member.name,
        role=member.role.word,
        present=member.present,
        banned=member.banned is not None,
        muted_until=law.muted_until_ms(member.identity),
        may=tuple(may),
        roles=roles,
    )


def _invites(view: RoomView, me: bytes, now_ms: int) -> tuple[InviteSnapshot, ...]:
    law = view.law
    open_ = [
        (key, made)
        for key, made in law.invites.items()
        if not made.invite.own_devices and law.invite_ended_ms(key, now_ms) is None
    ]
    return tuple(
        _invite(view, key, made, me)
        for key, made in reversed(open_[-MAX_INVITES_SHOWN:])
    )


def _invite(view: RoomView, key: bytes, made: InviteState, me: bytes) -> InviteSnapshot:
    law, creator = view.law, view.law.members.get(made.creator)
    own = made.creator == me
    closes = law.may(view.own, Right.CLOSE_INVITES) and law.outranks(me, made.creator)
    return InviteSnapshot(
        key=key.hex(),
        role=made.invite.role.word,
        expires_at=made.invite.expires_at or None,
        uses=made.invite.uses,
        used=made.use_count,
        approval=made.invite.approval,
        creator=made.creator.hex(),
        creator_name=creator.name if creator is not None else "",
        mine=own,
        may_close=own or closes,
    )
