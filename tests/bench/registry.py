"""The benchmarks there are, and what one of them hands back.

A part that wants to be measured adds a module to :data:`MODULES` with a function
``measure(settings) -> Iterator[Row]`` and its group's name in ``GROUP``.
"""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, cast

MODULES: dict[str, str] = {
    "connect": "tests.bench.connect",
    "stream": "tests.bench.stream",
    "messages": "tests.bench.messages",
    "hypercore": "tests.bench.hypercore",
    "autobase": "tests.bench.autobase",
    "rooms-large": "tests.bench.rooms_large",
    "dht": "tests.bench.dht",
    "startup": "tests.bench.startup",
    "memory": "tests.bench.memory",
}
"""Group name to module; the order is the order of a whole run."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How thorough a run is."""

    quick: bool
    """Small amounts and one round, to see that everything works."""

    @property
    def rounds(self) -> int:
        """Times each side is measured, in alternating order; the median counts."""
        return 1 if self.quick else 5


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, as the contract prints it."""

    bench: str
    unit: str
    better: Literal["lower", "higher"]
    covey: float
    peer: str | None = None
    peerValue: float | None = None
    ratio: float | None = None

    def as_json(self) -> dict[str, object]:
        """The keys of the contract, in its order."""
        return asdict(self)


class Group(Protocol):
    """A module with measurements."""

    def measure(self, settings: Settings) -> Iterator[Row]:
        """Run them, yielding each figure as soon as it is there."""


def compare(
    bench: str,
    unit: str,
    better: Literal["lower", "higher"],
    covey: Iterable[float],
    peer: str,
    peer_values: Iterable[float],
) -> Row:
    """Make a row of the medians; without peer values the peer's keys are null.

    ``ratio`` above 1 means that Covey is better.
    """
    value = statistics.median(covey)
    values = list(peer_values)
    if not values:
        return Row(bench, unit, better, value)
    peer_value = statistics.median(values)
    if min(value, peer_value) <= 0:
        ratio = None
    elif better == "higher":
        ratio = value / peer_value
    else:
        ratio = peer_value / value
    return Row(bench, unit, better, value, peer, peer_value, ratio)


def load_group(name: str) -> Group:
    """Import the module of a group.

    Raises:
        KeyError: There is no such group.
    """
    return cast("Group", importlib.import_module(MODULES[name]))
