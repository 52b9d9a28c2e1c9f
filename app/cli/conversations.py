"""The commands about messages: saying, changing, reading and following them."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from app.cli.access import connect
from app.cli.entry import Context
from app.cli.output import (
    message_line,
    message_object,
    one_line,
    verifying_words,
    warn,
)
from app.client import Client
from app.errors import UserFacingError
from app.events import (
    CoreStopped,
    DeviceForked,
    HistoryDoubted,
    MessagesChanged,
    MessageStored,
    RoomChanged,
)
from app.snapshots import MessageSnapshot, ScheduledSnapshot

MAX_PAGE = 1000
"""Messages of a page asked for at once."""
MAX_ASKED = 50
"""Messages asked for at once by their ids."""


async def run(context: Context) -> int:
    """Run one of the commands of this module."""
    command = context.arguments.command
    if command == "message":
        command = f"message {context.arguments.action}"
    async with await connect(context) as me:
        await _COMMANDS[command](context, me)
    return 0


async def _send(context: Context, me: Client) -> None:
    arguments = context.arguments
    said = {
        "reply_to": arguments.reply,
        "thread": arguments.thread,
        "lifetime_ms": arguments.lifetime,
    }
    if arguments.at is not None:
        later = await me.schedule(
            arguments.room, arguments.text, send_at=arguments.at, **said
        )
        context.output.put(
            {
                "id": later.id,
                "room": later.room,
                "state": "scheduled",
                "sendAt": later.send_at,
            },
            f"{later.id}  scheduled",
        )
        if me.core is not None:
            warn("No core stays to send it: it goes when one runs (covey serve).")
        return
    message = await me.send(arguments.room, arguments.text, **said)
    state = "stored"
    failure: UserFacingError | None = None
    if arguments.wait == "delivered":
        try:
            await me.wait_delivered(
                message.room, message.id, timeout_s=arguments.timeout
            )
            state = "delivered"
        except UserFacingError as error:
            failure = error
    _put_sent(context, message, state)
    if failure is not None:
        raise failure


async def _poll(context: Context, me: Client) -> None:
    arguments = context.arguments
    closes_at: int | None = None
    if arguments.closes is not None:
        closes_at = int(datetime.now().timestamp() * 1000) + arguments.closes
    message = await me.poll(
        arguments.room,
        arguments.question,
        arguments.options,
        multiple=arguments.multiple,
        closes_at=closes_at,
    )
    _put_sent(context, message, "stored")


def _put_sent(context: Context, message: MessageSnapshot, state: str) -> None:
    context.output.put(
        {"id": message.id, "room": message.room, "state": state},
        f"{message.id[:8]}  {state}",
    )


async def _edit(context: Context, me: Client) -> None:
    arguments = context.arguments
    _put(context, await me.edit(arguments.room, arguments.id, arguments.text))


async def _delete(context: Context, me: Client) -> None:
    await me.delete(context.arguments.room, context.arguments.ids)


async def _react(context: Context, me: Client) -> None:
    arguments = context.arguments
    _put(
        context,
        await me.react(
            arguments.room, arguments.id, arguments.emoji, on=not arguments.off
        ),
    )


async def _responses(context: Context, me: Client) -> None:
    room, id = context.arguments.room, context.arguments.id
    poll = (await me.message(room, id)).poll
    options = [it.text for it in poll.options] if poll is not None else []
    for found in await me.responses(room, id):
        chosen = [options[number] for number in found.choices if number < len(options)]
        parts = (
            one_line(found.name) or found.identity_key[:8],
            one_line(" ".join(found.emojis)),
            one_line(f"chose {', '.join(chosen)}") if chosen else "",
        )
        context.output.put(
            {
                "identityKey": found.identity_key,
                "name": found.name,
                "me": found.me,
                "emojis": list(found.emojis),
                "choices": [number + 1 for number in found.choices],
            },
            "  ".join(part for part in parts if part),
        )


async def _pin(context: Context, me: Client) -> None:
    arguments = context.arguments
    _put(context, await me.pin(arguments.room, arguments.id, on=not arguments.off))


async def _forward(context: Context, me: Client) -> None:
    arguments = context.arguments
    _put_sent(
        context,
        await me.forward(arguments.room, arguments.id, arguments.to),
        "stored",
    )


async def _vote(context: Context, me: Client) -> None:
    arguments = context.arguments
    choices = [number - 1 for number in arguments.choices]
    _put(context, await me.vote(arguments.room, arguments.id, choices))


async def _scheduled(context: Context, me: Client) -> None:
    for later in await me.scheduled(context.arguments.room):
        context.output.put(scheduled_object(later), _scheduled_line(later))


async def _cancel(context: Context, me: Client) -> None:
    await me.cancel_scheduled(context.arguments.id)


async def _draft(context: Context, me: Client) -> None:
    arguments = context.arguments
    if arguments.text is not None:
        await me.set_draft(arguments.room, arguments.text)
        return
    text = await me.draft(arguments.room)
    context.output.put({"text": text}, text)


async def _history(context: Context, me: Client) -> None:
    arguments = context.arguments
    options = {"around": arguments.around, "thread": arguments.thread}
    if arguments.pins or arguments.around is not None:
        found = await me.history(
            arguments.room,
            limit=min(arguments.limit, MAX_PAGE),
            before=arguments.before,
            after=arguments.after,
            pinned=arguments.pins,
            **options,
        )
        await _put_all(context, me, found)
        return
    anchor = arguments.before if arguments.after is None else arguments.after
    if arguments.before is not None and arguments.after is not None:
        raise UserFacingError("bad-page", "A page begins at one message only.")
    where = "before" if arguments.after is None else "after"
    wanted = arguments.limit
    pages: list[list[MessageSnapshot]] = []
    while wanted > 0:
        # A page may be shorter than asked for: the core bounds its answers.
        page = await me.history(
            arguments.room,
            limit=min(wanted, MAX_PAGE),
            **{where: anchor},
            **options,
        )
        if not page:
            break
        pages.append(page)
        wanted -= len(page)
        anchor = page[0].id if where == "before" else page[-1].id
    ordered = reversed(pages) if where == "before" else pages
    await _put_all(context, me, list(itertools.chain.from_iterable(ordered)))


async def _put_all(
    context: Context, me: Client, found: Sequence[MessageSnapshot]
) -> None:
    """Messages, oldest first, and what is to be known about them."""
    for message in found:
        _put(context, message)
    if context.arguments.mark_read and found:
        await me.mark_read(context.arguments.room, up_to=found[-1].id)
    await _warn_of(me, found)


async def _warn_of(me: Client, found: Sequence[MessageSnapshot]) -> None:
    """Say who is believed, where messages were shown that are not verified."""
    told = {message.room for message in found if not message.verified}
    for room in await me.rooms() if told else ():
        if room.room in told and room.verifying:
            warn(verifying_words(room))


async def _follow(context: Context, me: Client) -> None:
    rooms = await me.rooms()
    wanted = context.arguments.room
    events = me.events()
    # The core finds the room, so that names mean the same everywhere.
    await me.members(wanted)
    ids = [r.room for r in rooms if r.room == wanted.lower()]
    ids = ids or [r.room for r in rooms if r.name == wanted]
    ids = ids or [r.room for r in rooms if r.room.startswith(wanted.lower())]
    farewell = next((r.farewell for r in rooms if r.room in ids), "")
    with suppress(NotImplementedError):
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async for event in events:
            if isinstance(event, CoreStopped):
                raise UserFacingError("core-stopped", event.sentence)
            if isinstance(event, HistoryDoubted | DeviceForked) and event.room in ids:
                warn(event.sentence)
            elif isinstance(event, RoomChanged) and event.room.room in ids:
                if event.room.farewell not in ("", farewell):
                    warn(one_line(event.room.farewell))
                farewell = event.room.farewell
            elif isinstance(event, MessageStored) and event.message.room in ids:
                _put(context, event.message)
            elif isinstance(event, MessagesChanged) and event.room in ids:
                await _put_changed(context, me, event)
    except asyncio.CancelledError:
        return


async def _put_changed(context: Context, me: Client, event: MessagesChanged) -> None:
    """Messages as they are now, and which are there no more."""
    for start in range(0, len(event.ids), MAX_ASKED):
        some = event.ids[start : start + MAX_ASKED]
        await _put_some_changed(context, me, event.room, some)


async def _put_some_changed(
    context: Context, me: Client, room: str, ids: Sequence[str]
) -> None:
    found = {it.id: it for it in await me.messages(room, ids)}
    for id in ids:
        message = found.get(id)
        if message is not None:
            context.output.put(
                {"event": "changed", **message_object(message)},
                f"changed  {message_line(message)}",
            )
        else:
            context.output.put(
                {"event": "gone", "id": id, "room": room}, f"gone  {id[:8]}"
            )


def scheduled_object(later: ScheduledSnapshot) -> dict[str, Any]:
    """A scheduled message as ``covey message scheduled --json`` prints it."""
    return {
        "id": later.id,
        "room": later.room,
        "text": later.text,
        "sendAt": later.send_at,
        "replyTo": later.reply_to,
        "problem": later.problem,
    }


def _scheduled_line(later: ScheduledSnapshot) -> str:
    at = datetime.fromtimestamp(later.send_at / 1000).strftime("%Y-%m-%d %H:%M")
    problem = f"  ({one_line(later.problem)})" if later.problem else ""
    return f"{later.id}  {at}  {one_line(later.text)}{problem}"


def _put(context: Context, message: MessageSnapshot) -> None:
    context.output.put(message_object(message), message_line(message))


_COMMANDS: dict[str, Callable[[Context, Client], Awaitable[None]]] = {
    "send": _send,
    "poll": _poll,
    "message edit": _edit,
    "message delete": _delete,
    "message react": _react,
    "message responses": _responses,
    "message pin": _pin,
    "message forward": _forward,
    "message vote": _vote,
    "message scheduled": _scheduled,
    "message cancel": _cancel,
    "draft": _draft,
    "history": _history,
    "follow": _follow,
}
COMMANDS = frozenset(name.split()[0] for name in _COMMANDS)
