"""What is told of logs waits for more, and travels together."""

from __future__ import annotations

import asyncio
from math import inf

from app.rooms.facts import RoomFacts
from app.rooms.intake import Intake
from app.rooms.roles import Kind
from app.rooms.telling import Telling
from app.rooms.view import Applied

ADA, BO = b"a" * 32, b"b" * 32


def test_everything_goes_when_the_first_is_due() -> None:
    telling = Telling()
    assert telling.due_at == inf
    telling.add(ADA, 60.0)
    assert telling.due_at == 60.0
    telling.add(BO, 5.0)
    telling.add(ADA, 70.0)
    assert telling.due_at == 5.0
    assert telling.take() == (ADA, BO)
    assert telling.due_at == inf
    assert telling.take() == ()


def test_what_the_peer_has_by_itself_is_put_off() -> None:
    telling = Telling()
    telling.put_off(ADA, 60.0)
    assert telling.due_at == inf, "nothing was to be told"
    telling.add(ADA, 1.0)
    telling.add(BO, 5.0)
    telling.put_off(ADA, 60.0)
    assert telling.due_at == 5.0
    telling.put_off(BO, 2.0)
    assert telling.due_at == 5.0, "only later"
    telling.add(ADA, 3.0)
    assert telling.due_at == 3.0
    assert telling.take() == (ADA, BO)


def test_only_what_shows_nothing_new_is_quiet() -> None:
    seen: list[tuple[bytes, bool]] = []

    async def derive(applied: Applied) -> None:
        logs = RecordingLogs(seen)
        intake = Intake(logs, lambda _: _done(applied), lambda: 0)  # type: ignore[arg-type]
        await intake.derive(ADA, 0, [b"block"])

    said = [
        Applied(ADA, 1),
        Applied(ADA, 1, changed_count=1),
        Applied(ADA, 1, clear=True),
        Applied(ADA, 1, facts=RoomFacts(kind=Kind.GROUP, name="Birds")),
    ]
    for applied in said:
        asyncio.run(derive(applied))
    assert seen == [(ADA, True), (ADA, False), (ADA, False), (ADA, False)]


class RecordingLogs:
    """Hears what an intake lets peers know."""

    def __init__(self, seen: list[tuple[bytes, bool]]) -> None:
        self.device = BO
        self.derived: dict[bytes, int] = {}
        self._seen = seen

    def settle(self, writer: bytes, *, held: bool = False, quiet: bool = False) -> None:
        assert not held
        self._seen.append((writer, quiet))


async def _done(applied: Applied) -> Applied:
    return applied
