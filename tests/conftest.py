"""What holds for every test: no network where none belongs, no silent skips in CI.

* Tests under tests/unit and tests/sim may not open sockets to anything. Those of the
  rims (LOOPBACK_FOLDERS) and those marked `loopback` may talk to this machine itself.
* With CI=true a skipped test of tests/interop or tests/natlab is a failure: there it
  must run.
* What asyncio or our own packages log at warning level or above fails the test that
  caused it, unless the test is marked `expects_log("part of the text")`.
* Tests run from the quick and narrow to the slow and broad; with `-n 2` two processes
  share them from both ends of that order.
* `seed` is the number every random choice of a test starts from. It is fixed, unless
  COVEY_SEED gives another; a failing test prints it.
* Hypothesis takes the same examples in every run, unless COVEY_SOAK is set.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent
OFFLINE_FOLDERS = ("unit", "sim")
LOOPBACK_FOLDERS = ("unit/net/aio", "unit/app", "unit/tests")
MUST_RUN_IN_CI = ("interop", "natlab")
ORDER = ("house", "unit", "fuzz", "sim", "interop", "natlab", "core", "ui")
"""What fails fastest and tells most comes first."""

DEFAULT_SEED = 20_260

WATCHED_LOGGERS = ("asyncio", "net", "store", "media", "app", "ui")
CONNECTING = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"}
RESOLVING = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}

hypothesis.settings.register_profile(
    "every-run", derandomize=True, deadline=None, print_blob=True
)
hypothesis.settings.register_profile(
    "soak", deadline=None, print_blob=True, max_examples=2000
)
hypothesis.settings.load_profile(
    "soak" if os.environ.get("COVEY_SOAK") else "every-run"
)


def in_ci() -> bool:
    """Tells whether skips of tests that must run are errors."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def folder_of(path: Path) -> str:
    """Returns where below tests/ a file lies, with forward slashes."""
    try:
        return path.resolve().relative_to(ROOT).parent.as_posix()
    except ValueError:
        return ""


def lies_in(folder: str, places: tuple[str, ...]) -> bool:
    """Tells whether a folder is one of the places or below one."""
    return any(folder == place or folder.startswith(f"{place}/") for place in places)


def pytest_configure() -> None:
    """Lets Ctrl-C reach what tests start, where the run itself is in the background.

    A shell hands down to what it starts with ``&`` that the signal is ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# ----------------------------------------------------------------------- order


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the folders in ORDER; inside a folder nothing changes."""
    ranks = {name: rank for rank, name in enumerate(ORDER)}
    items.sort(
        key=lambda item: ranks.get(folder_of(item.path).split("/")[0], len(ranks))
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Shares the tests out when there are several processes."""
    from tests.helpers.both_ends import FromBothEnds

    return FromBothEnds(config, log)


# ----------------------------------------------------------------- network ban


@dataclass
class NetworkBan:
    """Refuses network calls of the test that runs now."""

    active: bool = False
    loopback: bool = False
    """Whether addresses of this machine itself are allowed."""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Judges one audit event of the interpreter.

        Raises:
            RuntimeError: if the running test may not do this.
        """
        if not self.active:
            return
        if event in RESOLVING and not self._allowed_host(arguments[0]):
            raise RuntimeError(self._refusal(f"resolves {arguments[0]!r}"))
        if event in CONNECTING and not self._allowed(arguments[-1]):
            raise RuntimeError(self._refusal(f"uses the address {arguments[-1]!r}"))

    def _refusal(self, deed: str) -> str:
        hint = "" if self.loopback else "; mark it `loopback` if it is about a rim"
        return f"This test {deed}, but has no network{hint}."

    def _allowed(self, address: object) -> bool:
        if isinstance(address, tuple) and len(address) >= 2:
            return self._allowed_host(address[0])
        return True  # a path or a connected socket

    def _allowed_host(self, host: object) -> bool:
        if not self.loopback:
            return False
        if host in {None, "", "localhost", "0.0.0.0", "::"}:
            return True
        try:
            return ipaddress.ip_address(str(host)).is_loopback
        except ValueError:
            return False


BAN = NetworkBan()
sys.addaudithook(BAN)


# ---------------------------------------------------------------- log watching


@dataclass
class LogWatch(logging.Handler):
    """Collects what was logged at warning level or above."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(level=logging.WARNING)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record of a watched logger."""
        if record.name.split(".")[0] in WATCHED_LOGGERS:
            self.lines.append(f"{record.name}: {record.getMessage()}")


def unexpected(lines: list[str], item: pytest.Item) -> list[str]:
    """Returns the lines that no `expects_log` mark of the test speaks of."""
    parts = [
        # asyncio says so, harmlessly, when a program that it is done with was reaped
        # by the start of another.
        "Unknown child process pid",
        *(str(part) for mark in item.iter_markers("expects_log") for part in mark.args),
    ]
    return [line for line in lines if not any(part in line for part in parts)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Bans the network for the whole life of an offline test, fixtures included."""
    folder = folder_of(item.path)
    BAN.loopback = (
        lies_in(folder, LOOPBACK_FOLDERS)
        or item.get_closest_marker("loopback") is not None
    )
    BAN.active = lies_in(folder, OFFLINE_FOLDERS)
    try:
        return (yield)
    finally:
        BAN.active = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fails a test that passed but left warnings in the log."""
    watch = LogWatch()
    root = logging.getLogger()
    root.addHandler(watch)
    try:
        outcome = yield
    finally:
        root.removeHandler(watch)
    left = unexpected(watch.lines, item)
    if left:
        pytest.fail("unexpected in the log:\n" + "\n".join(left), pytrace=False)
    return outcome


# ------------------------------------------------------------------ CI's skips


def must_run(path: Path) -> bool:
    """Tells whether a skip of a test in this file is a failure here."""
    return in_ci() and lies_in(folder_of(path), MUST_RUN_IN_CI)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns skips that CI must not have into failures; adds the seed to failures."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and must_run(item.path):
        report.outcome = "failed"
        report.longrepr = f"In CI this test must run, but: {skip_reason(report)}"
    if report.failed and "seed" in getattr(item, "fixturenames", ()):
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        used = parameters.get("seed", current_seed())
        report.sections.append(("seed", f"COVEY_SEED={used}"))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Does the same for a whole file that skips itself."""
    report = yield
    if report.outcome == "skipped" and must_run(collector.path):
        report.outcome = "failed"
        report.longrepr = f"In CI this file must run, but: {skip_reason(report)}"
    return report


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Returns the words a skip was given."""
    told = report.longrepr
    return str(told[2]) if isinstance(told, tuple) else str(told)


# ----------------------------------------------------------------------- notes

NOTES: list[str] = []
"""What tests measured and people want to read even when all is well."""


@pytest.fixture(scope="session")
def notes() -> list[str]:
    """Lines to be shown at the end of the run, whichever process adds them."""
    return NOTES


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands the notes of a worker over."""
    handed = getattr(session.config, "workeroutput", None)
    if handed is not None:
        handed["covey notes"] = list(NOTES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes the notes of a worker over."""
    NOTES.extend(getattr(node, "workeroutput", {}).get("covey notes", []))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Shows the notes above the results."""
    if NOTES:
        terminalreporter.section("notes")
    for note in NOTES:
        terminalreporter.write_line(note)


# ------------------------------------------------------------------------ seed


def current_seed() -> int:
    """Returns the seed of this run."""
    return int(os.environ.get("COVEY_SEED", DEFAULT_SEED))


@pytest.fixture(scope="session")
def seed() -> int:
    """The number every random choice of a test starts from."""
    return current_seed()


def pytest_report_header() -> str:
    """Names the seed on top of every run."""
    return f"covey: COVEY_SEED={current_seed()}, CI={in_ci()}"
