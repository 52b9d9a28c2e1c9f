"""The project's files and syntax trees, as the rules see them.

A `Tree` is made over any folder, so that each rule can be tried on an invented one. It
reads what is tracked or would be tracked; what `.gitignore` names is not the house's
business. It judges nothing.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = ("net", "store", "media", "app", "ui")
"""What `mypy --strict` and the import rules hold; `assets` are files."""

PROJECT_NAMES = (*PACKAGES, "assets", "packaging", "tests")
"""Every top-level folder that Python could import."""

NEVER_READ = {".git", ".venv", "node_modules", "__pycache__", "build", "dist"}


@dataclass(frozen=True)
class Module:
    """One Python file."""

    path: str
    """Relative to the tree's root, with forward slashes."""

    source: str
    """Its text."""

    @cached_property
    def syntax(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.source, filename=self.path)

    @property
    def name(self) -> str:
        """Its dotted name; a package's is its folder's."""
        parts = self.path.removesuffix(".py").split("/")
        if parts[-1] == "__init__":
            parts.pop()
        return ".".join(parts)

    @property
    def is_package(self) -> bool:
        """Whether it is an __init__."""
        return self.path.endswith("/__init__.py")

    @property
    def top(self) -> str:
        """The first component of its path."""
        return self.path.split("/", maxsplit=1)[0]


class Tree:
    """The files under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All files that are or would be tracked, sorted."""
        listed = self._listed_by_git() if (self.root / ".git").exists() else None
        names = listed if listed is not None else self._walked()
        return tuple(sorted(name for name in names if (self.root / name).is_file()))

    def _listed_by_git(self) -> list[str] | None:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        try:
            done = subprocess.run(
                [*command, "-z"], cwd=self.root, capture_output=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return [name for name in done.stdout.decode().split("\0") if name]

    def _walked(self) -> list[str]:
        found = []
        for path in self.root.rglob("*"):
            relative = path.relative_to(self.root)
            if not NEVER_READ.intersection(relative.parts):
                found.append(relative.as_posix())
        return found

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """All folders that hold a file, directly or deeper, sorted."""
        found: set[str] = set()
        for name in self.files:
            parts = name.split("/")[:-1]
            found.update("/".join(parts[: end + 1]) for end in range(len(parts)))
        return tuple(sorted(found))

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """All Python files."""
        return tuple(
            Module(path=name, source=self.text(name))
            for name in self.files
            if name.endswith(".py")
        )

    @cached_property
    def module_names(self) -> frozenset[str]:
        """The dotted names of all modules."""
        return frozenset(module.name for module in self.modules)

    def text(self, name: str) -> str:
        """Returns a file's text; what is no text comes out with replaced bytes."""
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    def exists(self, name: str) -> bool:
        """Tells whether a file or a folder of this name is there."""
        return name in self.files or name.rstrip("/") in self.folders

    def in_packages(self) -> Iterator[Module]:
        """Yields the modules of the five packages."""
        return (module for module in self.modules if module.top in PACKAGES)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yields every function of a module, nested ones included."""
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def at(module: Module, node: ast.AST) -> str:
    """Returns where a node stands, as editors understand it."""
    return f"{module.path}:{getattr(node, 'lineno', 1)}"
