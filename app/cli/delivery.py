"""On which devices a message is, on the command line: one member a line."""

from __future__ import annotations

from typing import Any

from app.cli.access import connect
from app.cli.entry import Context
from app.cli.output import one_line
from app.snapshots import DeliverySnapshot, MemberDelivery


async def run(context: Context) -> int:
    """Print who has a message."""
    arguments = context.arguments
    async with await connect(context) as me:
        found = await me.delivery(arguments.room, arguments.id)
    context.output.tell(found.sentence)
    for member in found.members:
        context.output.put(member_object(found, member), one_line(member.sentence))
    if found.left_out:
        context.output.tell(f"Not listed: {found.left_out} more members.")
    return 0


def member_object(found: DeliverySnapshot, member: MemberDelivery) -> dict[str, Any]:
    """A member as ``covey delivery --json`` prints it."""
    return {
        "id": found.id,
        "identityKey": member.identity_key,
        "name": member.name,
        "holding": member.holding,
        "devices": [
            {"deviceKey": device.device_key, "state": device.state}
            for device in member.devices
        ],
        "broughtBy": list(member.brought_by),
        "waitsFor": list(member.waits_for),
        "sentence": member.sentence,
    }
