"""Mirrors: the plan by property, and whole runs between sides of any kind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import LocalProtocolError
from store.hyperdrive import LocalFolder, Mirror, Operation, RefusedPathError
from store.hyperdrive.confined_folder import ConfinedFolder
from store.hyperdrive.mirror import same_bytes
from store.hyperdrive.mirror_plan import Item, Verdict, judge, judge_equal, pairs

items = st.builds(
    Item,
    path=st.just("/p"),
    linkname=st.none() | st.sampled_from(["/a", "b"]),
    size=st.none() | st.integers(0, 2),
    has_contents=st.booleans(),
    executable=st.booleans(),
    metadata=st.sampled_from([None, {}, 1, {"a": 1}]),
)


async def stream(values: Iterable[Item]) -> AsyncGenerator[Item, None]:
    for value in values:
        yield value


async def chunks(values: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    for value in values:
        yield value


@given(st.sets(st.text(max_size=3)), st.sets(st.text(max_size=3)))
async def test_pairs_are_a_merge(left: set[str], right: set[str]) -> None:
    found = [
        (mine and mine.path, other and other.path)
        async for mine, other in pairs(
            stream(Item(path) for path in sorted(left)),
            stream(Item(path) for path in sorted(right)),
        )
    ]
    assert found == [
        (path if path in left else None, path if path in right else None)
        for path in sorted(left | right)
    ]


async def test_a_listing_out_of_order_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        [_ async for _ in pairs(stream([Item("b"), Item("a")]), stream([]))]


@given(items, items, st.booleans())
def test_verdicts(source: Item, target: Item, with_metadata: bool) -> None:
    verdict = judge(source, target, with_metadata=with_metadata)
    assert judge(source, None, with_metadata=with_metadata) is Verdict.WRITE
    link = source.linkname is not None or target.linkname is not None
    if verdict is Verdict.COMPARE:
        assert not link
        assert source.has_contents
        assert target.has_contents
        assert None in (source.size, target.size) or source.size == target.size
    elif verdict is Verdict.ATTRIBUTES:
        assert not link
        assert with_metadata or source.executable != target.executable
    elif verdict is Verdict.SAME:
        assert source.linkname == target.linkname
        assert link or source.executable == target.executable
        assert link or source.has_contents == target.has_contents


@given(items)
def test_nothing_is_written_over_itself(item: Item) -> None:
    verdict = judge(item, item, with_metadata=True)
    assert verdict in (Verdict.SAME, Verdict.COMPARE)
    assert judge_equal(item, item, with_metadata=True) is Verdict.SAME


@given(
    st.binary(max_size=12), st.binary(max_size=12), st.integers(1, 5), st.integers(1, 5)
)
async def test_streams_are_compared_however_they_are_cut(
    one: bytes, two: bytes, left: int, right: int
) -> None:
    def cut(data: bytes, size: int) -> list[bytes]:
        return [data[at : at + size] for at in range(0, len(data), size)]

    for other in (one, two, one + b"\0"):
        same = await same_bytes(
            chunks([*cut(one, left), b""]), chunks([b"", *cut(other, right), b""])
        )
        assert same == (one == other)


def plant(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def grown(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
async def sides(tmp_path: Path) -> tuple[LocalFolder, LocalFolder]:
    return (
        await LocalFolder.open(tmp_path / "source"),
        await LocalFolder.open(tmp_path / "target"),
    )


OLD = {"same": b"1", "changed": b"22", "gone": b"3", "file/below": b"4", "folder": b"5"}
NEW = {"same": b"1", "changed": b"2x", "new": b"6", "file": b"7", "folder/below": b"8"}


async def test_a_run(sides: tuple[LocalFolder, LocalFolder]) -> None:
    source, target = sides
    plant(source.root, NEW)
    plant(target.root, OLD)
    (source.root / "same").chmod(0o755)
    mirror = source.mirror(target)
    steps = [(step.operation.value, step.path) async for step in mirror.steps()]
    assert steps == [
        ("remove", "/file/below"),
        ("remove", "/folder"),
        ("remove", "/gone"),
        ("change", "/changed"),
        ("add", "/file"),
        ("add", "/folder/below"),
        ("add", "/new"),
        ("change", "/same"),
    ]
    assert grown(target.root) == NEW
    assert (target.root / "same").stat().st_mode & 0o100
    counts = mirror.counts
    assert (counts.files, counts.added, counts.changed, counts.removed) == (5, 3, 2, 3)
    assert (counts.bytes_added, counts.bytes_removed) == (5, 5)
    assert mirror.copied_bytes == 5
    assert not mirror.refused
    again = await source.mirror(target).done()
    assert (again.equal, again.added, again.changed, again.removed) == (5, 0, 0, 0)
    with pytest.raises(LocalProtocolError):
        await mirror.done()


async def test_a_dry_run_says_the_same_and_changes_nothing(
    sides: tuple[LocalFolder, LocalFolder],
) -> None:
    source, target = sides
    plant(source.root, NEW)
    plant(target.root, OLD)
    dry = source.mirror(target, dry_run=True)
    told = [step async for step in dry.steps()]
    assert grown(target.root) == OLD
    assert told == [step async for step in source.mirror(target).steps()]


async def test_what_is_left_alone(sides: tuple[LocalFolder, LocalFolder]) -> None:
    source, target = sides
    plant(source.root, {"a/1": b"x", "a/2": b"x", "b/1": b"x", "c": b"x"})
    plant(target.root, {"a/2": b"old", "b/old": b"old", "c": b"old", "d": b"old"})
    await source.mirror(
        target, ignore="/b", prune=False, select=lambda path: path != "/c"
    ).done()
    assert grown(target.root) == {
        "a/1": b"x",
        "a/2": b"x",
        "b/old": b"old",
        "c": b"old",
        "d": b"old",
    }
    await source.mirror(target, folder="/b").done()
    assert grown(target.root)["b/1"] == b"x"
    assert "b/old" not in grown(target.root)
    assert grown(target.root)["d"] == b"old"


async def test_one_bad_path_does_not_stop_the_others(
    sides: tuple[LocalFolder, LocalFolder],
) -> None:
    source, target = sides
    plant(source.root, {"a/b": b"x", "c": b"x", "z": b"x"})
    plant(target.root, {"a": b"in the way", "c/d": b"in the way"})
    (source.root / "out").symlink_to("/")
    mirror = Mirror(source, target, prune=False)
    refused = [
        (step.path, step.reason)
        async for step in mirror.steps()
        if step.operation is Operation.REFUSE
    ]
    assert refused == [
        ("/a/b", "in-the-way"),
        ("/c", "in-the-way"),
        ("/out", "link-outside"),
    ]
    assert mirror.refused == {"in-the-way": 2, "link-outside": 1}
    assert (target.root / "z").read_bytes() == b"x"


async def test_what_lies_below_a_folder_that_cannot_be_read_is_not_removed(
    sides: tuple[LocalFolder, LocalFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = sides
    plant(source.root, {"a/b/c": b"x", "a/b-": b"x"})
    plant(target.root, {"a/b/c": b"old", "a/b/d": b"old", "a/b0": b"old"})
    listed = ConfinedFolder.children

    def closed(self: ConfinedFolder, folder: str) -> list[tuple[str, Item | None]]:
        if self.root == str(source.root) and folder == "/a/b":
            raise RefusedPathError("not-permitted")
        return listed(self, folder)

    monkeypatch.setattr(ConfinedFolder, "children", closed)
    mirror = source.mirror(target)
    await mirror.done()
    assert grown(target.root) == {"a/b/c": b"old", "a/b/d": b"old", "a/b-": b"x"}
    assert mirror.refused == {"not-permitted": 1}


async def test_a_run_that_is_stopped_leaves_nothing_half(
    sides: tuple[LocalFolder, LocalFolder],
) -> None:
    source, target = sides
    plant(source.root, {f"{number:03}": b"x" * 100 for number in range(50)})
    steps = source.mirror(target).steps()
    await anext(steps)
    await steps.aclose()
    assert grown(target.root) == {"000": b"x" * 100}


trees = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "a-", "C"]), min_size=1, max_size=3).map(
        "/".join
    ),
    st.binary(max_size=3),
    max_size=8,
).map(
    # A name is a file or a folder, not both.
    lambda files: {
        name: data
        for name, data in files.items()
        if not any(other.startswith(f"{name}/") for other in files)
    }
)


@given(trees, trees)
async def test_after_a_mirror_both_are_equal(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, bytes],
    after: dict[str, bytes],
) -> None:
    base = tmp_path_factory.mktemp("sides")
    source = await LocalFolder.open(base / "source")
    target = await LocalFolder.open(base / "target")
    plant(source.root, after)
    plant(target.root, before)
    counts = await source.mirror(target).done()
    assert grown(target.root) == after
    assert counts.removed == len(before.keys() - after.keys())
    assert counts.added == len(after.keys() - before.keys())
    changed = sum(before[name] != after[name] for name in before.keys() & after.keys())
    assert counts.changed == changed
