"""The index beside a naive model that reads every message through."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.search import Entry, SearchIndex, SearchQuery

DENSE = "東京タ"
LETTERS = "abé"
ALPHABET = LETTERS + LETTERS.upper() + DENSE + "👍 .,'\u00ad"
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=14)
ROOMS = [b"r" * 32, b"s" * 32]
AUTHORS = [b"a" * 32, b"b" * 32]
ENTRIES = st.builds(
    Entry,
    room=st.sampled_from(ROOMS),
    message=st.integers(0, 12).map(
        lambda number: bytes([number % 3]) * 8 + bytes([number])
    ),
    author=st.sampled_from(AUTHORS),
    time_ms=st.integers(0, 9).map(lambda number: number * 400),
    text=TEXTS,
    has_file=st.booleans(),
)
QUERIES = st.builds(
    SearchQuery,
    text=st.text(st.sampled_from(ALPHABET + '""'), max_size=7),
    rooms=st.sets(st.sampled_from([*ROOMS, b"unknown"])).map(list),
    authors=st.sets(st.sampled_from(AUTHORS)).map(list),
    since_ms=st.none() | st.integers(-1, 4_000),
    until_ms=st.none() | st.integers(-1, 4_000),
    has_file=st.booleans(),
    typing=st.booleans(),
)
JOBS = st.lists(
    st.one_of(
        st.lists(ENTRIES, max_size=6),
        ENTRIES.map(lambda entry: (entry.room, entry.message)),
        st.sampled_from(ROOMS),
    ),
    max_size=8,
)


def line(text: str) -> str:
    """The runs of a text with bars between them and around."""
    plain = text.lower().replace("é", "e").replace("\u00ad", "")
    return "|".join(["", *re.findall(f"[{DENSE}👍]+|[abe]+", plain), ""])


def terms(query: SearchQuery) -> list[str]:
    """A stretch of such a line for everything that must be there."""
    found = []
    parts = re.findall(r'"[^"]*"?|[^\s"]+', query.text)
    for part in parts:
        runs = line(part).strip("|")
        if not runs:
            continue
        open_end = part is parts[-1] and query.text.endswith(part)
        open_end = open_end and not (part.startswith('"') and part[1:].endswith('"'))
        open_end = open_end and query.text[-1] not in " .,'"
        front = "" if runs[0] in DENSE + "👍" else "|"
        dense_end = runs[-1] in DENSE + "👍"
        end = "" if dense_end or (query.typing and open_end) else "|"
        found.append(front + runs + end)
    return found


def fits(entry: Entry, query: SearchQuery) -> bool:
    """Judge one entry."""
    wanted = terms(query)
    if query.text.strip() and not wanted:
        return False
    return (
        all(term in line(entry.text) for term in wanted)
        and (not query.rooms or entry.room in query.rooms)
        and (not query.authors or entry.author in query.authors)
        and (query.since_ms is None or entry.time_ms >= query.since_ms)
        and (query.until_ms is None or entry.time_ms < query.until_ms)
        and (entry.has_file or not query.has_file)
    )


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(JOBS, st.lists(QUERIES, min_size=1, max_size=8), st.integers(1, 4))
def test_the_index_finds_what_the_model_finds(
    jobs: list[object], queries: list[SearchQuery], page: int
) -> None:
    model: dict[tuple[bytes, bytes], Entry] = {}
    with tempfile.TemporaryDirectory() as folder:
        index = SearchIndex.open(Path(folder), key=None)
        for job in jobs:
            if isinstance(job, list):
                index.apply(put=job).result(60)
                model |= {(entry.room, entry.message): entry for entry in job}
            elif isinstance(job, tuple):
                index.apply(removed=[job]).result(60)
                model.pop(job, None)
            else:
                assert isinstance(job, bytes)
                index.remove_room(job).result(60)
                model = {key: kept for key, kept in model.items() if key[0] != job}
        for query in queries:
            expected = {
                (entry.room, entry.message, entry.author, entry.time_ms, entry.has_file)
                for entry in model.values()
                if fits(entry, query)
            }
            hits = []
            before = None
            while found := index.newest(query, limit=page, before=before).result(60):
                hits += found
                before = found[-1].position
            seconds = [hit.time_ms // 1_000 for hit in hits]
            assert seconds == sorted(seconds, reverse=True)
            assert len(hits) == len(expected)
            best = index.best(query).result(60)
            for some in (hits, best):
                assert expected == {
                    (hit.room, hit.message, hit.author, hit.time_ms, hit.has_file)
                    for hit in some
                }
            for hit in hits:
                assert bool(hit.snippet.ranges) == bool(terms(query))
        index.check().result(60)
        index.close()
