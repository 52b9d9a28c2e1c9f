"""What somebody who looks after a room is told of it, and what they may do."""

from __future__ import annotations

import pytest

from app.errors import UserFacingError
from app.messenger import Messenger
from app.rooms.roles import Role
from tests.unit.app.rooms.conftest import Open
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.test_exchange import let_in


async def meet(opened: Open) -> tuple[Wires, Messenger, Messenger, str]:
    """Ada's room, into which she let Grace."""
    ada, grace = await opened("Ada"), await opened("Grace")
    line = await ada.create_room("Birds")
    wires = Wires()
    wires.connect(ada, grace)
    await let_in(wires, ada, grace)
    return wires, ada, grace, line.room


async def test_each_is_told_what_their_rank_allows(opened: Open) -> None:
    _, ada, grace, room = await meet(opened)
    hers, theirs = await ada.details(room), await grace.details(room)
    assert (hers.role, theirs.role) == ("owner", "member")
    assert set(hers.may) == {"settings", "approve", "rotate", "pin", "delete"}
    assert theirs.may == ("rotate",)
    assert "admin" in hers.invites_as
    assert "owner" not in hers.invites_as
    assert theirs.invites_as == ("reader", "member")
    about = {person.name: person for person in hers.people}
    assert about["Ada"].may == ()
    assert about["Grace"].may == ("role", "mute", "remove")
    assert about["Grace"].roles == tuple(role.word for role in Role)
    assert all(person.may == () for person in theirs.people)


async def test_invites_are_listed_while_they_are_open_and_closed_by_key(
    opened: Open,
) -> None:
    _, ada, grace, room = await meet(opened)
    before = {invite.key for invite in (await ada.details(room)).invites}
    await ada.invite(room, role="reader", uses=3, approval=True)
    [made] = [it for it in (await ada.details(room)).invites if it.key not in before]
    assert (made.role, made.uses, made.used) == ("reader", 3, 0)
    assert (made.approval, made.mine, made.may_close) == (True, True, True)
    assert made.creator_name == "Ada"
    assert not any(it.may_close for it in (await grace.details(room)).invites)
    await ada.close_invite(room, made.key)
    assert {it.key for it in (await ada.details(room)).invites} == before
    with pytest.raises(UserFacingError) as caught:
        await ada.close_invite(room, "not hex")
    assert caught.value.code == "unknown-invite"


async def test_who_is_banned_and_who_is_muted_is_told(opened: Open) -> None:
    _, ada, _, room = await meet(opened)
    until_ms = 4_000_000_000_000
    await ada.configure(room, description="Of birds", retention_ms=86_400_000)
    await ada.mute(room, "Grace", until_ms=until_ms)
    told = await ada.details(room)
    assert (told.description, told.retention_ms) == ("Of birds", 86_400_000)
    assert {it.name: it.muted_until for it in told.people} == {
        "Ada": 0,
        "Grace": until_ms,
    }
    await ada.ban(room, "Grace")
    [gone] = [it for it in (await ada.details(room)).people if it.banned]
    assert (gone.name, gone.present) == ("Grace", False)
    assert "remove" in gone.may
    await ada.unban(room, "Grace")
    assert [it.name for it in (await ada.details(room)).people] == ["Ada"]
