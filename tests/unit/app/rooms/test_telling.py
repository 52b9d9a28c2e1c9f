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
