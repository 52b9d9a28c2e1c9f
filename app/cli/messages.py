"""The commands that talk to a core about profile, rooms and network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from app import profile as profiles
from app.cli import direct, moderation
from app.cli.access import chosen_passphrase, connect
from app.cli.entry import Context
from app.cli.output import (
    member_object,
    one_line,
    room_object,
    verifying_words,
    warn,
)
from app.cli.report import doctor_text
from app.client import Client
from app.errors import UserFacingError
from app.events import ApprovalAwaited, CoreStopped, NetworkChanged
from app.rooms.qr_codes import terminal_code

MAX_PHRASE_BYTES = 4096
NETWORK_LIMIT_S = 5.0
"""How long the doctor lets a core that it started itself look for the network."""


async def run(context: Context) -> int:
    """Run one of the commands of this module."""
    command = context.arguments.command
    if command == "init":
        return await _init(context)
    if command in ("room", "contact"):
        command = f"{command} {context.arguments.action}"
    work = _COMMANDS[command]
    async with await connect(context) as me:
        await work(context, me)
    return 0


async def _init(context: Context) -> int:
    arguments = context.arguments
    phrase: str | None = None
    if arguments.restore_phrase_file:
        try:
            with open(arguments.restore_phrase_file, "rb") as file:
                phrase = file.read(MAX_PHRASE_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise UserFacingError(
                "phrase-file", f"{arguments.restore_phrase_file} cannot be read."
            ) from error
    passphrase = context.passphrase() or chosen_passphrase()
    await Client.create(
        context.profile, name=arguments.name, phrase=phrase, passphrase=passphrase
    )
    # No core is needed to say who that is: look into the profile itself.
    made = profiles.open_profile(context.profile, passphrase=passphrase)
    made.close()
    if made.warning:
        warn(made.warning)
    identity_key = made.identity_key.hex()
    context.output.put(
        {
            "name": made.name,
            "identityKey": identity_key,
            "deviceKey": made.device.public_key.hex(),
        },
        f"{made.name}, {identity_key}",
    )
    if phrase is None:
        context.output.tell(
            "Write these words down; they are the only way back to this identity:\n"
            + made.phrase
        )
    return 0


async def _whoami(context: Context, me: Client) -> None:
    if (who := context.arguments.safety) is not None:
        number = await me.safety_number(who)
        context.output.put({"safetyNumber": number}, number)
        return
    profile = await me.profile()
    context.output.put(
        {
            "name": profile.name,
            "identityKey": profile.identity_key,
            "deviceKey": profile.device_key,
        },
        f"{profile.name}, {profile.identity_key}",
    )


async def _rooms(context: Context, me: Client) -> None:
    for room in await me.rooms():
        people = "1 member" if room.members == 1 else f"{room.members} members"
        context.output.put(
            room_object(room),
            f"{room.room[:8]}  {one_line(room.name)}  ({room.kind},"
            f" {people}, {room.peers} connected, {room.unread} unread"
            + (f", {room.mentions} for you)" if room.mentions else ")")
            + (f"  {verifying_words(room)}" if room.verifying else "")
            + (f"  {one_line(room.farewell)}" if room.farewell else ""),
        )


async def _new(context: Context, me: Client) -> None:
    arguments = context.arguments
    room = await me.create_room(arguments.name, kind=arguments.kind)
    context.output.put({"room": room.room}, room.room)


async def _invite(context: Context, me: Client) -> None:
    arguments = context.arguments
    link = await me.invite(
        arguments.room,
        role=arguments.role,
        expires_ms=arguments.expires,
        uses=arguments.uses,
        approval=arguments.approve,
    )
    if arguments.qr:
        picture = await me.invite_code(link)
        context.output.put(
            {"invite": link, "qr": picture}, f"{terminal_code(link)}\n{link}"
        )
    else:
        context.output.put({"invite": link}, link)


async def _revoke(context: Context, me: Client) -> None:
    await me.revoke(context.arguments.link)


async def _requests(context: Context, me: Client) -> None:
    for request in await me.requests(context.arguments.room):
        context.output.put(
            {
                "id": request.id,
                "name": request.name,
                "identityKey": request.identity_key,
                "role": request.role,
            },
            f"{request.id[:8]}  {one_line(request.name)}"
            f"  ({request.role}, {request.identity_key[:8]})",
        )


async def _approve(context: Context, me: Client) -> None:
    await me.approve(context.arguments.room, context.arguments.id)


async def _deny(context: Context, me: Client) -> None:
    await me.deny(context.arguments.room, context.arguments.id)


async def _join(context: Context, me: Client) -> None:
    arguments = context.arguments

    async def tell() -> None:
        async for event in me.events():
            if isinstance(event, ApprovalAwaited):
                context.output.tell("A member of the room has to let you in; waiting.")

    telling = asyncio.create_task(tell())
    try:
        room = await me.join(arguments.link, timeout_s=arguments.timeout)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    context.output.put({"room": room.room}, f"{room.room}  {one_line(room.name)}")


async def _members(context: Context, me: Client) -> None:
    for member in await me.members(context.arguments.room):
        online = "online" if member.online else "offline"
        forked = ", a device wrote two histories" if member.forked else ""
        context.output.put(
            member_object(member),
            f"{member.identity_key[:8]}  {one_line(member.name)}"
            f"  ({member.role}, {online}{forked})",
        )


async def _leave(context: Context, me: Client) -> None:
    await me.leave(context.arguments.room)


async def _wait_for_network(me: Client) -> None:
    """Give a core that has just been started the time to find out how things are."""
    events = me.events()
    network = await me.network()
    with suppress(TimeoutError):
        async with asyncio.timeout(NETWORK_LIMIT_S):
            while network.state in ("starting", "searching"):
                event = await anext(events)
                if isinstance(event, CoreStopped):
                    raise UserFacingError("core-stopped", event.sentence)
                if isinstance(event, NetworkChanged):
                    network = event.network


async def _doctor(context: Context, me: Client) -> None:
    if me.core is not None:
        await _wait_for_network(me)
    facts = await me.doctor()
    report = context.arguments.report
    if report:
        try:
            Path(report).write_text(json.dumps(facts, indent=2) + "\n")
        except OSError as error:
            raise UserFacingError(
                "report", f"{report} cannot be written: {error.strerror}."
            ) from error
    context.output.put(facts, doctor_text(facts))


_COMMANDS: dict[str, Callable[[Context, Client], Awaitable[None]]] = {
    "whoami": _whoami,
    "rooms": _rooms,
    "room new": _new,
    "room invite": _invite,
    "room revoke": _revoke,
    "room join": _join,
    "room requests": _requests,
    "room approve": _approve,
    "room deny": _deny,
    "room members": _members,
    "room leave": _leave,
    **moderation.COMMANDS,
    **direct.COMMANDS,
    "doctor": _doctor,
}
