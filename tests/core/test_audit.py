"""The audit trail of a room: written by a core, checked without any."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.processes import DELIVERED, Stage, sentence
from tests.core.test_chat import meet


def verify(stage: Stage, file: Path) -> list[dict[str, Any]]:
    """What a verifier without profile and network says of a file that holds."""
    done = stage.command(
        "--json", "--profile", "/nowhere", "audit", "verify", str(file)
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_who_did_what_is_exported_and_checked_without_the_room(stage: Stage) -> None:
    room = meet(stage, "Ada", "Bo", "Cy")
    stage.run("Ada", "room", "role", "Birds", "Bo", "moderator")
    stage.run("Bo", "send", "Birds", "nobody else's business", *DELIVERED)
    stage.run("Ada", "room", "kick", "Birds", "Cy")
    file = stage.folder / "birds.jsonl"
    [written] = stage.run("Ada", "audit", "export", "Birds", str(file))
    assert written["room"] == room
    assert written["bytes"] == file.stat().st_size
    assert written["lines"] == len(file.read_bytes().splitlines())
    assert b"business" not in file.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = verify(stage, file)
    verdict = found[-1]
    assert (verdict["holds"], verdict["void"]) == (True, 0)
    assert verdict["exporter"]["name"] == "Ada"
    says = [it["says"] for it in found if it["type"] == "act"]
    assert says[0] == 'Ada founded the group room "Birds"'
    for wanted in ("Ada let Bo in", "Ada made Bo a moderator", "Ada removed Cy"):
        assert wanted in says
    members = {it["name"]: it for it in found if it["type"] == "member"}
    shown = {name: (it["role"], it["present"]) for name, it in members.items()}
    assert shown == {
        "Ada": ("owner", True),
        "Bo": ("moderator", True),
        "Cy": ("member", False),
    }


def test_every_member_exports_the_same_acts(stage: Stage) -> None:
    meet(stage, "Ada", "Bo")
    stage.run("Ada", "send", "Birds", "one", *DELIVERED)
    acts = []
    for name in ("Ada", "Bo"):
        file = stage.folder / f"{name}.jsonl"
        stage.run(name, "audit", "export", "Birds", str(file))
        found = verify(stage, file)
        assert found[-1]["exporter"]["name"] == name
        acts.append([it for it in found if it["type"] == "act"])
    assert acts[0] == acts[1]


def test_a_changed_export_is_told_from_one_that_holds(alone: Stage) -> None:
    alone.init("Ada")
    alone.run("Ada", "room", "new", "Birds")
    file = alone.folder / "birds.jsonl"
    alone.run("Ada", "audit", "export", "Birds", str(file))
    # No file is written over.
    assert "exists already" in alone.refusal(
        "Ada", "audit", "export", "Birds", str(file)
    )
    lines = file.read_bytes().splitlines(keepends=True)
    damaged = alone.folder / "damaged.jsonl"
    damaged.write_bytes(lines[0] + lines[1].replace(b"founded", b"flooded") + lines[2])
    done = alone.command("audit", "verify", str(damaged))
    assert sentence(done).startswith("Line ")
    assert done.stdout == ""
    shorter = alone.folder / "shorter.jsonl"
    shorter.write_bytes(b"".join(lines[:-1]))
    assert "ends before its summary" in sentence(
        alone.command("audit", "verify", str(shorter))
    )
    people = alone.command("audit", "verify", str(file))
    assert people.returncode == 0
    assert "It holds: 1 act, 0 void" in people.stdout


@pytest.mark.parametrize(
    "arguments", [("audit",), ("audit", "verify"), ("audit", "export", "Birds")]
)
def test_wrong_usage_is_told_as_such(alone: Stage, arguments: tuple[str, ...]) -> None:
    assert alone.command(*arguments).returncode == 2


def test_files_that_cannot_be_read_or_written_are_named(alone: Stage) -> None:
    alone.init("Ada")
    alone.run("Ada", "room", "new", "Birds")
    nowhere = alone.folder / "nowhere" / "birds.jsonl"
    said = alone.refusal("Ada", "audit", "export", "Birds", str(nowhere))
    assert "cannot be written" in said
    said = sentence(alone.command("audit", "verify", str(nowhere)))
    assert "cannot be read" in said
    unknown = alone.folder / "bees.jsonl"
    alone.refusal("Ada", "audit", "export", "Bees", str(unknown))
    assert not unknown.exists()
