"""What is told of logs waits for more, and travels together."""

from __future__ import annotations

from math import inf

from app.rooms.telling import Telling

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
