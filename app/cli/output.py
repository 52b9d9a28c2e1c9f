"""What the command line prints: objects for programs, lines for people."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from app.snapshots import MemberSnapshot, MessageSnapshot, RoomSnapshot


class Output:
    """Prints results; with ``json`` one object a line and nothing else on stdout."""

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def put(self, value: dict[str, Any], text: str) -> None:
        """One result: the object, or the line for people."""
        line = json.dumps(value, ensure_ascii=False) if self.json else text
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def tell(self, text: str) -> None:
        """Something for people only, beside the results."""
        if not self.json:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


def warn(text: str) -> None:
    """One sentence on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def room_object(room: RoomSnapshot) -> dict[str, Any]:
    """A room as ``covey rooms --json`` prints it."""
    return {
        "room": room.room,
        "name": room.name,
        "kind": room.kind,
        "unread": room.unread,
        "members": room.members,
        "peers": room.peers,
    }


def member_object(member: MemberSnapshot) -> dict[str, Any]:
    """A member as ``covey room members --json`` prints it."""
    return {
        "identityKey": member.identity_key,
        "name": member.name,
        "role": member.role,
        "devices": member.devices,
        "online": member.online,
    }


def message_object(message: MessageSnapshot) -> dict[str, Any]:
    """A message as ``covey history --json`` prints it."""
    return {
        "id": message.id,
        "room": message.room,
        "author": message.author,
        "authorName": message.author_name,
        "text": message.text,
        "sentAt": message.sent_at,
        "replyTo": message.reply_to,
        "edited": message.edited,
        "deleted": message.deleted,
    }


def message_line(message: MessageSnapshot) -> str:
    """A message for people."""
    try:
        at = datetime.fromtimestamp(message.sent_at / 1000).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        at = "????-??-?? ??:??"
    text = "".join(
        c if c.isprintable() or c == "\n" else "\ufffd" for c in message.text
    )
    return f"{at}  {message.author_name or message.author[:8]}: {text}"
