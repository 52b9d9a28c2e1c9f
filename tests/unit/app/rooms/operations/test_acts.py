"""Acts as bytes: there and back, and what is refused on the way."""

from __future__ import annotations

import pytest

from app.rooms.operations import Operation, acts, decode_operation, encode_operation
from app.rooms.operations.acts import (
    AddDevice,
    CloseInvite,
    Invite,
    Mute,
    Profile,
    Remove,
    RemoveDevice,
    Rest,
    Rotate,
    SetRole,
    Settings,
    Unban,
    Wake,
)
from app.rooms.roles import Kind, Role
from net.encoding import Writer
from net.errors import RemoteProtocolError
from tests.unit.app.rooms.people import ADA, BO, admit, found

KEY = b"k" * 32
DEVICES = (b"1" * 32, b"2" * 32)
CUTS = ((b"1" * 32, 0), (b"2" * 32, 70_000))
EXAMPLES: list[acts.Act] = [
    found(),
    found(Kind.DIRECT),
    Invite(KEY, Role.MEMBER, 5, 1),
    Invite(KEY, Role.ADMIN, 0, 0, approval=True, own_devices=True),
    admit(1, BO),
    SetRole(KEY, Role.READER, CUTS),
    Remove(KEY, CUTS),
    Remove(KEY, (), ban=True),
    Rotate(b"e" * 16, DEVICES, b"sealed"),
    Mute(KEY, 0, CUTS),
    Unban(KEY),
    CloseInvite(KEY),
    AddDevice(ADA.proof),
    RemoveDevice(KEY, 3),
    Rest(KEY, 4),
    Wake(KEY),
    Settings(),
    Settings("Birds", "of a\nfeather", 0, Role.MODERATOR),
    Settings(retention_ms=86_400_000),
    Profile("Ada"),
    Profile("Ada", KEY, b"picture"),
]


def test_every_act_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == set(acts.ACT_TYPES)
    assert set(acts.WRITERS) == set(acts.ACT_TYPES)
    assert {number for number, _ in acts.WRITERS.values()} == set(acts.READERS)


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).__name__)
def test_acts_round_trip(body: acts.Act) -> None:
    operation = Operation(1_700_000_000_000, body)
    assert decode_operation(encode_operation(operation)) == operation


@pytest.mark.parametrize(
    "body",
    [
        Rotate(b"e" * 16, (KEY,) * (acts.MAX_SEALED_DEVICES + 1), b""),
        Remove(KEY, ((KEY, 1),) * (acts.MAX_CUT_DEVICES + 1)),
        Settings(description="x" * (acts.MAX_DESCRIPTION_BYTES + 1)),
        Profile("Ada", KEY, bytes(acts.MAX_PICTURE_BYTES + 1)),
    ],
    ids=lambda body: type(body).__name__,
)
def test_acts_are_bounded(body: acts.Act) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_operation(encode_operation(Operation(1, body)))


@pytest.mark.parametrize(
    "raw",
    [
        Writer().uint(3).uint(1).fixed(KEY, 32).uint(1).uint(0).uint(0).uint(4),
        Writer().uint(6).uint(1).fixed(KEY, 32).uint(0).uint(2),
        Writer().uint(16).uint(1).uint(16),
        Writer().uint(17).uint(1).string("Ada").uint(2),
    ],
    ids=["invite", "remove", "settings", "profile"],
)
def test_flags_of_a_newer_version_are_refused(raw: Writer) -> None:
    with pytest.raises(RemoteProtocolError, match="newer version"):
        decode_operation(raw.finish())


def test_descriptions_steer_no_terminal() -> None:
    sent = Operation(1, Settings(description="\x1b[2Jof a\r\nfeather\n"))
    assert decode_operation(encode_operation(sent)).body == Settings(
        description="[2Jof a\nfeather"
    )
