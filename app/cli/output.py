"""What the command line prints: objects for programs, lines for people.

Names and texts come from others: nothing that a terminal would obey is printed raw.
"""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata
from datetime import datetime
from typing import Any

from app.snapshots import (
    MemberSnapshot,
    MessageSnapshot,
    PollSnapshot,
    RoomSnapshot,
)

UNPRINTABLE = "\ufffd"
_HIDDEN_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_DIRECTION_MARKS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e")
_DIRECTION_ISOLATES = frozenset("\u2066\u2067\u2068\u2069")
_MISLEADING = _DIRECTION_MARKS | _DIRECTION_ISOLATES
_CONTINUED = "\n    "
MAX_QUOTED_CHARS = 40
"""Of what a message answers."""
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
"""Control characters that JSON need not escape, but some terminals obey."""


class Output:
    """Prints results; with ``json`` one object a line and nothing else on stdout."""

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def put(self, value: dict[str, Any], text: str) -> None:
        """One result: the object, or the line for people."""
        if self.json:
            line = json.dumps(value, ensure_ascii=False).translate(_JSON_ESCAPES)
        else:
            line = printable(text)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def tell(self, text: str) -> None:
        """Something for people only, beside the results."""
        if not self.json:
            sys.stdout.write(printable(text) + "\n")
            sys.stdout.flush()


def warn(text: str) -> None:
    """One sentence on stderr."""
    sys.stderr.write(one_line(text) + "\n")
    sys.stderr.flush()


def prepare_stdout(*, json: bool) -> None:
    """Let every text be printed, whatever the terminal's encoding: JSON is UTF-8."""
    # A program without a console, or a shell's ">&-", leaves no stream at all.
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(os.devnull, "w"))
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(os.devnull, "w"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = "utf-8" if json else sys.stdout.encoding
        sys.stdout.reconfigure(encoding=encoding, errors="replace")


def printable(text: str) -> str:
    """The text without what moves a terminal's cursor or turns its direction."""
    return "".join(
        UNPRINTABLE
        if c != "\n"
        and (c in _MISLEADING or unicodedata.category(c) in _HIDDEN_CATEGORIES)
        else c
        for c in text.replace("\r\n", "\n").replace("\t", "    ")
    )


def one_line(text: str) -> str:
    """The same for names: no line breaks either."""
    return printable(text.replace("\n", " "))


def room_object(room: RoomSnapshot) -> dict[str, Any]:
    """A room as ``covey rooms --json`` prints it.

    Left out are unread mentions where there are none, how far its history is
    verified where it is, and the farewell while this person is in.
    """
    verifying = {
        "verifying": True,
        "verifiedShare": round(room.verified_share, 3),
        "trustedName": room.trusted_name,
    }
    return {
        "room": room.room,
        "name": room.name,
        "kind": room.kind,
        "unread": room.unread,
        "members": room.members,
        "peers": room.peers,
        **({"mentions": room.mentions} if room.mentions else {}),
        **({"farewell": room.farewell} if room.farewell else {}),
        **(verifying if room.verifying else {}),
    }


def verifying_words(room: RoomSnapshot) -> str:
    """How far a room's history is verified, and who is believed meanwhile."""
    words = f"history being verified: {int(100 * room.verified_share)} %"
    if room.trusted_name:
        words += f", the rest as {one_line(room.trusted_name)} tells it"
    return words


def member_object(member: MemberSnapshot) -> dict[str, Any]:
    """A member as ``covey room members --json`` prints it."""
    return {
        "identityKey": member.identity_key,
        "name": member.name,
        "role": member.role,
        "devices": member.devices,
        "online": member.online,
        "forked": member.forked,
    }


def message_object(message: MessageSnapshot) -> dict[str, Any]:
    """A message as ``covey history --json`` prints it.

    What is there in few messages only is left out of the others.
    """
    poll, reply = message.poll, message.reply
    seldom = {
        "kind": "" if message.kind == "message" else message.kind,
        "pinned": message.pinned,
        "thread": message.thread,
        "threadSize": message.thread_size,
        "reply": None
        if reply is None
        else {
            "author": reply.author,
            "authorName": reply.author_name,
            "text": reply.text,
            "deleted": reply.deleted,
        },
        "mentions": list(message.mentions),
        "mentionsMe": message.mentions_me,
        "reactions": [
            {"emoji": it.emoji, "count": it.count, "mine": it.mine}
            for it in message.reactions
        ],
        "poll": None if poll is None else poll_object(poll),
        "forwardedFrom": message.forwarded_from,
        "expiresAt": message.expires_at,
        "unverified": not message.verified,
    }
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
        **{name: value for name, value in seldom.items() if value},
    }


def poll_object(poll: PollSnapshot) -> dict[str, Any]:
    """A poll as a part of ``message_object``."""
    return {
        "options": [
            {"text": it.text, "count": it.count, "mine": it.mine} for it in poll.options
        ],
        "multiple": poll.multiple,
        "closesAt": poll.closes_at,
        "voters": poll.voters,
    }


def message_line(message: MessageSnapshot) -> str:
    """A message for people."""
    try:
        at = datetime.fromtimestamp(message.sent_at / 1000).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        at = "????-??-?? ??:??"
    # Indented, so that no line of a text looks like a message of somebody else.
    text = printable(_words(message)).replace("\n", _CONTINUED)
    doubt = "" if message.verified else " (not verified)"
    author = one_line(message.author_name) or message.author[:8]
    return f"{printable(message.id[:8])}  {at}  {author}{doubt}: {text}"


def _words(message: MessageSnapshot) -> str:
    """What stands behind a message's author."""
    if message.deleted:
        return "(deleted)"
    if message.kind == "newer":
        return "(update Covey to see this)"
    text = message.text
    if message.forwarded_from is not None:
        text = f"(forwarded from {message.forwarded_from}) {text}"
    if (reply := message.reply) is not None:
        said = "(deleted)" if reply.deleted else one_line(reply.text)
        if len(said) > MAX_QUOTED_CHARS:
            said = said[: MAX_QUOTED_CHARS - 1] + "\u2026"
        text = f"(to {one_line(reply.author_name)}: {said}) {text}"
    if message.edited:
        text += " (edited)"
    if message.pinned:
        text += " (pinned)"
    if message.thread_size:
        text += f" ({message.thread_size} in its thread)"
    for number, option in enumerate(message.poll.options if message.poll else (), 1):
        mine = "*" if option.mine else " "
        text += f"\n{number}.{mine} {one_line(option.text)}: {option.count}"
    if message.reactions:
        text += "\n" + "  ".join(f"{it.emoji} {it.count}" for it in message.reactions)
    return text
