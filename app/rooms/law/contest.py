"""Ends that may yet turn out void, by what the one they end wrote before, unheard.

Who is ended by somebody senior cannot undo that: whatever they did to anybody counts
only if they might, and what the senior did stands (``history``). So of a chain of
people who each ended the next one the most senior's act holds, heard or not. That
rests on who was senior all the while: ranks that changed meanwhile leave it open. It
rests on the act as well: while that may still be judged otherwise, nothing stands.
"""

from __future__ import annotations

from app.rooms.law.state import BEGINNING, Member, State, Tenure
from app.rooms.roles import Kind
from store.autobase import Place


def standing_end(
    state: State, device: bytes, tenure: Tenure, *, since: Place | None
) -> Place | None:
    """What ended a device so that nothing it did unheard makes that void.

    Args:
        state: Behind all acts.
        device: One that was let in.
        tenure: Of it, with an end.
        since: Nothing unheard stands up to there; None for the beginning.

    Returns:
        The first such act, perhaps later than the tenure's end; None without any.
    """
    assert tenure.end is not None
    target = state.owner_of(device)
    if tenure.end.writer == device or target is None:
        return tenure.end
    for end in state.devices[device].ends:
        author = state.owner_of(end.place.writer)
        if end.place < tenure.start or author is None:
            continue
        if was_senior(state, author, target, since or BEGINNING):
            return end.place
    return None


def was_senior(state: State, one: Member, other: Member, since: Place) -> bool:
    """Whether one person was senior to another at every place behind one."""
    if one.identity == other.identity or state.room.kind is Kind.DIRECT:
        return False
    low, high = min(_roles(one, since)), max(_roles(other, since))
    if low != high:
        return low > high
    first = min(rank.since for rank in other.ranks if rank.fresh)
    return one.joined < first


def _roles(member: Member, since: Place) -> list[int]:
    """The ranks somebody had from a place on."""
    roles = [int(rank.role) for rank in member.ranks if rank.since > since]
    before = [int(rank.role) for rank in member.ranks if rank.since <= since]
    return roles + before[-1:]
