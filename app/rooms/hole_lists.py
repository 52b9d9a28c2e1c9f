"""What members tell each other of holes in logs: a question, and a list.

::

    AskHoles  fixed32 writer, uint start
    Holes     fixed32 writer, uint start, uint end,
              array (uint places between, uint clock,
                     array (fixed32 writer, uint length) links)

``Holes`` names every hole that the teller knows of one log from ``start`` to before
``end``, in order; "places between" counts those since the hole before, or since
``start``. Nobody signs it: what it says is held against whatever is known better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from net.constants import MAX_SAFE_UINT
from net.encoding import Reader, Writer
from net.errors import RemoteProtocolError
from store.autobase import Link
from store.autobase.entry import MAX_LINKS
from store.holes import Hole

MAX_HOLES: Final = 256
"""Holes told of in one message."""
MAX_HOLE_LINKS: Final = 2_048
"""Links of all these together."""

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class AskHoles:
    """A question for the holes of a log."""

    writer: bytes
    """Key of the log."""
    start: int
    """From where on."""


@dataclass(frozen=True, slots=True)
class HoleList:
    """The holes of a part of a log."""

    writer: bytes
    start: int
    end: int
    """It tells of what stands before this."""
    holes: tuple[Hole, ...]
    """In order; without who told."""


def fit(ask: AskHoles, found: Sequence[Hole], length: int) -> HoleList:
    """The answer to a question, as much as fits in one message.

    Args:
        ask: The question.
        found: The holes from its start on, in order, at most ``MAX_HOLES`` + 1.
        length: How far the log is known here.
    """
    taken = 0
    link_count = 0
    for hole in found[:MAX_HOLES]:
        link_count += len(hole.links)
        if link_count > MAX_HOLE_LINKS:
            break
        taken += 1
    end = found[taken].sequence if taken < len(found) else max(length, ask.start)
    return HoleList(ask.writer, ask.start, end, tuple(found[:taken]))


def encode_ask(ask: AskHoles) -> bytes:
    """``AskHoles``."""
    return Writer().fixed(ask.writer, _KEY_BYTES).uint(ask.start).finish()


def decode_ask(data: bytes) -> AskHoles:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    reader = Reader(data)
    return AskHoles(reader.fixed(_KEY_BYTES), reader.uint())


def encode_list(told: HoleList) -> bytes:
    """``Holes``."""
    writer = Writer().fixed(told.writer, _KEY_BYTES).uint(told.start).uint(told.end)
    at = told.start
    items: list[tuple[int, Hole]] = []
    for hole in told.holes:
        items.append((hole.sequence - at, hole))
        at = hole.sequence + 1
    return writer.array(items, _write_hole).finish()


def decode_list(data: bytes) -> HoleList:
    """Raises ``RemoteProtocolError`` when it is malformed."""
    reader = Reader(data)
    writer, start, end = reader.fixed(_KEY_BYTES), reader.uint(), reader.uint()
    items = reader.array(lambda item: _read_hole(item, writer), max_count=MAX_HOLES)
    if sum(len(links) for _, _, links in items) > MAX_HOLE_LINKS:
        raise RemoteProtocolError("holes with too many links", code="too-large")
    told: list[Hole] = []
    at = start
    for between, clock, links in items:
        at += between
        told.append(Hole(writer, at, clock, links))
        at += 1
    if not at <= end <= MAX_SAFE_UINT:
        raise RemoteProtocolError("holes beyond the end of what is told of")
    return HoleList(writer, start, end, tuple(told))


def _write_hole(writer: Writer, item: tuple[int, Hole]) -> None:
    between, hole = item
    writer.uint(between).uint(hole.clock)
    writer.array(
        hole.links, lambda out, link: out.fixed(link[0], _KEY_BYTES).uint(link[1])
    )


def _read_hole(reader: Reader, log: bytes) -> tuple[int, int, tuple[Link, ...]]:
    between, clock = reader.uint(), reader.uint()
    links = tuple(
        reader.array(
            lambda item: Link(item.fixed(_KEY_BYTES), item.uint()), max_count=MAX_LINKS
        )
    )
    writers = [link.writer for link in links]
    # What no entry can have had must not fill the place of one.
    if not clock or not all(link.length for link in links):
        raise RemoteProtocolError("a hole in place of no entry")
    if writers != sorted(set(writers)) or log in writers:
        raise RemoteProtocolError("links that no entry has")
    return between, clock, links
