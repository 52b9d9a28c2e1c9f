"""The checks run in one order, all of them, and any failure is the result."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.unit.packaging.scripts import load


class Runs:
    """Records which checks ran, and lets the named ones fail."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.ran: list[str] = []
        self.environments: list[dict[str, str]] = []

    def __call__(self, arguments: tuple[str, ...], environment: dict[str, str]) -> bool:
        self.ran.append(" ".join(arguments))
        self.environments.append(environment)
        return arguments[0] not in self.failing


def check(monkeypatch: pytest.MonkeyPatch, runs: Runs, *words: str) -> int:
    module: ModuleType = load("check")
    monkeypatch.setattr(module, "run", runs)
    monkeypatch.setattr(module.sys, "argv", ["check.py", *words])
    status: int = module.main()
    return status


def test_the_tests_come_last_and_hear_what_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs()
    assert check(monkeypatch, runs, "all", "-k", "noise") == 0
    assert [line.split()[0] for line in runs.ran] == ["ruff", "ruff", "mypy", "pytest"]
    assert runs.ran[-1].endswith("tests -k noise")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), "-n 2 tests"),
        (("-k", "noise"), "--continue-on-collection-errors tests -k noise"),
        (("-x", "tests/ui"), "--continue-on-collection-errors -x tests/ui"),
        (("-n", "3"), "--continue-on-collection-errors tests -n 3"),
    ],
)
def test_two_at_a_time_unless_more_is_said(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], wanted: str
) -> None:
    runs = Runs()
    assert check(monkeypatch, runs, "all", *words) == 0
    assert runs.ran[-1].endswith(wanted)


@pytest.mark.parametrize("failing", ["ruff", "mypy", "pytest"])
def test_one_failure_stops_nothing_and_is_the_result(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    runs = Runs(failing)
    assert check(monkeypatch, runs, "all") == 1
    assert len(runs.ran) == 4


def test_style_alone_starts_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    assert check(monkeypatch, runs, "lint") == 0
    assert not any("pytest" in line for line in runs.ran)


def test_windows_stay_off_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    runs = Runs()
    check(monkeypatch, runs, "natlab")
    assert runs.environments[0]["QT_QPA_PLATFORM"] == "offscreen"


def test_a_word_it_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    assert check(monkeypatch, runs, "everything") == 2
    assert runs.ran == []
