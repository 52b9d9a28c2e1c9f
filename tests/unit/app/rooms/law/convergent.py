"""What two laws that know the same must say alike."""

from __future__ import annotations

from app.rooms.law import Law


def outcome(law: Law) -> tuple[object, ...]:
    """Everything that a law says of the room."""
    return (
        law.room,
        list(law.members.items()),
        list(law.devices.items()),
        list(law.invites.items()),
        law.stale_epoch,
        [(device, law.spans(device)) for device in law.devices],
    )
