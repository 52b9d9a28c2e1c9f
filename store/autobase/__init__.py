"""One history out of many logs: causal links, an order that all share, confirmation.

It knows nothing of what the entries mean.
"""

from __future__ import annotations

from store.autobase.confirmation import Stay, confirmed_clock
from store.autobase.entry import Entry, Link, Place, decode_entry, encode_entry
from store.autobase.gate import Verdict
from store.autobase.linearizer import Linearizer
from store.autobase.order import Reorder
from store.autobase.saved import Saved, decode_saved, encode_saved
from store.autobase.spans import ALL, Spans

__all__ = [
    "ALL",
    "Entry",
    "Linearizer",
    "Link",
    "Place",
    "Reorder",
    "Saved",
    "Spans",
    "Stay",
    "Verdict",
    "confirmed_clock",
    "decode_entry",
    "decode_saved",
    "encode_entry",
    "encode_saved",
]
