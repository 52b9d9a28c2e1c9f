"""How long files and functions may be."""

from __future__ import annotations

from tests.house.tree import Tree, at, functions

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 70
SOURCE_SUFFIXES = (".py", ".qml", ".js", ".cjs", ".mjs", ".sh", "Makefile")


def check_file_sizes(tree: Tree) -> list[str]:
    """Judges every source file, QML and scripts included."""
    found = []
    for name in tree.files:
        if not name.endswith(SOURCE_SUFFIXES):
            continue
        lines = len(tree.text(name).splitlines())
        if lines > MAX_FILE_LINES:
            found.append(f"{name}: {lines} lines, more than {MAX_FILE_LINES}")
    return found


def check_function_sizes(tree: Tree) -> list[str]:
    """Judges every Python function, from its `def` to its last line."""
    found = []
    for module in tree.modules:
        for function in functions(module):
            end = function.end_lineno or function.lineno
            lines = end - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                where = at(module, function)
                found.append(
                    f"{where}: {function.name} has {lines} lines, "
                    f"more than {MAX_FUNCTION_LINES}"
                )
    return found
