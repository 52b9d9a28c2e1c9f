"""The rules of a room: pure, and the same wherever the same acts are known."""

from __future__ import annotations

from app.rooms.law.act import Act, admission_signable, authentic
from app.rooms.law.admissions import MAX_INVITES, MAX_MEMBERS, MAX_WRITERS
from app.rooms.law.case import CUTTING
from app.rooms.law.law import Changes, FirstThatSaw, Law
from app.rooms.law.quota import (
    MAX_ACTS,
    MAX_FOUNDER_ACTS,
    MAX_ROTATIONS,
    SPARE_REMOVALS,
)
from app.rooms.law.sanctions import REST_AFTER_MS
from app.rooms.law.state import Device, Epoch, Host, InviteState, Member, Room

__all__ = [
    "CUTTING",
    "MAX_ACTS",
    "MAX_FOUNDER_ACTS",
    "MAX_INVITES",
    "MAX_MEMBERS",
    "MAX_ROTATIONS",
    "MAX_WRITERS",
    "REST_AFTER_MS",
    "SPARE_REMOVALS",
    "Act",
    "Changes",
    "Device",
    "Epoch",
    "FirstThatSaw",
    "Host",
    "InviteState",
    "Law",
    "Member",
    "Room",
    "admission_signable",
    "authentic",
]
