"""A stage for each test: profiles, processes, and a network of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.processes import Stage
from tests.core.quick_start import AVAILABLE, QuickStart


@pytest.fixture(scope="session")
def quick() -> Iterator[QuickStart | None]:
    """What runs short commands, where the system allows it."""
    if not AVAILABLE:
        yield None
        return
    with QuickStart() as made:
        yield made


@pytest.fixture
def alone(tmp_path: Path, quick: QuickStart | None) -> Iterator[Stage]:
    """A stage without a network."""
    with Stage(tmp_path, quick) as stage:
        yield stage


@pytest.fixture
def stage(alone: Stage) -> Stage:
    """A stage with a network of its own."""
    alone.start_network()
    return alone
