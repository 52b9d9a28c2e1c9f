"""The table of who may do what: whole, and rising with the ranks."""

from __future__ import annotations

import pytest

from app.rooms.roles import (
    LOWEST,
    Kind,
    Right,
    Role,
    has,
    may_give,
    may_invite,
    may_write,
)


@pytest.mark.parametrize("kind", Kind)
def test_every_right_stands_in_the_table(kind: Kind) -> None:
    assert set(LOWEST[kind]) == set(Right)
    for right in Right:
        granted = [has(kind, role, right) for role in Role]
        assert granted == sorted(granted), "a higher rank has what a lower one has"


def test_equals_have_no_rights_over_each_other() -> None:
    over = (Right.REMOVE, Right.MUTE, Right.SET_ROLES, Right.DELETE_OTHERS)
    assert not any(has(Kind.DIRECT, Role.OWNER, right) for right in over)
    assert may_write(Kind.DIRECT, Role.OWNER)
    assert may_invite(Kind.DIRECT, Role.OWNER, Role.MEMBER)


def test_nobody_gives_what_is_not_below() -> None:
    for actor in Role:
        given = [role for role in Role if may_give(actor, role)]
        below = [role for role in Role if role < actor]
        assert given == (list(Role) if actor is Role.OWNER else below)
