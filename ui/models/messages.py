"""The messages of the open room, newest first, grouped by author and time.

Row 0 is the newest: the view grows from the bottom up. The model holds a window of at
most :data:`MAX_LOADED` messages of a history of any length; what lies beyond either
end is fetched in pages by :class:`ui.models.conversation.Conversation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from PySide6.QtCore import QObject

from app.snapshots import MessageSnapshot
from ui import format as texts
from ui.models.message_rows import Entry, MessageRow, Neighbourhood, make_row
from ui.models.rows import RowModel

MAX_LOADED = 1000
"""Messages held at once; beyond it the far end is let go."""


class MessageListModel(RowModel[MessageRow]):
    """A window of one room's history; newest first."""

    def __init__(
        self, *, now_ms: Callable[[], int], parent: QObject | None = None
    ) -> None:
        super().__init__(MessageRow, parent)
        self._now_ms = now_ms
        self._today = texts.local_day(now_ms())
        self._entries: list[Entry] = []
        self._ids: set[str] = set()
        self._fresh_id = ""
        self._thread = ""
        self._people: dict[str, str] = {}
        self._device_count = 0

    @property
    def entries(self) -> Sequence[Entry]:
        """The messages as they are now, newest first."""
        return self._entries

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._ids

    def clear(self) -> None:
        """Show nothing."""
        self._entries, self._fresh_id = [], ""
        self._ids.clear()
        self.replace_all([])

    def load(self, messages: Sequence[MessageSnapshot], *, unread: int = 0) -> None:
        """Show these messages, oldest first as the core gives them.

        Args:
            messages: The newest page of the history.
            unread: How many of the last are unread; the ``new`` line goes above them.
        """
        self._entries = [Entry(message) for message in reversed(messages)]
        self._ids = {message.id for message in messages}
        self._fresh_id = self._first_unread(unread)
        self.replace_all([self._row(at) for at in range(len(self._entries))])

    def _first_unread(self, unread: int) -> str:
        found = ""
        for entry in self._entries:
            if unread <= 0:
                break
            if not entry.message.mine:
                found = entry.message.id
                unread -= 1
        return found

    @property
    def fresh_id(self) -> str:
        """The message above which the ``new`` line stands, or empty."""
        return self._fresh_id

    def mark_fresh(self, message_id: str) -> None:
        """Move the ``new`` line; empty takes it away."""
        before, self._fresh_id = self._fresh_id, message_id
        for changed in {before, message_id} - {""}:
            at = self.find(changed)
            if at >= 0:
                self._refresh(at, at)

    def find(self, message_id: str) -> int:
        """Number of a message's row, or -1."""
        if message_id not in self._ids:
            return -1
        for at, entry in enumerate(self._entries):
            if entry.message.id == message_id:
                return at
        return -1

    def add_older(self, messages: Sequence[MessageSnapshot]) -> int:
        """Put an older page, oldest first, behind what is there; returns how many."""
        fresh = [m for m in reversed(messages) if m.id not in self._ids]
        self._insert(len(self._entries), [Entry(message) for message in fresh])
        return len(fresh)

    def add_newer(self, messages: Sequence[MessageSnapshot]) -> int:
        """Put a newer page, oldest first, before what is there; returns how many."""
        fresh = [m for m in reversed(messages) if m.id not in self._ids]
        self._insert(0, [Entry(message) for message in fresh])
        return len(fresh)

    def receive(self, messages: Iterable[MessageSnapshot]) -> list[MessageSnapshot]:
        """Take in messages just stored, each at its place by time.

        Returns:
            Those that were not there before, in the order given.
        """
        added: list[MessageSnapshot] = []
        run: list[Entry] = []
        for message in messages:
            if message.id in self._ids:
                self._replace(self.find(message.id), message)
                continue
            if message.mine and self._settle_pending(message):
                continue
            added.append(message)
            self._ids.add(message.id)
            if not run or message.sent_at >= run[0].message.sent_at:
                run.insert(0, Entry(message))
                continue
            self._merge(run)
            run = [Entry(message)]
        self._merge(run)
        return added

    def agree(self, messages: Sequence[MessageSnapshot]) -> bool:
        """Take over the order of the newest page as the core gives it, oldest first.

        The core orders by what each author had seen, and only then by time: where a
        machine's clock is wrong, the times alone would put a message elsewhere.

        Returns:
            Whether anything was in another order.
        """
        rank = {message.id: at for at, message in enumerate(reversed(messages))}
        places = [
            at for at, entry in enumerate(self._entries) if entry.message.id in rank
        ]
        told = sorted(
            (self._entries[at] for at in places), key=lambda e: rank[e.message.id]
        )
        if all(
            self._entries[at] is entry for at, entry in zip(places, told, strict=True)
        ):
            return False
        for at, entry in zip(places, told, strict=True):
            self._entries[at] = entry
        self.replace_all([self._row(at) for at in range(len(self._entries))])
        return True

    def _merge(self, run: list[Entry]) -> None:
        """Insert a run of entries, newest first, at once where it fits as a whole."""
        if not run:
            return
        at = self._place(run[-1].message.sent_at)
        if at == self._place(run[0].message.sent_at):
            self._insert(at, run)
            return
        for entry in reversed(run):
            self._insert(self._place(entry.message.sent_at), [entry])

    def _place(self, sent_at: int) -> int:
        for at, entry in enumerate(self._entries):
            if not entry.pending and entry.message.sent_at <= sent_at:
                return at
        return len(self._entries)

    def _settle_pending(self, message: MessageSnapshot) -> bool:
        """An own message came back as an event before the answer to its sending."""
        for at in range(len(self._entries) - 1, -1, -1):
            entry = self._entries[at]
            if entry.pending and entry.message.text == message.text:
                self._replace(at, message)
                return True
        return False

    def add_pending(self, message: MessageSnapshot) -> None:
        """Show an own message that the core has not stored yet."""
        self._insert(0, [Entry(message, pending=True)])

    def settle(self, pending_id: str, message: MessageSnapshot) -> None:
        """The core stored the pending message under its real id."""
        at = self.find(pending_id)
        if at < 0:
            return
        if message.id in self._ids:
            self._drop(at)
        else:
            self._replace(at, message)

    def fail(self, pending_id: str, sentence: str) -> None:
        """The core could not store the pending message."""
        at = self.find(pending_id)
        if at >= 0:
            self._entries[at].pending = False
            self._entries[at].failure = sentence
            self._refresh(at, at)

    def take_failed(self, message_id: str) -> MessageSnapshot | None:
        """Take a failed message out and return it."""
        at = self.find(message_id)
        if at < 0 or not self._entries[at].failure:
            return None
        message = self._entries[at].message
        self._drop(at)
        return message

    def change(
        self, messages: Sequence[MessageSnapshot], *, gone: Iterable[str] = ()
    ) -> None:
        """Show messages as they are now.

        Args:
            messages: Those that are there.
            gone: Ids of those that are not there any more, unless they are among these.
        """
        changed = {message.id for message in messages}
        for message in messages:
            at = self.find(message.id)
            if at >= 0:
                self._replace(at, message)
        for message_id in gone:
            at = self.find(message_id)
            if at >= 0 and message_id not in changed:
                changed.add(message_id)
                self._drop(at)
        for at, entry in enumerate(self._entries):
            if entry.message.reply_to in changed:
                self._refresh(at, at)

    def deliver(self, message_id: str, delivered_to: int) -> None:
        """More devices hold an own message."""
        at = self.find(message_id)
        if at >= 0:
            self._replace(at, _delivered(self._entries[at].message, delivered_to))

    def expand(self, message_id: str) -> None:
        """Show all of a long message."""
        at = self.find(message_id)
        if at >= 0:
            self._entries[at].expanded = True
            self._refresh(at, at)

    def trim_newest(self, count: int) -> str:
        """Let some of the newest go; returns the id of the oldest of them."""
        oldest = self._entries[count - 1].message.id
        self._forget(0, count)
        return oldest

    def trim_oldest(self) -> bool:
        """Let the oldest go while there are too many; returns whether any went."""
        count = len(self._entries) - MAX_LOADED
        self._forget(len(self._entries) - count, count)
        return count > 0

    def notice_time(self) -> None:
        """Say ``Yesterday`` where it has become true."""
        today = texts.local_day(self._now_ms())
        if today != self._today:
            self._today = today
            self._refresh(0, len(self._entries) - 1)

    def _forget(self, at: int, count: int) -> None:
        if count > 0:
            self._ids -= {e.message.id for e in self._entries[at : at + count]}
            del self._entries[at : at + count]
            self.remove(at, count)
            self._refresh(at - 1, at)

    def _drop(self, at: int) -> None:
        self._forget(at, 1)

    def _replace(self, at: int, message: MessageSnapshot) -> None:
        before = self._entries[at]
        self._ids.discard(before.message.id)
        self._ids.add(message.id)
        self._entries[at] = Entry(
            message,
            expanded=before.expanded,
            selected=before.selected and not message.deleted,
        )
        self._refresh(at - 1, at + 1)

    def _insert(self, at: int, entries: list[Entry]) -> None:
        if not entries:
            return
        self._ids.update(entry.message.id for entry in entries)
        self._entries[at:at] = entries
        end = at + len(entries)
        self.insert(at, [self._row(number) for number in range(at, end)])
        self._refresh(at - 1, at - 1)
        self._refresh(end, end)

    def _refresh(self, first: int, last: int) -> None:
        for at in range(max(0, first), min(last, len(self._entries) - 1) + 1):
            self.put(at, self._row(at))

    def set_people(self, names: dict[str, str], *, device_count: int) -> None:
        """Who is in the room, for what mentions them and for where messages are.

        Args:
            names: By their keys.
            device_count: Their devices besides this one.
        """
        if (names, device_count) == (self._people, self._device_count):
            return
        self._people, self._device_count = names, device_count
        for at, entry in enumerate(self._entries):
            if entry.message.mentions or entry.message.delivered_to:
                self._refresh(at, at)

    def set_thread(self, root: str) -> None:
        """Say that the messages are those of one thread; empty for the whole room."""
        self._thread = root

    @property
    def selected(self) -> list[MessageSnapshot]:
        """The messages that were chosen, oldest first."""
        return [e.message for e in reversed(self._entries) if e.selected]

    def toggle(self, message_id: str) -> None:
        """Choose a message, or not any more."""
        at = self.find(message_id)
        if at < 0 or self._entries[at].pending or self._entries[at].failure:
            return
        self._entries[at].selected = not self._entries[at].selected
        self._refresh(at, at)

    def select_none(self) -> None:
        """No message is chosen any more."""
        for at, entry in enumerate(self._entries):
            if entry.selected:
                entry.selected = False
                self._refresh(at, at)

    def _row(self, at: int) -> MessageRow:
        entry = self._entries[at]
        quoted = -1
        if entry.message.reply_to is not None:
            quoted = self.find(entry.message.reply_to)
        last = len(self._entries) - 1
        around = Neighbourhood(
            older=self._entries[at + 1].message if at < last else None,
            newer=self._entries[at - 1].message if at > 0 else None,
            quoted=self._entries[quoted].message if quoted >= 0 else None,
            fresh_id=self._fresh_id,
            today=self._today,
            now_ms=self._now_ms(),
            thread=self._thread,
            names=self._people,
            device_count=self._device_count,
        )
        return make_row(entry, around)


def _delivered(message: MessageSnapshot, delivered_to: int) -> MessageSnapshot:
    return replace(message, delivered_to=max(delivered_to, message.delivered_to))
