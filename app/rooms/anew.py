"""Deriving a room anew, when part of it turned out never to have been written.

A log that was frozen at a length below what was taken of it takes back what everybody
had seen through it. Nothing is mended then: all that blocks mean is forgotten and
derived once more, in one transaction, so that nobody ever sees half of it. What blocks
do not tell stays: keys, holes, who holds what, how far was read.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.rooms.blocks import log_key
from app.rooms.timeline import Held
from net.crypto import discovery_key
from store import contents, holes, rooms
from store.holes import Hole

if TYPE_CHECKING:
    from app.rooms.view import Applied, RoomView
    from store.database import Connection
    from store.hypercore.fork_proof import ForkProof

_LOG = logging.getLogger("covey.room")

BLOCKS: Final = 256
"""Read of a log at a time."""
MAX_KEPT_BYTES: Final = 32 * 1024 * 1024
"""Of blocks that were read and wait for their causes; those of more are read again."""


def frozen(
    connection: Connection,
    view: RoomView,
    writer: bytes,
    proof: ForkProof,
    *,
    now_ms: int,
) -> tuple[RoomView, Applied]:
    """End a log where its histories part, and keep what proves that.

    Args:
        connection: The transaction's.
        view: The room's; of no use afterwards if another one is given back.
        writer: Whose log.
        proof: Believed.
        now_ms: The wall clock.

    Returns:
        The view, another one if all had to be derived anew, and what is to be told.
    """
    row = view.row
    name = discovery_key(log_key(writer, row.key))
    rooms.set_fork(
        connection, row.row, writer=writer, discovery_key=name, proof=proof.encode()
    )
    if view.length(writer) <= proof.length:
        return view, view.freeze(writer, proof.length, now_ms=now_ms)
    before = contents.newest_ids(connection, row.row, limit=contents.MAX_TOLD)
    fresh = derived_anew(connection, view, now_ms=now_ms)
    after = contents.newest_ids(connection, row.row, limit=contents.MAX_TOLD)
    # What is there no more, and all that may look different.
    gone = [id for id in before if id not in set(after)]
    changed = tuple([*gone, *after][: contents.MAX_TOLD])
    applied = fresh.as_it_is(now_ms=now_ms)
    return fresh, replace(
        applied, changed=changed, changed_count=max(1, len(gone) + len(after))
    )


def derived_anew(connection: Connection, view: RoomView, *, now_ms: int) -> RoomView:
    """A view of the same room that takes the logs as they are frozen now.

    Args:
        connection: The transaction's.
        view: The one whose place it takes; of no use afterwards.
        now_ms: The wall clock.
    """
    row = view.row.row
    unread, above = (
        contents.unread_ids(connection, row),
        contents.last_number(connection),
    )
    lengths = {log.writer: log.derived for log in rooms.logs(connection, row)}
    _LOG.warning("a room is derived anew: %d entries", sum(lengths.values()))
    rooms.forget_derived(connection, row)
    fresh = view.successor()
    fresh.load(connection)
    _Deriver(connection, fresh, lengths, now_ms).run()
    contents.number_anew(connection, row, unread, above=above)
    return fresh


class _Deriver:
    """Takes all logs, each as far as its causes are there, in turns."""

    def __init__(
        self,
        connection: Connection,
        view: RoomView,
        lengths: dict[bytes, int],
        now_ms: int,
    ) -> None:
        self._connection = connection
        self._view = view
        self._lengths = lengths
        self._now_ms = now_ms
        self._kept: OrderedDict[bytes, tuple[int, list[bytes | None]]] = OrderedDict()
        self._kept_bytes = 0

    def run(self) -> None:
        due = dict.fromkeys(self._lengths)
        while due:
            writer = next(iter(due))
            del due[writer]
            start = self._view.length(writer)
            blocks = self._blocks(writer, start)
            if not blocks:
                continue
            applied = self._view.derive(
                self._connection, writer, start, blocks, now_ms=self._now_ms
            )
            # A hole that somebody lied about is none; its log goes on when it comes.
            if applied.held in (None, Held.CAUSES, Held.KEY):
                self._keep(writer, start, blocks)
            if applied.held is None and applied.length > start:
                due[writer] = None
            due.update(dict.fromkeys(it for it in applied.woken if it in self._lengths))

    def _blocks(self, writer: bytes, start: int) -> Sequence[bytes | None]:
        """The next blocks of a log, of those that were derived before."""
        at, kept = self._kept.pop(writer, (0, []))
        self._kept_bytes -= _size(kept)
        if kept and at <= start < at + len(kept):
            return kept[start - at :]
        end = min(self._lengths[writer], start + BLOCKS)
        found = holes.log(self._connection, self._view.row.row, writer, start, end)
        return [None if isinstance(block, Hole) else block for block in found]

    def _keep(self, writer: bytes, start: int, blocks: Sequence[bytes | None]) -> None:
        rest = list(blocks[self._view.length(writer) - start :])
        if not rest:
            return
        self._kept[writer] = self._view.length(writer), rest
        self._kept_bytes += _size(rest)
        while self._kept_bytes > MAX_KEPT_BYTES:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._kept_bytes -= _size(dropped)


def _size(blocks: Sequence[bytes | None]) -> int:
    return sum(len(block) for block in blocks if block is not None)
