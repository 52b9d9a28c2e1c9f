"""Acts that name lengths of logs which ended below."""

from __future__ import annotations

import pytest

from app.rooms.frozen import clipped, frozen_lengths
from app.rooms.operations.acts import (
    Act,
    CloseInvite,
    Mute,
    Remove,
    RemoveDevice,
    Rest,
    SetRole,
    Wake,
)
from app.rooms.roles import Role
from tests.unit.store.hypercore.test_fork_proof import made

ONE, TWO, ME = (letter * 32 for letter in (b"1", b"2", b"m"))
FROZEN = {ONE: 4}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (Remove(ME, ((ONE, 9), (TWO, 9))), Remove(ME, ((ONE, 4), (TWO, 9)))),
        (Remove(ME, ((ONE, 3),), ban=True), Remove(ME, ((ONE, 3),), ban=True)),
        (SetRole(ME, Role.ADMIN, ((ONE, 5),)), SetRole(ME, Role.ADMIN, ((ONE, 4),))),
        (Mute(ME, 7, ((ONE, 5),)), Mute(ME, 7, ((ONE, 4),))),
        (RemoveDevice(ONE, 5), RemoveDevice(ONE, 4)),
        (RemoveDevice(TWO, 5), RemoveDevice(TWO, 5)),
        (Rest(ONE, 4), Rest(ONE, 4)),
        (Rest(ONE, 5), Rest(ONE, 4)),
        (Wake(ONE), Wake(ONE)),
        (CloseInvite(ONE), CloseInvite(ONE)),
    ],
)
def test_lengths_end_where_the_log_does(body: Act, wanted: Act) -> None:
    assert clipped(body, FROZEN) == wanted
    assert clipped(body, {}) is body


def test_where_logs_end_is_read_from_what_proves_it() -> None:
    proofs = {ONE: made(6, 1, 2).encode(), TWO: made(0, 1, 1).encode()}
    assert frozen_lengths(proofs) == {ONE: 6, TWO: 0}
