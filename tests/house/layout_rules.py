"""Which files and folders there are, and what an `__init__` may hold."""

from __future__ import annotations

import ast
import sys

from tests.house.tree import PACKAGES, Module, Tree, at

TOP_LEVEL = {
    *("app", "ui", "net", "media", "store"),
    *("packaging", "tests", "assets", "docs"),
    *("pyproject.toml", "Makefile", "CHANGELOG.md", "LICENSE"),
}
"""Beside these only README files and names with a leading dot."""

VAGUE_NAMES = {"util", "utils", "common", "misc", "manager", "helper", "helpers"}
TERMS_OF_THE_FIELD = {"trace", "profile"}
"""Names of the standard library that are also the right noun here."""

LAZY_PACKAGES = ("net", "app", "store")
"""Whose `__init__` may load its public names on first use."""


def check_top_level(tree: Tree) -> list[str]:
    """Finds names at the top that nobody agreed on."""
    names = {name.split("/")[0] for name in tree.files}
    return [
        f"{name}: not a name of the top level"
        for name in sorted(names)
        if name not in TOP_LEVEL and not name.startswith((".", "README"))
    ]


def check_init_files(tree: Tree) -> list[str]:
    """Finds folders that lack an `__init__.py`, or must not have one."""
    found = []
    for folder in tree.folders:
        top = folder.split("/")[0]
        has_init = f"{folder}/__init__.py" in tree.files
        if top == "packaging" and has_init:
            found.append(f"{folder}/__init__.py: would hide the library packaging")
        elif top == "tests" and not has_init:
            found.append(f"{folder}: has no __init__.py, so its imports go astray")
        elif top in PACKAGES and not has_init and _holds_python(tree, folder):
            found.append(f"{folder}: has Python files but no __init__.py")
    return found


def _holds_python(tree: Tree, folder: str) -> bool:
    return any(
        name.startswith(f"{folder}/") and name.endswith(".py") for name in tree.files
    )


def check_unit_mirror(tree: Tree) -> list[str]:
    """Finds folders of unit tests whose package is not there."""
    prefix = "tests/unit/"
    return [
        f"{folder}: mirrors no folder or module of the tree"
        for folder in tree.folders
        if folder.startswith(prefix)
        and not tree.exists(folder.removeprefix(prefix))
        and not tree.exists(f"{folder.removeprefix(prefix)}.py")
    ]


def check_module_names(tree: Tree) -> list[str]:
    """Finds vague names, and names that belong to the standard library."""
    found = []
    for module in tree.in_packages():
        stem = module.name.rpartition(".")[2]
        if stem in VAGUE_NAMES:
            found.append(f"{module.path}: {stem} says nothing; name the thing")
        elif stem in sys.stdlib_module_names - TERMS_OF_THE_FIELD - {"__main__"}:
            found.append(f"{module.path}: {stem} is a standard library's name")
    return found


def check_inits_reexport(tree: Tree) -> list[str]:
    """Finds packages whose `__init__` does more than to pass on names."""
    return [
        f"{at(module, node)}: an __init__ only passes on names"
        for module in tree.in_packages()
        if module.is_package
        for node in module.syntax.body
        if not _is_reexport(node, lazy=module.name in LAZY_PACKAGES)
    ]


def _is_reexport(node: ast.stmt, *, lazy: bool) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        return names == {"__all__"} or (lazy and _is_constant_table(node))
    if isinstance(node, ast.If):
        guards = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return guards and all(_is_reexport(inner, lazy=lazy) for inner in node.body)
    if isinstance(node, ast.FunctionDef):
        return lazy and node.name in {"__getattr__", "__dir__"}
    return False


def _is_constant_table(node: ast.Assign | ast.AnnAssign) -> bool:
    if node.value is None:
        return False
    allowed = ast.Dict | ast.Tuple | ast.List | ast.Constant | ast.expr_context
    return all(isinstance(part, allowed) for part in ast.walk(node.value))


def check_docstrings(tree: Tree) -> list[str]:
    """Finds modules, public classes and public functions that say nothing."""
    found = []
    for module in tree.modules:
        if module.top not in (*PACKAGES, "assets", "packaging"):
            continue
        if ast.get_docstring(module.syntax) is None:
            found.append(f"{module.path}: has no docstring")
        found += [
            f"{at(module, node)}: {node.name} has no docstring"
            for node in module.syntax.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and not node.name.startswith("_")
            and ast.get_docstring(node) is None
        ]
    return found


def check_future_annotations(tree: Tree) -> list[str]:
    """Finds modules with code that do not postpone their annotations."""
    return [
        f"{module.path}: lacks from __future__ import annotations"
        for module in tree.modules
        if _has_code(module) and not _postpones(module)
    ]


def _has_code(module: Module) -> bool:
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in module.syntax.body
    )


def _postpones(module: Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in module.syntax.body
    )
