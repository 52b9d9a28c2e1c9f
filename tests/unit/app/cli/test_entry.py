"""Which event loop the command line's work runs on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from types import ModuleType
from typing import Any

import pytest

from app.cli.entry import run_loop


@pytest.mark.parametrize(
    ("platform", "name"), [("win32", "winloop"), ("linux", "uvloop")]
)
def test_each_system_has_its_quick_loop(
    platform: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def run(work: Coroutine[Any, Any, int]) -> int:
        ran.append(name)
        with asyncio.Runner() as runner:
            return runner.run(work)

    async def work() -> int:
        return 7

    quick = ModuleType(name)
    monkeypatch.setattr(quick, "run", run, raising=False)
    monkeypatch.setitem(sys.modules, name, quick)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", platform)
        assert run_loop(work()) == 7
    assert ran == [name]
