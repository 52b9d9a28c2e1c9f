"""What a person may write that changes who is who: checked, and with what they saw.

Functions of a ``RoomView``, run in the writer thread right before the act is drafted:
what an act says that its author had seen must be just that (``docs/room-rules.md``).
"""

from __future__ import annotations

from app.errors import UserFacingError
from app.rooms.law import Member
from app.rooms.operations import (
    CloseInvite,
    Mute,
    Remove,
    RemoveDevice,
    Rest,
    Rotate,
    SetRole,
    Settings,
    Unban,
    Wake,
)
from app.rooms.roles import Right, Role, may_give
from app.rooms.view import RoomView


def role_change(view: RoomView, identity: bytes, role: Role) -> SetRole:
    """Give somebody a rank.

    Raises:
        UserFacingError: ``not-a-member``, ``not-allowed``; ``only-owner``: nobody
            could ever give that rank back.
    """
    actor = view.require_member()
    if identity == actor.identity:
        if role > actor.role:
            raise not_allowed()
        owners = [
            member.identity
            for member in view.law.members.values()
            if member.present and member.role is Role.OWNER
        ]
        if owners == [identity] and role is not Role.OWNER:
            raise UserFacingError(
                "only-owner",
                "You are the only owner of this room: make another member an owner"
                " first.",
            )
    else:
        _require(view, Right.SET_ROLES, identity)
        if not may_give(actor.role, role):
            raise not_allowed()
    return SetRole(identity, role, view.cuts(_known(view, identity)))


def removal(view: RoomView, identity: bytes, *, ban: bool) -> Remove:
    """Remove somebody, and perhaps keep them out."""
    view.require_member()
    _require(view, Right.REMOVE, identity)
    return Remove(identity, view.cuts(_known(view, identity)), ban=ban)


def ban_lift(view: RoomView, identity: bytes) -> Unban:
    """Let invites made from now on let somebody in again."""
    view.require_member()
    _require(view, Right.REMOVE, identity)
    return Unban(identity)


def farewell(view: RoomView) -> Remove:
    """Leave the room."""
    member = view.require_member()
    return Remove(member.identity, view.cuts(member.devices))


def mute(view: RoomView, identity: bytes, until_ms: int) -> Mute:
    """Let somebody not speak for a while, or speak again."""
    view.require_member()
    _require(view, Right.MUTE, identity)
    return Mute(identity, until_ms, view.cuts(_known(view, identity)))


def invite_closing(view: RoomView, invite_key: bytes) -> CloseInvite:
    """Let an invite let nobody in any more."""
    actor = view.require_member()
    made = view.law.invites.get(invite_key)
    if made is None:
        raise UserFacingError("unknown-invite", "There is no such invite here.")
    if made.creator != actor.identity:
        _require(view, Right.CLOSE_INVITES, made.creator)
    return CloseInvite(invite_key)


def settings_change(view: RoomView, settings: Settings) -> Settings:
    """Change what holds for the whole room."""
    view.require_member()
    if not view.law.may(view.own, Right.SETTINGS):
        raise not_allowed()
    return settings


def rotation(view: RoomView) -> Rotate:
    """Turn the room's key."""
    view.require_member()
    if not view.law.may(view.own, Right.ROTATE):
        raise not_allowed()
    return view.rotation()


def device_removal(view: RoomView, device: bytes) -> RemoveDevice:
    """Give up a device, of oneself or of a junior."""
    actor = view.require_member()
    owner = view.law.member_of(device)
    if owner is None or device not in owner.devices:
        raise UserFacingError("unknown-device", "There is no such device here.")
    if owner.identity != actor.identity:
        _require(view, Right.REMOVE_DEVICES, owner.identity)
    elif device == view.own:
        raise UserFacingError(
            "not-allowed", "This device cannot give itself up: leave the room."
        )
    ((_, length),) = view.cuts((device,))
    return RemoveDevice(device, length)


def rest(view: RoomView, device: bytes) -> Rest:
    """Let nothing wait for a device that was silent for long."""
    ((_, length),) = view.cuts((device,))
    return Rest(device, length)


def wake(view: RoomView, device: bytes) -> Wake:
    """Let a resting device write again."""
    view.require_member()
    return Wake(device)


def not_allowed() -> UserFacingError:
    """What is said to somebody whose rank is too low."""
    return UserFacingError("not-allowed", "Your role in this room does not allow that.")


def _require(view: RoomView, right: Right, identity: bytes) -> None:
    """Check a right over somebody else.

    Raises:
        UserFacingError: ``not-allowed``.
    """
    actor = view.require_member()
    if not view.law.may(view.own, right):
        raise not_allowed()
    if not view.law.outranks(actor.identity, identity):
        raise not_allowed()


def _known(view: RoomView, identity: bytes) -> tuple[bytes, ...]:
    member: Member | None = view.law.members.get(identity)
    return member.devices if member is not None else ()
