"""Hypothesis strategies that damage valid bytes a little.

Random bytes die at a decoder's first check; bytes that were valid a moment ago reach
the later ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

# Values at which length prefixes, flags and integers change their meaning.
TELLING_BYTES: Final = (0x00, 0x01, 0x7F, 0x80, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF)

MAX_CHANGES: Final = 4


def mutated(
    valid: Sequence[bytes], *, max_changes: int = MAX_CHANGES
) -> st.SearchStrategy[bytes]:
    """One of ``valid`` after up to ``max_changes`` small changes (sometimes none)."""
    changes = st.lists(_change(valid), max_size=max_changes)
    return st.builds(_apply, st.sampled_from(valid), changes)


Change = tuple[str, float, bytes]


def _change(valid: Sequence[bytes]) -> st.SearchStrategy[Change]:
    telling = st.sampled_from([bytes((byte,)) for byte in TELLING_BYTES])
    return st.tuples(
        st.sampled_from(("set", "flip", "insert", "delete", "cut", "repeat", "splice")),
        st.floats(0, 1, exclude_max=True),
        telling | st.binary(min_size=1, max_size=4) | st.sampled_from(valid),
    )


def _apply(data: bytes, changes: Sequence[Change]) -> bytes:
    for kind, place, new in changes:
        at = int(place * (len(data) + 1))
        if kind == "set":
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "flip" and at < len(data):
            data = data[:at] + bytes((data[at] ^ (new or b"\1")[0],)) + data[at + 1 :]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "repeat":
            data = data[:at] + data[at : at + 8] + data[at:]
        elif kind == "splice":
            data = data[:at] + new[at:]
    return data
