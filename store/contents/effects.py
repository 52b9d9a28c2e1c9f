"""What changes make of a message: which words are read, whether it is gone, or pinned.

All of it follows from the rows that are shown, by their places; so it is worked out
anew whenever one of them comes, vanishes or reappears, and the order in which they came
leaves no trace. Words that are deleted go at once, here and in the list of blocks to be
cleared; when the deletion stops counting, their blocks are listed to be read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from store.contents.bodies import DELETE, EDIT, PIN
from store.database import Connection

MAX_TOLD: Final = 1_000
"""Messages that an outcome names."""

_OWN_BLOCKS = (
    "SELECT writer, sequence FROM content WHERE arrival = :target UNION ALL"
    " SELECT writer, sequence FROM change WHERE target = :target AND kind = :edit"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became different for whoever looks at a room."""

    messages: tuple[bytes, ...] = ()
    """Ids of those that look different now, at most ``MAX_TOLD``; new ones are not
    among them."""
    count: int = 0
    """How many they are."""
    refused: int = 0
    """Changes that were not kept: nothing, or nothing fitting, to change."""
    clear: bool = False
    """There are blocks to be cleared (see ``to_clear``)."""
    reread: bool = False
    """There are blocks to be read again (see ``to_reread``)."""


class Effects:
    """Follows what one transaction changes, and tells it at the end."""

    def __init__(self, connection: Connection) -> None:
        """Begin with nothing.

        Args:
            connection: The writer's.
        """
        self.refused = 0
        self.clear = False
        self.reread = False
        self._connection = connection
        self._touched: dict[int, None] = {}

    def touch(self, number: int) -> None:
        """A message looks different; what can be searched of it is the same."""
        self._touched[number] = None

    def mark(self, number: int) -> None:
        """A message looks different, also for the search."""
        self._touched[number] = None
        self._connection.execute(
            "INSERT OR REPLACE INTO content_changed (content) VALUES (?)", (number,)
        )

    def outcome(self) -> Outcome:
        """Everything so far."""
        told = list(self._touched)[:MAX_TOLD]
        found: Iterable[tuple[bytes]] = ()
        if told:
            places = ", ".join("?" * len(told))
            found = self._connection.execute(
                f"SELECT id FROM content WHERE arrival IN ({places}) ORDER BY arrival",
                told,
            )
        return Outcome(
            tuple(id for (id,) in found),
            len(self._touched),
            refused=self.refused,
            clear=self.clear,
            reread=self.reread,
        )

    def refresh(self, number: int) -> None:
        """Work out anew what a message is by its edits, deletions and pins."""
        values: Any = self._connection.execute(
            "SELECT coalesce(w.identity, w.key), m.edit, m.deleted, m.pinned,"
            " m.mentions, m.mentioning, m.expired FROM content m"
            " JOIN writer w ON w.id = m.writer WHERE m.arrival = ?",
            (number,),
        ).fetchone()
        who, edit, deleted, pinned, mentions, mentioning, expired = values
        if expired:
            return
        now_edit, edit_mentions = self._edit(number, who)
        now_deleted = self._is_deleted(number, who)
        now_pinned = self._is_pinned(number)
        if now_deleted != bool(deleted):
            self._connection.execute(
                "UPDATE content SET deleted = ? WHERE arrival = ?",
                (now_deleted, number),
            )
            if now_deleted:
                self.wipe(number)
            else:
                self._want_back(number)
            self.mark(number)
        named = edit_mentions if now_edit is not None else mentions
        now_mentioning = not now_deleted and named is not None
        if (now_edit, now_pinned, now_mentioning) != (edit, pinned, mentioning):
            self._connection.execute(
                "UPDATE content SET edit = ?, pinned = ?, mentioning = ?"
                " WHERE arrival = ?",
                (now_edit, now_pinned, now_mentioning, number),
            )
            self.touch(number)
        if now_edit != edit:
            self.mark(number)

    def wipe(self, number: int) -> None:
        """Blank the words of a message and of its edits, and list their blocks."""
        run = self._connection.execute
        run(
            "UPDATE content SET text = '', mentions = NULL, forwarded_from = NULL,"
            " body = NULL, mentioning = 0, wiped = 1 WHERE arrival = ?",
            (number,),
        )
        run(
            "UPDATE change SET text = '', detail = NULL WHERE target = ? AND kind = ?",
            (number, EDIT),
        )
        run("UPDATE poll SET options = '[]' WHERE content = ?", (number,))
        self._move(number, "content_reread", "content_clear")
        self.clear = True

    def clear_block(self, writer: int, sequence: int) -> None:
        """List a block whose words were never kept."""
        self._connection.execute(
            "INSERT OR IGNORE INTO content_clear VALUES (?, ?)", (writer, sequence)
        )
        self.clear = True

    def _want_back(self, number: int) -> None:
        self._move(number, "content_clear", "content_reread")
        self.reread = True

    def _move(self, number: int, old: str, new: str) -> None:
        """Take the blocks of a message and of its edits from one list to the other."""
        # One by one: SQLite would read the whole list for an IN with two columns.
        blocks = self._connection.execute(
            _OWN_BLOCKS, {"target": number, "edit": EDIT}
        ).fetchall()
        self._connection.executemany(
            f"DELETE FROM {old} WHERE writer = ? AND sequence = ?", blocks
        )
        self._connection.executemany(
            f"INSERT OR IGNORE INTO {new} VALUES (?, ?)", blocks
        )

    def _edit(self, number: int, who: bytes) -> tuple[int | None, bytes | None]:
        """The edit that counts, and whom it names."""
        for edit, detail in self._connection.execute(
            "SELECT id, detail FROM change WHERE target = ? AND kind = ?"
            " AND identity = ? AND value = '' AND shown = 1"
            " ORDER BY clock DESC, device DESC, sequence DESC LIMIT 1",
            (number, EDIT, who),
        ):
            return edit, detail
        return None, None

    def _is_deleted(self, number: int, who: bytes) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM change WHERE target = ? AND kind = ? AND shown = 1"
            " AND (identity = ? OR allowed = 1) LIMIT 1",
            (number, DELETE, who),
        )
        return found.fetchone() is not None

    def _is_pinned(self, number: int) -> bool:
        for (enabled,) in self._connection.execute(
            "SELECT enabled FROM change WHERE target = ? AND kind = ?"
            " AND identity = x'' AND value = '' AND shown = 1"
            " ORDER BY clock DESC, device DESC, sequence DESC LIMIT 1",
            (number, PIN),
        ):
            return bool(enabled)
        return False
