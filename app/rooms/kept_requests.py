"""Newcomers who wait for a person, kept over a restart: where they are stored, and how.

What is kept of each is what its invite's key signed, so that nothing of it needs to be
trusted; who kept it answers into the DHT, for the newcomer may be gone by then::

    array (fixed32 invite key | uint ms since 1970 when it came | buffer receipt)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from net.encoding import Reader, Writer
from net.pairing import Receipt, decode_receipt
from store.database import Connection
from store.settings import get_setting, set_setting

MAX_KEPT = 64
"""Requests of one room; as many as wait at a time."""
MAX_KEPT_BYTES = 4096
"""Of one receipt; a larger one is asked anew."""
KEPT_MS = 7 * 24 * 3600 * 1000
"""After so long nobody will decide any more."""


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """One request that waits for a person."""

    invite_key: bytes
    since_ms: int
    receipt: Receipt


def encode_kept(requests: Iterable[KeptRequest]) -> bytes:
    """The bytes drawn above; what is too large or too much is left out."""
    found = [(it, it.receipt.encode()) for it in requests]
    fitting = [one for one in found if len(one[1]) <= MAX_KEPT_BYTES][:MAX_KEPT]
    writer = Writer().uint(len(fitting))
    for it, receipt in fitting:
        writer.fixed(it.invite_key, 32).uint(it.since_ms).buffer(receipt)
    return writer.finish()


def decode_kept(data: bytes, *, now_ms: int) -> list[KeptRequest]:
    """The inverse of ``encode_kept``, without those that are too old.

    Raises:
        RemoteProtocolError: These are not its bytes.
    """

    def read(item: Reader) -> KeptRequest:
        key, since_ms = item.fixed(32), item.uint()
        receipt = decode_receipt(item.buffer(max_bytes=MAX_KEPT_BYTES))
        return KeptRequest(key, since_ms, receipt)

    found = Reader(data).array(read, max_count=MAX_KEPT) if data else []
    return [it for it in found if now_ms - it.since_ms < KEPT_MS]


def keep(connection: Connection, room: int, requests: Sequence[KeptRequest]) -> None:
    """Store what waits in a room, in place of what was stored."""
    set_setting(connection, _name(room), encode_kept(requests))


def kept(connection: Connection, room: int, *, now_ms: int) -> list[KeptRequest]:
    """What waited in a room when ``keep`` was called last."""
    return decode_kept(get_setting(connection, _name(room)) or b"", now_ms=now_ms)


def _name(room: int) -> str:
    return f"requests/{room}"
