"""The audit trail for the shell: ``export`` asks a core, ``verify`` needs none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.audit import Audit, verify_export
from app.audit.folding import Told, member_object, members_of
from app.audit.telling import when
from app.cli.entry import Context
from app.cli.output import one_line
from app.errors import UserFacingError

SHORT_KEY = 8
"""Letters of a key that people see."""


def run(context: Context) -> int:
    """Run one of the commands of this module."""
    if context.arguments.action == "export":
        return asyncio.run(_export(context))
    return _verify(context)


async def _export(context: Context) -> int:
    # A verifier needs neither a core nor what talks to one.
    from app.cli.access import connect

    arguments = context.arguments
    file = Path(arguments.file).absolute()
    async with await connect(context) as me:
        written = await me.audit(arguments.room, str(file))
    context.output.put(
        written, f"{written['lines']} lines, {written['bytes']} bytes: {file}"
    )
    return 0


def _verify(context: Context) -> int:
    name = context.arguments.file
    try:
        with Path(name).open("rb") as file:
            audit = verify_export(file)
    except OSError as error:
        raise UserFacingError(
            "file", f"{name} cannot be read: {error.strerror}."
        ) from error
    for value, text in _report(audit):
        context.output.put(value, text)
    return 0


def _report(audit: Audit) -> Iterator[tuple[dict[str, Any], str]]:
    """What a verifier tells: the acts, who is in the room, and the verdict."""
    for number, told in enumerate(audit.told(), 1):
        yield _act_object(number, told), _act_line(number, told)
    for member in members_of(audit.outcome.state):
        value = member_object(member)
        if member.present:
            state = member.role.word
        else:
            state = "banned" if member.banned is not None else "gone"
        key = member.identity.hex()[:SHORT_KEY]
        yield value, f"{key}  {one_line(member.name)}  ({state})"
    yield _verdict_object(audit), _verdict_line(audit)


def _act_object(number: int, told: Told) -> dict[str, Any]:
    act = told.act
    return {
        "type": "act",
        "number": number,
        "clock": act.place.clock,
        "device": act.writer.hex(),
        "sequence": act.place.sequence,
        "sentAt": act.sent_at,
        **told.to_object(),
    }


def _act_line(number: int, told: Told) -> str:
    void = "" if told.why is None else f"  [void: {told.why}]"
    says = one_line(told.says)
    return f"{number:>5}  {when(told.act.sent_at)}  {says}{void}"


def _verdict_object(audit: Audit) -> dict[str, Any]:
    header, room = audit.header, audit.outcome.state.room
    return {
        "type": "verdict",
        "holds": True,
        "room": header.room.hex(),
        "name": room.name,
        "founder": header.founder.hex(),
        "acts": len(audit.acts),
        "void": audit.void_count,
        "logs": len(audit.logs),
        "unread": sum(log.length - log.read for log in audit.logs),
        "forked": [log.device.hex() for log in audit.logs if log.forked],
        "exporter": {"identity": header.identity.hex(), "name": header.exporter},
        "exporterInside": audit.inside,
        "exportedAt": header.exported_at,
    }


def _verdict_line(audit: Audit) -> str:
    header, room = audit.header, audit.outcome.state.room
    acts = "1 act" if len(audit.acts) == 1 else f"{len(audit.acts)} acts"
    name, exporter = one_line(room.name), one_line(header.exporter)
    inside = "" if audit.inside else ", whose device is not in the room any more"
    unread = sum(log.length - log.read for log in audit.logs)
    rest = f" {unread} blocks were not read by the exporter." if unread else ""
    return (
        f'It holds: {acts}, {audit.void_count} void, of the room "{name}"'
        f" ({header.room.hex()[:SHORT_KEY]}), as exported {when(header.exported_at)}"
        f" by {exporter} ({header.identity.hex()[:SHORT_KEY]}){inside}.{rest} Acts"
        " that the exporter left out cannot be noticed: see docs/audit.md."
    )
