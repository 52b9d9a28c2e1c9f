"""The project keeps every rule of the house."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.rules import RULES
from tests.house.tree import Tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project() -> Tree:
    return Tree(ROOT)


@pytest.mark.parametrize("name", RULES)
def test_the_project_keeps_the_rule(name: str, project: Tree) -> None:
    found = RULES[name](project)
    assert not found, "\n" + "\n".join(found)


def test_the_tree_sees_the_project(project: Tree) -> None:
    """Guards against rules that pass because they look at nothing."""
    assert len(project.modules) > 40
    assert "net.encoding" in project.module_names
    assert ".ci/run" in project.files
    assert not any(".venv" in name for name in project.files)
