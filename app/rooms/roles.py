"""What each role in a room may do: a table, no exceptions elsewhere."""

from __future__ import annotations

from enum import Enum, IntEnum


class Kind(IntEnum):
    """What sort of room it is; the number travels."""

    GROUP = 0
    """Everybody but readers writes."""
    BROADCAST = 1
    """Owners and admins write, all others read."""
    DIRECT = 2
    """Two people, equals: neither rules over the other."""
    PERSONAL = 3
    """The devices of one person, who tell each other what that person has."""

    @property
    def word(self) -> str:
        """The name people and programs see."""
        return self.name.lower()


class Role(IntEnum):
    """A member's rank; the number travels and orders the ranks."""

    READER = 0
    MEMBER = 1
    MODERATOR = 2
    ADMIN = 3
    OWNER = 4

    @property
    def word(self) -> str:
        """The name people and programs see."""
        return self.name.lower()


class Right(Enum):
    """Something a member may do, or may not."""

    POST = "post"
    """Write messages and polls, edit and delete one's own, vote."""
    REACT = "react"
    PIN = "pin"
    DELETE_OTHERS = "delete others' messages"
    """Of juniors only."""
    INVITE = "invite"
    """Up to members; above that from ``INVITES_HIGH_FROM`` and below oneself."""
    ADMIT = "admit"
    """By an invite; the room's settings and the invite may say more."""
    APPROVE = "approve newcomers"
    """Admit by an invite of another that asks for approval."""
    CLOSE_INVITES = "close invites"
    """Of juniors; one's own always."""
    MUTE = "mute"
    """Juniors only."""
    REMOVE = "remove, ban and unban"
    """Juniors only."""
    REMOVE_DEVICES = "remove devices"
    """Of juniors; one's own always."""
    SET_ROLES = "set roles"
    """Of juniors; see ``may_give``."""
    SETTINGS = "change settings"
    ROTATE = "turn and share the room's key"
    REST = "put silent devices to rest, and wake them"


_GROUP = {
    Right.POST: Role.MEMBER,
    Right.REACT: Role.MEMBER,
    Right.PIN: Role.MODERATOR,
    Right.DELETE_OTHERS: Role.MODERATOR,
    Right.INVITE: Role.MEMBER,
    Right.ADMIT: Role.READER,
    Right.APPROVE: Role.MODERATOR,
    Right.CLOSE_INVITES: Role.MODERATOR,
    Right.MUTE: Role.MODERATOR,
    Right.REMOVE: Role.MODERATOR,
    Right.REMOVE_DEVICES: Role.ADMIN,
    Right.SET_ROLES: Role.ADMIN,
    Right.SETTINGS: Role.ADMIN,
    Right.ROTATE: Role.MEMBER,
    Right.REST: Role.READER,
}
LOWEST: dict[Kind, dict[Right, Role | None]] = {
    Kind.GROUP: {**_GROUP},
    Kind.BROADCAST: {
        **_GROUP,
        Right.POST: Role.ADMIN,
        Right.REACT: Role.READER,
        Right.INVITE: Role.ADMIN,
        Right.ROTATE: Role.ADMIN,
    },
    Kind.DIRECT: {
        **dict.fromkeys(Right, Role.OWNER),
        Right.DELETE_OTHERS: None,
        Right.CLOSE_INVITES: None,
        Right.MUTE: None,
        Right.REMOVE: None,
        Right.REMOVE_DEVICES: None,
        Right.SET_ROLES: None,
    },
    Kind.PERSONAL: {
        **dict.fromkeys(Right, Role.OWNER),
        Right.INVITE: None,
        Right.ADMIT: None,
        Right.APPROVE: None,
    },
}
"""The lowest rank that has each right; None where nobody has it."""

SPEECH = frozenset({Right.POST, Right.REACT, Right.PIN})
"""What a muted member may not do."""

INVITES_HIGH_FROM = Role.ADMIN
"""The lowest rank that may invite above a member."""


def has(kind: Kind, role: Role, right: Right) -> bool:
    """True when a member of this rank has a right in rooms of this kind."""
    lowest = LOWEST[kind][right]
    return lowest is not None and role >= lowest


def may_give(actor: Role, wanted: Role) -> bool:
    """True when who may set roles at all may give this one to a junior.

    Owners give any rank; all others what stays below their own.
    """
    return actor is Role.OWNER or wanted < actor


ROLE_WORDS = {role.word: role for role in Role}
KIND_WORDS = {kind.word: kind for kind in (Kind.GROUP, Kind.BROADCAST)}
"""Kinds that people begin by that name; direct rooms begin with a person."""


def may_write(kind: Kind, role: Role) -> bool:
    """True when a member of this rank may write messages."""
    return has(kind, role, Right.POST)


def may_invite(kind: Kind, role: Role, invited: Role) -> bool:
    """True when this rank may let people in as ``invited``.

    Nobody is invited as an owner, and only owners and admins invite above a member.
    """
    if not has(kind, role, Right.INVITE) or invited is Role.OWNER:
        return False
    return invited <= Role.MEMBER or (role >= INVITES_HIGH_FROM and invited < role)
