"""The demo shows a chat and leaves nothing behind; the gallery draws."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.core.processes import END_LIMIT_S, Stage


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob("covey-demo-*"))


def programs_in(folder: Path) -> list[bytes]:
    """Command lines that name the folder, on systems that tell them."""
    found = []
    for told in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(told.read_bytes())
    return [line for line in found if str(folder).encode() in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_demo_cleans_up(alone: Stage, number: signal.Signals) -> None:
    alone.environment |= {"TMPDIR": str(alone.folder), "QT_QPA_PLATFORM": "offscreen"}
    as_a_script_does = signal.SIG_IGN if number == signal.SIGTERM else signal.SIG_DFL
    process, said = alone.start(
        *("--json", "demo"),
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, as_a_script_does),
    )
    assert said["event"] == "ready"
    assert len(leftovers(alone.folder)) == 1
    process.send_signal(number)
    assert process.wait(END_LIMIT_S) == 130
    assert leftovers(alone.folder) == []
    assert programs_in(alone.folder / "covey-demo-") == []
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


def test_the_demo_begins_with_a_chat_and_without_homework(alone: Stage) -> None:
    alone.environment |= {"TMPDIR": str(alone.folder), "QT_QPA_PLATFORM": "offscreen"}
    process, said = alone.start("--json", "demo")
    [folder] = leftovers(alone.folder)
    done = alone.command(
        *("--json", "--profile", str(folder / "ada"), "history", said["room"])
    )
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    assert (first["authorName"], second["authorName"]) == ("Ada", "Bo")
    assert second["replyTo"] == first["id"]
    for name in ("ada", "bo"):
        kept = folder / name / "window.ini"
        while not kept.exists() and process.poll() is None:
            time.sleep(0.05)
        assert "phraseSeen=yes" in kept.read_text()
    alone.stop(process)


def test_the_gallery_is_drawn(alone: Stage) -> None:
    folder = alone.folder / "pictures"
    done = alone.command("gallery", "--out", str(folder), "--only", "locked")
    assert (done.returncode, done.stdout) == (0, "")
    pictures = list(folder.iterdir())
    assert len(pictures) == 4
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
