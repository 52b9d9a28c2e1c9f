"""The root conftest does what it promises, shown on an invented set of tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

INI = """[pytest]
addopts = --strict-markers -p no:cacheprovider
asyncio_mode = auto
markers =
    loopback: x
    expects_log(text): x
"""

OFFLINE = """
import logging, socket
import pytest

def udp(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", address)

def test_no_loopback():
    udp(("127.0.0.1", 9))

@pytest.mark.loopback
def test_marked_loopback():
    udp(("127.0.0.1", 9))

@pytest.mark.loopback
def test_marked_but_elsewhere():
    udp(("192.0.2.1", 9))

def test_name():
    socket.getaddrinfo("localhost", 80)

def test_pair_and_path(tmp_path):
    left, right = socket.socketpair()
    left.close(), right.close()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))

def test_warning():
    logging.getLogger("net.udx").warning("strange packet")

def test_foreign_warning():
    logging.getLogger("somebody").warning("strange packet")

@pytest.mark.expects_log("strange")
def test_expected_warning():
    logging.getLogger("net.udx").warning("strange packet")

async def test_lost_task_error():
    import asyncio, gc
    async def fail():
        raise OSError("lost")
    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()

def test_seed(seed):
    assert seed == 7
"""

PEERS = """
import pytest

def test_without_node():
    pytest.skip("no Node")

def test_with_node():
    pass
"""

WHOLE_FILE = """
import pytest
pytest.skip("no root", allow_module_level=True)
"""

ELSEWHERE = """
import pytest

def test_only_on_windows():
    pytest.skip("another system")
"""


def outcomes(root: Path, *, ci: str) -> tuple[dict[str, str], str]:
    """Runs the invented tests; returns each one's outcome, and all that was said."""
    (root / "pytest.ini").write_text(INI)
    files = {
        "unit/test_offline.py": OFFLINE,
        "unit/test_elsewhere.py": ELSEWHERE,
        "interop/test_peers.py": PEERS,
        "natlab/test_file.py": WHOLE_FILE,
    }
    for name, text in files.items():
        path = root / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(CONFTEST, root / "tests" / "conftest.py")
    pytest_command = (sys.executable, "-m", "pytest", "tests")
    done = subprocess.run(
        [*pytest_command, "-v", "--continue-on-collection-errors"],
        cwd=root,
        env={**os.environ, "CI": ci, "COVEY_SEED": "8"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"::(\w+) ([A-Z]+)", done.stdout)
    return {name: verdict for name, verdict in found if verdict != "at"}, done.stdout


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    return outcomes(tmp_path_factory.mktemp("home"), ci="")


@pytest.fixture(scope="module")
def on_ci(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    return outcomes(tmp_path_factory.mktemp("ci"), ci="true")


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("test_no_loopback", "FAILED"),
        ("test_marked_loopback", "PASSED"),
        ("test_marked_but_elsewhere", "FAILED"),
        ("test_name", "FAILED"),
        ("test_pair_and_path", "PASSED"),
        ("test_warning", "FAILED"),
        ("test_foreign_warning", "PASSED"),
        ("test_expected_warning", "PASSED"),
        ("test_lost_task_error", "FAILED"),
        ("test_seed", "FAILED"),
        ("test_without_node", "SKIPPED"),
        ("test_with_node", "PASSED"),
        ("test_only_on_windows", "SKIPPED"),
    ],
)
def test_at_home(name: str, verdict: str, at_home: tuple[dict[str, str], str]) -> None:
    assert at_home[0][name] == verdict, at_home[1]


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("test_without_node", "FAILED"),
        ("test_with_node", "PASSED"),
        ("test_only_on_windows", "SKIPPED"),
    ],
)
def test_on_ci(name: str, verdict: str, on_ci: tuple[dict[str, str], str]) -> None:
    assert on_ci[0][name] == verdict, on_ci[1]


def test_a_file_that_skips_itself_is_an_error_on_ci(
    at_home: tuple[dict[str, str], str], on_ci: tuple[dict[str, str], str]
) -> None:
    assert "In CI this file must run, but: " in on_ci[1]
    assert "In CI" not in at_home[1]


def test_a_failure_tells_its_seed(at_home: tuple[dict[str, str], str]) -> None:
    assert "COVEY_SEED=8" in at_home[1].split("test_seed")[-2]
