"""What may be called where.

A call is known by the dotted name it is written with, after following the module's
own imports: `from os import urandom as u` makes `u()` a call of os.urandom.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.tree import PACKAGES, Module, Tree, at

EVERYWHERE = {
    "eval": "hides code from every check",
    "exec": "hides code from every check",
    "os.system": "runs a shell",
    "pickle.load": "runs what a file says",
    "pickle.loads": "runs what a peer says",
    "marshal.loads": "trusts its input",
    "shelve.open": "runs what a file says",
}

PICKLING = ("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal")

IN_PACKAGES = {
    "time.sleep": "stops the whole event loop",
    "logging.basicConfig": "is for app.log alone",
}

IN_MACHINES = {
    "os.urandom": "randomness is an argument",
    "os.getrandom": "randomness is an argument",
    "nacl.utils.random": "randomness is an argument",
    "nacl.bindings.randombytes": "randomness is an argument",
    "nacl.bindings.sodium_randombytes": "randomness is an argument",
    "datetime.datetime.now": "time is an argument",
    "datetime.datetime.utcnow": "time is an argument",
    "datetime.datetime.today": "time is an argument",
    "datetime.date.today": "time is an argument",
    "open": "machines do no input or output",
}

PRINTERS = ("app.cli", "app.__main__", "packaging", "tests")
"""Who may print: the command line, scripts and tests."""

RIM_TESTS = ("tests.unit.net.aio", "tests.unit.app")
"""Unit tests of rims: their event loop is real, so they may have to poll it."""

QUIET_TESTS = ("tests.unit", "tests.sim")
"""Tests that neither sleep nor wait for a real clock."""


def calls(module: Module) -> Iterator[tuple[str, ast.Call]]:
    """Yields every call with the dotted name of what it calls."""
    names = _imported_names(module)
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Call):
            written = _dotted(node.func)
            if written:
                first, _, rest = written.partition(".")
                whole = names.get(first, first)
                yield (f"{whole}.{rest}" if rest else whole), node


def _imported_names(module: Module) -> dict[str, str]:
    names = {}
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def _inside(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def is_machine(name: str) -> bool:
    """Tells whether a module belongs to the part of net without I/O."""
    return _inside(name, ("net",)) and not _inside(name, ("net.aio",))


def _banned(module: Module) -> dict[str, str]:
    banned = dict(EVERYWHERE)
    if module.top in PACKAGES:
        banned |= IN_PACKAGES
        if _inside(module.name, ("app.log",)):
            del banned["logging.basicConfig"]
    if is_machine(module.name):
        banned |= IN_MACHINES
        if module.name == "net.crypto":
            # KeyPair.generate draws a key: the one place where libsodium's is meant.
            banned = {k: v for k, v in banned.items() if not k.startswith("nacl")}
    if not _inside(module.name, PRINTERS):
        banned["print"] = "belongs to the command line"
    if _inside(module.name, QUIET_TESTS):
        banned["time.sleep"] = "unit and sim tests do not sleep"
    return banned


def _is_quiet(name: str) -> bool:
    return _inside(name, ("tests.unit",)) and not _inside(name, RIM_TESTS)


def check_calls(tree: Tree) -> list[str]:
    """Judges every call of every module."""
    found = []
    for module in tree.modules:
        banned = _banned(module)
        for name, node in calls(module):
            if name in banned:
                found.append(f"{at(module, node)}: {name}() {banned[name]}")
            elif _shells(name, node):
                found.append(f"{at(module, node)}: {name}(shell=True) runs a shell")
            elif _is_quiet(module.name) and _real_sleep(name, node):
                found.append(f"{at(module, node)}: unit tests do not sleep")
    return found


def _shells(name: str, node: ast.Call) -> bool:
    return name.startswith("subprocess.") and any(
        keyword.arg == "shell"
        and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        for keyword in node.keywords
    )


def _real_sleep(name: str, node: ast.Call) -> bool:
    """Tells whether a call waits for the clock; `asyncio.sleep(0)` only yields."""
    if name != "asyncio.sleep" or not node.args:
        return False
    delay = node.args[0]
    return not (isinstance(delay, ast.Constant) and delay.value == 0)


def check_pickles(tree: Tree) -> list[str]:
    """Finds imports of modules that turn bytes into running code."""
    found = []
    for module in tree.modules:
        for node in ast.walk(module.syntax):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            found += [
                f"{at(module, node)}: {name} trusts its input"
                for name in names
                if name.split(".")[0] in PICKLING
            ]
    return found
