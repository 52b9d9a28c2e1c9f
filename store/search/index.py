"""The search index of a profile: an encrypted file of its own beside the truth.

Everything in it can be derived again. A file that is missing, damaged, of another
version or not one of ours is thrown away at opening, and ``rebuild`` says why there is
work to do; nothing of it is ever an error for the messenger. What shall be indexed, and
from where, is the business of ``app``: it hands over entries and, in the same job, a
mark that says how far the source has been read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError, Future
from enum import Enum
from pathlib import Path
from typing import TypeVar

import apsw

from store.database import Connection, Database, Synchronous
from store.errors import DatabaseCorruptError, LocalProtocolError, SchemaError
from store.search.entries import (
    MAX_MARK_BYTES,
    Entry,
    apply,
    forget_traces,
    has_traces,
    hide_room,
    mark,
    marks,
    sweep,
)
from store.search.finding import Hit, best, newest
from store.search.query import SearchQuery
from store.search.schema import SEARCH
from store.search.words import SIGNATURE

T = TypeVar("T")

FILE_NAME = "search.db"
MAX_JOB_ENTRIES = 10_000
"""Entries put and removed in one job."""
MAX_REWRITTEN_BYTES = 32 * 1024 * 1024
"""An index up to this size is rewritten whole after each removal."""
SWEEP_ENTRIES = 250
"""Entries of a room that goes that are taken out before others get a turn."""

_PROBES = (
    "SELECT id, key, mark FROM room LIMIT 1",
    "SELECT id, key FROM author LIMIT 1",
    "SELECT id, room, author, message, has_file, text FROM entry LIMIT 1",
    "SELECT rowid FROM words WHERE words MATCH 'body : f AND tags : f' LIMIT 1",
)


class Rebuild(Enum):
    """Why an index is empty and must be filled."""

    MISSING = "missing"
    """There was none."""
    DAMAGED = "damaged"
    """It could not be read: damaged, under another key, or something else."""
    OUTDATED = "outdated"
    """Another version made it."""
    WANTED = "wanted"
    """The caller asked for a new one."""


class SearchIndex:
    """An open index.

    Futures are settled in threads of the database; wrap them for an event loop. One
    that fails with ``DatabaseCorruptError`` means: close it, and open it ``afresh``.

    Attributes:
        rebuild: Why it is empty and must be filled; None when it goes on from its
            marks.
    """

    def __init__(self, database: Database, rebuild: Rebuild | None) -> None:
        """Use ``open``."""
        self._database = database
        self.rebuild = rebuild

    @classmethod
    def open(
        cls, directory: Path, *, key: bytes | None, afresh: bool = False
    ) -> SearchIndex:
        """Open the index in a folder; make an empty one if none there is of use.

        Blocks for some milliseconds.

        Args:
            directory: The profile's folder.
            key: 32 bytes, for encryption; None for a plain file.
            afresh: Throw away what is there, because it was found to be damaged.

        Raises:
            EnvironmentFault: The disk refused.
        """
        path = directory / FILE_NAME
        rebuild = None if path.exists() else Rebuild.MISSING
        if afresh:
            rebuild = Rebuild.WANTED
        if rebuild is None:
            try:
                index = cls(_open(path, key), None)
            except SchemaError:
                rebuild = Rebuild.OUTDATED
            except DatabaseCorruptError:
                rebuild = Rebuild.DAMAGED
            else:
                index._go_on_sweeping()
                return index
        _throw_away(path)
        return cls(_open(path, key), rebuild)

    def apply(
        self,
        *,
        put: Collection[Entry] = (),
        removed: Collection[tuple[bytes, bytes]] = (),
        marks: Mapping[bytes, bytes] | None = None,
    ) -> Future[None]:
        """Change entries and marks in one transaction.

        When the future of a job that takes something out or replaces it settles, the
        words are in no table, list, free page or log any more. Where SQLite moved rows
        between pages their slack may hold a copy; a file up to
        ``MAX_REWRITTEN_BYTES`` is rewritten at once and holds none, a larger one is
        when ``compact`` is called.

        Args:
            put: Entries to keep; one whose room and message are known replaces it.
            removed: Room and message of each entry to be taken out; unknown ones are
                passed over.
            marks: By room, how far its source is indexed, in words of the caller's.

        A future that fails with code ``busy`` means: all this holds, but a long read
        kept the log from being emptied; ``compact`` does it.

        Raises:
            LocalProtocolError: Too much for one job, or the index is closed.
            EnvironmentFault: Too much is waiting.
        """
        marks = {} if marks is None else marks
        if len(put) + len(removed) > MAX_JOB_ENTRIES or any(
            len(value) > MAX_MARK_BYTES for value in marks.values()
        ):
            raise LocalProtocolError("too much for one job", code="too-large")
        done: Future[None] = Future()
        self._write(
            lambda connection: apply(connection, put, removed, marks),
            done,
            lambda gone: self._finish(done, empty_log=gone),
        )
        return done

    def remove_room(self, room: bytes) -> Future[None]:
        """Take out a room with its mark.

        At once nothing of it is found. Its entries go bit by bit, in turn with other
        writes; the future settles when none is left. What a closed index left of this
        is done after the next opening.

        Raises:
            StoreError: As for ``apply``.
        """
        done: Future[None] = Future()
        self._write(
            lambda connection: hide_room(connection, room),
            done,
            lambda _: self._sweep(done),
        )
        return done

    def newest(
        self, query: SearchQuery, *, limit: int = 50, before: int | None = None
    ) -> Future[list[Hit]]:
        """The newest hits, newest first; on from a hit's ``position`` with ``before``.

        Raises:
            LocalProtocolError: The index is closed.
        """
        return self._database.read(
            lambda connection: newest(connection, query, limit=limit, before=before)
        )

    def best(
        self, query: SearchQuery, *, limit: int = 50, skip: int = 0
    ) -> Future[list[Hit]]:
        """The hits that fit best among the newest 10,000, best first.

        Raises:
            LocalProtocolError: The index is closed.
        """
        return self._database.read(
            lambda connection: best(connection, query, limit=limit, skip=skip)
        )

    def mark(self, room: bytes) -> Future[bytes | None]:
        """How far the source of a room is indexed; None when nothing is.

        Raises:
            LocalProtocolError: The index is closed.
        """
        return self._database.read(lambda connection: mark(connection, room))

    def marks(self) -> Future[dict[bytes, bytes]]:
        """The marks of all rooms that have one.

        Raises:
            LocalProtocolError: The index is closed.
        """
        return self._database.read(marks)

    def compact(self) -> Future[None]:
        """Rewrite the whole file, so that no page holds a trace of what was removed.

        For an hour in which little happens: 100 MB take a second or more, in which
        nothing is written, and as much memory as the file is large.

        Raises:
            StoreError: As for ``apply``.
        """
        done: Future[None] = Future()
        self._rewrite(done)
        return done

    def has_traces(self) -> Future[bool]:
        """Whether ``compact`` has anything to do.

        Raises:
            LocalProtocolError: The index is closed.
        """
        return self._database.read(has_traces)

    def check(self) -> Future[None]:
        """Read the whole file; fails with ``DatabaseCorruptError`` if it is damaged.

        Raises:
            LocalProtocolError: The index is closed.
        """
        return self._database.check()

    def close(self) -> None:
        """Finish what was handed over. Blocks."""
        self._database.close()

    def _go_on_sweeping(self) -> None:
        """Do what an earlier process did not come to."""
        done: Future[None] = Future()
        self._sweep(done)

    def _sweep(self, done: Future[None]) -> None:
        self._write(
            lambda connection: sweep(connection, SWEEP_ENTRIES),
            done,
            lambda more: (
                self._sweep(done) if more else self._finish(done, empty_log=True)
            ),
        )

    def _finish(self, done: Future[None], *, empty_log: bool) -> None:
        if empty_log:
            if _is_small(self._database):
                self._rewrite(done)
            else:
                _follow(self._database.empty_log(), done, lambda _: _settle(done))
        else:
            _settle(done)

    def _rewrite(self, done: Future[None]) -> None:
        _follow(
            self._database.empty_log(rewrite=True),
            done,
            lambda _: self._write(forget_traces, done, lambda _: _settle(done)),
        )

    def _write(
        self,
        work: Callable[[Connection], T],
        done: Future[None],
        then: Callable[[T], None],
    ) -> None:
        _follow(self._database.write(work), done, then)


def _follow(first: Future[T], done: Future[None], then: Callable[[T], None]) -> None:
    """Go on with ``then`` after ``first``; whatever fails goes to ``done``."""

    def go_on(settled: Future[T]) -> None:
        try:
            then(settled.result())
        # Whatever it is belongs to whoever waits for the end.
        except BaseException as error:  # noqa: BLE001
            if not done.done():
                done.set_exception(error)

    first.add_done_callback(go_on)


def _settle(done: Future[None]) -> None:
    # Whoever cancelled it does not want to know.
    with contextlib.suppress(CancelledError):
        if done.set_running_or_notify_cancel():
            done.set_result(None)


def _open(path: Path, key: bytes | None) -> Database:
    """Open the file and see that its words are cut as here.

    Raises:
        SchemaError: They are not.
        DatabaseCorruptError: It is no index.
        EnvironmentFault: The disk refused.
    """
    database = Database.open(
        path, key=key, synchronous=Synchronous.NORMAL, schema=SEARCH
    )
    try:
        signature = database.write(_signature).result()
        if signature != SIGNATURE:
            raise SchemaError(
                "words were cut otherwise", found=SEARCH.newest, known=SEARCH.newest
            )
        # A process that was killed may have left deleted words in the log.
        rewrite = database.read(has_traces).result() and _is_small(database)
        database.empty_log(rewrite=rewrite).result()
        if rewrite:
            database.write(forget_traces).result()
    except apsw.Error as error:
        database.close()
        raise DatabaseCorruptError(f"{path.name} is no index: {error}") from error
    except BaseException:
        database.close()
        raise
    return database


def _is_small(database: Database) -> bool:
    return database.path.stat().st_size <= MAX_REWRITTEN_BYTES


def _signature(connection: Connection) -> str:
    """By which rules words were cut; a new file takes those of this version."""
    connection.execute(
        "INSERT INTO fact (name, value) SELECT 'signature', ?"
        " WHERE NOT EXISTS (SELECT 1 FROM entry) ON CONFLICT DO NOTHING",
        (SIGNATURE,),
    )
    # Tables that are not as they should be show here.
    for probe in _PROBES:
        connection.execute(probe).fetchall()
    found = connection.execute("SELECT value FROM fact WHERE name = 'signature'").get
    return str(found)


def _throw_away(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()
