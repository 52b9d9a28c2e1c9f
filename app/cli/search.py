"""The search on the command line: newest first, with what fits marked."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.cli.access import connect
from app.cli.entry import Context
from app.cli.output import message_object, one_line, warn
from app.snapshots import SearchHit

MAX_PAGE = 200
"""Messages asked for at once."""
_MARKED = "\x1b[1;33m"
_PLAIN = "\x1b[0m"
_MORE = "\u2026"


async def run(context: Context) -> int:
    """Print what is found."""
    arguments = context.arguments
    wanted: int = arguments.limit
    cursor: int | None = None
    marking = _may_mark()
    async with await connect(context) as me:
        while wanted > 0:
            hits = await me.search(
                arguments.query,
                room=arguments.room,
                author=arguments.author,
                since_ms=arguments.since,
                until_ms=arguments.until,
                has_file=arguments.has_file or None,
                limit=min(wanted, MAX_PAGE),
                before=cursor,
                best=arguments.best,
            )
            # A page may be shorter than asked for: the core bounds its answers.
            if not hits:
                break
            for hit in hits:
                _put(context, hit, marking=marking)
            wanted -= len(hits)
            cursor = hits[-1].cursor
        if not await me.search_is_whole():
            warn("The search index is still being built: there may be more.")
    return 0


def hit_object(hit: SearchHit) -> dict[str, Any]:
    """A hit as ``covey search --json`` prints it."""
    return {**message_object(hit.message), "snippet": hit.snippet}


def hit_line(hit: SearchHit, *, marking: bool) -> str:
    """A hit for people: room, date, author, and the part that fits.

    Nothing of it is obeyed by a terminal but the marks.
    """
    message = hit.message
    author = one_line(message.author_name) or message.author[:8]
    text = _marked(hit.snippet, hit.ranges) if marking else one_line(hit.snippet)
    before = _MORE if hit.cut_before else ""
    after = _MORE if hit.cut_after else ""
    return (
        f"{one_line(hit.room_name)}  {_date(message.sent_at)}"
        f"  {author}: {before}{text}{after}"
    )


def _put(context: Context, hit: SearchHit, *, marking: bool) -> None:
    if context.output.json or not marking:
        context.output.put(hit_object(hit), hit_line(hit, marking=False))
        return
    # ``Output`` lets no mark through: each piece of the line was cleaned alone.
    sys.stdout.write(hit_line(hit, marking=True) + "\n")
    sys.stdout.flush()


def _marked(snippet: str, ranges: Sequence[tuple[int, int]]) -> str:
    pieces = []
    at = 0
    for start, end in ranges:
        pieces.append(one_line(snippet[at:start]))
        pieces.append(f"{_MARKED}{one_line(snippet[start:end])}{_PLAIN}")
        at = end
    pieces.append(one_line(snippet[at:]))
    return "".join(pieces)


def _date(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "????-??-?? ??:??"


def _may_mark() -> bool:
    """Whether who reads is a terminal that shows colours, and wants them."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()
