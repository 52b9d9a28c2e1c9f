"""Commands about single people: ``covey dm`` and ``covey contact ...``."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.cli.entry import Context
    from app.client import Client
    from app.snapshots import ContactSnapshot

_Add = Callable[[str, str], argparse.ArgumentParser]


def add_commands(
    add: _Add, common: argparse.ArgumentParser, seconds: Callable[[str], float]
) -> None:
    """Describe them to the parser.

    Args:
        add: Adds a command, by name and what it does.
        common: What all commands take.
        seconds: Reads a time to wait.
    """
    dm = add("dm", "write to one person, or agree to who asked")
    dm.add_argument("person", metavar="NAME|KEY")
    dm.add_argument("text", metavar="TEXT", nargs="?", help="the first message")
    dm.add_argument("--greeting", metavar="TEXT", default="", help="shown when asked")
    dm.add_argument("--timeout", type=seconds, metavar="S")
    contact = add("contact", "who may write to you, and who asks to")
    actions = contact.add_subparsers(dest="action", metavar="ACTION", required=True)
    said = "everybody, and what they asked"
    actions.add_parser("list", help=said, description=said, parents=[common])
    for name, said in (
        ("accept", "agree to write with who asked"),
        ("decline", "do not; they are not told"),
        ("block", "hear nothing of somebody any more"),
        ("unblock", "let somebody ask again"),
    ):
        act = actions.add_parser(name, help=said, description=said, parents=[common])
        act.add_argument("person", metavar="NAME|KEY")
        if name == "accept":
            act.add_argument("--timeout", type=seconds, metavar="S")


def contact_object(contact: ContactSnapshot) -> dict[str, Any]:
    """A contact as ``covey contact list --json`` prints it."""
    return {
        "identityKey": contact.identity_key,
        "name": contact.name,
        "state": contact.state,
        "greeting": contact.greeting,
        "room": contact.room,
        "changedAt": contact.changed_at,
    }


async def _dm(context: Context, me: Client) -> None:
    arguments = context.arguments
    room = await me.dm(
        arguments.person, greeting=arguments.greeting, timeout_s=arguments.timeout
    )
    if arguments.text is not None:
        await me.send(room.room, arguments.text)
    _put_room(context, room.room, room.name)


async def _list(context: Context, me: Client) -> None:
    from app.cli.output import one_line

    for contact in await me.contacts():
        greeting = f"  {one_line(contact.greeting)}" if contact.greeting else ""
        context.output.put(
            contact_object(contact),
            f"{contact.identity_key[:8]}  {one_line(contact.name)}"
            f"  ({contact.state}){greeting}",
        )


async def _accept(context: Context, me: Client) -> None:
    arguments = context.arguments
    room = await me.accept_contact(arguments.person, timeout_s=arguments.timeout)
    _put_room(context, room.room, room.name)


async def _decline(context: Context, me: Client) -> None:
    await me.decline_contact(context.arguments.person)


async def _block(context: Context, me: Client) -> None:
    await me.block_contact(context.arguments.person)


async def _unblock(context: Context, me: Client) -> None:
    await me.unblock_contact(context.arguments.person)


def _put_room(context: Context, room: str, name: str) -> None:
    from app.cli.output import one_line

    context.output.put({"room": room}, f"{room}  {one_line(name)}")


COMMANDS: dict[str, Callable[[Context, Client], Awaitable[None]]] = {
    "dm": _dm,
    "contact list": _list,
    "contact accept": _accept,
    "contact decline": _decline,
    "contact block": _block,
    "contact unblock": _unblock,
}
