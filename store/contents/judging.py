"""The rules changed their mind: what is shown, what may delete, who somebody is.

The rows stay; what is effective is worked out anew for the messages concerned.
"""

from __future__ import annotations

from typing import Any

from store.contents.bodies import DELETE, EDIT, PIN, Allows, Shows
from store.contents.effects import Effects, Outcome
from store.contents.putting import author
from store.database import Connection


def judge(
    connection: Connection,
    room: int,
    device: bytes,
    shows: Shows,
    *,
    allows: Allows | None = None,
    sequence: int = 0,
    clock: int = 0,
) -> Outcome:
    """Show and hide the contents of one log as the rules now say.

    Args:
        connection: The writer's.
        room: Row of the room.
        device: Whose log.
        shows: Asked about every content that is here.
        allows: Asked about every deletion; None leaves them as they are.
        sequence: Only from here on.
        clock: Only from there on.
    """
    by = author(connection, room, device)
    effects = Effects(connection)
    start = (by.writer, sequence, clock)
    _judge_contents(connection, start, shows, effects)
    _judge_changes(connection, start, shows, effects)
    if allows is not None:
        _judge_deletions(connection, start, allows, effects)
    return effects.outcome()


def _judge_contents(
    connection: Connection,
    start: tuple[int, int, int],
    shows: Shows,
    effects: Effects,
) -> None:
    found = connection.execute(
        "SELECT arrival, clock, sequence, kind, shown FROM content"
        " WHERE writer = ? AND sequence >= ? AND clock >= ?",
        start,
    )
    flips = [
        (not shown, number)
        for number, at, number_in_log, kind, shown in found
        if shows(at, number_in_log, kind) != bool(shown)
    ]
    connection.executemany("UPDATE content SET shown = ? WHERE arrival = ?", flips)
    for _, number in flips:
        effects.mark(number)


def _judge_changes(
    connection: Connection,
    start: tuple[int, int, int],
    shows: Shows,
    effects: Effects,
) -> None:
    found = connection.execute(
        "SELECT id, target, clock, sequence, kind, shown FROM change"
        " WHERE writer = ? AND sequence >= ? AND clock >= ?",
        start,
    )
    flips = []
    targets: dict[int, None] = {}
    for change, target, at, number_in_log, kind, shown in found:
        if shows(at, number_in_log, kind) == bool(shown):
            continue
        flips.append((not shown, change))
        if kind in (EDIT, DELETE, PIN):
            targets[target] = None
        else:
            effects.touch(target)
    connection.executemany("UPDATE change SET shown = ? WHERE id = ?", flips)
    for target in targets:
        effects.refresh(target)


def _judge_deletions(
    connection: Connection,
    start: tuple[int, int, int],
    allows: Allows,
    effects: Effects,
) -> None:
    found = connection.execute(
        "SELECT c.id, c.target, c.clock, c.sequence, c.allowed, m.device"
        " FROM change c JOIN content m ON m.arrival = c.target"
        " WHERE c.writer = ? AND c.sequence >= ? AND c.clock >= ? AND c.kind = ?",
        (*start, DELETE),
    )
    flips = []
    targets = []
    for change, target, at, number_in_log, allowed, of in found:
        if allows(at, number_in_log, of) != bool(allowed):
            flips.append((not allowed, change))
            targets.append(target)
    connection.executemany("UPDATE change SET allowed = ? WHERE id = ?", flips)
    for target in targets:
        effects.refresh(target)


def set_identity(
    connection: Connection, room: int, device: bytes, identity: bytes | None
) -> Outcome:
    """Remember whose device a log belongs to.

    What the devices of one person say counts as one voice, so edits, deletions,
    reactions and votes are looked at again.

    Args:
        connection: The writer's.
        room: Row of the room.
        device: Whose log; it was begun.
        identity: 32 bytes; None when it is not known any more.
    """
    by = author(connection, room, device)
    effects = Effects(connection)
    connection.execute(
        "UPDATE writer SET identity = ? WHERE id = ?", (identity, by.writer)
    )
    who = device if identity is None else identity
    if who == by.who:
        return effects.outcome()
    connection.execute(
        "UPDATE change SET identity = ? WHERE writer = ? AND kind <> ?",
        (who, by.writer, PIN),
    )
    changed: list[tuple[Any, ...]] = connection.execute(
        "SELECT DISTINCT target FROM change WHERE writer = ?1 UNION"
        " SELECT arrival FROM content WHERE writer = ?1"
        " AND EXISTS (SELECT 1 FROM change WHERE target = arrival)",
        (by.writer,),
    ).fetchall()
    for (number,) in changed:
        effects.touch(number)
        effects.refresh(number)
    return effects.outcome()
