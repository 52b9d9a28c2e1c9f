"""What each role in a room may do: a table, no exceptions elsewhere."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What sort of room it is; the number travels."""

    GROUP = 0
    """Everybody but readers writes."""
    BROADCAST = 1
    """Owners and admins write, all others read."""

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


ROLE_WORDS = {role.word: role for role in Role}
KIND_WORDS = {kind.word: kind for kind in Kind}

WRITES_FROM = {Kind.GROUP: Role.MEMBER, Kind.BROADCAST: Role.ADMIN}
"""The lowest rank that may write messages."""

INVITES_FROM = {Kind.GROUP: Role.MEMBER, Kind.BROADCAST: Role.ADMIN}
"""The lowest rank that may make invites."""


def may_write(kind: Kind, role: Role) -> bool:
    """True when a member of this rank may write messages."""
    return role >= WRITES_FROM[kind]


def may_invite(kind: Kind, role: Role, invited: Role) -> bool:
    """True when this rank may let people in as ``invited``.

    Nobody is invited as an owner, and only owners and admins invite above a member.
    """
    if role < INVITES_FROM[kind] or invited is Role.OWNER:
        return False
    return invited <= Role.MEMBER or (role >= Role.ADMIN and invited < role)


def may_set_role(actor: Role, now: Role, wanted: Role) -> bool:
    """True when ``actor`` may turn somebody's rank from ``now`` into ``wanted``.

    Owners may do anything; admins what stays below their own rank.
    """
    if actor is Role.OWNER:
        return True
    return actor is Role.ADMIN and now < actor and wanted < actor


def may_remove(actor: Role, target: Role) -> bool:
    """True when ``actor`` may remove somebody of rank ``target``."""
    if actor is Role.OWNER:
        return True
    return actor >= Role.MODERATOR and target < actor
