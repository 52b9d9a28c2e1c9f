"""How people and devices lose something: ranks, speech, membership; and get it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from app.rooms.law.admissions import MAX_WRITERS
from app.rooms.law.case import WEAK, Case, Cut, Effect
from app.rooms.law.state import Device, Member, Muting, Rank, State, Tenure
from app.rooms.operations.acts import (
    Mute,
    Remove,
    RemoveDevice,
    Rest,
    SetRole,
    Unban,
    Wake,
)
from app.rooms.roles import Right, may_give
from store.autobase import Place

REST_AFTER_MS: Final = 7 * 24 * 3600 * 1000
"""So long a device was silent before it may be put to rest."""


def set_role(case: Case, body: SetRole) -> Effect | None:
    """A junior's rank changes, or one's own becomes lower."""
    state, place = case.state, case.place
    target = state.members.get(body.identity)
    if target is None or not target.present or body.role is target.role:
        return None
    if not case.may(Right.SET_ROLES) or not case.act.knows(body.cuts):
        return None
    if target.identity == case.actor.identity:
        if body.role > case.role or body.role > target.role:
            return None
    elif not case.outranks(target) or not may_give(case.role, body.role):
        return None
    count = state.room.writer_count
    if state.writes(body.role) and not state.writes(target.role):
        count += len(target.devices)
        if count > MAX_WRITERS:
            return None
    elif state.writes(target.role) and not state.writes(body.role):
        count -= len(target.devices)
    cuts = case.cuts_of(target)
    # Also one that seems a rise: the target may have lowered itself unheard.
    lowered = tuple(
        Cut(place, device, length, body.role) for device, length in cuts.items()
    )
    ranks = (*target.ranks, Rank(place, body.role, cuts))
    member = replace(target, role=body.role, ranks=ranks)
    state.put(state.members, target.identity, member)
    state.put_room(replace(state.room, writer_count=count))
    return Effect(tuple(cuts.items()), lowered, force=case.role)


def remove(case: Case, body: Remove) -> Effect | None:
    """Somebody leaves, or is removed by a senior: perhaps for good.

    Who is out already can still be barred and banned, and what was written in secret
    before the own leaving is void.
    """
    state, place = case.state, case.place
    target = state.members.get(body.identity)
    if target is None or not case.act.knows(body.cuts):
        return None
    own = target.identity == case.actor.identity
    if own and body.ban:
        return None
    if not own and not (case.may(Right.REMOVE) and case.outranks(target)):
        return None
    cuts = case.cuts_of(target)
    member = target
    if not own:
        banned = place if body.ban else target.banned
        member = replace(member, barred=place, banned=banned)
    _put_out(case, member, member.devices)
    for device, length in cuts.items():
        _end(state, device, place, length)
    voided = _void(place, cuts.items())
    return Effect(tuple(cuts.items()), voided, force=case.role)


def unban(case: Case, body: Unban) -> Effect | None:
    """A ban is lifted, by whoever might pronounce it and knew of it."""
    state = case.state
    target = state.members.get(body.identity)
    if target is None or target.banned is None:
        return None
    if not case.may(Right.REMOVE) or not case.outranks(target):
        return None
    if not case.act.had_seen(target.banned.writer, target.banned.sequence):
        return None
    state.put(state.members, target.identity, replace(target, banned=None))
    return Effect()


def mute(case: Case, body: Mute) -> Effect | None:
    """A junior may not speak for a while, or may again."""
    target = case.state.members.get(body.identity)
    if target is None or not target.present or not case.act.knows(body.cuts):
        return None
    if not case.may(Right.MUTE) or not case.outranks(target):
        return None
    cuts = case.cuts_of(target)
    mutes = (*target.mutes, Muting(case.place, body.until_ms, cuts))
    case.state.put(case.state.members, target.identity, replace(target, mutes=mutes))
    return Effect(tuple(cuts.items()))


def remove_device(case: Case, body: RemoveDevice) -> Effect | None:
    """A device never comes back; its owner is out when it was the last one."""
    state, place = case.state, case.place
    owner = state.owner_of(body.device)
    if owner is None or case.act.length_of(body.device) != body.length:
        return None
    own = owner.identity == case.actor.identity
    if not own and not (case.may(Right.REMOVE_DEVICES) and case.outranks(owner)):
        return None
    if body.device in owner.devices:
        last = owner.devices == (body.device,)
        if last and not own:
            owner = replace(owner, barred=place)
        _put_out(case, owner, (body.device,))
    _end(state, body.device, place, body.length)
    revoked = replace(state.devices[body.device], revoked=True)
    state.put(state.devices, body.device, revoked)
    touched = ((body.device, body.length),)
    return Effect(touched, _void(place, touched), force=case.role)


def rest(case: Case, body: Rest) -> Effect | None:
    """A device that was silent for long holds nothing up until it is woken.

    What ended it unseen may be an entry of its own that this makes void.
    """
    state, place = case.state, case.place
    device = state.devices.get(body.device)
    if device is None or (device.resting and not _settles_rest(case, device)):
        return None
    end = device.tenures[-1].end
    left = end is not None and not device.resting
    if left and end is not None and case.act.had_seen(end.writer, end.sequence):
        return None
    if body.device == place.writer or not case.may(Right.REST):
        return None
    if case.act.length_of(body.device) != body.length:
        return None
    heard = max(case.act.clocks.get(body.device, 0), device.tenures[-1].start.clock)
    if place.clock - heard <= REST_AFTER_MS:
        return None
    light = not case.outranks(state.members[device.identity])
    if light and case.spared:
        return None
    _end(state, body.device, place, body.length)
    if device.inside:
        resting = replace(state.devices[body.device], resting=True, light=light)
        state.put(state.devices, body.device, resting)
    touched = ((body.device, body.length),)
    force = WEAK if light else case.role
    return Effect(touched, _void(place, touched, light=light), force=force)


def _settles_rest(case: Case, device: Device) -> bool:
    """True when a senior puts to rest what only juniors did: theirs might be void."""
    owner = case.state.members[device.identity]
    rested = device.ends[-1].place.writer
    author = case.state.owner_of(rested)
    if author is None or not case.outranks(owner):
        return False
    return (author.role, owner.joined) <= (owner.role, author.joined)


def wake(case: Case, body: Wake) -> Effect | None:
    """A resting device counts again from what it writes having seen this."""
    state, place = case.state, case.place
    device = state.devices.get(body.device)
    if device is None or not device.resting or body.device == place.writer:
        return None
    rested = device.tenures[-1].end
    assert rested is not None
    if not case.may(Right.REST):
        return None
    if not case.act.had_seen(rested.writer, rested.sequence):
        return None
    tenure = Tenure(place, (place.writer, place.sequence))
    tenures = (*device.tenures, tenure)
    woken = replace(device, tenures=tenures, resting=False, light=False)
    state.put(state.devices, body.device, woken)
    return Effect(((body.device, case.act.length_of(body.device)),))


def _void(
    place: Place, cuts: Iterable[tuple[bytes, int]], *, light: bool = False
) -> tuple[Cut, ...]:
    return tuple(Cut(place, device, length, None, light) for device, length in cuts)


def _end(state: State, device: bytes, place: Place, length: int) -> None:
    """Let nothing of a log count beyond a length until it is let in again."""
    old = state.devices[device]
    last = old.tenures[-1]
    tenures = old.tenures
    if last.end is None:
        tenures = (*tenures[:-1], last._replace(end=place))
    ends = old.ended(place, length)
    ended = replace(old, tenures=tenures, ends=ends, resting=False, light=False)
    state.put(state.devices, device, ended)


def _put_out(case: Case, member: Member, devices: tuple[bytes, ...]) -> None:
    """Take devices from somebody, and with the last one the membership."""
    state, room = case.state, case.state.room
    if state.writes(member.role):
        room = replace(room, writer_count=room.writer_count - len(devices))
    kept = tuple(it for it in member.devices if it not in devices)
    out = replace(member, devices=kept)
    if member.present and not kept:
        out = replace(out, present=False, left=case.place, left_ms=case.act.sent_at)
        room = replace(room, present_count=room.present_count - 1)
    state.put(state.members, member.identity, out)
    state.put_room(room)
