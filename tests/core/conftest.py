"""A stage for each test: profiles, processes, and a network of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.processes import Stage


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Stage]:
    """A stage without a network."""
    with Stage(tmp_path) as stage:
        yield stage


@pytest.fixture
def stage(alone: Stage) -> Stage:
    """A stage with a network of its own."""
    alone.start_network()
    return alone
