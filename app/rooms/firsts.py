"""Which entries had seen which acts first, as it is stored (``Law.firsts``).

::

    array (fixed32 device, fixed32 writer of the act, uint its number, uint entry)
"""

from __future__ import annotations

from collections.abc import Mapping

from app.rooms.law import Host
from net.encoding import Reader, Writer

MAX_FIRSTS = 1 << 24


def encode_firsts(firsts: Mapping[tuple[bytes, Host], int]) -> bytes:
    """The bytes drawn above."""
    writer = Writer().uint(len(firsts))
    for (device, (author, sequence)), entry in firsts.items():
        writer.fixed(device, 32).fixed(author, 32).uint(sequence).uint(entry)
    return writer.finish()


def decode_firsts(data: bytes) -> dict[tuple[bytes, Host], int]:
    """The inverse of ``encode_firsts``.

    Raises:
        RemoteProtocolError: These are not its bytes.
    """

    def read(item: Reader) -> tuple[tuple[bytes, Host], int]:
        device = item.fixed(32)
        host = item.fixed(32), item.uint()
        return (device, host), item.uint()

    return dict(Reader(data).array(read, max_count=MAX_FIRSTS))
