"""All rules of the house, by the name a failing test shows."""

from __future__ import annotations

from collections.abc import Callable

from tests.house import (
    call_rules,
    document_rules,
    import_rules,
    layout_rules,
    size_rules,
)
from tests.house.tree import Tree

Rule = Callable[[Tree], list[str]]
"""Reads a tree and returns one line for each thing that is wrong."""

RULES: dict[str, Rule] = {
    "imports": import_rules.check_imports,
    "file sizes": size_rules.check_file_sizes,
    "function sizes": size_rules.check_function_sizes,
    "calls": call_rules.check_calls,
    "pickles": call_rules.check_pickles,
    "top level": layout_rules.check_top_level,
    "init files": layout_rules.check_init_files,
    "unit mirror": layout_rules.check_unit_mirror,
    "module names": layout_rules.check_module_names,
    "inits pass on names": layout_rules.check_inits_reexport,
    "docstrings": layout_rules.check_docstrings,
    "future annotations": layout_rules.check_future_annotations,
    "forbidden text": document_rules.check_forbidden_text,
    "document references": document_rules.check_document_references,
    "changelog": document_rules.check_changelog,
    "locks": document_rules.check_locks,
    "entry points": document_rules.check_entry_points,
}
