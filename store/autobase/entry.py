"""Entries: what one block of a writer's log says, once it is decrypted.

::

    uint version (1) | uint clock | array (fixed32 writer, uint length) | rest: payload

``clock`` is the writer's wall clock in milliseconds, but above that of everything it
had seen. The links name what it had seen last: of each log that it names, everything
before ``length``; what those entries had seen is seen, too, and so is all that stands
before in its own log. An entry without payload says no more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hypercore.wire import (
    MAX_SAFE_UINT,
    read_bytes,
    read_count,
    read_uint,
    write_uint,
)

ENTRY_VERSION: Final = 1
MAX_LINKS: Final = 64
"""Logs that one entry links to; what is left over the next one links to."""
KEY_BYTES: Final = 32


class Link(NamedTuple):
    """Everything of a log before a length."""

    writer: bytes
    length: int


class Place(NamedTuple):
    """Where an entry stands: places compare as their entries follow each other."""

    clock: int
    writer: bytes
    sequence: int


class Entry(NamedTuple):
    """One entry of one writer.

    Attributes:
        writer: Key of the log, 32 bytes.
        sequence: Its number there, from 0.
        clock: Milliseconds; see above.
        links: By writer, ascending; never to the own log.
        payload: Anybody's.
    """

    writer: bytes
    sequence: int
    clock: int
    links: tuple[Link, ...]
    payload: bytes

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.clock, self.writer, self.sequence)


def encode_entry(clock: int, links: Sequence[Link], payload: bytes) -> bytes:
    """An entry as it goes into a block.

    Args:
        clock: Milliseconds.
        links: At most ``MAX_LINKS``, by writer, ascending.
        payload: Anything.

    Raises:
        LocalProtocolError: ``bad-argument``: nobody could read it.
    """
    if len(links) > MAX_LINKS:
        raise LocalProtocolError("too many links", code="bad-argument")
    _check(clock, links, LocalProtocolError, "bad-argument")
    parts = [write_uint(ENTRY_VERSION), write_uint(clock), write_uint(len(links))]
    for key, length in links:
        parts += (key, write_uint(length))
    return b"".join((*parts, payload))


def decode_entry(writer: bytes, sequence: int, data: bytes) -> Entry:
    """The inverse of ``encode_entry``, with the place where it was found.

    Raises:
        RemoteProtocolError: ``version``, or it is none of this version.
    """
    version, at = read_uint(data, 0)
    if version != ENTRY_VERSION:
        raise RemoteProtocolError(f"entry version {version}", code="version")
    clock, at = read_uint(data, at)
    count, at = read_count(data, at, max_count=MAX_LINKS)
    links = []
    for _ in range(count):
        key, at = read_bytes(data, at, KEY_BYTES)
        length, at = read_uint(data, at)
        links.append(Link(key, length))
    _check(clock, links, RemoteProtocolError, "malformed")
    if any(link.writer == writer for link in links):
        raise RemoteProtocolError("an entry links to its own log", code="malformed")
    return Entry(writer, sequence, clock, tuple(links), data[at:])


def _check(
    clock: int,
    links: Sequence[Link],
    error: type[LocalProtocolError | RemoteProtocolError],
    code: str,
) -> None:
    if not 0 < clock <= MAX_SAFE_UINT:
        raise error("the clock is no time", code=code)
    before = b""
    for writer, length in links:
        # One spelling: two entries that say the same are the same.
        if writer <= before:
            raise error("links are in order of their writers", code=code)
        if not 0 < length <= MAX_SAFE_UINT:
            raise error("a link to nothing", code=code)
        before = writer
