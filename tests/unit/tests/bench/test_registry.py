"""Rows of the benchmarks say what the contract says, and ratios the right way round."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator

import pytest

from tests.bench import __main__ as program
from tests.bench import registry
from tests.bench.registry import MODULES, Row, Settings, compare, load_group

KEYS = ["bench", "unit", "better", "covey", "peer", "peerValue", "ratio"]


def test_more_is_better_or_less_is() -> None:
    faster = compare("a.b", "MB/s", "higher", [300, 200, 900], "npm", [150, 150])
    assert faster.covey == 300, "the median"
    assert faster.ratio == 2
    sooner = compare("a.b", "ms", "lower", [2.0], "npm", [6.0])
    assert sooner.ratio == 3
    worse = compare("a.b", "ms", "lower", [6.0], "npm", [2.0])
    assert worse.ratio is not None
    assert worse.ratio < 1


def test_without_a_peer_its_keys_are_null() -> None:
    row = compare("a.b", "ms", "lower", [2.0], "npm", []).as_json()
    assert list(row) == KEYS
    assert row["peer"] is row["peerValue"] is row["ratio"] is None


def test_a_figure_of_nothing_has_no_ratio() -> None:
    assert compare("a.b", "ms", "lower", [0.0], "npm", [1.0]).ratio is None


@pytest.mark.parametrize("name", MODULES)
def test_every_group_loads(name: str) -> None:
    assert callable(load_group(name).measure)


@pytest.fixture
def only_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(settings: Settings) -> Iterator[Row]:
        yield compare("fake.first", "ms", "lower", [settings.rounds], "npm", [2.0])
        yield compare("fake.second", "1/s", "higher", [5.0], "npm", [])

    module = types.SimpleNamespace(measure=measure)
    monkeypatch.setattr(registry, "MODULES", {"fake": "fake"})
    monkeypatch.setattr(program, "MODULES", {"fake": "fake"})
    monkeypatch.setattr(program, "load_group", lambda _: module)


@pytest.mark.usefixtures("only_group")
def test_the_program_prints_one_object_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program.main(["--json", "--quick"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(row) for row in rows] == [KEYS, KEYS]
    assert rows[0]["ratio"] == 2
    assert rows[1]["peer"] is None


@pytest.mark.usefixtures("only_group")
def test_one_figure_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--only", "fake.second", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "fake.second" in out
    assert "fake.first" not in out


@pytest.mark.usefixtures("only_group")
def test_an_unknown_group_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--only", "nothing"]) == 2
    assert "fake" in capsys.readouterr().err
