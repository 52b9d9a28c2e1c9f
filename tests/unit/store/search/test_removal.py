"""What was removed is nowhere: not in the lists, in free pages or in the log.

The file is plain here, so that its bytes can be searched as they lie on the disk.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from store.database import Connection
from store.search import Entry, SearchIndex, SearchQuery
from store.search import entries as entries_module
from store.search import index as index_module
from store.search.words import words

ROOM, AUTHOR = b"r" * 32, b"a" * 32
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 300)]
RARE_HAN = [chr(code) for code in range(0x8000, 0x9000)]


def message(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Invented:
    """Messages from a seed; some hold words that no other one holds."""

    def __init__(self, seed: int, count: int) -> None:
        chance = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        common = [
            "".join(chance.choices(letters, k=chance.randint(3, 9)))
            for _ in range(3_000)
        ]
        self.secrets: dict[int, list[str]] = {}
        self.entries = []
        rare = iter(chance.sample(RARE_HAN, 2 * count // 20))
        for number in range(count):
            text = chance.choices(common, k=chance.randint(1, 15))
            text.append("".join(chance.choices(HAN, k=chance.randint(1, 8))))
            if number % 20 == 0:
                hidden = [
                    "".join(chance.choices(letters, k=2))
                    + f"{chance.getrandbits(64):x}"
                    for _ in range(3)
                ]
                hidden.append(next(rare) + next(rare))
                self.secrets[number] = hidden
                text += hidden
            chance.shuffle(text)
            self.entries.append(
                Entry(ROOM, message(number), AUTHOR, number * 700, " ".join(text))
            )
        chance.shuffle(self.entries)


def fill(index: SearchIndex, entries: list[Entry], *, job: int) -> None:
    for start in range(0, len(entries), job):
        index.apply(put=entries[start : start + job]).result(60)


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.glob("search.db*")))


def left_of(invented: Invented, numbers: set[int], raw: bytes) -> list[str]:
    """Secrets of these messages of which more than a beginning is on the disk.

    Two letters alone are in many a word of others.
    """
    found = []
    for number in numbers:
        for secret in invented.secrets[number]:
            shown = secret[:6].encode() if secret.isascii() else secret[0].encode()
            if shown in raw:
                found.append(secret)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_removed_entries_leave_nothing_behind(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    invented = Invented(seed, 4_000)
    index = SearchIndex.open(tmp_path, key=None)
    fill(index, invented.entries, job=[4_000, 500, 97, 1_000][seed])
    everything = set(invented.secrets)
    assert len(left_of(invented, everything, on_disk(tmp_path))) == 4 * len(everything)
    chance = random.Random(seed)
    order = chance.sample(sorted(everything), len(everything))
    kept = set(order[100:])
    # One by one, then many at once: once by looking up, once by reading through.
    monkeypatch.setattr(entries_module, "MAX_LOOKUPS", 0 if seed % 2 else 10**9)
    for number in order[:60]:
        index.apply(removed=[(ROOM, message(number))]).result(60)
    index.apply(removed=[(ROOM, message(number)) for number in order[60:100]]).result(
        30
    )
    raw = on_disk(tmp_path)
    assert left_of(invented, everything - kept, raw) == []
    for number in order:
        for secret in invented.secrets[number]:
            hits = index.newest(SearchQuery(secret)).result(60)
            assert [hit.message for hit in hits] == [message(number)] * (number in kept)
    for entry in invented.entries[::40]:
        if int.from_bytes(entry.message, "big") not in everything - kept:
            phrase = f'"{entry.text}"'
            hits = index.newest(SearchQuery(phrase[:900])).result(60)
            assert entry.message in [hit.message for hit in hits]
    index.check().result(60)
    index.close()


def test_an_edit_leaves_nothing_of_the_old_text(tmp_path: Path) -> None:
    invented = Invented(9, 1_000)
    index = SearchIndex.open(tmp_path, key=None)
    fill(index, invented.entries, job=100)
    edited = [
        Entry(ROOM, message(number), AUTHOR, number * 700 + 5_000, "edited")
        for number in invented.secrets
    ]
    index.apply(put=edited).result(60)
    assert left_of(invented, set(invented.secrets), on_disk(tmp_path)) == []
    assert len(index.newest(SearchQuery("edited"), limit=200).result(60)) == len(edited)
    index.close()


def test_a_removed_room_leaves_nothing_behind(tmp_path: Path) -> None:
    invented = Invented(5, 2_000)
    other = b"o" * 32
    kept = [
        Entry(other, message(number), b"b" * 32, number, "stays here")
        for number in range(100)
    ]
    index = SearchIndex.open(tmp_path, key=None)
    fill(index, invented.entries + kept, job=300)
    index.apply(marks={ROOM: b"mark"}).result(60)
    index.remove_room(ROOM).result(60)
    raw = on_disk(tmp_path)
    assert left_of(invented, set(invented.secrets), raw) == []
    assert ROOM not in raw
    assert AUTHOR not in raw
    assert index.mark(ROOM).result(60) is None
    assert len(index.newest(SearchQuery("stays here"), limit=200).result(60)) == 100
    index.check().result(60)
    index.close()


def test_the_directory_of_pages_is_what_would_keep_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without mending it, words are left: the tests above can fail."""
    monkeypatch.setattr(entries_module, "_mend_directory", lambda *_: None)
    invented = Invented(1, 4_000)
    index = SearchIndex.open(tmp_path, key=None)
    fill(index, invented.entries, job=4_000)
    numbers = set(sorted(invented.secrets)[::2])
    index.apply(removed=[(ROOM, message(number)) for number in numbers]).result(60)
    assert left_of(invented, numbers, on_disk(tmp_path))
    index.close()


def test_words_that_are_counted_as_secret_are_words() -> None:
    invented = Invented(0, 40)
    for number, secrets in invented.secrets.items():
        (entry,) = [e for e in invented.entries if e.message == message(number)]
        assert set(secrets) <= set(words(entry.text).split())


def test_a_large_index_is_clean_in_its_tables_at_once_and_whole_when_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "MAX_REWRITTEN_BYTES", 0)
    invented = Invented(9, 1_000)
    index = SearchIndex.open(tmp_path, key=None)
    fill(index, invented.entries, job=100)
    numbers = set(invented.secrets)
    index.apply(removed=[(ROOM, message(number)) for number in numbers]).result(60)
    assert (tmp_path / "search.db-wal").stat().st_size == 0

    def everything(connection: Connection) -> bytes:
        found = b""
        for table, column in (
            ("entry", "text"),
            ("words_idx", "term"),
            ("words_data", "block"),
        ):
            for (value,) in connection.execute(f"SELECT {column} FROM {table}"):
                found += value.encode() if isinstance(value, str) else value
        return found

    tables = index._database.read(everything).result(60)
    assert left_of(invented, numbers, tables) == []
    assert index.has_traces().result(60)
    index.compact().result(60)
    assert not index.has_traces().result(60)
    assert left_of(invented, numbers, on_disk(tmp_path)) == []
    index.close()


def test_traces_that_a_killed_process_left_go_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invented = Invented(9, 1_000)
    numbers = set(invented.secrets)
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "MAX_REWRITTEN_BYTES", 0)
        index = SearchIndex.open(tmp_path, key=None)
        fill(index, invented.entries, job=100)
        index.apply(removed=[(ROOM, message(number)) for number in numbers]).result(60)
        index.close()
        assert left_of(invented, numbers, on_disk(tmp_path))
    index = SearchIndex.open(tmp_path, key=None)
    assert index.rebuild is None
    assert left_of(invented, numbers, on_disk(tmp_path)) == []
    assert not index.has_traces().result(60)
    index.close()
