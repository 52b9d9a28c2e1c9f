"""Every rule of the house is shown a tree that breaks it, and must say so.

The invented project below keeps all rules; each case changes a file or two. A rule
without a case fails here too, so that none can be added that never bites.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.house.rules import RULES
from tests.house.tree import Tree

FUTURE = "from __future__ import annotations\n"
HASH = "    --hash=sha256:00\n"
LOCK = f"nacl==1 \\\n{HASH}setuptools==80 \\\n{HASH}"

HEALTHY: dict[str, str] = {
    ".ci/run": "#!/usr/bin/env bash\nexec make test\n",
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 0.1.0\n\n- First.\n",
    "LICENSE": "Apache License\n",
    "Makefile": "".join(
        f"{name}:\n\t@true\n"
        for name in (
            *("venv", "run", "demo", "test", "lint", "bench", "natlab", "soak"),
            "package",
        )
    ),
    "README.md": "# Name\n\nSee [how](docs/how.md) and `net/udx/stream.py`.\n",
    "app/__init__.py": '"""App."""\n',
    "app/__main__.py": f'"""Entry."""\n{FUTURE}\n\ndef main() -> None:\n'
    '    """Start."""\n    from ui import window\n    print(window)\n',
    "docs/how.md": "Up to [the readme](../README.md); all of `tests/unit/*/x.py`.\n",
    "net/__init__.py": f'"""Net."""\n{FUTURE}__all__ = ["DHT"]\n'
    '_FROM = {"DHT": "net.aio"}\n\n'
    "def __getattr__(name):\n"
    '    """Load."""\n    import net.aio\n    return net.aio\n',
    "net/aio/__init__.py": '"""Rim."""\nimport asyncio\n',
    "net/encoding.py": '"""Codecs."""\nimport struct\n',
    "net/udx/__init__.py": '"""Streams."""\n',
    "net/udx/stream.py": '"""One."""\nfrom net import encoding\n',
    "packaging/build.py": '"""Builds."""\nprint("built")\n',
    "packaging/locks/run.txt": LOCK,
    "pyproject.toml": '[build-system]\nrequires = ["setuptools>=77"]\n[project]\n'
    'name = "x"\nversion = "0.1.0"\ndependencies = ["nacl>=1"]\n',
    "store/__init__.py": '"""Store."""\n',
    "store/hypercore/__init__.py": '"""Logs."""\n',
    "store/hypercore/core.py": '"""Face."""\nimport asyncio\nimport net.mux\n',
    "tests/__init__.py": "",
    "tests/unit/__init__.py": "",
    "tests/unit/net/__init__.py": "",
    "tests/unit/net/x.py": "import asyncio\n\n\nasync def f():\n    "
    "await asyncio.sleep(0)\n".replace("\n\n\n", f"\n{FUTURE}\n"),
    "ui/__init__.py": '"""Face."""\n',
    "ui/window.py": '"""Window."""\nfrom app import events\nimport PySide6.QtQuick\n',
    "app/events.py": '"""Events."""\n',
}

WORK_LATER = "TO" + "DO"
REGISTRY = "npm" + "js.org"
MACHINE_PATH = "/ro" + "ot/thing"

CASES: list[tuple[str, dict[str, str | None], str]] = [
    # rule, changed files (None removes), part of the expected line
    ("imports", {"net/udx/stream.py": "import asyncio"}, "must not import asyncio"),
    ("imports", {"net/udx/stream.py": "from os import x\nimport time"}, "import time"),
    ("imports", {"net/encoding.py": "from net.udx import stream"}, "net.udx.stream"),
    ("imports", {"net/encoding.py": "from .udx import stream"}, "net.udx.stream"),
    ("imports", {"net/udx/stream.py": "import store.hypercore"}, "store.hypercore"),
    (
        "imports",
        {
            "net/udx/stream.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import random\n"
        },
        "must not import random",
    ),
    (
        "imports",
        {"net/udx/stream.py": "def f():\n    import secrets\n"},
        "must not import secrets",
    ),
    (
        "imports",
        {"net/udx/stream.py": "import importlib\nimportlib.import_module('net.aio')"},
        "must not import net.aio",
    ),
    ("imports", {"net/udx/stream.py": "import requests"}, "must not import requests"),
    ("imports", {"net/aio/x.py": "import PySide6.QtCore"}, "PySide6.QtCore"),
    ("imports", {"net/rpc/x.py": "import net.dht"}, "must not import net.dht"),
    ("imports", {"store/hypercore/merkle_tree.py": "import asyncio"}, "asyncio"),
    ("imports", {"store/hypercore/core.py": "import net.udx"}, "net.udx"),
    ("imports", {"store/hypercore/core.py": "import store.autobase"}, "autobase"),
    ("imports", {"media/__init__.py": "import net.encoding"}, "net.encoding"),
    ("imports", {"app/events.py": "import qasync"}, "must not import qasync"),
    ("imports", {"app/events.py": "import ui.window"}, "must not import ui.window"),
    ("imports", {"app/__main__.py": "import ui.window"}, "inside a function only"),
    ("imports", {"ui/window.py": "import app.messenger"}, "app.messenger"),
    ("imports", {"ui/window.py": "from app import Messenger"}, "must not import app"),
    ("imports", {"ui/window.py": "import net.encoding"}, "must not import net"),
    ("imports", {"ui/window.py": "import asyncio"}, "must not import asyncio"),
    ("imports", {"app/events.py": "import assets"}, "must not import assets"),
    ("imports", {"app/events.py": "import tests.unit"}, "must not import tests.unit"),
    ("imports", {"packaging/build.py": "import net"}, "must not import net"),
    ("file sizes", {"net/udx/stream.py": "\n" * 801}, "801 lines"),
    ("file sizes", {"ui/qml/Big.qml": "\n" * 801}, "ui/qml/Big.qml: 801 lines"),
    (
        "function sizes",
        {"tests/unit/net/x.py": "def f():\n" + "    x = 1\n" * 70},
        "f has 71 lines",
    ),
    ("calls", {"net/udx/stream.py": "import os\nos.urandom(3)"}, "os.urandom()"),
    ("calls", {"net/udx/stream.py": "from os import urandom as u\nu(1)"}, "os.urandom"),
    (
        "calls",
        {"net/udx/stream.py": "from datetime import datetime\ndatetime.now()"},
        "datetime.datetime.now()",
    ),
    ("calls", {"store/hypercore/core.py": "print(1)"}, "print() belongs"),
    ("calls", {"app/events.py": "import time as t\nt.sleep(1)"}, "time.sleep()"),
    ("calls", {"tests/unit/net/x.py": "import time\ntime.sleep(1)"}, "do not sleep"),
    (
        "calls",
        {"tests/unit/net/x.py": "import asyncio\nasyncio.sleep(0.1)"},
        "do not sleep",
    ),
    ("calls", {"app/events.py": "eval('1')"}, "eval()"),
    ("calls", {"app/events.py": "exec('1')"}, "exec()"),
    (
        "calls",
        {"app/events.py": "import subprocess\nsubprocess.run('x', shell=True)"},
        "runs a shell",
    ),
    ("pickles", {"store/hypercore/core.py": "import pickle"}, "pickle"),
    ("pickles", {"tests/unit/net/x.py": "from marshal import loads"}, "marshal"),
    ("top level", {"scripts/x.py": "x = 1"}, "scripts"),
    ("top level", {"setup.py": "x = 1"}, "setup.py"),
    ("init files", {"packaging/__init__.py": ""}, "would hide the library"),
    ("init files", {"tests/unit/net/__init__.py": None}, "tests/unit/net"),
    ("init files", {"net/udx/__init__.py": None}, "net/udx"),
    ("unit mirror", {"tests/unit/net/nowhere/__init__.py": ""}, "mirrors no folder"),
    ("module names", {"net/utils.py": '"""Bits."""'}, "says nothing"),
    ("module names", {"net/socket.py": '"""Bits."""'}, "standard library's name"),
    ("inits pass on names", {"net/udx/__init__.py": "x = 1 + 1"}, "only passes on"),
    (
        "inits pass on names",
        {"net/udx/__init__.py": "def __getattr__(name):\n    return 1"},
        "only passes on",
    ),
    ("inits pass on names", {"net/__init__.py": "def f():\n    pass"}, "only passes"),
    ("docstrings", {"net/udx/stream.py": "import os"}, "has no docstring"),
    ("docstrings", {"net/udx/stream.py": '"""A."""\nclass B:\n    pass'}, "B has no"),
    ("docstrings", {"net/udx/stream.py": '"""A."""\ndef b():\n    pass'}, "b has no"),
    ("future annotations", {"net/encoding.py": "def f():\n    pass"}, "lacks from"),
    ("forbidden text", {"docs/how.md": f"{WORK_LATER}: more"}, "for later"),
    ("forbidden text", {"docs/how.md": f"ask {REGISTRY}"}, "registry's host"),
    ("forbidden text", {"net/encoding.py": f"# {MACHINE_PATH}"}, "one machine"),
    ("forbidden text", {"docs/how.md": "<" * 7 + " HEAD\n"}, "from a merge"),
    ("document references", {"README.md": "[a](docs/none.md)"}, "docs/none.md"),
    ("document references", {"README.md": "`net/none.py`"}, "names net/none.py"),
    ("document references", {"docs/how.md": "[a](how/b.md)"}, "links to how/b.md"),
    ("document references", {"docs/how.md": "`net/*/none.py`"}, "net/*/none.py"),
    ("changelog", {"CHANGELOG.md": "# Changelog\n\n## 0.2.0\n"}, "starts with 0.2.0"),
    (
        "changelog",
        {"CHANGELOG.md": "## Unreleased\n## 0.0.1\n## 0.1.0\n"},
        "newest release must come first",
    ),
    ("changelog", {"CHANGELOG.md": "## Unreleased\n## 0.2.0\n"}, "newer than"),
    ("changelog", {"CHANGELOG.md": "# Changelog\n"}, "no section"),
    ("locks", {"packaging/locks/run.txt": "nacl==1\n"}, "nacl==1 has no hash"),
    ("locks", {"packaging/locks/run.txt": f"nacl==1 \\\n{HASH}"}, "lacks setuptools"),
    ("locks", {"packaging/locks/run.txt": None}, "run.txt: is missing"),
    ("locks", {"packaging/locks/run.txt": f"--index-url x\n{LOCK}"}, "an address"),
    (
        "locks",
        {"packaging/locks/dev.txt": LOCK.replace("nacl==1", "nacl==2")},
        "nacl differs",
    ),
    ("entry points", {"Makefile": "venv:\n"}, "no target package"),
    ("entry points", {".ci/run": "#!/bin/sh\npytest\n"}, "does not run make test"),
    ("entry points", {".ci/run": None}, ".ci/run: is missing"),
]


def build(root: Path, changes: Mapping[str, str | None]) -> Tree:
    """Writes the healthy project with some files changed."""
    for name, text in {**HEALTHY, **changes}.items():
        if text is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    script = root / ".ci/run"
    if script.exists():
        script.chmod(0o755)
    return Tree(root)


@pytest.mark.parametrize("name", RULES)
def test_a_healthy_tree_keeps_the_rule(name: str, tmp_path: Path) -> None:
    assert RULES[name](build(tmp_path, {})) == []


@pytest.mark.parametrize(("name", "changes", "expected"), CASES)
def test_the_rule_can_fail(
    name: str, changes: dict[str, str | None], expected: str, tmp_path: Path
) -> None:
    found = RULES[name](build(tmp_path, changes))
    assert any(expected in line for line in found), found


def test_every_rule_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == set(RULES)


def test_a_script_that_cannot_run_is_told(tmp_path: Path) -> None:
    tree = build(tmp_path, {})
    (tmp_path / ".ci/run").chmod(0o644)
    assert ".ci/run: is not executable" in RULES["entry points"](tree)


def test_the_longest_function_allowed_passes(tmp_path: Path) -> None:
    body = "def f():\n" + "    x = 1\n" * 69
    tree = build(tmp_path, {"tests/unit/net/x.py": body})
    assert RULES["function sizes"](tree) == []
