"""Writers that write, meet and part at random, each with a linearizer of its own.

Nothing is lost for good and nothing comes in a certain order: whoever meets somebody
gets their logs, one after the other in pieces, as far as they are there.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from store.autobase import Entry, Linearizer, Link, Place, Verdict

FAR = 1 << 52
"""A horizon that nothing is beyond."""


def name(number: int) -> bytes:
    return bytes([number]) * 32


@dataclass
class Device:
    """One writer, what it has of all logs, and the order as it was told."""

    writer: bytes
    linearizer: Linearizer = field(default_factory=Linearizer)
    logs: dict[bytes, list[Entry]] = field(default_factory=dict)
    told: list[Place] = field(default_factory=list)
    undone: int = 0

    def write(self, payload: bytes, *, now_ms: int) -> Entry:
        """Append to the own log."""
        log = self.logs.setdefault(self.writer, [])
        entry = Entry(
            self.writer,
            len(log),
            self.linearizer.next_clock(now_ms),
            self.linearizer.links(self.writer),
            payload,
        )
        self.hear([entry])
        assert self.linearizer.length(self.writer) == len(log)
        return entry

    def hear(self, entries: list[Entry]) -> None:
        """Entries of one log, in order; some may be here already."""
        for entry in entries:
            log = self.logs.setdefault(entry.writer, [])
            if entry.sequence == len(log):
                log.append(entry)
        due = [entry.writer for entry in entries[:1]]
        while due:
            writer = due.pop()
            log = self.logs[writer]
            while (at := self.linearizer.length(writer)) < len(log):
                verdict = self.linearizer.receive(log[at], horizon=FAR)
                if verdict is not Verdict.TAKEN:
                    break
            due += self.linearizer.woken()
        self.follow()

    def follow(self) -> None:
        """Take what changed into the order as it was told."""
        reorder = self.linearizer.take_changes()
        assert self.told[reorder.kept :] == list(reorder.undone)
        self.told[reorder.kept :] = reorder.done
        self.undone += len(reorder.undone)

    def entry(self, writer: bytes, sequence: int) -> Entry:
        return self.logs[writer][sequence]


def meet(one: Device, other: Device, chance: random.Random) -> None:
    """One hears some of what the other has, of all logs in pieces."""
    todo = [
        writer
        for writer, log in other.logs.items()
        if len(log) > len(one.logs.get(writer, []))
    ]
    while todo:
        writer = chance.choice(todo)
        have = len(one.logs.get(writer, []))
        log = other.logs[writer]
        if have >= len(log):
            todo.remove(writer)
            continue
        # A piece may overlap with what came before.
        start = max(0, have - chance.randint(0, 2))
        one.hear(log[start : have + chance.randint(1, 4)])


def ancestors(entry: Entry, device: Device) -> dict[bytes, int]:
    """How much of each log stood behind an entry, found by walking all links."""
    seen: dict[bytes, int] = {entry.writer: entry.sequence + 1}
    todo = [Link(entry.writer, entry.sequence + 1)]
    visited: set[tuple[bytes, int]] = set()
    while todo:
        writer, length = todo.pop()
        for sequence in range(length - 1, -1, -1):
            if (writer, sequence) in visited:
                break
            visited.add((writer, sequence))
            seen[writer] = max(seen.get(writer, 0), sequence + 1)
            todo += device.entry(writer, sequence).links
    return seen
