"""Entries of many logs, damaged; and writers that link, date and skip as they like.

Whatever they write, an order that was taken stays one that any other device has, too.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from store.autobase import Entry, Linearizer, Link, Verdict, decode_entry, encode_entry
from store.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated

KEYS = [bytes((number,)) * 32 for number in range(4)]
SEEDS = [
    encode_entry(1, [], b""),
    encode_entry(2**53 - 1, [], b"late"),
    encode_entry(300, [Link(KEYS[1], 5)], b"hello"),
    encode_entry(70_000, [Link(key, 2**40) for key in KEYS[1:]], b""),
    # More links than are allowed, out of order, to nothing, to itself.
    b"\1\5\xfd\x41\0" + KEYS[1] + b"\1",
    b"\1\5\2" + KEYS[2] + b"\1" + KEYS[1] + b"\1",
    b"\1\5\1" + KEYS[1] + b"\0",
    b"\1\5\1" + KEYS[0] + b"\1",
]


@given(mutated(SEEDS))
@settings(max_examples=600)
def test_entries_are_read_or_refused(data: bytes) -> None:
    try:
        entry = decode_entry(KEYS[0], 0, data)
    except RemoteProtocolError:
        return
    again = encode_entry(entry.clock, entry.links, entry.payload)
    assert decode_entry(KEYS[0], 0, again) == entry


WILD = st.lists(
    st.tuples(
        st.integers(0, len(KEYS) - 1),
        st.integers(1, 12),
        st.dictionaries(st.integers(0, len(KEYS) - 1), st.integers(1, 6), max_size=3),
    ),
    max_size=40,
)


@given(WILD, st.permutations(range(len(KEYS))))
@settings(max_examples=400)
def test_wild_links_and_clocks_end_alike(
    written: list[tuple[int, int, dict[int, int]]], turns: list[int]
) -> None:
    logs: list[list[Entry]] = [[] for _ in KEYS]
    for number, clock, named in written:
        links = sorted((KEYS[it], length) for it, length in named.items())
        kept = tuple(Link(*it) for it in links if it[0] != KEYS[number])
        sequence = len(logs[number])
        logs[number].append(Entry(KEYS[number], sequence, clock, kept, b""))
    orders = []
    for order in (range(len(KEYS)), turns):
        linearizer = Linearizer()
        due = [KEYS[number] for number in order]
        while due:
            writer = due.pop()
            log = logs[KEYS.index(writer)]
            while (at := linearizer.length(writer)) < len(log):
                if linearizer.receive(log[at], horizon=10) is not Verdict.TAKEN:
                    break
            due += linearizer.woken()
        linearizer.take_changes()
        orders.append(list(linearizer.order.tail))
    assert orders[0] == orders[1] == sorted(orders[0])
