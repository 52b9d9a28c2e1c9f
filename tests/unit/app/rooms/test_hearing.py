"""Who has heard something says so, once and not at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.rooms import hearing
from app.rooms.operations import Acknowledge
from tests.unit.app.rooms.conftest import Open
from tests.unit.app.rooms.crowd import Crowd, begin, say
from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.people import ADA, BO
from tests.unit.app.rooms.test_exchange import let_in


def test_large_rooms_are_given_time() -> None:
    assert hearing.pause_s(2) == hearing.pause_s(9) == hearing.MIN_PAUSE_S
    assert hearing.pause_s(200) == 1_920
    assert hearing.pause_s(10_000) == hearing.MAX_PAUSE_S


@pytest.mark.parametrize("devices", [3, 8, 11, 12, 26, 50, 200, 1_000, 2_000])
def test_a_room_of_any_size_acknowledges_some_times_a_minute(devices: int) -> None:
    """Each device waits once to twice the pause, however much is said meanwhile."""
    a_minute = devices * 60 / (1.5 * hearing.pause_s(devices))
    assert a_minute <= (36 if devices < 26 else 6)


def test_only_what_others_said_is_acknowledged(tmp_path: Path) -> None:
    crowd = Crowd([ADA, BO], tmp_path)
    try:
        begin(crowd, 2)
        ada, bo = crowd.members
        crowd.link(ada, bo)
        crowd.settle()
        assert not ada.view.is_unheard
        assert bo.view.is_unheard
        bo.write(Acknowledge(), crowd.now)
        crowd.settle()
        assert not bo.view.is_unheard
        assert not ada.view.is_unheard, "nobody answers an acknowledgement"
        assert ada.view.length(bo.device) == 1
        say(ada, "hello", crowd.now)
        crowd.settle()
        assert bo.view.is_unheard
        say(bo, "hello yourself", crowd.now)
        assert not bo.view.is_unheard, "an answer says it as well"
        assert ada.texts() == ["hello"]
        crowd.settle()
        assert ada.texts() == bo.texts() == ["hello", "hello yourself"]
    finally:
        crowd.close()


async def test_a_room_acknowledges_by_itself(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "MIN_PAUSE_S", 0.01)
    wires = Wires()
    ada, bo = await opened("Ada"), await opened("Bo")
    wires.connect(ada, bo)
    await ada.create_room("Birds")
    await let_in(wires, ada, bo)
    [here], [there] = ada._rooms.values(), bo._rooms.values()
    await ada.send("Birds", "one")
    await ada.send("Birds", "two")
    mine = here.device

    def heard() -> bool:
        length = here.heads[mine].length
        view = here._view
        assert view is not None
        seen = view._timeline.linearizer.causality.current(there.device, mine)
        return seen == length

    await wires.until(heard)
    length = there.logs.length(there.device)
    turns = iter(range(200))
    await wires.until(lambda: next(turns, None) is None)
    assert there.logs.length(there.device) == length
    assert here.heads[mine].length == 5, "founding, invite, admission and two messages"
