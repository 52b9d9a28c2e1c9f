"""A room's engine as the source of an audit export, and the file that it goes to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from app.audit.exporting import Gathered, Setting, Shown, Take, export_lines
from app.audit.proofs import path_length
from app.errors import UserFacingError
from app.faults import explained
from app.rooms.key_ring import KeyRing
from app.rooms.keys import log_namespace
from store import acts, rooms
from store.errors import BlockMissingError, InvalidRequestError
from store.hypercore.records import BlockRequest, Head, Request

if TYPE_CHECKING:
    from app.rooms.logs import OpenLog, RoomLogs
    from app.rooms.room import Room, Surroundings
    from store.database import Connection, Database
    from store.rooms import RoomRow

WRITE_BYTES: Final = 256 * 1024
"""Written at once."""


class RoomSource:
    """What an export needs of a room; see ``app.audit.exporting.Source``."""

    def __init__(
        self, row: RoomRow, logs: RoomLogs, database: Database, ring: KeyRing
    ) -> None:
        """Read from a room.

        Args:
            row: The room as stored.
            logs: Its cores.
            database: The profile's.
            ring: All keys of the room that are here.
        """
        self._row = row
        self._logs = logs
        self._database = database
        self._ring = ring

    async def gather(self, take: Take) -> Gathered:
        """Run a function over the logs and over all acts, as of one moment."""
        row = self._row.row

        def work(connection: Connection) -> Gathered:
            return take(rooms.logs(connection, row), acts.every(connection, row))

        return await asyncio.wrap_future(self._database.read(work))

    async def open(self, writer: bytes) -> LentLog:
        """Open a log."""
        return LentLog(self._logs, await self._logs.borrow(writer))

    def block_key(self, block: bytes, writer: bytes, sequence: int) -> bytes:
        """The key of one block."""
        return self._ring.block_key(block, writer=writer, sequence=sequence)


class LentLog:
    """One log of a room, open; see ``app.audit.exporting.SourceLog``."""

    def __init__(self, logs: RoomLogs, log: OpenLog) -> None:
        self._logs = logs
        self._log = log
        self._head = log.core.core.state.head

    @property
    def head(self) -> Head:
        """Its signed tree; the same until it is closed."""
        return self._head

    async def show(self, sequence: int, length: int) -> Shown:
        """A block and its proof in the tree of some length.

        Raises:
            UserFacingError: ``audit-incomplete``: the block is not here.
        """
        wanted = BlockRequest(sequence, path_length(sequence, length))
        try:
            proof = await self._log.core.proof(Request(self._head.fork, wanted))
        except (BlockMissingError, InvalidRequestError) as error:
            raise UserFacingError(
                "audit-incomplete",
                "A part of this room's history is damaged here and comes anew from"
                " the members: try again when some of them were online.",
            ) from error
        assert proof.block is not None, "a block was asked for"
        siblings = tuple((node.size, node.hash) for node in proof.block.nodes)
        return Shown(proof.block.value, siblings)

    async def close(self) -> None:
        """Have to do with it no more."""
        self._logs.give_back(self._log)


async def export_room(room: Room, around: Surroundings, file: str) -> dict[str, Any]:
    """Write all acts of a room with their proofs into a new file.

    Args:
        room: Which room.
        around: What the room has around it.
        file: The file's absolute path.

    Returns:
        ``room``, ``file``, ``lines`` and ``bytes``.

    Raises:
        UserFacingError: ``file-exists``, ``file``, ``too-large``,
            ``audit-incomplete``, or what the disk says.
    """
    row, profile = room.row, around.profile
    with explained():
        keys = await asyncio.wrap_future(
            profile.database.read(lambda connection: rooms.keys(connection, row.row))
        )
        ring = KeyRing(row.room, (row.key, *keys))
        source = RoomSource(row, room.logs, profile.database, ring)
        setting = Setting(
            room=row.room,
            founder=row.founder,
            namespace=log_namespace(row.key),
            device=profile.device,
            identity=profile.identity_key,
            proof=profile.proof.encode(),
            name=profile.name,
            exported_at=around.now_ms(),
        )
        lines, size = await _write_new(Path(file), export_lines(source, setting))
    return {"room": row.room.hex(), "file": file, "lines": lines, "bytes": size}


async def _write_new(path: Path, lines: AsyncGenerator[bytes, None]) -> tuple[int, int]:
    """Write lines to a file that was not there, or leave none behind.

    Returns:
        Lines and bytes written.
    """
    if not path.is_absolute():
        raise UserFacingError("file", f"{path} is no absolute path.")
    try:
        file = _create(path)
        try:
            return await _write(file, lines)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            file.close()
    except FileExistsError as error:
        raise UserFacingError(
            "file-exists", f"{path} exists already: choose another name."
        ) from error
    except OSError as error:
        raise UserFacingError(
            "file", f"{path} cannot be written: {error.strerror}."
        ) from error


def _create(path: Path) -> BinaryIO:
    """A new file that only its owner reads: it tells who is in a room."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)


async def _write(file: BinaryIO, lines: AsyncGenerator[bytes, None]) -> tuple[int, int]:
    count = size = 0
    waiting = bytearray()
    async with aclosing(lines):
        async for line in lines:
            count += 1
            size += len(line)
            waiting += line
            if len(waiting) >= WRITE_BYTES:
                await asyncio.to_thread(_write_whole, file, bytes(waiting))
                waiting.clear()
    await asyncio.to_thread(_write_whole, file, bytes(waiting))
    await asyncio.to_thread(os.fsync, file.fileno())
    return count, size


def _write_whole(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
