"""Logs that somebody unknown brings: what comes after the part that tells who it is."""

from __future__ import annotations

from tests.unit.app.rooms.joined import Wires
from tests.unit.app.rooms.test_exchange import Make, heard, let_in, person

__all__ = ["person"]


async def test_what_follows_an_admission_comes_as_well(person: Make) -> None:
    """The newcomer is a member in the middle of what it brings."""
    ada, bo, cy = [await person(name) for name in ("Ada", "Bo", "Cy")]
    wires = Wires()
    await ada.create_room("Birds")
    wires.connect(ada, bo)
    await let_in(wires, ada, bo)
    wires.cut(ada, bo)
    wires.connect(ada, cy)
    await let_in(wires, ada, cy)
    words = [str(number) for number in range(150)]
    for word in words:
        await ada.send("Birds", word)
    [hers] = cy._rooms.values()
    writer = ada._profile.device.public_key
    await wires.until(lambda: hers.heads[writer].length == len(words) + 5)
    wires.cut(ada, cy)
    wires.connect(bo, cy)
    [his] = bo._rooms.values()

    def newest() -> str:
        last = his.snapshot().last_message
        return last.text if last is not None else ""

    await wires.until(lambda: newest() == words[-1])
    assert [m.text for m in await bo.history("Birds", limit=999)] == words
    await heard(wires, cy, bo, "here I am")
    await heard(wires, bo, cy, "welcome")
