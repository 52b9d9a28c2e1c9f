"""The demo leaves nothing behind, however it ends."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.core.processes import Stage


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob("covey-demo-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_demo_cleans_up(alone: Stage, number: signal.Signals) -> None:
    alone.environment |= {"TMPDIR": str(alone.folder), "QT_QPA_PLATFORM": "offscreen"}
    process, said = alone.start("--json", "demo", stderr=subprocess.PIPE)
    assert said["event"] == "ready"
    assert len(leftovers(alone.folder)) == 1
    process.send_signal(number)
    assert process.wait(40) == 130
    assert leftovers(alone.folder) == []
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
