"""Commands that change who is who: ``covey room role|kick|ban|unban|mute|...``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from app.rooms.roles import ROLE_WORDS

if TYPE_CHECKING:
    from app.cli.entry import Context
    from app.client import Client

_Act = Callable[[str, str], argparse.ArgumentParser]


def add_commands(act: _Act, duration: Callable[[str], int]) -> None:
    """Describe them to the parser of ``covey room``.

    Args:
        act: Adds one, by name and what it does.
        duration: Reads a time like 1d, in milliseconds.
    """
    role = _of_member(act, "role", "change a member's role")
    role.add_argument("role", choices=list(ROLE_WORDS))
    _of_member(act, "kick", "remove a member; a new invite lets them in again")
    _of_member(act, "ban", "remove somebody for good")
    _of_member(act, "unban", "let new invites let somebody in again")
    mute = _of_member(act, "mute", "let a member not speak")
    mute.add_argument("--for", type=duration, metavar="1d", dest="length_ms")
    _of_member(act, "unmute", "let a member speak again")
    rotate = act("rotate", "give a room a new key, for those who are in it now")
    rotate.add_argument("room", metavar="ROOM")
    settings = act("set", "change what holds for a whole room")
    settings.add_argument("room", metavar="ROOM")
    settings.add_argument("--name", metavar="NAME")
    settings.add_argument("--description", metavar="TEXT")
    settings.add_argument(
        "--retention",
        type=lambda text: 0 if text == "never" else duration(text),
        metavar="30d",
        help="messages vanish after so long; never",
    )
    settings.add_argument(
        "--admits-from",
        choices=list(ROLE_WORDS),
        help="the lowest role that may let people in by an invite",
    )


def _of_member(act: _Act, name: str, help: str) -> argparse.ArgumentParser:
    command = act(name, help)
    command.add_argument("room", metavar="ROOM")
    command.add_argument("member", metavar="MEMBER")
    return command


async def _role(context: Context, me: Client) -> None:
    arguments = context.arguments
    await me.set_role(arguments.room, arguments.member, arguments.role)


async def _kick(context: Context, me: Client) -> None:
    await me.kick(context.arguments.room, context.arguments.member)


async def _ban(context: Context, me: Client) -> None:
    await me.ban(context.arguments.room, context.arguments.member)


async def _unban(context: Context, me: Client) -> None:
    await me.unban(context.arguments.room, context.arguments.member)


async def _mute(context: Context, me: Client) -> None:
    arguments = context.arguments
    until_ms = None
    if arguments.length_ms is not None:
        until_ms = time.time_ns() // 1_000_000 + arguments.length_ms
    await me.mute(arguments.room, arguments.member, until_ms=until_ms)


async def _unmute(context: Context, me: Client) -> None:
    await me.mute(context.arguments.room, context.arguments.member, until_ms=0)


async def _rotate(context: Context, me: Client) -> None:
    await me.rotate_key(context.arguments.room)


async def _set(context: Context, me: Client) -> None:
    arguments = context.arguments
    await me.configure(
        arguments.room,
        name=arguments.name,
        description=arguments.description,
        retention_ms=arguments.retention,
        admits_from=arguments.admits_from,
    )


COMMANDS: dict[str, Callable[[Context, Client], Awaitable[None]]] = {
    "room role": _role,
    "room kick": _kick,
    "room ban": _ban,
    "room unban": _unban,
    "room mute": _mute,
    "room unmute": _unmute,
    "room rotate": _rotate,
    "room set": _set,
}
