"""Which module may import what.

The tables below are the house's import rules. Imports inside functions and under
TYPE_CHECKING count like any other, and so do names given to `import_module`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.house.tree import PROJECT_NAMES, Module, Tree, at

QT = ("PySide6", "shiboken6", "qasync")

CLOCK_AND_CHANCE = ("time", "random", "secrets", "uuid")
INPUT_OUTPUT = (
    *("asyncio", "socket", "socketserver", "select", "selectors", "ssl"),
    *("threading", "_thread", "multiprocessing", "concurrent", "subprocess"),
    *("signal", "sqlite3", "http", "urllib", "uvloop", "winloop"),
)


@dataclass(frozen=True)
class Zone:
    """What the modules below one name may import."""

    ours: tuple[str, ...]
    """Names of the project: themselves and all below them."""

    others: tuple[str, ...] = ()
    """Installed packages, by their import names."""

    never: tuple[str, ...] = ()
    """Modules of the standard library that stay out."""


BASE = (
    *("net.encoding", "net.crypto", "net.errors", "net.constants"),
    *("net.trace", "net.interfaces", "net.flow"),
)
"""The floor of net: what every room of it may stand on."""

CRYPTO = ("nacl",)
MACHINE = CLOCK_AND_CHANCE + INPUT_OUTPUT
WIRE = ("net.encoding", "net.crypto", "net.mux")
SQLITE = ("apsw",)
STORE = Zone(
    ours=(*WIRE, "store.errors", "store.interfaces"),
    others=(*SQLITE, *CRYPTO, "argon2", "keyring"),
    never=("asyncio", "socket", "uvloop", "winloop"),
)


def _machine(*ours: str) -> Zone:
    return Zone(ours=(*BASE, *ours), others=CRYPTO, never=MACHINE)


def _store(*ours: str) -> Zone:
    return Zone(ours=(*STORE.ours, *ours), others=STORE.others, never=STORE.never)


STORE_FLOOR = (
    *("store.database", "store.schema", "store.tables"),
    *("store.keys", "store.keychain"),
)

ZONES: dict[str, Zone] = {
    "net": _machine("net"),
    **{name: _machine() for name in BASE},
    "net.noise": _machine("net.noise"),
    "net.udx": _machine("net.udx"),
    "net.mux": _machine("net.noise", "net.mux"),
    "net.rpc": _machine("net.noise", "net.udx", "net.rpc"),
    "net.dht": _machine("net.noise", "net.udx", "net.rpc", "net.dht"),
    "net.swarm": _machine(
        "net.noise", "net.udx", "net.mux", "net.rpc", "net.dht", "net.swarm"
    ),
    "net.pairing": _machine("net.mux", "net.dht.addresses", "net.pairing"),
    "net.aio": Zone(ours=("net",), others=(*CRYPTO, "uvloop", "winloop")),
    "store": _store("store"),
    **{name: _store(*STORE_FLOOR) for name in STORE_FLOOR},
    "store.hypercore": _store(*STORE_FLOOR, "store.hypercore"),
    "store.corestore": _store(*STORE_FLOOR, "store.hypercore", "store.corestore"),
    "store.files": _store(
        *STORE_FLOOR, "store.hypercore", "store.corestore", "store.files"
    ),
    "store.hyperbee": _store(*STORE_FLOOR, "store.hypercore", "store.hyperbee"),
    "store.hyperblobs": _store(*STORE_FLOOR, "store.hypercore", "store.hyperblobs"),
    "store.hyperdrive": _store(
        *STORE_FLOOR,
        *("store.hypercore", "store.corestore", "store.hyperbee"),
        *("store.hyperblobs", "store.hyperdrive"),
    ),
    "store.search": _store(*STORE_FLOOR, "store.search"),
    "store.autobase": _store(
        *STORE_FLOOR,
        *("store.hypercore", "store.corestore", "store.hyperbee"),
        *("store.hyperblobs", "store.autobase"),
    ),
    "media": Zone(
        ours=("media",),
        others=("aiortc", "av", "numpy", "sounddevice", "livekit", "PIL"),
    ),
    "app": Zone(
        ours=("app", "net", "store", "media"),
        others=(
            *("argon2", "keyring", "mnemonic", "nacl", "platformdirs", "segno"),
            *("structlog", "uvloop", "winloop", "PIL", "markdown_it"),
        ),
    ),
    "ui": Zone(
        ours=(
            *("ui", "assets"),
            *("app.client", "app.events", "app.snapshots", "app.errors"),
        ),
        others=(*QT, "segno", "markdown_it", "pygments"),
        never=("asyncio", "socket", "sqlite3"),
    ),
    "assets": Zone(ours=("assets",)),
    "packaging": Zone(ours=(), others=("PyInstaller",)),
}
MAY_USE_ASYNCIO = (
    *("ui.bridge", "ui.application"),
    *("store.hypercore.core", "store.hypercore.session"),
    *("store.hypercore.replication", "store.corestore", "store.files"),
    *("store.hyperbee.hyperbee", "store.hyperblobs.hyperblobs"),
    *("store.hyperdrive.hyperdrive", "store.hyperdrive.drive_cores"),
    *("store.hyperdrive.download", "store.hyperdrive.local_folder"),
    "store.autobase.view",
)
"""The rims of packages whose inside is without an event loop."""

LAZY = {"net": ("net.aio",), "app": ("app",), "store": ("store",)}
"""What an `__init__` may load on first use, so that its neighbours cost nothing."""

WINDOW_DOOR = "app.__main__"
"""The one module that may start the window, inside a function."""


@dataclass(frozen=True)
class Import:
    """One imported name."""

    name: str
    """Dotted and absolute."""

    where: str
    in_function: bool


def below(name: str, prefixes: tuple[str, ...]) -> bool:
    """Tells whether a dotted name is one of the prefixes or below one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def zone_of(name: str) -> Zone | None:
    """Returns the zone of the longest name that holds the module."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        zone = ZONES.get(".".join(parts[:end]))
        if zone is not None:
            return zone
    return None


def imports(module: Module, tree: Tree) -> Iterator[Import]:
    """Yields everything a module imports, wherever it does so."""
    inner = {
        id(node)
        for function in ast.walk(module.syntax)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(module.syntax):
        for name in _names(node, module, tree):
            yield Import(name, at(module, node), id(node) in inner)


def _names(node: ast.AST, module: Module, tree: Tree) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _base(node, module)
        wholes = {
            f"{base}.{alias.name}" if base else alias.name for alias in node.names
        }
        yield from {name if name in tree.module_names else base for name in wholes}
    elif isinstance(node, ast.Call) and _called(node) in {
        "import_module",
        "__import__",
    }:
        for argument in node.args[:1]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                name = argument.value
                yield f"{module.name}{name}" if name.startswith(".") else name


def _base(node: ast.ImportFrom, module: Module) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.name.split(".")
    up = node.level - 1 if module.is_package else node.level
    kept = parts[: len(parts) - up]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def check_imports(tree: Tree) -> list[str]:
    """Judges every import of the packages, of assets and of the scripts."""
    found = []
    for module in tree.modules:
        zone = zone_of(module.name)
        if zone is None:
            continue
        siblings = {
            other.path.rpartition("/")[2].removesuffix(".py")
            for other in tree.modules
            if module.top == "packaging" == other.top
        }
        for item in imports(module, tree):
            if item.name.split(".")[0] in siblings:
                continue
            reason = _judge(module.name, zone, item)
            if reason:
                found.append(f"{item.where}: {module.name} {reason}")
    return found


def _judge(importer: str, zone: Zone, item: Import) -> str:
    """Returns what is wrong with an import, or nothing."""
    top = item.name.split(".")[0]
    if top in PROJECT_NAMES:
        return _judge_ours(importer, zone, item)
    if top in sys.stdlib_module_names:
        if item.name.startswith("asyncio") and below(importer, MAY_USE_ASYNCIO):
            return ""
        return f"must not import {item.name}" if below(item.name, zone.never) else ""
    if below(item.name, zone.never) or not below(item.name, zone.others):
        return f"must not import {item.name}"
    return ""


def _judge_ours(importer: str, zone: Zone, item: Import) -> str:
    if below(item.name, zone.ours) or item.name == importer:
        return ""
    if importer == WINDOW_DOOR and below(item.name, ("ui",)):
        return "" if item.in_function else "may import ui inside a function only"
    if below(item.name, LAZY.get(importer, ())):
        return ""
    return f"must not import {item.name}"
