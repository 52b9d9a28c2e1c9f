"""What each entry had seen, against a model that keeps all of it."""

from __future__ import annotations

import random
from itertools import product

import pytest

from store.autobase import Entry, Link
from store.autobase.causality import Causality
from store.errors import LocalProtocolError

WRITERS = tuple(bytes([number]) * 32 for number in range(1, 6))


class Model:
    """For each entry, everything it had seen."""

    def __init__(self) -> None:
        self.seen: dict[tuple[bytes, int], dict[bytes, int]] = {}
        self.lengths = dict.fromkeys(WRITERS, 0)

    def add(self, entry: Entry) -> None:
        sums = dict(self.seen.get((entry.writer, entry.sequence - 1), {}))
        for link in entry.links:
            behind = {**self.seen[link.writer, link.length - 1]}
            behind[link.writer] = link.length
            for other, length in behind.items():
                if other != entry.writer:
                    sums[other] = max(sums.get(other, 0), length)
        self.seen[entry.writer, entry.sequence] = sums
        self.lengths[entry.writer] += 1


def talk(seed: int, count: int) -> tuple[Causality, Model]:
    """Entries that link to something of some others."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    causality, model = Causality(), Model()
    for clock in range(1, count + 1):
        writer = chance.choice(WRITERS)
        others = [it for it in WRITERS if it != writer and model.lengths[it]]
        named = sorted(chance.sample(others, chance.randint(0, min(2, len(others)))))
        links = tuple(Link(it, chance.randint(1, model.lengths[it])) for it in named)
        entry = Entry(writer, model.lengths[writer], clock, links, b"")
        causality.add(entry)
        model.add(entry)
    return causality, model


@pytest.mark.parametrize("seed", range(5))
def test_every_entry_had_seen_what_the_model_says(seed: int) -> None:
    causality, model = talk(seed, 120)
    for (writer, sequence), sums in model.seen.items():
        for other in WRITERS:
            own = sequence + 1 if other == writer else sums.get(other, 0)
            assert causality.seen(writer, sequence, other) == own
    # What is asked about stays true when more comes.
    for writer, other in product(WRITERS, WRITERS):
        if writer == other:
            continue
        lengths = [
            model.seen[writer, it].get(other, 0) for it in range(model.lengths[writer])
        ]
        for sequence in range(model.lengths[other]):
            first = next((n for n, it in enumerate(lengths) if it > sequence), None)
            assert causality.first_that_saw(writer, other, sequence) == first


@pytest.mark.parametrize("seed", range(5))
def test_what_is_forgotten_is_summed_up(seed: int) -> None:
    causality, model = talk(seed, 120)
    chance = random.Random(seed)
    for asked in (False, True):
        for writer in WRITERS:
            floor = chance.randint(0, model.lengths[writer])
            causality.forget(writer, floor)
            floor = causality._steps[writer].floor
            for sequence in range(model.lengths[writer]):
                sums = model.seen[writer, sequence]
                for other in set(WRITERS) - {writer}:
                    if sequence >= floor - 1:
                        found = causality.seen(writer, sequence, other)
                        assert found == sums.get(other, 0)
                    elif asked and other in causality._steps[writer].seen:
                        with pytest.raises(LocalProtocolError):
                            causality.seen(writer, sequence, other)


def test_last_entries_are_looked_up_without_keeping_more() -> None:
    """A room of many writers compares the last entries of all with each other."""
    causality, model = talk(1, 60)
    for writer, other in product(WRITERS, WRITERS):
        causality.seen(writer, model.lengths[writer] - 1, other)
    assert not any(steps.asked for steps in causality._steps.values())
    causality.seen(WRITERS[0], 1, WRITERS[1])
    assert sum(len(steps.asked) for steps in causality._steps.values()) <= 1
