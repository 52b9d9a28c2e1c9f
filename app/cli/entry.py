"""Runs one command: parses, does, and turns every failure into sentence and status.

Status 0 is done, 1 is a failure told in one sentence on stderr, 2 is wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import paths
from app.cli.arguments import build_parser
from app.cli.output import Output, prepare_stdout, warn
from app.errors import UserFacingError
from app.faults import Explained, explain
from app.paths import MAX_PASSPHRASE_BYTES

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """Which window shall be opened."""

    profile: Path
    bootstrap: str | None
    passphrase_file: Path | None
    demo_side: str | None = None
    """``left`` or ``right`` for one of the demo's, whose profile is thrown away."""


@dataclass(frozen=True, slots=True)
class Faces:
    """What the command line can start but must not know."""

    open_window: Callable[[WindowRequest], int]
    draw_gallery: Callable[[Path, tuple[str, ...]], int]


@dataclass(frozen=True, slots=True)
class Context:
    """What every command gets."""

    arguments: argparse.Namespace
    output: Output
    profile: Path
    bootstrap: str | None
    log_level: str | None

    def passphrase(self) -> str | None:
        """From the file named by option or environment, else None.

        Raises:
            UserFacingError: ``passphrase-file``: it cannot be read.
        """
        path = self.passphrase_file()
        return read_passphrase(path) if path is not None else None

    def passphrase_file(self) -> Path | None:
        """Where the passphrase stands, if a file was named."""
        name = getattr(self.arguments, "passphrase_file", None) or os.environ.get(
            "COVEY_PASSPHRASE_FILE"
        )
        return Path(name) if name else None


def run(argv: Sequence[str], *, faces: Faces) -> int:
    """Run one command line and return its exit status."""
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 2
    context = Context(
        arguments=arguments,
        output=Output(json=getattr(arguments, "json", False)),
        profile=paths.profile_path(getattr(arguments, "profile", None)),
        bootstrap=getattr(arguments, "bootstrap", None)
        or os.environ.get("COVEY_BOOTSTRAP"),
        log_level=getattr(arguments, "log_level", None),
    )
    prepare_stdout(json=context.output.json)
    try:
        return _dispatch(context, faces)
    except UserFacingError as error:
        warn(error.sentence)
    except Explained as error:
        if isinstance(error, BrokenPipeError):
            # The reader of our output has gone; nothing is left to say to it.
            sys.stdout = None
            return 1
        warn(explain(error).sentence)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 1


def read_passphrase(path: Path) -> str:
    """The first line of a file.

    Raises:
        UserFacingError: ``passphrase-file``: it cannot be read, or its first line is
            empty or too long.
    """
    try:
        with path.open("rb") as file:
            # With a line break, and one byte more to notice what is too long.
            line = file.read(MAX_PASSPHRASE_BYTES + 3).split(b"\n")[0].rstrip(b"\r")
        passphrase = line.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserFacingError(
            "passphrase-file", f"The passphrase file {path} cannot be read."
        ) from error
    if not line:
        raise UserFacingError(
            "passphrase-file", f"The first line of the passphrase file {path} is empty."
        )
    if len(line) > MAX_PASSPHRASE_BYTES:
        raise UserFacingError(
            "passphrase-file",
            f"The passphrase in {path} is longer than {MAX_PASSPHRASE_BYTES} bytes.",
        )
    return passphrase


def run_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on the quickest event loop this system has."""
    try:
        if sys.platform == "win32":
            import winloop as quick
        else:
            import uvloop as quick
    except ImportError:
        return asyncio.run(work)
    return quick.run(work)


def _dispatch(context: Context, faces: Faces) -> int:
    command = context.arguments.command
    if command is None:
        return faces.open_window(
            WindowRequest(
                context.profile,
                context.bootstrap,
                context.passphrase_file(),
                context.arguments.demo_side,
            )
        )
    if command == "gallery":
        arguments = context.arguments
        return faces.draw_gallery(Path(arguments.out), tuple(arguments.only))
    if command == "serve":
        from app.cli import serve

        return serve.run(context)
    if command in ("dht", "net"):
        from app.cli import streams

        return run_loop(streams.run(context))
    if command == "audit":
        from app.cli import audit

        return audit.run(context)
    if command == "demo":
        from app.cli import demo

        return demo.run(context)
    if command == "device":
        from app.cli import devices

        return asyncio.run(devices.run(context))
    if command == "delivery":
        from app.cli import delivery

        return asyncio.run(delivery.run(context))
    if command == "search":
        from app.cli import search

        return asyncio.run(search.run(context))
    from app.cli import conversations, messages

    if command in conversations.COMMANDS:
        return asyncio.run(conversations.run(context))
    # A client waits more than it works: the plain loop starts sooner.
    return asyncio.run(messages.run(context))
