"""Windows for the tests of this folder, and the rule that Qt must not complain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ui.stage import Stage, the_application
from ui.gateway import Gateway
from ui.sample import SampleCore, SampleGateway, online
from ui.window_state import WindowState

if TYPE_CHECKING:
    import qasync
    from PySide6.QtGui import QGuiApplication

EXPECTED_COMPLAINTS = (
    "This plugin does not support propagateSizeHints()",
    "This plugin does not support raise()",
    "DelegateModel::cancel: index out range",
)
"""What Qt's offscreen platform says of itself, and its lists of a row that is removed
while it is still being made, which then never appears."""


@pytest.fixture(scope="session")
def qapp() -> QGuiApplication:
    """The application as the window makes it, in place of pytest-qt's."""
    return the_application()


@pytest.fixture
def loop(qapp: QGuiApplication) -> Iterator[qasync.QEventLoop]:
    """A fresh event loop that runs whenever Qt's does."""
    import qasync

    loop = qasync.QEventLoop(qapp, already_running=True)
    asyncio.set_event_loop(loop)
    yield loop
    loop.stop()
    loop._after_run_forever()
    asyncio.events._set_running_loop(None)
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def no_complaints(qtlog: Any) -> Iterator[None]:
    """Any unexpected warning of Qt or QML fails the test."""
    yield
    complaints = [
        record.message
        for record in qtlog.records
        if record.type_name != "QtDebugMsg"
        and not any(known in record.message for known in EXPECTED_COMPLAINTS)
    ]
    assert not complaints


@pytest.fixture
def open_stage(loop: qasync.QEventLoop) -> Iterator[Callable[..., Stage]]:
    """Opens windows and closes them after the test."""
    stages: list[Stage] = []

    def open_one(gateway: Gateway, **options: Any) -> Stage:
        stage = Stage(loop, gateway, **options)
        stages.append(stage)
        stage.open()
        return stage

    yield open_one
    for stage in reversed(stages):
        stage.close()


@pytest.fixture
def remembered(tmp_path: Path) -> WindowState:
    """A window's memory in which the words are written down."""
    state = WindowState(tmp_path)
    state.keep_phrase_seen()
    return state


@pytest.fixture
def core() -> SampleCore:
    """An invented core of Ada's, reached and with nobody connected."""
    from ui.application import wall_clock_ms

    core = SampleCore(name="Ada", now_ms=wall_clock_ms())
    core.set_network(online())
    return core


@pytest.fixture
def gateway(core: SampleCore) -> SampleGateway:
    """The way to Ada's core."""
    return SampleGateway(core)


@pytest.fixture
def garden(core: SampleCore) -> str:
    """A room with Grace and Emmy in it."""
    return core.add_room("Garden", people=("Grace", "Emmy")).snapshot.room


@pytest.fixture
def stage(
    open_stage: Callable[..., Stage],
    gateway: SampleGateway,
    garden: str,
    remembered: WindowState,
) -> Stage:
    """A window with the room open."""
    assert garden
    stage = open_stage(gateway, state=remembered)
    stage.click("room:Garden")
    stage.wait_until(lambda: stage.focused() == "composer", what="composer has focus")
    return stage
