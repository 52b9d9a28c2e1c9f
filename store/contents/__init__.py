"""What people say in rooms, as rows: messages, and what is said of them later.

Functions of a connection, to be run by ``store.database``. What is effective follows
from the places of what is shown, so nothing needs to be undone and the order of arrival
never matters. Which rows count is decided by the rules in ``app/rooms``.
"""

from __future__ import annotations

from store.contents.bodies import (
    CHANGES,
    DELETE,
    EDIT,
    MAX_CHANGES,
    MAX_EDITS,
    MESSAGE,
    PIN,
    POLL,
    REACT,
    VOTE,
    NewContent,
)
from store.contents.counting import (
    MAX_COUNTED,
    ChangedRow,
    Counts,
    arrived,
    changed,
    counts,
    drop_changed,
    mark_read,
)
from store.contents.effects import MAX_TOLD, Outcome
from store.contents.judging import judge, set_identity
from store.contents.pages import (
    MAX_PAGE,
    MessageRow,
    PollRow,
    Preview,
    ThreadSize,
    ids_with_prefix,
    message,
    own_between,
    page,
    pins,
    previews,
    thread,
    thread_sizes,
)
from store.contents.putting import put
from store.contents.responses import (
    Reaction,
    Tally,
    delivered,
    reactions,
    tallies,
)
from store.contents.wiping import (
    Block,
    cleared,
    due,
    expire,
    forget,
    give_up,
    next_due_ms,
    older_than,
    oldest_clock,
    restore,
    to_clear,
    to_reread,
)

__all__ = [
    "CHANGES",
    "DELETE",
    "EDIT",
    "MAX_CHANGES",
    "MAX_COUNTED",
    "MAX_EDITS",
    "MAX_PAGE",
    "MAX_TOLD",
    "MESSAGE",
    "PIN",
    "POLL",
    "REACT",
    "VOTE",
    "Block",
    "ChangedRow",
    "Counts",
    "MessageRow",
    "NewContent",
    "Outcome",
    "PollRow",
    "Preview",
    "Reaction",
    "Tally",
    "ThreadSize",
    "arrived",
    "changed",
    "cleared",
    "counts",
    "delivered",
    "drop_changed",
    "due",
    "expire",
    "forget",
    "give_up",
    "ids_with_prefix",
    "judge",
    "mark_read",
    "message",
    "next_due_ms",
    "older_than",
    "oldest_clock",
    "own_between",
    "page",
    "pins",
    "previews",
    "put",
    "reactions",
    "restore",
    "set_identity",
    "tallies",
    "thread",
    "thread_sizes",
    "to_clear",
    "to_reread",
]
