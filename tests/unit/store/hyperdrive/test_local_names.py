"""Which paths of a drive may become files."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.hyperdrive.local_names import (
    MAX_DEPTH,
    NameRules,
    fold,
    reason_against_link,
    reason_against_path,
)

POSIX = NameRules()
WINDOWS = NameRules(windows=True, folds_case=True)

CASES = [
    # path, reason on POSIX, reason on Windows
    ("/a/b.txt", None, None),
    ("/../etc/passwd", "unclean-path", "unclean-path"),
    ("/a/../../b", "unclean-path", "unclean-path"),
    ("a", "unclean-path", "unclean-path"),
    ("/a\\..\\b", "unclean-path", "unclean-path"),
    ("/a\0b", "bad-character", "bad-character"),
    ("/" + "x" * 255, None, None),
    ("/" + "x" * 256, "too-long", "too-long"),
    ("/" + "é" * 128, "too-long", None),
    ("/a" * MAX_DEPTH, None, None),
    ("/a" * (MAX_DEPTH + 1), "too-deep", "too-deep"),
    ("/.covey-part-1-2", "reserved-name", "reserved-name"),
    ("/.COVEY-part-1-2", "reserved-name", "reserved-name"),
    ("/nul", None, "reserved-name"),
    ("/d/NUL.txt", None, "reserved-name"),
    ("/com1 .txt", None, "reserved-name"),
    ("/lpt²", None, "reserved-name"),
    ("/console", None, None),
    ("/a.", None, "reserved-name"),
    ("/a ", None, "reserved-name"),
    ("/a:stream", None, "bad-character"),
    ("/C:", None, "bad-character"),
    ("/a\tb", None, "bad-character"),
    ("/what?", None, "bad-character"),
]


@pytest.mark.parametrize(("path", "posix", "windows"), CASES)
def test_paths(path: str, posix: str | None, windows: str | None) -> None:
    assert reason_against_path(path, POSIX) == posix
    assert reason_against_path(path, WINDOWS) == windows


LINKS = [
    ("/a", "b", None),
    ("/a", "/b/c", None),
    ("/a", "/", None),
    ("/a", "..", "link-outside"),
    ("/d/a", "..", None),
    ("/d/a", "../b", None),
    ("/d/a", "./../b", None),
    ("/d/a", "../../b", "link-outside"),
    ("/d/e/a", "b/../../c", "link-outside"),
    ("/a", "/..", "link-outside"),
    ("/a", "", "link-outside"),
    ("/a", "b\\..\\c", "bad-character"),
    ("/a", "b\0", "bad-character"),
    ("/a", "x" * 256, "too-long"),
]


@pytest.mark.parametrize(("path", "linkname", "reason"), LINKS)
def test_links(path: str, linkname: str, reason: str | None) -> None:
    assert reason_against_link(path, linkname, POSIX) == reason


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4),
    st.lists(st.sampled_from(["..", ".", "", "a", "b"]), max_size=6),
)
def test_a_link_that_is_made_stays_below_the_root(
    path: list[str], target: list[str]
) -> None:
    where, linkname = "/" + "/".join(path), "/".join(target)
    if reason_against_link(where, linkname, POSIX) is None:
        folder = posixpath.dirname("/root" + where)
        base = "/root" if linkname.startswith("/") else folder
        joined = posixpath.normpath(f"{base}/{linkname}")
        assert joined == "/root" or joined.startswith("/root/")


def test_names_that_some_system_takes_for_one() -> None:
    assert fold("README") == fold("readme")
    assert fold("\u00e9") == fold("e\u0301") == fold("\u00c9")
    assert fold("a") != fold("b")
