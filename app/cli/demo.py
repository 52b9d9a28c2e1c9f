"""``covey demo``: a chat within a minute, without internet.

Starts a network of its own on this machine and two fresh profiles, Ada and Bo; Ada
makes a room, Bo joins it by an invite, and each gets a window. When the windows are
closed everything is stopped and the profiles are removed.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from app import launch
from app.cli.entry import Context
from app.cli.streams import ready_line
from app.client import Client
from app.errors import UserFacingError

ROOM_NAME = "Birds"
NAMES = ("Ada", "Bo")
JOIN_LIMIT_S = 30.0
GREETING = "Welcome! What one window says, the other one shows."
ANSWER = "It works, and no server in sight. Write something!"
SIDES = ("left", "right")
STOP_LIMIT_S = 10.0


def run(context: Context) -> int:
    """Run the demo until its windows are closed."""
    folder = Path(tempfile.mkdtemp(prefix="covey-demo-"))
    processes: list[subprocess.Popen[bytes]] = []
    # Who starts it in the background of a script has it ignored, and asyncio heed that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        bootstrap = _start_network(processes)
        context.output.tell(f"A network of its own runs at {bootstrap}.")
        profiles = [folder / name.lower() for name in NAMES]
        return asyncio.run(_chat(context, profiles, bootstrap))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            _wait(process)
        shutil.rmtree(folder, ignore_errors=True)


def _interrupt(number: int, frame: object) -> None:
    """Clean up after SIGTERM as after Ctrl-C.

    Raised as that signal, because the running loop turns it into a cancellation: an
    exception in the middle of starting a window would leave the window behind.
    """
    del number, frame
    signal.raise_signal(signal.SIGINT)


def _start_network(processes: list[subprocess.Popen[bytes]]) -> str:
    arguments = ("--json", "dht", "--isolated", "--host", "127.0.0.1", "--port", "0")
    process = subprocess.Popen(
        launch.command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=launch.environment(),
    )
    processes.append(process)
    assert process.stdout is not None
    with process.stdout:
        said = ready_line(process.stdout.readline())
    if said.get("event") != "ready":
        raise UserFacingError("demo", "The demo's own network could not be started.")
    return f"{said['host']}:{said['port']}"


async def _chat(context: Context, profiles: list[Path], bootstrap: str) -> int:
    for name, profile in zip(NAMES, profiles, strict=True):
        await Client.create(profile, name=name, use_keychain=False)
    ada_folder, bo_folder = profiles
    async with (
        Client.connect(ada_folder, bootstrap=bootstrap) as ada,
        Client.connect(bo_folder, bootstrap=bootstrap) as bo,
    ):
        room = await ada.create_room(ROOM_NAME)
        link = await ada.invite(room.room)
        await bo.join(link, timeout_s=JOIN_LIMIT_S)
        message = await ada.send(room.room, GREETING)
        count = await ada.wait_delivered(room.room, message.id, timeout_s=JOIN_LIMIT_S)
        answer = await bo.send(room.room, ANSWER, reply_to=message.id)
        await bo.wait_delivered(room.room, answer.id, timeout_s=JOIN_LIMIT_S)
        context.output.put(
            {"event": "ready", "room": room.room, "deliveredTo": count},
            f"{NAMES[0]} and {NAMES[1]} are in the room {ROOM_NAME}.",
        )
        if not context.arguments.headless:
            await _windows(profiles, bootstrap)
    return 0


async def _windows(profiles: list[Path], bootstrap: str) -> None:
    """Open both windows and wait until both are closed."""
    windows = [
        launch.spawn(
            [
                *("--profile", str(profile), "--bootstrap", bootstrap),
                *("--demo-side", side),
            ]
        )
        for profile, side in zip(profiles, SIDES, strict=True)
    ]
    try:
        for window in windows:
            status = await asyncio.to_thread(window.wait)
            if status:
                raise UserFacingError(
                    "window", f"A window ended with the exit status {status}."
                )
    finally:
        for window in windows:
            if window.poll() is None:
                window.terminate()
                await asyncio.to_thread(_wait, window)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
