"""One act after the other: which takes effect, given all that stand before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.rooms.law.act import Act
from app.rooms.law.admissions import (
    add_device,
    admit,
    close_invite,
    found,
    introduce_device,
    invite,
)
from app.rooms.law.case import Case, Cut, Effect, open_case
from app.rooms.law.sanctions import (
    mute,
    remove,
    remove_device,
    rest,
    set_role,
    unban,
    wake,
)
from app.rooms.law.state import Epoch, State
from app.rooms.operations import acts
from app.rooms.roles import Right


def judge(
    state: State,
    act: Act,
    cuts: dict[bytes, list[Cut]] | None = None,
) -> Effect | None:
    """Let one act take effect; None when it is void.

    Args:
        state: Everything that stands before the act; changed.
        act: The one that comes next.
        cuts: By device, of acts that stand later.
    """
    if isinstance(act.body, acts.Found):
        return found(state, act, act.body)
    case = open_case(state, act, cuts)
    if case is None:
        if isinstance(act.body, acts.AddDevice):
            return introduce_device(state, act, act.body)
        return None
    return _JUDGES[type(act.body)](case, act.body)


def _rotate(case: Case, body: acts.Rotate) -> Effect | None:
    state = case.state
    if not case.may(Right.ROTATE) or body.epoch in state.epochs:
        return None
    state.put(state.epochs, body.epoch, case.place)
    epoch = Epoch(body.epoch, case.place, body.devices)
    state.put_room(replace(state.room, epoch=epoch))
    return Effect()


def _settings(case: Case, body: acts.Settings) -> Effect | None:
    if not case.may(Right.SETTINGS):
        return None
    names = ("name", "description", "retention_ms", "admits_from")
    said = {name: getattr(body, name) for name in names}
    changes = {name: value for name, value in said.items() if value is not None}
    case.state.put_room(replace(case.state.room, **changes))
    return Effect()


def _profile(case: Case, body: acts.Profile) -> Effect | None:
    member = replace(case.actor, name=body.name)
    if body.picture_hash != member.picture_hash:
        place = None if body.picture_hash is None else case.place
        member = replace(member, picture_hash=body.picture_hash, pictured=place)
    case.state.put(case.state.members, member.identity, member)
    return Effect()


_JUDGES: dict[type[Any], Callable[[Case, Any], Effect | None]] = {
    acts.Invite: invite,
    acts.Admit: admit,
    acts.SetRole: set_role,
    acts.Remove: remove,
    acts.Rotate: _rotate,
    acts.Mute: mute,
    acts.Unban: unban,
    acts.CloseInvite: close_invite,
    acts.AddDevice: add_device,
    acts.RemoveDevice: remove_device,
    acts.Rest: rest,
    acts.Wake: wake,
    acts.Settings: _settings,
    acts.Profile: _profile,
}
