"""What is printed of who holds a message."""

from __future__ import annotations

from app.cli.arguments import build_parser
from app.cli.delivery import member_object
from app.plain import from_plain, to_plain
from app.snapshots import DeliverySnapshot, DeviceDelivery, MemberDelivery

MEMBER = MemberDelivery(
    identity_key="aa",
    name="Bo",
    me=False,
    holding=1,
    devices=(DeviceDelivery("bb", "holds"), DeviceDelivery("cc", "waiting")),
    brought_by=("Cy",),
    waits_for=(),
    sentence="Bo has it on 1 of 2 devices; the others get it when they are online.",
)
FOUND = DeliverySnapshot(
    room="00",
    id="11",
    holding=1,
    devices=2,
    sentence="On 1 of 2 devices.",
    members=(MEMBER,),
)


def test_the_command_names_room_and_message() -> None:
    arguments = build_parser().parse_args(["delivery", "Birds", "ab12"])
    assert (arguments.command, arguments.room, arguments.id) == (
        "delivery",
        "Birds",
        "ab12",
    )


def test_an_object_has_every_device() -> None:
    assert member_object(FOUND, MEMBER) == {
        "id": "11",
        "identityKey": "aa",
        "name": "Bo",
        "holding": 1,
        "devices": [
            {"deviceKey": "bb", "state": "holds"},
            {"deviceKey": "cc", "state": "waiting"},
        ],
        "broughtBy": ["Cy"],
        "waitsFor": [],
        "sentence": MEMBER.sentence,
    }


def test_it_crosses_the_socket_whole() -> None:
    assert from_plain(DeliverySnapshot, to_plain(FOUND)) == FOUND
