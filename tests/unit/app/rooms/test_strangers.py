"""Peers that hold the room key and are no members: what they may bring and learn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.rooms import effects, messages, replication
from app.rooms.messages import DEVICE, HAVE, SIGNED, RemoteHead
from app.rooms.operations import Remove
from app.rooms.replication import SessionState
from tests.unit.app.rooms.crowd import Crowd, LinkEnd, begin, say, told
from tests.unit.app.rooms.people import ADA, BO, CY, DI, admit

PEOPLE = [ADA, BO, CY, DI]


def closed_for(end: LinkEnd) -> str:
    """Why an end closed."""
    while (effect := end.session.next_effect()) is not None:
        if isinstance(effect, effects.Ended):
            return effect.reason
    return ""


def stranger_link(crowd: Crowd) -> tuple[LinkEnd, LinkEnd]:
    """Di, whom nobody let in, holds the room key and is connected to Bo."""
    ada, bo, _, di = crowd.members
    first, _ = crowd.link(ada, bo)
    crowd.settle()
    crowd.cut(first)
    theirs, ours = crowd.link(di, bo)
    crowd.settle()
    crowd.ends.remove(theirs)
    return theirs, ours


@pytest.fixture
def open_crowd(tmp_path: Path) -> Iterator[Crowd]:
    """Ada, Bo and Cy in the room, and Di who only holds its key."""
    made = Crowd(PEOPLE, tmp_path)
    begin(made, 3)
    yield made
    made.close()


@pytest.mark.parametrize("length", [1, 4, 300, 1 << 31])
def test_a_stranger_learns_nothing_from_what_it_is_asked(
    open_crowd: Crowd, length: int
) -> None:
    """The same questions whatever is here, one after the other."""
    for number in range(2):
        if number:
            say(open_crowd.members[0], "more", open_crowd.now)
        theirs, ours = stranger_link(open_crowd)
        heads = [
            RemoteHead(who.device.public_key, 0, length, b"h" * 32) for who in (ADA, BO)
        ]
        told(ours, open_crowd, HAVE, messages.encode_have(heads))
        start = max(0, length - replication.MAX_VISITED)
        asked = effects.Visit(ADA.device.public_key, start, length)
        assert ours.visits == [asked]
        assert not ours.attached, "the logs here are not opened for a stranger"
        assert not any(kind in (HAVE, SIGNED) for kind, _ in theirs.inbox)
        ours.visit = None
        ours.session.visit_over(asked, open_crowd.now)
        told(ours, open_crowd, HAVE, messages.encode_have(heads))
        assert [visit.writer for visit in ours.visits] == [
            ADA.device.public_key,
            BO.device.public_key,
        ]
        open_crowd.ends.append(theirs)
        open_crowd.cut(theirs)


def test_a_stranger_is_served_nothing(open_crowd: Crowd) -> None:
    theirs, ours = stranger_link(open_crowd)
    for who in (ADA, BO):
        ours.inbox.append(("open", (who.device.public_key, 1)))
    while ours.busy:
        open_crowd.step(ours)
    assert ours.session.state is SessionState.OPEN
    assert not ours.attached
    assert [kind for kind, _ in theirs.inbox if kind not in (DEVICE, "reject")] == []


def test_who_is_removed_meanwhile_visits_nobody_any_more(open_crowd: Crowd) -> None:
    """Who is no member fetches in the open: not while a visit has the same log."""
    ada, bo, *_ = open_crowd.members
    _, ours = stranger_link(open_crowd)
    head = RemoteHead(ADA.device.public_key, 0, 1 << 31, b"h" * 32)
    told(ours, open_crowd, HAVE, messages.encode_have([head]))
    assert ours.visit is not None
    ada.write(Remove(BO.identity.public_key, ()), open_crowd.now)
    bo.take(ADA.device.public_key, ada.logs[ADA.device.public_key][-1:], open_crowd.now)
    seen = [type(each) for each in ours.session._effects]
    assert seen.index(effects.StopVisit) < seen.index(effects.Attach)


def test_a_stranger_that_brings_nothing_blocks_nobody(open_crowd: Crowd) -> None:
    ada, bo, *_ = open_crowd.members
    _, ours = stranger_link(open_crowd)
    head = RemoteHead(ADA.device.public_key, 0, 1 << 31, b"h" * 32)
    told(ours, open_crowd, HAVE, messages.encode_have([head]))
    say(ada, "through", open_crowd.now)
    open_crowd.link(ada, bo)
    open_crowd.settle()
    assert bo.texts() == ["through"]


def test_a_stranger_has_a_limited_time(open_crowd: Crowd) -> None:
    _, ours = stranger_link(open_crowd)
    due = ours.session.get_timer()
    assert due == open_crowd.now + replication.STRANGER_LIMIT_S
    ours.session.handle_timer(due)
    assert closed_for(ours) == "stranger"


def test_a_stranger_brings_the_end_of_a_long_log(open_crowd: Crowd) -> None:
    """Bo has some of Ada's long log; only Cy, unknown to him, has its end."""
    ada, bo, _, di = open_crowd.members
    for number in range(300):
        say(ada, str(number), open_crowd.now)
    first, _ = open_crowd.link(ada, bo)
    open_crowd.settle()
    open_crowd.cut(first)
    ada.write(admit(1, DI), open_crowd.now)
    second, _ = open_crowd.link(ada, di)
    open_crowd.settle()
    open_crowd.cut(second)
    say(di, "let me in", open_crowd.now)
    open_crowd.link(di, bo)
    open_crowd.settle()
    assert bo.texts()[-1] == "let me in"
