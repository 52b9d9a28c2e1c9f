"""One SQLite file: one writer thread with group commit, readers beside it.

Under a raw 32-byte key the whole file, its write-ahead log included, is encrypted by
SQLite3 Multiple Ciphers (ChaCha20-Poly1305, a tag on every page); a profile's always
is. Work is handed over as functions of a connection and answered with a future, so the
network's loop never waits for a disk. All writes that wait are committed together: one
fsync for many appends.

What a finished write means depends on the level named at opening. ``FULL`` (the
default) forces the log to the disk at each commit: a finished write survives a killed
process and a power cut, as far as the disk keeps its promise. ``NORMAL`` survives a
killed process; a power cut may lose the last commits, never the file's integrity.

Which tables exist is the business of ``store/schema.py``; where the key comes from that
of ``store/keys.py``.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import apsw

from store.errors import (
    DatabaseCorruptError,
    EnvironmentFault,
    LocalProtocolError,
    StoreError,
)
from store.schema import PROFILE, Schema, migrate

T = TypeVar("T")

Connection = apsw.Connection
"""What a piece of work gets; the tables' modules know how to use it."""

KEY_BYTES = 32
MAX_GROUP = 1024
"""Writes that share one commit."""
MAX_WAITING_WRITES = 65_536
"""Writes handed over and not yet committed."""
READER_COUNT = 2
BUSY_TIMEOUT_MS = 5_000
CHECKED_WHOLE_BYTES = 32 * 1024 * 1024
"""Up to this size the file is checked at opening; beyond, page by page as read."""
WRITER_CACHE_KIB = 4_096
READER_CACHE_KIB = 2_048
MAX_CACHES_BYTES = 32 * 1024 * 1024
"""Of all files of a process: beyond, pages make room for others of their file. One
profile does not come near; many in one process would hold as much for each."""
MAX_LOG_FILE_BYTES = 16 * 1024 * 1024
"""The write-ahead log is cut back to this after a checkpoint."""
VACUUM_PAGES = 2_000


class Synchronous(Enum):
    """When a commit reaches the disk itself."""

    FULL = "FULL"
    """At each commit: survives a power cut."""
    NORMAL = "NORMAL"
    """At checkpoints: survives a killed process only."""


class _Teller:
    """What a ``_Write`` needs of a future, for who wants to be told and not to wait.

    A future with its lock and its list of callbacks costs a tenth of a small commit.
    """

    __slots__ = ("_told",)

    def __init__(self, told: Callable[[BaseException | None], None]) -> None:
        self._told = told

    def set_running_or_notify_cancel(self) -> bool:
        """It cannot be cancelled."""
        return True

    def set_result(self, result: object) -> None:
        """Committed."""
        del result
        self._told(None)

    def set_exception(self, error: BaseException) -> None:
        """Nothing of it holds."""
        self._told(error)


class _Write:
    """One piece of work for the writer thread and where its result goes."""

    __slots__ = ("error", "future", "result", "undo", "work")

    def __init__(
        self,
        work: Callable[[Connection], Any],
        future: Future[Any] | _Teller,
        undo: Callable[[], None] | None,
    ) -> None:
        self.work = work
        self.future = future
        self.undo = undo
        self.result: Any = None
        self.error: BaseException | None = None

    def run_alone(self, connection: Connection) -> None:
        """Do the work, and keep what came of it; a failure ends the transaction."""
        try:
            self.result = self.work(connection)
        # As below.
        except BaseException as error:  # noqa: BLE001
            self.error = error
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def run(self, connection: Connection) -> None:
        """Do the work in a savepoint of its own, and keep what came of it."""
        connection.execute("SAVEPOINT job")
        try:
            self.result = self.work(connection)
        # Whatever a job raises belongs to whoever asked for it, a bug included; the
        # other jobs of the group must not suffer.
        except BaseException as error:  # noqa: BLE001
            self.error = error
            self._call_undo()
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def settle(self) -> None:
        """Tell the asker, after the commit."""
        if self.error is not None:
            self._call_undo()
            self.future.set_exception(verdict(self.error))
        else:
            self.future.set_result(self.result)

    def _call_undo(self) -> None:
        undo, self.undo = self.undo, None
        try:
            if undo is not None:
                undo()
        # A bug there must not end the thread that everybody waits for.
        except Exception as error:  # noqa: BLE001
            self.error = error


class _LogEmptying(_Write):
    """A wish that is fulfilled behind the commit and not in it."""

    __slots__ = ("rewrite",)

    def __init__(self, future: Future[None], *, rewrite: bool) -> None:
        super().__init__(lambda _: None, future, None)
        self.rewrite = rewrite

    def fulfil(self, connection: Connection) -> None:
        """Empty the log and tell the asker."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            if self.rewrite:
                connection.execute("VACUUM")
            statement = "PRAGMA wal_checkpoint(TRUNCATE)"
            ((busy, _, _),) = connection.execute(statement).fetchall()
            if busy:
                self.error = EnvironmentFault("a read still needs the log", code="busy")
        except apsw.Error as error:
            self.error = error
        self.settle()


class Database:
    """An open database.

    Futures are settled in the database's own threads; wrap them for an event loop.

    Attributes:
        path: The file.
        synchronous: What a finished write has survived.
    """

    def __init__(
        self,
        path: Path,
        key: bytes | None,
        synchronous: Synchronous,
        writer: Connection,
    ) -> None:
        """Use ``open``."""
        self.path = path
        self.synchronous = synchronous
        self._key = key
        self._writer = writer
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        # Nothing may be handed over behind the end.
        self._handing_over = threading.Lock()
        self._defer: Callable[[Callable[[], object]], object] | None = None
        self._gathering_thread = 0
        self._gathered: list[_Write] = []
        self._readers = threading.local()
        self._reader_connections: list[Connection] = []
        self._reader_pool = ThreadPoolExecutor(READER_COUNT, "covey-reader")
        self._thread = threading.Thread(
            target=self._run_writer, name="covey-writer", daemon=True
        )
        self._thread.start()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        key: bytes | None,
        synchronous: Synchronous = Synchronous.FULL,
        schema: Schema = PROFILE,
    ) -> Database:
        """Open the file, making it when it is missing, and bring its schema up to date.

        Blocks for some milliseconds.

        Args:
            path: The file; its folder must exist.
            key: 32 bytes, known to be right (see ``store.keys``): a file that does not
                open under it is reported as damaged. None for a plain file, whose
                pages anybody can read and nothing vouches for.
            synchronous: What a finished write shall survive.
            schema: Which tables the file holds.

        Raises:
            DatabaseCorruptError: The file is damaged.
            SchemaError: Another version of Covey made it.
            EnvironmentFault: The disk refused.
        """
        if key is not None and len(key) != KEY_BYTES:
            raise LocalProtocolError("a database key has 32 bytes")
        apsw.soft_heap_limit(MAX_CACHES_BYTES)
        with _faults():
            size = path.stat().st_size if path.exists() else 0
            writer = apsw.Connection(str(path))
            try:
                _prepare(writer, key, cache_kib=WRITER_CACHE_KIB)
                # Look first: a file that is damaged or foreign must stay as it is.
                _look_over(writer, path, size, schema.application_id)
                writer.pragma("journal_mode", "WAL")
                writer.pragma("synchronous", synchronous.value)
                writer.pragma("journal_size_limit", MAX_LOG_FILE_BYTES)
                migrate(writer, schema)
            except BaseException:
                writer.close()
                raise
        return cls(path, key, synchronous, writer)

    def write(
        self,
        work: Callable[[Connection], T],
        *,
        undo: Callable[[], None] | None = None,
    ) -> Future[T]:
        """Run ``work`` in the writer thread; the future settles after the commit.

        Pieces of work run one after the other in the order given. One that raises is
        rolled back alone.

        Args:
            work: Gets the writer's connection inside a transaction.
            undo: Called in the writer thread, before any further work, when what
                ``work`` did was rolled back, its own fault or not.

        Raises:
            LocalProtocolError: The database is closed.
            EnvironmentFault: The disk does not keep up and too much is waiting.
        """
        future: Future[T] = Future()
        self._put(_Write(work, future, undo))
        return future

    def write_and_tell(
        self,
        work: Callable[[Connection], object],
        told: Callable[[BaseException | None], None],
    ) -> None:
        """Like ``write``, for those who write all the time.

        Args:
            work: As for ``write``.
            told: Called in the writer thread after the commit, with what went wrong;
                must not raise.

        Raises:
            StoreError: As for ``write``; nothing will be told.
        """
        self._put(_Write(work, _Teller(told), None))

    def gather(self, defer: Callable[[Callable[[], object]], object]) -> None:
        """From now on hand over together what this thread writes within two turns.

        One thing leads to another: an answer stores blocks, and in the next turn what
        they mean. A commit for both costs little more than one for either.

        Args:
            defer: Calls something in the next turn of this thread's loop.
        """
        self._gathering_thread = threading.get_ident()
        self._defer = defer

    def _put(self, write: _Write) -> None:
        with self._handing_over:
            self._check_open()
            if self._waiting.qsize() + len(self._gathered) >= MAX_WAITING_WRITES:
                raise EnvironmentFault("the disk does not keep up with the writes")
            defer = self._defer
            if defer is None or threading.get_ident() != self._gathering_thread:
                self._waiting.put(write)
                return
            self._gathered.append(write)
            if len(self._gathered) == 1:
                defer(lambda: defer(self._hand_over))

    def _hand_over(self) -> None:
        """Let the writer have what was gathered."""
        with self._handing_over:
            self._put_gathered()

    def _put_gathered(self) -> None:
        for write in self._gathered:
            self._waiting.put(write)
        self._gathered.clear()

    def read(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run ``work`` in a reader thread on what is committed.

        Raises:
            LocalProtocolError: The database is closed.
        """
        with self._handing_over:
            self._check_open()
            return self._reader_pool.submit(self._run_read, work)

    def check(self) -> Future[None]:
        """Read the whole file and verify every page; settles when it is sound.

        The future fails with ``DatabaseCorruptError`` otherwise.
        """
        return self.read(lambda connection: _check_whole(connection, self.path))

    def empty_log(self, *, rewrite: bool = False) -> Future[None]:
        """Bring every page home and cut the write-ahead log to nothing.

        What was overwritten or deleted before lives on in the log until then. Runs in
        the writer thread behind the writes handed over so far. The future fails with
        ``EnvironmentFault`` when a long read still needs the log.

        Args:
            rewrite: Rewrite the whole file before. SQLite overwrites what is deleted,
                but where it moves rows between pages it leaves copies in the slack of
                these; only this ends them. Takes the memory of the whole file.

        Raises:
            StoreError: As for ``write``.
        """
        future: Future[None] = Future()
        self._put(_LogEmptying(future, rewrite=rewrite))
        return future

    def close(self) -> None:
        """Finish what was handed over, then close every connection. Blocks."""
        with self._handing_over:
            if self._closed:
                return
            self._closed = True
            self._put_gathered()
            self._waiting.put(None)
        self._thread.join()
        self._reader_pool.shutdown(wait=True)
        for connection in self._reader_connections:
            connection.close()
        with contextlib.suppress(apsw.Error):
            self._writer.execute(
                f"PRAGMA incremental_vacuum({VACUUM_PAGES})"
            ).fetchall()
        self._writer.close()

    def _check_open(self) -> None:
        if self._closed:
            raise LocalProtocolError("the database is closed", code="closed")

    def _run_writer(self) -> None:
        while True:
            group = self._next_group()
            emptyings = [job for job in group if isinstance(job, _LogEmptying)]
            jobs = [
                job
                for job in group
                if job is not None and not isinstance(job, _LogEmptying)
            ]
            if jobs:
                self._commit(jobs)
            for emptying in emptyings:
                emptying.fulfil(self._writer)
            if None in group:
                return

    def _next_group(self) -> list[_Write | None]:
        waiting = self._waiting
        group = [waiting.get()]
        # Nobody else takes from it.
        while group[-1] is not None and len(group) < MAX_GROUP and not waiting.empty():
            group.append(waiting.get_nowait())
        return group

    def _commit(self, jobs: list[_Write]) -> None:
        running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            if len(running) == 1:
                # A savepoint costs as much as a small job.
                running[0].run_alone(self._writer)
            else:
                for job in running:
                    job.run(self._writer)
            if self._writer.in_transaction:
                self._writer.execute("COMMIT")
        except apsw.Error as error:
            # The commit failed as a whole (disk full, damaged): nothing of it holds.
            if self._writer.in_transaction:
                with contextlib.suppress(apsw.Error):
                    self._writer.execute("ROLLBACK")
            for job in running:
                job.error = job.error or error
        for job in running:
            job.settle()

    def _run_read(self, work: Callable[[Connection], T]) -> T:
        try:
            connection = self._reader()
            with connection:
                result = work(connection)
        except (apsw.Error, OSError) as error:
            raise verdict(error) from error
        return result

    def _reader(self) -> Connection:
        """The read-only connection of the thread that calls."""
        connection: Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            flags = apsw.SQLITE_OPEN_READONLY
            connection = apsw.Connection(str(self.path), flags=flags)
            _prepare(connection, self._key, cache_kib=READER_CACHE_KIB)
            self._readers.connection = connection
            self._reader_connections.append(connection)
        return connection


def _prepare(connection: Connection, key: bytes | None, *, cache_kib: int) -> None:
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    if key is not None:
        connection.pragma("key", f"raw:{key.hex()}")
    # A temporary file would hold plain text.
    connection.pragma("temp_store", "MEMORY")
    connection.pragma("cache_size", -cache_kib)
    connection.pragma("foreign_keys", "ON")
    # What is deleted must not live on in free pages.
    connection.pragma("secure_delete", "ON")


def _look_over(
    connection: Connection, path: Path, size: int, application_id: int
) -> None:
    """Refuse a file that is damaged or somebody else's; ready a new one."""
    if not size or _is_blank(connection):
        connection.pragma("auto_vacuum", "INCREMENTAL")
        return
    if connection.pragma("application_id") != application_id:
        raise DatabaseCorruptError(f"{path.name} is no Covey database of this kind")
    if size <= CHECKED_WHOLE_BYTES:
        _check_whole(connection, path)


def _is_blank(connection: Connection) -> bool:
    """Tell whether whoever made the file was killed before its first commit."""
    return bool(
        connection.pragma("application_id") == 0
        and connection.pragma("user_version") == 0
        and connection.execute("SELECT count(*) FROM sqlite_schema").get == 0
    )


def _check_whole(connection: Connection, path: Path) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").get
    if verdict != "ok":
        raise DatabaseCorruptError(f"{path.name} is damaged: {verdict}")


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """Turn the driver's errors into the store's."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise verdict(error) from error


def verdict(error: BaseException) -> BaseException:
    """The store's error for one of the driver's; any other as it is."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return DatabaseCorruptError(f"the database is damaged: {error}")
    if isinstance(
        error,
        apsw.FullError
        | apsw.IOError
        | apsw.ReadOnlyError
        | apsw.CantOpenError
        | apsw.BusyError
        | apsw.PermissionsError
        | OSError,
    ):
        return EnvironmentFault(f"the disk refused: {error}")
    return error
