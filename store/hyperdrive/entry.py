"""What a drive's database holds of a file: JSON in UTF-8.

Members in the order in which they are written::

    executable   true or false
    linkname     text, or null for a file
    blob         null, or blockOffset, byteOffset, blockLength, byteLength, and
                 blockMap: true for a mapped one
    metadata     any JSON of the application

Follows npm hyperdrive 13.3.4.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from store.errors import LocalProtocolError, RemoteProtocolError
from store.hyperbee.encoding import read_json, write_json
from store.hyperblobs.blob_id import BlobId

MAX_ENTRY_BYTES: Final = 2**18
"""Of one entry as JSON, metadata included."""
MAX_LINK_BYTES: Final = 4096

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a symbolic link."""

    executable: bool = False
    linkname: str | None = None
    """Where a symbolic link leads."""
    blob: BlobId | None = None
    """The contents; None for a link, or a file that has none."""
    metadata: Json = None
    """Whatever the application wants to keep with it."""


class Node(NamedTuple):
    """An entry and where it was found."""

    seq: int
    """The block of the database that holds it."""
    path: str
    entry: Entry


def encode_entry(entry: Entry) -> bytes:
    """Write an entry.

    Raises:
        LocalProtocolError: The metadata is no JSON, or the entry too large.
    """
    members = {
        "executable": entry.executable,
        "linkname": entry.linkname,
        "blob": None if entry.blob is None else entry.blob.to_json(),
        "metadata": entry.metadata,
    }
    value = write_json(members)
    if len(value) > MAX_ENTRY_BYTES:
        raise LocalProtocolError("the entry is too large", code="too-large")
    return value


def decode_entry(value: bytes | None) -> Entry:
    """Read an entry; members that are missing have their defaults.

    Raises:
        RemoteProtocolError: It is too large, no JSON, or a member is of the wrong kind.
    """
    members = _object(value)
    executable = members.get("executable", False)
    linkname = members.get("linkname")
    blob = members.get("blob")
    if executable not in (True, False, None):
        raise RemoteProtocolError("executable is neither true nor false")
    if linkname is not None and not isinstance(linkname, str):
        raise RemoteProtocolError("the linkname is no text")
    if linkname is not None and len(linkname) > MAX_LINK_BYTES:
        raise RemoteProtocolError("the linkname is too long", code="too-large")
    return Entry(
        executable=executable is True,
        # Upstream takes a link without a name for a file.
        linkname=linkname or None,
        blob=None if blob is None else BlobId.from_json(blob),
        metadata=members.get("metadata"),
    )


def _object(value: bytes | None) -> dict[str, Json]:
    if value is None:
        raise RemoteProtocolError("the entry is empty")
    if len(value) > MAX_ENTRY_BYTES:
        raise RemoteProtocolError("the entry is too large", code="too-large")
    members = read_json(value)
    if not isinstance(members, dict):
        raise RemoteProtocolError("the entry is no object")
    return members


def same_metadata(left: Json, right: Json) -> bool:
    """Tell whether two values are the same JSON; all empty ones are, as upstream's."""
    if not left and not right:
        return True
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
