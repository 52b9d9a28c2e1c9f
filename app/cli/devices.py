"""A person's devices on the command line: link, join, list, revoke."""

from __future__ import annotations

import platform
from datetime import datetime

from app import profile as profiles
from app.cli.access import chosen_passphrase, connect
from app.cli.entry import Context
from app.cli.output import one_line
from app.client import Client
from app.devices.codes import svg_code, terminal_code
from app.snapshots import DeviceSnapshot


async def run(context: Context) -> int:
    """Run one of the commands of this module."""
    action = context.arguments.action
    if action == "join":
        await _join(context)
        return 0
    async with await connect(context) as me:
        if action == "link":
            await _link(context, me)
        elif action == "revoke":
            await me.revoke_device(context.arguments.device)
        else:
            for device in await me.devices():
                context.output.put(_object(device), _line(device))
    return 0


async def _link(context: Context, me: Client) -> None:
    link = await me.link_device()
    said = {"link": link}
    text = link
    if context.arguments.qr:
        said["qr"] = svg_code(link)
        text = f"{terminal_code(link)}\n{link}"
    context.output.put(said, text)
    context.output.tell(
        "Whoever has this link becomes you. Waiting for your other device:"
        " covey device join LINK"
    )
    device = await me.wait_linked(link)
    context.output.put(_object(device), _line(device))


async def _join(context: Context) -> None:
    arguments = context.arguments
    passphrase = context.passphrase()
    if not profiles.exists(context.profile):
        passphrase = passphrase or chosen_passphrase()
        name = arguments.name or platform.node() or "device"
        await Client.create(
            context.profile, name=name, passphrase=passphrase, awaits_link=True
        )
    async with await connect(context) as me:
        found = await me.join_device(arguments.link, timeout_s=arguments.timeout)
    context.output.put(
        {
            "name": found.name,
            "identityKey": found.identity_key,
            "deviceKey": found.device_key,
        },
        f"This is a device of {found.name} now, {found.identity_key}",
    )


def _object(device: DeviceSnapshot) -> dict[str, object]:
    """A device as ``covey device list --json`` prints it."""
    return {
        "deviceKey": device.key,
        "name": device.name,
        "addedAt": device.added_at,
        "online": device.online,
        "me": device.me,
        "revoked": device.revoked,
    }


def _line(device: DeviceSnapshot) -> str:
    since = datetime.fromtimestamp(device.added_at / 1000).strftime("%Y-%m-%d")
    states = [
        word
        for word, holds in (
            ("this one", device.me),
            ("online", device.online and not device.me),
            ("revoked", device.revoked),
        )
        if holds
    ]
    more = f", {', '.join(states)}" if states else ""
    return one_line(f"{device.key[:16]}  {device.name}, since {since}{more}")
