"""The names that other programs rely on are there, and cost nothing before use."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.document_rules import version_of
from tests.house.tree import PACKAGES, Tree

ROOT = Path(__file__).resolve().parents[2]

CONTRACT: list[tuple[str, str, tuple[str, ...]]] = [
    # package, public name, what it must offer
    (
        "net",
        "DHT",
        (
            *("ready", "close", "create_server", "connect", "bootstrapper"),
            *("announce", "lookup", "unannounce", "find_peer"),
            *("mutable_put", "mutable_get", "immutable_put", "immutable_get"),
        ),
    ),
    ("net", "Swarm", ("join", "leave", "connections", "close")),
    ("net", "KeyPair", ("from_seed", "generate")),
    ("net", "Server", ("listen", "close", "__aiter__")),
    (
        "net",
        "Connection",
        ("write", "send", "end", "close", "__aiter__", "mux", "stats"),
    ),
    ("app", "Messenger", ("connect",)),
]

COMMANDS = (
    *("init", "whoami", "rooms", "room", "send", "history", "follow"),
    *("serve", "dht", "net", "doctor", "demo"),
)


@pytest.mark.parametrize(("package", "name", "members"), CONTRACT)
def test_a_public_name_offers_what_it_must(
    package: str, name: str, members: tuple[str, ...]
) -> None:
    offered = getattr(importlib.import_module(package), name)
    assert [member for member in members if not hasattr(offered, member)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert [name for name in names if not hasattr(module, name)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        ("net.encoding", ("net.aio", "asyncio", "nacl", "net.udx")),
        ("app.client", ("PySide6", "net.dht", "store.database", "app.messenger")),
        ("app.cli.entry", ("PySide6", "net.dht", "store.database")),
        ("app.core", ("PySide6", "qasync")),
        ("ui.application", ("net.dht", "store.database", "app.messenger")),
    ],
)
def test_an_import_costs_only_what_it_needs(
    imported: str, unwanted: tuple[str, ...]
) -> None:
    code = f"import sys, {imported}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "sys" in loaded
    assert loaded & set(unwanted) == set()


def covey(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_command_tells_the_projects_version() -> None:
    assert covey("--version").split() == ["covey", version_of(Tree(ROOT))]


def test_the_command_offers_what_the_readme_lists() -> None:
    told = covey("--help")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"\n    {command} " in told, command
        assert f"\n    covey {command}" in readme, command
