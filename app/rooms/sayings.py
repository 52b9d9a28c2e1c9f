"""What entries say to people, judged by the rules and kept as rows.

Lives in the writer thread, between the entries (``timeline``), the rules (``law``) and
the tables (``store/contents``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from app.rooms.blocks import block_id, log_key
from app.rooms.key_ring import KeyRing
from app.rooms.law import Law
from app.rooms.operations import (
    Body,
    Delete,
    Deleted,
    Newer,
    Operation,
    Unknown,
    number_of,
)
from app.rooms.roles import Right
from net.errors import RemoteProtocolError
from store import contents, rooms
from store import errors as store_errors
from store.autobase import Entry, Linearizer, Place, decode_entry
from store.contents import CHANGES, DELETE, PIN, REACT, Allows, NewContent, Outcome
from store.database import Connection
from store.rooms import RoomRow

EntryAt = Callable[[Connection, bytes, int], Entry | None]

_RIGHTS = {REACT: Right.REACT, PIN: Right.PIN}
"""What it takes for a kind of content; writing for all others."""


class Sayings:
    """Keeps what the entries of one room say."""

    def __init__(self, row: RoomRow, entry_at: EntryAt) -> None:
        """Begin.

        Args:
            row: The room as stored.
            entry_at: What stands in a log at a number, or stood where it is a hole.
        """
        self._row = row
        self._entry_at = entry_at
        self._log_keys: dict[bytes, bytes] = {}

    def id_of(self, entry: Entry, block: bytes) -> bytes:
        """What an entry is named by."""
        key = self._log_keys.get(entry.writer)
        if key is None:
            key = self._log_keys[entry.writer] = log_key(entry.writer, self._row.key)
        return block_id(key, entry.sequence, block)

    def put(
        self,
        connection: Connection,
        law: Law,
        linearizer: Linearizer,
        writer: bytes,
        said: Iterable[tuple[bytes, Entry, Operation]],
    ) -> Outcome:
        """Keep new contents of one log.

        Args:
            connection: The writer's.
            law: With everything these entries had seen.
            linearizer: The same.
            writer: Whose log.
            said: Block, entry and operation of each, in order.
        """
        rows: list[NewContent] = []
        ids: dict[bytes, Place] = {}
        for block, entry, operation in said:
            kind, body = number_of(operation.body), operation.body
            id = self.id_of(entry, block)
            ids[id] = entry.place
            if kind in CHANGES and not isinstance(body, Newer | Unknown):
                seen = self._seen_targets(connection, linearizer, entry, body, ids)
                if seen is None:
                    continue
                body = seen
            rows.append(
                NewContent(
                    entry.sequence,
                    entry.clock,
                    id,
                    operation.sent_at,
                    kind,
                    body,  # type: ignore[arg-type]
                    shown=_shows(law, entry.place, kind),
                )
            )
        row = self._row.row
        allows = _allows(law, writer)
        return contents.put(connection, row, writer, rows, allows=allows)

    def judge(
        self, connection: Connection, law: Law, writer: bytes, *, sequence: int
    ) -> Outcome:
        """Look again at what a log says, from a number on."""

        def shows(clock: int, number: int, kind: int) -> bool:
            return _shows(law, Place(clock, writer, number), kind)

        return contents.judge(
            connection,
            self._row.row,
            writer,
            shows,
            allows=_allows(law, writer),
            sequence=sequence,
        )

    def named(
        self, connection: Connection, ring: KeyRing, writer: bytes, sequence: int
    ) -> Deleted | None:
        """An entry as a deletion names it; None when its block is not here."""
        blocks = rooms.log_blocks(
            connection, self._row.row, writer, sequence, sequence + 1
        )
        try:
            for block in blocks:
                opened = ring.open(block, writer=writer, sequence=sequence)
                entry = decode_entry(writer, sequence, opened)
                id = self.id_of(entry, block)
                return Deleted(id, writer, sequence, entry.clock, entry.links)
        except (RemoteProtocolError, store_errors.RemoteProtocolError):
            pass
        return None

    def _seen_targets(
        self,
        connection: Connection,
        linearizer: Linearizer,
        entry: Entry,
        body: Body,
        fresh: dict[bytes, Place],
    ) -> Body | None:
        """A change without what its author had not seen; None when nothing is left.

        Otherwise it would mean something where its target came first, and elsewhere
        nothing.
        """

        def had_seen(id: bytes) -> bool:
            place = fresh.get(id) or contents.place(connection, self._row.row, id)
            if place is None:
                return False
            seen = linearizer.causality.seen
            return seen(entry.writer, entry.sequence, place.writer) > place.sequence

        if isinstance(body, Delete):
            targets = tuple(
                it
                for it in body.targets
                if had_seen(it.id) and self._is_true(connection, it, fresh)
            )
            return Delete(targets) if targets else None
        return body if had_seen(body.target) else None  # type: ignore[union-attr]

    def _is_true(
        self, connection: Connection, named: Deleted, fresh: dict[bytes, Place]
    ) -> bool:
        """Whether a deletion says of an entry what that says itself.

        Whoever comes later and finds no block there has nothing else to go by.
        """
        place = fresh.get(named.id) or contents.place(
            connection, self._row.row, named.id
        )
        if place != Place(named.clock, named.writer, named.sequence):
            return False
        entry = self._entry_at(connection, named.writer, named.sequence)
        return entry is None or entry.links == named.links

    def restore(
        self,
        connection: Connection,
        writer: bytes,
        said: Iterable[tuple[Entry, Operation]],
    ) -> Outcome:
        """Put words of one log back where a deletion counts no more."""
        rows = [
            NewContent(
                entry.sequence,
                entry.clock,
                b"",
                operation.sent_at,
                number_of(operation.body),
                operation.body,  # type: ignore[arg-type]
                shown=True,
            )
            for entry, operation in said
        ]
        return contents.restore(connection, self._row.row, writer, rows)


def _shows(law: Law, place: Place, kind: int) -> bool:
    if kind == DELETE:
        # Whoever is in may take back what they said.
        return law.rank_at(place.writer, place) is not None
    return law.may_at(place.writer, place, _RIGHTS.get(kind, Right.POST))


def _allows(law: Law, writer: bytes) -> Allows:
    """Whether deletions of a device may concern what others wrote."""

    def allows(clock: int, sequence: int, author: bytes) -> bool:
        member = law.member_of(author)
        identity = member.identity if member is not None else author
        return law.may_delete_at(writer, Place(clock, writer, sequence), identity)

    return allows
