"""What a peer tells of its logs, damaged."""

from __future__ import annotations

from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from store.corestore import heads
from store.corestore.heads import HeadsTable, LogHead
from store.errors import RemoteProtocolError
from tests.fuzz.mutations import mutated

HASH = bytes(64)
KEYS = [bytes((number,)) * 32 for number in range(6)]


def _told() -> list[bytes]:
    table = HeadsTable(HASH, is_initiator=False)
    messages = []
    for number, key in enumerate(KEYS):
        table.set_head(key, LogHead(number % 2, 300 * number, number))
        messages += table.messages_to_send()
    table.finish_telling()
    messages += table.messages_to_send()
    for number, key in enumerate(KEYS):
        table.set_head(key, LogHead(2, 70_000, number))
    messages += table.messages_to_send()
    for key in KEYS:
        table.forget(key)
    messages += table.messages_to_send()
    assert len(messages) == len(KEYS) + 3
    return [*messages, b"\0\xfd\1\1", b"\0\0\xfd\1\1"]


@given(st.lists(mutated(_told()), max_size=12), st.integers(0, len(KEYS)))
@settings(max_examples=600)
def test_heads_are_taken_or_the_peers_fault(inputs: list[bytes], known: int) -> None:
    table = HeadsTable(HASH, is_initiator=True)
    with mock.patch.object(heads, "MAX_REMOTE_HEADS", 4):
        for key in KEYS[:known]:
            table.set_head(key, LogHead(0, 5, 5))
        for message in inputs:
            try:
                table.receive(message)
            except RemoteProtocolError:
                break
            assert len(table._remote) <= 4 + known
            assert set(table.take_changed()) <= set(KEYS[:known])
        for key in KEYS:
            assert (table.standing(key) is None) == (table.remote_head(key) is None)
