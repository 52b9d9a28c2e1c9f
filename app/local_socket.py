"""A local socket that only this user can reach: Unix socket or named pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, Protocol

from app.errors import UserFacingError

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


class LocalServer(Protocol):
    """Something that listens."""

    def close(self) -> None:
        """Accept no more connections."""


async def serve(address: str, handler: Handler) -> LocalServer:
    """Listen at ``address``; whoever calls holds the profile's lock.

    Raises:
        UserFacingError: ``control-socket``: the system refused.
    """
    try:
        if sys.platform == "win32":
            return await _serve_pipe(address, handler)
        # The lock is held, so a socket that is there belongs to a core that was killed.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address)
        mask = os.umask(stat.S_IXUSR | stat.S_IRWXG | stat.S_IRWXO)
        try:
            return await asyncio.start_unix_server(handler, address)
        finally:
            os.umask(mask)
    except OSError as error:
        raise UserFacingError(
            "control-socket", f"The socket {address} cannot be made: {error.strerror}."
        ) from error


async def connect(address: str) -> Streams | None:
    """Connect to a core; None when none listens there."""
    try:
        if sys.platform == "win32":
            return await _connect_pipe(address)
        return await asyncio.open_unix_connection(address)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise UserFacingError(
            "control-socket",
            f"The socket {address} cannot be reached: {error.strerror}.",
        ) from error


def remove(address: str) -> None:
    """Take the socket's name away."""
    if sys.platform != "win32":
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address)


if sys.platform == "win32":

    async def _serve_pipe(address: str, handler: Handler) -> LocalServer:
        loop: Any = asyncio.get_running_loop()

        def protocol() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(asyncio.StreamReader(), handler)

        [server] = await loop.start_serving_pipe(protocol, address)
        found: LocalServer = server
        return found

    async def _connect_pipe(address: str) -> Streams:
        loop: Any = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_pipe_connection(lambda: protocol, address)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
