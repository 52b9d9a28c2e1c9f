"""What entries of a room say: acts (who is who) and contents (what people say)."""

from __future__ import annotations

from app.rooms.operations.acts import (
    ACT_TYPES,
    MAX_CUT_DEVICES,
    Act,
    Admit,
    Found,
    Invite,
    Remove,
    SetRole,
)
from app.rooms.operations.codec import (
    Acknowledge,
    Body,
    Operation,
    Unknown,
    decode_operation,
    encode_operation,
)
from app.rooms.operations.contents import MAX_TEXT_BYTES, Content, Message
from app.rooms.operations.values import MAX_NAME_BYTES, read_name

__all__ = [
    "ACT_TYPES",
    "MAX_CUT_DEVICES",
    "MAX_NAME_BYTES",
    "MAX_TEXT_BYTES",
    "Acknowledge",
    "Act",
    "Admit",
    "Body",
    "Content",
    "Found",
    "Invite",
    "Message",
    "Operation",
    "Remove",
    "SetRole",
    "Unknown",
    "decode_operation",
    "encode_operation",
    "read_name",
]
