"""The command line's grammar; what the commands do stands in their own modules."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version

from app.cli import direct, moderation
from app.log import LEVELS
from app.rooms.roles import KIND_WORDS, ROLE_WORDS

_Add = Callable[[str, str], argparse.ArgumentParser]
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def build_parser() -> argparse.ArgumentParser:
    """The parser of everything ``covey`` understands."""
    common = _common()
    parser = argparse.ArgumentParser(
        prog="covey",
        description="A messenger without servers. Alone it opens its window.",
        parents=[common],
    )
    parser.add_argument(
        "--demo-side", choices=["left", "right"], help=argparse.SUPPRESS
    )
    parser.add_argument("--version", action="version", version=f"covey {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help, parents=[common])

    _add_profile_commands(add)
    _add_message_commands(add)
    _add_device_commands(add, common)
    _add_change_commands(add, common)
    _add_room_commands(add, common)
    _add_audit_commands(add, common)
    direct.add_commands(add, common, _seconds)
    _add_network_commands(add, common)
    demo = add("demo", "two windows, two fresh profiles and a network of their own")
    demo.add_argument("--headless", action="store_true", help=argparse.SUPPRESS)
    gallery = add("gallery", "draw every screen of the window into pictures")
    gallery.add_argument("--out", required=True, metavar="DIR", help="where to")
    gallery.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="this screen"
    )
    return parser


def _common() -> argparse.ArgumentParser:
    """Options that may stand before and after the command."""
    parser = argparse.ArgumentParser(
        add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False
    )
    parser.add_argument("--profile", metavar="DIR", help="the profile's folder")
    parser.add_argument(
        "--bootstrap",
        metavar="HOST:PORT[,...]",
        help="nodes to join the network at; also COVEY_BOOTSTRAP",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object a line"
    )
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="its first line unlocks the profile; also COVEY_PASSPHRASE_FILE",
    )
    parser.add_argument("--log-level", choices=LEVELS)
    return parser


def _add_profile_commands(add: _Add) -> None:
    init = add("init", "make a profile")
    init.add_argument("--name", required=True, help="what others see")
    init.add_argument(
        "--restore-phrase-file", metavar="F", help="the 24 words of an identity"
    )
    add("whoami", "who this profile is").add_argument(
        "--safety", metavar="NAME", help="the digits to compare with somebody"
    )
    serve = add("serve", "a headless messenger, until SIGTERM")
    serve.add_argument("--launched", action="store_true", help=argparse.SUPPRESS)
    serve.add_argument("--until-idle", action="store_true", help=argparse.SUPPRESS)
    serve.add_argument(
        "--passphrase-stdin", action="store_true", help=argparse.SUPPRESS
    )
    add("doctor", "what stands in the way, in one sentence").add_argument(
        "--report", metavar="FILE", help="write the facts there"
    )


def _add_message_commands(add: _Add) -> None:
    add("rooms", "the rooms of this profile")
    send = add("send", "write a message")
    send.add_argument("room", metavar="ROOM")
    send.add_argument("text", metavar="TEXT")
    send.add_argument("--reply", metavar="ID", help="the message it answers")
    send.add_argument("--thread", metavar="ID", help="the message it hangs on")
    send.add_argument(
        "--lifetime", type=_duration_ms, metavar="1d", help="then it disappears"
    )
    send.add_argument(
        "--at", type=_at_ms, metavar="TIME", help="2026-01-31T12:30, or 2h from now"
    )
    send.add_argument("--wait", choices=["delivered"])
    send.add_argument("--timeout", type=_seconds, metavar="S")
    history = add("history", "read messages, oldest first")
    history.add_argument("room", metavar="ROOM")
    history.add_argument("--limit", type=_count, default=50, metavar="N")
    history.add_argument("--before", metavar="ID")
    history.add_argument("--after", metavar="ID")
    history.add_argument("--around", metavar="ID")
    history.add_argument("--thread", metavar="ID", help="what hangs on a message")
    history.add_argument("--pins", action="store_true", help="what is pinned")
    history.add_argument(
        "--mark-read", action="store_true", help="count what is shown as read"
    )
    delivery = add("delivery", "on which devices a message is")
    delivery.add_argument("room", metavar="ROOM")
    delivery.add_argument("id", metavar="ID")
    add("follow", "print messages as they come").add_argument("room", metavar="ROOM")
    search = add("search", "find messages in all rooms, newest first")
    search.add_argument("query", metavar="QUERY", help='words, or a "phrase"')
    search.add_argument("--room", metavar="ROOM", help="only there")
    search.add_argument(
        "--from", dest="author", metavar="NAME", help="a member's name or identity key"
    )
    search.add_argument(
        "--since", type=_since_ms, metavar="DATE", help="2026-01-31, or with T12:30"
    )
    search.add_argument(
        "--until", type=_until_ms, metavar="DATE", help="up to the end of that day"
    )
    search.add_argument("--has-file", action="store_true", help="with a file")
    search.add_argument("--limit", type=_count, default=50, metavar="N")
    search.add_argument(
        "--best", action="store_true", help="what fits best comes first"
    )


def _add_change_commands(add: _Add, common: argparse.ArgumentParser) -> None:
    poll = add("poll", "ask something with answers to choose from")
    poll.add_argument("room", metavar="ROOM")
    poll.add_argument("question", metavar="QUESTION")
    poll.add_argument("options", metavar="OPTION", nargs="+")
    poll.add_argument("--multiple", action="store_true", help="several may be chosen")
    poll.add_argument(
        "--closes", type=_duration_ms, metavar="1d", help="when votes end"
    )
    draft = add("draft", "read or keep what is not said yet in a room")
    draft.add_argument("room", metavar="ROOM")
    draft.add_argument("text", metavar="TEXT", nargs="?")
    message = add("message", "change what was said")
    actions = message.add_subparsers(dest="action", metavar="ACTION", required=True)

    def act(name: str, help: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=help, description=help, parents=[common])
        made.add_argument("room", metavar="ROOM")
        return made

    edit = act("edit", "say an own message in other words")
    edit.add_argument("id", metavar="ID")
    edit.add_argument("text", metavar="TEXT")
    delete = act("delete", "let messages go everywhere")
    delete.add_argument("ids", metavar="ID", nargs="+")
    react = act("react", "put a sign under a message")
    react.add_argument("id", metavar="ID")
    react.add_argument("emoji", metavar="EMOJI")
    react.add_argument("--off", action="store_true", help="take it away")
    responses = act("responses", "who put which signs under a message, or chose what")
    responses.add_argument("id", metavar="ID")
    pin = act("pin", "put a message where all find it")
    pin.add_argument("id", metavar="ID")
    pin.add_argument("--off", action="store_true", help="take it away from there")
    forward = act("forward", "say a message again in another room")
    forward.add_argument("id", metavar="ID")
    forward.add_argument("to", metavar="OTHER_ROOM")
    vote = act("vote", "choose answers of a poll by their numbers from 1 on")
    vote.add_argument("id", metavar="ID")
    vote.add_argument(
        "choices", metavar="N", nargs="*", type=_count, help="none: take it back"
    )
    said = "what waits for its time"
    scheduled = actions.add_parser(
        "scheduled", help=said, description=said, parents=[common]
    )
    scheduled.add_argument("room", metavar="ROOM", nargs="?")
    said = "do not send what waits for its time"
    cancel = actions.add_parser("cancel", help=said, description=said, parents=[common])
    cancel.add_argument("id", metavar="ID")


def _add_room_commands(add: _Add, common: argparse.ArgumentParser) -> None:
    room = add("room", "make rooms, let people in, leave")
    actions = room.add_subparsers(dest="action", metavar="ACTION", required=True)

    def act(name: str, help: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=help, description=help, parents=[common])

    new = act("new", "make a room")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--kind", choices=list(KIND_WORDS), default="group")
    invite = act("invite", "make an invite link")
    invite.add_argument("room", metavar="ROOM")
    roles = [word for word in ROLE_WORDS if word != "owner"]
    invite.add_argument("--role", choices=roles, default="member")
    invite.add_argument("--expires", type=_duration_ms, metavar="1d")
    invite.add_argument("--uses", type=_count, metavar="N")
    invite.add_argument(
        "--approve", action="store_true", help="let nobody in before a person agrees"
    )
    invite.add_argument("--qr", action="store_true", help="print a QR code as well")
    revoke = act("revoke", "let an invite let nobody in any more")
    revoke.add_argument("link", metavar="LINK")
    join = act("join", "join a room by its invite link")
    join.add_argument("link", metavar="LINK")
    join.add_argument("--timeout", type=_seconds, metavar="S")
    for name, help in (("members", "who is in a room"), ("leave", "leave a room")):
        act(name, help).add_argument("room", metavar="ROOM")
    act("requests", "who waits to be let in").add_argument("room", metavar="ROOM")
    for name, help in (("approve", "let in who waits"), ("deny", "decline who waits")):
        decide = act(name, help)
        decide.add_argument("room", metavar="ROOM")
        decide.add_argument("id", metavar="ID")
    moderation.add_commands(act, _duration_ms)


def _add_device_commands(add: _Add, common: argparse.ArgumentParser) -> None:
    device = add("device", "have several devices")
    actions = device.add_subparsers(dest="action", metavar="ACTION", required=True)

    def act(name: str, help: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=help, description=help, parents=[common])

    link = act("link", "make a link for another device, and wait for it")
    link.add_argument("--qr", action="store_true", help="print a QR code as well")
    join = act("join", "make a fresh profile a device of who made a link")
    join.add_argument("link", metavar="LINK")
    join.add_argument("--name", metavar="NAME", help="the device's; its own when left")
    join.add_argument("--timeout", type=_seconds, metavar="S")
    act("list", "your devices")
    revoke = act("revoke", "put a device out of everything, for ever")
    revoke.add_argument("device", metavar="DEVICE", help="its key, or its name")


def _add_audit_commands(add: _Add, common: argparse.ArgumentParser) -> None:
    audit = add("audit", "who did what in a room, with proofs")
    actions = audit.add_subparsers(dest="action", metavar="ACTION", required=True)
    said = "write every administrative act of a room into a new file"
    export = actions.add_parser("export", help=said, description=said, parents=[common])
    export.add_argument("room", metavar="ROOM")
    export.add_argument("file", metavar="FILE")
    said = "check such a file: without the room, a profile or the network"
    verify = actions.add_parser("verify", help=said, description=said, parents=[common])
    verify.add_argument("file", metavar="FILE")


def _add_network_commands(add: _Add, common: argparse.ArgumentParser) -> None:
    dht = add("dht", "a node of the network, until SIGTERM")
    dht.add_argument(
        "--host", metavar="H", help="0.0.0.0, or 127.0.0.1 for an isolated one"
    )
    dht.add_argument("--port", type=_port, default=49737, metavar="P")
    dht.add_argument(
        "--isolated", action="store_true", help="the first node of a network of its own"
    )
    net = add("net", "encrypted streams between keys")
    actions = net.add_subparsers(dest="action", metavar="ACTION", required=True)
    listen = actions.add_parser("listen", parents=[common], help="wait for a stream")
    listen.add_argument("--seed", metavar="HEX", help="32 bytes that give the key")
    listen.add_argument("--echo", action="store_true", help="send back what comes")
    listen.add_argument("--relay-through", metavar="KEY", help=argparse.SUPPRESS)
    connect = actions.add_parser("connect", parents=[common], help="open a stream")
    connect.add_argument("public_key", metavar="PUBLIC_KEY")
    connect.add_argument("--relay-through", metavar="KEY", help=argparse.SUPPRESS)


def _version() -> str:
    try:
        return version("covey")
    except PackageNotFoundError:
        return "unknown"


def _duration_ms(text: str) -> int:
    match = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError("a duration like 30m, 12h or 1d is wanted")
    return int(match[1]) * _UNITS_S[match[2]] * 1000


def _at_ms(text: str) -> int:
    """A moment, or a duration from now on."""
    if re.fullmatch(r"\d+[smhdw]", text):
        return int(datetime.now().timestamp() * 1000) + _duration_ms(text)
    return _moment_ms(text, days=0)


def _since_ms(text: str) -> int:
    """The beginning of a day, or a moment, by the clock of this computer."""
    return _moment_ms(text, days=0)


def _until_ms(text: str) -> int:
    """The end of a day, or a moment."""
    return _moment_ms(text, days=1 if len(text) <= len("2026-01-31") else 0)


def _moment_ms(text: str, *, days: int) -> int:
    try:
        moment = datetime.fromisoformat(text) + timedelta(days=days)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            "a date like 2026-01-31 or 2026-01-31T12:30 is wanted"
        ) from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError("a number of seconds is wanted")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError("a whole number is wanted")
    return int(text)


def _port(text: str) -> int:
    value = _count(text)
    if value > 65535:
        raise argparse.ArgumentTypeError("a port is at most 65535")
    return value
