"""Two people, each at home behind a router, chat through whole cores.

The same commands as a user's: ``covey serve`` runs in each home, everything else is
asked of it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.natlab.conftest import READY_LIMIT_S, covey
from tests.natlab.lab import Lab
from tests.natlab.programs import Program

pytestmark = [
    pytest.mark.natlab,
    # The lab is built by whichever test comes first; its own waits are bounded.
    pytest.mark.timeout(200, func_only=True),
]

COMMAND_LIMIT_S = 90.0
JOIN_LIMIT_S = 60.0


@dataclass(frozen=True)
class Person:
    """Somebody with a profile, in a place."""

    lab: Lab
    place: str
    options: tuple[str, ...]
    environment: dict[str, str]

    def start(self, *arguments: str) -> Program:
        """Start one of Covey's programs."""
        command = covey(*self.options, *arguments)
        return self.lab.start(self.place, command, self.environment)

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command that must succeed, and read what it printed."""
        program = self.start(*arguments)
        try:
            done = program.finish(b"", COMMAND_LIMIT_S)
        finally:
            self.lab.stop(program)
        assert done.status == 0, done.words
        return [json.loads(line) for line in done.output.splitlines()]


@contextmanager
def served(
    lab: Lab, folder: Path, network: str, name: str, place: str
) -> Iterator[Person]:
    """Somebody with a fresh profile, whose core runs for the length of a block."""
    runtime = folder / f"run-{name}"
    runtime.mkdir(mode=0o700)
    person = Person(
        lab,
        place,
        ("--profile", str(folder / name), "--bootstrap", network),
        {"XDG_RUNTIME_DIR": str(runtime), "DBUS_SESSION_BUS_ADDRESS": ""},
    )
    person.run("init", "--name", name)
    core = person.start("serve")
    try:
        assert core.hear(READY_LIMIT_S)["event"] == "ready"
        yield person
    finally:
        lab.stop(core)


def chat(ada: Person, bo: Person) -> float:
    """Meet in a room and answer each other; the seconds from invite to membership."""
    [made] = ada.run("room", "new", "Birds")
    [invited] = ada.run("room", "invite", "Birds")
    began_at = time.monotonic()
    [joined] = bo.run(
        *("room", "join", invited["invite"], "--timeout", f"{JOIN_LIMIT_S:g}")
    )
    seconds = time.monotonic() - began_at
    assert joined == made
    for author, text in ((ada, "through two walls"), (bo, "and back")):
        [sent] = author.run(
            *("send", "Birds", text),
            *("--wait", "delivered", "--timeout", f"{JOIN_LIMIT_S:g}"),
        )
        assert sent["state"] == "delivered"
    for reader in (ada, bo):
        history = reader.run("history", "Birds")
        assert [(it["authorName"], it["text"]) for it in history] == [
            ("Ada", "through two walls"),
            ("Bo", "and back"),
        ]
    return seconds


@contextmanager
def two_people(
    lab: Lab, folder: Path, network: str, places: tuple[str, str]
) -> Iterator[tuple[Person, Person]]:
    """Ada in the first place, Bo in the second."""
    with (
        served(lab, folder, network, "Ada", places[0]) as ada,
        served(lab, folder, network, "Bo", places[1]) as bo,
    ):
        try:
            yield ada, bo
        except AssertionError:
            for person in (ada, bo):
                print(person.place, person.run("doctor"))
            print(lab.captured())
            raise


@pytest.mark.parametrize(
    ("places", "path"),
    [(("ada-1", "bo-1"), "direct"), (("ada-1", "ada-2"), "lan")],
    ids=["two-homes", "one-home"],
)
def test_two_people_chat(
    lab: Lab, covey_network: str, tmp_path: Path, places: tuple[str, str], path: str
) -> None:
    with two_people(lab, tmp_path, covey_network, places) as (ada, bo):
        seconds = chat(ada, bo)
        for person in (ada, bo):
            [told] = person.run("doctor")
            assert told["firewall"] == "consistent"
            assert [it["path"] for it in told["network"]["connections"]] == [path]
    lab.notes.append(f"cores at {places[0]} and {places[1]}: joined in {seconds:.1f} s")


def test_people_who_cannot_meet_yet_are_told(
    lab: Lab, covey_network: str, tmp_path: Path
) -> None:
    places = ("rae-1", "bo-1")
    with two_people(lab, tmp_path, covey_network, places) as (rae, bo):
        rae.run("room", "new", "Birds")
        [invited] = rae.run("room", "invite", "Birds")
        asking = bo.start("room", "join", invited["invite"], "--timeout", "4")
        done = asking.finish(b"", COMMAND_LIMIT_S)
        lab.stop(asking)
        assert done.status == 1
        assert re.fullmatch(r"[A-Z][^\n]*\.", done.words), done.words
        [told] = rae.run("doctor")
        assert told["firewall"] == "random"
