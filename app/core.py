"""The core process: one messenger, its control socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app import paths, profile
from app.control import ControlServer
from app.errors import UserFacingError
from app.log import start_log
from app.messenger import Messenger

_LOG = logging.getLogger("covey.core")

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""Python's own (700, 10, 10) look through what a room brings in again and again, and
hardly any of it is in circles: a tenth of all work."""


@dataclass(frozen=True, slots=True)
class CoreOptions:
    """How a core shall run."""

    folder: Path
    bootstrap: str | None = None
    passphrase: str | None = None
    until_idle: bool = False
    """End when the last client has gone."""
    log_level: str = "info"


def collect_seldom() -> None:
    """Look for circular garbage seldom, and not at all in what stays for ever.

    To be called once a process, before work begins.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


async def run_core(options: CoreOptions, ready: Callable[[str], None]) -> None:
    """Run a core until SIGTERM, a client's ``stop``, or the last client has gone.

    Args:
        options: How.
        ready: Called with the profile's warning once clients may come.

    Raises:
        UserFacingError: The profile cannot be opened, or the network not be used.
    """
    from app.swarm import SwarmNetwork

    collect_seldom()
    opened = profile.open_profile(options.folder, passphrase=options.passphrase)
    try:
        start_log(options.folder / paths.LOG_FOLDER, level=options.log_level)
        network = SwarmNetwork(opened.network, bootstrap=options.bootstrap)
        messenger = Messenger(opened, network)
    except BaseException:
        opened.close()
        raise
    address = paths.socket_address(options.folder)
    control = ControlServer(messenger, address)
    began_at = asyncio.get_running_loop().time()
    try:
        await messenger.start()
        opened.lock.announce(address)
        await control.start()
        took_ms = (asyncio.get_running_loop().time() - began_at) * 1000
        _LOG.info("core ready after %.0f ms", took_ms)
        ready(opened.warning)
        await _until_over(messenger, control, options)
    finally:
        await control.stop()
        await messenger.close()
        _LOG.info("core ended")


async def _until_over(
    messenger: Messenger, control: ControlServer, options: CoreOptions
) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows' loops cannot; there the process is ended by its clients.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, over.set)
    waits = [over.wait(), messenger.stop_asked.wait()]
    if options.until_idle:
        waits.append(control.idle.wait())
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def failure(error: UserFacingError) -> dict[str, str]:
    """What a launched core says instead of being ready."""
    return {"event": "failed", "code": error.code, "sentence": error.sentence}
