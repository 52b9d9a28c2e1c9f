"""What others put under messages: reactions and votes, for a whole page at once.

Of each person the last word counts. Nothing is given for what is deleted or expired.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from store.contents.bodies import REACT, VOTE
from store.contents.pages import MessageRow
from store.database import Connection

MAX_RESPONSES: Final = 100_000
"""Reactions or votes looked at for one page."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One sign under a message."""

    emoji: str
    identities: tuple[bytes, ...]
    """Whose it is, in the order in which they put it there."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a poll has come to."""

    counts: tuple[int, ...]
    """For each option, how many people chose it."""
    votes: tuple[tuple[bytes, tuple[int, ...]], ...]
    """For each person who chose something, what; by identity."""


def reactions(
    connection: Connection, rows: Sequence[MessageRow]
) -> dict[bytes, tuple[Reaction, ...]]:
    """The reactions to each message of a page, by its id, the earliest first."""
    standing: dict[tuple[int, str, bytes], tuple[Any, ...]] = {}
    for number, identity, emoji, enabled, _, *place in _shown(connection, REACT, rows):
        key = (number, emoji, identity)
        if enabled:
            standing[key] = tuple(place)
        else:
            standing.pop(key, None)
    found: dict[int, dict[str, list[bytes]]] = {}
    for number, emoji, identity in sorted(standing, key=lambda key: standing[key]):
        found.setdefault(number, {}).setdefault(emoji, []).append(identity)
    ids = {row.number: row.id for row in rows}
    return {
        ids[number]: tuple(Reaction(emoji, tuple(who)) for emoji, who in under.items())
        for number, under in found.items()
    }


def tallies(connection: Connection, rows: Sequence[MessageRow]) -> dict[bytes, Tally]:
    """What each poll of a page has come to, by its id."""
    polls = [row for row in rows if row.poll is not None]
    last: dict[int, dict[bytes, tuple[int, ...]]] = {}
    for number, identity, _, _, choices, *_ in _shown(connection, VOTE, polls):
        last.setdefault(number, {})[identity] = tuple(choices)
    found = {}
    for row in polls:
        if row.deleted or row.expired or row.poll is None:
            continue
        votes = {who: chose for who, chose in last.get(row.number, {}).items() if chose}
        counts = [0] * len(row.poll.options)
        for chose in votes.values():
            for choice in chose:
                # While the options are wiped there is nothing to count for.
                if choice < len(counts):
                    counts[choice] += 1
        found[row.id] = Tally(tuple(counts), tuple(sorted(votes.items())))
    return found


def _shown(
    connection: Connection, kind: int, rows: Sequence[MessageRow]
) -> Iterator[tuple[Any, ...]]:
    """Target, identity, value, enabled, detail and place, in order of these."""
    numbers = [row.number for row in rows if not row.deleted and not row.expired]
    if not numbers:
        return iter(())
    return iter(
        connection.execute(
            "SELECT target, identity, value, enabled, detail, clock, device, sequence"
            " FROM change WHERE target IN (SELECT value FROM json_each(?))"
            " AND kind = ? AND shown = 1"
            " ORDER BY target, identity, value, clock, device, sequence LIMIT ?",
            (json.dumps(numbers), kind, MAX_RESPONSES),
        )
    )


def delivered(connection: Connection, rows: Sequence[MessageRow]) -> dict[bytes, int]:
    """How many other devices acknowledged that they hold each message, by its id."""
    found = connection.execute(
        "SELECT m.id, (SELECT count(*) FROM held h WHERE h.writer = m.writer"
        " AND h.length > m.sequence) FROM json_each(?) j"
        " CROSS JOIN content m ON m.arrival = j.value",
        (json.dumps([row.number for row in rows]),),
    )
    return dict(found)
