"""How large the search index gets, how fast it fills and how fast it answers.

Run by hand: ``python -m tests.bench.search_index --entries 1000000``. The messages are
invented from a seed: words of Latin and Cyrillic letters, Chinese and Japanese, with
the frequencies of natural languages (Zipf), in rooms of very different size.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from store.search import Entry, Hit, SearchIndex, SearchQuery

START_MS = 1_600_000_000_000
STEP_MS = 150_000
JOB_ENTRIES = 1_000
ROOMS, AUTHORS = 200, 2_000
KEY = bytes(range(32))
LATIN, CYRILLIC = "etaoinshrdlucmfwypvbgk", "оеаинтсрвлкмдпуяыьгзбч"


def key(kind: str, number: int) -> bytes:
    """An id of 32 bytes."""
    return hashlib.blake2b(f"{kind}{number}".encode(), digest_size=32).digest()


class Language:
    """Draws sentences with Zipf's frequencies from invented words."""

    def __init__(self, chance: random.Random, letters: str, *, count: int) -> None:
        self.chance = chance
        found: dict[str, None] = {}
        while len(found) < count:
            size = 2 + min(10, int(len(found) ** 0.22)) + chance.randrange(3)
            found["".join(chance.choices(letters, k=size))] = None
        self.words = list(found)
        self.weights = list(
            itertools.accumulate(1 / (rank + 2.7) for rank in range(count))
        )

    def draw(self, count: int) -> list[str]:
        """So many words."""
        return self.chance.choices(self.words, cum_weights=self.weights, k=count)


class Corpus:
    """Messages from a seed."""

    def __init__(self, seed: int, count: int) -> None:
        self.count = count
        self.chance = random.Random(seed)
        han = "".join(chr(0x4E00 + at) for at in range(4_000))
        kana = "".join(chr(0x3042 + at) for at in range(70))
        self.latin = Language(self.chance, LATIN, count=60_000)
        self.cyrillic = Language(self.chance, CYRILLIC, count=40_000)
        self.han = Language(self.chance, han, count=30_000)
        self.kana = Language(self.chance, kana, count=5_000)
        self.room_weights = list(
            itertools.accumulate(1 / (rank + 1) for rank in range(ROOMS))
        )

    def text(self, number: int) -> str:
        """Half of them in Latin letters, the rest in others; some common words."""
        size = min(60, 1 + int(self.chance.expovariate(1 / 9)))
        kind = number % 10
        if kind < 5:
            found = " ".join(self.latin.draw(size))
        elif kind < 7:
            found = " ".join(self.cyrillic.draw(size))
        elif kind < 9:
            found = "".join(word[:2] for word in self.han.draw(size))
        else:
            found = "".join(a[:2] + b[:1] for a, b in self._japanese(size))
        if number % 2:
            found += " common"
        if number % 97 == 0:
            found += " 👍🏽 https://example.com/page"
        if number % 100_003 == 7:
            found += " needle"
        if number % 20_011 == 9:
            found += " quick brown fox"
        return found

    def _japanese(self, size: int) -> Iterator[tuple[str, str]]:
        return zip(self.han.draw(size), self.kana.draw(size), strict=True)

    def entries(self) -> Iterator[Entry]:
        """All of them in the order of their time."""
        rooms = range(ROOMS)
        for number in range(self.count):
            (room,) = self.chance.choices(rooms, cum_weights=self.room_weights)
            author = (room * 37 + int(self.chance.expovariate(1 / 5))) % AUTHORS
            yield Entry(
                key("room", room),
                key("message", number),
                key("author", author),
                START_MS + number * STEP_MS,
                self.text(number),
                number % 33 == 0,
            )


def fill(index: SearchIndex, corpus: Corpus) -> tuple[float, float]:
    """Fill it; gives the seconds it took and those it took to invent the messages."""
    inventing, begun = 0.0, time.perf_counter()
    entries = corpus.entries()
    while True:
        before = time.perf_counter()
        job = list(itertools.islice(entries, JOB_ENTRIES))
        inventing += time.perf_counter() - before
        if not job:
            return time.perf_counter() - begun - inventing, inventing
        index.apply(put=job).result()


def queries(corpus: Corpus) -> dict[str, SearchQuery]:
    """What is asked, by name."""
    latin, han = corpus.latin.words, corpus.han.words
    span = corpus.count * STEP_MS
    big, small = key("room", 0), key("room", ROOMS - 1)
    return {
        "rare word": SearchQuery("needle "),
        "common word (every 2nd)": SearchQuery("common "),
        "most frequent word": SearchQuery(f"{latin[0]} "),
        "absent word": SearchQuery("absentee "),
        "two frequent words": SearchQuery(f"{latin[0]} {latin[1]} "),
        "common and rare": SearchQuery("common needle "),
        "two that never meet": SearchQuery(f"{latin[0]} {corpus.cyrillic.words[0]} "),
        "phrase": SearchQuery('"quick brown fox"'),
        "phrase of frequent words": SearchQuery(f'"{latin[0]} {latin[1]}"'),
        "phrase of frequent, absent": SearchQuery('"common common"'),
        "1 letter typed": SearchQuery("c"),
        "3 letters typed": SearchQuery("com"),
        "5 letters typed": SearchQuery("commo"),
        "6 letters typed, rare": SearchQuery("needle"),
        "1 Han": SearchQuery(han[0][0]),
        "2 Han": SearchQuery(han[0][:2]),
        "4 Han": SearchQuery(han[0][:2] + han[1][:2]),
        "emoji": SearchQuery("👍"),
        "address": SearchQuery("example.com/page"),
        "common, large room": SearchQuery("common ", rooms=[big]),
        "common, small room": SearchQuery("common ", rooms=[small]),
        "common, author": SearchQuery("common ", authors=[key("author", 40)]),
        "common, with file": SearchQuery("common ", has_file=True),
        "rare, large room": SearchQuery("needle ", rooms=[big]),
        "common, old": SearchQuery("common ", until_ms=START_MS + span // 10),
        "common, a day": SearchQuery(
            "common ",
            since_ms=START_MS + span // 2,
            until_ms=START_MS + span // 2 + 86_400_000,
        ),
        "files of a room": SearchQuery("", rooms=[small], has_file=True),
    }


def answer(ask: Callable[[SearchQuery], Future[list[Hit]]], query: SearchQuery) -> None:
    """Ask and wait."""
    ask(query).result()


def measure(work: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median, 99th percentile and first of all, in milliseconds."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1_000)
    cuts = statistics.quantiles(taken, n=100)
    return statistics.median(taken), cuts[98], taken[0]


def main() -> None:
    """Fill, ask, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the index, or use it again")
    options = parser.parse_args()
    corpus = Corpus(options.seed, options.entries)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        index = SearchIndex.open(folder, key=KEY)
        if index.rebuild is not None:
            took, inventing = fill(index, corpus)
            print(f"filled in {took:.1f} s: {options.entries / took:.0f} entries/s")
            print(f"(messages invented in {inventing:.1f} s)")
        size = sum(file.stat().st_size for file in folder.glob("search.db*"))
        print(f"size: {size / 1e6:.0f} MB, {size / options.entries:.0f} bytes an entry")
        print(f"{'newest 50':<28}{'hits':>5}{'p50 ms':>9}{'p99 ms':>9}{'first':>9}")
        for name, query in queries(corpus).items():
            hits = len(index.newest(query).result())
            p50, p99, first = measure(
                partial(answer, index.newest, query), options.rounds
            )
            print(f"{name:<28}{hits:>5}{p50:>9.2f}{p99:>9.2f}{first:>9.2f}")
        print("best 50 of the newest 10,000")
        for name in ("rare word", "common word (every 2nd)", "common, large room"):
            query = queries(corpus)[name]
            p50, p99, first = measure(
                partial(answer, index.best, query), options.rounds // 5
            )
            print(f"{name:<28}{'':>5}{p50:>9.2f}{p99:>9.2f}{first:>9.2f}")
        measure_removals(index, options.rounds)
        index.close()


def measure_removals(index: SearchIndex, rounds: int) -> None:
    """Take out single entries, each as its own job, and one small room."""
    found = index.newest(SearchQuery("common ")).result()[:rounds]
    gone = iter(found)

    def one() -> None:
        hit = next(gone)
        index.apply(removed=[(hit.room, hit.message)]).result()

    p50, p99, _ = measure(one, len(found))
    print(f"one entry removed, words and log: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    begun = time.perf_counter()
    index.remove_room(key("room", ROOMS - 1)).result()
    print(f"smallest room removed in {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
